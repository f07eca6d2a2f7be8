//! Every kind of gate for the work, none of which holds it: what they cost is that they are looked at.

use orch_core::blackout::Blackout;
use orch_core::calendar::CalendarRule;
use orch_core::config::{Breaker, Bucket, ConfigDoc, JobType, Source};
use orch_core::quota::Quota;
use orch_core::term::Term;

use crate::job::{HOST, JOB_TYPE, SOURCE};

/// More than is ever under way.
const MANY: u32 = 1_000_000;

/// The documents. Hourly quotas are none of them: the most that they allow is less than two seconds of this work.
pub fn documents() -> Vec<ConfigDoc> {
    let (host, job_type) = (Some(HOST.to_owned()), Some(JOB_TYPE.to_owned()));
    let terms = vec![Term::window(100_000, 1_000), Term::pace(100_000, 500, 100_000)];
    let calendar = CalendarRule {
        cron: Some("0 0 1 1 *".to_owned()),
        duration_ms: 1_000,
        zone: "UTC".to_owned(),
        ..CalendarRule::default()
    };
    let backlog_max = Some(u64::from(MANY) * 100);
    vec![
        ConfigDoc::JobType(JobType { concurrency_max: Some(MANY), ..JobType::named(JOB_TYPE) }),
        ConfigDoc::Source(Source {
            name: SOURCE.to_owned(),
            kind: "bench".to_owned(),
            host: host.clone(),
            concurrency_max: Some(MANY),
            ..Source::default()
        }),
        ConfigDoc::Bucket(Bucket { name: "bench".to_owned(), host: HOST.to_owned(), terms, ..Bucket::default() }),
        ConfigDoc::Breaker(Breaker { name: "type".to_owned(), job_type: job_type.clone(), ..Breaker::default() }),
        ConfigDoc::Breaker(Breaker { name: "host".to_owned(), host: host.clone(), ..Breaker::default() }),
        ConfigDoc::Blackout(Box::new(Blackout { name: "new-year".to_owned(), calendar, host, ..Blackout::default() })),
        ConfigDoc::Quota(Quota { name: "all".to_owned(), active_max: Some(MANY), backlog_max, ..Quota::default() }),
        ConfigDoc::Quota(Quota { name: "type".to_owned(), job_type, weight: Some(2), ..Quota::default() }),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn they_are_what_the_server_would_take() {
        for doc in super::documents() {
            doc.check().unwrap();
        }
    }
}
