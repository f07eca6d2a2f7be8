//! Medians, and what a peer's runs become.

use clap::ValueEnum as _;

use super::*;

fn figures(jobs_per_second: f64, store: Option<f64>) -> Figures {
    Figures {
        jobs: 2_000,
        seconds: 2_000.0 / jobs_per_second,
        jobs_per_second,
        peer_cpu_seconds: 1.0,
        store_cpu_seconds: store,
        log_bytes: 4_000.0,
    }
}

fn run(peer: Peer, jobs_per_second: f64) -> Run {
    Run {
        peer,
        version: "1.2.3".to_owned(),
        settings: Value::Null,
        enqueue: figures(10.0 * jobs_per_second, Some(3.0)),
        work: figures(jobs_per_second, Some(3.0)),
        dead_tuples: (peer == Peer::River).then_some(7),
    }
}

#[test]
fn the_median_lies_between_the_middle_figures() {
    assert_eq!(Spread::of(Vec::new()), None);
    assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    assert_eq!(Spread::of(vec![4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
}

#[test]
fn a_peer_is_judged_by_its_own_runs() {
    let runs = [run(Peer::River, 100.0), run(Peer::PgBoss, 900.0), run(Peer::River, 300.0), run(Peer::River, 200.0)];
    let river = Measured::new(Peer::River, &runs).unwrap();
    assert_eq!(river.work.jobs_per_second, Spread { median: 200.0, min: 100.0, max: 300.0 });
    assert_eq!(river.work.log_bytes_per_job.median, 2.0);
    assert_eq!(river.work.peer_cpu_seconds_per_1000_jobs.median, 0.5);
    assert_eq!(river.work.store_cpu_seconds_per_1000_jobs.map(|spread| spread.median), Some(1.5));
    assert_eq!(river.dead_tuples.map(|spread| spread.max), Some(7.0));
    assert_eq!(Measured::new(Peer::PgBoss, &runs).unwrap().dead_tuples, None);
    assert!(Measured::new(Peer::Awa, &runs).is_err());
}

#[test]
fn names_are_those_of_the_command_line_and_of_the_report() {
    for peer in Peer::value_variants() {
        assert_eq!(peer.to_possible_value().unwrap().get_name(), peer.name());
        assert_eq!(serde_json::to_value(peer).unwrap(), peer.name());
        assert!(peer.gives_up().ends_with('.'));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(peer.folder());
        assert!(folder.join("run").is_file(), "{}", folder.display());
    }
}
