//! Runs, their ends, and the versions of graphs that they are of.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orch_core::config::ConfigKind;
use orch_core::graph::{Graph, Step};
use orch_core::ids::{StepNo, TenantNo};
use orch_core::port::{
    Append, ConfigRow, FiringPageParams, FiringRow, RunEndRow, RunFound, RunPageParams, RunRow, StoreError,
};
use orch_core::run::{PartOf, Repairs, RunOutcome, RunSpec, RunTrigger};
use orch_core::schedule::Firing;

use super::Backend;
use super::fixture::{OTHER, Owner, TENANT, at, job_id, run, run_end, run_id};

/// With every member.
fn full_spec() -> RunSpec {
    RunSpec {
        by: Some("token:ops".to_owned()),
        correlation_id: Some("c-1".to_owned()),
        firing: Some(Firing { nominal_at: at(5), schedule: "nightly".to_owned(), zones: "2026a".to_owned() }),
        graph: Some(Graph {
            description: "as it was".to_owned(),
            name: "nightly".to_owned(),
            steps: vec![Step { name: "fetch".to_owned(), job_type: Some("feeds.fetch".to_owned()), ..Step::default() }],
        }),
        inputs: "{\"area\":\"a \\\"b\\\" ü\",\"nul\":\"\\u0000\"}".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "feeds".to_owned())]),
        parent: Some(PartOf { index: Some(3), run: run_id(77), step: StepNo(2) }),
        project: Some("p".to_owned()),
        reason: Some("looked at it".to_owned()),
        repairs: Some(Repairs {
            again: BTreeSet::from([StepNo(1), StepNo(4)]),
            course: "[{}]".to_owned(),
            items: BTreeMap::from([(StepNo(4), BTreeSet::from([0, 9]))]),
            of: run_id(78),
            results: BTreeMap::from([(StepNo(0), "[1,2]".to_owned())]),
        }),
        token: Some("once".to_owned()),
        trigger: RunTrigger::Replay,
        window: None,
    }
}

/// What a page shows of the run: its end without its course.
fn shown(row: &RunRow, outcome: Option<RunOutcome>) -> RunFound {
    let end = outcome.map(|outcome| RunEndRow { course: Bytes::new(), ..run_end(row, outcome) });
    RunFound { row: row.clone(), end }
}

/// A run comes back as it was written, first open and then with its end; another tenant's of the same id is another.
pub async fn a_run_is_read_back_with_its_end(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let full = RunRow { spec: full_spec(), version: 3, ..run(1) };
    let theirs = RunRow { tenant: OTHER, graph: "theirs".to_owned(), ..run(1) };
    let append = Append { runs: vec![full.clone(), theirs.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    let get = async |tenant, id| ledger.run_get(tenant, id).await.expect("a run is looked up");
    assert_eq!(get(TENANT, full.id).await, Some(RunFound { row: full.clone(), end: None }));
    let end = run_end(&full, RunOutcome::Canceled);
    let append = Append { run_ends: vec![end.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    assert_eq!(get(TENANT, full.id).await, Some(RunFound { row: full, end: Some(end) }));
    assert_eq!(get(OTHER, theirs.id).await, Some(RunFound { row: theirs, end: None }));
    assert_eq!(get(TENANT, run_id(2)).await, None);
    for tenant in [TenantNo(0), TenantNo(u32::MAX)] {
        assert_eq!(get(tenant, run_id(1)).await, None);
    }
}

/// Newest first, below a seq, with each filter, and never another tenant's.
pub async fn pages_of_runs_keep_to_their_filters(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    // Ids fall while seqs rise: only the seq orders. Odd ones are of the first graph; of three one is open.
    let row = |n: u64| RunRow { id: run_id(100 - n), graph: ["even", "odd"][n as usize % 2].to_owned(), ..run(n) };
    let outcome = |n: u64| [None, Some(RunOutcome::Succeeded), Some(RunOutcome::Failed)][n as usize % 3];
    let all: Vec<_> = (1..=12).rev().map(|n| shown(&row(n), outcome(n))).collect();
    let theirs = RunRow { tenant: OTHER, ..row(1) };
    let append = Append {
        runs: (1..=12).map(row).chain([theirs.clone()]).collect(),
        run_ends: (1..=12)
            .filter_map(|n| Some(run_end(&row(n), outcome(n)?)))
            .chain([run_end(&theirs, RunOutcome::Succeeded)])
            .collect(),
        ..owner.with_fact()
    };
    owner.write(&append).await;
    let page = async |tenant, params: &RunPageParams| ledger.run_page(tenant, params).await.expect("runs are read");
    let outcomes = [None, Some(RunOutcome::Succeeded), Some(RunOutcome::Failed), Some(RunOutcome::Canceled)];
    for graph in [None, Some("odd"), Some("even"), Some("none")] {
        for outcome in outcomes {
            let wanted = |found: &&RunFound| {
                let ended = found.end.as_ref().map(|end| end.outcome);
                graph.is_none_or(|graph| found.row.graph == graph)
                    && outcome.is_none_or(|outcome| ended == Some(outcome))
            };
            let wanted: Vec<_> = all.iter().filter(wanted).cloned().collect();
            let graph = graph.map(str::to_owned);
            let params = RunPageParams { before: None, limit: 20, graph, outcome };
            assert_eq!(page(TENANT, &params).await, wanted, "{params:?}");
            // Two at a time they are the same.
            let (mut params, mut found) = (RunPageParams { limit: 2, ..params }, Vec::new());
            loop {
                let some = page(TENANT, &params).await;
                assert!(some.len() <= 2, "{params:?}");
                let Some(last) = some.last() else { break };
                params.before = Some(last.row.seq);
                found.extend(some);
            }
            assert_eq!(found, wanted, "{params:?}");
            let params = RunPageParams { before: None, limit: 20, ..params };
            assert_eq!(page(TenantNo(u32::MAX), &params).await, []);
            let mine = page(OTHER, &params).await;
            assert!(mine.iter().all(|found| *found == shown(&theirs, Some(RunOutcome::Succeeded))), "{params:?}");
        }
    }
}

/// A second row of a run, of its seq, or of its end is refused, and so is its whole commit.
pub async fn a_run_begins_and_ends_once(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let one = run(1);
    let end = run_end(&one, RunOutcome::Succeeded);
    let append = Append { runs: vec![one.clone()], run_ends: vec![end.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    let before = owner.next();
    for again in [
        Append { runs: vec![run(2), RunRow { seq: 3, ..one.clone() }], ..before.clone() },
        Append { runs: vec![run(2), RunRow { id: run_id(3), ..one.clone() }], ..before.clone() },
        Append {
            runs: vec![run(2)],
            run_ends: vec![RunEndRow { outcome: RunOutcome::Failed, ..end.clone() }],
            ..before.clone()
        },
    ] {
        assert!(matches!(owner.try_write(&again).await, Err(StoreError::Corrupt(_))));
    }
    let all = RunPageParams { limit: 9, ..RunPageParams::default() };
    let found = ledger.run_page(TENANT, &all).await.expect("runs are read");
    assert_eq!(found, [shown(&one, Some(RunOutcome::Succeeded))]);
}

/// What ended before a moment goes; what is open stays, however old, and so does all of other tenants.
pub async fn old_ended_runs_go(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let theirs = RunRow { tenant: OTHER, ..run(1) };
    let ended: Vec<_> = (2..=6).map(run).chain([theirs.clone()]).collect();
    let append = Append {
        run_ends: ended.iter().map(|row| run_end(row, RunOutcome::Failed)).collect(),
        runs: [run(1)].into_iter().chain(ended).collect(),
        ..owner.with_fact()
    };
    owner.write(&append).await;
    let before = run_end(&run(4), RunOutcome::Failed).at;
    assert_eq!(ledger.run_rotate(TENANT, before).await.expect("runs go"), 2);
    assert_eq!(ledger.run_rotate(TENANT, before).await.expect("runs go"), 0);
    let all = RunPageParams { limit: 9, ..RunPageParams::default() };
    let mut stay: Vec<_> = (4..=6).rev().map(|n| shown(&run(n), Some(RunOutcome::Failed))).collect();
    stay.push(shown(&run(1), None));
    assert_eq!(ledger.run_page(TENANT, &all).await.expect("runs are read"), stay);
    let failed = RunPageParams { outcome: Some(RunOutcome::Failed), ..all.clone() };
    assert_eq!(ledger.run_page(TENANT, &failed).await.expect("runs are read"), stay[..3]);
    assert_eq!(ledger.run_get(TENANT, run_id(2)).await.expect("a run is looked up"), None);
    let other = ledger.run_page(OTHER, &all).await.expect("runs are read");
    assert_eq!(other, [shown(&theirs, Some(RunOutcome::Failed))]);
    // Nothing is left of what went: the same ids may come again.
    let again =
        Append { runs: vec![run(2)], run_ends: vec![run_end(&run(2), RunOutcome::Succeeded)], ..owner.with_fact() };
    owner.write(&again).await;
}

/// More runs than one step takes go in steps.
pub async fn many_runs_go_in_steps(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let rows: Vec<_> = (1..=5_003).map(run).collect();
    let append = Append {
        run_ends: rows.iter().map(|row| run_end(row, RunOutcome::Succeeded)).collect(),
        runs: rows,
        ..owner.with_fact()
    };
    owner.write(&append).await;
    for gone in [5_000, 3, 0] {
        assert_eq!(ledger.run_rotate(TENANT, at(1_000_000)).await.expect("runs go"), gone);
    }
}

/// Each version of a declared thing is there by its number; what says that it is gone is as nothing.
pub async fn versions_of_documents_are_found(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let doc = |tenant, kind, version, doc: &'static str| ConfigRow {
        tenant,
        kind,
        name: "nightly".to_owned(),
        version,
        at: at(version),
        doc: Bytes::from_static(doc.as_bytes()),
    };
    let append = Append {
        configs: vec![
            doc(TENANT, ConfigKind::Graph, 1, "{\"n\":1}"),
            doc(TENANT, ConfigKind::Graph, 2, "null"),
            doc(TENANT, ConfigKind::Graph, 3, "{\"n\":3}"),
            doc(TENANT, ConfigKind::Schedule, 1, "{\"schedule\":1}"),
            doc(OTHER, ConfigKind::Graph, 1, "{\"theirs\":1}"),
        ],
        ..owner.with_fact()
    };
    owner.write(&append).await;
    let get = async |tenant, kind, name: &str, version| {
        ledger.config_get(tenant, kind, name, version).await.expect("a version is looked up")
    };
    let graph = ConfigKind::Graph;
    assert_eq!(get(TENANT, graph, "nightly", 1).await.as_deref(), Some(&b"{\"n\":1}"[..]));
    assert_eq!(get(TENANT, graph, "nightly", 2).await, None);
    assert_eq!(get(TENANT, graph, "nightly", 3).await.as_deref(), Some(&b"{\"n\":3}"[..]));
    assert_eq!(get(TENANT, ConfigKind::Schedule, "nightly", 1).await.as_deref(), Some(&b"{\"schedule\":1}"[..]));
    assert_eq!(get(OTHER, graph, "nightly", 1).await.as_deref(), Some(&b"{\"theirs\":1}"[..]));
    for (tenant, name, version) in
        [(TENANT, "nightly", 4), (TENANT, "nightly", u64::MAX), (TENANT, "other", 1), (OTHER, "nightly", 3)]
    {
        assert_eq!(get(tenant, graph, name, version).await, None);
    }
}

/// A nominal instant has a job, a run, or a cause: one of them.
pub async fn a_firing_may_have_a_run(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let firing = |n: u64| FiringRow {
        tenant: TENANT,
        schedule: "nightly".to_owned(),
        nominal_at: at(n),
        last_at: at(n),
        count: 1,
        at: at(n + 1),
        job: None,
        run: Some(run_id(n)),
        cause: None,
    };
    let firings = vec![
        firing(1),
        FiringRow { job: Some(job_id(2)), run: None, ..firing(2) },
        FiringRow { run: None, cause: Some("overlap".to_owned()), ..firing(3) },
    ];
    let append = Append { firings: firings.clone(), ..owner.with_fact() };
    owner.write(&append).await;
    let params = FiringPageParams { schedule: "nightly".to_owned(), before: None, limit: 9 };
    let newest: Vec<_> = firings.into_iter().rev().collect();
    assert_eq!(ledger.firing_page(TENANT, &params).await.expect("firings are read"), newest);
    let before = owner.next();
    for wrong in [
        FiringRow { run: None, ..firing(4) },
        FiringRow { job: Some(job_id(4)), ..firing(4) },
        FiringRow { cause: Some("overlap".to_owned()), ..firing(4) },
        FiringRow { job: Some(job_id(4)), cause: Some("overlap".to_owned()), ..firing(4) },
    ] {
        let append = Append { firings: vec![wrong], ..before.clone() };
        assert!(matches!(owner.try_write(&append).await, Err(StoreError::Corrupt(_))));
    }
    assert_eq!(ledger.firing_page(TENANT, &params).await.expect("firings are read"), newest);
}
