//! Calls about quotas.

use crate::client::Client;
use crate::declared;
use crate::error::Error;
use crate::jobs::reason_body;
use crate::page::Page;
use crate::quota::{Quota, QuotaUse, Uses};
use crate::transport::{Call, segment};

const PATH: &str = "/quotas";

/// Calls about quotas.
#[derive(Debug, Clone, Copy)]
pub struct Quotas<'a>(pub(crate) &'a Client);

impl Quotas<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &Quota) -> Result<Quota, Error> {
        declared::upsert(self.0, PATH, &wanted.name, wanted).await
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<Quota, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Quota>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// What the work of each uses, and what it may have now.
    ///
    /// # Errors
    /// Any.
    pub async fn summary(&self) -> Result<Vec<QuotaUse>, Error> {
        let uses: Uses = self.0.call(Call::get(format!("{PATH}/summary"))).await?;
        Ok(uses.items)
    }

    /// Replaces the whole of it, if its version is still the one that was read.
    ///
    /// # Errors
    /// Any; `version_conflict` when somebody else was faster.
    pub async fn update(&self, wanted: &Quota) -> Result<Quota, Error> {
        declared::update(self.0, PATH, &wanted.name, wanted, wanted.version).await
    }

    /// Deletes it: its work is not limited by it any more.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        declared::delete(self.0, PATH, name).await
    }

    /// Holds its work: nothing of it is handed out until it is resumed.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn pause(&self, name: &str, reason: Option<&str>) -> Result<(), Error> {
        self.turn(name, "pause", reason).await
    }

    /// Lets its work go on.
    ///
    /// # Errors
    /// Any.
    pub async fn resume(&self, name: &str, reason: Option<&str>) -> Result<(), Error> {
        self.turn(name, "resume", reason).await
    }

    async fn turn(&self, name: &str, how: &str, reason: Option<&str>) -> Result<(), Error> {
        let call = Call::post(format!("{PATH}/{}/{how}", segment(name))).json(&reason_body(reason))?;
        self.0.send(call).await.map(drop)
    }
}
