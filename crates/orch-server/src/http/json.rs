//! Bodies in and out. In: media type, size before buffering, strict JSON, errors that name the member's path.
//! Out: compact JSON with a status and headers. What the members mean is checked beside the handlers.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use orch_core::{Code, Refusal, limits};
use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny};
use serde::{Deserialize as _, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::Problem;
use super::object::Object;

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

/// Characters of a parser's message that are shown; it may quote the caller's own text at any length.
const MESSAGE_CHARS_MAX: usize = 300;

/// How deep JSON may be nested in payloads, results and checkpoints: parsers commonly stop at 128,
/// and these are shown inside other JSON.
const DEPTH_MAX: usize = 100;

/// A JSON body in; also an answer with status 200.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        parse(&read(request, limits::BODY_BYTES_MAX, "body_bytes_max").await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let typed = require_json(request.headers());
        let body = read(request, limits::BODY_BYTES_MAX, "body_bytes_max").await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        typed?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => of_bytes(body),
            Err(error) => Problem::internal(&error.to_string()).into_response(),
        }
    }
}

/// JSON text that is finished already.
pub fn of_bytes(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "the body must be `application/json`"))
}

/// Reads a body up to a limit. What its length header promises is refused before anything is read.
pub async fn read(request: Request, bytes_max: u64, limit: &str) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    let encoding = head.headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::new(Code::UnsupportedMediaType, "compressed bodies are not accepted"));
    }
    let promised = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if promised.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large(bytes_max, limit));
    }
    let limited = Limited::new(body, usize::try_from(bytes_max).unwrap_or(usize::MAX));
    match tokio::time::timeout(ARRIVAL, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max, limit)),
        Ok(Err(_)) => Err(Problem::new(Code::InvalidBody, "the body broke off")),
        Err(_) => {
            let problem = Problem::new(Code::InvalidBody, "the body took longer than a minute to arrive");
            Err(problem.with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

fn too_large(bytes_max: u64, limit: &str) -> Problem {
    let detail = format!("the body is larger than {bytes_max} bytes (`{limit}`)");
    Problem::field(Code::LimitExceeded, "body", detail).with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// Parses a body. The quick parser knows no paths; only when it fails is the text parsed again by one that does.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    match serde_json::from_slice(body) {
        Ok(Object(value)) => Ok(value),
        // An enum that is not closed where it should be counts as bad syntax with the quick parser.
        Err(error) if error.classify() == Category::Data || is_json(body) => Err(explain::<T>(body).into()),
        Err(error) => {
            Err(Problem::new(Code::InvalidBody, format!("the body is not JSON: {}", shown(&error.to_string()))))
        }
    }
}

/// Parses a part of a body that was kept as it came; what is refused names the path in the part.
pub fn parse_part<T: DeserializeOwned>(part: &RawValue) -> Result<T, Refusal> {
    let text = part.get();
    serde_json::from_str(text).map(|Object(value)| value).map_err(|_| match explain::<T>(text.as_bytes()) {
        // The body was JSON; what is no object is a part of it.
        refusal if refusal.code == Code::InvalidBody => Refusal { code: Code::InvalidField, ..refusal },
        refusal => refusal,
    })
}

fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn explain<T: DeserializeOwned>(body: &[u8]) -> Refusal {
    let mut parser = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<T>>(&mut parser) else {
        return Refusal::new(Code::InvalidBody, "the body is not what was expected");
    };
    let path = error.path().to_string();
    let path = if path == "." { String::new() } else { path };
    let message = error.into_inner().to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
    refusal_of(path, message)
}

/// The parser's words decide the code; they are serde's own and the tests hold them still.
fn refusal_of(path: String, message: &str) -> Refusal {
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    let (code, path, detail) = if message.starts_with("unknown field") {
        let detail = format!("there is no member `{path}`; {}", message.split_once(", ").map_or("", |(_, rest)| rest));
        (Code::UnknownField, path, detail)
    } else if message.starts_with("missing field") {
        let name = quoted(message);
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        let detail = format!("the member `{path}` is missing");
        (Code::InvalidField, path, detail)
    } else if path.is_empty() {
        return Refusal::new(Code::InvalidBody, shown(message));
    } else {
        let detail = format!("`{path}`: {message}");
        (Code::InvalidField, path, detail)
    };
    Refusal::field(code, shown(&path), shown(&detail))
}

fn shown(message: &str) -> String {
    message.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}

/// The largest whole number that the canonical form keeps (RFC 8785, section 3.2.2.3).
const WHOLE_MAX: u64 = 1 << 53;

/// For `deserialize_with`: JSON whose canonical form says the same.
pub fn keepable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    if value.as_ref().is_none_or(is_keepable) { Ok(value) } else { Err(not_keepable()) }
}

/// The same of an object.
pub fn keepable_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let members = Map::deserialize(deserializer)?;
    if members.values().all(is_keepable) { Ok(members) } else { Err(not_keepable()) }
}

fn not_keepable<E: de::Error>() -> E {
    de::Error::custom("a whole number beyond 2^53 would not stay what it is: write it as a text")
}

fn is_keepable(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            size.is_none_or(|size| size <= WHOLE_MAX)
        }
        Value::Array(items) => items.iter().all(is_keepable),
        Value::Object(members) => members.values().all(is_keepable),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The canonical text of a value (RFC 8785).
pub fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// Checks the nesting of well-formed JSON text without parsing it again.
pub fn check_depth(field: &str, text: &[u8]) -> Result<(), Refusal> {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if deepest <= DEPTH_MAX {
        return Ok(());
    }
    let detail = format!("`{field}` is nested {deepest} deep; at most {DEPTH_MAX} is allowed");
    Err(Refusal::field(Code::LimitExceeded, field, detail))
}

#[cfg(test)]
mod tests;
