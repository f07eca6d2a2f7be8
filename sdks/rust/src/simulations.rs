//! The call that says what would happen.

use std::time::Duration;

use crate::client::Client;
use crate::error::Error;
use crate::simulation::{Simulated, Simulation};
use crate::transport::Call;

/// A simulation takes some seconds, a large one more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

impl Client {
    /// Says what would happen. Nothing is done, so a rehearsing client sends the call, too. It takes some seconds.
    ///
    /// # Errors
    /// Any; what a supposition would be refused with.
    pub async fn simulate(&self, simulation: &Simulation) -> Result<Simulated, Error> {
        self.call(Call::post("/simulations").json(simulation)?.harmless().timeout(PATIENCE)).await
    }
}
