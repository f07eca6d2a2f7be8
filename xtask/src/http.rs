//! One HTTP/1.1 call at a time over a plain connection to loopback, with JSON in and out.
//!
//! Deliberately not the SDK: what checks promises must not share the code that keeps them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::site::Access;

/// No answer takes longer, except from a server that is gone.
const LIMIT: Duration = Duration::from_secs(20);

/// A server's answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, `Null` when there is none.
    pub body: Value,
}

/// Asks for `path` (with its query).
pub fn get(access: &Access, path: &str) -> Result<Answer> {
    call(access, "GET", path, &[], "")
}

/// Sends `body` to `path`, with an idempotency key where there is one.
pub fn post(access: &Access, path: &str, key: Option<&str>, body: &Value) -> Result<Answer> {
    let key = key.map(|key| ("Idempotency-Key", key));
    call(access, "POST", path, key.as_slice(), &body.to_string())
}

/// One exchange that takes at most `limit` between two signs of life.
pub fn exchange(
    access: &Access,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
    limit: Duration,
) -> Result<Answer> {
    let key = key.map(|key| ("Idempotency-Key", key));
    call_within(access, method, path, key.as_slice(), body, limit)
}

fn call(access: &Access, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
    call_within(access, method, path, headers, body, LIMIT)
}

fn call_within(
    access: &Access,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    limit: Duration,
) -> Result<Answer> {
    let host = access.address.strip_prefix("http://").context("the server is on plain HTTP")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n{body}",
        access.token,
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).with_context(|| format!("{method} {path}"))
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = find(bytes, b"\r\n\r\n").context("the answer ends within its head")?;
    let head = std::str::from_utf8(&bytes[..end]).context("the head is not text")?.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).context("no status")?;
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let rest = &bytes[end + 4..];
    let body = if header("transfer-encoding") == Some("chunked") {
        dechunk(rest)?
    } else {
        let length: Option<usize> = header("content-length").and_then(|text| text.parse().ok());
        if length.is_some_and(|length| rest.len() < length) {
            bail!("the answer ends within its body");
        }
        rest.to_vec()
    };
    let body =
        if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).context("the body is not JSON")? };
    Ok(Answer { status, body })
}

fn dechunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n").context("the answer ends before a chunk")?;
        let size = std::str::from_utf8(&rest[..end])?.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).context("a chunk without a size")?;
        if size == 0 {
            return Ok(body);
        }
        let from = end + 2;
        body.extend_from_slice(rest.get(from..from + size).context("the answer ends within a chunk")?);
        rest = rest.get(from + size + 2..).context("the answer ends after a chunk")?;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_framings_are_read_and_cut_answers_are_refused() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        assert_eq!(parse(plain).unwrap().body["a"], 1);
        assert!(parse(&plain[..plain.len() - 1]).is_err());
        let chunked = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
        let answer = parse(chunked).unwrap();
        assert_eq!((answer.status, &answer.body["a"]), (503, &1.into()));
        assert!(parse(&chunked[..chunked.len() - 12]).is_err());
        assert!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().body.is_null());
    }
}
