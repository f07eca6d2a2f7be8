//! Generated CSAF documents, each about a few vulnerabilities.

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::{Made, Plan, Random, cve, date};
use crate::feed::Feed;

pub(super) fn make(made: &mut Made, random: &mut Random, plan: &Plan) {
    for number in 0..plan.size.div_ceil(2) {
        let (id, path) = (id(number), path("2023", number));
        made.document(Feed::Csaf, &path, text(random, &id, plan.size).into_bytes());
        if number < plan.duplicates {
            let year = if number % 2 == 0 { "2022" } else { "2024" };
            made.twice(Feed::Csaf, &id, &path, &self::path(year, number));
        }
    }
}

pub(super) fn id(number: usize) -> String {
    format!("ICSA-23-{number:03}-01")
}

pub(super) fn path(year: &str, number: usize) -> String {
    format!("csaf/OT/white/{year}/{}.json", id(number).to_lowercase())
}

pub(super) fn sha512(bytes: &[u8]) -> String {
    hex::encode(Sha512::digest(bytes))
}

/// A good document about some of `pool` vulnerabilities.
pub(super) fn text(random: &mut Random, id: &str, pool: usize) -> String {
    let vulnerabilities: Vec<Value> = (0..1 + random.below(3)).map(|_| vulnerability(random, pool)).collect();
    let document = json!({
        "document": {
            "category": "csaf_security_advisory",
            "csaf_version": "2.0",
            "title": random.words(5),
            "references": [{"category": "self", "summary": id, "url": format!("https://example.org/{id}")}],
            "tracking": {
                "id": id,
                "initial_release_date": format!("{}T07:00:00.000000Z", date(random)),
                "current_release_date": format!("{}T09:30:00+02:30", date(random)),
            },
        },
        "product_tree": {"branches": [{"category": "vendor", "name": "Made", "branches": [
            {"category": "product_name", "product": {"product_id": "CSAFPID-0001", "name": "Made Pump"}},
            {"category": "product_name", "product": {"product_id": "CSAFPID-0002", "name": "Made Größe <1.2"}},
        ]}]},
        "vulnerabilities": vulnerabilities,
    });
    format!("{document:#}")
}

fn vulnerability(random: &mut Random, pool: usize) -> Value {
    json!({
        "cve": cve(random.below(pool * 2)),
        "cwe": {"id": format!("CWE-{}", 20 + random.below(5)), "name": "a weakness"},
        "notes": [{"category": "summary", "text": random.words(20)}, {"category": "general", "text": random.words(6)}],
        "product_status": {"known_affected": ["CSAFPID-0002", "CSAFPID-0001"]},
        "references": [{"category": "external", "summary": "s", "url": "https://example.org/cve"}],
        "scores": [{"products": ["CSAFPID-0001"], "cvss_v3": {"version": "3.1", "vectorString": "CVSS:3.1/AV:N"}}],
    })
}
