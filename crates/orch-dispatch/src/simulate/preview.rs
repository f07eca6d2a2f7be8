//! What a backfill would do, before it is asked for.

use orch_core::backfill::BackfillSpec;
use orch_core::fact::PauseTarget;
use orch_core::ids::{BackfillId, TenantNo};
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use orch_core::watermark::Range;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Copied, Scenario, Simulated, Until, simulate};
use crate::bucket::host_of;
use crate::command::{AskedBackfill, Command};
use crate::prepared::Prepared;
use crate::shard::Shard;
use crate::tenant::Tenant;

/// Windows that are named.
const SHOWN: usize = 10;
/// What takes longer is worth a warning.
const LONG_MS: u64 = 7 * 86_400_000;
/// The preview's own.
const ID: BackfillId = BackfillId(Uuid::from_u128(0x0bac_0f11));

/// Something that whoever asks should know before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// What a backfill would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Windows of the range.
    pub windows: u64,
    /// Those that would be left out: they were read already.
    pub read: u64,
    /// Of those that would be read, how many a backfill could not read before.
    pub failed_before: u64,
    /// Jobs, or runs, that it would ask for.
    pub asked: u64,
    /// The first windows that would be read, in order.
    pub first: Vec<Range>,
    /// The host that is read, and how many first requests it gets; a run's steps may ask more.
    pub host: Option<(String, u64)>,
    /// Quotas that cover it, each with what it would use.
    pub quotas: Vec<(String, u64)>,
    /// What whoever asks should know.
    pub warnings: Vec<Warning>,
    /// When it would end.
    pub simulated: Simulated,
}

/// What a backfill would do on a copy. `scenario` says how often that is tried, and how far.
///
/// # Errors
/// What it would be refused with.
pub fn preview(copied: &Copied, no: TenantNo, spec: BackfillSpec, scenario: &Scenario) -> Result<Preview, Refusal> {
    let mut shard = copied.shard()?;
    let nothing = Prepared::default();
    let desk = shard.desk(no, &nothing).ok_or_else(|| Refusal::new(Code::NotFound, "there is no such tenant"))?;
    desk.backfill_fits(&spec)?;
    let tenant = &*desk.tenant;
    let places = spec.places();
    let window = |place: u32| spec.window(spec.number_at(place));
    let known = tenant.known_of(&spec);
    let (mut read, mut failed_before, mut first) = (0, 0, Vec::new());
    for place in 0..places {
        if known.leaves_out(window(place)) {
            read += 1;
            continue;
        }
        failed_before += u64::from(known.failed(window(place)));
        if first.len() < SHOWN {
            first.push(window(place));
        }
    }
    let asked = u64::from(places) - read;
    let host = host_of(&tenant.configs, Some(&spec.source)).map(|host| (host.to_owned(), asked));
    let quotas = match &spec.job {
        Some(job) => {
            let project = job.project.as_deref().unwrap_or(crate::enqueue::DEFAULT_PROJECT);
            tenant.quotas_of(&job.job_type, project).into_iter().map(|name| (name, asked)).collect()
        }
        None => Vec::new(),
    };
    let mut warnings = warnings(tenant, &spec, copied.now());
    warnings.extend(no_worker(&shard, no, &spec));
    let command =
        Command::CreateBackfill { tenant: no, backfill: ID, spec: Box::new(AskedBackfill(spec.clone())), key: None };
    let scenario = Scenario { changes: vec![command], until: Until::Backfill(ID), ..scenario.clone() };
    let simulated = simulate(copied, no, &scenario)?;
    let end = simulated.ended_by(500);
    if end.is_none_or(|end| end.ms_since(copied.now()) > LONG_MS) {
        let detail = match end {
            Some(end) => format!("it would end about {end}"),
            None => "as things are, it would not end within the time that was looked at".to_owned(),
        };
        warnings.push(Warning { code: "takes_long".to_owned(), detail });
    }
    if let Some(unknown) =
        simulated.samples.first().map(|sample| sample.unknown.join("`, `")).filter(|all| !all.is_empty())
    {
        let detail = format!("nothing of `{unknown}` has ended yet: how long it takes is a guess");
        warnings.push(Warning { code: "run_time_unknown".to_owned(), detail });
    }
    let windows = spec.windows();
    Ok(Preview { windows, read, failed_before, asked, first, host, quotas, warnings, simulated })
}

fn warnings(tenant: &Tenant, spec: &BackfillSpec, now: Timestamp) -> Vec<Warning> {
    let mut all = Vec::new();
    let mut warn = |code: &str, detail: String| all.push(Warning { code: code.to_owned(), detail });
    let job_type = spec.job.as_ref().map(|job| &job.job_type);
    let paused = |target: PauseTarget| tenant.pauses.contains_key(&target);
    if paused(PauseTarget::Source(spec.source.clone())) {
        warn("source_paused", format!("the source `{}` is paused: nothing is read until it goes on", spec.source));
    }
    if paused(PauseTarget::Tenant) {
        warn("tenant_paused", "the tenant is paused: nothing is read until it goes on".to_owned());
    }
    if let Some(name) = job_type.filter(|name| paused(PauseTarget::JobType((*name).clone()))) {
        warn("job_type_paused", format!("the job type `{name}` is paused: nothing is read until it goes on"));
    }
    for (name, max) in tenant.small_quotas(spec) {
        warn(
            "quota_small",
            format!("the quota `{name}` lets {max} jobs wait, and {} windows may be open", spec.parallelism),
        );
    }
    let host = host_of(&tenant.configs, Some(&spec.source));
    for gate in tenant.blackouts_where(|doc| doc.concerns(&spec.source, host, job_type.map(String::as_str)), now) {
        let when = gate.hold.opens_at.map(|at| format!(" until {at}")).unwrap_or_default();
        let word = if gate.holds { "holds it now" } else { "will hold it at times" };
        warn("blackout", format!("{} {word}{when}", gate.hold.by));
    }
    for name in crate::breaker::governing(&tenant.configs, job_type.map_or("", String::as_str), host) {
        if tenant.breaker_admits_at(&name, now) != Some(now) {
            warn("breaker_open", format!("the breaker `{name}` is open: its upstream does not work"));
        }
    }
    if of_source(tenant, spec) {
        warn("backfill_open", format!("another backfill of `{}` is open: they share its host", spec.source));
    }
    all
}

fn of_source(tenant: &Tenant, spec: &BackfillSpec) -> bool {
    tenant.backfills.values().any(|open| open.spec.source == spec.source)
}

fn no_worker(shard: &Shard, no: TenantNo, spec: &BackfillSpec) -> Option<Warning> {
    let hold = shard.no_worker(no, &spec.job.as_ref()?.job_type)?;
    Some(Warning { code: "no_worker".to_owned(), detail: hold.by })
}

impl Tenant {
    /// Quotas that let fewer jobs wait than windows may be open.
    fn small_quotas(&self, spec: &BackfillSpec) -> Vec<(String, u64)> {
        let Some(job) = &spec.job else { return Vec::new() };
        let project = job.project.as_deref().unwrap_or(crate::enqueue::DEFAULT_PROJECT);
        let small = |doc: &&orch_core::quota::Quota| doc.covers(&job.job_type, project);
        let of = |doc: &orch_core::quota::Quota| {
            let max = doc.backlog_max.filter(|max| *max < u64::from(spec.parallelism))?;
            Some((doc.name.clone(), max))
        };
        self.quotas().filter(small).filter_map(of).collect()
    }
}
