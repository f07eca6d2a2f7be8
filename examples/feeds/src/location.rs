//! Where feeds are read from: a folder, or an upstream over HTTP; and how a read can fail.
//! It tries nothing again: whoever runs the job does, with the host's wish in hand.

use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use serde::{Deserialize, Serialize};

use crate::{
    feed::Feed,
    folder::{self, Listed},
};

/// A connection must stand within this time.
const CONNECT: Duration = Duration::from_secs(10);
/// A pause in an answer may last this long.
const SILENCE: Duration = Duration::from_secs(30);
/// The largest body that is read: what one artifact may hold.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A folder or a base address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    /// A folder that holds the feeds' folders.
    Folder(PathBuf),
    /// An upstream that serves `index/{feed}` and `files/{path}`.
    Http(Url),
}

/// A text that is no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a folder nor an http address")]
pub struct NoLocation(String);

impl FromStr for Location {
    type Err = NoLocation;

    fn from_str(text: &str) -> Result<Location, NoLocation> {
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return if text.is_empty() { Err(NoLocation(text.to_owned())) } else { Ok(Location::Folder(text.into())) };
        }
        let url = Url::parse(text).map_err(|_| NoLocation(text.to_owned()))?;
        Ok(Location::Http(url))
    }
}

impl TryFrom<String> for Location {
    type Error = NoLocation;

    fn try_from(text: String) -> Result<Location, NoLocation> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> String {
        location.to_string()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Folder(dir) => dir.display().fmt(f),
            Location::Http(url) => url.fmt(f),
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The host asks for fewer requests.
    #[error("{host} answered {status}")]
    Throttled {
        /// The host.
        host: String,
        /// 429 or 503.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It may work later: the connection broke, or the host failed.
    #[error("{host}: {detail}")]
    Broken {
        /// The host.
        host: String,
        /// What happened.
        detail: String,
    },
    /// It is not there, or the host refuses it.
    #[error("{path}: {detail}")]
    Refused {
        /// What was asked for.
        path: String,
        /// The answer.
        detail: String,
    },
    /// The disk failed.
    #[error("could not read {path}")]
    Io {
        /// What was asked for.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Reads from locations.
#[derive(Clone, Debug)]
pub struct Reader {
    http: Client,
}

impl Reader {
    /// A reader with its own pool of connections. It follows no redirects.
    ///
    /// # Errors
    /// The system offers no TLS.
    pub fn new() -> Result<Reader, reqwest::Error> {
        let http = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).redirect(redirect::Policy::none());
        Ok(Reader { http: http.build()? })
    }

    /// Lists a feed's documents, in byte order of their paths.
    ///
    /// # Errors
    /// The list cannot be read, or names a document of another feed.
    pub async fn list(&self, location: &Location, feed: Feed) -> Result<Vec<Listed>, ReadError> {
        let path = format!("index/{feed}");
        let mut listed = match location {
            Location::Folder(dir) => {
                let dir = dir.clone();
                blocking(&path, move || folder::list(&dir, feed)).await?
            }
            Location::Http(base) => {
                let body = self.get(base, "index", feed.name()).await?.ok_or_else(|| absent(&path))?;
                let refused =
                    |error: serde_json::Error| ReadError::Refused { path: path.clone(), detail: error.to_string() };
                serde_json::from_slice(&body).map_err(refused)?
            }
        };
        if let Some(foreign) = listed.iter().find(|listed| Feed::of_path(&listed.path) != Some(feed)) {
            return Err(ReadError::Refused { path, detail: format!("`{}` is no document of {feed}", foreign.path) });
        }
        listed.sort();
        listed.dedup_by(|a, b| a.path == b.path);
        Ok(listed)
    }

    /// Reads a document or the hash beside one; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn read(&self, location: &Location, path: &str) -> Result<Option<Bytes>, ReadError> {
        match location {
            Location::Folder(dir) => {
                let (dir, wanted) = (dir.clone(), path.to_owned());
                let bytes = blocking(path, move || folder::read(&dir, &wanted)).await?;
                Ok(bytes.map(Bytes::from))
            }
            Location::Http(base) => self.get(base, "files", path).await,
        }
    }

    async fn get(&self, base: &Url, kind: &str, path: &str) -> Result<Option<Bytes>, ReadError> {
        let host = host(base);
        let broken = |error: reqwest::Error| ReadError::Broken { host: host.clone(), detail: chain(&error) };
        let response = self.http.get(address(base, kind, path)).send().await.map_err(broken)?;
        let status = response.status();
        match status {
            StatusCode::OK => body(response, path).await?.map(Some).map_err(broken),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(ReadError::Throttled { host, status: status.as_u16(), retry_after: retry_after(&response) })
            }
            _ if status.is_server_error() => Err(ReadError::Broken { host, detail: format!("answered {status}") }),
            _ => Err(ReadError::Refused { path: path.to_owned(), detail: format!("{host} answered {status}") }),
        }
    }
}

/// The body, or that it is too large (outside), or that the connection broke (inside).
async fn body(mut response: Response, path: &str) -> Result<Result<Bytes, reqwest::Error>, ReadError> {
    let mut body = BytesMut::new();
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(Ok(body.freeze())),
            Err(error) => return Ok(Err(error)),
        };
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            let detail = format!("larger than {BODY_BYTES_MAX} bytes");
            return Err(ReadError::Refused { path: path.to_owned(), detail });
        }
        body.extend_from_slice(&chunk);
    }
}

fn address(base: &Url, kind: &str, path: &str) -> Url {
    let mut url = base.clone();
    url.path_segments_mut()
        .expect("an http address has a path, because its scheme says so")
        .pop_if_empty()
        .push(kind)
        .extend(path.split('/'));
    url
}

fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// `Retry-After` in seconds; a date there is not read, the job type's own back-off serves then.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn absent(path: &str) -> ReadError {
    ReadError::Refused { path: path.to_owned(), detail: "not there".to_owned() }
}

async fn blocking<T: Send + 'static>(
    path: &str,
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ReadError> {
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|source| ReadError::Io { path: path.to_owned(), source })
}

/// An error with its causes, which is where the HTTP client says what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
