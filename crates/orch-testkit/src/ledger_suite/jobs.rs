//! Jobs, keys, checkpoints, counts and tokens.

use orch_core::ids::{LaneNo, TokenId};
use orch_core::job::JobState;
use orch_core::port::{Append, DoneCount, JobRow, KeyPlace, TokenRow, WindowParams, WindowRow};
use orch_core::time::Timestamp;
use uuid::Uuid;

use super::Backend;
use super::fixture::{LANE, OTHER, Owner, START, TENANT, at, checkpoint, done, job, job_id, key, labelled};

fn window(job: &JobRow) -> WindowRow {
    WindowRow { job: job.id, seq: job.seq, payload: job.payload.clone(), extra: job.extra.clone() }
}

fn wish(lane: LaneNo, after: u64, limit: usize) -> WindowParams {
    WindowParams { tenant: TENANT, lane, after, limit }
}

/// Fresh jobs of the lane above the order key, by rising order key, without those that ended; no more than asked for.
pub async fn windows_hold_fresh_jobs_without_an_end_in_order(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mut jobs: Vec<JobRow> = (1..=40).map(job).collect();
    jobs[4].fresh = false;
    jobs[7].lane = LaneNo(4);
    jobs[8] = labelled(jobs[8].clone(), &[("a", "b")]);
    // Order keys decide, not ids or the order of writing.
    jobs.swap(10, 30);
    let ended = [done(&job(3), JobState::Canceled), done(&job(20), JobState::Succeeded)];
    owner.write_jobs(&jobs[20..], &[]).await;
    owner.write_jobs(&jobs[..20], &ended).await;

    jobs.sort_by_key(|job| job.seq);
    let gone = [3, 5, 8, 20];
    let expected: Vec<WindowRow> = jobs.iter().filter(|job| !gone.contains(&job.seq)).map(window).collect();
    let read =
        async |after, limit| ledger.window_read(&[wish(LANE, after, limit)]).await.expect("windows are read").remove(0);
    assert_eq!(read(0, 1_000).await, expected);
    assert_eq!(read(0, 3).await, expected[..3]);
    assert_eq!(read(expected[9].seq, 5).await, expected[10..15]);
    assert_eq!(read(19, 1).await[0].seq, 21);
    assert_eq!(read(40, 5).await, []);
    assert_eq!(read(u64::MAX, 5).await, []);
    assert_eq!(read(0, 0).await, []);
}

/// Many wishes at once, the same one twice, lanes without jobs and of other tenants: each answer in its place.
pub async fn windows_answer_each_wish_in_its_place(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mut jobs: Vec<JobRow> = (1..=9).map(job).collect();
    for job in &mut jobs {
        job.lane = LaneNo(u32::try_from(job.seq % 3).expect("small"));
    }
    let foreign = JobRow { tenant: OTHER, lane: LaneNo(0), ..job(50) };
    let mut both = jobs.clone();
    both.push(foreign.clone());
    owner.write_jobs(&both, &[]).await;

    let wishes = [
        wish(LaneNo(1), 0, 9),
        wish(LaneNo(77), 0, 9),
        wish(LaneNo(0), 3, 9),
        WindowParams { tenant: OTHER, ..wish(LaneNo(0), 0, 9) },
        wish(LaneNo(1), 0, 2),
        WindowParams { tenant: OTHER, ..wish(LaneNo(1), 0, 9) },
    ];
    let seqs: Vec<Vec<u64>> = ledger
        .window_read(&wishes)
        .await
        .expect("windows are read")
        .iter()
        .map(|window| window.iter().map(|row| row.seq).collect())
        .collect();
    assert_eq!(seqs, [vec![1, 4, 7], vec![], vec![6, 9], vec![50], vec![1, 4], vec![]]);
    assert_eq!(ledger.window_read(&[]).await.expect("no wish is no error"), Vec::<Vec<WindowRow>>::new());
}

/// Keys are found when they were written at or after the moment, over midnight too, and as often as they were used.
pub async fn keys_are_found_from_a_moment_on(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    assert_eq!(ledger.key_lookup(TENANT, &[[1; 16]], START).await.expect("keys are looked up"), []);
    let day = 86_400_000;
    let late = Timestamp::from_millis(START.millis() / day * day + day - 1);
    let early = late.plus_ms(2);
    let again = key(1, late.plus_ms(u64::try_from(day).expect("positive") + 5));
    let mut many = key(3, early);
    many.jobs = (1..=500).map(job_id).collect();
    let first = Append { keys: vec![key(1, late), key(2, early), many.clone()], ..owner.with_fact() };
    owner.write(&first).await;
    let second = Append { keys: vec![again.clone()], ..owner.with_fact() };
    owner.write(&second).await;

    let find = async |keys: &[[u8; 16]], since| {
        let mut found = ledger.key_lookup(TENANT, keys, since).await.expect("keys are looked up");
        found.sort_by_key(|row| (row.at, row.key));
        found
    };
    let (one, two, three, four) = ([1; 16], [2; 16], [3; 16], [4; 16]);
    assert_eq!(find(&[two, one, three, four], late).await, [key(1, late), key(2, early), many, again.clone()]);
    assert_eq!(find(&[one], late.plus_ms(1)).await, std::slice::from_ref(&again));
    assert_eq!(find(&[one], Timestamp::ZERO).await, [key(1, late), again.clone()]);
    assert_eq!(find(&[one], again.at.plus_ms(1)).await, []);
    assert_eq!(find(&[], late).await, []);
}

/// Keys are listed by the day and in order, page by page, and none of another tenant or day is among them.
pub async fn keys_are_listed_by_the_day(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let day_ms = 86_400_000;
    let (today, tomorrow) = (START, START.plus_ms(day_ms));
    let keys = [5, 1, 3, 255, 2].map(|n| key(n, today)).into_iter().chain([key(4, tomorrow)]).collect();
    let append = Append { keys, ..owner.with_fact() };
    owner.write(&append).await;
    let day =
        |at: Timestamp| u32::try_from(at.millis() / i64::try_from(day_ms).expect("positive")).expect("after 1970");
    let page = async |tenant, at, from: u8, limit| {
        let from = KeyPlace { day: day(at), key: [from; 16] };
        let found = ledger.key_page(tenant, from, limit).await.expect("keys are listed");
        found.into_iter().map(|key| key[0]).collect::<Vec<_>>()
    };
    assert_eq!(page(TENANT, today, 0, 10).await, [1, 2, 3, 5, 255]);
    assert_eq!(page(TENANT, today, 2, 2).await, [2, 3]);
    assert_eq!(page(TENANT, tomorrow, 0, 10).await, [4]);
    assert!(page(TENANT, tomorrow.plus_ms(day_ms), 0, 10).await.is_empty());
    assert!(page(OTHER, today, 0, 10).await.is_empty());
}

/// A later checkpoint replaces the job's earlier one, within a commit too.
pub async fn the_last_checkpoint_stays(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let (one, two) = (job(1), job(2));
    let commits = [
        vec![checkpoint(&one, 1, "\"a\""), checkpoint(&two, 1, "\"z\""), checkpoint(&one, 1, "\"b\"")],
        vec![checkpoint(&one, 2, "\"c\"")],
    ];
    for checkpoints in commits {
        let append = Append { checkpoints, ..owner.next() };
        owner.write(&append).await;
    }
    let mut found = ledger.checkpoint_lookup(TENANT, &[two.id, one.id, job(3).id]).await.expect("they are looked up");
    found.sort_by_key(|row| row.job);
    assert_eq!(found, [checkpoint(&one, 2, "\"c\""), checkpoint(&two, 1, "\"z\"")]);
}

/// Ends are counted by lane and state over all commits.
pub async fn ends_are_counted_by_lane_and_state(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    assert_eq!(ledger.done_count(TENANT).await.expect("counts are read"), []);
    let jobs: Vec<JobRow> = (1..=9).map(job).collect();
    let mut ends: Vec<_> = jobs.iter().map(|job| done(job, JobState::Succeeded)).collect();
    ends[0].state = JobState::Failed;
    ends[1].lane = LaneNo(u32::MAX);
    ends[2].tenant = OTHER;
    owner.write_jobs(&jobs, &ends[..4]).await;
    owner.write_jobs(&[], &ends[4..]).await;
    let mut counts = ledger.done_count(TENANT).await.expect("counts are read");
    counts.sort_by_key(|count| (count.lane, count.state));
    let count = |lane, state, jobs| DoneCount { lane, state, jobs };
    let expected = [
        count(LANE, JobState::Succeeded, 6),
        count(LANE, JobState::Failed, 1),
        count(LaneNo(u32::MAX), JobState::Succeeded, 1),
    ];
    assert_eq!(counts, expected);
}

/// A token is found by its secret's hash, and shows when it was revoked, within a commit too.
pub async fn tokens_are_made_and_revoked(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let token = |n: u8| TokenRow {
        id: TokenId(Uuid::from_u128(u128::from(n))),
        tenant: TENANT,
        name: format!("token {n}"),
        secret_sha256: [n; 32],
        scopes: vec!["orch:read".to_owned(), "orch:worker".to_owned()],
        created_at: at(1),
        expires_at: (n == 1).then(|| at(99)),
        revoked_at: None,
    };
    let revoked = TokenRow { revoked_at: Some(at(2)), ..token(2) };
    let append = Append { tokens: vec![token(1), token(2), revoked.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    assert_eq!(ledger.token_lookup([1; 32]).await.expect("tokens are looked up"), Some(token(1)));
    assert_eq!(ledger.token_lookup([2; 32]).await.expect("tokens are looked up"), Some(revoked.clone()));
    let page = ledger.token_page(TENANT, None, 1).await.expect("tokens are paged");
    let rest = ledger.token_page(TENANT, page.last().map(|token| token.id), 9).await.expect("tokens are paged");
    assert_eq!([page, rest].concat(), [token(1), revoked]);
    assert_eq!(ledger.token_get(TENANT, token(1).id).await.expect("tokens are read"), Some(token(1)));
    assert_eq!(ledger.token_get(OTHER, token(1).id).await.expect("tokens are read"), None);
    assert_eq!(ledger.token_page(OTHER, None, 9).await.expect("tokens are paged"), []);
    assert_eq!(ledger.token_lookup([3; 32]).await.expect("tokens are looked up"), None);
    let revoked = TokenRow { revoked_at: Some(at(3)), ..token(1) };
    let append = Append { tokens: vec![revoked.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    assert_eq!(ledger.token_lookup([1; 32]).await.expect("tokens are looked up"), Some(revoked));
}
