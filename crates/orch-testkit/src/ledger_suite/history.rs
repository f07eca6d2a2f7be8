//! Commits: whole, fenced, in line.

use bytes::Bytes;
use orch_core::ids::{ShardNo, Stream};
use orch_core::job::JobState;
use orch_core::port::{Append, Commit, SnapshotRow, StoreError};

use super::Backend;
use super::fixture::{
    OTHER, Owner, SHARD, TENANT, artifact, block, checkpoint, dead_letter, done, job, key, labelled, log, node,
};

/// A commit of every kind of row comes back as it was written.
pub async fn everything_appended_is_read_back(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let full = labelled(job(1), &[("feed", "osv"), ("area", "a \"b\" ü")]);
    let mut ended = done(&full, JobState::Failed);
    ended.report = Some([9; 16]);
    ended.output = Some(Bytes::from_static(b"{\"error\":null}"));
    let append = Append {
        blocks: vec![owner.block(Stream::ARBITER, 2), owner.block(TENANT.into(), 3), owner.block(OTHER.into(), 1)],
        jobs: vec![full.clone(), job(2)],
        done: vec![ended.clone()],
        keys: vec![key(1, full.created_at)],
        dead_letters: vec![dead_letter(&full, ended.at)],
        checkpoints: vec![checkpoint(&full, 1, "{}")],
        logs: vec![log(&full, 1, 1)],
        artifacts: vec![artifact(&full, 1, 'a')],
        snapshot: Some(SnapshotRow { commit_no: 0, format: 1, state: Bytes::from_static(b"state") }),
        ..owner.next()
    };
    owner.write(&append).await;

    let mut blocks = append.blocks.clone();
    blocks.sort_by_key(|block| block.stream);
    let tail = ledger.tail_read(SHARD, 0, 10).await.expect("the tail is read");
    assert_eq!(tail, [Commit { commit_no: 1, blocks }]);
    assert_eq!(tail[0].blocks[1].records().expect("the block is whole").len(), 3);

    let mut found = ledger.job_lookup(TENANT, &[job(2).id, full.id, job(99).id]).await.expect("jobs are found");
    found.sort_by_key(|found| found.job.id);
    assert_eq!(found.len(), 2, "unknown jobs are left out");
    assert_eq!((&found[0].job, &found[0].done, found[0].settled), (&full, &Some(ended.clone()), false));
    assert_eq!((&found[1].job, &found[1].done), (&job(2), &None));
    assert_eq!(ledger.done_lookup(TENANT, &[full.id, job(2).id]).await.expect("ends are found"), [ended]);
    assert_eq!(ledger.key_lookup(TENANT, &[[1; 16]], full.created_at).await.expect("keys are found"), append.keys);
    let checkpoints = ledger.checkpoint_lookup(TENANT, &[full.id]).await.expect("checkpoints are found");
    assert_eq!(checkpoints, append.checkpoints);
    assert_eq!(ledger.log_page(TENANT, full.id, (0, 0), 9).await.expect("logs are found"), append.logs);
    let sha256 = "a".repeat(64);
    let found = ledger.artifact_get(TENANT, &sha256).await.expect("artifacts are found");
    assert_eq!(found.as_ref(), append.artifacts.first());
    let letter = ledger.dead_letter_get(TENANT, full.id).await.expect("dead letters are found");
    assert_eq!(letter.expect("it is there").row, append.dead_letters[0]);
    assert_eq!(ledger.snapshot_get(SHARD).await.expect("the snapshot is found"), append.snapshot);
}

/// An append under another epoch is `Stale` and leaves nothing, whatever it holds.
pub async fn a_stale_epoch_writes_nothing(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let append = owner.with_fact();
    owner.write(&append).await;
    for epoch in [0, owner.epoch - 1, owner.epoch + 1, u64::MAX] {
        let plain = Append { jobs: vec![job(1)], epoch, ..owner.with_fact() };
        let rare = Append { logs: vec![log(&job(1), 1, 1)], ..plain.clone() };
        for append in [plain, rare] {
            assert!(matches!(ledger.append(&append).await, Err(StoreError::Stale)), "epoch {epoch}");
        }
    }
    let never_owned = Append { shard: ShardNo(999), epoch: 1, commit_no: 1, ..owner.with_fact() };
    assert!(matches!(ledger.append(&never_owned).await, Err(StoreError::Stale)));
    assert_eq!(ledger.tail_read(SHARD, 0, 9).await.expect("the tail is read").len(), 1);
    assert_eq!(ledger.job_lookup(TENANT, &[job(1).id]).await.expect("jobs are looked up"), []);
    assert_eq!(ledger.log_page(TENANT, job(1).id, (0, 0), 9).await.expect("logs are looked up"), []);
    let append = Append { jobs: vec![job(1)], ..owner.next() };
    owner.write(&append).await;
}

/// A commit number that is taken, or that leaves a gap, is refused, and nothing of it is there.
pub async fn commits_without_their_predecessor_are_refused_whole(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    for _ in 0..2 {
        let append = owner.with_fact();
        owner.write(&append).await;
    }
    for commit_no in [0, 1, 2, 4, 77] {
        // Another stream than the commit which is there, so that only its number can be in the way.
        let blocks = vec![block(OTHER.into(), 1, 1)];
        let append = Append { commit_no, blocks, jobs: vec![job(5)], ..owner.next() };
        let refused = ledger.append(&append).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "commit {commit_no}: {refused:?}");
    }
    assert_eq!(ledger.stream_read(OTHER.into(), 0, 9).await.expect("the stream is read"), []);
    assert_eq!(ledger.job_lookup(TENANT, &[job(5).id]).await.expect("jobs are looked up"), []);
    let append = owner.with_fact();
    owner.write(&append).await;
}

/// A job, an end or a seq that is there already refuses the whole commit.
pub async fn a_row_that_is_there_already_refuses_the_whole_commit(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    owner.write_jobs(&[job(1)], &[done(&job(1), JobState::Succeeded)]).await;
    let again = owner.next();
    let same_seq = block(TENANT.into(), 1, 1);
    for append in [
        Append { jobs: vec![job(2), job(1)], ..again.clone() },
        Append { jobs: vec![job(2)], done: vec![done(&job(1), JobState::Failed)], ..again.clone() },
        Append { jobs: vec![job(2)], blocks: vec![same_seq], ..again.clone() },
    ] {
        let refused = ledger.append(&append).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    }
    assert_eq!(ledger.job_lookup(TENANT, &[job(2).id]).await.expect("jobs are looked up"), []);
    assert_eq!(ledger.tail_read(SHARD, 0, 9).await.expect("the tail is read").len(), 1);
}

/// Commits come by rising number, without gaps, commits without facts among them, and no more than asked for.
pub async fn the_tail_is_in_order_and_has_no_gaps(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    for n in 1..=12_u64 {
        let append = match n % 3 {
            0 => Append { logs: vec![log(&job(1), 1, n)], ..owner.next() },
            1 => owner.with_fact(),
            _ => Append { blocks: vec![owner.block(OTHER.into(), 2), owner.block(Stream::ARBITER, 1)], ..owner.next() },
        };
        owner.write(&append).await;
    }
    let numbers = async |after, limit| -> Vec<(u64, usize)> {
        let tail = ledger.tail_read(SHARD, after, limit).await.expect("the tail is read");
        tail.iter().map(|commit| (commit.commit_no, commit.blocks.len())).collect()
    };
    assert_eq!(numbers(0, 5).await, [(1, 1), (2, 2), (3, 0), (4, 1), (5, 2)]);
    assert_eq!(numbers(10, 100).await, [(11, 2), (12, 0)]);
    assert_eq!(numbers(12, 100).await, []);
    assert_eq!(numbers(0, usize::MAX).await.len(), 12);
    assert_eq!(numbers(5, 0).await, []);
    assert_eq!(ledger.tail_read(ShardNo(77), 0, 9).await.expect("a shard that never was has no tail"), []);
    let seqs: Vec<u64> = ledger
        .tail_read(SHARD, 0, 100)
        .await
        .expect("the tail is read")
        .iter()
        .flat_map(|commit| commit.blocks.iter().filter(|block| block.stream == OTHER.into()))
        .flat_map(|block| block.first_seq..=block.last_seq)
        .collect();
    assert_eq!(seqs, (1..=8).collect::<Vec<_>>());
}

/// The newest snapshot is the only one.
pub async fn a_snapshot_replaces_the_last(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    assert_eq!(ledger.snapshot_get(SHARD).await.expect("no snapshot is no error"), None);
    for (commit_no, bytes) in [(0, 10), (1, 3_000_000), (2, 0)] {
        let state = Bytes::from(vec![u8::try_from(commit_no).expect("few commits"); bytes]);
        let row = SnapshotRow { commit_no, format: 4, state };
        let append = Append { snapshot: Some(row.clone()), ..owner.next() };
        owner.write(&append).await;
        assert_eq!(ledger.snapshot_get(SHARD).await.expect("the snapshot is found"), Some(row));
    }
    assert_eq!(ledger.snapshot_get(ShardNo(77)).await.expect("no snapshot is no error"), None);
}

/// Each block that holds a wanted seq comes once, by rising seq; seqs that are not there are left out.
pub async fn blocks_are_found_by_seq(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mut blocks = Vec::new();
    for facts in [3, 1, 4] {
        let block = owner.block(TENANT.into(), facts);
        blocks.push(block.clone());
        let append = Append { blocks: vec![block, owner.block(OTHER.into(), 2)], ..owner.next() };
        owner.write(&append).await;
    }
    let found = async |seqs: &[u64]| ledger.block_lookup(TENANT.into(), seqs).await.expect("blocks are looked up");
    assert_eq!(found(&[8, 1, 2, 5]).await, [blocks[0].clone(), blocks[2].clone()]);
    assert_eq!(found(&[4]).await, [blocks[1].clone()]);
    assert_eq!(found(&[9, 0, u64::MAX]).await, []);
    assert_eq!(found(&[]).await, []);
}

/// Blocks of a stream come by rising seq, from the one that holds the next fact, at most as many as asked for.
pub async fn streams_are_read_in_order(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mut blocks = Vec::new();
    for facts in [2, 2, 2, 2] {
        let block = owner.block(TENANT.into(), facts);
        blocks.push(block.clone());
        let append = Append { blocks: vec![owner.block(OTHER.into(), 1), block], ..owner.next() };
        owner.write(&append).await;
    }
    let read = async |after, limit| ledger.stream_read(TENANT.into(), after, limit).await.expect("streams are read");
    assert_eq!(read(0, 2).await, blocks[..2]);
    assert_eq!(read(3, 9).await, blocks[1..], "a block that holds later facts too is read");
    assert_eq!(read(8, 9).await, []);
    assert_eq!(ledger.stream_read(Stream(999), 0, 9).await.expect("an unknown stream is empty"), []);
}

/// Commit numbers, snapshots and epochs of one shard are nothing to another.
pub async fn shards_have_lines_of_their_own(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut one = Owner::take(&ledger, ShardNo(0), node(1)).await;
    let mut two = Owner::take(&ledger, ShardNo(u16::MAX), node(1)).await;
    let first = Append { blocks: vec![one.block(TENANT.into(), 1), one.block(Stream::ARBITER, 1)], ..one.next() };
    one.write(&first).await;
    for _ in 0..2 {
        let second = Append { blocks: vec![two.block(OTHER.into(), 1), two.block(Stream::ARBITER, 1)], ..two.next() };
        two.write(&second).await;
    }
    assert_eq!(ledger.tail_read(ShardNo(0), 0, 9).await.expect("the tail is read").len(), 1);
    assert_eq!(ledger.tail_read(ShardNo(u16::MAX), 0, 9).await.expect("the tail is read").len(), 2);
}

/// Appends that are under way together commit in the order of their numbers, whatever each of them writes; and none
/// after one that failed.
pub async fn appends_under_way_commit_in_order(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let appends: Vec<_> = (0..40)
        .map(|n| {
            let job = job(n + 1);
            let end = done(&job, JobState::Succeeded);
            // Big and small ones in turn, so that a later one would be through first.
            let facts = if n % 2 == 0 { 400 } else { 1 };
            let append = Append { blocks: vec![owner.block(TENANT.into(), facts)], ..owner.next() };
            owner.commit_no += 1;
            Append { jobs: vec![job], done: vec![end], ..append }
        })
        .collect();
    for pair in appends.chunks(2) {
        let [first, second] = pair else { unreachable!("there is an even number of them") };
        let (first, second) = tokio::join!(biased; ledger.append(first), ledger.append(second));
        first.expect("the first is written");
        second.expect("the second is written");
    }
    let commits = ledger.tail_read(SHARD, 0, 100).await.expect("the tail is read");
    let numbers: Vec<_> = commits.iter().map(|commit| commit.commit_no).collect();
    assert!(numbers.is_sorted() && numbers.len() == appends.len(), "{numbers:?}");
    let counts = ledger.done_count(TENANT).await.expect("ends are counted");
    assert_eq!(counts.iter().map(|count| count.jobs).sum::<u64>(), 40);

    // The same job again: the first fails, and the second must not be there.
    let broken = Append { jobs: vec![job(1)], ..owner.with_fact() };
    owner.commit_no += 1;
    let behind = owner.with_fact();
    let (first, second) = tokio::join!(biased; ledger.append(&broken), ledger.append(&behind));
    first.expect_err("a job is accepted once");
    second.expect_err("what follows a failed commit fails");
    let commits = ledger.tail_read(SHARD, 40, 100).await.expect("the tail is read");
    assert!(commits.is_empty(), "nothing of either is there");
}
