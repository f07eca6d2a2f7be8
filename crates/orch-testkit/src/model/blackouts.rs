//! Judges blackouts by the clock: nothing is granted in a window, or in the time before one that a drain keeps free,
//! and what a window cancels is asked to end.
//!
//! The world declares rules of one form, `*/N * * * * *` in UTC, which are reckoned here second by second.

use orch_core::blackout::{Blackout, BlackoutAction};
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::ids::{JobId, LaneNo};
use orch_core::time::Timestamp;

use super::{Judged, Lane, Model, Tenant, Violation, ensure};

const BLACKOUT: &str = "a blackout holds";

/// A look at attempts is at most so late.
const LATE_MS: u64 = 48;

/// What counts as going on right after a window.
const SOON_MS: u64 = 60;

/// Blackouts of a lane.
pub(super) fn of_lane<'a>(tenant: &'a Tenant, lane: &'a Lane) -> impl Iterator<Item = &'a Blackout> {
    let source = lane.key.source.as_deref();
    let host = source.and_then(|name| tenant.source(name)).and_then(|doc| doc.host.as_deref());
    tenant.configs.iter().filter_map(move |((kind, _), (doc, ..))| match doc {
        ConfigDoc::Blackout(doc) if *kind == ConfigKind::Blackout => {
            let types = doc.job_type.as_ref().is_none_or(|name| *name == lane.key.job_type);
            let sources = doc.source.is_none() || doc.source.as_deref() == source;
            let hosts = doc.host.is_none() || doc.host.as_deref() == host;
            (types && sources && hosts).then_some(&**doc)
        }
        _ => None,
    })
}

/// The beginning of a window that holds at this moment, its lead included; the last of several.
pub(super) fn window_at(doc: &Blackout, at: Timestamp) -> Option<Timestamp> {
    let every = doc.calendar.cron.as_deref()?.strip_prefix("*/")?.split(' ').next()?.parse::<i64>().ok()?;
    let span = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let (lead, lasts) = (span(doc.lead_ms), span(doc.calendar.duration_ms));
    let (first, last) = ((at.millis() - lasts).div_euclid(1_000), (at.millis() + lead).div_euclid(1_000));
    let begins = (first..=last).rev().filter(|second| second.rem_euclid(60) % every == 0).map(|second| second * 1_000);
    begins
        .into_iter()
        .find(|begins| begins - lead <= at.millis() && at.millis() < begins + lasts)
        .map(Timestamp::from_millis)
}

/// Takes a grant from this lane. True: a window of it was over just before.
pub(super) fn admits(tenant: &Tenant, no: LaneNo, at: Timestamp) -> Result<bool, Violation> {
    let Some(lane) = tenant.lane(no) else { return Ok(false) };
    let before = Timestamp::from_millis(at.millis().saturating_sub_unsigned(SOON_MS));
    let mut over = false;
    for doc in of_lane(tenant, lane) {
        let held = window_at(doc, at);
        ensure(held.is_none(), BLACKOUT, || {
            format!("{no:?} gave work at {at} in the window of `{}` that begins at {held:?}: {doc:?}", doc.name)
        })?;
        over |= window_at(doc, before).is_some();
    }
    Ok(over)
}

/// Does the blackout of this name end the job's attempt at this moment?
pub(super) fn cancels(tenant: &Tenant, id: JobId, name: &str, at: Timestamp) -> bool {
    let lane = tenant.jobs.get(&id).and_then(|job| tenant.lane(job.lane));
    let mut theirs = lane.into_iter().flat_map(|lane| of_lane(tenant, lane)).filter(|doc| doc.name == name);
    theirs.any(|doc| doc.action == BlackoutAction::Cancel && window_at(doc, at).is_some())
}

impl Model {
    /// The owner has looked at the clock and has nothing under way: what a window cancels was asked to end.
    ///
    /// # Errors
    /// An attempt goes on.
    pub fn blacked_out(&self, now: Timestamp) -> Judged {
        for tenant in self.tenants.values() {
            let since = self.served_since.max(tenant.configured_at);
            for (id, job) in tenant.jobs.iter().filter(|(_, job)| job.lease.is_some() && job.cancel.is_none()) {
                let Some(lane) = tenant.lane(job.lane) else { continue };
                let mut cancel = of_lane(tenant, lane).filter(|doc| doc.action == BlackoutAction::Cancel);
                let late = |begins: Timestamp| begins.max(since).plus_ms(LATE_MS) < now;
                let by = cancel.find(|doc| window_at(doc, now).is_some_and(late));
                ensure(by.is_none(), BLACKOUT, || format!("{id} goes on at {now} in a window of {by:?}"))?;
            }
        }
        Ok(())
    }
}
