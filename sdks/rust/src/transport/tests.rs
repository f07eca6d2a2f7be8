//! Transport: which calls are repeated, where they go next, and what an answer becomes.

use super::*;

fn problem_of(code: &str, status: u16, retryable: bool) -> Failure {
    let problem = Problem { code: code.to_owned(), status, retryable, ..Problem::default() };
    Failure::Problem(Box::new(problem), Bytes::new())
}

#[test]
fn an_unknown_outcome_is_repeated_only_with_a_promise() {
    let failure = problem_of("outcome_unknown", 503, true);
    assert!(!failure.spares(&Call::post("/tokens")));
    assert!(failure.spares(&Call::post("/jobs").keyed(None)));
    assert!(failure.spares(&Call::get("/jobs")));
}

#[test]
fn what_was_refused_before_it_began_is_repeated_always() {
    for code in ["overloaded", "not_owner", "draining", "backlog_full"] {
        assert!(problem_of(code, 503, true).spares(&Call::post("/tokens")), "{code}");
    }
}

#[test]
fn a_final_no_is_final() {
    let failure = problem_of("invalid_field", 422, false);
    assert!(!failure.spares(&Call::get("/jobs")));
    assert!(!failure.elsewhere());
}

#[test]
fn an_overloaded_server_does_not_send_its_clients_to_the_others() {
    assert!(!problem_of("overloaded", 503, true).elsewhere());
    assert!(problem_of("not_owner", 503, true).elsewhere());
    assert!(problem_of("unknown", 503, true).elsewhere());
}

#[test]
fn a_problem_keeps_what_a_proxy_says() {
    let found = problem(reqwest::StatusCode::BAD_GATEWAY, b"<html>", Some(2_000));
    assert_eq!((found.status, found.retryable, found.retry_after_ms), (502, true, Some(2_000)));
    let found = problem(reqwest::StatusCode::CONFLICT, br#"{"code":"stale_lease","retryable":false}"#, None);
    assert_eq!((found.status, found.code.as_str()), (409, "stale_lease"));
}

#[test]
fn names_become_one_segment() {
    assert_eq!(segment("feeds/kev 1"), "feeds%2Fkev%201");
    assert_eq!(segment("feeds.kev:a-b_c"), "feeds.kev:a-b_c");
}
