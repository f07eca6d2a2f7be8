//! What the jobs of a run did when, as lines of characters over one axis of time.

use jiff::Timestamp;
use orch_client::{Segment, SegmentKind, TimelineItem};

use crate::moment::length;

/// What the characters mean.
const LEGEND: &str = ". waits  # is held  - handed out  = runs  ~ waits for another try";

/// A line a job, the oldest first; `None`: there is nothing to show.
pub fn text(items: &[TimelineItem], now: Timestamp, width: usize) -> Option<String> {
    let mut items: Vec<&TimelineItem> = items.iter().filter(|item| !item.segments.is_empty()).collect();
    items.sort_by_key(|item| item.segments[0].from);
    let from = items.first()?.segments[0].from;
    let ends = items.iter().filter_map(|item| item.segments.last()).map(|last| last.to.unwrap_or(now));
    let axis = Axis { from, ms: ms_between(from, ends.max()?).max(1), width };
    let names: Vec<String> = items.iter().map(|item| name(item)).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let end = format!("+{}", length(axis.ms));
    let begin = from.to_string();
    let gap = width.saturating_sub(begin.len()).max(end.len() + 1);
    let mut lines = vec![format!("{:widest$}  {begin}{end:>gap$}", "")];
    for (item, name) in items.iter().zip(names) {
        let took = length(item.segments.iter().map(|segment| segment_ms(segment, now)).sum());
        lines.push(format!("{name:widest$}  {:width$}  {} {took}", axis.bar(&item.segments, now), item.state));
    }
    lines.push(LEGEND.to_owned());
    Some(lines.join("\n") + "\n")
}

/// The time from the first job's beginning to the end of what is shown.
struct Axis {
    from: Timestamp,
    ms: u64,
    width: usize,
}

impl Axis {
    /// Each segment has a character at least, unless a later one needs it.
    fn bar(&self, segments: &[Segment], now: Timestamp) -> String {
        let mut cells = vec![' '; self.width];
        for segment in segments {
            let begin = self.place(segment.from).min(self.width - 1);
            let end = self.place(segment.to.unwrap_or(now)).clamp(begin + 1, self.width);
            cells[begin..end].fill(sign(&segment.kind));
        }
        cells.iter().collect()
    }

    fn place(&self, at: Timestamp) -> usize {
        let place = u128::from(ms_between(self.from, at)) * self.width as u128 / u128::from(self.ms);
        usize::try_from(place).unwrap_or(usize::MAX)
    }
}

fn sign(kind: &SegmentKind) -> char {
    match kind {
        SegmentKind::Held => '#',
        SegmentKind::Leased => '-',
        SegmentKind::Running => '=',
        SegmentKind::Backoff => '~',
        _ => '.',
    }
}

fn name(item: &TimelineItem) -> String {
    let step = item.step.as_deref().unwrap_or(&item.job_type);
    match item.index {
        Some(index) => format!("{step}[{index}]"),
        None => step.to_owned(),
    }
}

fn segment_ms(segment: &Segment, now: Timestamp) -> u64 {
    ms_between(segment.from, segment.to.unwrap_or(now))
}

/// 0 where clocks differ.
fn ms_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(second: u32) -> String {
        format!("2026-01-14T00:00:{second:02}Z")
    }

    fn item(step: &str, index: Value, state: &str, segments: &[(&str, u32, Option<u32>)]) -> TimelineItem {
        let segments: Vec<Value> = segments
            .iter()
            .map(|(kind, from, to)| json!({"kind": kind, "from": at(*from), "to": to.map(at)}))
            .collect();
        let job = "job_0198f2f0a1b27c3d8e4f5a6b7c8d9e0f";
        let wire = json!({
            "step": step, "index": index, "job": job, "job_type": "t", "state": state, "segments": segments,
        });
        serde_json::from_value(wire).unwrap()
    }

    #[test]
    fn each_job_has_a_line_over_one_axis() {
        let items = [
            item("fetch", json!(1), "running", &[("waiting", 10, Some(20)), ("running", 20, None)]),
            item(
                "list",
                Value::Null,
                "succeeded",
                &[("waiting", 0, Some(2)), ("running", 2, Some(4)), ("backoff", 4, Some(8)), ("running", 8, Some(10))],
            ),
            item("empty", Value::Null, "ready", &[]),
        ];
        let chart = text(&items, at(40).parse().unwrap(), 40).unwrap();
        let expected = [
            "          2026-01-14T00:00:00Z                +40s",
            "list      ..==~~~~==                                succeeded 10s",
            "fetch[1]            ..........====================  running 30s",
            LEGEND,
            "",
        ];
        assert_eq!(chart, expected.join("\n"));
        assert_eq!(text(&items[2..], at(40).parse().unwrap(), 40), None);
    }

    #[test]
    fn what_is_short_is_seen_and_what_is_at_one_moment_too() {
        let items = [item("list", Value::Null, "succeeded", &[("waiting", 5, Some(5)), ("running", 5, Some(5))])];
        let chart = text(&items, at(5).parse().unwrap(), 10).unwrap();
        assert!(chart.contains("list  =           succeeded 0ms\n"), "{chart}");
    }
}
