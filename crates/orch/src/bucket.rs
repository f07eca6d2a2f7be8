//! `orch bucket …`.

use std::str::FromStr;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::SignedDuration;
use orch_client::{Bucket, Client, KnownTerms, Term};

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch, all};

/// Commands about buckets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List buckets.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// List terms of well-known feeds, with where they were published. None is declared by itself.
    Known {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::buckets())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show what was spent of one, and what it admits now.
    State {
        /// Its name.
        #[arg(add = complete::buckets())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Open one at the whole of its terms: what upstreams said before does not count any more.
    Reset {
        /// Its name.
        #[arg(add = complete::buckets())]
        name: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Make one, or change what is named here of one that exists.
    Put {
        /// Its name.
        #[arg(add = complete::buckets())]
        name: String,
        /// Take host and terms of a well-known feed, as `orch bucket known` lists them; what else is named here goes
        /// before.
        #[arg(long, value_name = "ID", add = complete::known_terms())]
        known: Option<String>,
        /// The host: all sources that name it share the bucket.
        #[arg(long)]
        host: Option<String>,
        /// What the host allows: so many in any window (`5/30s`), or a rate with a burst (`600/1m:20`). Several hold
        /// together.
        #[arg(long = "term", value_name = "LIMIT/WINDOW[:BURST]")]
        terms: Vec<TermText>,
        /// After a refusal by the upstream, milliseconds in which what is used of the terms rises from nothing to all.
        #[arg(long)]
        ramp_ms: Option<u64>,
        /// Attempts under way at the host at the same time: fewer after a refusal, and never more than this.
        #[arg(long)]
        in_flight: Option<u32>,
        /// Whether answers that take much longer than usual cut what is used of the terms, as refusals do.
        #[arg(long)]
        latency_cut: Option<bool>,
        /// Parts of a hundred of each term that urgent work alone may spend; 5 is the usual.
        #[arg(long, value_name = "PERCENT")]
        urgent_reserve: Option<u32>,
        /// Text for people.
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete one: what waits for it goes.
    Delete {
        /// Its name.
        #[arg(add = complete::buckets())]
        name: String,
    },
}

/// A term as it is written on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermText(Term);

impl FromStr for TermText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (limit, rest) = text.split_once('/').ok_or("a term is written as LIMIT/WINDOW, such as 5/30s")?;
        let (window, burst) = match rest.split_once(':') {
            Some((window, burst)) => (window, Some(number(burst, "burst")?)),
            None => (rest, None),
        };
        let window: SignedDuration =
            window.parse().map_err(|_| format!("`{window}` is no length of time such as 30s, 5m or 1h"))?;
        let window_ms = u64::try_from(window.as_millis()).map_err(|_| "a window does not go back".to_owned())?;
        Ok(Self(Term { limit: number(limit, "limit")?, window_ms, burst }))
    }
}

fn number(text: &str, what: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("the {what} `{text}` is no number"))
}

const VIEW: View = View {
    name: "/name",
    columns: &[("NAME", "/name"), ("HOST", "/host"), ("TERMS", "/terms"), ("DESCRIPTION", "/description")],
    wide: &[
        ("RAMP MS", "/ramp_ms"),
        ("IN FLIGHT", "/in_flight_max"),
        ("LATENCY CUT", "/latency_cut"),
        ("URGENT %", "/urgent_reserve_percent"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
};

const KNOWN: View = View {
    name: "/id",
    columns: &[
        ("ID", "/id"),
        ("HOST", "/host"),
        ("TERMS", "/terms"),
        ("KEY", "/key"),
        ("PUBLISHED", "/published"),
        ("TITLE", "/title"),
    ],
    wide: &[("SOURCE", "/source")],
};

const STATE: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("LEFT", "/left"),
        ("SHARE ‰", "/share"),
        ("OPENS AT", "/opens_at"),
        ("CLOSED UNTIL", "/closed_until"),
        ("UNDER WAY", "/in_flight/under_way"),
        ("OF", "/in_flight/limit"),
    ],
    wide: &[
        ("AT MOST", "/in_flight/max"),
        ("WHOLE AT", "/whole_at"),
        ("LATENCY MS", "/latency_ms"),
        ("USUAL MS", "/baseline_ms"),
        ("CUTS", "/cuts"),
        ("HISTORY", "/history"),
    ],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| client.buckets().list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => {
            watch.one(output, &VIEW, async || client.buckets().get(&name).await, |_| false).await
        }
        Command::State { name, watch } => {
            watch.one(output, &STATE, async || client.buckets().state(&name).await, |_| false).await
        }
        Command::Reset { name, reason } => {
            client.buckets().reset(&name, reason.as_deref()).await?;
            output.one(&client.buckets().state(&name).await?, &STATE)
        }
        Command::Known { watch } => {
            watch.list(output, &KNOWN, async || Ok(client.buckets().known().await?.into())).await
        }
        Command::Delete { name } => Ok(client.buckets().delete(&name).await?),
        Command::Put { name, known, host, terms, ramp_ms, in_flight, latency_cut, urgent_reserve, description } => {
            let known = match known {
                Some(id) => Some(known_terms(client, &id).await?.bucket(&name)),
                None => None,
            };
            let known = known.unwrap_or_default();
            let terms: Vec<_> = terms.into_iter().map(|TermText(term)| term).collect();
            // What is said of the known terms does not hold for others.
            let (terms, said) = if terms.is_empty() { (known.terms, known.description) } else { (terms, None) };
            let (host, description) = (host.or(known.host), description.or(said));
            let wanted = Bucket {
                name,
                host,
                terms,
                ramp_ms,
                in_flight_max: in_flight,
                latency_cut,
                urgent_reserve_percent: urgent_reserve,
                description,
                ..Bucket::default()
            };
            output.one(&client.buckets().create(&wanted).await?, &VIEW)
        }
    }
}

async fn known_terms(client: &Client, id: &str) -> Result<KnownTerms, Failure> {
    let known = client.buckets().known().await?;
    let found = known.into_iter().find(|entry| entry.id == id);
    Ok(found.with_context(|| format!("there are no known terms `{id}`; `orch bucket known` lists them"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_written_as_people_say_them() {
        let read = |text: &str| text.parse::<TermText>().map(|TermText(term)| term);
        assert_eq!(read("5/30s"), Ok(Term { limit: 5, window_ms: 30_000, burst: None }));
        assert_eq!(read("600/1m:20"), Ok(Term { limit: 600, window_ms: 60_000, burst: Some(20) }));
        for wrong in ["5", "x/30s", "5/soon", "5/30s:many", "5/-30s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
