//! The table is total, without contradictions, and every state can be reached and left.

use std::collections::BTreeSet;

use super::*;

#[test]
fn each_state_and_event_has_one_answer() {
    for state in JobState::ALL {
        for event in Event::ALL {
            let rows = TABLE.iter().filter(|(from, on, _)| *from == state && *on == event).count();
            assert!(rows <= 1, "{state:?} {event:?} stands twice");
            match next(state, event) {
                Ok(_) => assert_eq!(rows, 1),
                Err(TransitionError::Final(of)) => assert!(state.is_final() && of == state),
                Err(TransitionError::OutOfPlace { .. }) => assert!(rows == 0 && !state.is_final()),
            }
        }
    }
}

#[test]
fn final_is_final() {
    assert!(TABLE.iter().all(|(from, _, _)| !from.is_final()));
}

#[test]
fn every_open_state_can_end_in_cancel_and_failure() {
    for state in JobState::ALL.into_iter().filter(|s| !s.is_final()) {
        assert_eq!(next(state, Event::Canceled), Ok(JobState::Canceled));
        assert_eq!(next(state, Event::FailedForGood), Ok(JobState::Failed));
    }
}

#[test]
fn every_state_is_reached_from_the_three_beginnings() {
    let mut reached: BTreeSet<_> = [JobState::Blocked, JobState::Scheduled, JobState::Ready].into();
    loop {
        let before = reached.len();
        for (from, _, to) in TABLE {
            if reached.contains(from) {
                reached.insert(*to);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    assert_eq!(reached.len(), JobState::ALL.len());
}
