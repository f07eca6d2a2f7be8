//! Brings a SQLite file to this build's schema, in one transaction.

use orch_core::port::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::connection::store_error;
use crate::migration;

/// Applies what is open; returns the names of what was applied.
pub fn migrate(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    tx.execute_batch(include_str!("../../sql/sqlite/migration/begin.sql")).map_err(store_error)?;
    let before = list(&tx).map_err(store_error)?;
    let mut applied = Vec::new();
    for migration in migration::open(migration::SQLITE, &before)? {
        let name = format!("{:04}_{}", migration.version, migration.name);
        tx.execute_batch(migration.sql)
            .and_then(|()| {
                let record = include_str!("../../sql/sqlite/migration/insert.sql");
                tx.execute(record, params![migration.version, migration.name])
            })
            .map_err(|source| StoreError::Refused(format!("migration {name}: {source}")))?;
        applied.push(name);
    }
    tx.commit().map_err(store_error)?;
    Ok(applied)
}

fn list(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(i32, String)>> {
    let mut statement = tx.prepare(include_str!("../../sql/sqlite/migration/list.sql"))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
