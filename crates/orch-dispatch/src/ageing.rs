//! Ageing: a lane that has had work for long and was not served counts as a class higher, a step at a time.
//!
//! Since when, is a function of its tenant's facts: the moment of its last grant, or that at which it began to have work.
//! A lane's place is worked out anew when a step is over, which the wheel says; a grant costs nothing more. Whoever was
//! served is of its own class again: of a long backlog each next job waits anew.

use orch_core::ids::LaneNo;
use orch_core::job::Priority;
use orch_core::limits::AGEING_MS;
use orch_core::time::Timestamp;

use crate::lane::{Lane, STRIDE};
use crate::tenant::Tenant;
use crate::wheel::{Watched, Wheel};

/// The class that one of this class counts as after so many steps. `High` is the most, since what is urgent is said by
/// people; what is read again stays below fresh work of the usual class.
fn raised(class: Priority, steps: u64) -> Priority {
    let top = match class {
        Priority::Urgent => Priority::Urgent,
        Priority::Backfill => Priority::Low,
        Priority::High | Priority::Normal | Priority::Low => Priority::High,
    };
    let all = Priority::ALL;
    let rank = class as u64;
    all.into_iter().find(|of| *of >= top && (*of as u64) + steps >= rank).unwrap_or(class)
}

impl Lane {
    /// Whole steps that it has had work and was not served.
    fn steps(&self, at: Timestamp) -> u64 {
        at.ms_since(self.unserved_since) / AGEING_MS
    }

    /// It can count as more than its class.
    fn can_age(&self) -> bool {
        raised(self.key.priority, 1) != self.key.priority
    }

    /// Where it stands in virtual time after so many steps: as if its last grant had cost what it costs the higher class.
    pub fn place(&self, steps: u64) -> u64 {
        if steps == 0 {
            return self.pass;
        }
        let class = self.key.priority;
        self.pass.saturating_sub(STRIDE / class.weight() - STRIDE / raised(class, steps).weight())
    }

    /// It is served, at this cost: returns the place that it was served at.
    pub fn served(&mut self, at: Timestamp, cost: u64) -> u64 {
        let place = self.place(self.steps(at));
        self.pass = place + cost;
        (self.unserved_since, self.aged) = (at, 0);
        place
    }
}

impl Tenant {
    /// A lane begins to have work, or was served and has more: it is looked at when a step is over.
    pub fn watch_age(&mut self, no: LaneNo, wheel: &mut Wheel) {
        let tenant = self.no;
        let lane = self.lane_mut(no);
        if !lane.age_watched && lane.can_age() {
            lane.age_watched = true;
            wheel.put(lane.unserved_since.plus_ms(AGEING_MS), tenant, Watched::Age(no));
        }
    }

    /// A step may be over.
    pub fn look_at_age(&mut self, no: LaneNo, now: Timestamp, wheel: &mut Wheel) {
        let tenant = self.no;
        let lane = self.lane_mut(no);
        lane.age_watched = false;
        if lane.waiting() == 0 {
            return;
        }
        let steps = lane.steps(now);
        let class = lane.key.priority;
        if raised(class, steps + 1) != raised(class, steps) {
            lane.age_watched = true;
            wheel.put(lane.unserved_since.plus_ms((steps + 1) * AGEING_MS), tenant, Watched::Age(no));
        }
        if lane.aged != steps {
            lane.aged = steps;
            self.index.stirred = true;
            self.refresh_lane(no);
        }
    }

    /// After a recovery.
    pub fn watch_ages_anew(&mut self, now: Timestamp, wheel: &mut Wheel) {
        for no in (1..).map(LaneNo).take(self.lanes.len()) {
            self.look_at_age(no, now, wheel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::tests::{A, Stage};

    #[test]
    fn a_class_rises_step_by_step_to_high_and_backfill_to_low() {
        use Priority::{Backfill, High, Low, Normal, Urgent};
        let of = |class| [0, 1, 2, 9].map(|steps| raised(class, steps));
        assert_eq!(of(Urgent), [Urgent; 4]);
        assert_eq!(of(High), [High; 4]);
        assert_eq!(of(Normal), [Normal, High, High, High]);
        assert_eq!(of(Low), [Low, Normal, High, High]);
        assert_eq!(of(Backfill), [Backfill, Low, Low, Low]);
    }

    /// Seconds between grants of a lane of this class beside a hundred lanes of class `high` that never run dry, at one
    /// grant a second.
    fn waits(class: Priority, seconds: u64, recovers: bool) -> Vec<u64> {
        let mut stage = Stage::new();
        for n in 0..100 {
            stage.enqueue_keyed(A, 40, Priority::High, Some(&format!("k{n}")));
        }
        stage.enqueue_keyed(A, 40, class, Some("aged"));
        let (mut waits, mut since) = (Vec::new(), 0);
        for second in 0..seconds {
            stage.tick(1_000);
            stage.claim(1);
            let served = stage.held.last().filter(|grant| grant.lane.priority == class);
            if served.is_some() {
                waits.push(second - since);
                since = second;
            }
            if recovers && second == 400 {
                stage.recover_with_windows();
            }
        }
        waits.push(seconds - since);
        waits
    }

    #[test]
    fn a_low_job_behind_an_endless_flood_waits_two_steps_and_two_rounds_at_most() {
        let waits = waits(Priority::Low, 2_400, false);
        // Without ageing: 16 grants of each of a hundred lanes, 1,600 seconds.
        assert!(waits.len() >= 3, "{waits:?}");
        assert!(waits.iter().all(|seconds| *seconds <= 2 * AGEING_MS / 1_000 + 2 * 100), "{waits:?}");
    }

    #[test]
    fn backfill_stays_below_fresh_work() {
        // However long: it gets what nobody else wants.
        let waits = waits(Priority::Backfill, 2_400, false);
        assert_eq!(waits, [2_400]);
    }

    #[test]
    fn a_recovery_forgets_no_age() {
        let waits = waits(Priority::Low, 1_000, true);
        assert!(waits.iter().all(|seconds| *seconds <= 2 * AGEING_MS / 1_000 + 2 * 100), "{waits:?}");
    }
}
