//! Conversions between rows and values, both ways.

use super::*;

#[test]
fn lanes_come_back_from_their_number() {
    let lane = LaneNo(u32::MAX - 1);
    assert_eq!(lane_of(lane.in_ledger(TenantNo(7))), lane);
}

#[test]
fn packed_ids_come_back_and_torn_ones_are_corrupt() {
    let ids = [JobId(Uuid::from_u128(1)), JobId(Uuid::from_u128(u128::MAX))];
    assert_eq!(unpack_ids(&pack_ids(&ids)).unwrap(), ids);
    assert!(matches!(unpack_ids(&[0; 17]), Err(StoreError::Corrupt(_))));
}

#[test]
fn numbers_that_no_row_may_have_are_corrupt() {
    assert!(unsigned(-1).is_err());
    assert!(unsigned_small(-1).is_err());
    assert!(final_state(2).is_err());
    assert_eq!(final_state(6).unwrap(), JobState::Failed);
    assert_eq!(small(u32::MAX), -1);
}

#[test]
fn outcomes_of_runs_come_back_from_their_numbers() {
    assert_eq!(RunOutcome::ALL.map(outcome_number), [5, 6, 7]);
    assert_eq!(RunOutcome::ALL.map(|outcome| outcome_of(outcome_number(outcome).into()).unwrap()), RunOutcome::ALL);
    assert!(outcome_of(8).is_err());
}

#[test]
fn the_last_row_of_each_key_stays() {
    assert_eq!(last_of_each(&[(1, 'a'), (2, 'b'), (1, 'c')], |row| row.0), [&(2, 'b'), &(1, 'c')]);
}

#[test]
fn a_day_begins_at_midnight_in_utc() {
    assert_eq!(day(Timestamp::from_millis(86_399_999)), 0);
    assert_eq!(day(Timestamp::from_millis(86_400_000)), 1);
}
