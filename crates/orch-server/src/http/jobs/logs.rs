//! Log lines of a job's attempts: how workers send them, and pages of them.

use axum::extract::State;
use bytes::Bytes;
use orch_core::port::LogRow;
use orch_core::{JobId, Refusal, limits};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Caller, Scope, require};
use crate::http::cursor::{List, Position};
use crate::http::error::Problem;
use crate::http::fields::{Refusals, check_message};
use crate::http::id_of;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::{JobIdText, LimitNumber, LogText};
use crate::http::words::{Moment, PageOut};
use crate::state::AppState;

/// How much a line matters.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Each step.
    Trace,
    /// For those who look for a defect.
    Debug,
    /// The usual.
    #[default]
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
}

/// A line as a worker sends it and as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLineIn {
    /// The worker's time; when left out, the time of arrival.
    #[serde(default)]
    pub at: Option<Moment>,
    /// How much it matters.
    #[serde(default)]
    pub level: LogLevel,
    /// The text, at most 8,192 characters.
    #[schema(value_type = LogText)]
    pub message: String,
}

/// The lines as the ledger keeps them.
pub fn to_kept(lines: &[LogLineIn]) -> Result<Bytes, Problem> {
    let mut refusals = Refusals::default();
    for (place, line) in lines.iter().enumerate() {
        let checked: Result<(), Refusal> = check_message("message", &line.message, limits::LOG_LINE_CHARS_MAX);
        refusals.note(checked.map_err(|refusal| refusal.under(&format!("lines[{place}]"))));
    }
    refusals.finish()?;
    serde_json::to_vec(lines).map(Bytes::from).map_err(|error| Problem::internal(&error.to_string()))
}

/// A line as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogLineOut {
    /// The attempt that it belongs to.
    pub attempt: u32,
    /// When: the worker's time if it gave one.
    pub at: Moment,
    /// How much it matters.
    pub level: LogLevel,
    /// The text.
    pub message: String,
}

/// A place between lines: so many lines of the chunk (attempt, order) were shown.
#[derive(Debug, Clone, Copy)]
struct Place {
    attempt: u32,
    order: u64,
    shown: u32,
}

impl Position for Place {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.attempt.to_be_bytes());
        out.extend_from_slice(&self.order.to_be_bytes());
        out.extend_from_slice(&self.shown.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (attempt, rest) = bytes.split_first_chunk()?;
        let (order, rest) = rest.split_first_chunk()?;
        let shown = rest.try_into().ok()?;
        Some(Self {
            attempt: u32::from_be_bytes(*attempt),
            order: u64::from_be_bytes(*order),
            shown: u32::from_be_bytes(shown),
        })
    }
}

impl Place {
    const START: Self = Self { attempt: 0, order: 0, shown: 0 };

    /// The chunk after which to read, so that a chunk shown in part is read again.
    fn after(self) -> (u32, u64) {
        if self.shown == 0 { (self.attempt, self.order) } else { (self.attempt, self.order.saturating_sub(1)) }
    }
}

/// Lists the log lines of a job's attempts, oldest first.
#[utoipa::path(
    get, path = "/jobs/{id}/logs", tag = "jobs",
    params(
        ("id" = inline(JobIdText), Path, description = "The job"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<LogLineOut>, description = "A page"))
)]
pub async fn list_job_logs(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<PageOut<LogLineOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let job: JobId = id_of(&id, "job")?;
    let list = List::new("logs", app.engine().incarnation().await?, caller.tenant(), &[&id]);
    let mut params = query.open()?;
    let page = params.page::<Place>(&list)?;
    params.finish()?;
    if app.engine().job(caller.tenant(), job).await?.is_none() {
        return Err(Problem::not_found("job"));
    }
    let mut pager = Pager { items: Vec::new(), limit: page.limit, from: page.from.unwrap_or(Place::START) };
    let next = loop {
        // Few chunks at a time: each may hold a thousand long lines.
        let after = pager.from.after();
        let chunks = app.engine().ledger().log_page(caller.tenant(), job, after, CHUNKS_A_READ).await?;
        if chunks.is_empty() {
            break None;
        }
        if let Some(next) = pager.take(chunks)? {
            break Some(next);
        }
    };
    Ok(Json(PageOut { items: pager.items, next_cursor: next.map(|place| list.close(&place)) }))
}

/// Chunks of one read.
const CHUNKS_A_READ: usize = 4;

/// A page while it is filled.
#[derive(Debug)]
struct Pager {
    items: Vec<LogLineOut>,
    limit: usize,
    from: Place,
}

impl Pager {
    /// Takes the lines of chunks; the place after the page's last line once there is one line too many.
    fn take(&mut self, chunks: Vec<LogRow>) -> Result<Option<Place>, Problem> {
        let mut last = self.from;
        for chunk in chunks {
            let lines: Vec<LogLineIn> =
                serde_json::from_slice(&chunk.lines).map_err(|error| Problem::internal(&error.to_string()))?;
            let again = (chunk.attempt, chunk.order) == (self.from.attempt, self.from.order);
            let skip = if again { self.from.shown as usize } else { 0 };
            for (number, line) in lines.into_iter().enumerate().skip(skip) {
                if self.items.len() == self.limit {
                    return Ok(Some(last));
                }
                let shown = u32::try_from(number + 1).unwrap_or(u32::MAX);
                last = Place { attempt: chunk.attempt, order: chunk.order, shown };
                let at = line.at.unwrap_or(Moment(chunk.at));
                self.items.push(LogLineOut { attempt: chunk.attempt, at, level: line.level, message: line.message });
            }
            // From here on the whole chunk is behind us.
            self.from = Place { attempt: chunk.attempt, order: chunk.order, shown: 0 };
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{TenantNo, Timestamp};

    use super::*;

    fn chunk(attempt: u32, order: u64, lines: usize) -> LogRow {
        let line = |n| LogLineIn { at: None, level: LogLevel::Info, message: format!("{attempt}/{order}/{n}") };
        let lines: Vec<_> = (0..lines).map(line).collect();
        LogRow {
            job: JobId::v7(Timestamp::ZERO, 1),
            tenant: TenantNo(2),
            attempt,
            order,
            at: Timestamp::ZERO,
            lines: to_kept(&lines).unwrap(),
        }
    }

    #[test]
    fn pages_show_each_line_once_in_order_whatever_their_size() {
        let all = [chunk(1, 70_000, 3), chunk(1, 70_001, 1), chunk(2, 90_000, 4)];
        let read = |after: (u32, u64)| -> Vec<LogRow> {
            all.iter().filter(|c| (c.attempt, c.order) > after).take(2).cloned().collect()
        };
        let page = |limit: usize, from: Place| {
            let mut pager = Pager { items: Vec::new(), limit, from };
            loop {
                let chunks = read(pager.from.after());
                if chunks.is_empty() {
                    return (pager.items, None);
                }
                if let Some(next) = pager.take(chunks).unwrap() {
                    return (pager.items, Some(next));
                }
            }
        };
        let (everything, end) = page(100, Place::START);
        assert!(end.is_none() && everything.len() == 8);
        for limit in 1..=9 {
            let (mut seen, mut from) = (Vec::new(), Place::START);
            loop {
                let (items, next) = page(limit, from);
                assert!(items.len() <= limit);
                seen.extend(items.into_iter().map(|line| line.message));
                match next {
                    Some(place) => from = place,
                    None => break,
                }
            }
            assert!(seen.iter().eq(everything.iter().map(|line| &line.message)), "pages of {limit}");
        }
    }
}
