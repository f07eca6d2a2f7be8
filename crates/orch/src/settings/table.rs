//! Every setting of a server, declared once: what it is, what it may be, and what it is when nothing is said.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use crate::secret::Secret;

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// Where to listen.
    Listen,
    /// Where others reach something over HTTP.
    Url,
    /// A database, with its password by reference.
    Database,
    /// A number in these bounds, both included.
    Whole {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// What is logged.
    Filter,
}

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in files, and, after `ORCH_` and in capitals, in the environment.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is when nothing is said; `None`: nothing.
    pub default: Option<&'static str>,
    /// What its number counts.
    pub unit: Option<&'static str>,
    /// The commands that heed it.
    pub commands: &'static [&'static str],
    /// What it decides.
    pub text: &'static str,
}

/// All of them, in the order of the reference.
pub const TABLE: &[Setting] = &[
    Setting {
        name: "data",
        kind: Kind::Folder,
        default: Some("orch-data"),
        unit: None,
        commands: &["dev"],
        text: "The folder of ledger, artifacts and token; made if it is not there.",
    },
    Setting {
        name: "listen",
        kind: Kind::Listen,
        default: Some("127.0.0.1:7400"),
        unit: None,
        commands: &["dev", "serve"],
        text: "Where to listen; port 0 takes a free one.",
    },
    Setting {
        name: "advertise",
        kind: Kind::Url,
        default: None,
        unit: None,
        commands: &["serve"],
        text: "Where other replicas and clients reach this one, if not at the address it listens on.",
    },
    Setting {
        name: "database",
        kind: Kind::Database,
        default: None,
        unit: None,
        commands: &["serve", "migrate"],
        text: "The PostgreSQL of the ledger.",
    },
    Setting {
        name: "shards",
        kind: Kind::Whole { min: 1, max: 256 },
        default: Some("1"),
        unit: Some("shards"),
        commands: &["serve"],
        text: "Shards that the ledger is to have at least; replicas share them out. There are never fewer than there were.",
    },
    Setting {
        name: "postgres_readers_max",
        kind: Kind::Whole { min: 1, max: 64 },
        default: Some("4"),
        unit: Some("connections"),
        commands: &["serve"],
        text: "Connections for what owners of shards read.",
    },
    Setting {
        name: "postgres_requests_max",
        kind: Kind::Whole { min: 1, max: 256 },
        default: Some("8"),
        unit: Some("connections"),
        commands: &["serve"],
        text: "Connections for what requests read.",
    },
    Setting {
        name: "node_lease_ms",
        kind: Kind::Whole { min: 1_000, max: 60_000 },
        default: Some("4000"),
        unit: Some("milliseconds"),
        commands: &["dev", "serve"],
        text: "How long a node counts as alive without renewing; a stand-by waits as long before it takes over.",
    },
    Setting {
        name: "job_retention_seconds",
        kind: Kind::Whole { min: 60, max: 3_153_600_000 },
        default: Some("2592000"),
        unit: Some("seconds"),
        commands: &["dev", "serve"],
        text: "How long a job is kept after its end, with its result, log lines and settled dead letter. History is kept for good.",
    },
    Setting {
        name: "sweep_seconds",
        kind: Kind::Whole { min: 1, max: 86_400 },
        default: Some("600"),
        unit: Some("seconds"),
        commands: &["dev", "serve"],
        text: "How often each shard's owner removes what was kept long enough.",
    },
    Setting {
        name: "memory_high_mb",
        kind: Kind::Whole { min: 0, max: 16_777_216 },
        default: None,
        unit: Some("MiB"),
        commands: &["dev", "serve"],
        text: "Above so much memory of the process new work is refused as `overloaded`; claims, heartbeats, reports and reads go on. 0: never. Left out: 85 % of the limit of its control group, or of the machine's memory.",
    },
    Setting {
        name: "memory_low_mb",
        kind: Kind::Whole { min: 0, max: 16_777_216 },
        default: None,
        unit: Some("MiB"),
        commands: &["dev", "serve"],
        text: "Below so much memory new work is taken again. Left out: 90 % of `memory_high_mb`, which it never passes.",
    },
    Setting {
        name: "start_seconds_max",
        kind: Kind::Whole { min: 1, max: 86_400 },
        default: Some("120"),
        unit: Some("seconds"),
        commands: &["dev"],
        text: "How long owning and recovering the ledger may take before the start is given up.",
    },
    Setting {
        name: "log",
        kind: Kind::Filter,
        default: Some("info"),
        unit: None,
        commands: &["dev", "serve"],
        text: "What is logged: a level, or levels by target, as `info,orch_engine=debug`.",
    },
    Setting {
        name: "log_format",
        kind: Kind::Word(&["text", "json"]),
        default: Some("text"),
        unit: None,
        commands: &["dev", "serve"],
        text: "How it is logged on standard error.",
    },
];

impl Setting {
    /// The one of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|setting| setting.name == name)
    }
}

/// A setting's name in the environment.
pub fn variable(name: &str) -> String {
    format!("ORCH_{}", name.to_ascii_uppercase())
}

impl Kind {
    /// What a value must be, after "it must".
    pub fn limits(self) -> String {
        match self {
            Self::Folder => "name a folder".to_owned(),
            Self::Listen => "be an IP address and a port, as 127.0.0.1:7400".to_owned(),
            Self::Url => "begin with http:// or https://".to_owned(),
            Self::Database => "begin with postgres:// and hold no password, or be env:NAME or file:PATH".to_owned(),
            Self::Whole { min, max } => format!("be a number from {min} to {max}"),
            Self::Word(words) => format!("be {}", words.join(" or ")),
            Self::Filter => "be a level or a list of target=level".to_owned(),
        }
    }

    /// The value may be shown as it is.
    pub fn is_secret(self) -> bool {
        self == Self::Database
    }

    /// The value is one of this kind.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::Folder => !text.is_empty(),
            Self::Listen => text.parse::<SocketAddr>().is_ok(),
            Self::Url => text.starts_with("http://") || text.starts_with("https://"),
            Self::Database => is_database(text) || is_reference(text),
            Self::Whole { min, max } => text.parse::<u64>().is_ok_and(|number| (min..=max).contains(&number)),
            Self::Word(words) => words.contains(&text),
            Self::Filter => !text.is_empty() && EnvFilter::try_new(text).is_ok(),
        }
    }
}

fn is_database(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

fn is_reference(text: &str) -> bool {
    matches!(text.parse(), Ok(Secret::Env(_) | Secret::File(_)))
}

/// The address of a database holds a password.
pub fn holds_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let user = rest.split('/').next().and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':')) || text.contains("password=")
}
