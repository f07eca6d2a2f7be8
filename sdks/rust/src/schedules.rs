//! Calls about schedules.

use jiff::Timestamp;
use serde::Deserialize;

use crate::client::Client;
use crate::declared;
use crate::error::Error;
use crate::jobs::reason_body;
use crate::page::Page;
use crate::schedule::{FiringFound, Instant, Schedule, ScheduleStatus};
use crate::transport::{Call, segment};

const PATH: &str = "/schedules";

/// Calls about schedules.
#[derive(Debug, Clone, Copy)]
pub struct Schedules<'a>(pub(crate) &'a Client);

#[derive(Deserialize)]
struct Instants {
    items: Vec<Instant>,
}

impl Schedules<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &Schedule) -> Result<Schedule, Error> {
        declared::upsert(self.0, PATH, &wanted.name, wanted).await
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<Schedule, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Schedule>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// It as it stands: when it is due next, what is open, what it has missed.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn status(&self, name: &str) -> Result<ScheduleStatus, Error> {
        self.0.call(Call::get(format!("{PATH}/{}/status", segment(name)))).await
    }

    /// Its next nominal instants after a moment, at most 20.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn next(&self, name: &str, from: Option<Timestamp>, count: Option<u32>) -> Result<Vec<Instant>, Error> {
        let call = Call::get(format!("{PATH}/{}/next", segment(name)));
        let call = call.maybe_query("from", from.map(|at| at.to_string()).as_deref());
        let found: Instants = self.0.call(call.maybe_query("count", count.map(|n| n.to_string()).as_deref())).await?;
        Ok(found.items)
    }

    /// A page of what became of its nominal instants, newest first.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn firings(&self, name: &str, cursor: Option<&str>) -> Result<Page<FiringFound>, Error> {
        self.0.call(Call::get(format!("{PATH}/{}/firings", segment(name))).maybe_query("cursor", cursor)).await
    }

    /// Replaces the whole of it, if its version is still the one that was read.
    ///
    /// # Errors
    /// Any; `version_conflict` when somebody else was faster.
    pub async fn update(&self, wanted: &Schedule) -> Result<Schedule, Error> {
        declared::update(self.0, PATH, &wanted.name, wanted, wanted.version).await
    }

    /// Deletes it. Jobs and runs that it asked for go on.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        declared::delete(self.0, PATH, name).await
    }

    /// Pauses it: its nominal instants pass, and are noted as `paused`.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn pause(&self, name: &str, reason: Option<&str>) -> Result<(), Error> {
        self.turn(name, "pause", reason).await
    }

    /// Lets it go on with its next nominal instant.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn resume(&self, name: &str, reason: Option<&str>) -> Result<(), Error> {
        self.turn(name, "resume", reason).await
    }

    async fn turn(&self, name: &str, how: &str, reason: Option<&str>) -> Result<(), Error> {
        let call = Call::post(format!("{PATH}/{}/{how}", segment(name))).json(&reason_body(reason))?;
        self.0.send(call).await.map(drop)
    }
}
