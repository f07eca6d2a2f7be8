//! A generated catalogue of known exploited vulnerabilities.

use serde_json::{Value, json};

use super::{Made, Plan, Random, cve, date};
use crate::feed::Feed;

const PATH: &str = "kev/known_exploited_vulnerabilities.json";

/// Makes the catalogue and returns how many entries it has.
pub(super) fn make(made: &mut Made, random: &mut Random, plan: &Plan) -> u64 {
    let mut entries: Vec<Value> = (0..plan.size).map(|number| entry(random, &cve(number))).collect();
    for number in 0..plan.duplicates.min(plan.size) {
        let place = |index: usize| format!("{PATH}#/vulnerabilities/{index}");
        made.duplicate(Feed::Kev, &cve(number), &place(number), &place(entries.len()));
        entries.push(entry(random, &cve(number)));
    }
    made.document(Feed::Kev, PATH, text(&entries).into_bytes());
    entries.len() as u64
}

pub(super) fn text(entries: &[Value]) -> String {
    let catalogue =
        json!({"title": "Made", "catalogVersion": "2021.12.31", "count": entries.len(), "vulnerabilities": entries});
    format!("{catalogue:#}").replace("://", ":\\/\\/")
}

pub(super) fn entry(random: &mut Random, cve: &str) -> Value {
    json!({
        "cveID": cve,
        "vendorProject": "Made ",
        "product": random.words(1),
        "vulnerabilityName": random.words(4),
        "dateAdded": date(random),
        "shortDescription": random.words(15),
        "requiredAction": "Apply updates.",
        "dueDate": date(random),
        "knownRansomwareCampaignUse": random.pick(&["Known", "Unknown"]),
        "notes": "see also; https://example.org/b ;https://example.org/a",
        "cwes": ["CWE-20"],
    })
}
