//! Calls about priorities of targets; that of a single job is among the jobs' calls.

use crate::client::{Client, pause_body};
use crate::error::Error;
use crate::page::Items;
use crate::pause::PauseTarget;
use crate::priority::{TargetPriority, TargetPriorityOut};
use crate::transport::Call;

/// Calls about priorities of targets.
#[derive(Debug, Clone, Copy)]
pub struct Priorities<'a>(pub(crate) &'a Client);

impl Priorities<'_> {
    /// Gives a target a priority for a while, in place of the one that it has now.
    ///
    /// # Errors
    /// Any.
    pub async fn set(&self, priority: &TargetPriority) -> Result<(), Error> {
        self.0.send(Call::post("/priorities").json(priority)?.repeatable()).await.map(drop)
    }

    /// The targets that have one.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<TargetPriorityOut>, Error> {
        let answer: Items<TargetPriorityOut> = self.0.call(Call::get("/priorities")).await?;
        Ok(answer.items)
    }

    /// Ends the priority of a target before its time.
    ///
    /// # Errors
    /// Any.
    pub async fn end(&self, target: &PauseTarget, reason: Option<&str>) -> Result<(), Error> {
        self.0.send(Call::post("/priorities/end").json(&pause_body(target, reason))?.repeatable()).await.map(drop)
    }
}
