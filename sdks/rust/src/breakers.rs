//! Calls about breakers.

use serde_json::Value;

use crate::breaker::{Breaker, BreakerState};
use crate::client::Client;
use crate::declared;
use crate::error::Error;
use crate::jobs::reason_body;
use crate::page::Page;
use crate::transport::{Call, segment};

const PATH: &str = "/breakers";

/// Calls about breakers.
#[derive(Debug, Clone, Copy)]
pub struct Breakers<'a>(pub(crate) &'a Client);

impl Breakers<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay. A host that is set takes the place of a job type, and the other way
    /// round.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &Breaker) -> Result<Breaker, Error> {
        let mut set = serde_json::to_value(wanted).map_err(Error::Encode)?;
        match (&wanted.job_type, &wanted.host) {
            (Some(_), None) => set["host"] = Value::Null,
            (None, Some(_)) => set["job_type"] = Value::Null,
            _ => {}
        }
        let made = declared::upsert(self.0, PATH, &wanted.name, &set).await?;
        declared::decode(PATH, made)
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<Breaker, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Breaker>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// What it does now, and what it counts.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn state(&self, name: &str) -> Result<BreakerState, Error> {
        self.0.call(Call::get(format!("{PATH}/{}/state", segment(name)))).await
    }

    /// Opens it: nothing that it governs is handed out until it is reset.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn trip(&self, name: &str, reason: Option<&str>) -> Result<(), Error> {
        let call = Call::post(format!("{PATH}/{}/trip", segment(name))).json(&reason_body(reason))?;
        self.0.send(call).await.map(drop)
    }

    /// Closes it, with nothing counted.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn reset(&self, name: &str, reason: Option<&str>) -> Result<(), Error> {
        let call = Call::post(format!("{PATH}/{}/reset", segment(name))).json(&reason_body(reason))?;
        self.0.send(call).await.map(drop)
    }

    /// Replaces the whole of it, if its version is still the one that was read.
    ///
    /// # Errors
    /// Any; `version_conflict` when somebody else was faster.
    pub async fn update(&self, wanted: &Breaker) -> Result<Breaker, Error> {
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
