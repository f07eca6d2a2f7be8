//! Producers: each makes a batch, sends it, waits for the answer, and goes on while there is supply.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use orch_bench::clock;
use tokio::task::JoinSet;

use crate::job::{Maker, Shape};
use crate::progress::Progress;
use crate::site::Site;

/// How long a producer rests that is too far ahead.
const REST: Duration = Duration::from_millis(1);

/// How many jobs there are to be, or for how long.
#[derive(Debug)]
pub struct Supply {
    batch: usize,
    until: Option<Instant>,
    left: Option<AtomicUsize>,
    ahead_max: Option<u64>,
}

impl Supply {
    fn endless(batch: usize) -> Self {
        Self { batch: batch.max(1), until: None, left: None, ahead_max: None }
    }

    /// As many as can be made until then.
    pub fn until(moment: Instant, batch: usize) -> Self {
        Self { until: Some(moment), ..Self::endless(batch) }
    }

    /// So many.
    pub fn jobs(count: usize, batch: usize) -> Self {
        Self { left: Some(AtomicUsize::new(count)), ..Self::endless(batch) }
    }

    /// Until stopped, but never more than so many ahead of what is done.
    pub fn ahead(most: u64, batch: usize) -> Self {
        Self::endless(batch).at_most_ahead(most)
    }

    /// The same, but never more than so many ahead of what is done.
    pub fn at_most_ahead(self, most: u64) -> Self {
        Self { ahead_max: Some(most), ..self }
    }

    /// Jobs of the next call; `None`: no more.
    async fn next(&self, progress: &Progress) -> Option<usize> {
        if let Some(most) = self.ahead_max {
            while !progress.is_stopped() && progress.waiting() > most {
                clock::pause(REST).await;
            }
        }
        if progress.is_stopped() || self.until.is_some_and(|moment| clock::now() >= moment) {
            return None;
        }
        let Some(left) = &self.left else {
            return Some(self.batch);
        };
        let take = |left: usize| (left > 0).then(|| left.saturating_sub(self.batch));
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(before.min(self.batch))
    }
}

/// Several producers with one supply.
pub struct Producers {
    /// Where jobs go.
    pub site: Arc<dyn Site>,
    /// What is counted.
    pub progress: Arc<Progress>,
    /// How many.
    pub supply: Arc<Supply>,
    /// Of which shape.
    pub shape: Shape,
    /// Producers.
    pub count: usize,
    /// Tenants among which each producer's calls go round.
    pub tenants: usize,
    /// Jobs of two series differ.
    pub series: u64,
}

impl Producers {
    /// Starts them.
    pub fn spawn(self, tasks: &mut JoinSet<Result<()>>) {
        for number in 0..self.count {
            let (site, progress, supply) =
                (Arc::clone(&self.site), Arc::clone(&self.progress), Arc::clone(&self.supply));
            let mut maker = Maker::new(self.shape, self.series << 32 | number as u64);
            let tenants = self.tenants;
            tasks.spawn(async move {
                let mut tenant = number;
                while let Some(count) = supply.next(&progress).await {
                    let jobs = maker.batch(count);
                    let began = clock::now();
                    site.enqueue(tenant % tenants, jobs).await?;
                    progress.enqueue.add(began.elapsed());
                    progress.add_accepted(count);
                    tenant += 1;
                }
                Ok(())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_supply_of_jobs_ends_with_what_is_left() {
        let (supply, progress) = (Supply::jobs(5, 2), Progress::default());
        let mut counts = Vec::new();
        while let Some(count) = supply.next(&progress).await {
            counts.push(count);
        }
        assert_eq!(counts, [2, 2, 1]);
    }

    #[tokio::test]
    async fn a_supply_ends_when_it_is_told_to() {
        let (supply, progress) = (Supply::ahead(10, 2), Progress::default());
        assert_eq!(supply.next(&progress).await, Some(2));
        progress.add_accepted(11);
        progress.stop();
        assert_eq!(supply.next(&progress).await, None);
    }
}
