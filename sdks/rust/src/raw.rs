//! A call by hand: any method and path of the API, and the answer as it came.

use bytes::Bytes;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::client::Client;
use crate::error::{Error, Problem};
use crate::transport::{BASE, Call, Failure};

/// A call by hand.
#[derive(Debug, Clone)]
pub struct RawRequest {
    method: String,
    path: String,
    body: Option<(Bytes, String)>,
    headers: Vec<(String, String)>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// What the body says, when the server refused.
    pub problem: Option<Box<Problem>>,
}

impl RawRequest {
    /// A call of this method to this path, as `/jobs?state=failed`. The API's base may be left out.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_ascii_uppercase(), path: path.to_owned(), body: None, headers: Vec::new() }
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>, media_type: &str) -> Self {
        self.body = Some((body.into(), media_type.to_owned()));
        self
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn call(&self) -> Result<Call, Error> {
        let wrong = |what: &str, text: &str| Error::Settings(format!("`{text}` is no {what}"));
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| wrong("method", &self.method))?;
        let path = self.path.strip_prefix(BASE).unwrap_or(&self.path);
        if !path.starts_with('/') {
            return Err(Error::Settings(format!("the path `{}` does not begin with `/`", self.path)));
        }
        // Only path and query of it are used.
        let url = Url::parse(&format!("http://localhost{path}")).map_err(|_| wrong("path", &self.path))?;
        let mut call = Call::new(method, url.path().to_owned());
        for (name, value) in url.query_pairs() {
            call = call.query(name.into_owned(), value);
        }
        if let Some((bytes, media_type)) = &self.body {
            call = call.bytes(bytes.clone(), media_type);
        }
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().map_err(|_| wrong("header", name))?;
            let value = HeaderValue::from_str(value).map_err(|_| wrong("header value", value))?;
            call = call.header(name, value);
        }
        Ok(call)
    }
}

impl Client {
    /// Sends a call by hand, once to each address at most. A refusal is an answer too.
    ///
    /// # Errors
    /// `Settings` when it is no call, `Transport` when no answer came.
    pub async fn raw(&self, request: &RawRequest) -> Result<RawAnswer, Error> {
        let call = request.call()?;
        self.transport().rehearse(&call)?;
        match self.transport().send_round(&call).await {
            Ok(answer) => Ok(RawAnswer { status: answer.status, body: answer.body, problem: None }),
            Err(Failure::Problem(problem, body)) => {
                Ok(RawAnswer { status: problem.status, body, problem: Some(problem) })
            }
            Err(failure) => Err(failure.into_error()),
        }
    }
}
