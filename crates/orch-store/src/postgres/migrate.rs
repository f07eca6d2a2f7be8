//! Brings a PostgreSQL database to this build's schema, and checks that it is there.
//!
//! All open migrations are one transaction, under an advisory lock.

use orch_core::port::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::session::store_error;
use crate::migration;

/// Applies what is open; returns the names of what was applied.
pub async fn migrate(options: &PgConnectOptions) -> Result<Vec<String>, StoreError> {
    let mut connection = options
        .clone()
        .application_name("orch migrate")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(store_error)?;
    let applied = run(&mut connection).await?;
    connection.close().await.map_err(store_error)?;
    Ok(applied)
}

async fn run(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let mut tx = connection.begin().await.map_err(store_error)?;
    tx.execute(include_str!("../../sql/postgres/migration/lock.sql")).await.map_err(store_error)?;
    tx.execute(include_str!("../../sql/postgres/migration/begin.sql")).await.map_err(store_error)?;
    let before = list(&mut tx).await?;
    let mut applied = Vec::new();
    for migration in migration::open(migration::POSTGRES, &before)? {
        tx.execute(migration.sql).await.map_err(|source| {
            StoreError::Refused(format!("migration {:04} `{}`: {source}", migration.version, migration.name))
        })?;
        sqlx::query(include_str!("../../sql/postgres/migration/insert.sql"))
            .bind(migration.version)
            .bind(migration.name)
            .execute(&mut *tx)
            .await
            .map_err(store_error)?;
        applied.push(format!("{:04}_{}", migration.version, migration.name));
    }
    tx.commit().await.map_err(store_error)?;
    Ok(applied)
}

/// Refuses a database whose schema is not this build's.
pub async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    let exists: bool = sqlx::query_scalar(include_str!("../../sql/postgres/migration/exists.sql"))
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    let applied = if exists { list(connection).await? } else { Vec::new() };
    migration::check(migration::POSTGRES, &applied)
}

async fn list(connection: &mut PgConnection) -> Result<Vec<(i32, String)>, StoreError> {
    sqlx::query_as(include_str!("../../sql/postgres/migration/list.sql"))
        .fetch_all(connection)
        .await
        .map_err(store_error)
}
