//! Calls about blackouts.

use jiff::Timestamp;
use serde::Deserialize;

use crate::blackout::{Blackout, Quiet, QuietQuery, Window};
use crate::client::Client;
use crate::declared;
use crate::error::Error;
use crate::page::Page;
use crate::transport::{Call, segment};

const PATH: &str = "/blackouts";

/// Calls about blackouts.
#[derive(Debug, Clone, Copy)]
pub struct Blackouts<'a>(pub(crate) &'a Client);

#[derive(Deserialize)]
struct Windows {
    items: Vec<Window>,
}

impl Blackouts<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &Blackout) -> Result<Blackout, Error> {
        declared::upsert(self.0, PATH, &wanted.name, wanted).await
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<Blackout, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Blackout>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// Its next windows, at most 20.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn windows(&self, name: &str, from: Option<Timestamp>, count: Option<u32>) -> Result<Vec<Window>, Error> {
        let call = Call::get(format!("{PATH}/{}/windows", segment(name)));
        let call = call.maybe_query("from", from.map(|at| at.to_string()).as_deref());
        let found: Windows = self.0.call(call.maybe_query("count", count.map(|n| n.to_string()).as_deref())).await?;
        Ok(found.items)
    }

    /// The next time at which such work is held by no blackout for so long.
    ///
    /// # Errors
    /// Any.
    pub async fn next_quiet(&self, query: &QuietQuery) -> Result<Quiet, Error> {
        let call = Call::get(format!("{PATH}/next-quiet")).maybe_query("source", query.source.as_deref());
        let call = call.maybe_query("job_type", query.job_type.as_deref());
        let call = call.maybe_query("duration_ms", query.duration_ms.map(|ms| ms.to_string()).as_deref());
        self.0.call(call.maybe_query("from", query.from.map(|at| at.to_string()).as_deref())).await
    }

    /// Replaces the whole of it, if its version is still the one that was read.
    ///
    /// # Errors
    /// Any; `version_conflict` when somebody else was faster.
    pub async fn update(&self, wanted: &Blackout) -> Result<Blackout, Error> {
        declared::update(self.0, PATH, &wanted.name, wanted, wanted.version).await
    }

    /// Deletes it: what it holds goes.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        declared::delete(self.0, PATH, name).await
    }
}
