//! The only clock of the engine: the machine's monotonic one, and the owner's time that is built on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use orch_core::Timestamp;

/// Monotonic time since the process began to look.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    /// Milliseconds to add to the elapsed ones to get the owner's time.
    offset: Arc<AtomicI64>,
}

/// How much of a difference to the database's clock a renewal takes back: an eighth, so that time never jumps.
const SLEW: i64 = 8;
/// Too far from the database's clock to be brought nearer little by little.
const FAR_MS: u64 = 1_000;

impl Clock {
    /// A clock that shows nothing useful until it is set to the database's.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place where the engine's clock is read")]
        let start = Instant::now();
        Self { start, offset: Arc::new(AtomicI64::new(0)) }
    }

    /// Monotonic time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The owner's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.elapsed_ms() + self.offset.load(Ordering::Relaxed))
    }

    /// Sets the owner's time if it never was.
    pub fn begin(&self, database: Timestamp) {
        let offset = database.millis() - self.elapsed_ms();
        // Whoever was first has set it already.
        let _ = self.offset.compare_exchange(0, offset, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Meets the database's time at a take-over: it is set when it is far away (at the first, above all), else it is left
    /// as it is, since other shards are served by it. The dispatcher never lets it fall behind the ledger's.
    pub fn meet(&self, database: Timestamp) {
        let elapsed = self.elapsed_ms();
        let away = database.millis().abs_diff(elapsed + self.offset.load(Ordering::Relaxed));
        if away > FAR_MS {
            self.offset.store(database.millis() - elapsed, Ordering::Relaxed);
        }
    }

    /// Comes nearer to the database's time, at a renewal.
    pub fn slew(&self, database: Timestamp) {
        let difference = database.millis() - self.now().millis();
        self.offset.fetch_add(difference / SLEW, Ordering::Relaxed);
    }
}

/// Waits, where no signal is to be waited for.
#[expect(clippy::disallowed_methods, reason = "the rests between looks; everything else waits on signals")]
pub(crate) async fn rest(time: Duration) {
    tokio::time::sleep(time).await;
}
