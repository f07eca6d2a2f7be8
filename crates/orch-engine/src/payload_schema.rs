//! What a job type says of its payloads: JSON Schema 2020-12, compiled once; where their concurrency key is; and what
//! of that holds now.
//!
//! Nothing is fetched: a reference may lead only into the schema itself, and patterns are matched in linear time.
//! `PayloadSchemas` follows the owner's commits, so that a payload is judged by what callers were told is declared.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jsonschema::{Draft, PatternOptions, Retrieve, Uri, Validator};
use orch_core::concurrency::{DEFAULT_KEY, key_at};
use orch_core::config::{ConfigDoc, JobType};
use orch_core::ids::TenantNo;
use orch_core::limits;
use orch_core::port::ConfigRow;
use orch_core::refusal::{Code, Refusal};
use orch_core::schedule::Schedule;
use orch_dispatch::command::NewJob;
use serde_json::Value;

/// Violations shown of one payload.
const VIOLATIONS_MAX: usize = 100;
/// Characters of a violation's text.
const DETAIL_CHARS_MAX: usize = 300;

/// A compiled schema.
#[derive(Debug)]
pub struct PayloadSchema(Validator);

/// Refuses every reference that leads out of the schema.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`{uri}` lies outside of the schema, and nothing is fetched").into())
    }
}

impl PayloadSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// A refusal that names `payload_schema`: not JSON, too deep, not a schema, or with a reference to elsewhere.
    pub fn compile(text: &str) -> Result<Self, Refusal> {
        let refused = |detail: String| Refusal::field(Code::InvalidField, "payload_schema", shown(&detail));
        let schema: Value = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        let deep = depth(&schema);
        if deep > limits::PAYLOAD_SCHEMA_DEPTH_MAX {
            let max = limits::PAYLOAD_SCHEMA_DEPTH_MAX;
            let detail = format!("`payload_schema` is nested {deep} deep; at most {max} is allowed");
            return Err(Refusal::field(Code::LimitExceeded, "payload_schema", detail));
        }
        let options =
            jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(PatternOptions::regex());
        let validator = options.with_retriever(Nowhere).build(&schema);
        validator.map(Self).map_err(|error| refused(format!("`payload_schema` is not a usable schema: {error}")))
    }

    /// What is wrong with a payload; each violation names the place as a JSON pointer under `payload`.
    #[must_use]
    pub fn check(&self, payload: &Value) -> Option<Refusal> {
        let violations = self.0.iter_errors(payload).take(VIOLATIONS_MAX);
        let refusal = |error: jsonschema::ValidationError<'_>| {
            let field = format!("payload{}", error.instance_path().as_str());
            let detail = format!("`{field}` does not fit the job type's schema: {}", error.masked());
            Refusal::field(Code::InvalidField, shown(&field), shown(&detail))
        };
        Refusal::joined(violations.map(refusal).collect())
    }
}

fn depth(value: &Value) -> u64 {
    let inside = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + inside.unwrap_or(0)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS_MAX).collect()
}

type Key = (TenantNo, String);

/// What a job type wants read of its payloads.
#[derive(Debug)]
struct Reading {
    schema: Option<PayloadSchema>,
    /// Where the concurrency key is.
    key_pointer: Option<String>,
}

impl Reading {
    /// `None`: nothing.
    fn of(doc: &JobType) -> Option<Arc<Self>> {
        let schema = doc.payload_schema.as_deref().and_then(|text| compiled(&doc.name, text));
        let key_pointer = doc.concurrency_key_pointer.clone();
        (schema.is_some() || key_pointer.is_some()).then(|| Arc::new(Self { schema, key_pointer }))
    }

    /// Reads a payload once: does it fit, and what is its key, if its submitter named none?
    fn judge(&self, job: &mut NewJob) {
        let pointer = self.key_pointer.as_deref().filter(|_| job.lane.concurrency_key.is_none());
        if self.schema.is_none() && pointer.is_none() {
            return;
        }
        let Ok(payload) = serde_json::from_slice::<Value>(&job.payload) else {
            job.misfit = Some(Refusal::field(Code::InvalidField, "payload", "`payload` is not JSON"));
            return;
        };
        job.misfit = self.schema.as_ref().and_then(|schema| schema.check(&payload));
        if let Some(pointer) = pointer {
            job.lane.concurrency_key = key_at(&payload, pointer).or_else(|| Some(DEFAULT_KEY.to_owned()));
        }
    }
}

/// What all job types of the shard want read of their payloads, as they are committed.
#[derive(Debug, Default)]
pub struct PayloadSchemas(RwLock<HashMap<Key, Arc<Reading>>>);

impl PayloadSchemas {
    /// True when no job type says anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Reads the payload of a new job as its type wants it read.
    pub(crate) fn judge(&self, tenant: TenantNo, job: &mut NewJob) {
        let schemas = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let reading = schemas.get(&(tenant, job.lane.job_type.clone())).cloned();
        drop(schemas);
        if let Some(reading) = reading {
            reading.judge(job);
        }
    }

    /// Does the payload of a schedule's job fit its type?
    pub(crate) fn fits(&self, tenant: TenantNo, doc: &Schedule) -> Result<(), Refusal> {
        let Some(job) = &doc.job else { return Ok(()) };
        let schemas = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let reading = schemas.get(&(tenant, job.job_type.clone())).cloned();
        drop(schemas);
        let payload = serde_json::from_str(&job.payload).unwrap_or_default();
        let misfit = reading.and_then(|reading| reading.schema.as_ref()?.check(&payload));
        misfit.map_or(Ok(()), |misfit| Err(misfit.under("job")))
    }

    /// Takes over what an ownership found; an empty list when it ended.
    pub(crate) fn reset<'a>(&self, found: impl Iterator<Item = (TenantNo, &'a JobType)>) {
        let read = found.filter_map(|(no, doc)| Some(((no, doc.name.clone()), Reading::of(doc)?)));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = read.collect();
    }

    /// Takes over what a commit declared.
    pub(crate) fn declared(&self, rows: &[ConfigRow]) {
        for row in rows {
            let Ok(ConfigDoc::JobType(doc)) = serde_json::from_slice(&row.doc) else { continue };
            let reading = Reading::of(&doc);
            let mut schemas = self.0.write().unwrap_or_else(PoisonError::into_inner);
            match reading {
                Some(reading) => schemas.insert((row.tenant, doc.name), reading),
                None => schemas.remove(&(row.tenant, doc.name)),
            };
        }
    }
}

/// What was accepted once compiles; if another build is stricter, payloads go unchecked rather than the shard unserved.
fn compiled(name: &str, text: &str) -> Option<PayloadSchema> {
    let schema = PayloadSchema::compile(text);
    schema.inspect_err(|error| tracing::error!(job_type = name, %error, "a payload schema is not usable")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<Code> {
        PayloadSchema::compile(text).err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_schema_is_self_contained_and_not_too_deep() {
        let nested = |deep: u64| {
            let deep = usize::try_from(deep).unwrap_or(0);
            format!("{}true{}", "{\"not\":".repeat(deep), "}".repeat(deep))
        };
        assert_eq!(code(&nested(limits::PAYLOAD_SCHEMA_DEPTH_MAX)), None);
        assert_eq!(code(&nested(limits::PAYLOAD_SCHEMA_DEPTH_MAX + 1)), Some(Code::LimitExceeded));
        assert_eq!(code(r##"{"$defs":{"a":{"type":"string"}},"$ref":"#/$defs/a"}"##), None);
        for bad in [
            r#"{"type":"happy"}"#,
            r#"{"$ref":"https://example.org/schema.json"}"#,
            r#"{"$ref":"file:///etc/hosts"}"#,
            r#"{"pattern":"("}"#,
            r#"{"pattern":"(a)\\1"}"#,
            "{",
        ] {
            assert_eq!(code(bad), Some(Code::InvalidField), "{bad}");
        }
    }

    #[test]
    fn the_catalogues_schemas_can_be_used() {
        for entry in orch_core::catalogue::all() {
            if let Some(text) = &entry.payload_schema {
                assert_eq!(code(text), None, "{}", entry.name);
            }
        }
    }
}
