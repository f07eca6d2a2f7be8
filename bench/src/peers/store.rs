//! What a peer keeps jobs in during one run, with the same counters for both kinds.

use anyhow::Result;

use super::Services;
use super::peer::{Home, Peer};
use super::redis::Redis;
use crate::postgres::OwnDatabase;

/// A database or a Redis of one run.
#[derive(Debug)]
pub(super) enum Store {
    /// A database.
    Postgres(Box<OwnDatabase>),
    /// A Redis.
    Redis(Redis),
}

impl Store {
    /// Makes the one that the peer needs; `number` tells runs apart.
    pub(super) async fn open(peer: Peer, services: &Services, number: usize) -> Result<Self> {
        match peer.home() {
            Home::Postgres => {
                let mut database = OwnDatabase::make(&services.postgres_url, services.postgres_pid, number).await?;
                database.checkpoint().await?;
                Ok(Self::Postgres(Box::new(database)))
            }
            Home::Redis(flush) => Ok(Self::Redis(Redis::start(&services.redis_server, flush).await?)),
        }
    }

    /// The variable that tells the peer where it is.
    pub(super) fn variable(&self) -> (&'static str, String) {
        match self {
            Self::Postgres(database) => ("DATABASE_URL", database.url().to_owned()),
            Self::Redis(redis) => ("REDIS_URL", redis.url()),
        }
    }

    /// CPU seconds so far, where they can be seen.
    pub(super) fn cpu(&self) -> Result<Option<f64>> {
        match self {
            Self::Postgres(database) => database.cpu(),
            Self::Redis(redis) => redis.cpu().map(Some),
        }
    }

    /// Bytes of log so far: PostgreSQL's write-ahead log, or what Redis wrote to its files.
    pub(super) async fn log_bytes(&mut self) -> Result<f64> {
        match self {
            Self::Postgres(database) => database.log_position().await,
            Self::Redis(redis) => redis.written_bytes(),
        }
    }

    /// Dead rows; Redis has none.
    pub(super) async fn dead_tuples(&self) -> Result<Option<u64>> {
        match self {
            Self::Postgres(database) => database.dead_tuples().await.map(Some),
            Self::Redis(_) => Ok(None),
        }
    }

    /// Removes it.
    pub(super) async fn remove(self) -> Result<()> {
        match self {
            Self::Postgres(database) => database.remove().await,
            Self::Redis(_) => Ok(()),
        }
    }
}
