//! Calls about buckets.

use crate::bucket::{Bucket, BucketState};
use crate::client::Client;
use crate::declared;
use crate::error::Error;
use crate::jobs::reason_body;
use crate::known_terms::KnownTerms;
use crate::page::{Items, Page};
use crate::transport::{Call, segment};

const PATH: &str = "/buckets";

/// Calls about buckets.
#[derive(Debug, Clone, Copy)]
pub struct Buckets<'a>(pub(crate) &'a Client);

impl Buckets<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &Bucket) -> Result<Bucket, Error> {
        declared::upsert(self.0, PATH, &wanted.name, wanted).await
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<Bucket, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Bucket>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// Terms of well-known feeds, by host. They are not declared by themselves.
    ///
    /// # Errors
    /// Any.
    pub async fn known(&self) -> Result<Vec<KnownTerms>, Error> {
        let answer: Items<KnownTerms> = self.0.call(Call::get("/known-terms")).await?;
        Ok(answer.items)
    }

    /// What was spent of it, and what it admits now.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn state(&self, name: &str) -> Result<BucketState, Error> {
        self.0.call(Call::get(format!("{PATH}/{}/state", segment(name)))).await
    }

    /// Opens it at the whole of its terms: what upstreams said before does not count any more.
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
    pub async fn update(&self, wanted: &Bucket) -> Result<Bucket, Error> {
        declared::update(self.0, PATH, &wanted.name, wanted, wanted.version).await
    }

    /// Deletes it: what waits for it goes.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        declared::delete(self.0, PATH, name).await
    }
}
