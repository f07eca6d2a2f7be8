//! The one thread that writes, with the one connection that may.
//!
//! Each piece of work runs to its end, whether or not somebody still waits for it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use orch_core::port::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::open_writer;

type Work = Box<dyn FnOnce(&mut Connection) -> AfterWork + Send>;

/// What a piece of work leaves behind.
enum AfterWork {
    Whole,
    /// The connection's state is not known; it is opened again.
    Doubtful,
}

/// Sends work to the thread.
pub struct Writer {
    /// `None` only while dropping.
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread with an open connection.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(path: PathBuf, connection: Connection) -> Result<Self, StoreError> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("orch-sqlite-writer".to_owned())
            .spawn(move || run(&path, connection, &receiver))
            .map_err(|source| StoreError::Unavailable(format!("no thread for the writer: {source}")))?;
        Ok(Self { work: Some(sender), thread: Some(thread) })
    }

    /// Runs `work` on the writing connection.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let outcome = work(connection);
            let after = match &outcome {
                Err(StoreError::Unavailable(_)) => AfterWork::Doubtful,
                _ => AfterWork::Whole,
            };
            // Nobody may be waiting any more; the work is done all the same.
            let _ = answer.send(outcome);
            after
        });
        let gone = || StoreError::Unavailable("the writer has ended".to_owned());
        self.work.as_ref().ok_or_else(gone)?.send(work).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

fn run(path: &Path, connection: Connection, work: &Receiver<Work>) {
    let mut connection = Some(connection);
    while let Ok(work) = work.recv() {
        let mut open = match connection.take().map_or_else(|| open_writer(path), Ok) {
            Ok(open) => open,
            Err(error) => {
                // Dropping the work drops its answer: the caller is told that the writer is not there.
                tracing::error!(%error, "the ledger's file cannot be opened again");
                continue;
            }
        };
        let after = work(&mut open);
        if matches!(after, AfterWork::Whole) && open.is_autocommit() {
            connection = Some(open);
        }
    }
}
