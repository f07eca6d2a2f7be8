//! Watermarks against a model that holds each minute for itself, and the edges that it does not meet.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const MINUTE_MS: i64 = 60_000;
/// Minute 0, a whole day of UTC.
const BEGIN: i64 = 1_699_920_000_000;
/// Minutes within which everything happens.
const MINUTES: i64 = 4_000;
/// About where the first advance goes.
const FIRST: i64 = 1_000;
const NONE: [Range; 0] = [];

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(BEGIN + minute * MINUTE_MS)
}

fn range(from: i64, to: i64) -> Range {
    Range { from: at(from), to: at(to) }
}

fn now() -> Timestamp {
    at(MINUTES)
}

fn read(from: i64, to: i64) -> Watermark {
    Watermark { low: Some(at(from)), high: Some(at(to)), ..Watermark::default() }
}

fn blames(result: Result<Watermark, Refusal>) -> (Code, String) {
    let refusal = result.unwrap_err();
    (refusal.code, refusal.field.unwrap_or_default())
}

/// What an advance of the property test says, in minutes from where the watermark is.
#[derive(Debug, Clone)]
struct Act {
    /// The high that it expects is the real one.
    fresh: bool,
    step: i64,
    back: Option<i64>,
    holes: Vec<(i64, i64)>,
    filled: Vec<(i64, i64)>,
    late: Vec<i64>,
    repair: i64,
}

/// The same in minutes of the model.
#[derive(Debug, Clone)]
struct Say {
    fresh: bool,
    high: i64,
    low: Option<i64>,
    holes: Vec<(i64, i64)>,
    filled: Vec<(i64, i64)>,
    late: Vec<i64>,
    repair: i64,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (
        prop::bool::weighted(0.9),
        -2..40_i64,
        prop::option::weighted(0.3, -5..20_i64),
        prop::collection::vec((-30..25_i64, 1..6_i64), 0..3),
        prop::collection::vec((0..150_i64, 1..40_i64), 0..3),
        prop::collection::vec(-5..150_i64, 0..4),
        prop::sample::select(vec![1_i64, 7, 10, 60]),
    );
    let act = act.prop_map(|(fresh, step, back, holes, filled, late, repair)| Act {
        fresh,
        step,
        back,
        holes,
        filled,
        late,
        repair,
    });
    prop::collection::vec(act, 1..24)
}

impl Act {
    fn said(&self, model: &Minutes) -> Say {
        let (low, high) = model.reach.unwrap_or((FIRST, FIRST));
        Say {
            fresh: self.fresh,
            high: high + self.step,
            low: self.back.map(|back| low - back),
            holes: self.holes.iter().map(|(after, length)| (high + after, high + after + length)).collect(),
            filled: self.filled.iter().map(|(ago, length)| (high - ago, high - ago + length)).collect(),
            late: self.late.iter().map(|ago| high - ago).collect(),
            repair: self.repair,
        }
    }
}

/// The model: minutes that are in reach, and those of them that are holes or to be repaired.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Minutes {
    reach: Option<(i64, i64)>,
    holes: BTreeSet<i64>,
    repairs: BTreeSet<i64>,
}

fn minutes(ranges: &[(i64, i64)]) -> BTreeSet<i64> {
    ranges.iter().flat_map(|(from, to)| *from..*to).collect()
}

impl Minutes {
    /// The same rules, minute by minute; `None`: it is refused.
    fn advance(&self, say: &Say, lateness: i64) -> Option<Self> {
        let before = self.reach;
        if !say.fresh || before.is_some_and(|(_, high)| say.high < high) || say.low.is_some_and(|low| low > say.high) {
            return None;
        }
        let low = match before {
            None => say.low.unwrap_or(say.high),
            Some((low, _)) => say.low.map_or(low, |other| other.min(low)),
        };
        let was = |minute: i64| before.is_some_and(|(low, high)| (low..high).contains(&minute));
        let is = |minute: i64| (low..say.high).contains(&minute);
        // A hole lies on one side of what was read before.
        let one_side = |from: i64, to: i64| (from..to).all(|minute| is(minute) && !was(minute));
        let across = |from: i64, to: i64| before.is_some_and(|(low, high)| low == high && from < low && low < to);
        if !say.holes.iter().all(|(from, to)| one_side(*from, *to) && !across(*from, *to)) {
            return None;
        }
        let filled = minutes(&say.filled);
        let mut holes: BTreeSet<i64> = self.holes.difference(&filled).copied().collect();
        holes.extend(minutes(&say.holes));
        let late = say.late.iter().filter(|minute| was(**minute) && !filled.contains(minute));
        let late = late.filter(|minute| before.is_some_and(|(_, high)| **minute + lateness < high));
        let windows = late.flat_map(|minute| {
            let first = minute - (BEGIN / MINUTE_MS + minute).rem_euclid(say.repair);
            first..first + say.repair
        });
        let windows: BTreeSet<i64> = windows.filter(|minute| was(*minute) && !holes.contains(minute)).collect();
        let repairs = self.repairs.difference(&filled).chain(&windows).copied().collect();
        Some(Self { reach: Some((low, say.high)), holes, repairs })
    }
}

fn minute_of(at: Timestamp) -> i64 {
    (at.millis() - BEGIN) / MINUTE_MS
}

fn seen(watermark: &Watermark) -> Minutes {
    let set = |ranges: &[Range]| {
        let pairs: Vec<_> = ranges.iter().map(|range| (minute_of(range.from), minute_of(range.to))).collect();
        minutes(&pairs)
    };
    Minutes {
        reach: watermark.reach().map(|reach| (minute_of(reach.from), minute_of(reach.to))),
        holes: set(&watermark.holes),
        repairs: set(&watermark.repairs),
    }
}

fn advance_of(watermark: &Watermark, say: &Say) -> Advance {
    let ranges = |all: &[(i64, i64)]| all.iter().map(|(from, to)| range(*from, *to)).collect();
    let expected = if say.fresh { watermark.high } else { Some(at(-1)) };
    Advance {
        low: say.low.map(at),
        holes: ranges(&say.holes),
        filled: ranges(&say.filled),
        late: say.late.iter().copied().map(at).collect(),
        repair_ms: Some(say.repair.unsigned_abs() * MINUTE_MS.unsigned_abs()),
        ..Advance::to(Axis::Modified, expected, at(say.high))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_advance_does_what_it_does_to_single_minutes(acts in acts(), lateness in 0..30_i64) {
        let lateness_ms = (lateness * MINUTE_MS).unsigned_abs();
        let mut watermark = Watermark { lateness_ms, ..Watermark::default() };
        let mut model = Minutes::default();
        for act in &acts {
            let say = &act.said(&model);
            let (before, was) = (watermark.clone(), watermark.reach());
            match (watermark.advance(&advance_of(&watermark, say), now()), model.advance(say, lateness)) {
                (Ok(next), Some(minutes)) => (watermark, model) = (next, minutes),
                (Err(_), None) => prop_assert_eq!(&watermark, &before),
                (real, wanted) => prop_assert!(false, "{real:?} and not {wanted:?} of {say:?}"),
            }
            prop_assert_eq!(seen(&watermark), model.clone());
            prop_assert!(watermark.is_sound(), "{:?}", watermark);
            if let (Some(was), Some(is)) = (was, watermark.reach()) {
                prop_assert!(is.from <= was.from && was.to <= is.to, "it only grows");
            }
        }
    }

    #[test]
    fn what_is_filled_is_gone_and_nothing_else(holes in prop::collection::vec((0..300_i64, 1..12_i64), 0..9),
                                               filled in prop::collection::vec((0..300_i64, 1..40_i64), 0..6)) {
        let pairs = |all: &[(i64, i64)]| all.iter().map(|(from, n)| (*from, from + n)).collect::<Vec<_>>();
        let ranges = |all: &[(i64, i64)]| pairs(all).into_iter().map(|(from, to)| range(from, to)).collect::<Vec<_>>();
        let watermark = Watermark { holes: ranges(&holes), repairs: ranges(&holes), ..read(0, MINUTES) };
        let watermark = watermark.ordered(now()).unwrap();
        prop_assert!(watermark.is_sound());
        let advance = Advance { filled: ranges(&filled), ..Advance::to(Axis::Published, Some(now()), now()) };
        let after = seen(&watermark.advance(&advance, now()).unwrap());
        let wanted: BTreeSet<i64> = minutes(&pairs(&holes)).difference(&minutes(&pairs(&filled))).copied().collect();
        prop_assert_eq!((&after.holes, &after.repairs), (&wanted, &wanted));
    }
}

#[test]
fn an_advance_names_the_high_that_it_read() {
    let first = Watermark::default().advance(&Advance::to(Axis::Published, None, at(10)), now()).unwrap();
    assert_eq!(first, read(10, 10), "without a low nothing before counts as read");
    let twice = first.advance(&Advance::to(Axis::Published, None, at(20)), now());
    assert_eq!(blames(twice), (Code::WatermarkConflict, "expected".to_owned()));
    let back = first.advance(&Advance::to(Axis::Published, Some(at(10)), at(9)), now());
    assert_eq!(blames(back), (Code::WatermarkConflict, "high".to_owned()));
    let on = first.advance(&Advance::to(Axis::Published, Some(at(10)), at(20)), now()).unwrap();
    assert_eq!(on, read(10, 20));
    let detail = Watermark::default().advance(&Advance::to(Axis::Published, Some(at(0)), at(1)), now()).unwrap_err();
    assert!(detail.detail.contains("is nowhere yet, and the report expects it at 2023-11-14T"), "{detail}");
}

#[test]
fn the_same_again_is_the_same() {
    let watermark = Watermark { holes: vec![range(3, 4)], repairs: vec![range(5, 6)], ..read(0, 10) };
    assert_eq!(watermark.advance(&Advance::to(Axis::Modified, Some(at(10)), at(10)), now()), Ok(watermark.clone()));
}

#[test]
fn low_falls_and_never_rises() {
    let to = |low: i64| Advance { low: Some(at(low)), ..Advance::to(Axis::Published, Some(at(20)), at(20)) };
    let lower = read(10, 20).advance(&Advance { holes: vec![range(4, 6)], ..to(2) }, now()).unwrap();
    assert_eq!(lower, Watermark { holes: vec![range(4, 6)], ..read(2, 20) });
    assert_eq!(read(10, 20).advance(&to(15), now()), Ok(read(10, 20)));
    assert_eq!(blames(read(10, 20).advance(&to(21), now())), (Code::InvalidField, "low".to_owned()));
}

#[test]
fn late_records_open_whole_days_unless_told_otherwise() {
    let day = 24 * 60;
    let watermark = Watermark { lateness_ms: 3_600_000, ..read(-3 * day, 0) };
    let late = |late: &[i64]| {
        let late = late.iter().copied().map(at).collect();
        Advance { late, ..Advance::to(Axis::Modified, Some(at(0)), at(5)) }
    };
    let repairs = |advance: &Advance| watermark.advance(advance, now()).unwrap().repairs;
    assert_eq!(repairs(&late(&[-2 * day + 7, -2 * day + 900])), [range(-2 * day, -day)]);
    assert_eq!(repairs(&late(&[-60, -1, 3])), NONE, "within the bound, or not behind it at all");
    assert_eq!(repairs(&late(&[-61])), [range(-day, 0)], "no further than it was read before");
    assert_eq!(repairs(&late(&[-3 * day - 1])), NONE, "it was never read");
    let hour = Advance { repair_ms: Some(3_600_000), ..late(&[-90]) };
    assert_eq!(repairs(&hour), [range(-120, -60)]);
    let again = Advance { filled: vec![range(-120, -60)], ..hour };
    assert_eq!(repairs(&again), NONE, "the repair found the record again");
}

#[test]
fn a_hole_is_left_in_what_is_new_alone() {
    let with = |from: i64, to: i64| Advance {
        holes: vec![range(from, to)],
        ..Advance::to(Axis::Published, Some(at(20)), at(30))
    };
    assert_eq!(read(10, 20).advance(&with(20, 30), now()).unwrap().holes, [range(20, 30)]);
    for (from, to) in [(19, 25), (12, 13), (25, 31), (5, 10)] {
        let refused = blames(read(10, 20).advance(&with(from, to), now()));
        assert_eq!(refused, (Code::InvalidField, "holes[0]".to_owned()), "{from} to {to}");
    }
    assert_eq!(blames(read(10, 20).advance(&with(25, 25), now())), (Code::InvalidField, "holes[0]".to_owned()));
}

#[test]
fn too_many_ranges_become_few_and_cover_more() {
    let most = i64::try_from(WATERMARK_RANGES_MAX).unwrap();
    let minute_wide = |n: i64| range(3 * n + n / 100, 3 * n + n / 100 + 1);
    let high = at(4 * most);
    let watermark = Watermark { holes: (0..most).map(minute_wide).collect(), ..read(0, 4 * most) };
    let more = Advance {
        holes: vec![range(4 * most, 4 * most + 1)],
        ..Advance::to(Axis::Modified, Some(high), at(4 * most + 2))
    };
    let after = watermark.advance(&more, at(9 * most)).unwrap();
    assert_eq!(after.holes.len() as u64, WATERMARK_RANGES_MAX);
    assert_eq!(after.holes[0], range(0, 4), "the first two of the closest");
    assert!(after.is_sound());
    let before: BTreeSet<i64> = seen(&watermark).holes;
    assert!(before.is_subset(&seen(&after).holes));
}

#[test]
fn lists_and_lengths_have_limits() {
    let ahead = |ms: u64| Watermark::default().advance(&Advance::to(Axis::Published, None, now().plus_ms(ms)), now());
    assert!(ahead(WATERMARK_AHEAD_MS_MAX).is_ok());
    assert_eq!(blames(ahead(WATERMARK_AHEAD_MS_MAX + 1)), (Code::TimeOutOfRange, "high".to_owned()));
    let plain = Advance::to(Axis::Published, None, at(0));
    let field = |advance: Advance| advance.check().unwrap_err().field.unwrap_or_default();
    let many = |n: u64| vec![range(0, 1); usize::try_from(n).unwrap()];
    assert!(Advance { filled: many(WATERMARK_RANGES_MAX), ..plain.clone() }.check().is_ok());
    assert_eq!(field(Advance { filled: many(WATERMARK_RANGES_MAX + 1), ..plain.clone() }), "filled");
    assert_eq!(field(Advance { holes: many(WATERMARK_RANGES_MAX + 1), ..plain.clone() }), "holes");
    let late = |n: u64| vec![at(0); usize::try_from(n).unwrap()];
    assert!(Advance { late: late(WATERMARK_LATE_MAX), ..plain.clone() }.check().is_ok());
    assert_eq!(field(Advance { late: late(WATERMARK_LATE_MAX + 1), ..plain.clone() }), "late");
    for ms in [WATERMARK_REPAIR_MS_MIN - 1, WATERMARK_REPAIR_MS_MAX + 1] {
        assert_eq!(field(Advance { repair_ms: Some(ms), ..plain.clone() }), "repair_ms");
    }
}

#[test]
fn an_operator_may_go_back_but_must_make_sense() {
    let set = |watermark: Watermark| watermark.ordered(now());
    assert_eq!(set(Watermark::default()), Ok(Watermark::default()));
    assert_eq!(set(Watermark { high: Some(at(5)), ..Watermark::default() }), Ok(read(5, 5)));
    let untidy = Watermark { holes: vec![range(6, 8), range(2, 3), range(3, 7)], ..read(0, 10) };
    assert_eq!(set(untidy).map(|set| set.holes), Ok(vec![range(2, 8)]));
    let alone = Watermark { low: Some(at(5)), ..Watermark::default() };
    assert_eq!(blames(set(alone)), (Code::InvalidField, "low".to_owned()));
    assert_eq!(blames(set(read(6, 5))), (Code::InvalidField, "low".to_owned()));
    let outside = Watermark { repairs: vec![range(1, 2), range(9, 11)], ..read(0, 10) };
    assert_eq!(blames(set(outside)), (Code::InvalidField, "repairs[1]".to_owned()));
    let unread = Watermark { holes: vec![range(1, 2)], ..Watermark::default() };
    assert_eq!(blames(set(unread)), (Code::InvalidField, "holes[0]".to_owned()));
    let late = Watermark { lateness_ms: WATERMARK_LATENESS_MS_MAX + 1, ..Watermark::default() };
    assert_eq!(blames(set(late)), (Code::LimitExceeded, "lateness_ms".to_owned()));
}

#[test]
fn axes_have_words() {
    for axis in Axis::ALL {
        assert_eq!(Axis::parse(axis.as_str()), Some(axis));
        assert_eq!(serde_json::to_value(axis).unwrap(), axis.as_str());
    }
    assert_eq!(Axis::parse("withdrawn"), None);
}
