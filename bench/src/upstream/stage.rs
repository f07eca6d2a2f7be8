//! What each phase stands on, all of it its own: a database, replicas, tenants with a backlog, workers, the upstream.

use std::time::Duration;

use anyhow::{Result, ensure};
use orch_bench::clock;
use orch_client::{Bucket, Client, Term};

use crate::cluster::{Cluster, Form};
use crate::ground::Ground;
use crate::place::{Commits, Place};
use crate::settings::Database;
use crate::upstream::crew::{self, Begun, Crew, HOST};
use crate::upstream::figures::Figures;
use crate::upstream::host::{Arrival, Terms, Upstream};

/// Two replicas with a shard each, and on each shard two tenants.
const FORM: Form = Form { replicas: 2, shards: 2, tenants_per_shard: 2 };
/// How long the first request may take.
const FIRST_MAX: Duration = Duration::from_secs(60);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);
/// The bucket's name.
const BUCKET: &str = "upstream";

/// Tenants.
pub const TENANTS: usize = FORM.shards as usize * FORM.tenants_per_shard;

/// A stage with its actors.
pub struct Stage {
    place: Place,
    /// How the ledger commits.
    pub commits: Commits,
    /// The replicas.
    pub cluster: Cluster,
    /// The upstream.
    pub upstream: Upstream,
    /// What it allows.
    pub terms: Terms,
    /// May declare what holds for all tenants.
    platform: Client,
    /// The workers.
    crew: Option<Crew>,
}

/// How a stage is to be.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What the upstream allows.
    pub terms: Terms,
    /// After a refusal, from nothing to all.
    pub ramp: Duration,
    /// How long there is to be work, at most.
    pub length: Duration,
}

impl Stage {
    /// Sets it up. The platform's bucket says what the upstream allows; the workers are not there yet.
    pub async fn open(ground: &Ground, setting: Setting) -> Result<Self> {
        let Setting { terms, ramp, length } = setting;
        let mut place = Place::make(Database::Postgres, ground).await?;
        place.checkpoint().await?;
        let commits = place.commits().await?;
        let cluster = Cluster::open(&place, &ground.orch, FORM).await?;
        let platform = cluster.platform().await?;
        let term = Term { limit: terms.limit, window_ms: terms.window_ms, burst: None };
        let ramp_ms = u64::try_from(ramp.as_millis())?;
        let bucket = Bucket { ramp_ms: Some(ramp_ms), ..Bucket::new(BUCKET, HOST, vec![term]) };
        platform.buckets().create(&bucket).await?;
        // One tenant could use the whole allowance, and its backlog would not run dry.
        let jobs = terms.allowed(length) as usize + terms.limit as usize + 50;
        crew::supply(&cluster, jobs).await?;
        let upstream = Upstream::open(terms).await?;
        Ok(Self { place, commits, cluster, upstream, terms, platform, crew: None })
    }

    /// Lets the workers in; returns the moment of the first request.
    pub async fn begin(&mut self) -> Result<Duration> {
        self.crew = Some(Crew::hire(&self.cluster, &self.upstream)?);
        let began = clock::now();
        loop {
            if let Some(first) = self.upstream.arrivals().first() {
                return Ok(first.at);
            }
            ensure!(began.elapsed() < FIRST_MAX, "no request came within {} s", FIRST_MAX.as_secs());
            clock::pause(LOOK).await;
        }
    }

    /// Attempts that began so far.
    pub fn begun(&self) -> Vec<Begun> {
        self.crew.as_ref().map(Crew::begun).unwrap_or_default()
    }

    /// The least share of the terms to which refusals have cut, in parts of a thousand, and how many cuts there were.
    pub async fn cuts(&self) -> Result<(u32, usize)> {
        let state = self.platform.buckets().state(BUCKET).await?;
        Ok((state.cuts.iter().map(|cut| cut.to).min().unwrap_or(1_000), state.cuts.len()))
    }

    /// What the upstream noted in a span.
    pub fn figures<'a>(&self, arrivals: &'a [Arrival], from: Duration, until: Duration) -> Figures<'a> {
        Figures::new(self.terms, arrivals, from, until)
    }

    /// Ends and removes everything.
    pub async fn close(self) -> Result<()> {
        if let Some(crew) = self.crew {
            crew.end().await?;
        }
        self.cluster.stop().await?;
        drop(self.cluster);
        self.place.remove().await
    }
}

/// Lets time pass until a moment of the driver's clock.
pub async fn until(moment: Duration) {
    clock::pause(moment.saturating_sub(clock::elapsed())).await;
}
