//! Queries: what each term says, what is refused and where, and that what is shown is read again.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> JobQuery {
    JobQuery::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> String {
    JobQuery::parse(text).unwrap_err().to_string()
}

#[test]
fn each_key_has_its_place() {
    let query = parse(
        "state:failed,canceled type:feeds.*,merge source:osv host:example.* project:core error:timeout \
         label.feed:kev since:24h until:2026-01-15T00:00:00Z",
    );
    assert_snapshot!(query, @r#"state:failed,canceled type:"merge",feeds.* source:"osv" host:example.* project:"core" error:"timeout" since:86400000ms until:2026-01-15T00:00:00.000Z label.feed:"kev""#);
    assert!(query.job_types.iter().any(|pattern| pattern.fits("feeds.fetch")));
    assert!(!query.job_types.iter().any(|pattern| pattern.fits("merge2")));
    let id = JobId(uuid::Uuid::from_u128(7));
    assert_eq!(parse(&format!("id:{id}")).ids, [id]);
    assert_eq!(parse(""), JobQuery::default());
    assert_eq!(parse("  \t "), JobQuery::default());
}

#[test]
fn older_state_names_are_accepted() {
    assert_eq!(parse("state:pending").states, JobState::PENDING);
    assert_eq!(parse("state:completed,cancelled").states, [JobState::Succeeded, JobState::Canceled]);
}

#[test]
fn quotes_take_the_meaning_from_what_they_hold() {
    assert_eq!(parse(r#"label.note:"a b, \"c\" \\""#).labels["note"], [r#"a b, "c" \"#]);
    assert_eq!(parse(r#"label.note:"",x"#).labels["note"], ["", "x"]);
    assert_eq!(parse("label.time:12:30").labels["time"], ["12:30"]);
}

#[test]
fn moments_are_reckoned_from_the_time_that_is_given() {
    let now = Timestamp::from_millis(10_000_000);
    for (text, ms) in [("500ms", 9_999_500), ("30s", 9_970_000), ("2m", 9_880_000), ("1h", 6_400_000), ("1w", 0)] {
        let since = parse(&format!("since:{text}")).since.unwrap();
        assert_eq!(since.moment(now).millis(), ms, "{text}");
    }
    let at = parse("until:1970-01-01T01:00:00+01:00").until.unwrap();
    assert_eq!(at.moment(now), Timestamp::ZERO);
}

#[test]
fn errors_name_the_term_and_where_it_stands() {
    assert_snapshot!(error("state:failed stat:x"), @"there is no key `stat`; there are state, type, source, host, project, id, error, since, until, label.NAME (`stat:x` at character 14)");
    assert_snapshot!(error("failed"), @"a term is `key:value` (`failed` at character 1)");
    assert_snapshot!(error(":x"), @"a term is `key:value` (`:x` at character 1)");
    assert_snapshot!(error("state:"), @r#"a value is missing; an empty one is written `""` (`state:` at character 1)"#);
    assert_snapshot!(error("type:a,,b"), @r#"a value is missing; an empty one is written `""` (`type:a,,b` at character 1)"#);
    assert_snapshot!(error("state:happy"), @"there is no state `happy` (`state:happy` at character 1)");
    assert_snapshot!(error("type:a type:b"), @"`type` stands twice: separate its values by commas (`type:b` at character 8)");
    assert_snapshot!(error("type:*.fetch"), @"`*` may stand only at the end of a value (`type:*.fetch` at character 1)");
    assert_snapshot!(error("type:-x"), @"`type` must start with a letter or digit and hold only letters, digits and . _ : / - (`type:-x` at character 1)");
    assert_snapshot!(error("since:soon"), @"expected a duration like `30m`, `24h` or `7d`, or a time as RFC 3339 has it (`since:soon` at character 1)");
    assert_snapshot!(error("since:1h,2h"), @"`since` takes one moment (`since:1h,2h` at character 1)");
    assert_snapshot!(error("since:99999999999999999999d"), @"expected a duration like `30m`, `24h` or `7d`, or a time as RFC 3339 has it (`since:99999999999999999999d` at character 1)");
    assert_snapshot!(error("id:7"), @"this is not a job's id: expected `job_` followed by 32 hexadecimal digits (`id:7` at character 1)");
    assert_snapshot!(error(r#"error:"x"#), @r#"a quoted value is not closed (`error:"x` at character 1)"#);
    assert_snapshot!(error(r#"error:"x"y"#), @r#"a quote may stand only around a whole value (`error:"x"y` at character 1)"#);
    assert_snapshot!(error(r#"error:x"y""#), @r#"a quote may stand only around a whole value (`error:x"y"` at character 1)"#);
    assert_snapshot!(error(r#"error:"\n""#), @r#"a backslash may stand only before `"` and `\` (`error:"\n"` at character 1)"#);
    assert_snapshot!(error("label.:x"), @"`label` must start with a letter or digit and hold only letters, digits and . _ : / - (`label.:x` at character 1)");
}

#[test]
fn a_query_is_as_long_as_it_may_be_and_no_longer() {
    let chars = usize::try_from(limits::QUERY_CHARS_MAX).unwrap();
    let text = |chars: usize| format!("state:failed{}", " ".repeat(chars - 12));
    assert!(JobQuery::parse(&text(chars)).is_ok());
    assert!(JobQuery::parse(&text(chars + 1)).unwrap_err().too_large);
    let values = usize::try_from(limits::QUERY_VALUES_MAX).unwrap();
    let text = |values: usize| format!("type:{}", vec!["a"; values].join(","));
    assert!(JobQuery::parse(&text(values)).is_ok());
    assert!(JobQuery::parse(&text(values + 1)).unwrap_err().too_large);
    let value = |chars: u64| format!("label.k:{}", "é".repeat(usize::try_from(chars).unwrap()));
    assert!(JobQuery::parse(&value(limits::LABEL_VALUE_CHARS_MAX)).is_ok());
    assert!(JobQuery::parse(&value(limits::LABEL_VALUE_CHARS_MAX + 1)).unwrap_err().too_large);
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_shown_is_read_again(text in r#"((state|type|label\.k|error|since):["a-z*,\\ 0-9]{0,9} ?){0,4}"#) {
        if let Ok(query) = JobQuery::parse(&text) {
            prop_assert_eq!(parse(&query.to_string()), query);
        }
    }
}
