//! The rows: one for each phase.

use serde::Serialize;

use crate::document::Line;
use crate::finding::Finding;
use crate::upstream::history::Lateness;
use crate::upstream::host::Terms;

/// A phase.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub phase: &'static str,
    /// What the upstream allows.
    pub terms: Terms,
    /// How long it was measured.
    pub seconds: f64,
    /// Requests that were answered.
    pub admitted: usize,
    /// Requests that were one too many.
    pub refused: usize,
    /// The part of the allowance that was used.
    pub used: f64,
    /// Requests of each tenant that were answered.
    pub shares: Vec<u64>,
    /// How late attempts were granted and began, after the moment from which their requests may leave.
    pub late: Lateness,
    /// What else is to be said.
    pub note: String,
    /// Requests in each second of what the phase is about.
    pub per_second: Vec<u64>,
    /// Figures beside their bars.
    pub bars: Vec<Finding>,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "phase",
        "terms",
        "seconds",
        "answered",
        "refused",
        "used",
        "by tenant",
        "late ms, granted and begun: min/p50/p99/max",
        "requests in each second",
        "note",
        "figures (bars)",
    ];

    fn cells(&self) -> Vec<String> {
        let Terms { limit, window_ms } = self.terms;
        let bar = |it: &Finding| {
            let missed = if it.met { "" } else { " MISSED" };
            format!("{}: {} ({}{missed})", it.what, it.text(), it.bar.text(it.unit))
        };
        vec![
            self.phase.to_owned(),
            format!("{limit} in {} s", window_ms / 1_000),
            format!("{:.0}", self.seconds),
            self.admitted.to_string(),
            self.refused.to_string(),
            format!("{:.3}", self.used),
            join(&self.shares),
            format!("{}, {}", self.late.granted.text(), self.late.began.text()),
            join(&self.per_second),
            self.note.clone(),
            self.bars.iter().map(bar).collect::<Vec<_>>().join("; "),
        ]
    }
}

fn join(counts: &[u64]) -> String {
    counts.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}
