//! The page: every figure beside its bar, the peers, and what misses its bar.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::document::{Summary, line, maybe};
use crate::finding::{Finding, Subject, amount};
use crate::performance::peers::{Peer, Peers};
use crate::performance::{Part, Performance};

const INTRODUCTION: &str = "\
Commits are synchronous; history, leases and random idempotency keys are on unless a row says otherwise.
Payloads have 200 bytes, and the load runs on the same machine.
A missed bar is said as plainly as one that is met.
";

/// The page of a report.
pub struct Page<'a> {
    /// What was measured.
    pub performance: &'a Performance,
    /// All figures.
    pub summary: &'a Summary,
    /// The folder with the texts about misses.
    pub misses: &'a Path,
}

impl Page<'_> {
    /// As Markdown.
    pub fn text(&self) -> String {
        let Performance { date, machine, command, parts, peers, .. } = self.performance;
        let findings = &self.summary.findings;
        let met = findings.iter().filter(|finding| finding.met).count();
        let mut text = format!("# Performance\n\nWritten by `{command}` on {date}.\n{INTRODUCTION}\n");
        // Writing to memory does not fail.
        let _ = writeln!(text, "- machine: {}", machine.line());
        for commits in &self.summary.commits {
            let _ = writeln!(text, "- {}", commits.line());
        }
        let _ = writeln!(text, "\n{met} of {} bars are met.\n\n## Figures\n", findings.len());
        text.push_str(&head(&["what", "figure", "bar", "met", "command"]));
        for part in parts {
            text.push_str(&rows(part));
        }
        let compared = self.summary.findings.iter().skip(parts.iter().map(|part| part.summary.findings.len()).sum());
        for finding in compared {
            let _ = writeln!(text, "{}", row(finding, "with `--peers`"));
        }
        if let Some(peers) = peers {
            text.push_str(&table(peers));
        }
        text.push_str(&self.missed());
        text
    }

    fn missed(&self) -> String {
        let missed = |subject: Subject| {
            self.summary.findings.iter().filter(move |finding| finding.subject == subject && !finding.met)
        };
        let subjects: BTreeSet<_> =
            self.summary.findings.iter().filter(|finding| !finding.met).map(|finding| finding.subject).collect();
        let mut text = "\n## What misses its bar\n".to_owned();
        if subjects.is_empty() {
            text.push_str("\nNothing that was measured.\n");
        }
        for subject in subjects {
            let _ = writeln!(text, "\n### {}\n", subject.name());
            for finding in missed(subject) {
                let _ = writeln!(text, "- {}: {}, {}", finding.what, finding.text(), finding.bar.text(finding.unit));
            }
            let file = self.misses.join(format!("{}.md", subject.name()));
            let why = std::fs::read_to_string(file);
            let why = why.unwrap_or_else(|_| "Why is not known yet.".to_owned());
            let _ = writeln!(text, "\n{}", why.trim());
        }
        text
    }
}

fn head(cells: &[&str]) -> String {
    format!("{}\n{}\n", line(cells), line(&vec!["---"; cells.len()]))
}

fn rows(part: &Part) -> String {
    let command = format!("`{}`", part.command);
    let mut text: String = part.summary.findings.iter().map(|finding| row(finding, &command) + "\n").collect();
    if let Some(failure) = &part.failure {
        let _ = writeln!(text, "{}", line(&["not measured", &failure.replace(['|', '\n'], " "), "–", "–", &command]));
    }
    text
}

fn row(finding: &Finding, command: &str) -> String {
    let met = if finding.met { "met" } else { "**missed**" };
    line(&[&finding.what, &finding.text(), &finding.bar.text(finding.unit), met, command])
}

fn table(peers: &Peers) -> String {
    let mut text = format!(
        "\n## Peers\n\nOn the same machine, by `cargo xtask bench peers`; medians.\n\n{}",
        head(&[
            "peer",
            "enqueue jobs/s",
            "work jobs/s",
            "its CPU ms / 1,000 jobs",
            "database CPU",
            "log B/job",
            "dead tuples"
        ])
    );
    for peer in &peers.peers {
        let _ = writeln!(text, "{}", line(&cells(peer)));
    }
    text.push('\n');
    for peer in peers.peers.iter().filter(|peer| !peer.gives_up.is_empty()) {
        let _ = writeln!(text, "- {}: {}", peer.peer, peer.gives_up);
    }
    text
}

fn cells(peer: &Peer) -> [String; 7] {
    let work = &peer.work;
    let ms = |seconds: f64| format!("{:.1}", seconds * 1e3);
    [
        format!("{} {}", peer.peer, peer.version),
        amount(peer.enqueue.jobs_per_second.median.round(), ""),
        amount(work.jobs_per_second.median.round(), ""),
        ms(work.peer_cpu_seconds_per_1000_jobs.median),
        maybe(work.store_cpu_seconds_per_1000_jobs, |cpu| ms(cpu.median)),
        format!("{:.0}", work.log_bytes_per_job.median),
        maybe(peer.dead_tuples, |dead| amount(dead.median.round(), "")),
    ]
}

#[cfg(test)]
mod tests {
    use orch_bench::machine::Machine;

    use super::*;
    use crate::finding::Bar;

    #[test]
    fn a_miss_stands_beside_its_bar_with_what_was_written_about_it() {
        let finding = |subject, figure| Finding::new(subject, "it".to_owned(), (figure, "ms"), Bar::AtMost(2.0));
        let findings = vec![finding(Subject::Latency, 1.0), finding(Subject::Lists, 3.0)];
        let summary = Summary { findings, ..Summary::default() };
        let part = |summary: &Summary, failure| Part { command: "c".to_owned(), summary: summary.clone(), failure };
        let performance = Performance {
            version: "0",
            date: "2026-01-15".to_owned(),
            machine: Machine::here(),
            command: "cargo xtask bench report --quick".to_owned(),
            parts: vec![part(&summary, None), part(&Summary::default(), Some("no".to_owned()))],
            peers: None,
        };
        let misses = tempfile::tempdir().unwrap();
        std::fs::write(misses.path().join("lists.md"), "Because.\n").unwrap();
        let text = Page { performance: &performance, summary: &summary, misses: misses.path() }.text();
        assert!(text.contains("| it | 1 ms | ≤ 2 ms | met | `c` |"), "{text}");
        assert!(text.contains("| it | 3 ms | ≤ 2 ms | **missed** | `c` |"), "{text}");
        assert!(text.contains("| not measured | no | – | – | `c` |"), "{text}");
        assert!(text.ends_with("## What misses its bar\n\n### lists\n\n- it: 3 ms, ≤ 2 ms\n\nBecause.\n"), "{text}");
        assert!(text.contains("1 of 2 bars are met."), "{text}");
    }
}
