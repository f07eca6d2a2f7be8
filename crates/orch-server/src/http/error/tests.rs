//! Problems: each code has its page, its status and its form.

use super::*;

fn pages() -> std::collections::BTreeMap<String, String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
    let files = std::fs::read_dir(folder).expect("the folder of pages is part of the tree");
    let pages = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md"));
    pages
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn each_code_has_one_page_that_states_its_status_and_whether_to_retry() {
    let mut pages = pages();
    pages.remove("README");
    for code in Code::ALL {
        let page = pages.remove(code.as_str()).unwrap_or_else(|| panic!("no page for {}", code.as_str()));
        let status = face(*code).0.as_u16();
        let retry = if code.retryable() { "yes" } else { "no" };
        let line = format!("HTTP status {status} · retryable: {retry}");
        assert!(page.contains(&line), "the page of {} lacks the line `{line}`", code.as_str());
        for heading in ["# `", "## Meaning", "## Likely causes", "## What to do"] {
            assert!(page.contains(heading), "the page of {} lacks {heading}", code.as_str());
        }
    }
    assert!(pages.is_empty(), "pages of no code: {:?}", pages.keys());
}

#[test]
fn titles_are_different_for_different_codes() {
    let mut titles: Vec<_> = Code::ALL.iter().map(|code| face(*code).1).collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), Code::ALL.len());
}

#[test]
fn several_codes_at_once_become_invalid_field_and_the_list_is_bounded() {
    let refusals = (0..200).map(|n| Refusal::field(Code::LimitExceeded, format!("jobs[{n}].labels"), "too many"));
    let mut refusals: Vec<_> = refusals.collect();
    let problem = Problem::fields(refusals.clone()).unwrap();
    assert_eq!((problem.code, problem.errors.len()), (Code::LimitExceeded, FIELD_ERRORS_MAX));
    refusals.push(Refusal::field(Code::UnknownJobType, "jobs[0].job_type", "no such"));
    assert_eq!(Problem::fields(refusals).unwrap().code, Code::InvalidField);
    assert!(Problem::fields(Vec::new()).is_none());
}

#[test]
fn what_is_internal_stays_inside() {
    let marker = "MARKER-7f3a";
    let problems = [
        Problem::from(orch_engine::Error::Internal(marker.to_owned())),
        Problem::from(StoreError::Unavailable(marker.to_owned())),
        Problem::from(StoreError::Corrupt(marker.to_owned())),
        Problem::from(StoreError::Refused(marker.to_owned())),
    ];
    for problem in problems {
        let body = String::from_utf8(problem.body("req_1")).unwrap();
        assert!(!body.contains(marker), "{body}");
    }
}
