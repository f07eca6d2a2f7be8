//! What was generated is what was planned.

use super::{Plan, bad::KINDS, files, generate};
use crate::{feed::Feed, reading::read_folder};

#[test]
fn a_generated_folder_reads_as_expected() {
    for seed in 0..8 {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let plan = Plan { seed, size: 24, bad: 2, duplicates: 3 };
        let expected = generate(dir.path(), &plan).expect("writes");
        assert_eq!(expected.rejected.len(), 2 * KINDS);
        assert_eq!(expected.duplicates.len(), 4 * 3);
        assert_eq!(expected.feeds[&Feed::Rustsec].parsed, 24 + 3);
        let summary = read_folder(dir.path()).expect("reads").summary;
        assert_eq!(summary.feeds, expected.feeds, "seed {seed}");
        assert_eq!(summary.rejected, expected.rejected, "seed {seed}");
        assert_eq!(summary.duplicates, expected.duplicates, "seed {seed}");
        assert!(summary.advisories > 0);
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes_and_another_seed_others() {
    let plan = Plan { seed: 7, size: 12, bad: 1, duplicates: 1 };
    assert_eq!(files(&plan).files, files(&plan).files);
    assert_ne!(files(&plan).files, files(&Plan { seed: 8, ..plan }).files);
}

#[test]
fn advisories_of_several_feeds_meet() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    generate(dir.path(), &Plan { seed: 1, size: 40, bad: 0, duplicates: 0 }).expect("writes");
    let export = read_folder(dir.path()).expect("reads").export;
    let text = String::from_utf8(export.bytes).expect("UTF-8");
    let met =
        text.lines().filter(|line| line.contains("\"feed\":\"rustsec\"") && line.contains("\"feed\":\"kev\"")).count();
    assert!(met > 3, "{met} advisories of both feeds");
}
