//! Rotation: what nobody needs goes, what somebody needs stays.

use orch_core::ids::LaneNo;
use orch_core::job::JobState;
use orch_core::port::{Append, JobPageParams, JobRow, RotateParams, WindowParams};

use super::Backend;
use super::fixture::{
    LANE, OTHER, Owner, TENANT, at, checkpoint, dead_letter, done, job, job_id, labelled, settlement,
};

/// Stays: what is open, fresh above its lane's head, named, young, of another shard's lane, or has an open dead letter.
pub async fn rotation_keeps_what_must_stay(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mut jobs: Vec<JobRow> = (1..=12).map(job).collect();
    jobs[0] = labelled(jobs[0].clone(), &[("k", "v")]);
    jobs[3].fresh = false;
    jobs[10].lane = LaneNo(88);
    let ended = |n: usize| done(&jobs[n - 1], JobState::Failed);
    let foreign = JobRow { tenant: OTHER, ..job(2) };
    let append = Append {
        jobs: jobs.iter().chain([&foreign]).cloned().collect(),
        // 3 waits in memory, 4 is open and not fresh, 7 and 9 are above the head, 9 was canceled there.
        done: [1, 2, 5, 6, 8, 9, 11, 12].into_iter().map(ended).chain([done(&foreign, JobState::Succeeded)]).collect(),
        dead_letters: vec![dead_letter(&jobs[4], at(50)), dead_letter(&jobs[5], at(51))],
        settlements: vec![settlement(&jobs[5], None)],
        checkpoints: vec![checkpoint(&jobs[0], 1, "{}")],
        ..owner.with_fact()
    };
    owner.write(&append).await;
    let params =
        RotateParams { heads: vec![(TENANT, LANE, 6)], before: at(12), keep: vec![job_id(3), job_id(4), job_id(2)] };
    let (kept, removed) = ledger.job_rotate(&params).await.expect("rotation runs");
    assert_eq!(removed, 2, "1 and the settled 6 go");
    assert_eq!(kept, 8, "2 to 5 and 7 to 10 stay; 11 and 12 are not asked about");

    let all: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let mut left: Vec<u64> =
        ledger.job_lookup(TENANT, &all).await.expect("jobs are looked up").iter().map(|found| found.job.seq).collect();
    left.sort_unstable();
    assert_eq!(left, [2, 3, 4, 5, 7, 8, 9, 10, 11, 12]);
    assert_eq!(ledger.done_lookup(TENANT, &all).await.expect("ends are looked up").len(), 6);
    assert_eq!(ledger.checkpoint_lookup(TENANT, &all).await.expect("checkpoints are looked up"), []);
    let labelled = JobPageParams { limit: 9, labels: jobs[0].labels.clone(), ..JobPageParams::default() };
    assert_eq!(ledger.job_page(TENANT, &labelled).await.expect("pages are read").jobs, []);
    let wish = WindowParams { tenant: TENANT, lane: LANE, after: 6, limit: 9 };
    let window: Vec<u64> =
        ledger.window_read(&[wish]).await.expect("windows are read")[0].iter().map(|row| row.seq).collect();
    assert_eq!(window, [7, 10], "order keys are as they were");
    assert_eq!(ledger.job_lookup(OTHER, &[foreign.id]).await.expect("jobs are looked up").len(), 1);
    let again = ledger.job_rotate(&params).await.expect("rotation runs again");
    assert_eq!(again, (8, 0), "there is nothing more to do");
    let totals = ledger.done_count(TENANT).await.expect("counts are read");
    assert_eq!(totals.iter().map(|count| count.jobs).sum::<u64>(), 8, "rotation forgets no count");
}

/// More jobs than one step takes, and appends go on afterwards.
pub async fn rotation_goes_through_many_jobs(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let jobs: Vec<JobRow> = (1..=4_500).map(job).collect();
    let ends: Vec<_> = jobs[..4_400].iter().map(|job| done(job, JobState::Succeeded)).collect();
    owner.write_jobs(&jobs, &ends).await;
    let params = RotateParams { heads: vec![(TENANT, LANE, 4_400)], before: at(1_000_000), keep: Vec::new() };
    assert_eq!(ledger.job_rotate(&params).await.expect("rotation runs"), (100, 4_400));
    let page = JobPageParams { limit: 200, ..JobPageParams::default() };
    assert_eq!(ledger.job_page(TENANT, &page).await.expect("pages are read").jobs.len(), 100);
    owner.write_jobs(&[job(9_000)], &[done(&jobs[4_450], JobState::Succeeded)]).await;
    assert_eq!(ledger.job_rotate(&params).await.expect("rotation runs"), (101, 0), "above the head it stays");
}
