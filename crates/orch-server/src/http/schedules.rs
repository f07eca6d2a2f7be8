//! Schedules: what asks for jobs and runs in time, and what became of each nominal instant.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::ids::RunId;
use orch_core::job::Priority;
use orch_core::port::{FiringPageParams, FiringRow};
use orch_core::schedule::{Asked, Daylight, Misfire, Overlap, Schedule, ScheduledJob, ScheduledRun, Timetable};
use orch_core::{JobId, Timestamp};
use orch_dispatch::Answer;
use orch_dispatch::answer::ScheduleFound;
use orch_dispatch::command::{Command, Read};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor::List;
use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::{Json, OptionalJson, canonical, keepable_object};
use super::object::maybe_object;
use super::query::Query;
use super::segment::Segment;
use super::texts::{
    DayText, JobIdText, KeyHeaderText, LabelsMap, LimitNumber, MessageText, NameText, RuleText, RunIdText,
    WallClockText, ZoneText,
};
use super::unexpected;
use super::words::{
    DaylightWord, MisfireWord, Moment, OverlapWord, PageOut, PriorityWord, ReasonIn, check_reason, maybe_exact,
};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// Nominal instants in one answer, at most and when it is not said how many.
const INSTANTS_MAX: u64 = 20;

/// The routes of schedules.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_schedules, create_schedule))
        .routes(routes!(get_schedule, put_schedule, delete_schedule))
        .routes(routes!(get_schedule_status))
        .routes(routes!(list_schedule_instants))
        .routes(routes!(list_firings))
        .routes(routes!(pause_schedule))
        .routes(routes!(resume_schedule))
}

/// Asks for a job, or a run of a graph, at each nominal instant of its timetable: once, or it is noted why not.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Schedule, example = json!({
    "name": "kev-daily", "timetable": {"cron": "30 6 * * *", "zone": "Europe/Athens"},
    "job": {"job_type": "feeds.fetch", "source": "kev", "payload": {"path": "known_exploited_vulnerabilities.json"}}
}))]
pub struct ScheduleBody {
    /// The name; unique in the tenant.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// Its nominal instants: one of `cron`, `rrule` and `every_ms`.
    #[schema(required = true)]
    pub timetable: TimetableBody,
    /// What it asks for, where that is a job. This or `run`.
    #[serde(deserialize_with = "maybe_object")]
    pub job: Option<ScheduledJobBody>,
    /// What it asks for, where that is a run of a graph.
    #[serde(deserialize_with = "maybe_object")]
    pub run: Option<ScheduledRunBody>,
    /// What becomes of a nominal instant while a job of the schedule is open: `skip`, it is left out; `buffer_one`, one
    /// waits until that has ended; `buffer_all`, up to 100 do; `cancel_running`, the open job is asked to end and it comes
    /// then; `allow`, it comes all the same.
    #[schema(value_type = OverlapWord, default = "skip")]
    pub overlap: Overlap,
    /// What becomes of nominal instants that could not be kept for more than ten seconds: `fire_all`, each comes late;
    /// `fire_last`, the last of them does, unless another is due; `skip`, they are left out.
    #[schema(value_type = MisfireWord, default = "fire_last")]
    pub misfire: Misfire,
    /// What is later than this many milliseconds is left out in any case, 31 days at most.
    #[schema(maximum = 2678400000_u64)]
    pub catch_up_ms: u64,
    /// A firing comes up to so many milliseconds after its nominal instant, always as many after the same one.
    #[schema(maximum = 3600000)]
    pub jitter_ms: u64,
    /// So many jobs in a row that fail pause it.
    #[schema(minimum = 1, maximum = 1000)]
    pub failures_max: Option<u32>,
    /// No nominal instant before.
    pub starts_at: Option<Moment>,
    /// No nominal instant from then on.
    pub ends_at: Option<Moment>,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// Nominal instants: one of a cron expression, a recurrence rule and an interval, in a zone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Timetable, example = json!({"cron": "30 6 * * *", "zone": "Europe/Athens"}))]
pub struct TimetableBody {
    /// A cron expression of five fields, or of six with seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RuleText>)]
    cron: Option<String>,
    /// A recurrence rule of RFC 5545; an `UNTIL` is a time of the zone's wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RuleText>)]
    rrule: Option<String>,
    /// So many milliseconds lie between two: whole seconds, 366 days at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1000, maximum = 31622400000_u64, multiple_of = 1000)]
    every_ms: Option<u64>,
    /// The first time of a recurrence rule, or one from which an interval is counted, on the zone's wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<WallClockText>)]
    from: Option<String>,
    /// The zone's name in the IANA database; `UTC` when left out.
    #[schema(value_type = ZoneText, default = "UTC")]
    zone: String,
    /// What becomes of times that the zone's clock skips or shows twice: `skip`, skipped ones are left out, of those shown
    /// twice the first counts; `once`, skipped ones come after the change; `both`, those shown twice count twice.
    #[schema(value_type = DaylightWord, default = "once")]
    daylight: Daylight,
    /// Days on which there is none, on the zone's wall clock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<DayText>, max_items = 366)]
    except: Vec<String>,
}

/// The job that a schedule asks for.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ScheduledJob, example = json!({"job_type": "feeds.fetch", "source": "kev"}))]
pub struct ScheduledJobBody {
    /// Its type.
    #[schema(value_type = NameText, required = true)]
    job_type: String,
    /// Its payload: any JSON up to 64 KiB; `{}` when left out.
    #[schema(value_type = serde_json::Value)]
    payload: Option<Value>,
    /// Its project; `default` when left out.
    #[schema(value_type = Option<NameText>)]
    project: Option<String>,
    /// Its source.
    #[schema(value_type = Option<NameText>)]
    source: Option<String>,
    /// What it is before others.
    #[schema(value_type = PriorityWord, default = "normal")]
    priority: Priority,
    /// Its concurrency key; without one, what its type's pointer finds in the payload.
    #[schema(value_type = Option<NameText>)]
    concurrency_key: Option<String>,
    /// Free labels.
    #[schema(value_type = LabelsMap)]
    labels: BTreeMap<String, String>,
    /// It is final so many milliseconds after it was asked for, 366 days at most.
    #[schema(minimum = 1000, maximum = 31622400000_u64)]
    deadline_ms: Option<u64>,
}

/// The run that a schedule asks for.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ScheduledRun, example = json!({"graph": "kev", "inputs": {"path": "known_exploited_vulnerabilities.json"}}))]
pub struct ScheduledRunBody {
    /// Its graph; the version that is declared when it begins.
    #[schema(value_type = NameText, required = true)]
    graph: String,
    /// Its inputs: an object up to 64 KiB.
    #[serde(deserialize_with = "keepable_object")]
    #[schema(value_type = Object)]
    inputs: Map<String, Value>,
    /// Free labels.
    #[schema(value_type = LabelsMap)]
    labels: BTreeMap<String, String>,
    /// The project of its jobs, where steps do not say another.
    #[schema(value_type = Option<NameText>)]
    project: Option<String>,
}

/// A nominal instant to come.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstantOut {
    /// The moment.
    pub at: Moment,
    /// The same on the wall clock of the timetable's zone.
    #[schema(example = "2026-01-18T06:30:00+02:00")]
    pub local: String,
}

/// The next nominal instants of a schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstantsOut {
    /// The zone of the wall clock.
    pub zone: String,
    /// The version of the zone database that they were worked out with.
    #[schema(example = "2026a")]
    pub zones: &'static str,
    /// The instants. A firing comes up to `jitter_ms` later.
    pub items: Vec<InstantOut>,
}

/// A schedule as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleStatusOut {
    /// Nominal instants up to here are decided, or wait.
    pub decided_until: Moment,
    /// When the next one is due; null: none comes, or it is paused.
    pub next_at: Option<Moment>,
    /// Nominal instants that wait for its open jobs, in order.
    pub waiting: Vec<Moment>,
    /// Open jobs, or runs, that it asked for.
    pub open_count: u64,
    /// The first hundred jobs of them.
    #[schema(value_type = Vec<JobIdText>)]
    pub open: Vec<JobId>,
    /// The first hundred runs of them.
    #[schema(value_type = Vec<RunIdText>)]
    pub open_runs: Vec<RunId>,
    /// Jobs, or runs, in a row that failed.
    pub failures: u32,
    /// Nominal instants that had a job or a run.
    pub fired: u64,
    /// Those that had none, for whatever reason.
    pub skipped: u64,
    /// Of those, the ones that could not be kept because nobody served.
    pub missed: u64,
    /// The last nominal instant that had a job or a run.
    pub last_nominal_at: Option<Moment>,
    /// That job.
    #[schema(value_type = Option<JobIdText>)]
    pub last_job: Option<JobId>,
    /// That run.
    #[schema(value_type = Option<RunIdText>)]
    pub last_run: Option<RunId>,
    /// Who paused it, and why; null: it is not paused.
    pub paused: Option<SchedulePauseOut>,
}

/// Who paused a schedule, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchedulePauseOut {
    /// Who: a token's id, or the schedule itself after too many failures.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Moment,
}

/// What became of a nominal instant, or of several on end that have neither job nor run.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiringOut {
    /// The nominal instant; the first of several.
    pub nominal_at: Moment,
    /// The last of them.
    pub last_at: Moment,
    /// How many.
    pub count: u64,
    /// When that was decided.
    pub at: Moment,
    /// The job; null: there is none.
    #[schema(value_type = Option<JobIdText>)]
    pub job: Option<JobId>,
    /// The run; null: there is none.
    #[schema(value_type = Option<RunIdText>)]
    pub run: Option<RunId>,
    /// Why there is neither: `overlap`, `buffer_full`, `superseded`, `misfire`, `catch_up`, `paused`, `replaced` or
    /// `refused`. More may come.
    #[schema(example = "overlap")]
    pub cause: Option<String>,
}

/// The schema of one to be.
pub type ScheduleNew = New<ScheduleBody>;

/// The schema of one as shown.
pub type ScheduleOut = Full<ScheduleBody>;

impl Default for ScheduleBody {
    fn default() -> Self {
        Self::shown(Schedule::default())
    }
}

impl Default for TimetableBody {
    fn default() -> Self {
        Self::from(Timetable::default())
    }
}

impl From<Timetable> for TimetableBody {
    fn from(table: Timetable) -> Self {
        let Timetable { cron, daylight, every_ms, except, from, rrule, zone } = table;
        Self { cron, rrule, every_ms, from, zone, daylight, except }
    }
}

impl From<TimetableBody> for Timetable {
    fn from(body: TimetableBody) -> Self {
        let TimetableBody { cron, rrule, every_ms, from, zone, daylight, except } = body;
        Self { cron, daylight, every_ms, except, from, rrule, zone }
    }
}

impl From<ScheduledJob> for ScheduledJobBody {
    fn from(job: ScheduledJob) -> Self {
        let ScheduledJob { concurrency_key, deadline_ms, job_type, labels, payload, priority, project, source } = job;
        let payload = serde_json::from_str(&payload).ok();
        Self { job_type, payload, project, source, priority, concurrency_key, labels, deadline_ms }
    }
}

impl From<ScheduledJobBody> for ScheduledJob {
    fn from(body: ScheduledJobBody) -> Self {
        let ScheduledJobBody { job_type, payload, project, source, priority, concurrency_key, labels, deadline_ms } =
            body;
        let payload = payload.map_or_else(|| "{}".to_owned(), |payload| payload.to_string());
        Self { concurrency_key, deadline_ms, job_type, labels, payload, priority, project, source }
    }
}

impl From<ScheduledRun> for ScheduledRunBody {
    fn from(run: ScheduledRun) -> Self {
        let ScheduledRun { graph, inputs, labels, project } = run;
        Self { graph, inputs: serde_json::from_str(&inputs).unwrap_or_default(), labels, project }
    }
}

impl From<ScheduledRunBody> for ScheduledRun {
    fn from(body: ScheduledRunBody) -> Self {
        let ScheduledRunBody { graph, inputs, labels, project } = body;
        Self { graph, inputs: canonical(&Value::Object(inputs)), labels, project }
    }
}

impl ScheduleBody {
    fn shown(doc: Schedule) -> Self {
        Self {
            name: doc.name,
            description: doc.description,
            timetable: doc.timetable.into(),
            job: doc.job.map(Into::into),
            run: doc.run.map(Into::into),
            overlap: doc.overlap,
            misfire: doc.misfire,
            catch_up_ms: doc.catch_up_ms,
            jitter_ms: doc.jitter_ms,
            failures_max: doc.failures_max,
            starts_at: doc.starts_at.map(Moment),
            ends_at: doc.ends_at.map(Moment),
            version: None,
            updated_at: None,
        }
    }
}

impl Declared for ScheduleBody {
    const KIND: ConfigKind = ConfigKind::Schedule;
    const NAME: &'static str = "schedule";
    const PATH: &'static str = "schedules";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        ConfigDoc::Schedule(Box::new(Schedule {
            catch_up_ms: self.catch_up_ms,
            description: self.description,
            ends_at: self.ends_at.map(|at| at.0),
            failures_max: self.failures_max,
            jitter_ms: self.jitter_ms,
            job: self.job.map(Into::into),
            misfire: self.misfire,
            name: self.name,
            overlap: self.overlap,
            run: self.run.map(Into::into),
            starts_at: self.starts_at.map(|at| at.0),
            timetable: self.timetable.into(),
        }))
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Schedule(doc) = doc else { return None };
        Some(Self { version: Some(version), updated_at: Some(updated_at), ..Self::shown(*doc) })
    }
}

impl From<ScheduleFound> for ScheduleStatusOut {
    fn from(found: ScheduleFound) -> Self {
        let (last_nominal_at, last) = found.last.map(|(at, asked)| (Moment(at), asked)).unzip();
        Self {
            decided_until: Moment(found.decided_until),
            next_at: found.next_at.map(Moment),
            waiting: found.waiting.into_iter().map(Moment).collect(),
            open_count: found.open_count,
            open: found.open.iter().filter_map(|asked| asked.job()).collect(),
            open_runs: found.open.iter().filter_map(|asked| asked.run()).collect(),
            failures: found.failures,
            fired: found.fired,
            skipped: found.skipped,
            missed: found.missed,
            last_nominal_at,
            last_job: last.and_then(Asked::job),
            last_run: last.and_then(Asked::run),
            paused: found.paused.map(|pause| SchedulePauseOut {
                by: pause.by,
                reason: pause.reason,
                at: Moment(pause.at),
            }),
        }
    }
}

impl From<FiringRow> for FiringOut {
    fn from(row: FiringRow) -> Self {
        Self {
            nominal_at: Moment(row.nominal_at),
            last_at: Moment(row.last_at),
            count: row.count,
            at: Moment(row.at),
            job: row.job,
            run: row.run,
            cause: row.cause,
        }
    }
}

/// Lists schedules by name.
#[utoipa::path(
    get, path = "/schedules", tag = "schedules",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<ScheduleOut>, description = "A page"))
)]
pub async fn list_schedules(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<ScheduleBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a schedule. Its nominal instants from now on are its own.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/schedules", tag = "schedules",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = ScheduleNew,
    responses(
        (status = 201, body = ScheduleOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = ScheduleOut, description = "The same call made it before"),
    )
)]
pub async fn create_schedule(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<ScheduleBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a schedule.
#[utoipa::path(
    get, path = "/schedules/{name}", tag = "schedules",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = ScheduleOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_schedule(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<ScheduleBody>(&app, &caller, &name, query).await
}

/// Creates a schedule, or replaces the version that `If-Match` names. Where the timetable changes, nominal instants of the
/// version before that were not due yet are noted as `replaced`.
#[utoipa::path(
    put, path = "/schedules/{name}", tag = "schedules",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = ScheduleBody,
    responses(
        (status = 200, body = ScheduleOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = ScheduleOut, description = "It was made"),
    )
)]
pub async fn put_schedule(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<ScheduleBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}

/// Deletes a schedule. Jobs and runs that it asked for go on.
#[utoipa::path(
    delete, path = "/schedules/{name}", tag = "schedules",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete; any when left out", example = "\"v1\""),
    ),
    responses((status = 200, body = EmptyOut, description = "It is gone"))
)]
pub async fn delete_schedule(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<EmptyOut>, Problem> {
    declared::delete::<ScheduleBody>(&app, &caller, &name, query, &headers).await
}

/// Gets a schedule as it stands: when it is due next, what is open, what it has missed.
#[utoipa::path(
    get, path = "/schedules/{name}/status", tag = "schedules",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = ScheduleStatusOut, description = "As it stands"))
)]
pub async fn get_schedule_status(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<ScheduleStatusOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    match app.engine().command(Command::Read(Read::Schedule { tenant: caller.tenant(), name })).await? {
        Answer::Schedule(Some(found)) => Ok(Json((*found).into())),
        Answer::Schedule(None) => Err(Problem::not_found(ScheduleBody::NAME)),
        answer => Err(unexpected(&answer)),
    }
}

/// Lists the next nominal instants of a schedule, whatever holds it.
#[utoipa::path(
    get, path = "/schedules/{name}/next", tag = "schedules",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("from" = Option<Moment>, Query, description = "After that; now when left out"),
        ("count" = Option<u32>, Query, description = "Instants, at most 20; 20 when left out", minimum = 1, maximum = 20),
    ),
    responses((status = 200, body = InstantsOut, description = "The instants, in UTC and on the zone's wall clock"))
)]
pub async fn list_schedule_instants(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<InstantsOut>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let from = params.moment("from")?.unwrap_or_else(|| app.engine().now());
    let count = params.number("count", 1, INSTANTS_MAX)?.unwrap_or(INSTANTS_MAX);
    params.finish()?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let found = app.engine().schedule_next(caller.tenant(), name, from, count).await?;
    let (doc, instants) = found.ok_or_else(|| Problem::not_found(ScheduleBody::NAME))?;
    let items = instants.into_iter().map(|instant| InstantOut { at: Moment(instant.at), local: instant.local });
    Ok(Json(InstantsOut {
        zone: doc.timetable.zone,
        zones: orch_dispatch::schedule::zones_version(),
        items: items.collect(),
    }))
}

/// Lists what became of a schedule's nominal instants, newest first: the job or the run of each, or why it has none.
#[utoipa::path(
    get, path = "/schedules/{name}/firings", tag = "schedules",
    params(
        ("name" = inline(NameText), Path, description = "Its name; also of a schedule that is declared no more"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<FiringOut>, description = "A page"))
)]
pub async fn list_firings(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<PageOut<FiringOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let list = List::new("firings", app.engine().incarnation().await?, caller.tenant(), &[&name]);
    let page = params.page::<u64>(&list)?;
    params.finish()?;
    // One more than asked for tells whether there is a next page.
    let before = page.from.map(|ms| Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)));
    let wanted = FiringPageParams { schedule: name, before, limit: page.limit + 1 };
    let mut found = app.engine().ledger().firing_page(caller.tenant(), &wanted).await?;
    if found.is_empty()
        && before.is_none()
        && declared::find::<ScheduleBody>(&app, &caller, &wanted.schedule).await?.is_none()
    {
        return Err(Problem::not_found(ScheduleBody::NAME));
    }
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let last = found.last().filter(|_| more).and_then(|last| u64::try_from(last.nominal_at.millis()).ok());
    let items = found.into_iter().map(FiringOut::from).collect();
    Ok(Json(PageOut { items, next_cursor: last.map(|place| list.close(&place)) }))
}

/// Pauses a schedule: its nominal instants pass, and are noted as `paused`.
#[utoipa::path(
    post, path = "/schedules/{name}/pause", tag = "schedules", params(("name" = inline(NameText), Path, description = "Its name")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the feed moves"})),
    responses((status = 200, body = EmptyOut, description = "It is paused"))
)]
pub async fn pause_schedule(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<EmptyOut>, Problem> {
    set_pause(&app, &caller, name, query, reason, true).await
}

/// Lets a schedule go on with its next nominal instant.
#[utoipa::path(
    post, path = "/schedules/{name}/resume", tag = "schedules", params(("name" = inline(NameText), Path, description = "Its name")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the feed has moved"})),
    responses((status = 200, body = EmptyOut, description = "It is not paused"))
)]
pub async fn resume_schedule(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<EmptyOut>, Problem> {
    set_pause(&app, &caller, name, query, reason, false).await
}

async fn set_pause(
    app: &AppState,
    caller: &Caller,
    schedule: String,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
    pause: bool,
) -> Result<Json<EmptyOut>, Problem> {
    require(caller, Scope::Operate)?;
    query.none()?;
    let (tenant, actor) = (caller.tenant(), caller.actor(check_reason(reason)?));
    app.engine().command(Command::PauseSchedule { tenant, schedule, pause, actor }).await?;
    Ok(Json(EmptyOut {}))
}
