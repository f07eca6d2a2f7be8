//! Connections to PostgreSQL, each opened with the settings of its duty.
//!
//! Owners' connections are opened here one by one and belong to no pool.

use std::time::Duration;

use orch_core::ids::TenantNo;
use orch_core::port::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgConnection, Postgres};

use crate::codec::small;

/// What a connection is for.
#[derive(Clone, Copy)]
pub enum Duty {
    /// Commits of an owner.
    Append,
    /// Renewals of a node.
    Renewal,
    /// A take-over or a release.
    Ownership,
    /// Reads of owners.
    Reader,
    /// Reads of requests.
    Request,
    /// Rotation and blobs.
    Keeper,
}

impl Duty {
    fn application(self) -> &'static str {
        match self {
            Self::Append => "orch append",
            Self::Renewal => "orch renewal",
            Self::Ownership => "orch ownership",
            Self::Reader => "orch reader",
            Self::Request => "orch request",
            Self::Keeper => "orch keeper",
        }
    }

    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Append => &[include_str!("../../sql/postgres/session/append.sql")],
            Self::Renewal | Self::Ownership => &[include_str!("../../sql/postgres/session/ownership.sql")],
            Self::Reader => &[include_str!("../../sql/postgres/session/reader.sql")],
            Self::Request => &[
                include_str!("../../sql/postgres/session/reader.sql"),
                include_str!("../../sql/postgres/session/request.sql"),
            ],
            Self::Keeper => &[include_str!("../../sql/postgres/session/keeper.sql")],
        }
    }

    async fn set_up(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        for settings in self.settings() {
            connection.execute(*settings).await?;
        }
        Ok(())
    }
}

/// The server bounds its statements by itself; this bounds waiting for a server that is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READER_WAIT: Duration = Duration::from_secs(5);

/// Opens one connection.
pub async fn open(options: &PgConnectOptions, duty: Duty) -> Result<PgConnection, StoreError> {
    let options = options.clone().application_name(duty.application()).disable_statement_logging();
    let opening = async {
        let mut connection = options.connect().await?;
        duty.set_up(&mut connection).await?;
        Ok(connection)
    };
    within(CONNECT_TIMEOUT, "connecting", opening).await
}

/// A pool for a duty that holds no transaction over an await: each use is one statement.
pub fn pool(options: &PgConnectOptions, duty: Duty, connections_max: u32) -> PgPool {
    let options = options.clone().application_name(duty.application()).disable_statement_logging();
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(READER_WAIT)
        .after_connect(move |connection, _| Box::pin(duty.set_up(connection)))
        .connect_lazy_with(options)
}

/// A connection that may read `tenant`'s rows and no other's.
pub async fn for_tenant(requests: &PgPool, tenant: TenantNo) -> Result<PoolConnection<Postgres>, StoreError> {
    let mut connection = requests.acquire().await.map_err(store_error)?;
    sqlx::query(include_str!("../../sql/postgres/session/tenant.sql"))
        .bind(small(tenant.0).to_string())
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    Ok(connection)
}

/// Refuses a database in which one tenant could read another's rows, or a request could write.
pub async fn check_walls(connection: &mut PgConnection) -> Result<(), StoreError> {
    let voids: Vec<String> = sqlx::query_scalar(include_str!("../../sql/postgres/session/walls.sql"))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    if voids.is_empty() { Ok(()) } else { Err(StoreError::Refused(voids.join("; "))) }
}

/// Which backend serves a connection: its pid and its start in microseconds.
#[derive(Clone, Copy)]
pub struct Identity {
    /// The pid.
    pub pid: i32,
    /// Its start.
    pub started: i64,
}

/// Asks a connection for its backend.
pub async fn identity(connection: &mut PgConnection) -> Result<Identity, sqlx::Error> {
    let (pid, started) =
        sqlx::query_as(include_str!("../../sql/postgres/session/identity.sql")).fetch_one(connection).await?;
    Ok(Identity { pid, started })
}

/// Runs `work` for at most `limit`.
pub async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(store_error),
        Err(_) => Err(StoreError::Unavailable(format!("{doing} took longer than {} s", limit.as_secs()))),
    }
}

/// What a driver's error means to the port's callers.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub fn store_error(error: sqlx::Error) -> StoreError {
    let text = error.to_string();
    match &error {
        sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
            // Integrity and data: what was written before contradicts what is to be written now.
            code if code.starts_with("22") || code.starts_with("23") => StoreError::Corrupt(text),
            // No such database, schema, table, column or right; wrong password.
            "3D000" | "3F000" | "42P01" | "42703" | "42501" | "28000" | "28P01" => StoreError::Refused(text),
            _ => StoreError::Unavailable(text),
        },
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => StoreError::Corrupt(text),
        sqlx::Error::Configuration(_) => StoreError::Refused(text),
        _ => StoreError::Unavailable(text),
    }
}
