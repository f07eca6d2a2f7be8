//! Reports without a result: ack, heartbeat, release, log lines. Each item is answered for itself.

use axum::extract::State;
use bytes::Bytes;
use orch_core::lease::Token;
use orch_core::{Code, Refusal, SessionId, limits};
use orch_dispatch::Answer;
use orch_dispatch::answer::BeatAnswer;
use orch_dispatch::command::{Beat, Command, Progress};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::sessions::check_session;
use super::{stale, token_of};
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::fields::{check_count, check_message};
use crate::http::jobs::check_batch;
use crate::http::jobs::logs::{LogLineIn, to_kept};
use crate::http::json::Json;
use crate::http::object::{maybe_object, objects};
use crate::http::query::Query;
use crate::http::texts::SessionIdText;
use crate::http::unexpected;
use crate::http::words::{CodeWord, ItemsOut, Moment, ProgressBody, check_json};
use crate::state::AppState;

/// Attempts, by their tokens.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tokens": ["lse_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.0.1.2.0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.1"]}))]
pub struct TokensIn {
    /// The tokens, at most 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    pub tokens: Vec<String>,
}

/// What became of one item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "ok"}))]
pub struct ItemOut {
    /// `ok` or `refused`.
    pub status: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CodeWord>)]
    pub code: Option<Code>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The member to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl From<Result<(), Refusal>> for ItemOut {
    fn from(result: Result<(), Refusal>) -> Self {
        match result {
            Ok(()) => Self { status: "ok", code: None, detail: None, field: None },
            Err(refusal) => {
                Self { status: "refused", code: Some(refusal.code), detail: Some(refusal.detail), field: refusal.field }
            }
        }
    }
}

/// Acknowledges attempts: the worker has begun. Needed only after a claim without `auto_ack`.
#[utoipa::path(
    post, path = "/worker/ack", tag = "worker", request_body = TokensIn,
    responses((status = 200, body = ItemsOut<ItemOut>, description = "One answer a token, in order"))
)]
pub async fn ack_leases(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(TokensIn { tokens }): Json<TokensIn>,
) -> Result<Json<ItemsOut<ItemOut>>, Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    let tenants = caller.tenants();
    report(&app, tokens, |tokens| Command::Ack { tenants, tokens }).await
}

/// Gives leases back: unstarted or interrupted work. Costs no try.
#[utoipa::path(
    post, path = "/worker/release", tag = "worker", request_body = TokensIn,
    responses((status = 200, body = ItemsOut<ItemOut>, description = "One answer a token, in order"))
)]
pub async fn release_leases(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(TokensIn { tokens }): Json<TokensIn>,
) -> Result<Json<ItemsOut<ItemOut>>, Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    let tenants = caller.tenants();
    report(&app, tokens, |tokens| Command::Release { tenants, tokens }).await
}

async fn report(
    app: &AppState,
    texts: Vec<String>,
    command: impl FnOnce(Vec<Token>) -> Command,
) -> Result<Json<ItemsOut<ItemOut>>, Problem> {
    check_batch("tokens", texts.len(), limits::REPORTS_PER_CALL_MAX)?;
    let parsed: Vec<Option<Token>> = texts.iter().map(|text| text.parse().ok()).collect();
    let tokens: Vec<Token> = parsed.iter().copied().flatten().collect();
    let answers =
        if tokens.is_empty() { Answer::Items(Vec::new()) } else { app.engine().command(command(tokens)).await? };
    let Answer::Items(answers) = answers else { return Err(unexpected(&answers)) };
    let mut answers = answers.into_iter();
    let items = parsed.into_iter().map(|token| match token.and_then(|_| answers.next()) {
        Some(answer) => answer.into(),
        None => Err(stale()).into(),
    });
    Ok(Json(ItemsOut { items: items.collect() }))
}

/// A heartbeat.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "session": "wks_00000002b7a08c3e8d9f0a1b2c3d4e5f",
    "leases": [{
        "token": "lse_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.0.1.2.0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.1",
        "progress": {"percent": 40, "message": "400 of 1000"}, "checkpoint": {"next": 400}
    }]
}))]
pub struct HeartbeatIn {
    /// The worker session.
    #[schema(value_type = SessionIdText)]
    pub session: SessionId,
    /// The leases to extend, at most 1,000; others are not extended.
    #[serde(deserialize_with = "objects")]
    #[schema(max_items = 1000)]
    pub leases: Vec<BeatIn>,
}

/// One lease to extend.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeatIn {
    /// Its token.
    pub token: String,
    /// How far the attempt is.
    #[serde(default, deserialize_with = "maybe_object")]
    pub progress: Option<ProgressBody>,
    /// Any JSON up to 16 KiB: the next attempt gets it.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    pub checkpoint: Option<Box<RawValue>>,
}

/// What a heartbeat says.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeartbeatOut {
    /// One answer a lease, in order.
    pub items: Vec<BeatOut>,
    /// What the session is to do: `ok` or `drain`. More may come.
    pub session: &'static str,
}

/// What a heartbeat says of one lease.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"answer": "continue", "until": "2026-01-15T12:00:00.000Z"}))]
pub struct BeatOut {
    /// `continue`, `cancel` (a cancel was asked for) or `lost` (drop the attempt).
    pub answer: &'static str,
    /// Until when the lease holds; for `cancel`: until when the attempt may end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Progress or checkpoint was not kept, for this reason; the lease was extended all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CodeWord>)]
    pub code: Option<Code>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The member to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Extends exactly the leases that are listed.
///
/// A progress or checkpoint beyond its limit is not kept and the item says so; its lease is extended.
#[utoipa::path(
    post, path = "/worker/heartbeat", tag = "worker", request_body = HeartbeatIn,
    responses((status = 200, body = HeartbeatOut, description = "One answer a lease, in order"))
)]
pub async fn heartbeat_leases(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(HeartbeatIn { session, leases }): Json<HeartbeatIn>,
) -> Result<Json<HeartbeatOut>, Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    check_session(&caller, session)?;
    check_count("leases", leases.len(), limits::REPORTS_PER_CALL_MAX, "entries")?;
    let read: Vec<_> = leases.into_iter().map(beat_of).collect();
    let beats = read.iter().filter_map(|(beat, _)| beat.clone()).collect();
    let command = Command::Heartbeat { tenants: caller.tenants(), session, beats };
    let answer = app.engine().command(command).await?;
    let Answer::Beats { leases, drain } = answer else { return Err(unexpected(&answer)) };
    let mut answers = leases.into_iter();
    let items = read.into_iter().map(|(beat, dropped)| {
        let answer = beat.and_then(|_| answers.next()).unwrap_or(BeatAnswer::Lost);
        beat_out(answer, dropped)
    });
    Ok(Json(HeartbeatOut { items: items.collect(), session: if drain { "drain" } else { "ok" } }))
}

/// The beat, if the token is one, and why a part of it is left out.
fn beat_of(lease: BeatIn) -> (Option<Beat>, Option<Refusal>) {
    let Ok(token) = lease.token.parse() else { return (None, None) };
    let mut dropped = None;
    let progress = lease.progress.and_then(|progress| {
        let checked = check_progress(&progress);
        let kept = checked.is_ok().then_some(Progress { percent: progress.percent, message: progress.message });
        dropped = checked.err();
        kept
    });
    let checkpoint = lease.checkpoint.and_then(|json| {
        let checked = check_json("checkpoint", &json, limits::CHECKPOINT_BYTES_MAX);
        let kept = checked.is_ok().then(|| Bytes::from(String::from(Box::<str>::from(json))));
        dropped = checked.err().or_else(|| dropped.take());
        kept
    });
    (Some(Beat { token, progress, checkpoint }), dropped)
}

fn check_progress(progress: &ProgressBody) -> Result<(), Refusal> {
    if progress.percent > 100 {
        let detail = format!("`progress.percent` is {}; it must lie between 0 and 100", progress.percent);
        return Err(Refusal::field(Code::InvalidField, "progress.percent", detail));
    }
    check_message("progress.message", &progress.message, limits::ERROR_MESSAGE_CHARS_MAX)
}

fn beat_out(answer: BeatAnswer, dropped: Option<Refusal>) -> BeatOut {
    let (answer, until) = match answer {
        BeatAnswer::Continue(until) => ("continue", Some(until)),
        BeatAnswer::Cancel(until) => ("cancel", Some(until)),
        BeatAnswer::Lost => ("lost", None),
    };
    let until = until.map(Moment);
    match dropped {
        None => BeatOut { answer, until, code: None, detail: None, field: None },
        Some(refusal) => {
            BeatOut { answer, until, code: Some(refusal.code), detail: Some(refusal.detail), field: refusal.field }
        }
    }
}

/// Log lines of an attempt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "lse_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.0.1.2.0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.1",
    "lines": [{"level": "info", "message": "fetched 1404 entries"}]
}))]
pub struct LogsIn {
    /// The attempt.
    pub token: String,
    /// The lines, at most 1,000.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<LogLineIn>,
}

/// Nothing to say.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmptyOut {}

/// Appends log lines to an attempt.
#[utoipa::path(
    post, path = "/worker/logs", tag = "worker", request_body = LogsIn,
    responses((status = 200, body = EmptyOut, description = "They are kept"))
)]
pub async fn append_job_logs(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(LogsIn { token, lines }): Json<LogsIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    check_batch("lines", lines.len(), limits::LOG_LINES_MAX)?;
    let lines = to_kept(&lines)?;
    let token = token_of(&token)?;
    app.engine().command(Command::Log { tenants: caller.tenants(), token, lines }).await?;
    Ok(Json(EmptyOut {}))
}
