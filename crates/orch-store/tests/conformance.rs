//! Both ledgers against the one suite.

use std::sync::Arc;

use orch_core::port::Ledger;
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use orch_store::sqlite::SqliteLedger;
use orch_testkit::ledger_suite::Backend;

#[path = "support/cluster.rs"]
mod cluster;

struct SqliteFile {
    folder: tempfile::TempDir,
}

impl SqliteFile {
    async fn fresh() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().expect("a folder is made") })
    }
}

impl Backend for SqliteFile {
    async fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(SqliteLedger::open(self.folder.path().join("orch.db")).expect("the file opens"))
    }
}

struct PostgresDatabase {
    url: String,
}

impl PostgresDatabase {
    async fn fresh() -> Option<Self> {
        let url = cluster::database().await?;
        PostgresLedger::migrate(&url).await.expect("an empty database is migrated");
        Some(Self { url })
    }
}

impl Backend for PostgresDatabase {
    async fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(PostgresLedger::connect(&self.url, PostgresOptions::default()).await.expect("the database opens"))
    }
}

orch_testkit::ledger_suite!(sqlite, SqliteFile::fresh());
orch_testkit::ledger_suite!(postgres, PostgresDatabase::fresh());
