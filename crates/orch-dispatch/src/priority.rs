//! Another priority for a job that is open: it moves into the lane of that class, behind all that wait there.
//!
//! A job that is handed out goes on as it is; if it comes back, it comes back into its new lane.

use orch_core::fact::{Fact, Record};
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::{JobState, LaneKey, Priority};
use orch_core::limits;
use orch_core::refusal::{Code, Refusal};

use crate::answer::Answer;
use crate::command::Actor;
use crate::decide::Desk;
use crate::job::Job;
use crate::mutant::{self, Mutant};
use crate::operate::no_job;
use crate::tenant::Tenant;
use crate::wheel::Wheel;

impl Tenant {
    /// The fact `job_reprioritized`. A job that was fresh is held in memory from now on: its row names the lane that it
    /// left, and the key that it had there is `prev`.
    pub fn reprioritized(
        &mut self,
        id: JobId,
        (from, lane): (LaneNo, LaneNo),
        prev: u64,
        record: &Record,
        wheel: &mut Wheel,
    ) {
        let seq = record.seq;
        match self.jobs.get_mut(&id) {
            Some(job) => {
                job.last_seq = seq;
                job.lane = lane;
                let (state, key) = (job.state, job.order_key);
                match state {
                    JobState::Ready => {
                        self.lane_mut(from).again.remove(&key);
                        self.enter_lane(id, lane, record, wheel);
                    }
                    JobState::Leased | JobState::Running => {
                        self.lane_mut(from).leased -= 1;
                        self.lane_mut(lane).leased += 1;
                        self.move_lease(from, lane);
                        // The lane that it left may be held by a throttle of its own, and has room again.
                        self.index.stirred |= !self.throttles.is_empty();
                    }
                    _ => {}
                }
            }
            None => {
                self.lane_mut(from).fresh -= 1;
                self.jobs.insert(id, Job { last_seq: seq, ..Job::fresh(lane, prev) });
                self.key_opened(id, lane, prev);
                self.enter_lane(id, lane, record, wheel);
            }
        }
        self.refresh_lane(from);
        self.refresh_lane(lane);
    }
}

impl Desk<'_> {
    /// The command `Reprioritize`. The priority that a job has already changes nothing.
    pub fn reprioritize(&mut self, id: JobId, priority: Priority, actor: Actor) -> Answer {
        let held = self.tenant.jobs.get(&id).map(|job| (job.lane, job.last_seq));
        let fresh = held.is_none();
        let found = held.map(Ok).or_else(|| {
            let cold = self.cold(id)?;
            Some(if cold.state == JobState::Ready { Ok((cold.lane, cold.seq)) } else { Err(cold.state) })
        });
        let (from, prev) = match found {
            None => return Answer::Refused(no_job(id)),
            Some(Err(state)) => {
                let detail = format!("the job is {} already", state.as_str());
                return Answer::Refused(Refusal::new(Code::StateConflict, detail));
            }
            Some(Ok(place)) => place,
        };
        let key = LaneKey { priority, ..self.tenant.lane(from).key.clone() };
        if key == self.tenant.lane(from).key {
            return Answer::Done;
        }
        let opens = !self.tenant.index.lane_by_key.contains_key(&key);
        if opens && self.tenant.lanes.len() as u64 >= limits::LANES_MAX {
            let detail = format!("the tenant has {} lanes, the most that are allowed", limits::LANES_MAX);
            return Answer::Refused(Refusal::new(Code::BacklogFull, detail));
        }
        let lane = self.lane_for(&key);
        let Actor { by, reason } = actor;
        self.emit(Fact::JobReprioritized { by, from, job: id, lane, prev, reason });
        if fresh && !mutant::on(Mutant::MovedStaysInWindow) {
            self.window_remove(from, prev);
        }
        Answer::Done
    }
}

#[cfg(test)]
mod tests;
