//! Job types that come with the orchestrator, as data: what the platform's services ask for, ready to be declared.
//!
//! A file a service under `catalogue/`, each a list of documents as `PUT /job-types/{name}` takes them. Nothing here
//! is declared by itself; a tenant takes over what it wants and changes it as it likes.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::config::JobType;

const FILES: &[&str] = &[
    include_str!("../catalogue/concelier.json"),
    include_str!("../catalogue/excititor.json"),
    include_str!("../catalogue/export.json"),
    include_str!("../catalogue/policy.json"),
    include_str!("../catalogue/sbom.json"),
];

/// A job type as its file has it: the schema is JSON there and text in the document.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    payload_schema: Option<Value>,
    #[serde(flatten)]
    policy: serde_json::Map<String, Value>,
}

static ALL: LazyLock<Vec<JobType>> = LazyLock::new(|| {
    let mut all: Vec<JobType> = FILES.iter().flat_map(|file| read(file)).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
});

fn read(file: &str) -> Vec<JobType> {
    let written: Vec<Written> =
        serde_json::from_str(file).expect("the files are part of the build and a test reads them");
    let job_type = |written: Written| JobType {
        payload_schema: written.payload_schema.map(|schema| schema.to_string()),
        ..serde_json::from_value(Value::Object(written.policy)).expect("the files hold job types, which a test shows")
    };
    written.into_iter().map(job_type).collect()
}

/// All of them, by name.
#[must_use]
pub fn all() -> &'static [JobType] {
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_a_job_type_of_its_services_name_described_and_within_its_limits() {
        let mut names: Vec<_> = all().iter().map(|entry| entry.name.as_str()).collect();
        names.dedup();
        assert_eq!(names.len(), all().len());
        for entry in all() {
            assert!(entry.check().is_ok(), "{}", entry.name);
            assert!(!entry.description.is_empty(), "{}", entry.name);
        }
        for service in ["concelier.", "excititor.", "export.", "policy.", "sbom."] {
            assert!(names.iter().any(|name| name.starts_with(service)), "{service}");
        }
    }
}
