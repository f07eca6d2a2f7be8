//! Calls about graphs.

use serde::Serialize;

use crate::client::Client;
use crate::declared;
use crate::error::Error;
use crate::graph::{Graph, GraphPlan};
use crate::page::Page;
use crate::transport::{Call, segment};

const PATH: &str = "/graphs";

/// Calls about graphs.
#[derive(Debug, Clone, Copy)]
pub struct Graphs<'a>(pub(crate) &'a Client);

impl Graphs<'_> {
    /// Makes sure that it is declared: made if there is none of that name; else the members that are set here
    /// replace what is there, and the others stay. Open runs go on as they began.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, wanted: &Graph) -> Result<Graph, Error> {
        declared::upsert(self.0, PATH, &wanted.name, wanted).await
    }

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<Graph, Error> {
        declared::get(self.0, PATH, name).await
    }

    /// A page of them, by name.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, cursor: Option<&str>) -> Result<Page<Graph>, Error> {
        declared::list(self.0, PATH, cursor).await
    }

    /// In which order its steps come, and what a run of it comes to at most.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn plan(&self, name: &str) -> Result<GraphPlan, Error> {
        self.0.call(Call::get(format!("{PATH}/{}/plan", segment(name)))).await
    }

    /// The same of one that need not be declared: a [`Graph`], or anything that is written as one. What declaring it
    /// would be refused for is refused. Nothing is written, so a rehearsing client sends the call, too.
    ///
    /// # Errors
    /// Any; a problem names the place of what is not acceptable, as `steps[3].map.max`.
    pub async fn validate<G: Serialize + ?Sized>(&self, graph: &G) -> Result<GraphPlan, Error> {
        self.0.call(Call::post(format!("{PATH}/validate")).json(graph)?.harmless()).await
    }

    /// Replaces the whole of it, if its version is still the one that was read. Open runs go on as they began.
    ///
    /// # Errors
    /// Any; `version_conflict` when somebody else was faster.
    pub async fn update(&self, wanted: &Graph) -> Result<Graph, Error> {
        declared::update(self.0, PATH, &wanted.name, wanted, wanted.version).await
    }

    /// Deletes it. Open runs go on.
    ///
    /// # Errors
    /// Any; `not_found`; a refusal while something declared needs it.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        declared::delete(self.0, PATH, name).await
    }
}
