//! Judges permits to hosts that all tenants share: each is within the buckets' terms, in turn, and used once.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::config::ConfigDoc;
use orch_core::fact::{Fact, Record};
use orch_core::ids::{Stream, TenantNo};
use orch_core::time::Timestamp;
use orch_dispatch::command::PermitWish;

use super::{Judged, Model, Tenant, Violation, buckets, ensure};

const LIMITS: &str = "12: limits hold";
const TURNS: &str = "hosts are shared by turns";

/// What a tenant may get of a host, in cost, while another that wishes for it gets nothing.
const AHEAD_MAX: u32 = 6;
/// A lease that is granted with a permit reaches its worker so many milliseconds before the permit ends.
const WAY_MS: i64 = 80;

/// What the home has given.
#[derive(Debug, Default)]
pub struct Hosts {
    /// `system`.
    system: Tenant,
    permits: BTreeMap<u64, Given>,
    /// Until when the host is closed for a tenant.
    closed: BTreeMap<TenantNo, Timestamp>,
    /// What was wished for in the last call, by tenant and cost, for urgent work or other.
    wishes: BTreeMap<(TenantNo, u32, bool), u32>,
    /// What the first got while the second wished and got nothing.
    ahead: BTreeMap<(TenantNo, TenantNo), u32>,
    /// The hosts that the home said are governed, and when its answer came; since the owner began to serve.
    heard: Vec<(Timestamp, BTreeSet<String>)>,
}

/// An answer of the home's may wait so long for its turn before it counts.
const HEARD_LATE_MS: u64 = 2_000;

#[derive(Debug)]
struct Given {
    tenant: TenantNo,
    host: String,
    cost: u32,
    urgent: bool,
    leaves_at: Timestamp,
    until: Timestamp,
    used: bool,
    /// What the home's clock was ahead of the tenant's when it came, and how far off an honest guess can be.
    came: Option<(i64, u64)>,
}

impl Hosts {
    /// Do the buckets of `system` govern this host, or may a shard think so still, or not know yet?
    pub(super) fn governs(&self, host: &str, at: Timestamp) -> bool {
        let mut docs = self.system.configs.values().map(|(doc, ..)| doc);
        let declared = docs.any(|doc| matches!(doc, ConfigDoc::Bucket(doc) if doc.host == host));
        let knows = self.heard.iter().any(|(heard, _)| *heard <= at);
        declared || !knows || self.governed(host, at).contains(&true)
    }

    /// Whether the home had said at this moment that it governs the host: the answers that may count then.
    fn governed(&self, host: &str, at: Timestamp) -> Vec<bool> {
        let recent = |heard: Timestamp| heard.plus_ms(HEARD_LATE_MS) >= at;
        let before = self.heard.iter().rev().find(|(heard, _)| !recent(*heard));
        let late = self.heard.iter().filter(|(heard, _)| recent(*heard));
        late.chain(before).map(|(_, hosts)| hosts.contains(host)).collect()
    }

    /// A new owner has heard nothing yet.
    pub(super) fn new_owner(&mut self) {
        self.heard.clear();
    }
}

impl Model {
    /// A shard's call with these wishes reached the home.
    pub fn wished(&mut self, wishes: &[PermitWish]) {
        self.hosts.wishes = wishes.iter().map(|wish| ((wish.tenant, wish.cost, wish.urgent), wish.count)).collect();
    }

    /// The home's word on which hosts are governed reached the owner.
    pub fn governed_came(&mut self, hosts: &[String], now: Timestamp) {
        self.hosts.heard.push((now, hosts.iter().cloned().collect()));
    }

    /// A permit reached its tenant's shard.
    pub fn permit_came(&mut self, seq: u64, ahead: i64, slack: u64) {
        if let Some(given) = self.hosts.permits.get_mut(&seq) {
            given.came = Some((ahead, slack));
        }
    }

    /// A fact of the home's.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn home_fact(&mut self, stream: Stream, record: &Record) -> Judged {
        let hosts = &mut self.hosts;
        match &record.body {
            _ if stream != Stream::from(TenantNo::SYSTEM) => {}
            Fact::ConfigSet { doc, version } => {
                hosts.system.configs.insert((doc.kind(), doc.name().to_owned()), (doc.clone(), *version, 0));
            }
            Fact::ConfigDeleted { kind, name, .. } => {
                hosts.system.configs.remove(&(*kind, name.clone()));
                self.saw("the bucket of a shared host was deleted");
            }
            Fact::BucketCut { .. } | Fact::BucketClosed { .. } | Fact::BucketReset { .. } => {
                buckets::fact(&mut hosts.system, &record.body, record.at)?;
            }
            Fact::HostClosed { tenant, until, .. } => {
                let closed = hosts.closed.entry(*tenant).or_default();
                *closed = (*closed).max(*until);
            }
            Fact::PermitGiven { cost, host, leaves_at, tenant, until, urgent, .. } => {
                let spent = buckets::spend_host(&mut hosts.system, host, (*cost, *urgent), *leaves_at)?;
                ensure(spent, LIMITS, || format!("a permit for `{host}`, which nothing governs"))?;
                let closed = hosts.closed.get(tenant).copied().unwrap_or_default();
                ensure(*leaves_at >= closed, LIMITS, || format!("`{host}` is closed for {tenant:?} until {closed}"))?;
                hosts.in_turn(*tenant, (*cost, *urgent), record.at)?;
                let (tenant, host, cost, leaves_at, until) = (*tenant, host.clone(), *cost, *leaves_at, *until);
                let (urgent, used, came) = (*urgent, false, None);
                hosts.permits.insert(record.seq, Given { tenant, host, cost, urgent, leaves_at, until, used, came });
            }
            _ => {}
        }
        self.saw(record.body.kind());
        Ok(())
    }
}

impl Hosts {
    /// A permit goes to one tenant: the others that wish for one must not fall behind.
    /// One for urgent work may be of what is kept for that: it is only compared with others of urgent work.
    fn in_turn(&mut self, tenant: TenantNo, (cost, urgent): (u32, bool), now: Timestamp) -> Judged {
        if let Some(count) = self.wishes.get_mut(&(tenant, cost, urgent)) {
            *count = count.saturating_sub(1);
        }
        self.ahead.retain(|(_, other), _| *other != tenant);
        let open = |no: &TenantNo| self.closed.get(no).is_none_or(|until| *until <= now);
        let alike = |of: bool| of || !urgent;
        let others =
            self.wishes.iter().filter(|((no, _, of), count)| *no != tenant && **count > 0 && open(no) && alike(*of));
        let others: BTreeSet<_> = others.map(|((no, ..), _)| *no).collect();
        self.ahead.retain(|(one, other), _| *one != tenant || others.contains(other));
        for other in others {
            let ahead = self.ahead.entry((tenant, other)).or_default();
            *ahead += cost;
            ensure(*ahead <= AHEAD_MAX, TURNS, || format!("{tenant:?} got {ahead} while {other:?} wished for one"))?;
        }
        Ok(())
    }

    /// A grant of a job for this host at `granted`, which leaves at `at`. True: it used a permit.
    pub(super) fn used(
        &mut self,
        tenant: TenantNo,
        host: Option<&str>,
        (cost, urgent): (u32, bool),
        (granted, at): (Timestamp, Timestamp),
        permit: Option<u64>,
    ) -> Result<bool, Violation> {
        let fits = match host {
            Some(host) => self.governed(host, granted).contains(&permit.is_some()),
            None => permit.is_none(),
        };
        ensure(fits, LIMITS, || format!("a grant for {host:?} has the permit {permit:?}"))?;
        let Some(seq) = permit else { return Ok(false) };
        let given = self.permits.get_mut(&seq);
        let Some(given) = given else {
            return Err(Violation { promise: LIMITS, text: format!("nobody gave permit {seq}") });
        };
        let theirs = given.tenant == tenant && Some(given.host.as_str()) == host && given.cost == cost;
        let theirs = theirs && given.urgent == urgent;
        ensure(theirs, LIMITS, || format!("permit {seq} is {given:?}, used by {tenant:?} for {host:?}"))?;
        ensure(!std::mem::replace(&mut given.used, true), LIMITS, || format!("permit {seq} was used twice"))?;
        let Some((ahead, slack)) = given.came else {
            return Err(Violation { promise: LIMITS, text: format!("permit {seq} was used before it came") });
        };
        let at_home = at.millis() + ahead;
        let slack = i64::try_from(slack).unwrap_or(i64::MAX) + 2;
        let reaches = granted.millis() + WAY_MS + ahead;
        let kept = at_home + slack >= given.leaves_at.millis() && at_home.max(reaches) <= given.until.millis() + slack;
        ensure(kept, LIMITS, || {
            format!("permit {seq} is {given:?}, and was used by a grant at {granted} that leaves at {at}")
        })?;
        Ok(true)
    }
}
