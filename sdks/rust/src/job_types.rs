//! Calls about job types.

use serde_json::json;

use crate::client::Client;
use crate::declared;
use crate::desired_workers::DesiredWorkers;
use crate::error::Error;
use crate::job_type::{JobType, JobTypeDeclared};
use crate::page::{Items, Page};
use crate::transport::Call;

const PATH: &str = "/job-types";

/// Calls about job types.
#[derive(Debug, Clone, Copy)]
pub struct JobTypes<'a>(pub(crate) &'a Client);

impl JobTypes<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &JobType) -> Result<JobType, Error> {
        declared::upsert(self.0, PATH, &wanted.name, wanted).await
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<JobType, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<JobType>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// Replaces the whole of it, if its version is still the one that was read.
    ///
    /// # Errors
    /// Any; `version_conflict` when somebody else was faster.
    pub async fn update(&self, wanted: &JobType) -> Result<JobType, Error> {
        declared::update(self.0, PATH, &wanted.name, wanted, wanted.version).await
    }

    /// How many workers' slots one could use, so that its waiting work ends within a time (300 s when left out).
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn desired_workers(&self, name: &str, target_seconds: Option<u64>) -> Result<DesiredWorkers, Error> {
        let target = target_seconds.map(|seconds| seconds.to_string());
        let call = Call::get(format!("{PATH}/{name}/desired-workers"));
        self.0.call(call.maybe_query("target_seconds", target.as_deref())).await
    }

    /// The same for all of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn all_desired_workers(&self, target_seconds: Option<u64>) -> Result<Vec<DesiredWorkers>, Error> {
        let target = target_seconds.map(|seconds| seconds.to_string());
        let call = Call::get("/desired-workers").maybe_query("target_seconds", target.as_deref());
        let answer: Items<DesiredWorkers> = self.0.call(call).await?;
        Ok(answer.items)
    }

    /// The job types that come with the orchestrator; none of them is declared by itself.
    ///
    /// # Errors
    /// Any.
    pub async fn catalogue(&self) -> Result<Vec<JobType>, Error> {
        let answer: Items<JobType> = self.0.call(Call::get("/job-type-catalogue")).await?;
        Ok(answer.items)
    }

    /// Declares job types from the catalogue, by name or with a `*` at the end. What is there already stays as it is.
    ///
    /// # Errors
    /// Any; `unknown_job_type` when a name means nothing in the catalogue.
    pub async fn declare_from_catalogue(&self, names: &[&str]) -> Result<Vec<JobTypeDeclared>, Error> {
        let call = Call::post("/job-type-catalogue/declare").json(&json!({ "names": names }))?.repeatable();
        let answer: Items<JobTypeDeclared> = self.0.call(call).await?;
        Ok(answer.items)
    }
}
