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

/// The codes that a whole server cannot be brought to in a test, as their answers.
#[test]
fn what_the_engine_cannot_do_is_answered_with_its_code_and_when_to_ask_again() {
    use orch_engine::Error as E;
    let backlog = Refusal::new(Code::BacklogFull, "too much is waiting");
    for (error, status, code) in [
        (E::NotOwner { retry_after_ms: 2_500, address: None }, 503, "not_owner"),
        (E::Overloaded { retry_after_ms: 2_500 }, 503, "overloaded"),
        (E::OutcomeUnknown, 503, "outcome_unknown"),
        (E::Draining, 503, "draining"),
        (E::Internal("x".to_owned()), 500, "internal"),
        (E::Refused(backlog), 429, "backlog_full"),
    ] {
        let asks = matches!(error, E::NotOwner { .. } | E::Overloaded { .. });
        let problem = Problem::from(error);
        let mut headers = HeaderMap::new();
        problem.headers(&mut headers);
        assert_eq!((problem.status.as_u16(), problem.code.as_str()), (status, code));
        assert_eq!(headers.get(RETRY_AFTER).is_some(), status != 500, "{code}");
        assert!(!asks || headers[RETRY_AFTER] == "3", "{code}");
        let body: serde_json::Value = serde_json::from_slice(&problem.body("req_1")).unwrap();
        assert_eq!((&body["code"], &body["retryable"]), (&code.into(), &true.into()));
    }
}

/// A code that no test meets is a promise that nobody looks after.
#[test]
fn each_code_is_met_by_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let files = std::fs::read_dir(folder).expect("the tests are part of the tree").map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut text: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    text.push_str(include_str!("tests.rs"));
    for code in Code::ALL {
        assert!(text.contains(&format!("\"{}\"", code.as_str())), "no test meets {}", code.as_str());
    }
}
