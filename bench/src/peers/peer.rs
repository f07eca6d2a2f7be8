//! The peers: their names, where they keep jobs, and what each gives up for its speed.

use clap::ValueEnum;
use serde::Serialize;

/// Another orchestrator, in one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Node, PostgreSQL.
    GraphileWorker,
    /// Go, PostgreSQL.
    River,
    /// Node, PostgreSQL.
    PgBoss,
    /// Rust, PostgreSQL.
    Awa,
    /// Node, Redis that flushes before it answers.
    BullmqAlways,
    /// Node, Redis that flushes once a second.
    BullmqEverysec,
}

/// Where a peer keeps jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// A database of the same PostgreSQL that the orchestrator is measured on.
    Postgres,
    /// A Redis of its own.
    Redis(Flush),
}

/// When a Redis flushes its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Before it answers.
    Always,
    /// Once a second.
    EverySecond,
}

impl Flush {
    /// As Redis calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
        }
    }
}

impl Peer {
    /// As it stands in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GraphileWorker => "graphile-worker",
            Self::River => "river",
            Self::PgBoss => "pg-boss",
            Self::Awa => "awa",
            Self::BullmqAlways => "bullmq-always",
            Self::BullmqEverysec => "bullmq-everysec",
        }
    }

    /// Its folder among the peers.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::BullmqAlways | Self::BullmqEverysec => "bullmq",
            other => other.name(),
        }
    }

    /// Where it keeps jobs.
    #[must_use]
    pub fn home(self) -> Home {
        match self {
            Self::GraphileWorker | Self::River | Self::PgBoss | Self::Awa => Home::Postgres,
            Self::BullmqAlways => Home::Redis(Flush::Always),
            Self::BullmqEverysec => Home::Redis(Flush::EverySecond),
        }
    }

    /// What it does without in this setting, in its own terms.
    #[must_use]
    pub fn gives_up(self) -> &'static str {
        match self {
            Self::GraphileWorker => {
                "Finished jobs are deleted: no history, and nothing to answer a repeated completion from. \
                 Jobs fetched ahead and completions that wait for their batch stay locked when a worker dies, \
                 and run again after four hours."
            }
            Self::River => {
                "A job is one row, updated in place and deleted a day after it completed: no history of decisions. \
                 Completions are batched after the handler has returned; what a crash cuts off there is rescued \
                 after an hour and runs again."
            }
            Self::PgBoss => {
                "A job is one row, updated in place and deleted seven days after it completed: no history of decisions. \
                 A batch is fetched and completed as one; when a worker dies, all of it waits for its expiry of \
                 15 minutes and runs again."
            }
            Self::Awa => {
                "Completed jobs are truncated with their segment as its ring turns (16 segments, one a second at most): \
                 counts remain, no history. Completions are batched after the handler has returned. \
                 In this setting an attempt has no deadline."
            }
            Self::BullmqAlways => {
                "All jobs live in the memory of one Redis, finished ones too; its commands run on one thread, and jobs and an application's \
                 rows cannot be committed together. A finished job is one record, changed in place: no history of \
                 decisions."
            }
            Self::BullmqEverysec => {
                "As with bullmq-always; and about a second of jobs that were accepted or completed is lost when the \
                 machine dies."
            }
        }
    }
}
