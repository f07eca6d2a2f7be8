//! Rotation: what nobody needs goes, what somebody needs stays.

use std::sync::Arc;

use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::{JobError, JobState};
use orch_core::port::{
    Append, ArtifactRow, DoneRow, JobOutput, JobPageParams, JobRow, KeyPlace, KeyRow, Ledger, LogRow, RollupRow,
    RotateParams, Rotated, SettlementRow, WindowParams,
};
use orch_core::time::Timestamp;
use uuid::Uuid;

use super::Backend;
use super::fixture::{
    LANE, OTHER, Owner, START, TENANT, artifact, at, checkpoint, dead_letter, done, job, job_id, key, labelled, log,
    settlement,
};

const HOUR_MS: u64 = 3_600_000;

/// All of the tenant's jobs, with `LANE`'s head there.
fn terms(head: u64, before: Timestamp) -> RotateParams {
    RotateParams {
        tenant: TENANT,
        heads: Arc::new([(LANE, head)]),
        keep: Arc::new([]),
        before,
        above: JobId(Uuid::nil()),
        upto: JobId(Uuid::max()),
    }
}

/// Steps until there is nothing more to walk.
async fn rotate(ledger: &Arc<dyn Ledger>, params: &RotateParams) -> (u64, u64) {
    let mut params = params.clone();
    let (mut kept, mut removed) = (0, 0);
    loop {
        let Rotated { removed: gone, kept: left, next } = ledger.job_rotate(&params).await.expect("rotation runs");
        kept += left;
        removed += gone;
        let Some(next) = next else { return (kept, removed) };
        assert!(next >= params.above, "no step goes back");
        params.above = next;
    }
}

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
        // 3 waits in memory, 4 is open and not fresh, 7 and 9 are above the head, 9 was canceled there, 12 is young.
        done: [1, 2, 5, 6, 8, 9, 11, 12].into_iter().map(ended).chain([done(&foreign, JobState::Succeeded)]).collect(),
        dead_letters: vec![dead_letter(&jobs[4], at(50)), dead_letter(&jobs[5], at(51))],
        settlements: vec![SettlementRow { at: at(60), ..settlement(&jobs[5], None) }],
        checkpoints: vec![checkpoint(&jobs[0], 1, "{}")],
        ..owner.with_fact()
    };
    owner.write(&append).await;
    let params = RotateParams { keep: Arc::new([job_id(2), job_id(3), job_id(4)]), ..terms(6, at(1_012)) };
    assert_eq!(rotate(&ledger, &params).await, (10, 2), "1 and the settled 6 go");

    let all: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let mut left: Vec<u64> =
        ledger.job_lookup(TENANT, &all).await.expect("jobs are looked up").iter().map(|found| found.job.seq).collect();
    left.sort_unstable();
    assert_eq!(left, [2, 3, 4, 5, 7, 8, 9, 10, 11, 12]);
    assert_eq!(ledger.done_lookup(TENANT, &all).await.expect("ends are looked up").len(), 6);
    let wish = WindowParams { tenant: TENANT, lane: LANE, after: 6, limit: 9 };
    let window: Vec<u64> =
        ledger.window_read(&[wish]).await.expect("windows are read")[0].iter().map(|row| row.seq).collect();
    assert_eq!(window, [7, 10], "order keys are as they were");
    assert_eq!(ledger.job_lookup(OTHER, &[foreign.id]).await.expect("jobs are looked up").len(), 1);
    assert_eq!(rotate(&ledger, &params).await, (10, 0), "there is nothing more to do");
    let open = RotateParams { heads: Arc::new([(LANE, u64::MAX), (LaneNo(88), u64::MAX)]), ..terms(0, at(90_000)) };
    rotate(&ledger, &open).await;
    let left = ledger.job_lookup(TENANT, &all).await.expect("jobs are looked up");
    let mut left: Vec<u64> = left.iter().map(|found| found.job.seq).collect();
    left.sort_unstable();
    assert_eq!(left, [3, 4, 5, 7, 10], "what is open stays, whatever is said of it");
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
    let params = terms(4_400, at(1_000_000));
    let step = ledger.job_rotate(&params).await.expect("rotation runs");
    assert!(step.removed < 2_000 && step.next.is_some(), "a step is small: {step:?}");
    let upto = RotateParams { upto: job_id(1_000), ..params.clone() };
    assert_eq!(rotate(&ledger, &upto).await, (0, 1_000 - step.removed), "only so far as it is told");
    assert_eq!(rotate(&ledger, &params).await, (100, 3_400));
    let page = JobPageParams { limit: 200, ..JobPageParams::default() };
    assert_eq!(ledger.job_page(TENANT, &page).await.expect("pages are read").jobs.len(), 100);
    owner.write_jobs(&[job(9_000)], &[done(&jobs[4_450], JobState::Succeeded)]).await;
    assert_eq!(rotate(&ledger, &params).await, (101, 0), "above the head it stays");
}

/// A job whose dead letter was settled is kept from then on.
pub async fn what_is_settled_is_kept_a_while(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let failed = job(1);
    let append = Append {
        jobs: vec![failed.clone()],
        done: vec![done(&failed, JobState::Failed)],
        dead_letters: vec![dead_letter(&failed, at(1_001))],
        ..owner.with_fact()
    };
    owner.write(&append).await;
    assert_eq!(rotate(&ledger, &terms(9, at(9_000))).await, (1, 0));
    let settled = settlement(&failed, None);
    let append = Append { settlements: vec![settled.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    assert_eq!(rotate(&ledger, &terms(9, settled.at)).await, (1, 0));
    assert_eq!(rotate(&ledger, &terms(9, settled.at.plus_ms(1))).await, (0, 1));
}

/// A job with something in every table.
fn whole(owner: &mut Owner, job: &JobRow, logs: u64) -> Append {
    Append {
        jobs: vec![job.clone()],
        done: vec![done(job, JobState::Failed)],
        dead_letters: vec![dead_letter(job, at(50))],
        settlements: vec![SettlementRow { at: job.created_at, ..settlement(job, None) }],
        checkpoints: vec![checkpoint(job, 1, "{}")],
        logs: (1..=logs).map(|order| LogRow { at: job.created_at, ..log(job, 1, order) }).collect(),
        artifacts: ['a', 'b'].map(|digest| ArtifactRow { at: job.created_at, ..artifact(job, 1, digest) }).into(),
        ..owner.with_fact()
    }
}

/// All that is a job's goes with it, so that its id can be given to a new one; which stays, and keeps what is its own.
pub async fn rotation_leaves_nothing_of_a_job(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let old = labelled(job(1), &[("k", "v")]);
    let other = labelled(job(2), &[("k", "v")]);
    let append = whole(&mut owner, &old, 12_000);
    owner.write(&append).await;
    let append = whole(&mut owner, &other, 1);
    owner.write(&append).await;
    assert_eq!(rotate(&ledger, &terms(9, at(1_002))).await, (1, 1));

    let gone = async |id: JobId| {
        assert_eq!(ledger.job_lookup(TENANT, &[id]).await.expect("jobs are looked up"), []);
        assert_eq!(ledger.done_lookup(TENANT, &[id]).await.expect("ends are looked up"), []);
        assert_eq!(ledger.checkpoint_lookup(TENANT, &[id]).await.expect("checkpoints are looked up"), []);
        assert_eq!(ledger.log_page(TENANT, id, (0, 0), 9).await.expect("logs are read"), []);
        assert_eq!(ledger.dead_letter_get(TENANT, id).await.expect("dead letters are read"), None);
    };
    gone(old.id).await;
    let labelled = JobPageParams { limit: 9, labels: old.labels.clone(), ..JobPageParams::default() };
    assert_eq!(ledger.job_page(TENANT, &labelled).await.expect("pages are read").jobs.len(), 1);
    let found = ledger.artifact_get(TENANT, &"a".repeat(64)).await.expect("artifacts are read");
    assert_eq!(found.map(|row| row.job), Some(other.id), "another's with the same digest stays");

    let again = JobRow { seq: 20, created_at: at(70_000), ..old };
    let append = whole(&mut owner, &again, 3);
    owner.write(&append).await;
    assert_eq!(rotate(&ledger, &terms(30, at(60_000))).await, (1, 1), "the other one goes now");
    assert_eq!(ledger.log_page(TENANT, again.id, (0, 0), 9).await.expect("logs are read").len(), 3);
    gone(other.id).await;
}

/// Ends are counted by the hour when their jobs go, once, and by the class of their error.
pub async fn removed_jobs_are_counted_by_the_hour(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let jobs: Vec<JobRow> = (1..=6).map(job).collect();
    let hour = |n: u64| Timestamp::from_millis(START.millis() / 3_600_000 * 3_600_000).plus_ms(n * HOUR_MS);
    let end = |n: usize, state, hours: u64, error: Option<JobError>| {
        let output = JobOutput { error, result: Some("a\u{0}b".into()), ..JobOutput::default() };
        let output = serde_json::to_vec(&output).expect("outputs hold only what JSON can hold").into();
        DoneRow { at: hour(hours).plus_ms(7), output: Some(output), ..done(&jobs[n], state) }
    };
    let broken = JobError::own("time-out", "it took too long", false);
    let class = broken.class.clone();
    let ends = [
        end(0, JobState::Succeeded, 0, None),
        end(1, JobState::Succeeded, 0, None),
        end(2, JobState::Failed, 0, Some(broken)),
        end(3, JobState::Canceled, 1, None),
        end(4, JobState::Succeeded, 1, None),
        end(5, JobState::Succeeded, 5, None),
    ];
    owner.write_jobs(&jobs, &ends).await;
    let row = |hours, state, error_class: &str, jobs| RollupRow {
        hour: hour(hours),
        lane: LANE,
        state,
        error_class: error_class.to_owned(),
        jobs,
    };
    let first = RotateParams { upto: job_id(1), ..terms(9, hour(3)) };
    assert_eq!(rotate(&ledger, &first).await, (0, 1));
    assert_eq!(rotate(&ledger, &terms(9, hour(3))).await, (1, 4), "the last is young");
    assert_eq!(rotate(&ledger, &terms(9, hour(3))).await, (1, 0));
    let counted = [
        row(0, JobState::Succeeded, "", 2),
        row(0, JobState::Failed, &class, 1),
        row(1, JobState::Succeeded, "", 1),
        row(1, JobState::Canceled, "", 1),
    ];
    let list = async |tenant, since| ledger.rollup_list(tenant, since).await.expect("counts are read");
    assert_eq!(list(TENANT, Timestamp::ZERO).await, counted);
    assert_eq!(list(TENANT, hour(1).plus_ms(9)).await, counted[2..]);
    assert_eq!(list(OTHER, Timestamp::ZERO).await, []);
}

/// Keys of whole days go, of one tenant, in steps; what was written on the day or later stays.
pub async fn old_keys_go_by_whole_days(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let day = |n: u64| Timestamp::from_millis(START.millis() / 86_400_000 * 86_400_000).plus_ms(n * 24 * HOUR_MS);
    let many = |n: u32| {
        let mut row = key(9, day(0).plus_ms(5));
        row.key[..4].copy_from_slice(&n.to_be_bytes());
        row
    };
    let keys: Vec<KeyRow> = [key(1, day(0)), key(2, day(1)), key(3, day(2).plus_ms(1)), key(4, day(3))]
        .into_iter()
        .chain([KeyRow { tenant: OTHER, ..key(1, day(0)) }])
        .chain((1..=4_321).map(many))
        .collect();
    owner.write(&Append { keys: keys.clone(), ..owner.next() }).await;
    let forget = async |tenant: TenantNo, before: Timestamp| {
        let (mut removed, mut next) = (0, Some(KeyPlace::default()));
        while let Some(above) = next {
            let step = ledger.key_rotate(tenant, before, above).await.expect("keys are forgotten");
            removed += step.removed;
            next = step.next;
        }
        removed
    };
    assert_eq!(forget(TENANT, day(0)).await, 0);
    assert_eq!(forget(TENANT, day(2).plus_ms(2)).await, 4_323, "two days are over");
    assert_eq!(forget(TENANT, day(2).plus_ms(2)).await, 0);
    let hashes = [[1; 16], [2; 16], [3; 16], [4; 16], many(7).key];
    let mut found = ledger.key_lookup(TENANT, &hashes, day(0)).await.expect("keys are looked up");
    found.sort_by_key(|row| row.key);
    assert_eq!(found, keys[2..4]);
    assert_eq!(ledger.key_lookup(OTHER, &hashes, day(0)).await.expect("keys are looked up").len(), 1);
}
