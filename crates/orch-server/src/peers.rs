//! Calls between nodes over HTTP, on the port that serves everybody.
//!
//! Both sides prove that they read the same ledger: the caller sends a nonce and an HMAC-SHA-256 (RFC 2104) of nonce and
//! body under the ledger's secret, and the answer comes with one of the same nonce and its own body. The bytes are not
//! hidden: like clients' calls they need a network that is trusted, or TLS in front.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use orch_engine::{PeerError, Peers};
use rand::Rng as _;
use sha2::Sha256;

use crate::state::AppState;

/// Where nodes call each other; no part of the API.
const PATH: &str = "/internal/node/call";
const NONCE: &str = "x-orch-nonce";
const MAC: &str = "x-orch-mac";
/// More than any command that the API takes becomes.
const CALL_BYTES_MAX: usize = 64 << 20;
const CONNECT: Duration = Duration::from_secs(1);
/// Longer than the longest wait of a claim.
const ANSWER: Duration = Duration::from_secs(40);

/// What is signed: a call must not pass for an answer.
#[derive(Clone, Copy)]
enum Part {
    Call,
    Answer,
}

/// The secret by which nodes of one ledger know each other.
#[derive(Clone)]
pub struct NodeSecret([u8; 32]);

impl NodeSecret {
    /// From the ledger's.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    fn mac(&self, part: Part, nonce: &[u8], body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is a key");
        mac.update(match part {
            Part::Call => b"call",
            Part::Answer => b"answer",
        });
        mac.update(&(nonce.len() as u64).to_be_bytes());
        mac.update(nonce);
        mac.update(body);
        mac
    }

    fn sign(&self, part: Part, nonce: &[u8], body: &[u8]) -> String {
        hex::encode(self.mac(part, nonce, body).finalize().into_bytes())
    }

    fn verify(&self, part: Part, nonce: &[u8], body: &[u8], headers: &HeaderMap) -> bool {
        let sent = headers.get(MAC).and_then(|value| hex::decode(value.as_bytes()).ok());
        sent.is_some_and(|sent| self.mac(part, nonce, body).verify_slice(&sent).is_ok())
    }
}

impl std::fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeSecret(..)")
    }
}

/// The way to other nodes.
#[derive(Debug)]
pub struct HttpPeers {
    client: reqwest::Client,
    secret: NodeSecret,
}

impl HttpPeers {
    /// With the ledger's secret.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(secret: NodeSecret) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .tcp_nodelay(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, secret })
    }
}

#[async_trait]
impl Peers for HttpPeers {
    async fn call(&self, address: &str, call: Vec<u8>) -> Result<Vec<u8>, PeerError> {
        let nonce = hex::encode(rand::rng().random::<[u8; 16]>());
        let mac = self.secret.sign(Part::Call, nonce.as_bytes(), &call);
        let url = format!("{}{PATH}", address.trim_end_matches('/'));
        let sending = self.client.post(url).header(NONCE, &nonce).header(MAC, mac).body(call).send();
        let response = sending.await.map_err(|error| {
            let text = error.to_string();
            if error.is_connect() { PeerError::NotSent(text) } else { PeerError::Unanswered(text) }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| PeerError::Unanswered(error.to_string()))?;
        if status.is_success() && self.secret.verify(Part::Answer, nonce.as_bytes(), &body, &headers) {
            return Ok(body.into());
        }
        // Somebody else listens there by now, or it is a node of another ledger: it ran nothing of ours.
        Err(PeerError::NotSent(format!("status {status} from {address}, or an answer that is not signed")))
    }
}

/// The route that other nodes call.
pub fn router(secret: NodeSecret) -> axum::Router<AppState> {
    axum::Router::new().route(PATH, post(move |state, request| answer(state, request, secret)))
}

async fn answer(State(app): State<AppState>, request: Request, secret: NodeSecret) -> Response {
    let (parts, body) = request.into_parts();
    let nonce = parts.headers.get(NONCE).map(|nonce| nonce.as_bytes().to_vec()).unwrap_or_default();
    let Ok(call) = read(body).await else { return StatusCode::BAD_REQUEST.into_response() };
    if !secret.verify(Part::Call, &nonce, &call, &parts.headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answer = app.engine().answer_peer(&call).await;
    let mac = secret.sign(Part::Answer, &nonce, &answer);
    let mac = HeaderValue::from_str(&mac).expect("hexadecimal digits are a header's value");
    ([(MAC, mac)], answer).into_response()
}

async fn read(body: Body) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(body, CALL_BYTES_MAX).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_part_nonce_and_body_alone() {
        let (secret, other) = (NodeSecret::new([7; 32]), NodeSecret::new([8; 32]));
        let mut headers = HeaderMap::new();
        let mac = secret.sign(Part::Call, b"n1", b"body");
        headers.insert(MAC, HeaderValue::from_str(&mac).expect("digits"));
        assert!(secret.verify(Part::Call, b"n1", b"body", &headers));
        assert!(!secret.verify(Part::Answer, b"n1", b"body", &headers));
        assert!(!secret.verify(Part::Call, b"n2", b"body", &headers));
        assert!(!secret.verify(Part::Call, b"n", b"1body", &headers));
        assert!(!secret.verify(Part::Call, b"n1", b"Body", &headers));
        assert!(!other.verify(Part::Call, b"n1", b"body", &headers));
        assert!(!secret.verify(Part::Call, b"n1", b"body", &HeaderMap::new()));
    }
}
