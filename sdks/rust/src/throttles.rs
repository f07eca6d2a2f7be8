//! Calls about throttles.

use crate::client::{Client, pause_body};
use crate::error::Error;
use crate::page::Items;
use crate::pause::PauseTarget;
use crate::throttle::{Throttle, ThrottleOut};
use crate::transport::Call;

/// Calls about throttles.
#[derive(Debug, Clone, Copy)]
pub struct Throttles<'a>(pub(crate) &'a Client);

impl Throttles<'_> {
    /// Holds a target to limits for a while, in place of whatever throttles it now.
    ///
    /// # Errors
    /// Any.
    pub async fn set(&self, throttle: &Throttle) -> Result<(), Error> {
        self.0.send(Call::post("/throttles").json(throttle)?.repeatable()).await.map(drop)
    }

    /// The throttles that hold.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<ThrottleOut>, Error> {
        let answer: Items<ThrottleOut> = self.0.call(Call::get("/throttles")).await?;
        Ok(answer.items)
    }

    /// Ends the throttle of a target before its time.
    ///
    /// # Errors
    /// Any.
    pub async fn end(&self, target: &PauseTarget, reason: Option<&str>) -> Result<(), Error> {
        self.0.send(Call::post("/throttles/end").json(&pause_body(target, reason))?.repeatable()).await.map(drop)
    }
}
