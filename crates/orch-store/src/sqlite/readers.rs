//! Connections that read, used on blocking threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use orch_core::port::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection::open_reader;
use super::lock::Lock;

/// Enough to keep two cores busy while one waits for the disk.
const READERS_MAX: usize = 4;

/// A few reading connections, opened when needed.
#[derive(Clone)]
pub struct Readers {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    /// A read that still runs keeps other processes out. Dropped after the connections.
    _lock: Arc<Lock>,
}

impl Readers {
    pub fn new(path: PathBuf, lock: Arc<Lock>) -> Self {
        let permits = Arc::new(Semaphore::new(READERS_MAX));
        Self { shared: Arc::new(Shared { path, free: Mutex::new(Vec::new()), permits, _lock: lock }) }
    }

    /// Runs `work` on a reading connection.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let permit = Arc::clone(&shared.permits)
            .acquire_owned()
            .await
            .map_err(|source| StoreError::Unavailable(source.to_string()))?;
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = shared.read(work);
            drop(permit);
            outcome
        });
        reading.await.map_err(|source| StoreError::Unavailable(format!("a reading thread ended: {source}")))?
    }
}

impl Shared {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match free {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let outcome = work(&connection);
        if !matches!(outcome, Err(StoreError::Unavailable(_))) {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        outcome
    }
}
