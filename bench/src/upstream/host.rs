//! The upstream: it admits so many requests in any window, whoever sends them, refuses the others with a bare 403, and
//! notes each. It can be told to refuse all, to close itself to one caller, and to be dead.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::AppendHeaders;
use axum::routing::get;
use orch_bench::clock;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A year, as `Retry-After` says it.
const YEAR_SECONDS: &str = "31536000";

/// What it allows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Terms {
    /// Requests.
    pub limit: u32,
    /// In any window of so many milliseconds.
    pub window_ms: u64,
}

impl Terms {
    /// The window.
    pub fn window(self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// Requests that are allowed in a time.
    pub fn allowed(self, time: Duration) -> f64 {
        f64::from(self.limit) * time.as_secs_f64() / self.window().as_secs_f64()
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was answered.
    Admitted,
    /// It was one too many.
    Over,
    /// All were refused then.
    Cut,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When, by the driver's clock.
    pub at: Duration,
    /// The tenant's number.
    pub tenant: usize,
    /// What became of it.
    pub fate: Fate,
}

/// What it knows and was told.
#[derive(Debug)]
struct Known {
    terms: Terms,
    arrivals: Vec<Arrival>,
    cut_until: Duration,
    closed_to: Option<usize>,
}

impl Known {
    fn arrive(&mut self, tenant: usize, at: Duration) -> Fate {
        let window = self.terms.window();
        let newest = self.arrivals.iter().rev();
        let inside = newest.take_while(|it| it.at + window > at).filter(|it| it.fate == Fate::Admitted).count();
        let fate = if at < self.cut_until {
            Fate::Cut
        } else if inside >= self.terms.limit as usize {
            Fate::Over
        } else {
            Fate::Admitted
        };
        self.arrivals.push(Arrival { at, tenant, fate });
        fate
    }
}

type Shared = Arc<Mutex<Known>>;

/// A running one.
pub struct Upstream {
    known: Shared,
    address: SocketAddr,
    listening: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Starts it on a free port.
    pub async fn open(terms: Terms) -> Result<Self> {
        let known = Known { terms, arrivals: Vec::new(), cut_until: Duration::ZERO, closed_to: None };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut upstream = Self { known: Arc::new(Mutex::new(known)), address, listening: None };
        upstream.listen(listener);
        Ok(upstream)
    }

    fn listen(&mut self, listener: TcpListener) {
        let router = Router::new().route("/{tenant}", get(answer)).with_state(Arc::clone(&self.known));
        self.listening = Some(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the upstream ended: {error}");
            }
        }));
    }

    /// Where a tenant asks.
    pub fn url(&self, tenant: usize) -> String {
        format!("http://{}/{tenant}", self.address)
    }

    /// From now on nobody listens: who asks is not connected.
    pub async fn die(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // It ends by being aborted, which is an error.
            let _ = listening.await;
        }
    }

    /// Listens again where it did.
    pub async fn rise(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.listen(listener);
        Ok(())
    }

    /// Refuses all for so long.
    pub fn cut(&self, time: Duration) {
        known(&self.known).cut_until = clock::elapsed() + time;
    }

    /// From now on tells this tenant with each answer to come again in a year.
    pub fn close_to(&self, tenant: usize) {
        known(&self.known).closed_to = Some(tenant);
    }

    /// All requests so far.
    pub fn arrivals(&self) -> Vec<Arrival> {
        known(&self.known).arrivals.clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn answer(
    State(shared): State<Shared>,
    Path(tenant): Path<usize>,
) -> (StatusCode, AppendHeaders<Option<(HeaderName, &'static str)>>) {
    let mut known = known(&shared);
    let fate = known.arrive(tenant, clock::elapsed());
    let status = if fate == Fate::Admitted { StatusCode::OK } else { StatusCode::FORBIDDEN };
    let later = (known.closed_to == Some(tenant)).then_some((header::RETRY_AFTER, YEAR_SECONDS));
    (status, AppendHeaders(later))
}

fn known(shared: &Shared) -> MutexGuard<'_, Known> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_holds_more_than_the_limit() {
        let terms = Terms { limit: 2, window_ms: 1_000 };
        let mut known = Known { terms, arrivals: Vec::new(), cut_until: Duration::ZERO, closed_to: None };
        let fates = [0, 10, 999, 1_000, 1_005, 1_010].map(|ms| known.arrive(0, Duration::from_millis(ms)));
        use Fate::{Admitted, Over};
        assert_eq!(fates, [Admitted, Admitted, Over, Admitted, Over, Admitted]);
    }
}
