//! A real cluster: started, killed, recovered, removed.

use std::net::TcpStream;
use std::path::PathBuf;

use super::binaries::{Binaries, find};
use super::{Cluster, Durability, is_ready};

/// PostgreSQL's programs; their absence is only accepted where nobody requires them.
fn binaries() -> Option<Binaries> {
    let found = find();
    let required = std::env::var("ORCH_TEST_REQUIRE").is_ok_and(|list| list.contains("postgres"));
    assert!(found.is_some() || !required, "PostgreSQL is required here, and is not installed");
    if found.is_none() {
        eprintln!("SKIPPED: PostgreSQL is not installed");
    }
    found
}

fn listens(cluster: &Cluster) -> bool {
    TcpStream::connect(("127.0.0.1", cluster.port)).is_ok()
}

#[test]
fn a_cluster_survives_a_kill_and_leaves_nothing_behind() {
    let Some(binaries) = binaries() else { return };
    let mut cluster = Cluster::start(&binaries, Durability::Fast).unwrap();
    assert!(listens(&cluster));
    let (url, folder): (String, PathBuf) = (cluster.url(), cluster.scratch.path().to_owned());

    for stop in [Cluster::kill, Cluster::stop_immediately, Cluster::stop] {
        let before = cluster.pid();
        stop(&mut cluster).unwrap();
        assert!(!listens(&cluster));
        cluster.start_again().unwrap();
        assert!(listens(&cluster));
        assert_ne!(cluster.pid(), before);
        assert_eq!(cluster.url(), url, "the port stays");
    }

    let pid = cluster.pid().expect("it runs because it was started again");
    drop(cluster);
    assert!(!folder.exists());
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}

#[test]
fn a_pid_file_of_another_process_is_not_ready() {
    let scratch = crate::scratch::Scratch::new("orch-pid", false).unwrap();
    let file = |text: &str| std::fs::write(scratch.path().join("postmaster.pid"), text).unwrap();
    file("41\n/d\n0\n5432\n/s\n127.0.0.1\n1 2\nready   \n");
    assert!(is_ready(scratch.path(), 41));
    assert!(!is_ready(scratch.path(), 42));
    file("41\n/d\n0\n5432\n/s\n127.0.0.1\n1 2\nstarting\n");
    assert!(!is_ready(scratch.path(), 41));
}
