//! Simulations: what would happen if something were declared, more workers came, or a backfill was asked for.
//! Nothing of it is done.

use axum::extract::State;
use orch_core::config::{ConfigDoc, check_name};
use orch_core::ids::{BackfillId, RunId};
use orch_core::{Code, Refusal, limits};
use orch_dispatch::command::{AskedBackfill, Command, Expect};
use orch_dispatch::simulate::{MoreWorkers, Scenario, Until};
use orch_engine::{Compared, usual_scenario};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::apply::document::Document;
use super::apply::what_differs;
use super::backfills::input::BackfillIn;
use super::backfills::outcome::OutcomeOut;
use super::declared::field_on_the_wire;
use super::error::Problem;
use super::fields::{Refusals, check_count, check_range};
use super::json::Json;
use super::object::{maybe_object, objects};
use super::query::Query;
use super::texts::{NameText, RunIdText};
use super::words::{Moment, exact, maybe_exact};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The longest time that is looked at, in milliseconds: 366 days.
const HORIZON_MS_MAX: u64 = 366 * 86_400_000;
/// How often a scenario is tried at the most.
const SAMPLES_MAX: u64 = 100;
/// Kinds of workers that are supposed.
const WORKERS_MAX: u64 = 100;
/// Workers of all kinds, and what each may take.
const COUNT_MAX: u64 = 1_000;
/// The backfill that is supposed: always the same, so that the same question has the same answer.
const SUPPOSED: BackfillId = BackfillId(Uuid::from_u128(0x0bac_0f11));

/// The route of simulations.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(simulate))
}

/// What is supposed. All of it may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Simulation, example = json!({
    "declare": [{"declare": "job_type", "name": "feeds.fetch", "concurrency_max": 2}],
    "workers": [{"count": 3, "capacity": 10, "job_types": ["feeds.fetch"]}]
}))]
pub struct SimulationIn {
    /// What is declared, each as `apply` takes it; no two the same.
    #[serde(default)]
    #[schema(value_type = Vec<Document>, max_items = 500)]
    pub declare: Vec<Box<RawValue>>,
    /// A backfill that is asked for.
    #[serde(default, deserialize_with = "maybe_object")]
    pub backfill: Option<BackfillIn>,
    /// Workers that come in addition, a thousand at most.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 100)]
    pub workers: Vec<SupposedWorkersIn>,
    /// What is waited for; when left out, the end of the backfill if there is one, else that none of the tenant's jobs
    /// waits or is under way.
    #[serde(default, deserialize_with = "maybe_object")]
    pub until: Option<UntilIn>,
    /// It ends then at the latest, 366 days at most; 30 days when left out.
    #[serde(default, deserialize_with = "maybe_exact")]
    #[schema(minimum = 1000, maximum = 31622400000_u64)]
    pub horizon_ms: Option<u64>,
    /// How often it is tried; 20 times when left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub samples: Option<u32>,
    /// Another number is other chance.
    #[serde(default, deserialize_with = "exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub seed: u64,
}

/// Workers that are not there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SupposedWorkers)]
pub struct SupposedWorkersIn {
    /// How many.
    #[schema(minimum = 1, maximum = 1000)]
    pub count: u32,
    /// How many jobs each takes at the same time.
    #[schema(minimum = 1, maximum = 1000)]
    pub capacity: u32,
    /// What they do.
    #[schema(value_type = Vec<NameText>, min_items = 1, max_items = 1000)]
    pub job_types: Vec<String>,
}

/// What is waited for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Until)]
pub struct UntilIn {
    /// The end of this run.
    #[schema(value_type = RunIdText)]
    pub run: RunId,
}

/// What would happen, with what is supposed and without.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimulationOut {
    /// The moment from which it was worked out.
    pub now: Moment,
    /// With it.
    pub with: OutcomeOut,
    /// As things are: until the same run has ended, else until none of the tenant's jobs waits or is under way.
    pub without: OutcomeOut,
}

impl SupposedWorkersIn {
    fn check(&self) -> Refusals {
        let mut refusals = Refusals::default();
        refusals.note(check_range("count", self.count.into(), 1, COUNT_MAX));
        refusals.note(check_range("capacity", self.capacity.into(), 1, COUNT_MAX));
        if self.job_types.is_empty() {
            let refusal = Refusal::field(Code::InvalidField, "job_types", "`job_types` must not be empty");
            refusals.note::<()>(Err(refusal));
        }
        refusals.note(check_count("job_types", self.job_types.len(), limits::CLAIM_MAX, "entries"));
        for (place, name) in self.job_types.iter().enumerate().take(usize::try_from(limits::CLAIM_MAX).unwrap_or(0)) {
            refusals.note(check_name(&format!("job_types[{place}]"), name));
        }
        refusals
    }
}

impl SimulationIn {
    fn check(&self) -> Result<(), Problem> {
        let mut refusals = Refusals::default();
        refusals.note(check_count("declare", self.declare.len(), limits::DOCUMENTS_PER_CALL_MAX, "entries"));
        refusals.note(check_count("workers", self.workers.len(), WORKERS_MAX, "entries"));
        for (place, workers) in self.workers.iter().enumerate() {
            if refusals.full() {
                break;
            }
            refusals.note_under(|| format!("workers[{place}]"), workers.check());
        }
        let all: u64 = self.workers.iter().map(|workers| u64::from(workers.count)).sum();
        refusals.note(check_count("workers", usize::try_from(all).unwrap_or(usize::MAX), COUNT_MAX, "workers"));
        refusals.note(check_range("horizon_ms", self.horizon_ms.unwrap_or(1_000), 1_000, HORIZON_MS_MAX));
        refusals.note(check_range("samples", self.samples.unwrap_or(1).into(), 1, SAMPLES_MAX));
        refusals.finish()
    }
}

/// Says what would happen, and does nothing of it.
///
/// The dispatcher's own code goes on from a copy of its state, with a clock of its own. Attempts take as long as those of
/// late and end well; nothing comes but what schedules, runs and backfills ask for. It takes some seconds, and one is
/// worked out at a time: 503 `overloaded` means that another is.
#[utoipa::path(
    post, path = "/simulations", tag = "simulations",
    request_body = SimulationIn,
    responses((status = 200, body = SimulationOut, description = "What would happen"))
)]
pub async fn simulate(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<SimulationIn>,
) -> Result<Json<SimulationOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    body.check()?;
    let tenant = caller.tenant();
    let under = |field: &str| Some(format!("backfill.{field}"));
    let spec = body.backfill.map(|backfill| backfill.into_spec(caller.subject())).transpose();
    let spec = spec.map_err(|problem| problem.map_fields(under))?;
    let until = match (&body.until, &spec) {
        (Some(UntilIn { run }), _) => open_run(&app, &caller, *run).await?,
        (None, Some(_)) => Until::Backfill(SUPPOSED),
        (None, None) => Until::Idle,
    };
    let documents = what_differs(&app, &caller, &body.declare, "declare").await?;
    let kinds: Vec<_> = documents.iter().map(|(place, doc)| (*place, doc.kind())).collect();
    let put = |(_, doc): (usize, ConfigDoc)| Command::PutConfig { tenant, doc, expect: Expect::Any };
    let mut changes: Vec<Command> = documents.into_iter().map(put).collect();
    changes.extend(spec.map(|spec| {
        let spec = Box::new(AskedBackfill(spec));
        Command::CreateBackfill { tenant, backfill: SUPPOSED, spec, key: None }
    }));
    let usual = usual_scenario(body.seed);
    let more = |of: SupposedWorkersIn| MoreWorkers { count: of.count, capacity: of.capacity, job_types: of.job_types };
    let scenario = Scenario {
        changes,
        workers: body.workers.into_iter().map(more).collect(),
        until,
        horizon_ms: body.horizon_ms.unwrap_or(usual.horizon_ms),
        samples: body.samples.unwrap_or(usual.samples),
        ..usual
    };
    let compared = app.engine().simulate(tenant, scenario).await.map_err(Problem::from);
    let Compared { with, without } = compared.map_err(|problem| {
        problem.map_fields(|field| {
            let (change, field) = field.strip_prefix("changes[")?.split_once(']')?;
            let field = field.trim_start_matches('.');
            Some(match kinds.get(change.parse::<usize>().ok()?) {
                Some((place, kind)) => format!("declare[{place}].{}", field_on_the_wire(*kind, field)),
                None => format!("backfill.{field}"),
            })
        })
    })?;
    let now = Moment(with.now);
    Ok(Json(SimulationOut { now, with: (&with).into(), without: (&without).into() }))
}

/// A run whose end can be waited for.
async fn open_run(app: &AppState, caller: &Caller, run: RunId) -> Result<Until, Problem> {
    let refused = |detail: String| Problem::field(Code::InvalidField, "until.run", detail);
    let view = app.engine().run(caller.tenant(), run).await?;
    let view = view.ok_or_else(|| refused(format!("there is no run `{run}`")))?;
    match view.ended_at {
        None => Ok(Until::Run(run)),
        Some(_) => Err(refused(format!("the run is {} already", view.standing.as_str()))),
    }
}
