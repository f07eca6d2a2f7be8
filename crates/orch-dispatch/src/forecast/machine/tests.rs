//! The small machine by itself: whose turn it is, ramps, and what time alone opens.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

/// Lanes of one tenant and class with so much waiting in each, one crew with this room, and attempts of 1,000 ms.
fn machine(waiting: &[u64], room: u32) -> Machine {
    let mut class = Class { opens_at: NOW, cost: 1, timed: true, ..Class::default() };
    let lines: Vec<_> = (0_u32..)
        .zip(waiting)
        .map(|(no, waiting)| {
            class.active.insert((0, no, no as usize));
            let (limits, meters) = (Vec::new(), Vec::new());
            Line { no, class: 0, limits, meters, pass: 0, cost: 100, waiting: *waiting, held: false }
        })
        .collect();
    Machine {
        now: NOW,
        classes: vec![class],
        lines,
        parties: vec![Party { place: 0, vtime: 0, whole: None }],
        crews: vec![Crew { room, takes: vec![true] }],
        times: vec![vec![1_000, 1_000]],
        ..Machine::default()
    }
}

fn starts(machine: &Machine, line: usize, ahead: u64) -> Option<u64> {
    let ran = machine.clone().run(line, ahead, 10_000, &mut Draws(0));
    ran.starts.map(|at| at.ms_since(NOW))
}

#[test]
fn lanes_take_turns_by_what_a_grant_costs_them() {
    let mut it = machine(&[10, 10], 1);
    assert_eq!((starts(&it, 0, 0), starts(&it, 1, 0), starts(&it, 0, 1)), (Some(0), Some(1_000), Some(2_000)));
    // A lane of four times the weight gets four of five.
    it.lines[0].cost = 25;
    assert_eq!((starts(&it, 1, 0), starts(&it, 1, 1)), (Some(1_000), Some(6_000)));
}

#[test]
fn the_tenant_that_got_less_comes_first() {
    let mut it = machine(&[10, 10], 1);
    it.parties.push(Party { place: 3, vtime: 0, whole: None });
    let second = it.classes[0].active.pop_last().into_iter().collect();
    it.classes.push(Class { party: 1, active: second, ..it.classes[0].clone() });
    it.lines[1].class = 1;
    it.crews[0].takes.push(true);
    assert_eq!((starts(&it, 1, 0), starts(&it, 1, 1)), (Some(4_000), Some(6_000)));
}

#[test]
fn a_ramp_lets_one_more_through_after_each_end() {
    let mut it = machine(&[100], 100);
    it.limits.push(Limit { rises_to: Some(4), ..Limit::of(1, 0) });
    it.lines[0].limits.push(0);
    it.classes[0].limits.push(0);
    // One, then two, then four, then all.
    assert_eq!([0, 1, 2, 3, 6, 7].map(|ahead| starts(&it, 0, ahead)), [0, 1_000, 1_000, 2_000, 2_000, 3_000].map(Some));
}

#[test]
fn a_throttle_ends_with_its_time() {
    let mut it = machine(&[3], 100);
    it.limits.push(Limit { until: NOW.plus_ms(500), ..Limit::of(1, 1) });
    it.lines[0].limits.push(0);
    it.classes[0].limits.push(0);
    assert_eq!(starts(&it, 0, 2), Some(500));
    it.classes[0].opens_at = NOW.plus_ms(700);
    assert_eq!(starts(&it, 0, 2), Some(700));
    it.classes[0].opens_at = NEVER;
    assert_eq!(starts(&it, 0, 2), None);
}

#[test]
fn a_minute_that_is_spent_is_waited_for() {
    let mut it = machine(&[9], 100);
    let term = Term { burst: None, limit: 2, window_ms: 60_000 };
    it.meters.push(Meter::Minute { window: Window::default(), term, until: NEVER });
    it.lines[0].meters.push(0);
    it.classes[0].meters.push(0);
    assert_eq!(starts(&it, 0, 1), Some(0));
    let third = starts(&it, 0, 2).unwrap_or(0);
    assert!((60_000..62_000).contains(&third), "{third}");
}

#[test]
fn equal_draws_give_equal_runs() {
    let mut it = machine(&[50], 3);
    it.times = vec![(1..64).map(|n| n * 100).collect()];
    it.under_way.push(UnderWay { began: NOW, line: 0, crew: Some(0) });
    let run = |seed| it.clone().run(0, 30, 10_000, &mut Draws(seed));
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).starts, run(2).starts);
}
