//! Looking again and again: on a terminal in place, elsewhere by printing what has changed.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::page::Listing;
use super::table::View;
use super::{Output, write};
use crate::failure::Failure;
use crate::moment::parse_duration;

/// Clears a terminal and goes to its upper left corner.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// Often enough for people; the server is not asked more.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Whether to look again.
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// Look again and again, and print what has changed, until interrupted.
    #[arg(long)]
    watch: bool,
    /// How long to wait between two looks.
    #[arg(long, default_value = "2s", value_parser = parse_duration, value_name = "DURATION", requires = "watch")]
    interval: Duration,
}

/// What one look came to.
struct Frame {
    text: String,
    more: bool,
    last: bool,
}

impl Watch {
    /// Prints a list, once or again and again.
    pub async fn list<T: Serialize>(
        &self,
        output: &Output,
        view: &View,
        read: impl AsyncFn() -> Result<Listing<T>, orch_client::Error>,
    ) -> Result<(), Failure> {
        let look = async || {
            let listing = read().await?;
            Ok(Frame { text: output.list_text(&listing.items, view)?, more: listing.more, last: false })
        };
        self.run(output, look).await
    }

    /// Prints one thing, once or again and again until it is the last of it.
    pub async fn one<T: Serialize>(
        &self,
        output: &Output,
        view: &View,
        read: impl AsyncFn() -> Result<T, orch_client::Error>,
        is_last: impl Fn(&T) -> bool,
    ) -> Result<(), Failure> {
        self.told(output, view, read, is_last, |item| output.one_text(item, view)).await
    }

    /// The same, with a text of its own for people.
    pub async fn told<T: Serialize>(
        &self,
        output: &Output,
        view: &View,
        read: impl AsyncFn() -> Result<T, orch_client::Error>,
        is_last: impl Fn(&T) -> bool,
        text: impl Fn(&T) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let look = async || {
            let item = read().await?;
            let text = if output.is_for_people() { text(&item)? } else { output.one_text(&item, view)? };
            Ok(Frame { text, more: false, last: is_last(&item) })
        };
        self.run(output, look).await
    }

    async fn run(&self, output: &Output, look: impl AsyncFn() -> Result<Frame, Failure>) -> Result<(), Failure> {
        let mut ticks = interval(self.interval.max(INTERVAL_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Seen::default();
        loop {
            ticks.tick().await;
            let frame = match look().await {
                Err(failure) if self.watch && seen.any() && failure.is_passing() => {
                    seen.outage(&failure, output);
                    continue;
                }
                looked => looked?,
            };
            if !self.watch {
                write(&frame.text)?;
                output.note_more(frame.more);
                return Ok(());
            }
            let news = seen.news(&frame.text, output.is_by_lines());
            if !news.is_empty() {
                let in_place = output.is_for_people() && io::stdout().is_terminal();
                write(&if in_place { CLEAR.to_owned() + &news } else { news })?;
            }
            if frame.last {
                return Ok(());
            }
        }
    }
}

/// What was printed last.
#[derive(Debug, Default)]
struct Seen {
    text: String,
    outage: bool,
}

impl Seen {
    /// There was a look that came to something.
    fn any(&self) -> bool {
        !self.text.is_empty()
    }

    /// Tells that looking fails for now; once, until it works again.
    fn outage(&mut self, failure: &Failure, output: &Output) {
        if !std::mem::replace(&mut self.outage, true) {
            failure.report().iter().for_each(|report| report.print(output.is_json()));
        }
    }

    /// What has changed: the lines that were not there, or the whole text.
    fn news(&mut self, text: &str, by_lines: bool) -> String {
        self.outage = false;
        let before = std::mem::replace(&mut self.text, text.to_owned());
        if before == text {
            return String::new();
        }
        if !by_lines {
            return text.to_owned();
        }
        let known: BTreeSet<&str> = before.split_inclusive('\n').collect();
        text.split_inclusive('\n').filter(|line| !known.contains(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_are_printed() {
        let mut seen = Seen::default();
        assert_eq!(seen.news("a\nb\n", true), "a\nb\n");
        assert_eq!(seen.news("a\nb\n", true), "");
        assert_eq!(seen.news("c\na\n", true), "c\n");
        assert_eq!(seen.news("c\nd\n", false), "c\nd\n");
    }
}
