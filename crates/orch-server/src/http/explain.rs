//! Why jobs, lanes, hosts and tenants wait: every gate that holds one now, in the order in which they are looked at.

use std::collections::BTreeMap;

use axum::extract::State;
use orch_core::job::JobState;
use orch_core::{Code, JobId, LaneNo};
use orch_dispatch::answer::{Estimate, Explained, Gate, Hold, HostExplained, HostGate, LanesWaiting, TenantExplained};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::id_of;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::tenants::find;
use super::texts::{FilledText, JobIdText, NameText};
use super::words::{Moment, StateWord};
use crate::access::{Caller, Scope, require, require_any};
use crate::state::AppState;

/// The routes of explanations.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(explain_job))
        .routes(routes!(explain_lane))
        .routes(routes!(explain_host))
        .routes(routes!(explain_tenant))
}

/// A gate that holds something back.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldOut {
    /// Which: `dependencies`, `time`, `deleting`, `paused`, `throttled`, `blackout`, `breaker`, `bucket`, `concurrency`, `quota`, `worker` or
    /// `turn`. More may come.
    #[schema(value_type = String, example = "bucket")]
    pub gate: Gate,
    /// Who or what holds it; what belongs to other tenants is `shared`.
    pub by: String,
    /// Since when, if that is known.
    pub since: Option<Moment>,
    /// When it can open, at the earliest; null: that is not known.
    pub opens_at: Option<Moment>,
    /// It opens when attempts end: `opens_at` is an estimate from how long they take, and no promise.
    pub estimated: bool,
    /// What an operator can do.
    pub advice: &'static str,
}

/// Why a job waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobExplainOut {
    /// The job.
    #[schema(value_type = JobIdText)]
    pub job: JobId,
    /// Its state; only `blocked`, `scheduled` and `ready` jobs wait.
    #[schema(value_type = StateWord)]
    pub state: JobState,
    /// The first gate that holds it; null: it can go, or does not wait.
    #[schema(value_type = Option<String>, example = "bucket")]
    pub waiting_on: Option<Gate>,
    /// Every gate that holds it, in the order in which they are looked at.
    pub holds: Vec<HoldOut>,
    /// Jobs of its lane before it, if the owner's memory knows.
    pub ahead: Option<u64>,
    /// When it starts, about, if every attempt ends well and nothing else comes; null: it can go, or that is not known.
    pub starts_at: Option<Moment>,
    /// Run times of its job type that the estimates are made from; 0: none is known, and those of other work were taken;
    /// null: there is no estimate.
    #[schema(minimum = 0, maximum = 64)]
    pub run_times: Option<u32>,
}

/// Why a lane waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct LaneExplainOut {
    /// The lane.
    pub lane: u32,
    /// The first gate that holds it; null: its next job can go, or it has none.
    #[schema(value_type = Option<String>, example = "paused")]
    pub waiting_on: Option<Gate>,
    /// Every gate that holds it, in the order in which they are looked at.
    pub holds: Vec<HoldOut>,
    /// When its next job starts, about, if every attempt ends well and nothing else comes; null: it can go, or that is not
    /// known.
    pub starts_at: Option<Moment>,
    /// Run times of its job type that the estimates are made from; 0: none is known, and those of other work were taken;
    /// null: there is no estimate.
    #[schema(minimum = 0, maximum = 64)]
    pub run_times: Option<u32>,
}

/// What waits in some lanes, and on what.
#[derive(Debug, Serialize, ToSchema)]
pub struct LanesWaitingOut {
    /// Lanes in which jobs wait.
    pub lanes: u64,
    /// Jobs that wait in them.
    pub ready: u64,
    /// Jobs of them that are handed out.
    pub leased: u64,
    /// How many of the lanes each gate holds first. Those that it does not count can go.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({"bucket": 2, "worker": 1}))]
    pub waiting_on: BTreeMap<Gate, u64>,
}

/// A gate of a host, whether it holds now or not.
#[derive(Debug, Serialize, ToSchema)]
pub struct HostGateOut {
    /// Which: `blackout`, `breaker` or `bucket`. More may come.
    #[schema(value_type = String, example = "bucket")]
    pub gate: Gate,
    /// What it is called; null: it is the platform's.
    pub name: Option<String>,
    /// It holds requests back now.
    pub holds: bool,
    /// What it does; what belongs to others is `shared`.
    pub by: String,
    /// Since when it holds, if that is known.
    pub since: Option<Moment>,
    /// When it can open, at the earliest; null: it does not hold, or that is not known.
    pub opens_at: Option<Moment>,
}

/// What governs a host, and what waits for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HostExplainOut {
    /// The host.
    pub host: String,
    /// The tenant's sources with this host, by name.
    pub sources: Vec<String>,
    /// The first gate that holds all its requests; null: the next may leave.
    #[schema(value_type = Option<String>, example = "bucket")]
    pub waiting_on: Option<Gate>,
    /// When all of them can be open, at the earliest; null: they are, or that is not known.
    pub opens_at: Option<Moment>,
    /// Every gate of it, in the order in which they are looked at.
    pub gates: Vec<HostGateOut>,
    /// The tenant's lanes whose sources have this host.
    pub lanes: LanesWaitingOut,
}

/// What holds a tenant's work, and who is there to do it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantExplainOut {
    /// The tenant's name.
    pub tenant: String,
    /// The first gate that holds all its work; null: there is none.
    #[schema(value_type = Option<String>, example = "paused")]
    pub waiting_on: Option<Gate>,
    /// Every gate that holds all its work, in the order in which they are looked at.
    pub holds: Vec<HoldOut>,
    /// Pauses, throttles and quotas that hold a part of it.
    pub parts: Vec<HoldOut>,
    /// Its lanes.
    pub lanes: LanesWaitingOut,
    /// Worker sessions that take its work, are not drained and were heard lately.
    pub workers: u64,
    /// Leases that they want at the same time.
    pub capacity: u64,
}

impl From<LanesWaiting> for LanesWaitingOut {
    fn from(LanesWaiting { lanes, ready, leased, waiting_on }: LanesWaiting) -> Self {
        Self { lanes, ready, leased, waiting_on }
    }
}

impl From<HostGate> for HostGateOut {
    fn from(HostGate { name, holds, hold }: HostGate) -> Self {
        let Hold { gate, by, since, opens_at } = hold;
        Self { gate, name, holds, by, since: since.map(Moment), opens_at: opens_at.map(Moment) }
    }
}

impl From<Hold> for HoldOut {
    fn from(hold: Hold) -> Self {
        let Hold { gate, by, since, opens_at } = hold;
        let estimated = false;
        Self { gate, by, since: since.map(Moment), opens_at: opens_at.map(Moment), estimated, advice: advice(gate) }
    }
}

/// What holds a lane; where nobody but the run times of attempts says when that ends, the estimate does.
fn holds_out(holds: Vec<Hold>, front: Option<Estimate>) -> Vec<HoldOut> {
    let mut holds: Vec<_> = holds.into_iter().map(HoldOut::from).collect();
    if let Some(Estimate { at, .. }) = front {
        for hold in holds.iter_mut().filter(|hold| hold.opens_at.is_none()) {
            (hold.opens_at, hold.estimated) = (Some(Moment(at)), true);
        }
    }
    holds
}

fn advice(gate: Gate) -> &'static str {
    match gate {
        Gate::Dependencies => "look at the jobs that it depends on; cancel it if they will never end",
        Gate::Time => "`orch job retry` tries a job in back-off at once",
        Gate::Deleting => "`orch tenant restore` takes the mark back",
        Gate::Paused => "`orch resume` with the same target",
        Gate::Throttled => {
            "`orch throttle end` with the same target, or wait until its end; `orch throttle list` shows all"
        }
        Gate::Breaker => {
            "`orch breaker state` shows what failed and when it is tried again; `orch breaker reset` closes it"
        }
        Gate::Blackout => {
            "wait for its window to end; `orch blackout windows` shows when, `orch blackout put` changes it"
        }
        Gate::Bucket => "`orch bucket state` shows what is left; `orch bucket reset` opens it again after a refusal",
        Gate::Concurrency => "wait for an attempt to end, or raise the limit of the job type, source or bucket",
        Gate::Quota => {
            "`orch quota summary` shows what is used; `orch quota put` changes it, `orch quota resume` ends a pause"
        }
        Gate::Worker => "start a worker that takes the job type, or one more; `orch worker list` shows who is there",
        Gate::Turn => "nothing: it is next in its turn; a higher priority takes more turns",
    }
}

/// Explains why a job waits.
#[utoipa::path(
    get, path = "/jobs/{id}/explain", tag = "jobs", params(("id" = inline(JobIdText), Path, description = "The job")),
    responses((status = 200, body = JobExplainOut, description = "What holds it now"))
)]
pub async fn explain_job(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<JobExplainOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let job = id_of(&id, "job")?;
    let found = app.engine().explain_job(caller.tenant(), job).await?;
    let (state, Explained { holds, ahead, front, starts }) = found.ok_or_else(|| Problem::not_found("job"))?;
    let waiting_on = holds.first().map(|hold| hold.gate);
    let holds = holds_out(holds, front);
    let (starts_at, run_times) = (starts.map(|starts| Moment(starts.at)), front.map(|front| front.run_times));
    Ok(Json(JobExplainOut { job, state, waiting_on, holds, ahead, starts_at, run_times }))
}

/// Explains why a lane waits.
#[utoipa::path(
    get, path = "/lanes/{lane}/explain", tag = "lanes",
    params(("lane" = u32, Path, description = "Its number", minimum = 1)),
    responses((status = 200, body = LaneExplainOut, description = "What holds it now"))
)]
pub async fn explain_lane(
    State(app): State<AppState>,
    caller: Caller,
    Segment(lane): Segment,
    query: Query,
) -> Result<Json<LaneExplainOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let number = |_| Problem::field(Code::InvalidField, "lane", "a lane is a number from 1");
    let lane: u32 = lane.parse().map_err(number)?;
    let found = app.engine().explain_lane(caller.tenant(), LaneNo(lane), None).await?;
    let Explained { holds, front, .. } = found.ok_or_else(|| Problem::not_found("lane"))?;
    let waiting_on = holds.first().map(|hold| hold.gate);
    let (starts_at, run_times) = (front.map(|front| Moment(front.at)), front.map(|front| front.run_times));
    Ok(Json(LaneExplainOut { lane, waiting_on, holds: holds_out(holds, front), starts_at, run_times }))
}

/// Explains what governs a host: every gate of it, whether it holds now, and what waits.
#[utoipa::path(
    get, path = "/hosts/{host}/explain", tag = "sources",
    params(("host" = inline(FilledText), Path, description = "The host, as sources name it")),
    responses((status = 200, body = HostExplainOut, description = "What holds it now"))
)]
pub async fn explain_host(
    State(app): State<AppState>,
    caller: Caller,
    Segment(host): Segment,
    query: Query,
) -> Result<Json<HostExplainOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let found = app.engine().explain_host(caller.tenant(), host.clone()).await?;
    let HostExplained { sources, gates, lanes } = found.ok_or_else(|| Problem::not_found("host"))?;
    let holding: Vec<&Hold> = gates.iter().filter(|gate| gate.holds).map(|gate| &gate.hold).collect();
    let waiting_on = holding.first().map(|hold| hold.gate);
    let opens_at = holding.iter().map(|hold| hold.opens_at).collect::<Option<Vec<_>>>();
    let opens_at = opens_at.and_then(|all| all.into_iter().max()).map(Moment);
    let gates = gates.into_iter().map(HostGateOut::from).collect();
    Ok(Json(HostExplainOut { host, sources, waiting_on, opens_at, gates, lanes: lanes.into() }))
}

/// Explains what holds a tenant's work: any for `orch:admin`, the caller's own for `orch:read`.
#[utoipa::path(
    get, path = "/tenants/{name}/explain", tag = "tenants",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = TenantExplainOut, description = "What holds it now"))
)]
pub async fn explain_tenant(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<TenantExplainOut>, Problem> {
    require_any(&caller, &[Scope::Read, Scope::Admin])?;
    query.none()?;
    let row = find(&app, &caller, &name).await?;
    let TenantExplained { holds, parts, lanes, workers, capacity } = app.engine().explain_tenant(row.no).await?;
    let waiting_on = holds.first().map(|hold| hold.gate);
    let [holds, parts] = [holds, parts].map(|holds| holds.into_iter().map(HoldOut::from).collect());
    let tenant = row.name;
    Ok(Json(TenantExplainOut { tenant, waiting_on, holds, parts, lanes: lanes.into(), workers, capacity }))
}
