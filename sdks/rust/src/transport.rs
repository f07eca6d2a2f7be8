//! One HTTP exchange, and when it is repeated: another address, another moment, or not at all.
//!
//! Knows nothing of jobs. What a call may be repeated after is decided in [`Failure::spares`] and nowhere else.

use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::budget::Budget;
use crate::clock;
use crate::error::{Error, Problem};
use crate::rehearsal::Rehearsal;

/// Where the API lies on every address.
pub const BASE: &str = "/api/v1/orchestrator";
/// Which tenant is meant.
const TENANT: &str = "x-stella-tenant";
/// What makes a write safe to repeat.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How long an exchange may take unless the call says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// First pause before a repeat.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest pause before a repeat.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Look again so often whether the budget allows a repeat.
const BUDGET_PAUSE: Duration = Duration::from_millis(250);

/// A request that has not been sent.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    query: Vec<(Cow<'static, str>, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<(Bytes, HeaderValue)>,
    key: Option<String>,
    key_given: bool,
    if_match: Option<u64>,
    repeatable: bool,
    harmless: bool,
    timeout: Duration,
}

impl Call {
    /// A read; may be repeated.
    pub fn get(path: impl Into<String>) -> Self {
        Self { repeatable: true, ..Self::new(Method::GET, path.into()) }
    }

    /// A write that must not be repeated when its outcome is not known.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path.into())
    }

    /// A replacement that must not be repeated when its outcome is not known.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path.into())
    }

    /// A removal that must not be repeated when its outcome is not known.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path.into())
    }

    /// Any method; not repeated when its outcome is not known.
    pub fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            key: None,
            key_given: false,
            if_match: None,
            repeatable: false,
            harmless: false,
            timeout: TIMEOUT,
        }
    }

    /// With this JSON as its body.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(value).map_err(Error::Encode)?;
        Ok(self.body(bytes.into(), HeaderValue::from_static("application/json")))
    }

    /// With these bytes as its body.
    pub fn bytes(self, bytes: Bytes, media_type: &str) -> Self {
        let octets = HeaderValue::from_static("application/octet-stream");
        let media_type = HeaderValue::from_str(media_type).unwrap_or(octets);
        self.body(bytes, media_type)
    }

    fn body(mut self, bytes: Bytes, media_type: HeaderValue) -> Self {
        self.body = Some((bytes, media_type));
        self
    }

    /// With one query parameter more.
    pub fn query(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// With one header more.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer need only name what was made (RFC 7240).
    pub fn minimal(self) -> Self {
        self.header(HeaderName::from_static("prefer"), HeaderValue::from_static("return=minimal"))
    }

    /// With one query parameter more, if there is a value.
    pub fn maybe_query(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// With an idempotency key, a new one if none is given; may be repeated.
    pub fn keyed(mut self, key: Option<&str>) -> Self {
        self.key_given = key.is_some();
        self.key = Some(key.map_or_else(|| clock::uuid().to_string(), str::to_owned));
        self.repeatable()
    }

    /// May be repeated: the server promises that twice is as good as once.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Writes nothing, whatever its method: a rehearsal sends it; may be repeated.
    pub fn harmless(mut self) -> Self {
        self.harmless = true;
        self.repeatable()
    }

    /// Only if this is the current version.
    pub fn if_match(mut self, version: u64) -> Self {
        self.if_match = Some(version);
        self
    }

    /// May take so long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Method and path, for messages.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// What it would have been.
    fn rehearsal(&self) -> Rehearsal {
        let mut headers = Vec::new();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        if let Some((_, media_type)) = &self.body {
            add(CONTENT_TYPE.as_str(), &String::from_utf8_lossy(media_type.as_bytes()));
        }
        if let Some(key) = self.key.as_ref().filter(|_| self.key_given) {
            add(IDEMPOTENCY_KEY, key);
        }
        if let Some(version) = self.if_match {
            add(IF_MATCH.as_str(), &etag(version));
        }
        for (name, value) in &self.headers {
            add(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
        let query: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{}={}", segment(name), segment(value))).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let body = self.body.as_ref().map(|(bytes, _)| bytes.clone()).unwrap_or_default();
        Rehearsal { method: self.method.to_string(), path: format!("{BASE}{}{query}", self.path), headers, body }
    }
}

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// What a transport is made of.
#[derive(Clone)]
pub struct Settings {
    /// Where the server listens; all are the same server to us.
    pub addresses: Vec<Url>,
    /// The bearer token.
    pub token: Option<HeaderValue>,
    /// Which tenant is meant, of those that the token allows.
    pub tenant: Option<HeaderValue>,
    /// Writes are told, not sent.
    pub rehearsing: bool,
}

/// Connections to the server.
pub struct Transport {
    http: reqwest::Client,
    settings: Settings,
    current: AtomicUsize,
    budget: Mutex<Budget>,
}

impl Transport {
    /// Connections of their own.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(crate::SDK)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if settings.addresses.iter().all(|address| address.scheme() == "http") {
            // Spares reading the system's certificates, which a small container need not even have.
            builder = builder.tls_certs_only([]);
        }
        if settings.addresses.iter().all(is_loopback) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Error::Settings(format!("no HTTP client: {error}")))?;
        let budget = Mutex::new(Budget::new(clock::now()));
        Ok(Self { http, settings, current: AtomicUsize::new(0), budget })
    }

    /// The same settings, for connections of another runtime.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Refuses a write that must not be sent, and tells what it would have been.
    pub fn rehearse(&self, call: &Call) -> Result<(), Error> {
        if self.settings.rehearsing && call.method != Method::GET && !call.harmless {
            return Err(Error::Rehearsed(Box::new(call.rehearsal())));
        }
        Ok(())
    }

    /// Sends a call, and again as long as that is safe, allowed by the budget, and `patience` lasts.
    pub async fn send(&self, call: &Call, patience: Duration) -> Result<Answer, Error> {
        self.rehearse(call)?;
        let until = clock::now() + patience;
        self.lock_budget().call();
        let mut failures = 0;
        loop {
            let failure = match self.send_round(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            failures += 1;
            let pause = failure.retry_after().max(clock::jitter(PAUSE, PAUSE_MAX, failures));
            if !failure.spares(call) || clock::now() + pause > until {
                return Err(failure.into_error());
            }
            clock::pause(pause).await;
            while !self.lock_budget().repeat(clock::now()) {
                if clock::now() > until {
                    return Err(failure.into_error());
                }
                clock::pause(clock::jitter(BUDGET_PAUSE, BUDGET_PAUSE, 1)).await;
            }
        }
    }

    /// Sends a call to the current address, and to each other one while the answer is that another would do better.
    pub async fn send_round(&self, call: &Call) -> Result<Answer, Failure> {
        let addresses = self.settings.addresses.len();
        let mut tried = 1;
        loop {
            let place = self.current.load(Ordering::Relaxed) % addresses;
            let failure = match self.send_to(call, &self.settings.addresses[place]).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if failure.elsewhere() {
                let next = (place + 1) % addresses;
                let _ = self.current.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
            }
            if tried == addresses || !failure.elsewhere() || !failure.spares(call) {
                return Err(failure);
            }
            tried += 1;
        }
    }

    async fn send_to(&self, call: &Call, address: &Url) -> Result<Answer, Failure> {
        let unanswered = |source: reqwest::Error| Failure::Unanswered {
            address: address.to_string(),
            sent: !source.is_connect(),
            source: source.without_url(),
        };
        let response = self.request(call, address).send().await.map_err(unanswered)?;
        let status = response.status();
        let retry_after_ms = retry_after_ms(response.headers().get(RETRY_AFTER));
        let body = response.bytes().await.map_err(unanswered)?;
        if status.is_success() {
            return Ok(Answer { status: status.as_u16(), body });
        }
        Err(Failure::Problem(Box::new(problem(status, &body, retry_after_ms)), body))
    }

    fn request(&self, call: &Call, address: &Url) -> reqwest::RequestBuilder {
        let mut url = address.clone();
        let prefix = address.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}{BASE}{}", call.path));
        let mut request = self.http.request(call.method.clone(), url).timeout(call.timeout);
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(token) = &self.settings.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        if let Some(tenant) = &self.settings.tenant {
            request = request.header(TENANT, tenant.clone());
        }
        if let Some(key) = &call.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(version) = call.if_match {
            request = request.header(IF_MATCH, etag(version));
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        match &call.body {
            Some((bytes, media_type)) => request.header(CONTENT_TYPE, media_type.clone()).body(bytes.clone()),
            None => request,
        }
    }

    fn lock_budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().expect("the budget's lock is whole, because nothing panics while it is held")
    }
}

/// Why there is no successful answer.
#[derive(Debug)]
pub enum Failure {
    /// There is none at all.
    Unanswered {
        /// Where it was sent.
        address: String,
        /// It may have arrived.
        sent: bool,
        /// What happened.
        source: reqwest::Error,
    },
    /// The server said no; the body is kept for those who read more than the problem.
    Problem(Box<Problem>, Bytes),
}

impl Failure {
    /// Sending the call again is safe and may help.
    fn spares(&self, call: &Call) -> bool {
        match self {
            Self::Unanswered { sent, .. } => call.repeatable || !sent,
            // Refused before anything was done: repeating is safe whatever the call does.
            Self::Problem(problem, _) if refused_whole(problem) => true,
            Self::Problem(problem, _) => call.repeatable && problem.retryable && problem.code != "unknown_session",
        }
    }

    /// Another replica may do better.
    fn elsewhere(&self) -> bool {
        match self {
            Self::Unanswered { source, .. } => !source.is_timeout() || source.is_connect(),
            Self::Problem(problem, _) => {
                let busy = matches!(problem.code.as_str(), "overloaded" | "backlog_full" | "outcome_unknown");
                problem.code == "not_owner" || (problem.status == 503 && !busy)
            }
        }
    }

    /// How long the server asked to wait.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Problem(problem, _) => Duration::from_millis(problem.retry_after_ms.unwrap_or(0)),
            Self::Unanswered { .. } => Duration::ZERO,
        }
    }

    /// As callers see it.
    pub fn into_error(self) -> Error {
        match self {
            Self::Unanswered { address, source, .. } => Error::Transport { address, source: Box::new(source) },
            Self::Problem(problem, _) => Error::Problem(problem),
        }
    }
}

/// A version as the server writes it.
fn etag(version: u64) -> String {
    format!("\"v{version}\"")
}

fn refused_whole(problem: &Problem) -> bool {
    matches!(problem.code.as_str(), "overloaded" | "backlog_full" | "not_owner" | "draining")
}

fn problem(status: reqwest::StatusCode, body: &[u8], retry_after_ms: Option<u64>) -> Problem {
    let mut problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        // A proxy's page, or nothing: only the status speaks.
        retryable: matches!(status.as_u16(), 429 | 502 | 503 | 504),
        title: status.canonical_reason().unwrap_or("no problem document").to_owned(),
        ..Problem::default()
    });
    problem.status = status.as_u16();
    problem.retry_after_ms = retry_after_ms;
    problem
}

fn retry_after_ms(header: Option<&HeaderValue>) -> Option<u64> {
    let seconds: u64 = header?.to_str().ok()?.trim().parse().ok()?;
    seconds.checked_mul(1_000)
}

fn is_loopback(address: &Url) -> bool {
    match address.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback()),
        None => false,
    }
}

/// A name as one segment of a path.
pub fn segment(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
