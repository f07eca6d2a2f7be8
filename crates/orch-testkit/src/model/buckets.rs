//! Judges what grants spend of buckets, by reading the grants: no window of a term ever holds more than its limit.
//!
//! It counts by brute force and knows nothing of limiters. A bucket that was declared anew is judged from there on.

use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_core::fact::Fact;
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::Priority;
use orch_core::limits::PERMIT_AHEAD_MS;
use orch_core::term::{CutCause, Slow, Term};
use orch_core::time::Timestamp;

use super::{Judged, Tenant, Violation, ensure};

/// A bucket, as history tells it.
#[derive(Debug, Default)]
pub struct Bucket {
    /// What was spent: under which version of it, when, how much.
    pub spent: Vec<(u64, Timestamp, u32)>,
    /// The last cut: when, and the share that it left.
    pub cut: Option<(Timestamp, u32)>,
    /// Until when it is closed.
    pub closed_until: Option<Timestamp>,
    /// What may be under way at its host, in parts of a thousand, while that is below its ceiling.
    pub flight: Option<u64>,
}

const LIMITS: &str = "12: limits hold";

/// Takes a grant from this lane. True: it spent of a bucket.
pub(super) fn spend(
    tenant: &mut Tenant,
    no: LaneNo,
    granted: Timestamp,
    not_before: Option<Timestamp>,
) -> Result<bool, Violation> {
    let at = not_before.unwrap_or(granted);
    ensure(at >= granted && at <= granted.plus_ms(PERMIT_AHEAD_MS), LIMITS, || {
        format!("granted at {granted}, to leave at {at}")
    })?;
    let Some(lane) = tenant.lane(no) else { return Ok(false) };
    let cost = tenant.job_type(&lane.key.job_type).map_or(1, |doc| doc.cost);
    let host = lane.key.source.as_deref().and_then(|name| tenant.source(name)).and_then(|doc| doc.host.clone());
    let Some(host) = host else { return Ok(false) };
    let urgent = lane.key.priority == Priority::Urgent;
    spend_host(tenant, &host, (cost, urgent), at)
}

/// Takes a request to a host that leaves at `at`. True: it spent of a bucket.
pub(super) fn spend_host(
    tenant: &mut Tenant,
    host: &str,
    (cost, urgent): (u32, bool),
    at: Timestamp,
) -> Result<bool, Violation> {
    let theirs = tenant.configs.iter().filter_map(|((kind, name), (doc, version, _))| match doc {
        ConfigDoc::Bucket(doc) if *kind == ConfigKind::Bucket && doc.host == host => {
            Some((name.clone(), doc.clone(), *version))
        }
        _ => None,
    });
    let theirs: Vec<(String, config::Bucket, u64)> = theirs.collect();
    for (name, doc, version) in &theirs {
        let Bucket { spent, cut, closed_until, .. } = tenant.buckets.entry(name.clone()).or_default();
        ensure(closed_until.is_none_or(|until| at >= until), LIMITS, || format!("`{name}` is closed at {at}"))?;
        if let (Some((_, last, cost)), Some(cut)) = (spent.last(), cut) {
            is_spaced(name, doc, at.ms_since(*last), *cost, share_at(*cut, doc.ramp_ms, at))?;
        }
        ensure(spent.last().is_none_or(|(_, last, _)| *last <= at), LIMITS, || format!("`{name}` went back to {at}"))?;
        spent.push((*version, at, cost));
        let since: Vec<_> = spent.iter().filter(|(of, _, _)| of == version).map(|(_, at, cost)| (*at, *cost)).collect();
        let percent = if urgent { 0 } else { doc.urgent_reserve_percent };
        doc.terms.iter().try_for_each(|term| is_left(name, term, &since, percent))?;
    }
    Ok(!theirs.is_empty())
}

/// The share of the terms that may be used some time after a cut, in parts of a thousand.
pub(super) fn share_at((cut, to): (Timestamp, u32), ramp_ms: u64, at: Timestamp) -> u64 {
    u64::from(to) + at.ms_since(cut) * 1_000 / ramp_ms
}

/// After a cut, requests are as far apart as the share of each term asks.
pub(super) fn is_spaced(name: &str, doc: &config::Bucket, apart: u64, cost: u32, share: u64) -> Judged {
    let least = |term: &Term| u64::from(cost) * term.window_ms * 1_000 / (u64::from(term.limit) * share.max(1));
    let least = doc.terms.iter().map(least).max().unwrap_or(0);
    ensure(share >= 1_000 || apart + 1 >= least, LIMITS, || {
        format!("requests to `{name}` {apart} ms apart at a share of {share}, not {least}")
    })
}

/// A fact about a bucket itself.
pub(super) fn fact(tenant: &mut Tenant, fact: &Fact, at: Timestamp) -> Judged {
    match fact {
        Fact::BucketCut { bucket, cause, from, in_flight, slow, to, .. } => {
            let doc = match tenant.configs.get(&(ConfigKind::Bucket, bucket.clone())) {
                Some((ConfigDoc::Bucket(doc), ..)) => doc.clone(),
                _ => return ensure(false, LIMITS, || format!("`{bucket}` was cut and never declared")),
            };
            let ramp_ms = doc.ramp_ms;
            is_slow(&doc, *cause, *slow, tenant.buckets.get(bucket).and_then(|known| known.cut), at)?;
            let known = tenant.buckets.entry(bucket.clone()).or_default();
            let share = known.cut.map_or(1_000, |cut| share_at(cut, ramp_ms, at).min(1_000));
            ensure(share == u64::from(*from) && to < from || *to == 20, LIMITS, || {
                format!("`{bucket}` was cut from {from} to {to}, and was at {share}")
            })?;
            known.cut = Some((at, *to));
            let half = doc.in_flight_max.map(|max| (most(known.flight, max) / 2).max(1));
            ensure(half == in_flight.map(u64::from), LIMITS, || format!("`{bucket}`: {in_flight:?}, not {half:?}"))?;
            known.flight = half.map(|half| half * 1_000).or(known.flight);
        }
        Fact::BucketClosed { bucket, until, .. } => {
            let known = tenant.buckets.entry(bucket.clone()).or_default();
            known.closed_until = known.closed_until.max(Some(*until));
        }
        Fact::BucketReset { bucket, .. } => {
            let known = tenant.buckets.entry(bucket.clone()).or_default();
            (known.cut, known.closed_until, known.flight) = (None, None, None);
        }
        _ => {}
    }
    Ok(())
}

/// A cut for slowness says how slow, and what queued before has had time to drain.
fn is_slow(
    doc: &config::Bucket,
    cause: CutCause,
    slow: Option<Slow>,
    before: Option<(Timestamp, u32)>,
    at: Timestamp,
) -> Judged {
    let fits = match (cause, slow) {
        (CutCause::Status(_), None) => true,
        (CutCause::Latency, Some(Slow { baseline_ms, latency_ms })) => {
            let slow = latency_ms >= 2 * baseline_ms && latency_ms + 1 >= baseline_ms + 100;
            doc.latency_cut && slow && before.is_none_or(|(cut, _)| at > cut.plus_ms(doc.ramp_ms / 10))
        }
        _ => false,
    };
    ensure(fits, LIMITS, || format!("`{}` was cut at {at} for {cause:?} {slow:?} after {before:?}", doc.name))
}

/// What may be under way.
fn most(flight: Option<u64>, max: u32) -> u64 {
    flight.map_or(u64::from(max), |parts| (parts / 1_000).clamp(1, max.into()))
}

/// The buckets of a lane's host that limit what is under way there, with their ceilings; and how much is.
fn flights(tenant: &Tenant, no: LaneNo) -> (Vec<(String, u32)>, u64) {
    let host_of = |no: LaneNo| tenant.source(tenant.lane(no)?.key.source.as_deref()?)?.host.clone();
    let Some(host) = host_of(no) else { return (Vec::new(), 0) };
    let limited = tenant.configs.values().filter_map(|(doc, ..)| match doc {
        ConfigDoc::Bucket(doc) if doc.host == host => Some((doc.name.clone(), doc.in_flight_max?)),
        _ => None,
    });
    let limited: Vec<_> = limited.collect();
    if limited.is_empty() {
        return (limited, 0);
    }
    let leased = tenant.jobs.values().filter(|job| job.lease.is_some());
    let under_way = leased.filter(|job| host_of(job.lane).as_ref() == Some(&host)).count();
    (limited, under_way as u64)
}

/// Takes a grant from this lane, whose lease is not counted yet. What was seen.
pub(super) fn begins(tenant: &Tenant, no: LaneNo) -> Result<Option<&'static str>, Violation> {
    let (limited, under_way) = flights(tenant, no);
    let mut seen = None;
    for (name, max) in limited {
        let flight = tenant.buckets.get(&name).and_then(|known| known.flight);
        let most = most(flight, max);
        ensure(under_way < most, LIMITS, || {
            format!("{under_way} under way for `{name}` and one more, of {most} ({flight:?}, {max} at most)")
        })?;
        if under_way + 1 == most && flight.is_some() {
            seen = Some("in flight: a cut limit was full");
        }
    }
    Ok(seen)
}

/// The open attempt of a job ends well: one more for each limit's worth, while the limit is what holds.
pub(super) fn succeeded(tenant: &mut Tenant, id: JobId) {
    let Some(job) = tenant.jobs.get(&id).filter(|job| job.lease.is_some()) else { return };
    let (limited, under_way) = flights(tenant, job.lane);
    for (name, max) in limited {
        let Some(known) = tenant.buckets.get_mut(&name) else { continue };
        let Some(parts) = known.flight.filter(|parts| under_way >= most(Some(*parts), max)) else { continue };
        let risen = parts + 1_000_000 / parts;
        known.flight = (risen < u64::from(max) * 1_000).then_some(risen);
    }
}

/// The last grant left such a part of a term, as long as it could.
pub(super) fn is_left(name: &str, term: &Term, spent: &[(Timestamp, u32)], percent: u32) -> Judged {
    is_kept(name, term, spent)?;
    let kept = term.cost_max() * percent / 100;
    // One that is larger than all but the reserve takes of it, when nothing else is spent.
    let fits = spent.last().is_some_and(|(_, cost)| (*cost).min(term.cost_max()) + kept <= term.cost_max());
    if fits { is_kept_less(name, term, spent, kept) } else { Ok(()) }
}

/// Counts back from the last grant.
pub(super) fn is_kept(name: &str, term: &Term, spent: &[(Timestamp, u32)]) -> Judged {
    is_kept_less(name, term, spent, 0)
}

/// The same, and so much of the term is left for urgent work.
fn is_kept_less(name: &str, term: &Term, spent: &[(Timestamp, u32)], kept: u32) -> Judged {
    let Some((last, _)) = spent.last() else { return Ok(()) };
    let mut sum = 0_u64;
    for (at, cost) in spent.iter().rev() {
        let before = last.ms_since(*at);
        sum += u64::from((*cost).min(term.cost_max()));
        let allowed = match term.burst {
            None if before >= term.guarded_ms() => break,
            None => u64::from(term.limit),
            Some(burst) => u64::from(burst) + before * u64::from(term.limit) / term.window_ms,
        };
        ensure(sum + u64::from(kept) <= allowed, LIMITS, || {
            format!("{sum} of `{name}` in {before} ms to {last} against {term:?}, of which {kept} are kept")
        })?;
    }
    Ok(())
}
