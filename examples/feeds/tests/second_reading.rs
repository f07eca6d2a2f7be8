//! The independent reading in `tools/` comes to the same export, byte for byte.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use orch_feeds::{
    feed::Feed,
    generate::{Plan, generate},
    reading::{Summary, read_folder},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The other reading's summary and export; `None`, said aloud, where there is no Python 3.11.
fn second_reading(dir: &Path, options: &[&str]) -> Option<(Summary, Vec<u8>)> {
    let able = Command::new("python3").args(["-c", "import tomllib"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no Python of 3.11 or later");
        return None;
    }
    let out = tempfile::tempdir().expect("a temporary folder");
    let file = out.path().join("export.jsonl");
    let mut command = Command::new("python3");
    command.arg(root().join("tools/read_feeds.py")).arg(dir).arg("--out").arg(&file).args(options);
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = serde_json::from_slice(&output.stdout).expect("a summary");
    Some((summary, fs::read(file).expect("an export")))
}

fn compare(dir: &Path) {
    let own = read_folder(dir).expect("reads");
    for options in [&[][..], &["--own-yaml"]] {
        let Some((summary, export)) = second_reading(dir, options) else { return };
        assert_eq!(summary, own.summary);
        assert!(export == own.export.bytes, "the exports differ");
    }
}

#[test]
fn both_readings_of_generated_feeds_are_equal() {
    for seed in [1, 2, 3] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        generate(dir.path(), &Plan { seed, size: 60, bad: 2, duplicates: 4 }).expect("writes");
        compare(dir.path());
    }
}

#[test]
fn both_readings_of_the_real_feeds_are_equal_and_whole() {
    let dir = root().join("../shared/data");
    if !dir.is_dir() {
        eprintln!("SKIPPED: no real feeds at {}", dir.display());
        return;
    }
    let summary = read_folder(&dir).expect("reads").summary;
    let entries = |feed| (summary.feeds[&feed].documents, summary.feeds[&feed].entries);
    assert_eq!(entries(Feed::Rustsec), (1_225, 1_225));
    assert_eq!(entries(Feed::Pypa), (2_661, 2_661));
    assert_eq!(entries(Feed::Csaf), (380, 380));
    assert_eq!(entries(Feed::Kev), (1, 1_404));
    assert_eq!(summary.rejected, []);
    compare(&dir);
}
