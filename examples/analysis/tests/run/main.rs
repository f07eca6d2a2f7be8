//! Runs of SBOMs on a real server: a changed advisory runs exactly the SBOMs again that it touches.

mod locks;
mod site;

use std::{path::Path, time::Duration};

use orch_analysis::{
    advisory::Feed,
    analysis::analyse,
    check::{Terms, check},
    generate::{Plan, generate},
    policy::usual,
    sbom::SbomFile,
    submit::{ended, submit_all},
};
use orch_client::{Rerun, RunState};
use orch_feeds::reading::read_folder;
use site::Site;

const TERMS: Terms = Terms { changes: 3, patience: Duration::from_secs(120) };

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_advisory_runs_what_it_touches_and_nothing_else() {
    let made = generate(&Plan { seed: 3, sboms: 14, packages: 60, advisories: 80 });
    let site = Site::start().await;
    let working = site.work(8);
    let checked = check(&site.client, &made.sboms, &made.export, &usual(), TERMS, |line| eprintln!("{line}")).await;
    let checked = checked.expect("it holds");
    assert_eq!((checked.sboms, checked.ran, checked.changes.len()), (14, 14, 4));
    assert!(checked.findings > 0);
    assert_eq!(checked.changes[0].ran.len(), 0, "the first touches nothing");
    assert!(checked.changes[1..].iter().all(|change| !change.ran.is_empty()));
    assert!(checked.changes.iter().any(|change| !change.ran.is_empty() && change.stayed > 0));
    working.end().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rules_run_all_again_and_a_repaired_run_comes_to_the_same_report() {
    let made = generate(&Plan { seed: 5, sboms: 3, packages: 30, advisories: 60 });
    let feed = Feed::read(&made.export).expect("reads");
    let site = Site::start().await;
    let working = site.work(4);
    let first = submit_all(&site.client, &made.sboms, &feed, &usual()).await.expect("submits");
    let rules = &usual()[3..];
    let other = submit_all(&site.client, &made.sboms, &feed, rules).await.expect("submits");
    assert!(first.iter().chain(&other).all(|run| run.began));
    for (file, run) in made.sboms.iter().zip(&other) {
        let end = ended(&site.client, &run.run, TERMS.patience).await.expect("ends");
        let expected = analyse(file, &feed, rules).expect("reads").bytes();
        let (_, report) = end.report.expect("a report");
        assert!(report == expected, "{}", file.name);
        for step in ["report", "rule", "match"] {
            let repair = site.client.runs().rerun(&run.run, Rerun::from_step(step)).await.expect("begins");
            let end = ended(&site.client, &repair.id, TERMS.patience).await.expect("ends");
            assert!(end.report.is_some_and(|(_, report)| report == expected), "{} from {step}", file.name);
        }
    }
    working.end().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_sbom_has_a_report_and_what_is_no_sbom_has_no_run() {
    let feed = Feed::read(b"").expect("reads");
    let site = Site::start().await;
    let working = site.work(2);
    let empty = SbomFile::new("empty.json", br#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#.to_vec());
    let run = &submit_all(&site.client, &[empty], &feed, &[]).await.expect("submits")[0];
    let end = ended(&site.client, &run.run, TERMS.patience).await.expect("ends");
    assert_eq!(end.state, RunState::Succeeded);
    let bad = SbomFile::new("bad.json", b"{}".to_vec());
    let error = submit_all(&site.client, &[bad], &feed, &[]).await.expect_err("is no SBOM");
    assert!(error.to_string().contains("bad.json"), "{error:#}");
    working.end().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_lock_files_against_the_real_feeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = root.join("../shared/data");
    if !data.is_dir() {
        eprintln!("SKIPPED: no real feeds at {}", data.display());
        return;
    }
    let export = read_folder(&data).expect("reads").export.bytes;
    let files = locks::sboms(&root);
    assert!(files.len() >= 3, "this project's lock files");
    let site = Site::start().await;
    let working = site.work(8);
    let checked = check(&site.client, &files, &export, &usual(), TERMS, |line| eprintln!("{line}")).await;
    let checked = checked.expect("it holds");
    assert_eq!(checked.ran, checked.sboms);
    assert!(checked.components > 400 && checked.changes.len() >= 3, "{checked:?}");
    working.end().await;
    site.close().await;
}
