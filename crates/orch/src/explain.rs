//! `orch explain …`: why a job, a lane, a host or a tenant waits.

use clap::Subcommand;
use orch_client::{Client, Hold, HostExplanation, JobId, LanesWaiting, TenantExplanation};
use serde::Serialize;

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch};

/// Commands that explain.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Explain why a job waits: every gate that holds it now.
    Job {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
        #[command(flatten)]
        watch: Watch,
    },
    /// Explain why a lane waits: every gate that holds it now.
    Lane {
        /// Its number.
        #[arg(add = complete::lanes())]
        lane: u32,
        #[command(flatten)]
        watch: Watch,
    },
    /// Explain what governs a host: every gate of it, and what waits for it.
    Host {
        /// The host, as sources name it.
        #[arg(add = complete::hosts())]
        host: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Explain what the tenant was due beside others and what it received, hour by hour; the last line is this hour's.
    Fairness {
        #[command(flatten)]
        watch: Watch,
    },
    /// Explain what holds a tenant's work, and who is there to do it.
    Tenant {
        /// Its name.
        #[arg(add = complete::tenants())]
        tenant: String,
        #[command(flatten)]
        watch: Watch,
    },
}

/// What holds something.
const HOLDS: View = View {
    name: "/gate",
    columns: &[("GATE", "/gate"), ("BY", "/by"), ("OPENS AT", "/opens_at"), ("ADVICE", "/advice")],
    wide: &[("SINCE", "/since"), ("ESTIMATED", "/estimated")],
};
const HOST: View = View {
    name: "/gate",
    columns: &[("GATE", "/gate"), ("NAME", "/name"), ("HOLDS", "/holds"), ("BY", "/by"), ("OPENS AT", "/opens_at")],
    wide: &[("SINCE", "/since")],
};
const FAIRNESS: View = View {
    name: "/hour",
    columns: &[
        ("HOUR", "/hour"),
        ("DUE", "/due"),
        ("RECEIVED", "/received"),
        ("SHORT BY", "/short_by"),
        ("HELD MS", "/short_ms"),
    ],
    wide: &[("WAITED MS", "/waited_ms"), ("CLOSED", "/closed")],
};
const TENANT: View = View {
    name: "/gate",
    columns: &[("WHAT", "/what"), ("GATE", "/gate"), ("BY", "/by"), ("OPENS AT", "/opens_at"), ("ADVICE", "/advice")],
    wide: &[("SINCE", "/since")],
};

/// A line of what is known of a tenant.
#[derive(Debug, Default, Serialize)]
struct Row {
    what: &'static str,
    #[serde(flatten)]
    hold: Option<Hold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Job { job, watch } => {
            watch.list(output, &HOLDS, async || Ok(client.jobs().explain(&job).await?.holds.into())).await
        }
        Command::Lane { lane, watch } => {
            watch.list(output, &HOLDS, async || Ok(client.explain_lane(lane).await?.holds.into())).await
        }
        Command::Host { host, watch } if output.is_for_people() => {
            watch.list(output, &HOST, async || Ok(host_rows(client.explain_host(&host).await?).into())).await
        }
        Command::Host { host, watch } => {
            watch.one(output, &HOST, async || client.explain_host(&host).await, |_| false).await
        }
        Command::Fairness { watch } => {
            watch.list(output, &FAIRNESS, async || Ok(client.tenants().fairness().await?.into())).await
        }
        Command::Tenant { tenant, watch } if output.is_for_people() => {
            let read = async || Ok(tenant_rows(client.tenants().explain(&tenant).await?).into());
            watch.list(output, &TENANT, read).await
        }
        Command::Tenant { tenant, watch } => {
            watch.one(output, &TENANT, async || client.tenants().explain(&tenant).await, |_| false).await
        }
    }
}

/// A host's gates, and in the last line what waits.
fn host_rows(found: HostExplanation) -> Vec<serde_json::Value> {
    let gates = found.gates.into_iter().filter_map(|gate| serde_json::to_value(gate).ok());
    let lanes = serde_json::json!({ "gate": "lanes", "by": waiting(&found.lanes) });
    gates.chain([lanes]).collect()
}

/// What holds all of a tenant's work and parts of it, what waits, and who is there.
fn tenant_rows(found: TenantExplanation) -> Vec<Row> {
    let of = |what| move |hold| Row { what, hold: Some(hold), by: None };
    let said = |what, by| Row { what, hold: None, by: Some(by) };
    let workers = format!("{} sessions want {} leases at a time", found.workers, found.capacity);
    let holds = found.holds.into_iter().map(of("all"));
    let last = [said("lanes", waiting(&found.lanes)), said("workers", workers)];
    holds.chain(found.parts.into_iter().map(of("part"))).chain(last).collect()
}

fn waiting(lanes: &LanesWaiting) -> String {
    let mut text = format!("{} jobs wait in {} lanes, {} are handed out", lanes.ready, lanes.lanes, lanes.leased);
    let gates: Vec<_> = lanes.waiting_on.iter().map(|(gate, lanes)| format!("{lanes} on {gate}")).collect();
    if !gates.is_empty() {
        text.push_str("; lanes that wait: ");
        text.push_str(&gates.join(", "));
    }
    text
}
