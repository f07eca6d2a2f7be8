//! A transaction that has read the ledger and stays open: what it sees cannot be cleaned up.

use std::path::Path;

use anyhow::Result;
use orch_bench::postgres;
use sqlx::PgConnection;

use crate::place::Place;

/// The tables that grow.
const READ: [&str; 3] = ["SELECT count(*) FROM history", "SELECT count(*) FROM job", "SELECT count(*) FROM done"];

/// An open transaction. Dropping it ends it.
#[expect(dead_code, reason = "it is held, not used")]
pub enum HeldTransaction {
    /// REPEATABLE READ, so that its snapshot stays.
    Postgres(PgConnection),
    /// A reader, beyond which the log cannot be written back.
    Sqlite(rusqlite::Connection),
}

impl HeldTransaction {
    /// Opens one and reads.
    pub async fn open(place: &Place) -> Result<Self> {
        match place {
            Place::Sqlite(_) => Self::sqlite(&place.data().join("ledger.sqlite")),
            Place::Postgres(database) => {
                let mut connection = postgres::connect(database.url()).await?;
                sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut connection).await?;
                sqlx::query("SET LOCAL search_path TO orchestrator").execute(&mut connection).await?;
                for query in READ {
                    sqlx::query(query).execute(&mut connection).await?;
                }
                Ok(Self::Postgres(connection))
            }
        }
    }

    fn sqlite(path: &Path) -> Result<Self> {
        let connection = rusqlite::Connection::open(path)?;
        connection.execute_batch("BEGIN")?;
        for query in READ {
            connection.query_row(query, [], |_| Ok(()))?;
        }
        Ok(Self::Sqlite(connection))
    }
}
