//! The one door out for errors: refusals, engine errors and ledger errors become problem details (RFC 9457).
//!
//! What is internal is logged here, once, and never reaches a body. `finish` adds the request's id.

use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use orch_core::port::StoreError;
use orch_core::{Code, Refusal};
use serde::Serialize;
use tracing::Instrument as _;
use utoipa::ToSchema;

use super::request_id::RequestId;

/// Field errors shown in one answer; a thousand bad jobs need not be listed one by one.
pub const FIELD_ERRORS_MAX: usize = 100;

/// The header that names the API's version; it rises only when something is taken away.
const API_VERSION: HeaderName = HeaderName::from_static("orch-api-version");

/// The header that names the server's version.
const VERSION: HeaderName = HeaderName::from_static("orch-version");

/// Milliseconds after which a caller may try again when nobody knows better.
const RETRY_AFTER_MS: u64 = 1_000;

/// What is wrong, in the form of RFC 9457.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
    errors: Vec<Refusal>,
    retry_after_ms: Option<u64>,
}

/// The body of a problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:orch:error:limit_exceeded",
    "title": "A limit is exceeded",
    "status": 422,
    "code": "limit_exceeded",
    "detail": "`jobs` has 1001 entries; at most 1000 are allowed",
    "retryable": false,
    "request_id": "req_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f",
    "errors": [{"field": "jobs", "code": "limit_exceeded", "detail": "`jobs` has 1001 entries; at most 1000 are allowed"}]
}))]
pub struct ProblemOut<'a> {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in a few words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// The stable code; each has a page in `docs/errors`.
    code: &'a str,
    /// What was wrong this time.
    detail: &'a str,
    /// Whether the same call may succeed later.
    retryable: bool,
    /// The id of the request, as in `X-Request-Id`.
    request_id: &'a str,
    /// The fields to blame, if any are.
    errors: Vec<FieldErrorOut<'a>>,
}

/// One field to blame.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub struct FieldErrorOut<'a> {
    /// Path of the field, as `jobs[3].payload`.
    field: &'a str,
    /// The stable code.
    code: &'a str,
    /// What is wrong with it.
    detail: &'a str,
}

impl Problem {
    /// A problem that blames no field.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::from(Refusal::new(code, detail))
    }

    /// A problem that blames a field.
    #[must_use]
    pub fn field(code: Code, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::from(Refusal::field(code, field, detail))
    }

    /// Nothing there, or not the caller's: one answer for both.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// A defect on this side. `context` goes to the log only.
    #[must_use]
    pub fn internal(context: &str) -> Self {
        tracing::error!(context, "a request met a defect");
        Self::new(Code::Internal, "something went wrong on this side; the log knows more under the request's id")
    }

    /// The same problem under another status than its code's usual one.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Several fields to blame at once; `None` when the list is empty.
    #[must_use]
    pub fn fields(mut refusals: Vec<Refusal>) -> Option<Self> {
        let first = refusals.first()?;
        let same = refusals.iter().all(|refusal| refusal.code == first.code);
        let code = if same { first.code } else { Code::InvalidField };
        let detail = match refusals.len() {
            1 => first.detail.clone(),
            many => format!("{many} fields are not acceptable; the first: {}", first.detail),
        };
        refusals.truncate(FIELD_ERRORS_MAX);
        Some(Self { status: face(code).0, code, detail, errors: refusals, retry_after_ms: None })
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The first of what it says, for answers per item.
    #[must_use]
    pub fn into_first(self) -> Refusal {
        let Self { code, detail, errors, .. } = self;
        errors.into_iter().next().unwrap_or_else(|| Refusal::new(code, detail))
    }

    /// Renames the fields it blames: a single job's fields come from a batch of one.
    #[must_use]
    pub fn map_fields(mut self, rename: impl Fn(&str) -> Option<String>) -> Self {
        for error in &mut self.errors {
            error.field = error.field.as_deref().and_then(&rename);
        }
        self.errors.retain(|error| error.field.is_some());
        self
    }

    /// The body, as JSON.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let errors = self.errors.iter().filter_map(|error| {
            let field = error.field.as_deref()?;
            Some(FieldErrorOut { field, code: error.code.as_str(), detail: &error.detail })
        });
        let body = ProblemOut {
            kind: format!("urn:orch:error:{}", self.code.as_str()),
            title: face(self.code).1,
            status: self.status.as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            retryable: self.code.retryable(),
            request_id,
            errors: errors.collect(),
        };
        serde_json::to_vec(&body).expect("a problem holds only texts and numbers, which JSON can hold")
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&self.status);
        if busy {
            let ms = self.retry_after_ms.unwrap_or(RETRY_AFTER_MS);
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000).max(1)));
        }
    }
}

/// The usual status of a code and its title.
#[must_use]
pub fn face(code: Code) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match code {
        Code::InvalidField => (S::UNPROCESSABLE_ENTITY, "A field is not acceptable"),
        Code::InvalidBody => (S::BAD_REQUEST, "The body is not what was expected"),
        Code::UnknownField => (S::UNPROCESSABLE_ENTITY, "A member is not known"),
        Code::LimitExceeded => (S::UNPROCESSABLE_ENTITY, "A limit is exceeded"),
        Code::UnknownJobType => (S::UNPROCESSABLE_ENTITY, "There is no such job type"),
        Code::UnknownSource => (S::UNPROCESSABLE_ENTITY, "There is no such source"),
        Code::UnknownProject => (S::UNPROCESSABLE_ENTITY, "There is no such project"),
        Code::UnknownDependency => (S::UNPROCESSABLE_ENTITY, "A dependency names no job"),
        Code::DependencyCycle => (S::UNPROCESSABLE_ENTITY, "The dependencies form a cycle"),
        Code::TimeOutOfRange => (S::UNPROCESSABLE_ENTITY, "A moment is out of range"),
        Code::InvalidCursor => (S::BAD_REQUEST, "The cursor does not belong to this list"),
        Code::NotFound => (S::NOT_FOUND, "There is no such thing"),
        Code::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "The method is not allowed here"),
        Code::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "The media type is not accepted"),
        Code::Unauthenticated => (S::UNAUTHORIZED, "Valid credentials are needed"),
        Code::Forbidden => (S::FORBIDDEN, "The credentials do not allow this"),
        Code::IdConflict => (S::CONFLICT, "The id is in use"),
        Code::IdempotencyMismatch => (S::UNPROCESSABLE_ENTITY, "The key came with another content"),
        Code::StateConflict => (S::CONFLICT, "The state does not allow this"),
        Code::TenantDeleting => (S::CONFLICT, "The tenant is being deleted"),
        Code::VersionConflict => (S::PRECONDITION_FAILED, "The version is not the current one"),
        Code::VersionRequired => (S::PRECONDITION_REQUIRED, "The change needs If-Match"),
        Code::StaleLease => (S::CONFLICT, "The lease is not current"),
        Code::CompletionConflict => (S::CONFLICT, "The attempt ended otherwise"),
        Code::WatermarkConflict => (S::CONFLICT, "The watermark is elsewhere"),
        Code::UnknownSession => (S::NOT_FOUND, "The worker session is not known"),
        Code::DigestMismatch => (S::BAD_REQUEST, "The digest is another"),
        Code::FilterTooWide => (S::UNPROCESSABLE_ENTITY, "The filter is too wide"),
        Code::BacklogFull => (S::TOO_MANY_REQUESTS, "Too much is waiting"),
        Code::Overloaded => (S::SERVICE_UNAVAILABLE, "The server has too much to do"),
        Code::NotOwner => (S::SERVICE_UNAVAILABLE, "Another replica owns the shard"),
        Code::OutcomeUnknown => (S::SERVICE_UNAVAILABLE, "The outcome is not known"),
        Code::Draining => (S::SERVICE_UNAVAILABLE, "The server is shutting down"),
        Code::Internal => (S::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::fields(refusal.parted()).expect("a refusal is at least itself")
    }
}

impl From<orch_engine::Error> for Problem {
    fn from(error: orch_engine::Error) -> Self {
        match &error {
            orch_engine::Error::Internal(context) => return Self::internal(context),
            orch_engine::Error::Ledger(source) => tracing::error!(error = %source, "a read for a request failed"),
            _ => {}
        }
        let retry_after_ms = error.retry_after_ms();
        Self { retry_after_ms, ..Self::from(error.refusal()) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(orch_engine::Error::Ledger(error))
    }
}

impl IntoResponse for Problem {
    /// Leaves the problem beside an empty body; `finish` writes it once the request's id is at hand.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The outermost layer: gives each request an id and writes problems.
pub async fn finish(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = id.as_str(), %method, path);
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    if let Some(problem) = problem_of(&mut response) {
        let allow = response.headers_mut().remove(ALLOW);
        response = (problem.status, problem.body(id.as_str())).into_response();
        problem.headers(response.headers_mut());
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    id.write(response.headers_mut());
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("v1"));
    response.headers_mut().insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}

/// The problem that a response carries. A bare error status (from a layer of the framework) becomes one too.
fn problem_of(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    let own_body = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if own_body || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let code = if status.is_client_error() { Code::InvalidBody } else { Code::Internal };
    let detail = status.canonical_reason().unwrap_or("the request was refused").to_lowercase();
    Some(Problem::new(code, detail).with_status(status))
}

/// The answer for a path that nothing serves.
pub async fn no_such_path() -> Problem {
    Problem::not_found("path")
}

/// The answer for a method that a path does not have.
pub async fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "this path has no such method; `Allow` names those it has")
}

/// The answer when a handler panicked. The panic's text goes to the log only.
pub fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
    Problem::internal(text).into_response()
}

#[cfg(test)]
mod tests;
