//! Declared things from files: many documents in one call, checked together, compared with what is there, and written.
//!
//! Which kinds there are is in `document`. Nothing but declared things is written: pauses and what gates remember stay.

pub mod difference;
pub mod document;

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use orch_core::config::{ConfigDoc, ConfigKind, check_connector};
use orch_core::graph::{Graph, StepKind};
use orch_core::ids::TenantNo;
use orch_core::{Code, Refusal, Timestamp, limits};
use orch_dispatch::Answer;
use orch_dispatch::answer::ConfigFound;
use orch_dispatch::command::{Command, Expect, Read};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::difference::{DifferenceOut, differences};
use self::document::{Document, KINDS, KindWord, read_document};
use super::declared::{check, put};
use super::error::{FIELD_ERRORS_MAX, Problem};
use super::fields::check_count;
use super::json::Json;
use super::query::Query;
use super::unexpected;
use super::words::CodeWord;
use crate::access::{Caller, require, require_any};
use crate::state::AppState;

/// The route of documents.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(apply))
}

/// Documents that declare things.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Apply, example = json!({
    "documents": [{"declare": "bucket", "name": "nvd", "host": "services.nvd.nist.gov", "terms": [{"limit": 5, "window_ms": 30000}]}],
    "dry_run": true
}))]
pub struct ApplyIn {
    /// Each declares one thing; no two the same.
    #[schema(value_type = Vec<Document>, max_items = 500)]
    pub documents: Vec<Box<RawValue>>,
    /// Check and compare only, and write nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of the documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApplyOut {
    /// Nothing was written.
    pub dry_run: bool,
    /// One answer a document, in order.
    pub items: Vec<AppliedOut>,
}

/// What became of a document, or would.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Applied, example = json!({
    "kind": "bucket", "name": "nvd", "action": "changed", "version": 2,
    "diff": [{"path": "/terms/0/limit", "from": 5, "to": 10}]
}))]
pub struct AppliedOut {
    /// Which kind of thing.
    #[schema(value_type = KindWord)]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What was done, or would be.
    pub action: Action,
    /// Its version after the call, as far as the call knows; null when there is none.
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// What the document changes.
    pub diff: Vec<DifferenceOut>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CodeWord>)]
    pub code: Option<Code>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What is done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AppliedAction)]
pub enum Action {
    /// There was none of its kind and name.
    Created,
    /// A new version took the place of the one that was there.
    Changed,
    /// It says what is there already.
    Unchanged,
    /// It could not be written when its turn came: somebody else was faster, or the server cannot serve now.
    Refused,
    /// It was left alone, because the server could not serve a document before it.
    NotTried,
}

/// A document that was read.
struct Wanted {
    place: usize,
    rank: usize,
    doc: ConfigDoc,
}

/// What is declared now, of the kinds that a call speaks of.
type Current = BTreeMap<(ConfigKind, String), ConfigFound>;

/// Declares what documents say: what is missing is made, what differs gets a new version, what is the same stays.
///
/// All documents are checked first, and nothing is written if one of them is not acceptable. Then each is written by
/// itself, over the version that it was compared with: the call is no transaction. A document that somebody else has
/// changed in between is `refused` with `version_conflict`; what was written before and after it stays. What was
/// paused stays paused, and what gates remember stays as it is. The same call again does no harm.
#[utoipa::path(
    post, path = "/apply", tag = "apply", request_body = ApplyIn,
    responses((status = 200, body = ApplyOut, description = "What became of each document"))
)]
pub async fn apply(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(ApplyIn { documents, dry_run }): Json<ApplyIn>,
) -> Result<Json<ApplyOut>, Problem> {
    require_any(&caller, &KINDS.iter().map(|kind| kind.scope).collect::<Vec<_>>())?;
    query.none()?;
    check_count("documents", documents.len(), limits::DOCUMENTS_PER_CALL_MAX, "entries")?;
    let (wanted, refused) = read(&documents);
    wanted.iter().try_for_each(|wanted| require(&caller, KINDS[wanted.rank].scope))?;
    let (wanted, current) = checked(&app, &caller, wanted, refused, "documents").await?;
    let mut items: Vec<_> = wanted.iter().map(|wanted| (wanted.place, plan(wanted, &current))).collect();
    if !dry_run {
        write(&app, &caller, wanted, &mut items).await?;
    }
    items.sort_by_key(|(place, _)| *place);
    Ok(Json(ApplyOut { dry_run, items: items.into_iter().map(|(_, item)| item).collect() }))
}

/// The documents in the order in which they are written, and what is declared of their kinds now; or all that was refused
/// of them, as items of a list of this name.
async fn checked(
    app: &AppState,
    caller: &Caller,
    mut wanted: Vec<Wanted>,
    mut refused: Vec<Refused>,
    list: &str,
) -> Result<(Vec<Wanted>, Current), Problem> {
    let current = current(app, caller, &wanted).await?;
    let heights = heights(&wanted);
    let height = |wanted: &Wanted| heights.get(wanted.doc.name()).filter(|_| wanted.doc.kind() == ConfigKind::Graph);
    wanted.sort_by_key(|wanted| (wanted.rank, height(wanted).copied(), wanted.place));
    refused.extend(check_all(caller.tenant(), &wanted, &current, app.engine().now()).await);
    refuse(refused, list)?;
    Ok((wanted, current))
}

/// Of the documents of a list those that would change something, each with its place, in the order in which they would be
/// written.
pub(super) async fn what_differs(
    app: &AppState,
    caller: &Caller,
    documents: &[Box<RawValue>],
    list: &str,
) -> Result<Vec<(usize, ConfigDoc)>, Problem> {
    let (wanted, refused) = read(documents);
    let (mut wanted, current) = checked(app, caller, wanted, refused, list).await?;
    let found = |doc: &ConfigDoc| current.get(&(doc.kind(), doc.name().to_owned()));
    wanted.retain(|wanted| found(&wanted.doc).is_none_or(|found| found.doc != wanted.doc));
    Ok(wanted.into_iter().map(|Wanted { place, doc, .. }| (place, doc)).collect())
}

/// A refusal, and the place of the document that it is about.
type Refused = (usize, Refusal);

/// The documents that can be read, and why the others can not.
fn read(documents: &[Box<RawValue>]) -> (Vec<Wanted>, Vec<Refused>) {
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for (place, text) in documents.iter().enumerate() {
        match read_document(text) {
            Ok((rank, doc)) => wanted.push(Wanted { place, rank, doc }),
            Err(refusal) => refused.push((place, refusal)),
        }
    }
    (wanted, refused)
}

/// How many levels of graphs of this call each of them has inside it: what is inside is written first.
fn heights(wanted: &[Wanted]) -> BTreeMap<String, u64> {
    let graphs = wanted.iter().filter_map(|wanted| match &wanted.doc {
        ConfigDoc::Graph(graph) => Some(graph),
        _ => None,
    });
    let inside = |graph: &Graph| {
        let names = graph.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Graph(of) => Some(of.name.clone()),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    let inside: BTreeMap<String, Vec<String>> = graphs.map(|graph| (graph.name.clone(), inside(graph))).collect();
    let mut heights: BTreeMap<String, u64> = inside.keys().map(|name| (name.clone(), 0)).collect();
    // More levels are refused, and so is a circle.
    for _ in 0..limits::GRAPH_DEPTH_MAX {
        for (name, inner) in &inside {
            let height = inner.iter().filter_map(|inner| heights.get(inner)).max().map_or(0, |height| height + 1);
            heights.insert(name.clone(), height);
        }
    }
    heights
}

/// Nothing was refused, or a problem that names all of it, in the order of the documents.
fn refuse(mut refused: Vec<Refused>, list: &str) -> Result<(), Problem> {
    refused.sort_by_key(|(place, _)| *place);
    let named = refused.into_iter().map(|(place, refusal)| refusal.under(&format!("{list}[{place}]")));
    Problem::fields(named.flat_map(Refusal::parted).collect()).map_or(Ok(()), Err)
}

async fn current(app: &AppState, caller: &Caller, wanted: &[Wanted]) -> Result<Current, Problem> {
    let mut current = Current::new();
    for kind in wanted.iter().map(|wanted| wanted.doc.kind()).collect::<BTreeSet<_>>() {
        let answer = app.engine().command(Command::Read(Read::Configs { tenant: caller.tenant(), kind })).await?;
        let Answer::Configs(found) = answer else { return Err(unexpected(&answer)) };
        current.extend(found.into_iter().map(|found| ((kind, found.doc.name().to_owned()), found)));
    }
    Ok(current)
}

/// Checks each document by itself, and as its turn will find the others. One that says what is there already is not
/// written and needs no check: a calendar may have come to its end since.
///
/// Some checks take milliseconds, so others get their turn between two of them, and there is an end to it when more
/// refusals would not be shown.
async fn check_all(tenant: TenantNo, wanted: &[Wanted], current: &Current, now: Timestamp) -> Vec<Refused> {
    let (mut refused, mut names) = (Vec::new(), BTreeSet::new());
    let mut then: BTreeMap<_, _> = current.iter().map(|(key, found)| (key.clone(), &found.doc)).collect();
    for Wanted { place, rank, doc } in wanted {
        if refused.len() >= FIELD_ERRORS_MAX {
            break;
        }
        tokio::task::yield_now().await;
        let key = (doc.kind(), doc.name().to_owned());
        let before = then.get(&key).copied();
        if before != Some(doc) {
            let checked = check(doc, now).and_then(|()| check_connector(doc, before, then.values().copied()));
            let checked = checked.and_then(|()| orch_dispatch::flight::is_own(tenant, doc));
            refused.extend(checked.err().map(|refusal| (*place, refusal)));
        }
        if !names.insert(key.clone()) {
            let detail = format!("the {} `{}` stands twice in this call", KINDS[*rank].word, doc.name());
            refused.push((*place, Refusal::field(Code::InvalidField, "name", detail)));
        }
        then.insert(key, doc);
    }
    refused
}

fn plan(Wanted { rank, doc, .. }: &Wanted, current: &Current) -> AppliedOut {
    let kind = &KINDS[*rank];
    let found = current.get(&(kind.kind, doc.name().to_owned()));
    let action = match found {
        None => Action::Created,
        Some(found) if found.doc == *doc => Action::Unchanged,
        Some(_) => Action::Changed,
    };
    let before = found.map(|found| kind.show(&found.doc));
    let diff = differences(before.as_ref(), &kind.show(doc));
    let version = found.map(|found| found.version);
    AppliedOut { kind: kind.word, name: doc.name().to_owned(), action, version, diff, code: None, detail: None }
}

/// Writes what differs, in order. Each item says how far it came.
///
/// # Errors
/// The server cannot serve, and nothing was written yet: the whole call may be repeated.
async fn write(
    app: &AppState,
    caller: &Caller,
    wanted: Vec<Wanted>,
    items: &mut [(usize, AppliedOut)],
) -> Result<(), Problem> {
    let (mut written, mut stopped) = (false, false);
    for (Wanted { doc, .. }, (_, item)) in wanted.into_iter().zip(items) {
        if item.action == Action::Unchanged {
            continue;
        }
        if stopped {
            item.action = Action::NotTried;
            continue;
        }
        let expect = item.version.map_or(Expect::Absent, Expect::Version);
        match put(app, caller, doc, expect).await {
            Ok((version, _)) => {
                (item.version, written) = (Some(version), true);
            }
            Err(problem) if problem.code().retryable() && !written => return Err(problem),
            Err(problem) => {
                stopped = problem.code().retryable();
                let Refusal { code, detail, .. } = problem.into_first();
                // Made by somebody else in between: another version than the none that was compared with.
                let made = expect == Expect::Absent && code == Code::StateConflict;
                let code = if made { Code::VersionConflict } else { code };
                (item.action, item.code, item.detail) = (Action::Refused, Some(code), Some(detail));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_one(document: &serde_json::Value) -> Wanted {
        let text = RawValue::from_string(document.to_string()).unwrap();
        let (rank, doc) = read_document(&text).unwrap();
        Wanted { place: 0, rank, doc }
    }

    #[tokio::test]
    async fn what_is_there_already_is_not_checked_again() {
        let calendar = json!({"rrule": "FREQ=DAILY;UNTIL=20260102T000000Z", "starts_at": "2026-01-01T02:00:00", "duration_ms": 1, "zone": "UTC"});
        let upkeep = json!({"declare": "blackout", "name": "upkeep", "calendar": calendar});
        let [early, late] =
            ["2025-12-01T00:00:00Z", "2027-01-01T00:00:00Z"].map(|text| Timestamp::parse_rfc3339(text).unwrap());
        let wanted = read_one(&upkeep);
        assert_eq!(check_all(TenantNo(7), std::slice::from_ref(&wanted), &Current::new(), early).await, []);
        assert_eq!(
            check_all(TenantNo(7), std::slice::from_ref(&wanted), &Current::new(), late).await.len(),
            1,
            "it comes no more"
        );
        let found = ConfigFound { doc: wanted.doc.clone(), version: 1, at: early };
        let current = Current::from([((ConfigKind::Blackout, "upkeep".to_owned()), found)]);
        assert_eq!(check_all(TenantNo(7), &[wanted], &current, late).await, []);
    }
}
