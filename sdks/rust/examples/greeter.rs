//! A worker for jobs of the type `hello`: greets whom the payload names.

use anyhow::{Context as _, Result};
use orch_client::{Client, Done, HandlerError, JobContext, Worker};
use serde::Deserialize;

#[derive(Deserialize)]
struct Hello {
    name: String,
}

async fn greet(job: JobContext, hello: Hello) -> Result<Done, HandlerError> {
    if hello.name.is_empty() {
        return Err(HandlerError::permanent("no_name", "there is nobody to greet"));
    }
    job.log(format!("hello, {}", hello.name));
    Ok(Done::result(&hello.name.len())?)
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::var("ORCH_ADDRESS").context("ORCH_ADDRESS is not set")?;
    let token = std::env::var("ORCH_TOKEN").context("ORCH_TOKEN is not set")?;
    let client = Client::builder().address(address).token(token).build()?;
    let worker = Worker::builder(client).worker_id("greeter").capacity(8).handler("hello", greet).build();
    let summary = worker.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
    println!("{} jobs reported", summary.completed);
    Ok(())
}
