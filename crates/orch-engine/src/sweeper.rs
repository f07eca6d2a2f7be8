//! Ageing: while a shard is owned here, what ended long ago is removed in small steps, beside the appends.
//!
//! A sweep needs no fence. A job goes only if its end is in the ledger and older than the retention, so a sweep that an
//! earlier owner still runs removes what this one would; what the owner answers is a second wall before open jobs.

use std::sync::Arc;
use std::time::Duration;

use orch_core::Timestamp;
use orch_core::ids::{JobId, ShardNo, TenantNo};
use orch_core::limits;
use orch_core::port::{KeyPlace, Ledger, RotateParams};
use orch_dispatch::answer::Needed;
use orch_dispatch::command::Read;
use orch_dispatch::{Answer, Command};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::clock::{Clock, rest};
use crate::engine::unexpected;
use crate::error::Error;
use crate::seat::{Seat, SeatRole};

/// How long what ended is kept, and how often that is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ageing {
    /// A job is kept so long after its end.
    pub job_retention: Duration,
    /// From the end of one sweep to the next.
    pub sweep_interval: Duration,
}

impl Default for Ageing {
    fn default() -> Self {
        Self {
            job_retention: Duration::from_secs(limits::JOB_RETENTION_SECONDS),
            sweep_interval: Duration::from_secs(limits::SWEEP_SECONDS),
        }
    }
}

/// The shortest and the longest pause after a step; in between it is as long as the step took, so that a sweep never
/// takes more than half of what appends and reads share with it.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// Keys are kept so much longer than is promised: a reading that looks for one may be under way.
const KEY_MARGIN_HOURS: u64 = 1;

/// The sweeps of an ownership. They end with it, in the middle of a step if need be.
pub(crate) struct Sweeper(JoinHandle<()>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What sweeps need.
pub(crate) struct Sweeps {
    pub ledger: Arc<dyn Ledger>,
    pub clock: Clock,
    pub shard: ShardNo,
    pub seat: Seat,
    pub epoch: u64,
    pub ageing: Ageing,
    /// Held during a step and its pause, so that a node with many shards sweeps no more than one with one.
    pub turn: Arc<Mutex<()>>,
}

/// What a sweep removed.
#[derive(Debug, Default)]
struct Swept {
    jobs: u64,
    keys: u64,
    firings: u64,
    runs: u64,
    backfills: u64,
}

/// What goes by a moment of its own, and by nothing else.
#[derive(Debug, Clone, Copy)]
enum Old {
    /// What became of nominal instants.
    Firings,
    /// Runs that ended.
    Runs,
    /// Backfills that ended.
    Backfills,
}

impl Sweeper {
    /// Begins to sweep; `chance` spreads the first sweeps of many shards over the interval.
    pub fn start(sweeps: Sweeps, chance: u16) -> Self {
        let first = sweeps.ageing.sweep_interval * u32::from(chance) / u32::from(u16::MAX);
        Self(tokio::spawn(sweeps.run(first)))
    }

    /// Ends them, and returns when nothing of them is left.
    pub async fn end(mut self) {
        self.0.abort();
        // That it was ended is no news.
        let _ = (&mut self.0).await;
    }
}

impl Sweeps {
    async fn run(self, first: Duration) {
        rest(first).await;
        loop {
            self.sweep().await;
            rest(self.ageing.sweep_interval).await;
        }
    }

    fn owns(&self) -> bool {
        self.seat.role() == SeatRole::Owner(self.epoch)
    }

    async fn sweep(&self) {
        let began = self.clock.elapsed();
        let tenants = match self.ledger.tenant_list().await {
            Ok(tenants) => tenants,
            Err(error) => return warn!(shard = self.shard.0, %error, "a sweep failed; the next one tries again"),
        };
        let mut swept = Swept::default();
        for tenant in tenants.iter().filter(|tenant| tenant.shard == self.shard) {
            if let Err(error) = self.sweep_tenant(tenant.no, &mut swept).await {
                warn!(shard = self.shard.0, tenant = tenant.no.0, %error, "a sweep failed; the next one tries again");
            }
        }
        let ms = u64::try_from((self.clock.elapsed() - began).as_millis()).unwrap_or(u64::MAX);
        let Swept { jobs, keys, firings, runs, backfills } = swept;
        if jobs + keys + firings + runs + backfills > 0 {
            info!(shard = self.shard.0, jobs, keys, firings, runs, backfills, ms, "swept");
        } else {
            debug!(shard = self.shard.0, ms, "swept, and found nothing to remove");
        }
    }

    async fn sweep_tenant(&self, tenant: TenantNo, swept: &mut Swept) -> Result<(), Error> {
        if !self.owns() {
            return Ok(());
        }
        let now = self.clock.now();
        let before = earlier(now, self.ageing.job_retention);
        let needed = self.needed(tenant).await?;
        let mut params = RotateParams {
            tenant,
            heads: needed.heads.into(),
            keep: needed.keep.into(),
            before,
            above: JobId(Uuid::nil()),
            upto: JobId(Uuid::nil()),
        };
        // Our own ids rise with time. What ended before then has one from before then, or was given one by a caller;
        // such an id lies below the moment sooner or later, or above all of ours.
        let (old, young) = (JobId::v7(before, 0), JobId::v7(now, u128::MAX));
        for (above, upto) in [(JobId(Uuid::nil()), old), (young, JobId(Uuid::max()))] {
            params.upto = upto;
            let mut next = Some(above);
            while let Some(above) = next.filter(|_| self.owns()) {
                params.above = above;
                let _turn = self.turn.lock().await;
                let began = self.clock.elapsed();
                let rotated = self.ledger.job_rotate(&params).await?;
                swept.jobs += rotated.removed;
                next = rotated.next;
                self.pause_after(began).await;
            }
        }
        self.sweep_old(Old::Firings, tenant, before, &mut swept.firings).await?;
        self.sweep_old(Old::Runs, tenant, before, &mut swept.runs).await?;
        self.sweep_old(Old::Backfills, tenant, before, &mut swept.backfills).await?;
        self.sweep_keys(tenant, now, swept).await
    }

    /// Removes what goes by the moment at which it was decided or ended, step by step.
    async fn sweep_old(&self, what: Old, tenant: TenantNo, before: Timestamp, swept: &mut u64) -> Result<(), Error> {
        while self.owns() {
            let _turn = self.turn.lock().await;
            let began = self.clock.elapsed();
            let gone = match what {
                Old::Firings => self.ledger.firing_rotate(tenant, before).await?,
                Old::Runs => self.ledger.run_rotate(tenant, before).await?,
                Old::Backfills => self.ledger.backfill_rotate(tenant, before).await?,
            };
            if gone == 0 {
                break;
            }
            *swept += gone;
            self.pause_after(began).await;
        }
        Ok(())
    }

    async fn sweep_keys(&self, tenant: TenantNo, now: Timestamp, swept: &mut Swept) -> Result<(), Error> {
        let before = earlier(now, Duration::from_secs((limits::KEY_HOURS + KEY_MARGIN_HOURS) * 3_600));
        let mut next = Some(KeyPlace::default());
        while let Some(above) = next.filter(|_| self.owns()) {
            let _turn = self.turn.lock().await;
            let began = self.clock.elapsed();
            let rotated = self.ledger.key_rotate(tenant, before, above).await?;
            swept.keys += rotated.removed;
            next = rotated.next;
            self.pause_after(began).await;
        }
        Ok(())
    }

    /// What the owner's memory says must stay, at a committed position.
    async fn needed(&self, tenant: TenantNo) -> Result<Needed, Error> {
        match self.seat.call(Command::Read(Read::Rotation(tenant))).await? {
            Ok(Answer::Rotation(needed)) => Ok(needed),
            Ok(answer) => Err(unexpected(&answer)),
            Err(_) => Err(Error::Draining),
        }
    }

    async fn pause_after(&self, began: Duration) {
        rest((self.clock.elapsed() - began).clamp(PAUSE_MIN, PAUSE_MAX)).await;
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)).max(0))
}
