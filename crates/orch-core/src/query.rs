//! The query language in which jobs are chosen, for the API and the command line alike:
//! `state:failed type:feeds.* label.feed:kev since:24h`.
//!
//! Terms are `key:value`, separated by spaces, and all of them must hold; commas separate alternatives of one term,
//! and a value may be quoted. Pure: a moment like `since:24h` is reckoned from a time that the caller gives.
//! What a query can be answered from (indexes, memory) is not decided here. Reading is in `query/scan.rs`.

mod scan;

use std::collections::BTreeMap;
use std::fmt;

use crate::config::check_name;
use crate::ids::JobId;
use crate::job::JobState;
use crate::limits;
use crate::time::Timestamp;

use self::scan::{Term, Value, terms};

/// Keys of terms, as they are listed when a key is not known.
pub const KEYS: &[&str] =
    &["state", "type", "source", "host", "project", "id", "error", "since", "until", "label.NAME"];

/// What keeps a text from being a query: which term, where it begins, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} (`{term}` at character {position})")]
pub struct QueryError {
    /// The term as it was written, shortened.
    pub term: String,
    /// Its first character, counted from 1.
    pub position: usize,
    /// What is wrong with it.
    pub detail: String,
    /// A limit was passed; otherwise the text is not of the form.
    pub too_large: bool,
}

/// A name, or the beginning of names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// Exactly this.
    Exact(String),
    /// Whatever begins like this; written with a `*` behind it.
    Prefix(String),
}

impl Pattern {
    /// Whether a name is meant.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => text == name,
            Self::Prefix(text) => name.starts_with(text),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Prefix(text) => write!(f, "{text}*"),
        }
    }
}

/// A moment as a query names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many milliseconds before now.
    Ago(u64),
    /// A moment of its own.
    At(Timestamp),
}

impl When {
    /// The moment, seen from `now`.
    #[must_use]
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ms) => {
                let ms = i64::try_from(ms).unwrap_or(i64::MAX);
                Timestamp::from_millis(now.millis().saturating_sub(ms).max(0))
            }
            Self::At(moment) => moment,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ago(ms) => write!(f, "{ms}ms"),
            Self::At(moment) => write!(f, "{moment}"),
        }
    }
}

/// Which jobs are meant. Lists are in order and without repetitions; an empty one asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// In one of these states.
    pub states: Vec<JobState>,
    /// Of one of these types.
    pub job_types: Vec<Pattern>,
    /// Of one of these sources.
    pub sources: Vec<Pattern>,
    /// Of a source with one of these hosts.
    pub hosts: Vec<Pattern>,
    /// In one of these projects.
    pub projects: Vec<Pattern>,
    /// One of these.
    pub ids: Vec<JobId>,
    /// With an error of one of these codes or classes.
    pub errors: Vec<String>,
    /// With each of these labels, in one of its values.
    pub labels: BTreeMap<String, Vec<String>>,
    /// Accepted at or after.
    pub since: Option<When>,
    /// Accepted before.
    pub until: Option<When>,
}

impl JobQuery {
    /// Reads a query. A text without terms means all jobs.
    ///
    /// # Errors
    /// The first term that is not acceptable, and where it stands.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let mut query = Self::default();
        let mut seen: Vec<String> = Vec::new();
        let mut values = 0;
        for term in terms(text)? {
            if seen.contains(&term.key) {
                let detail = format!("`{}` stands twice: separate its values by commas", term.key);
                return Err(term.refused(detail));
            }
            values += term.values.len() as u64;
            if values > limits::QUERY_VALUES_MAX {
                return Err(term.too_large(format!("a query has at most {} values", limits::QUERY_VALUES_MAX)));
            }
            query.take(&term)?;
            seen.push(term.key);
        }
        Ok(query)
    }

    fn take(&mut self, term: &Term) -> Result<(), QueryError> {
        match term.key.as_str() {
            "state" => self.states = states(term)?,
            "type" => self.job_types = patterns(term)?,
            "source" => self.sources = patterns(term)?,
            "host" => self.hosts = patterns(term)?,
            "project" => self.projects = patterns(term)?,
            "id" => self.ids = ids(term)?,
            "error" => self.errors = texts(term, limits::NAME_CHARS_MAX)?,
            "since" => self.since = Some(when(term)?),
            "until" => self.until = Some(when(term)?),
            key => match key.strip_prefix("label.") {
                Some(label) => {
                    check_name("label", label).map_err(|refusal| term.refused(refusal.detail))?;
                    self.labels.insert(label.to_owned(), texts(term, limits::LABEL_VALUE_CHARS_MAX)?);
                }
                None => return Err(term.refused(format!("there is no key `{key}`; there are {}", KEYS.join(", ")))),
            },
        }
        Ok(())
    }
}

/// The query in one form, whatever the order and quoting of what was read: equal queries have equal texts.
impl fmt::Display for JobQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = Vec::new();
        let states: Vec<_> = self.states.iter().map(|state| state.as_str().to_owned()).collect();
        let shown = |patterns: &[Pattern]| patterns.iter().map(written_pattern).collect::<Vec<_>>();
        let ids: Vec<_> = self.ids.iter().map(ToString::to_string).collect();
        let whens = |when: Option<When>| when.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (key, values) in [
            ("state", states),
            ("type", shown(&self.job_types)),
            ("source", shown(&self.sources)),
            ("host", shown(&self.hosts)),
            ("project", shown(&self.projects)),
            ("id", ids),
            ("error", self.errors.iter().map(|text| quoted(text)).collect()),
            ("since", whens(self.since)),
            ("until", whens(self.until)),
        ] {
            if !values.is_empty() {
                terms.push(format!("{key}:{}", values.join(",")));
            }
        }
        for (label, values) in &self.labels {
            let values: Vec<_> = values.iter().map(|text| quoted(text)).collect();
            terms.push(format!("label.{label}:{}", values.join(",")));
        }
        f.write_str(&terms.join(" "))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn written_pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Exact(text) => quoted(text),
        Pattern::Prefix(text) => format!("{text}*"),
    }
}

fn in_order<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values.dedup();
    values
}

fn states(term: &Term) -> Result<Vec<JobState>, QueryError> {
    let mut states = Vec::new();
    for Value { text, .. } in &term.values {
        match (text.as_str(), JobState::parse(text)) {
            ("pending", _) => states.extend(JobState::PENDING),
            (_, Some(state)) => states.push(state),
            (_, None) => return Err(term.refused(format!("there is no state `{text}`"))),
        }
    }
    Ok(in_order(states))
}

/// Names; an unquoted `*` may stand at the end of one.
fn patterns(term: &Term) -> Result<Vec<Pattern>, QueryError> {
    let mut patterns = Vec::new();
    for value in &term.values {
        let (text, open) = match value.text.strip_suffix('*') {
            Some(text) if !value.quoted => (text, true),
            _ => (value.text.as_str(), false),
        };
        if !value.quoted && text.contains('*') {
            return Err(term.refused("`*` may stand only at the end of a value"));
        }
        if !(open && text.is_empty()) {
            check_name(&term.key, text).map_err(|refusal| term.refused(refusal.detail))?;
        }
        patterns.push(if open { Pattern::Prefix(text.to_owned()) } else { Pattern::Exact(text.to_owned()) });
    }
    Ok(in_order(patterns))
}

fn ids(term: &Term) -> Result<Vec<JobId>, QueryError> {
    let id =
        |value: &Value| value.text.parse().map_err(|error| term.refused(format!("this is not a job's id: {error}")));
    term.values.iter().map(id).collect::<Result<_, _>>().map(in_order)
}

fn texts(term: &Term, chars_max: u64) -> Result<Vec<String>, QueryError> {
    for Value { text, .. } in &term.values {
        if text.chars().count() as u64 > chars_max {
            return Err(term.too_large(format!("a value of `{}` has at most {chars_max} characters", term.key)));
        }
    }
    Ok(in_order(term.values.iter().map(|value| value.text.clone()).collect()))
}

fn when(term: &Term) -> Result<When, QueryError> {
    let [Value { text, .. }] = term.values.as_slice() else {
        return Err(term.refused(format!("`{}` takes one moment", term.key)));
    };
    let ago = duration_ms(text).map(When::Ago);
    let found = ago.or_else(|| Timestamp::parse_rfc3339(text).map(When::At));
    found.ok_or_else(|| term.refused("expected a duration like `30m`, `24h` or `7d`, or a time as RFC 3339 has it"))
}

/// A whole number with a unit: `ms`, `s`, `m`, `h`, `d`, `w`.
fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests;
