//! `orch watermark …`: how far sources have been read, in event time.

use clap::Subcommand;
use jiff::Timestamp;
use orch_client::{Axis, Client, Range, Watermark, WatermarkIn};

use crate::complete;
use crate::failure::Failure;
use crate::moment::{ms, parse_duration, parse_moment};
use crate::output::{Output, View, Watch, all};

/// The words of axes.
const AXES: [&str; 2] = ["published", "modified"];

/// Commands about watermarks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List watermarks, with how far each is behind now.
    List {
        /// Only those of this source.
        #[arg(long, value_name = "NAME", add = complete::sources())]
        source: Option<String>,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one, with its holes and repairs.
    Show {
        /// The source.
        #[arg(add = complete::sources())]
        source: String,
        /// Which of its watermarks: published or modified.
        #[arg(value_parser = AXES)]
        axis: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Say how far a source has been read; back, too, so that it is read again. What is not named stays.
    Set(Box<Set>),
}

/// What it is to be.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// The source.
    #[arg(add = complete::sources())]
    source: String,
    /// Which of its watermarks: published or modified.
    #[arg(value_parser = AXES)]
    axis: String,
    /// Up to when it was read: RFC 3339, or a duration from now such as +2h.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    high: Option<Timestamp>,
    /// Back to when it was read.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    low: Option<Timestamp>,
    /// It counts as never read.
    #[arg(long, conflicts_with_all = ["high", "low", "holes", "repairs"])]
    unread: bool,
    /// A record that is found behind it by more than this is late, such as 2h.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    lateness: Option<std::time::Duration>,
    /// What was left out, in the stead of the holes that it has; may be repeated.
    #[arg(long = "hole", value_name = "FROM/TO", value_parser = parse_range)]
    holes: Vec<Range>,
    /// It has no holes.
    #[arg(long, conflicts_with = "holes")]
    no_holes: bool,
    /// What is to be read again, in the stead of the repairs that it has; may be repeated.
    #[arg(long = "repair", value_name = "FROM/TO", value_parser = parse_range)]
    repairs: Vec<Range>,
    /// It has no repairs.
    #[arg(long, conflicts_with = "repairs")]
    no_repairs: bool,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
}

const VIEW: View = View {
    name: "/source",
    columns: &[
        ("SOURCE", "/source"),
        ("AXIS", "/axis"),
        ("LOW", "/low"),
        ("HIGH", "/high"),
        ("LAG MS", "/lag_ms"),
        ("UPDATED AT", "/updated_at"),
    ],
    wide: &[
        ("LATENESS MS", "/lateness_ms"),
        ("HOLES", "/holes"),
        ("REPAIRS", "/repairs"),
        ("VERSION", "/version"),
        ("JOB", "/job"),
        ("BY", "/by"),
        ("REASON", "/reason"),
    ],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { source, watch } => {
            let page =
                async |cursor: Option<String>| client.watermarks().list(source.as_deref(), cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { source, axis, watch } => {
            let axis = Axis::from(axis.as_str());
            watch.one(output, &VIEW, async || client.watermarks().get(&source, &axis).await, |_| false).await
        }
        Command::Set(set) => {
            let (source, axis) = (set.source.clone(), Axis::from(set.axis.as_str()));
            let found = match client.watermarks().get(&source, &axis).await {
                Ok(found) => Some(found),
                Err(error) if error.status() == Some(404) => None,
                Err(error) => return Err(error.into()),
            };
            let version = found.as_ref().map(|found| found.version);
            let wanted = set.over(found);
            output.one(&client.watermarks().set(&source, &axis, &wanted, version).await?, &VIEW)
        }
    }
}

impl Set {
    /// What is named here, over what is there; holes and repairs that then lie outside go.
    fn over(self, found: Option<Watermark>) -> WatermarkIn {
        let lateness_ms = self.lateness.map(ms).or(found.as_ref().map(|found| found.lateness_ms)).unwrap_or(0);
        if self.unread {
            return WatermarkIn { lateness_ms, reason: self.reason, ..WatermarkIn::default() };
        }
        let high = self.high.or(found.as_ref().and_then(|found| found.high));
        let low = self.low.or(found.as_ref().and_then(|found| found.low));
        let kept = |named: Vec<Range>, none: bool, has: Option<&Vec<Range>>| {
            let inside = |range: &Range| {
                let (from, to) = (range.from.max(low.or(high)?), range.to.min(high?));
                (from < to).then_some(Range { from, to })
            };
            match has {
                Some(has) if named.is_empty() && !none => has.iter().filter_map(inside).collect(),
                _ => named,
            }
        };
        let holes = kept(self.holes, self.no_holes, found.as_ref().map(|found| &found.holes));
        let repairs = kept(self.repairs, self.no_repairs, found.as_ref().map(|found| &found.repairs));
        WatermarkIn { low, high, lateness_ms, holes, repairs, reason: self.reason }
    }
}

/// Two moments with a slash between, as ISO 8601 has it.
fn parse_range(text: &str) -> Result<Range, String> {
    let (from, to) = text.split_once('/').ok_or("two moments with a slash between are wanted")?;
    Ok(Range { from: parse_moment(from)?, to: parse_moment(to)? })
}
