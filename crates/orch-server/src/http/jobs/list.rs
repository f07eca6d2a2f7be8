//! The list of jobs: filters, paging by id, newest first.

use std::str::FromStr;

use axum::extract::State;
use orch_core::config::check_name;
use orch_core::ids::{BackfillId, RunId};
use orch_core::query::{JobQuery, Pattern};
use orch_core::{Code, JobId, JobState, Timestamp, limits};
use orch_engine::JobFilter;

use super::output::JobOut;
use crate::access::{Caller, Scope, require};
use crate::http::cursor::List;
use crate::http::error::Problem;
use crate::http::fields::{Refusals, check_count, check_text};
use crate::http::json::Json;
use crate::http::query::{Params, Query};
use crate::http::texts::{BackfillIdText, LabelFilterText, LimitNumber, NameText, QueryText, RunIdText};
use crate::http::words::{Moment, PageOut, StateFilterWord};
use crate::state::AppState;

/// Lists jobs, newest first.
///
/// A page may be short, even empty, while `next_cursor` is there: follow it until it is null.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs",
    params(
        ("query" = inline(Option<QueryText>), Query, description = "Terms `key:value`, all of which must hold: `state`, `type`, `source`, `host`, `project`, `id`, `error` (a code or class), `since`, `until` (durations or times), `label.NAME`. Commas separate alternatives, `*` stands for the rest of a name, values may be quoted", example = "state:failed type:feeds.* label.feed:kev since:24h"),
        ("state" = inline(Option<Vec<StateFilterWord>>), Query, style = Form, explode = false, description = "States, separated by commas; `pending` means blocked, scheduled and ready", example = json!(["failed", "canceled"])),
        ("job_type" = inline(Option<Vec<NameText>>), Query, style = Form, explode = false, description = "Job types, separated by commas"),
        ("source" = inline(Option<Vec<NameText>>), Query, style = Form, explode = false, description = "Sources, separated by commas"),
        ("label" = inline(Option<Vec<LabelFilterText>>), Query, description = "`key:value`; repeated: all of them must hold", example = json!(["feed:kev"])),
        ("run" = inline(Option<RunIdText>), Query, description = "Only parts of this run"),
        ("backfill" = inline(Option<BackfillIdText>), Query, description = "Only those that read windows of this backfill; the jobs of its runs are parts of these"),
        ("since" = inline(Option<Moment>), Query, description = "Accepted at or after this moment", example = "2026-01-15T00:00:00Z"),
        ("until" = inline(Option<Moment>), Query, description = "Accepted before this moment"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, under the same filter"),
    ),
    responses((status = 200, body = PageOut<JobOut>, description = "A page", example = json!({
        "items": [], "next_cursor": "AaS1c0ZkZ0lYQ1ZrT0dGd2JHVWdZMjl1ZEdWdWRBMDU"
    })))
)]
pub async fn list_jobs(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<JobOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let (mut filter, canonical) = filter(&mut params, app.engine().now())?;
    let canonical: Vec<&str> = canonical.iter().map(String::as_str).collect();
    let list = List::new("jobs", app.engine().incarnation().await?, caller.tenant(), &canonical);
    let page = params.page::<JobId>(&list)?;
    params.finish()?;
    filter.before = page.from;
    filter.limit = page.limit;
    let (jobs, next) = app.engine().jobs(caller.tenant(), &filter).await?;
    let gates = app.engine().waiting_on(caller.tenant(), &jobs).await?;
    let shown = |(view, waiting_on)| JobOut { waiting_on, ..JobOut::of_view(view, caller.tenant_id()) };
    let items = jobs.into_iter().zip(gates).map(shown).collect();
    Ok(Json(PageOut { items, next_cursor: next.map(|id| list.close(&id)) }))
}

/// The filter, and its canonical text, to which cursors are bound.
fn filter(params: &mut Params, now: Timestamp) -> Result<(JobFilter, Vec<String>), Problem> {
    let query = query(params)?;
    let states = states(params)?;
    let job_types = names(params, "job_type")?;
    let sources = names(params, "source")?;
    let mut labels = labels(params)?;
    let run = id(params, "run")?;
    let backfill: Option<BackfillId> = id(params, "backfill")?;
    let (since, until) = (params.moment("since")?, params.moment("until")?);
    let mut canonical = vec![
        query.to_string(),
        states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(","),
        job_types.join(","),
        sources.join(","),
    ];
    canonical.extend(labels.iter().map(|(key, value)| format!("{key}:{value}")));
    canonical.extend(run.map(|run: RunId| run.to_string()));
    canonical.extend(backfill.map(|backfill| backfill.to_string()));
    canonical.push(format!("{:?}/{:?}", since.map(|at| at.millis()), until.map(|at| at.millis())));
    let (single, several): (Vec<_>, Vec<_>) = query.labels.into_iter().partition(|(_, values)| values.len() == 1);
    labels.extend(single.into_iter().filter_map(|(key, mut values)| Some((key, values.pop()?))));
    let filter = JobFilter {
        states: either("state", query.states, states)?,
        job_types: either("job_type", query.job_types, exact(job_types))?,
        sources: either("source", query.sources, exact(sources))?,
        hosts: query.hosts,
        projects: query.projects,
        labels,
        labels_in: several,
        errors: query.errors,
        ids: query.ids,
        run,
        backfill,
        since: later(query.since.map(|when| when.moment(now)), since),
        until: earlier(query.until.map(|when| when.moment(now)), until),
        before: None,
        limit: 0,
    };
    let filter = with_states_of_errors(filter);
    check_width(&filter)?;
    Ok((filter, canonical))
}

fn query(params: &mut Params) -> Result<JobQuery, Problem> {
    let text = params.one("query")?.unwrap_or_default();
    JobQuery::parse(&text).map_err(|error| {
        let code = if error.too_large { Code::LimitExceeded } else { Code::InvalidField };
        Problem::field(code, "query", error.to_string())
    })
}

fn id<T: FromStr>(params: &mut Params, name: &str) -> Result<Option<T>, Problem> {
    let Some(text) = params.one(name)? else { return Ok(None) };
    let refused = |_| Problem::field(Code::InvalidField, name, format!("`{name}` must be a {name}'s id"));
    text.parse().map(Some).map_err(refused)
}

fn exact(names: Vec<String>) -> Vec<Pattern> {
    names.into_iter().map(Pattern::Exact).collect()
}

/// What stands in the query or in the parameter of the same meaning; both together would be two answers to one question.
fn either<T>(parameter: &str, of_query: Vec<T>, of_parameter: Vec<T>) -> Result<Vec<T>, Problem> {
    match (of_query.is_empty(), of_parameter.is_empty()) {
        (true, _) => Ok(of_parameter),
        (false, true) => Ok(of_query),
        (false, false) => {
            let detail = format!("`{parameter}` stands in `query` and as a parameter: choose one");
            Err(Problem::field(Code::InvalidField, parameter, detail))
        }
    }
}

fn later(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.max(other)
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

/// Who asks for errors and says nothing of states means jobs that ended with one.
fn with_states_of_errors(mut filter: JobFilter) -> JobFilter {
    if !filter.errors.is_empty() && filter.states.is_empty() && filter.ids.is_empty() {
        filter.states = vec![JobState::Failed, JobState::Canceled];
    }
    filter
}

/// Refuses what neither an index nor memory nor a time window narrows.
fn check_width(filter: &JobFilter) -> Result<(), Problem> {
    let named = !filter.ids.is_empty();
    let held =
        matches!(filter.states[..], [JobState::Blocked | JobState::Scheduled | JobState::Leased | JobState::Running]);
    let unsuccessful = !filter.states.is_empty()
        && filter.states.iter().all(|state| state.is_final() && *state != JobState::Succeeded);
    if filter.since.is_some() || named || held || unsuccessful || filter.run.is_some() || filter.backfill.is_some() {
        return Ok(());
    }
    let refused = |detail: &str| Err(Problem::field(Code::FilterTooWide, "query", detail));
    if !filter.errors.is_empty() {
        return refused("errors of these states are found by no index: add `since`, or ask for `state:failed`");
    }
    if !filter.labels_in.is_empty() && filter.labels.is_empty() {
        return refused("several values of a label are found by no index: add `since`, or ask for one value");
    }
    Ok(())
}

fn states(params: &mut Params) -> Result<Vec<JobState>, Problem> {
    let mut states = Vec::new();
    for word in params.list("state") {
        match (word.as_str(), JobState::parse(&word)) {
            ("pending", _) => states.extend(JobState::PENDING),
            (_, Some(state)) => states.push(state),
            (_, None) => {
                let word: String = word.chars().take(64).collect();
                return Err(Problem::field(Code::InvalidField, "state", format!("there is no state `{word}`")));
            }
        }
    }
    states.sort_unstable();
    states.dedup();
    Ok(states)
}

fn names(params: &mut Params, name: &str) -> Result<Vec<String>, Problem> {
    let mut names = params.list(name);
    check_count(name, names.len(), limits::PAGE_MAX, "entries")?;
    for one in &names {
        check_name(name, one)?;
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn labels(params: &mut Params) -> Result<Vec<(String, String)>, Problem> {
    let mut labels = Vec::new();
    let mut refusals = Refusals::default();
    for text in params.all("label") {
        let Some((key, value)) = text.split_once(':') else {
            return Err(Problem::field(Code::InvalidField, "label", "`label` must be `key:value`"));
        };
        refusals.note(check_name("label", key));
        refusals.note(check_text("label", value, limits::LABEL_VALUE_CHARS_MAX));
        labels.push((key.to_owned(), value.to_owned()));
    }
    refusals.note(check_count("label", labels.len(), limits::LABELS_MAX, "entries"));
    labels.sort_unstable();
    refusals.finish().map(|()| labels)
}
