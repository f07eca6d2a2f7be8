//! Pages: everything once, in order, in bounded work.

use std::sync::Arc;

use orch_core::ids::{JobId, LaneNo};
use orch_core::job::{JobError, JobState};
use orch_core::port::{
    Append, DeadLetterFound, DeadLetterPageParams, DoneRow, JobFound, JobOutput, JobPageParams, JobRow, Ledger,
    StoreError,
};

use super::Backend;
use super::fixture::{OTHER, Owner, TENANT, artifact, at, dead_letter, done, job, job_id, labelled, log, settlement};

/// All pages one after the other, and how many there were.
async fn all_pages(ledger: &Arc<dyn Ledger>, params: &JobPageParams) -> (Vec<JobFound>, usize) {
    let mut params = params.clone();
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = ledger.job_page(TENANT, &params).await.expect("pages are read");
        assert!(page.jobs.len() <= params.limit, "a page holds no more than asked for");
        found.extend(page.jobs);
        pages += 1;
        let Some(next) = page.next else { return (found, pages) };
        assert!(params.before.is_none_or(|before| next < before), "each page begins below the last");
        params.before = Some(next);
    }
}

fn ids(found: &[JobFound]) -> Vec<JobId> {
    found.iter().map(|found| found.job.id).collect()
}

/// Whatever the page's size, all jobs come once, newest first, each with its end.
pub async fn pages_show_every_job_once_newest_first(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let jobs: Vec<JobRow> = (1..=23).map(job).collect();
    let ends: Vec<_> = jobs.iter().step_by(2).map(|job| done(job, JobState::Skipped)).collect();
    owner.write_jobs(&jobs, &ends).await;
    owner.write_jobs(&[JobRow { tenant: OTHER, ..job(10) }], &[]).await;
    let newest_first: Vec<JobId> = (1..=23).rev().map(job_id).collect();
    for limit in [1, 5, 22, 23, 24, 200] {
        let (found, pages) = all_pages(&ledger, &JobPageParams { limit, ..JobPageParams::default() }).await;
        assert_eq!(ids(&found), newest_first);
        assert!(pages <= 23_usize.div_ceil(limit) + 1);
        assert!(found.iter().all(|found| found.done.is_some() == (found.job.seq % 2 == 1)));
    }
    let none = ledger.job_page(TENANT, &JobPageParams::default()).await.expect("an empty page is no error");
    assert_eq!(none.jobs, []);
}

/// Each filter, and filters together, show exactly what they say.
pub async fn pages_keep_to_their_filters(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let states = [JobState::Succeeded, JobState::Failed, JobState::Canceled, JobState::Skipped];
    let jobs: Vec<JobRow> = (0..60_u64)
        .map(|n| {
            let job = JobRow { lane: LaneNo(u32::try_from(n % 3).expect("small")), ..job(n + 1) };
            match n % 5 {
                0 => labelled(job, &[("feed", "osv")]),
                1 => labelled(job, &[("feed", "osv"), ("level", "high")]),
                2 => labelled(job, &[("feed", "kev")]),
                _ => job,
            }
        })
        .collect();
    let ends: Vec<_> = (0..60).filter(|n| n % 6 < 4).map(|n| done(&jobs[n], states[n % 6])).collect();
    owner.write_jobs(&jobs, &ends).await;

    let end_of = |job: &JobRow| ends.iter().find(|end| end.job == job.id).map(|end| end.state);
    let has = |job: &JobRow, key: &str, value: &str| job.labels.iter().any(|(k, v)| k == key && v == value);
    let page = JobPageParams { limit: 7, ..JobPageParams::default() };
    let labels = |labels: &[(&str, &str)]| -> Vec<(String, String)> {
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let check = async |params: &JobPageParams, keep: &dyn Fn(&JobRow) -> bool| {
        let expected: Vec<JobId> = jobs.iter().rev().filter(|job| keep(job)).map(|job| job.id).collect();
        assert_eq!(ids(&all_pages(&ledger, params).await.0), expected, "{params:?}");
    };
    let lanes = Some(vec![LaneNo(0), LaneNo(2)]);
    check(&JobPageParams { lanes: lanes.clone(), ..page.clone() }, &|job| job.lane != LaneNo(1)).await;
    check(&JobPageParams { lanes: Some(vec![]), ..page.clone() }, &|_| false).await;
    check(&JobPageParams { open_only: true, ..page.clone() }, &|job| end_of(job).is_none()).await;
    for wanted in [vec![JobState::Succeeded], vec![JobState::Failed], states[1..3].to_vec(), states.to_vec(), vec![]] {
        let params = JobPageParams { states: Some(wanted.clone()), ..page.clone() };
        check(&params, &|job| end_of(job).is_some_and(|state| wanted.contains(&state))).await;
    }
    let osv = JobPageParams { labels: labels(&[("feed", "osv")]), ..page.clone() };
    check(&osv, &|job| has(job, "feed", "osv")).await;
    let both = JobPageParams { labels: labels(&[("feed", "osv"), ("level", "high")]), ..page.clone() };
    check(&both, &|job| has(job, "level", "high")).await;
    check(&JobPageParams { labels: labels(&[("feed", "no")]), ..page.clone() }, &|_| false).await;
    let range = JobPageParams { since: Some(at(11)), until: Some(at(31)), ..page.clone() };
    check(&range, &|job| (11..31).contains(&job.seq)).await;
    let all = JobPageParams { lanes, states: Some(vec![JobState::Failed]), since: Some(at(20)), ..osv };
    check(&all, &|job| {
        job.lane != LaneNo(1) && end_of(job) == Some(JobState::Failed) && job.seq >= 20 && has(job, "feed", "osv")
    })
    .await;
}

/// Only ends with one of the errors are shown, whatever else their outputs hold.
pub async fn pages_find_errors_by_code_and_class(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let jobs: Vec<JobRow> = (1..=9).map(job).collect();
    let output = |n: u64| JobOutput {
        error: (!n.is_multiple_of(3))
            .then(|| JobError::own(if n % 3 == 1 { "upstream" } else { "handler" }, "it broke", true)),
        result: Some(serde_json::json!("a\u{0}b")),
        ..JobOutput::default()
    };
    let ends = jobs.iter().filter(|job| job.seq < 9).map(|job| {
        let json = serde_json::to_vec(&output(job.seq)).expect("outputs hold only what JSON can hold");
        DoneRow { output: Some(json.into()), ..done(job, JobState::Failed) }
    });
    owner.write_jobs(&jobs, &ends.collect::<Vec<_>>()).await;
    let own = JobError::own("handler", "it broke", true);
    for (errors, expected) in [
        (vec!["upstream".to_owned()], vec![7, 4, 1]),
        (vec![own.class.clone(), own.code.clone(), "upstream".to_owned()], vec![8, 7, 5, 4, 2, 1]),
        (vec!["nothing".to_owned()], vec![]),
    ] {
        let page = JobPageParams { limit: 2, errors, states: Some(vec![JobState::Failed]), ..JobPageParams::default() };
        let expected: Vec<JobId> = expected.into_iter().map(job_id).collect();
        assert_eq!(ids(&all_pages(&ledger, &page).await.0), expected, "{page:?}");
    }
}

/// A page that must look far is short and says where to go on; the job far down is found in a few pages.
pub async fn a_page_reads_a_bounded_number_of_rows(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mut jobs: Vec<JobRow> = (1..=5_000).map(job).collect();
    jobs[0].lane = LaneNo(99);
    for chunk in jobs.chunks(2_500) {
        owner.write_jobs(chunk, &[]).await;
    }
    let params = JobPageParams { limit: 10, lanes: Some(vec![LaneNo(99)]), ..JobPageParams::default() };
    let first = ledger.job_page(TENANT, &params).await.expect("pages are read");
    assert_eq!(first.jobs, []);
    assert!(first.next.is_some(), "a page does not walk through everything");
    let (found, pages) = all_pages(&ledger, &params).await;
    assert_eq!(ids(&found), [job_id(1)]);
    assert!(pages <= 4, "{pages} pages");
}

/// Open dead letters are shown newest first; settled ones only when asked for, with their settlement.
pub async fn dead_letters_are_open_until_settled(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let jobs: Vec<JobRow> = (1..=6).map(job).collect();
    // Two of one moment: the job decides.
    let letters: Vec<_> = jobs.iter().map(|job| dead_letter(job, at(100 + job.seq / 2))).collect();
    let append = Append { jobs: jobs.clone(), dead_letters: letters.clone(), ..owner.with_fact() };
    owner.write(&append).await;
    let settlements = vec![settlement(&jobs[1], None), settlement(&jobs[3], Some(job_id(77)))];
    let append = Append { settlements: settlements.clone(), ..owner.with_fact() };
    owner.write(&append).await;

    let page = async |settled, before, limit| -> Vec<DeadLetterFound> {
        let params = DeadLetterPageParams { before, limit, settled };
        ledger.dead_letter_page(TENANT, &params).await.expect("dead letters are read")
    };
    let rows = |found: &[DeadLetterFound]| found.iter().map(|found| found.row.clone()).collect::<Vec<_>>();
    let newest: Vec<_> = letters.iter().rev().cloned().collect();
    let open: Vec<_> = newest.iter().filter(|row| ![jobs[1].id, jobs[3].id].contains(&row.job)).cloned().collect();
    let found = page(false, None, 9).await;
    assert_eq!(rows(&found), open);
    assert!(found.iter().all(|found| found.settlement.is_none()));
    assert_eq!(rows(&page(false, Some((open[1].at, open[1].job)), 1).await), open[2..3]);
    let all = page(true, None, 9).await;
    assert_eq!(rows(&all), newest);
    assert_eq!(all.iter().filter_map(|found| found.settlement.clone()).count(), 2);
    assert_eq!(rows(&page(true, Some((newest[2].at, newest[2].job)), 2).await), newest[3..5]);
    let one = ledger.dead_letter_get(TENANT, jobs[3].id).await.expect("it is read").expect("it is there");
    assert_eq!(one, DeadLetterFound { row: letters[3].clone(), settlement: Some(settlements[1].clone()) });
    assert_eq!(ledger.dead_letter_get(TENANT, job_id(50)).await.expect("it is read"), None);
    let found = ledger.job_lookup(TENANT, &[jobs[1].id, jobs[2].id]).await.expect("jobs are looked up");
    assert!(found.iter().all(|found| found.settled == (found.job.id == jobs[1].id)));
}

/// A second settlement of the same dead letter is refused.
pub async fn a_dead_letter_is_settled_once(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let append = Append {
        jobs: vec![job(1)],
        dead_letters: vec![dead_letter(&job(1), at(1))],
        settlements: vec![settlement(&job(1), None)],
        ..owner.with_fact()
    };
    owner.write(&append).await;
    let again = Append { settlements: vec![settlement(&job(1), Some(job_id(2)))], ..owner.with_fact() };
    assert!(matches!(owner.try_write(&again).await, Err(StoreError::Corrupt(_))));
    let found = ledger.dead_letter_get(TENANT, job_id(1)).await.expect("it is read").expect("it is there");
    assert_eq!(found.settlement, Some(settlement(&job(1), None)));
}

/// Log chunks come by attempt and order, after the given place, at most as many as asked for.
pub async fn logs_are_paged_in_order(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let one = job(1);
    let places = [(1, 65_536), (1, 65_537), (1, 131_072), (2, 5), (2, 9)];
    for (attempt, order) in [places[3], places[0], places[4], places[2], places[1]] {
        let append = Append { logs: vec![log(&one, attempt, order), log(&job(2), attempt, order)], ..owner.next() };
        owner.write(&append).await;
    }
    let page = async |after, limit| -> Vec<(u32, u64)> {
        let rows = ledger.log_page(TENANT, one.id, after, limit).await.expect("logs are read");
        assert!(rows.iter().all(|row| *row == log(&one, row.attempt, row.order)));
        rows.iter().map(|row| (row.attempt, row.order)).collect()
    };
    assert_eq!(page((0, 0), 99).await, places);
    assert_eq!(page((0, 0), 2).await, places[..2]);
    assert_eq!(page(places[1], 2).await, places[2..4]);
    assert_eq!(page((1, u64::MAX), 9).await, places[3..]);
    assert_eq!(page((u32::MAX, 0), 9).await, []);
}

/// An artifact is found by its digest, whoever of the tenant registered it, and registering it again is harmless.
pub async fn artifacts_are_found_by_digest(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let (one, two) = (job(1), job(2));
    let rows = vec![artifact(&two, 1, 'a'), artifact(&one, 1, 'b'), artifact(&one, 1, 'b')];
    let append = Append { artifacts: rows, ..owner.next() };
    owner.write(&append).await;
    let append = Append { artifacts: vec![artifact(&one, 2, 'a'), artifact(&two, 1, 'a')], ..owner.next() };
    owner.write(&append).await;
    let get = async |digest: &str| ledger.artifact_get(TENANT, digest).await.expect("artifacts are looked up");
    let found = get(&"a".repeat(64)).await.expect("it is there");
    assert!([artifact(&two, 1, 'a'), artifact(&one, 2, 'a')].contains(&found));
    assert_eq!(get(&"b".repeat(64)).await, Some(artifact(&one, 1, 'b')));
    assert_eq!(get(&"c".repeat(64)).await, None);
    assert_eq!(get("no digest at all ' \" --").await, None);
}
