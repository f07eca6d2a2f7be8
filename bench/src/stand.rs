//! One measurement's ledger and the orchestrator on it, from the start to the removal.

use std::sync::Arc;

use anyhow::Result;

use crate::ground::Ground;
use crate::meter::Mark;
use crate::place::{Commits, Place};
use crate::settings::{Database, Face};
use crate::site::{self, Site};

/// A ledger of its own with an orchestrator on it.
pub struct Stand {
    /// The ledger.
    pub place: Place,
    /// The orchestrator.
    pub site: Arc<dyn Site>,
    /// How the ledger commits.
    pub commits: Commits,
}

impl Stand {
    /// Makes both; there are so many tenants.
    pub async fn open(face: Face, database: Database, tenants: usize, ground: &Ground) -> Result<Self> {
        let mut place = Place::make(database, ground).await?;
        // What an earlier measurement left dirty is not to be written during this one.
        place.checkpoint().await?;
        let commits = place.commits().await?;
        let site = site::open(face, &place, tenants, ground).await?;
        Ok(Self { place, site, commits })
    }

    /// Reads all counters.
    pub async fn mark(&mut self) -> Result<Mark> {
        Mark::take(&mut self.place, self.site.process()).await
    }

    /// Ends the orchestrator in order and removes the ledger.
    pub async fn close(self) -> Result<()> {
        self.site.close().await?;
        drop(self.site);
        self.place.remove().await
    }
}
