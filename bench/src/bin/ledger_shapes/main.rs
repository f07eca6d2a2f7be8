//! Measures alternatives of the ledger's append on a temporary PostgreSQL and on SQLite.
//! Shapes run in turn (A B A B), since other load on the machine would else favour one of them.

mod batch;
mod cluster;
mod history;
mod measure;
mod postgres;
mod report;
mod shape;
mod sqlite;
mod workload;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use crate::cluster::Cluster;
use crate::report::Run;
use crate::shape::{Compare, Method};

/// Compares layouts of the ledger and ways to append to it.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to compare; may be given several times.
    #[arg(long, value_enum, required = true)]
    compare: Vec<Compare>,
    /// Jobs in each run.
    #[arg(long, default_value_t = 200_000)]
    jobs: usize,
    /// Runs of each shape.
    #[arg(long, default_value_t = 3)]
    pairs: u64,
    /// Leave the idempotency keys out.
    #[arg(long)]
    no_keys: bool,
    /// How the shapes are written where the way itself is not compared.
    #[arg(long, value_enum, default_value = "unnest")]
    method: Method,
    /// Folder of PostgreSQL's programs.
    #[arg(long, default_value = "/usr/lib/postgresql/15/bin")]
    postgres_bin: PathBuf,
    /// Print all runs as JSON instead of tables of medians.
    #[arg(long)]
    json: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut all = Vec::new();
    for &compare in &arguments.compare {
        let runs = measure(compare, &arguments).await?;
        if !arguments.json {
            println!(
                "## {compare:?}: {} jobs, {} runs each\n\n{}",
                arguments.jobs,
                arguments.pairs,
                report::table(&runs)
            );
        }
        all.extend(runs);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(())
}

async fn measure(compare: Compare, arguments: &Arguments) -> Result<Vec<Run>> {
    let cluster = match compare {
        Compare::Sqlite => None,
        _ => Some(Cluster::start(&arguments.postgres_bin).await?),
    };
    let mut runs = Vec::new();
    for pair in 0..arguments.pairs {
        for shape in compare.shapes(arguments.method, !arguments.no_keys) {
            let run = match &cluster {
                Some(cluster) => postgres::run(cluster, shape, arguments.jobs, pair).await?,
                None => tokio::task::block_in_place(|| sqlite::run(shape, arguments.jobs, pair))?,
            };
            eprintln!(
                "{} #{pair}: enqueue {:.2} s, work {:.2} s, CPU {:.2} s",
                shape.name,
                run.enqueue.seconds,
                run.work.seconds,
                run.enqueue.plus(&run.work).cpu()
            );
            runs.push(run);
        }
    }
    Ok(runs)
}
