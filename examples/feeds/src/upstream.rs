//! An upstream server over a folder of feeds: an index for each feed, and the files.
//! It can misbehave by a seeded plan (see `trouble`), so that workers meet what real upstreams do.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use tokio::net::TcpListener;

use crate::{feed::Feed, folder};

mod trouble;

pub use trouble::{Fate, Trouble};

/// The server and what it has done so far.
#[derive(Clone, Debug)]
pub struct Upstream {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    trouble: Trouble,
    requests: Mutex<HashMap<String, u32>>,
    fates: Mutex<BTreeMap<Fate, u64>>,
}

impl Upstream {
    /// A server over `dir` that misbehaves as told.
    #[must_use]
    pub fn new(dir: PathBuf, trouble: Trouble) -> Upstream {
        Upstream { inner: Arc::new(Inner { dir, trouble, requests: Mutex::default(), fates: Mutex::default() }) }
    }

    /// How many requests met which fate.
    #[must_use]
    pub fn fates(&self) -> BTreeMap<Fate, u64> {
        self.inner.fates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves until `shutdown` resolves.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router =
            Router::new().route("/index/{feed}", get(index)).route("/files/{*path}", get(file)).with_state(self);
        axum::serve(listener, router).with_graceful_shutdown(shutdown).await
    }

    /// What happens to this request: each path has its own count of requests, so that the plan does not depend on
    /// the order in which paths are asked for.
    fn fate(&self, path: &str) -> Fate {
        let nth = {
            let mut requests = self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner);
            let count = requests.entry(path.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let fate = self.inner.trouble.fate(path, nth);
        *self.inner.fates.lock().unwrap_or_else(PoisonError::into_inner).entry(fate).or_default() += 1;
        fate
    }

    /// The answer with this body, or what trouble makes of it.
    async fn answer(&self, path: &str, media_type: &'static str, body: Bytes) -> Response {
        let trouble = &self.inner.trouble;
        match self.fate(path) {
            Fate::Served => whole(media_type, body),
            Fate::Throttled => {
                let wait = HeaderValue::from(trouble.retry_after_seconds);
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait)]).into_response()
            }
            Fate::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Fate::Slow => {
                linger(Duration::from_millis(trouble.slow_ms)).await;
                whole(media_type, body)
            }
            Fate::Cut => cut(media_type, &body),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "being slow is what it is asked for")]
async fn linger(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn index(State(upstream): State<Upstream>, Path(name): Path<String>) -> Response {
    let Some(feed) = Feed::of_name(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let dir = upstream.inner.dir.clone();
    let listed = tokio::task::spawn_blocking(move || folder::list(&dir, feed)).await;
    let Ok(Ok(listed)) = listed else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    match serde_json::to_vec(&listed) {
        Ok(body) => upstream.answer(&format!("index/{feed}"), "application/json", body.into()).await,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn file(State(upstream): State<Upstream>, Path(path): Path<String>) -> Response {
    let (dir, wanted) = (upstream.inner.dir.clone(), path.clone());
    match tokio::task::spawn_blocking(move || folder::read(&dir, &wanted)).await {
        Ok(Ok(Some(bytes))) => upstream.answer(&path, "application/octet-stream", bytes.into()).await,
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn whole(media_type: &'static str, body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body).into_response()
}

/// Promises the whole length, sends half of it and drops the connection.
fn cut(media_type: &'static str, body: &Bytes) -> Response {
    let half = Ok(body.slice(..body.len() / 2));
    let broken = Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut on purpose"));
    let length = HeaderValue::from(body.len());
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type)), (header::CONTENT_LENGTH, length)];
    (headers, Body::from_stream(futures::stream::iter([half, broken]))).into_response()
}
