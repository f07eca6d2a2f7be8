//! What the gate prints: a line per step while it runs, then failures, what was left out, and the sum.

use std::path::PathBuf;

use crate::clock::Stopwatch;

/// Tests that ran; a step that is no test executable counts as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Held.
    pub passed: u32,
    /// Did not hold.
    pub failed: u32,
    /// Marked to be left out.
    pub ignored: u32,
}

impl Counts {
    /// A step that held.
    pub fn one_passed() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// A step that did not.
    pub fn one_failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// Sums up the `test result:` lines of one or more runs.
    pub fn read(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines().filter(|line| line.starts_with("test result:")) {
            for part in line.split([';', '.']) {
                let mut words = part.split_whitespace();
                let (Some(number), Some(word)) = (words.next().and_then(|n| n.parse::<u32>().ok()), words.next())
                else {
                    continue;
                };
                match word {
                    "passed" => counts.passed += number,
                    "failed" => counts.failed += number,
                    "ignored" => counts.ignored += number,
                    _ => {}
                }
            }
        }
        counts
    }
}

/// Which tests said that they found nothing to run on, and what is missing: their first line `SKIPPED: …` each, in what
/// `--show-output` shows. To the test runner they passed.
pub fn skipped(output: &str) -> Vec<(String, String)> {
    let mut test = None;
    let mut skipped = Vec::new();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----")) {
            test = Some(name);
        } else if let Some(why) = line.strip_prefix("SKIPPED: ") {
            skipped.extend(test.take().map(|test| (test.to_owned(), why.to_owned())));
        }
    }
    skipped
}

/// How a step went.
#[derive(Debug)]
pub struct Outcome {
    /// What ran.
    pub counts: Counts,
    /// What was left out, and why.
    pub skipped: Vec<(String, String)>,
    /// How long.
    pub seconds: f64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// The whole output.
    pub log: PathBuf,
}

/// The gate so far.
#[derive(Debug)]
pub struct Report {
    counts: Counts,
    failures: Vec<String>,
    skipped: Vec<String>,
    watch: Stopwatch,
}

impl Default for Report {
    fn default() -> Self {
        Self { counts: Counts::default(), failures: Vec::new(), skipped: Vec::new(), watch: Stopwatch::start() }
    }
}

impl Report {
    /// Takes a step in and prints its line. A set without any test is not worth one.
    pub fn add(&mut self, area: &str, title: &str, outcome: Outcome) {
        let counts = outcome.counts;
        self.counts.passed += counts.passed;
        self.counts.failed += counts.failed;
        for (what, why) in &outcome.skipped {
            self.skip(what, why);
        }
        if counts.ignored > 0 {
            self.skip(&format!("{title}: {} tests", counts.ignored), "marked #[ignore]");
        }
        if let Some(failure) = outcome.failure {
            println!(
                "FAIL  {area:18} {:7.1} s  {title}  {} passed, {} failed",
                outcome.seconds, counts.passed, counts.failed
            );
            println!("{}\n      whole log: {}", indent(&failure), outcome.log.display());
            self.failures.push(format!("{area} {title}").trim_end().to_owned());
        } else if counts.passed > 0 {
            let tests = if title.is_empty() { String::new() } else { format!("{title}  {} passed", counts.passed) };
            println!("ok    {area:18} {:7.1} s  {tests}", outcome.seconds);
        }
    }

    /// A failure that is no step.
    pub fn fail(&mut self, title: &str, why: &str, counts: Counts) {
        self.counts.failed += counts.failed;
        println!("FAIL  {title}\n{}", indent(why));
        self.failures.push(title.to_owned());
    }

    /// Something is left out, for a reason that people are told.
    pub fn skip(&mut self, what: &str, why: &str) {
        self.skipped.push(format!("{what} ({why})"));
    }

    /// Prints the end. True when nothing failed.
    pub fn finish(&self) -> bool {
        for (heading, list) in [("skipped", &self.skipped), ("failed", &self.failures)] {
            if !list.is_empty() {
                println!("{heading}:");
                list.iter().for_each(|line| println!("  {line}"));
            }
        }
        println!("took {:.0} s", self.watch.seconds());
        println!("{} passed, {} failed", self.counts.passed, self.counts.failed);
        self.counts.failed == 0 && self.failures.is_empty()
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("      | {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Counts, skipped};

    #[test]
    fn results_of_several_runs_are_summed_up() {
        let output = "test a ... ok\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s\n";
        assert_eq!(Counts::read(output), Counts { passed: 15, failed: 2, ignored: 1 });
        assert_eq!(Counts::read("nothing ran"), Counts::default());
    }

    #[test]
    fn a_test_that_found_nothing_to_run_on_did_not_pass_in_silence() {
        let output = "test a ... ok\ntest m::b ... ok\n\nsuccesses:\n\n\
            ---- a stdout ----\nSKIPPED of no account\n\n\
            ---- m::b stdout ----\nSKIPPED: no feeds\nSKIPPED: no feeds\n\n\nsuccesses:\n    a\n    m::b\n";
        assert_eq!(skipped(output), [("m::b".to_owned(), "no feeds".to_owned())]);
    }
}
