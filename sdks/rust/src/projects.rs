//! Calls about projects.

use crate::client::Client;
use crate::declared;
use crate::error::Error;
use crate::page::Page;
use crate::project::Project;

const PATH: &str = "/projects";

/// Calls about projects.
#[derive(Debug, Clone, Copy)]
pub struct Projects<'a>(pub(crate) &'a Client);

impl Projects<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &Project) -> Result<Project, Error> {
        declared::upsert(self.0, PATH, &wanted.name, wanted).await
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<Project, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Project>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// Replaces the whole of it, if its version is still the one that was read.
    ///
    /// # Errors
    /// Any; `version_conflict` when somebody else was faster.
    pub async fn update(&self, wanted: &Project) -> Result<Project, Error> {
        declared::update(self.0, PATH, &wanted.name, wanted, wanted.version).await
    }
}
