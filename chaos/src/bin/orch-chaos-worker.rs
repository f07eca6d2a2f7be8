//! A worker that does what no worker should: aborts at pick-up, burns CPU without yielding, or leaks memory.
//! It uses the SDK as any worker does; what it must show is that the control plane and the SDK bear it.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use orch_client::{Client, Done, HandlerError, JobContext, Worker};
use serde_json::{Value, json};

/// Longer than two leases of the job types here.
const BURN: Duration = Duration::from_secs(7);

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Abort,
    Burn,
    Leak,
}

/// A bad worker.
#[derive(Debug, Parser)]
struct Arguments {
    /// What it does to its jobs.
    #[arg(long)]
    mode: Mode,
    /// The orchestrator's addresses.
    #[arg(long, value_delimiter = ',')]
    address: Vec<String>,
    /// The token of a tenant.
    #[arg(long)]
    token: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match work(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work(arguments: Arguments) -> Result<(), orch_client::Error> {
    let mut client = Client::builder().token(arguments.token);
    for address in arguments.address {
        client = client.address(address);
    }
    let builder = Worker::builder(client.build()?).worker_id("chaos-bad").capacity(1);
    let worker = match arguments.mode {
        Mode::Abort => builder.handler("chaos.bad.abort", abort),
        Mode::Burn => builder.handler("chaos.bad.burn", burn),
        Mode::Leak => builder.handler("chaos.bad.leak", leak),
    };
    worker.build().run(std::future::pending()).await.map(drop)
}

async fn abort(_: JobContext, _: Value) -> Result<Done, HandlerError> {
    std::process::abort()
}

#[expect(clippy::disallowed_methods, reason = "it burns for a time, not for a number of rounds")]
async fn burn(context: JobContext, _: Value) -> Result<Done, HandlerError> {
    let start = Instant::now();
    let mut number = 1_u64;
    while start.elapsed() < BURN {
        for round in 0..100_000 {
            number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round));
        }
    }
    Done::result(&json!({"attempt": context.attempt(), "number": number % 2}))
        .map_err(|error| HandlerError::permanent("no_result", error.to_string()))
}

async fn leak(_: JobContext, _: Value) -> Result<Done, HandlerError> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        // Written, so that it is really taken.
        kept.push(vec![1; 16 << 20]);
        black_box(&kept);
        tokio::task::yield_now().await;
    }
}
