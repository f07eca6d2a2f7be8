//! Jobs that arrive at fixed times, whether or not the ones before are accepted: an open loop.
//!
//! A job says when it was to arrive, so a late call counts from then, not from when it was sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use orch_bench::clock;
use tokio::sync::mpsc;

use crate::job::{Maker, Shape};
use crate::load::{Tasks, finish, watch};
use crate::progress::Progress;
use crate::site::Site;

/// Calls that may be under way; with more, the rate is above what the site can take.
const CALLS_MAX: usize = 20_000;
/// The first arrival is so far ahead.
const AHEAD: Duration = Duration::from_millis(50);

/// Arrivals of jobs.
pub struct Arrivals {
    /// Where jobs go.
    pub site: Arc<dyn Site>,
    /// What is counted.
    pub progress: Arc<Progress>,
    /// Of which shape.
    pub shape: Shape,
    /// Jobs a second.
    pub rate: f64,
    /// Jobs that arrive together, in one call.
    pub batch: usize,
    /// Tenants in turn.
    pub tenants: std::ops::Range<usize>,
    /// For how long.
    pub length: Duration,
    /// Jobs of two series differ.
    pub series: u64,
}

impl Arrivals {
    /// Lets them arrive; returns when all are accepted.
    pub async fn run(&self) -> Result<()> {
        let gap = Duration::from_secs_f64(self.batch as f64 / self.rate.max(f64::MIN_POSITIVE));
        let mut due = paced(gap, self.length);
        let mut maker = Maker::new(self.shape, self.series);
        let mut calls = Tasks::new();
        let mut turn = self.tenants.clone().cycle();
        while let Some(at) = due.recv().await {
            watch(&mut calls)?;
            ensure!(calls.len() < CALLS_MAX, "{:.0} jobs/s are more than the site can take", self.rate);
            let (site, progress) = (Arc::clone(&self.site), Arc::clone(&self.progress));
            let (jobs, batch) = (maker.stamped(at, self.batch), self.batch);
            let tenant = turn.next().unwrap_or_default();
            calls.spawn(async move {
                site.enqueue(tenant, jobs).await?;
                progress.arrive.add(clock::elapsed().saturating_sub(at));
                progress.add_accepted(batch);
                Ok(())
            });
        }
        finish(calls).await
    }
}

/// Moments `gap` apart, each sent when it has come.
fn paced(gap: Duration, length: Duration) -> mpsc::UnboundedReceiver<Duration> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let first = clock::elapsed() + AHEAD;
        for number in 0..arrivals(gap, length) {
            let at = first + gap.mul_f64(f64::from(number));
            clock::wait_until(at);
            if sender.send(at).is_err() {
                return;
            }
        }
    });
    receiver
}

/// How many moments lie in a time.
fn arrivals(gap: Duration, length: Duration) -> u32 {
    (length.as_secs_f64() / gap.as_secs_f64()).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_fill_the_time() {
        assert_eq!(arrivals(Duration::from_millis(10), Duration::from_secs(2)), 200);
    }

    #[tokio::test]
    async fn moments_are_a_gap_apart() {
        let gap = Duration::from_millis(2);
        let mut due = paced(gap, Duration::from_millis(10));
        let mut moments = Vec::new();
        while let Some(at) = due.recv().await {
            assert!(clock::elapsed() >= at);
            moments.push(at);
        }
        assert_eq!(moments.len(), 5);
        assert!(moments.windows(2).all(|pair| pair[1] - pair[0] == gap));
    }
}
