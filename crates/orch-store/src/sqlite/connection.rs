//! Opening connections to a SQLite file, and what the driver's errors mean.

use std::path::Path;

use orch_core::port::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// More statements than there are, so that each is prepared once per connection.
const STATEMENTS_KEPT: usize = 128;

/// The one connection that writes; makes the file if it is not there.
pub fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    open(path, flags, include_str!("../../sql/sqlite/session/writer.sql"))
}

/// A connection that reads. It opens the file for writing too, since readers share the log's index.
pub fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, include_str!("../../sql/sqlite/session/reader.sql"))
}

fn open(path: &Path, flags: OpenFlags, settings: &str) -> Result<Connection, StoreError> {
    let opened = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).and_then(|connection| {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection.execute_batch(settings)?;
        Ok(connection)
    });
    opened.map_err(|source| StoreError::Refused(format!("{}: {source}", path.display())))
}

/// What a driver's error means to the port's callers.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub fn store_error(error: rusqlite::Error) -> StoreError {
    let text = error.to_string();
    let Some(code) = error.sqlite_error_code() else { return StoreError::Corrupt(text) };
    match code {
        ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::TooBig
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(text),
    }
}
