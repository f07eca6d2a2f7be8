//! Everything of a tenant as JSON lines: its jobs, then its history, page by page from committed rows.
//!
//! Nothing is held but one page; a caller that is slow or gone hurts only itself. The last line says how many there
//! were, so that a transfer that broke off can be told from a whole one.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use orch_core::JobId;
use orch_core::fact::Record;
use orch_core::ids::Stream;
use orch_core::port::TenantRow;
use orch_engine::{Engine, JobFilter, JobView};
use serde::Serialize;

use super::{TenantOut, find, shown};
use crate::access::{Caller, Scope, require_any};
use crate::http::error::Problem;
use crate::http::jobs::output::JobOut;
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::NameText;
use crate::state::AppState;

/// Jobs of one page: their payloads are in memory together.
const JOBS: usize = 20;
/// Blocks of history of one page.
const BLOCKS: usize = 64;

/// One line.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Tenant { tenant: &'a TenantOut },
    Job { job: &'a JobOut },
    Fact { fact: &'a Record },
    End { jobs: u64, facts: u64 },
}

/// Where the export is.
enum Place {
    Head(Box<TenantOut>),
    Jobs(Option<JobId>),
    History(u64),
    Over,
}

struct Export {
    engine: Engine,
    tenant: TenantRow,
    place: Place,
    jobs: u64,
    facts: u64,
}

/// Why an export breaks off.
type Broken = Box<dyn std::error::Error + Send + Sync>;

impl Export {
    /// The next lines; `None` when all were given.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut out = Vec::new();
        self.place = match std::mem::replace(&mut self.place, Place::Over) {
            Place::Head(tenant) => {
                write(&mut out, &Line::Tenant { tenant: &tenant })?;
                Place::Jobs(None)
            }
            Place::Jobs(before) => self.jobs(before, &mut out).await?,
            Place::History(after) => self.history(after, &mut out).await?,
            Place::Over => return Ok(None),
        };
        Ok(Some(out.into()))
    }

    async fn jobs(&mut self, before: Option<JobId>, out: &mut Vec<u8>) -> Result<Place, Broken> {
        let filter = JobFilter { before, limit: JOBS, ..JobFilter::default() };
        let (views, next) = self.engine.jobs(self.tenant.no, &filter).await?;
        let tenant = self.tenant.id.to_string();
        self.jobs += views.len() as u64;
        for view in views {
            write(out, &Line::Job { job: &with_payload(view, &tenant)? })?;
        }
        Ok(next.map_or(Place::History(0), |id| Place::Jobs(Some(id))))
    }

    async fn history(&mut self, mut after: u64, out: &mut Vec<u8>) -> Result<Place, Broken> {
        let blocks = self.engine.ledger().stream_read(Stream::from(self.tenant.no), after, BLOCKS).await?;
        if blocks.is_empty() {
            write(out, &Line::End { jobs: self.jobs, facts: self.facts })?;
            return Ok(Place::Over);
        }
        for block in blocks {
            after = block.last_seq;
            for fact in block.records()? {
                self.facts += 1;
                write(out, &Line::Fact { fact: &fact })?;
            }
        }
        Ok(Place::History(after))
    }
}

fn with_payload(view: JobView, tenant: &str) -> Result<JobOut, serde_json::Error> {
    let payload = serde_json::from_slice(&view.row.payload)?;
    let mut job = JobOut::of_view(view, tenant);
    job.payload = payload;
    Ok(job)
}

fn write(out: &mut Vec<u8>, line: &Line<'_>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *out, line)?;
    out.push(b'\n');
    Ok(())
}

/// Exports a tenant as JSON lines: any for `orch:admin`, the caller's own for `orch:operate`.
///
/// First a line of kind `tenant`, then the jobs, newest first, then its facts in order, and a line of kind `end` with
/// both numbers; without that line the transfer broke off. What happens meanwhile may be in the facts alone.
#[utoipa::path(
    get, path = "/tenants/{name}/export", tag = "tenants",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = String, content_type = "application/jsonl", description = "One JSON object a line"))
)]
pub async fn export_tenant(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    require_any(&caller, &[Scope::Operate, Scope::Admin])?;
    query.none()?;
    let tenant = find(&app, &caller, &name).await?;
    let head = Box::new(shown(&app, tenant.clone()).await?);
    let export = Export { engine: app.engine().clone(), tenant, place: Place::Head(head), jobs: 0, facts: 0 };
    let lines = stream::try_unfold(export, |mut export| async move {
        let lines = export.next().await.inspect_err(|error| tracing::error!(%error, "an export broke off"))?;
        Ok::<_, Broken>(lines.map(|lines| (lines, export)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    Ok(response)
}
