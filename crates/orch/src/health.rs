//! `orch health`.

use orch_client::{Client, HealthStatus};

use crate::failure::Failure;
use crate::output::{Output, View};

const VIEW: View = View { name: "/status", columns: &[], wide: &[] };

/// Prints whether the server serves; fails when it does not.
pub async fn run(client: &Client, output: &Output) -> Result<(), Failure> {
    let health = client.health().await?;
    output.one(&health, &VIEW)?;
    if health.status == HealthStatus::Ok { Ok(()) } else { Err(Failure::NotServing) }
}
