//! What is compared: the layouts of the tables and the ways to append to them.
//! It deliberately holds no SQL beyond the schema of each layout.

use clap::ValueEnum;
use serde::Serialize;

/// How facts are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// One compressed row for each tenant and commit.
    Block,
    /// One row for each fact, key (stream, seq).
    Fact,
    /// One row for each fact, with a second index that lets the tail be read by commit.
    FactWithTail,
}

/// Where a lane's window is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// An index on `job` over lane and order key.
    JobIndex,
    /// The same, merged with a small `ready` table of jobs that came back (retry, timer, parents done).
    JobIndexAndReturns,
    /// A `ready` table that holds every waiting job.
    ReadyTable,
}

/// How a commit reaches PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One prepared statement with a CTE for each table.
    Unnest,
    /// BEGIN, guard, one binary COPY for each table, COMMIT.
    Copy,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Shape {
    /// The row's name in the report.
    pub name: &'static str,
    /// How facts are stored.
    pub history: History,
    /// How a commit is written.
    pub method: Method,
    /// Connections that carry rows at the same time; COMMITs stay in order.
    pub in_flight: usize,
    /// Where windows are read from.
    pub window: Window,
    /// Grants also write an insert-only `lease` row.
    pub lease: bool,
    /// Each job brings a random idempotency key.
    pub keys: bool,
}

/// The decisions that this program measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Compressed blocks against one row a fact.
    History,
    /// UNNEST in one statement against COPY in one transaction.
    Append,
    /// One append in flight against two ordered connections.
    InFlight,
    /// A window index on `job` against `ready` and `lease` tables.
    Places,
    /// `rusqlite`: with and without keys, and one row a fact.
    Sqlite,
}

impl Compare {
    /// The shapes of one comparison, the base first.
    pub fn shapes(self, method: Method, keys: bool) -> Vec<Shape> {
        let base = Shape {
            name: "base",
            history: History::Block,
            method,
            in_flight: 1,
            window: Window::JobIndex,
            lease: false,
            keys,
        };
        match self {
            Self::Sqlite => vec![
                Shape { name: "random keys", keys: true, ..base },
                Shape { name: "no keys", keys: false, ..base },
                Shape { name: "row per fact, no keys", history: History::Fact, keys: false, ..base },
            ],
            Self::History => vec![
                Shape { name: "block per tenant and commit", ..base },
                Shape { name: "row per fact", history: History::Fact, ..base },
                Shape { name: "row per fact + tail index", history: History::FactWithTail, ..base },
            ],
            Self::Append => vec![
                Shape { name: "one statement, UNNEST", method: Method::Unnest, ..base },
                Shape { name: "one transaction, COPY", method: Method::Copy, ..base },
            ],
            Self::InFlight => vec![
                Shape { name: "UNNEST, 1 in flight", method: Method::Unnest, ..base },
                Shape { name: "UNNEST, 2 ordered", method: Method::Unnest, in_flight: 2, ..base },
                Shape { name: "COPY, 1 in flight", method: Method::Copy, ..base },
                Shape { name: "COPY, 2 ordered", method: Method::Copy, in_flight: 2, ..base },
            ],
            Self::Places => vec![
                Shape { name: "window index on job", ..base },
                Shape { name: "window index on job, and returns", window: Window::JobIndexAndReturns, ..base },
                Shape { name: "ready table", window: Window::ReadyTable, ..base },
                Shape { name: "ready and lease tables", window: Window::ReadyTable, lease: true, ..base },
            ],
        }
    }
}

impl Shape {
    /// `CREATE TABLE` statements that both databases understand.
    pub fn schema(&self) -> Vec<&'static str> {
        let mut statements = vec![
            "CREATE TABLE shard_owner (shard int2 PRIMARY KEY, epoch int8 NOT NULL, UNIQUE (shard, epoch))",
            "INSERT INTO shard_owner (shard, epoch) VALUES (0, 1)",
            "CREATE TABLE done (job uuid PRIMARY KEY, tenant int4 NOT NULL, outcome int2 NOT NULL, at int8 NOT NULL, \
             seq int8 NOT NULL, attempt int4 NOT NULL, result bytea)",
            "CREATE TABLE idempotency (tenant int4, key bytea, job uuid NOT NULL, fingerprint bytea NOT NULL, \
             PRIMARY KEY (tenant, key))",
        ];
        match self.history {
            History::Block => statements.extend([
                "CREATE TABLE history (shard int2, commit_no int8, stream int4, first_seq int8 NOT NULL, \
                 last_seq int8 NOT NULL, at int8 NOT NULL, facts bytea NOT NULL, leaves bytea NOT NULL, \
                 PRIMARY KEY (shard, commit_no, stream))",
                "CREATE INDEX history_stream ON history (stream, last_seq)",
            ]),
            History::Fact => statements.push(FACT_TABLE),
            History::FactWithTail => {
                statements.extend([FACT_TABLE, "CREATE INDEX history_commit ON history (shard, commit_no)"])
            }
        }
        statements.push(JOB_TABLE);
        if self.window != Window::ReadyTable {
            statements.push("CREATE UNIQUE INDEX job_window ON job (lane, order_key)");
        }
        if self.window != Window::JobIndex {
            statements.push(
                "CREATE TABLE ready (lane int8, order_key int8, job uuid NOT NULL, PRIMARY KEY (lane, order_key))",
            );
        }
        if self.lease {
            statements.push(
                "CREATE TABLE lease (job uuid NOT NULL, attempt int4 NOT NULL, session int8 NOT NULL, \
                 until int8 NOT NULL, lane int8 NOT NULL, order_key int8 NOT NULL)",
            );
        }
        statements
    }

    /// The tail read of four commits after `$1`; a row a fact without its index has none.
    pub fn tail_sql(&self) -> Option<&'static str> {
        match self.history {
            History::Block => Some(
                "SELECT facts FROM history WHERE shard = 0 AND commit_no > $1 AND commit_no <= $1 + 4 \
                 ORDER BY commit_no, stream",
            ),
            History::Fact => None,
            History::FactWithTail => Some(
                "SELECT fact FROM history WHERE shard = 0 AND commit_no > $1 AND commit_no <= $1 + 4 \
                 ORDER BY commit_no, stream, seq",
            ),
        }
    }

    /// The window read; its `LIMIT` is a literal, since a bound one turns the plan generic.
    pub fn window_sql(&self) -> &'static str {
        match self.window {
            Window::JobIndex => {
                "SELECT order_key, id, payload FROM job \
                 WHERE lane = $1 AND order_key > $2 ORDER BY order_key LIMIT 2000"
            }
            Window::JobIndexAndReturns => {
                "SELECT order_key, id, payload FROM (\
                 (SELECT order_key, id, payload FROM job \
                 WHERE lane = $1 AND order_key > $2 ORDER BY order_key LIMIT 2000) \
                 UNION ALL \
                 (SELECT r.order_key, r.job, j.payload \
                 FROM (SELECT order_key, job FROM ready WHERE lane = $1 AND order_key > $2 ORDER BY order_key LIMIT 2000) r \
                 JOIN job j ON j.id = r.job ORDER BY r.order_key)\
                 ) waiting ORDER BY order_key LIMIT 2000"
            }
            Window::ReadyTable => {
                "SELECT r.order_key, r.job, j.payload \
                 FROM (SELECT order_key, job FROM ready WHERE lane = $1 AND order_key > $2 ORDER BY order_key LIMIT 2000) r \
                 JOIN job j ON j.id = r.job ORDER BY r.order_key"
            }
        }
    }
}

const FACT_TABLE: &str = "CREATE TABLE history (shard int2 NOT NULL, commit_no int8 NOT NULL, stream int4, seq int8, \
     at int8 NOT NULL, fact bytea NOT NULL, leaf bytea NOT NULL, PRIMARY KEY (stream, seq))";

const JOB_TABLE: &str = "CREATE TABLE job (id uuid PRIMARY KEY, tenant int4 NOT NULL, lane int8 NOT NULL, \
     order_key int8 NOT NULL, seq int8 NOT NULL, created int8 NOT NULL, spec bytea NOT NULL, payload bytea NOT NULL)";
