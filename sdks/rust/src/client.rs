//! The client: settings, and the way from a call to a typed answer. Calls themselves lie with their nouns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::artifacts::Artifacts;
use crate::backfills::Backfills;
use crate::blackouts::Blackouts;
use crate::breakers::Breakers;
use crate::buckets::Buckets;
use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::explanation::{HostExplanation, LaneExplanation};
use crate::graphs::Graphs;
use crate::health::Health;
use crate::job_types::JobTypes;
use crate::jobs::Jobs;
use crate::lane::LaneOut;
use crate::nodes::{Nodes, Shards};
use crate::page::{Items, Page};
use crate::pause::{PauseOut, PauseTarget};
use crate::priorities::Priorities;
use crate::projects::Projects;
use crate::quotas::Quotas;
use crate::runs::Runs;
use crate::schedules::Schedules;
use crate::sources::Sources;
use crate::tenants::Tenants;
use crate::throttles::Throttles;
use crate::tokens::Tokens;
use crate::transport::{Answer, Call, Failure, Settings, Transport, segment};
use crate::watermarks::Watermarks;
use crate::workers::Workers;

/// How long a call is repeated while the server cannot serve it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of the orchestrator. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    patience: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<&str> = self.transport.settings().addresses.iter().map(Url::as_str).collect();
        f.debug_struct("Client").field("addresses", &addresses).finish_non_exhaustive()
    }
}

/// Settings of a client.
#[derive(Clone, Default)]
pub struct ClientBuilder {
    addresses: Vec<String>,
    token: Option<String>,
    tenant: Option<String>,
    rehearsing: bool,
    patience: Option<Duration>,
}

impl ClientBuilder {
    /// One address more where the server listens, as `http://127.0.0.1:7400`.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// The API token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Which tenant is meant, by name or id; the server refuses one that the token does not allow.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sends reads only: a write ends in [`Error::Rehearsed`], which tells what would have been sent.
    #[must_use]
    pub fn rehearsing(mut self) -> Self {
        self.rehearsing = true;
        self
    }

    /// How long a call that may be repeated is repeated while the server cannot serve it; 30 s by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// `Settings` when there is no address, or one is no URL, or the token is no header value.
    pub fn build(self) -> Result<Client, Error> {
        if self.addresses.is_empty() {
            return Err(Error::Settings("no address was given".to_owned()));
        }
        let addresses = self.addresses.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
        let token = self.token.as_deref().map(bearer).transpose()?;
        let tenant = self.tenant.as_deref().map(header).transpose()?;
        let settings = Settings { addresses, token, tenant, rehearsing: self.rehearsing };
        let transport = Arc::new(Transport::new(settings)?);
        Ok(Client { transport, patience: self.patience.unwrap_or(PATIENCE) })
    }
}

fn address(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| Error::Settings(format!("`{text}` is no address: {error}")))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        return Ok(url);
    }
    Err(Error::Settings(format!("`{text}` is no address: it must begin with http:// or https://")))
}

fn header(tenant: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(tenant).map_err(|_| Error::Settings(format!("`{tenant}` is no tenant")))
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Error::Settings("the token holds characters that no header may hold".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Client {
    /// Begins a client.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same client, more or less patient.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { transport: Arc::clone(&self.transport), patience }
    }

    /// True when writes are told, not sent.
    #[must_use]
    pub fn is_rehearsing(&self) -> bool {
        self.transport.settings().rehearsing
    }

    /// Calls about jobs.
    #[must_use]
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs(self)
    }

    /// Calls about job types.
    #[must_use]
    pub fn job_types(&self) -> JobTypes<'_> {
        JobTypes(self)
    }

    /// Calls about sources.
    #[must_use]
    pub fn sources(&self) -> Sources<'_> {
        Sources(self)
    }

    /// Calls about buckets: what hosts allow.
    #[must_use]
    pub fn buckets(&self) -> Buckets<'_> {
        Buckets(self)
    }

    /// Calls about quotas: what may be under way, begin in an hour, or wait.
    #[must_use]
    pub fn quotas(&self) -> Quotas<'_> {
        Quotas(self)
    }

    /// Calls about breakers: what stops handing out when too many attempts fail.
    #[must_use]
    pub fn breakers(&self) -> Breakers<'_> {
        Breakers(self)
    }

    /// Calls about graphs: templates of steps that depend on each other.
    #[must_use]
    pub fn graphs(&self) -> Graphs<'_> {
        Graphs(self)
    }

    /// Calls about runs: executions of graphs.
    #[must_use]
    pub fn runs(&self) -> Runs<'_> {
        Runs(self)
    }

    /// Calls about backfills: stretches of event time that are read again.
    #[must_use]
    pub fn backfills(&self) -> Backfills<'_> {
        Backfills(self)
    }

    /// Calls about schedules: what asks for jobs and runs in time.
    #[must_use]
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules(self)
    }

    /// Calls about blackouts: windows of time in which work is held back.
    #[must_use]
    pub fn blackouts(&self) -> Blackouts<'_> {
        Blackouts(self)
    }

    /// Calls about projects.
    #[must_use]
    pub fn projects(&self) -> Projects<'_> {
        Projects(self)
    }

    /// Calls about dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters<'_> {
        DeadLetters(self)
    }

    /// Calls about worker sessions.
    #[must_use]
    pub fn workers(&self) -> Workers<'_> {
        Workers(self)
    }

    /// Calls about artifacts.
    #[must_use]
    pub fn artifacts(&self) -> Artifacts<'_> {
        Artifacts(self)
    }

    /// Calls about tenants.
    #[must_use]
    pub fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }

    /// Calls about API tokens.
    #[must_use]
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    /// Stops handing out what the target names. What runs goes on.
    ///
    /// # Errors
    /// Any.
    pub async fn pause(&self, target: &PauseTarget, reason: Option<&str>) -> Result<(), Error> {
        self.send(Call::post("/pauses").json(&pause_body(target, reason))?.repeatable()).await.map(drop)
    }

    /// Hands out again what the target names.
    ///
    /// # Errors
    /// Any.
    pub async fn resume(&self, target: &PauseTarget, reason: Option<&str>) -> Result<(), Error> {
        self.send(Call::post("/pauses/resume").json(&pause_body(target, reason))?.repeatable()).await.map(drop)
    }

    /// The pauses that hold.
    ///
    /// # Errors
    /// Any.
    pub async fn pauses(&self) -> Result<Vec<PauseOut>, Error> {
        let answer: Items<PauseOut> = self.call(Call::get("/pauses")).await?;
        Ok(answer.items)
    }

    /// Calls about priorities of targets.
    #[must_use]
    pub fn priorities(&self) -> Priorities<'_> {
        Priorities(self)
    }

    /// Calls about throttles.
    #[must_use]
    pub fn throttles(&self) -> Throttles<'_> {
        Throttles(self)
    }

    /// Calls about watermarks: how far sources have been read.
    #[must_use]
    pub fn watermarks(&self) -> Watermarks<'_> {
        Watermarks(self)
    }

    /// Calls about nodes.
    #[must_use]
    pub fn nodes(&self) -> Nodes<'_> {
        Nodes(self)
    }

    /// Calls about shards.
    #[must_use]
    pub fn shards(&self) -> Shards<'_> {
        Shards(self)
    }

    /// What jobs wait in.
    ///
    /// # Errors
    /// Any.
    pub async fn lanes(&self) -> Result<Vec<LaneOut>, Error> {
        self.pages("/lanes").await
    }

    /// Why a lane waits: every gate that holds it, in the order in which they are looked at.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn explain_lane(&self, lane: u32) -> Result<LaneExplanation, Error> {
        self.call(Call::get(format!("/lanes/{lane}/explain"))).await
    }

    /// What governs a host, and what waits for it.
    ///
    /// # Errors
    /// Any; `not_found` when nothing of the tenant's has to do with it.
    pub async fn explain_host(&self, host: &str) -> Result<HostExplanation, Error> {
        self.call(Call::get(format!("/hosts/{}/explain", segment(host)))).await
    }

    /// Whether the server serves. Not repeated: an answer of now is wanted.
    ///
    /// # Errors
    /// Any; a server that answers that it does not serve is no error.
    pub async fn health(&self) -> Result<Health, Error> {
        let call = Call::get("/health").timeout(Duration::from_secs(5));
        match self.transport.send_round(&call).await {
            Ok(answer) => decode(&call, &answer.body),
            Err(Failure::Problem(problem, body)) => serde_json::from_slice(&body).map_err(|_| Error::Problem(problem)),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// The way to the server.
    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Sends a call and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.call_with_status(call).await.map(|(_, answer)| answer)
    }

    /// The same, for calls whose success has two faces.
    pub(crate) async fn call_with_status<T: DeserializeOwned>(&self, call: Call) -> Result<(u16, T), Error> {
        let answer = self.transport.send(&call, self.patience).await?;
        Ok((answer.status, decode(&call, &answer.body)?))
    }

    /// The same, for calls that may be answered that there is nothing.
    pub(crate) async fn call_or_nothing<T: DeserializeOwned>(&self, call: Call) -> Result<Option<T>, Error> {
        let answer = self.transport.send(&call, self.patience).await?;
        if answer.status == 204 { Ok(None) } else { decode(&call, &answer.body).map(Some) }
    }

    /// All pages of a list that fits in memory.
    pub(crate) async fn pages<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let call = Call::get(path).query("limit", "200").maybe_query("cursor", cursor.as_deref());
            let page: Page<T> = self.call(call).await?;
            items.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// Sends a call.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.transport.send(&call, self.patience).await
    }

    /// Sends a call once to each address at most; for loops that repeat by themselves.
    pub(crate) async fn call_once<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let answer = self.transport.send_round(&call).await.map_err(Failure::into_error)?;
        decode(&call, &answer.body)
    }

    /// The same server through connections of their own, for another runtime.
    pub(crate) fn reconnected(&self) -> Result<Self, Error> {
        let transport = Arc::new(Transport::new(self.transport.settings().clone())?);
        Ok(Self { transport, patience: self.patience })
    }
}

fn decode<T: DeserializeOwned>(call: &Call, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|source| Error::Decode { call: call.name(), source })
}

pub(crate) fn pause_body(target: &PauseTarget, reason: Option<&str>) -> serde_json::Value {
    match reason {
        Some(reason) => json!({ "target": target, "reason": reason }),
        None => json!({ "target": target }),
    }
}
