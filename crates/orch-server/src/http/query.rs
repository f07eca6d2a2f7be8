//! Query strings, as strict as bodies: each known name is taken, what is left over is refused by name.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query as Pairs};
use axum::http::request::Parts;
use orch_core::{Code, Refusal, Timestamp, limits};

use super::cursor::{List, Position};
use super::error::Problem;

/// The pairs of a query string.
#[derive(Debug)]
pub struct Query(Result<Vec<(String, String)>, ()>);

/// The pairs while they are taken.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

/// Which page is asked for.
#[derive(Debug)]
pub struct Page<P> {
    /// At most so many items.
    pub limit: usize,
    /// Where it begins; `None`: at the start.
    pub from: Option<P>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Pairs::try_from_uri(&parts.uri).map(|Pairs(pairs)| pairs).map_err(|_| ())))
    }
}

impl Query {
    /// Begins to take parameters.
    pub fn open(self) -> Result<Params, Problem> {
        let pairs = self.0.map_err(|()| Problem::new(Code::InvalidField, "the query string is not well-formed"))?;
        Ok(Params { pairs })
    }

    /// For operations without parameters.
    pub fn none(self) -> Result<(), Problem> {
        self.open()?.finish()
    }
}

impl Params {
    /// All values of a parameter that may be repeated.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.pairs).into_iter().partition(|(key, _)| key == name);
        self.pairs = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of a parameter that may stand once.
    pub fn one(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(Problem::field(Code::InvalidField, name, format!("`{name}` may stand only once"))),
        }
    }

    /// The values of a list parameter: separated by commas, repeated, or both.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let values = self.all(name);
        values.iter().flat_map(|value| value.split(',')).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.one(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::field(Code::InvalidField, name, format!("`{name}` must be `true` or `false`"))),
        }
    }

    /// A moment.
    pub fn moment(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let refused =
            || Problem::field(Code::InvalidField, name, format!("`{name}` must be a time as RFC 3339 has it"));
        Timestamp::parse_rfc3339(&text).map(Some).ok_or_else(refused)
    }

    /// A number in a range.
    pub fn number(&mut self, name: &str, min: u64, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            Ok(number) => {
                let detail = format!("`{name}` is {number}; it must lie between {min} and {max}");
                Err(Refusal::field(Code::LimitExceeded, name, detail).into())
            }
            Err(_) => Err(Problem::field(Code::InvalidField, name, format!("`{name}` must be a number up to {max}"))),
        }
    }

    /// `limit` and `cursor` of a list.
    pub fn page<P: Position>(&mut self, list: &List) -> Result<Page<P>, Problem> {
        let limit = self.number("limit", 1, limits::PAGE_MAX)?.unwrap_or(limits::PAGE_DEFAULT);
        let from = self.one("cursor")?.map(|text| list.open(&text)).transpose()?;
        Ok(Page { limit: usize::try_from(limit).unwrap_or(usize::MAX), from })
    }

    /// Refuses what nobody took.
    pub fn finish(self) -> Result<(), Problem> {
        let Some((name, _)) = self.pairs.into_iter().next() else { return Ok(()) };
        let name: String = name.chars().take(64).collect();
        let detail = format!("there is no parameter `{name}` here");
        Err(Problem::field(Code::UnknownField, name, detail))
    }
}
