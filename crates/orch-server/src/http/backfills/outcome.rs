//! What would happen, as shown: several tries, and what they have in common.

use std::collections::{BTreeMap, BTreeSet};

use orch_dispatch::answer::Gate;
use orch_dispatch::simulate::{Holder, Preview, Sample, Simulated, Waits, Warning};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::words::{Moment, RangeBody};

/// What a backfill would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackfillPreview)]
pub struct PreviewOut {
    /// The moment that it was worked out for.
    pub now: Moment,
    /// Windows of the range.
    pub windows: u64,
    /// Those that would be left out.
    pub read: u64,
    /// Of those that would be read, how many a backfill could not read before.
    pub failed_before: u64,
    /// Jobs, or runs, that it would ask for.
    pub asked: u64,
    /// The first ten windows that would be read, by time.
    pub first: Vec<RangeBody>,
    /// The host that is read; null: the source has none.
    pub host: Option<String>,
    /// How many first requests the host would get; a run's steps may ask more.
    pub requests: u64,
    /// Quotas that cover its jobs.
    pub quotas: Vec<QuotaUseOut>,
    /// What to know before.
    pub warnings: Vec<WarningOut>,
    /// When it would end.
    pub ends: EndsOut,
    /// Attempts that would begin until then, others' among them.
    pub attempts: u64,
    /// How long jobs would wait from when they could start.
    pub waits: WaitsOut,
    /// What would hold the tenant's work back, and for how long, longest first.
    pub held: Vec<HeldOut>,
    /// Not all of it was tried: the rest was taken to go on like what was.
    pub in_proportion: bool,
    /// Job types of which nothing has ended yet: how long they take is a guess.
    pub unknown: Vec<String>,
}

/// What would happen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outcome)]
pub struct OutcomeOut {
    /// When what is waited for would be there.
    pub ends: EndsOut,
    /// Attempts that would begin until then.
    pub attempts: u64,
    /// How long jobs would wait from when they could start.
    pub waits: WaitsOut,
    /// What would hold the tenant's work back, and for how long, longest first.
    pub held: Vec<HeldOut>,
    /// Not all of it was tried: the rest was taken to go on like what was.
    pub in_proportion: bool,
    /// Job types of which nothing has ended yet: how long they take is a guess.
    pub unknown: Vec<String>,
}

/// A share of the tries ended by then; null: as things are, it does not end in the time that is looked at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ends)]
pub struct EndsOut {
    /// One of twenty.
    pub p5: Option<Moment>,
    /// Half of them.
    pub p50: Option<Moment>,
    /// Nineteen of twenty.
    pub p95: Option<Moment>,
}

/// How long jobs would wait.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WaitsByKind)]
pub struct WaitsOut {
    /// Jobs of priority `backfill`.
    pub backfill: WaitOut,
    /// The tenant's others.
    pub others: WaitOut,
}

/// How long jobs of a kind would wait.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wait)]
pub struct WaitOut {
    /// Jobs.
    pub jobs: u64,
    /// Half of them wait no longer.
    pub p50_ms: u64,
    /// Nineteen of twenty do not.
    pub p95_ms: u64,
}

/// What would hold work back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldBy)]
pub struct HeldOut {
    /// Which gate. More may come.
    #[schema(value_type = String, example = "bucket")]
    pub gate: Gate,
    /// Of which host, where it is a host's; else of which job type.
    pub of: String,
    /// Milliseconds in which something waited for it.
    pub ms: u64,
}

/// What of a quota would be used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaUse)]
pub struct QuotaUseOut {
    /// Its name.
    pub quota: String,
    /// Jobs that it would count.
    pub jobs: u64,
}

/// Something to know before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Warning)]
pub struct WarningOut {
    /// A word for programs. More may come.
    #[schema(example = "source_paused")]
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

impl From<&Simulated> for OutcomeOut {
    fn from(simulated: &Simulated) -> Self {
        let samples = &simulated.samples;
        let by = |parts| simulated.ended_by(parts).map(Moment);
        let unknown: BTreeSet<&String> = samples.iter().flat_map(|sample| &sample.unknown).collect();
        Self {
            ends: EndsOut { p5: by(50), p50: by(500), p95: by(950) },
            attempts: median(samples, |sample| sample.attempts),
            waits: WaitsOut { backfill: wait(samples, 0), others: wait(samples, 1) },
            held: held(samples),
            in_proportion: samples.iter().any(|sample| sample.in_proportion),
            unknown: unknown.into_iter().cloned().collect(),
        }
    }
}

/// How long jobs of a kind waited in the middle of all samples.
fn wait(samples: &[Sample], kind: usize) -> WaitOut {
    let middle = |of: fn(&Waits) -> u64| median(samples, |sample| of(&sample.waits[kind]));
    WaitOut { jobs: middle(|of| of.jobs), p50_ms: middle(|of| of.p50_ms), p95_ms: middle(|of| of.p95_ms) }
}

/// The middle of what the samples came to.
fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut all: Vec<u64> = samples.iter().map(of).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

/// What held work back in the mean of all samples.
fn held(samples: &[Sample]) -> Vec<HeldOut> {
    let mut sums: BTreeMap<&Holder, u64> = BTreeMap::new();
    for (holder, ms) in samples.iter().flat_map(|sample| &sample.held_ms) {
        *sums.entry(holder).or_default() += ms;
    }
    let count = samples.len().max(1) as u64;
    let shown = |(holder, ms): (&Holder, u64)| HeldOut { gate: holder.gate, of: holder.of.clone(), ms: ms / count };
    let mut held: Vec<HeldOut> = sums.into_iter().map(shown).filter(|held| held.ms > 0).collect();
    held.sort_by_key(|held| std::cmp::Reverse(held.ms));
    held
}

impl From<Preview> for PreviewOut {
    fn from(preview: Preview) -> Self {
        let OutcomeOut { ends, attempts, waits, held, in_proportion, unknown } = (&preview.simulated).into();
        let (host, requests) = preview.host.unzip();
        Self {
            now: Moment(preview.simulated.now),
            windows: preview.windows,
            read: preview.read,
            failed_before: preview.failed_before,
            asked: preview.asked,
            first: preview.first.into_iter().map(RangeBody::from).collect(),
            host,
            requests: requests.unwrap_or(0),
            quotas: preview.quotas.into_iter().map(|(quota, jobs)| QuotaUseOut { quota, jobs }).collect(),
            warnings: preview.warnings.into_iter().map(WarningOut::from).collect(),
            ends,
            attempts,
            waits,
            held,
            in_proportion,
            unknown,
        }
    }
}

impl From<Warning> for WarningOut {
    fn from(Warning { code, detail }: Warning) -> Self {
        Self { code, detail }
    }
}
