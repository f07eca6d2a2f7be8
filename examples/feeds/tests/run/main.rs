//! A run of jobs on a real server comes to what reading the folder in one process comes to.

mod backfill;
mod site;

use std::{collections::BTreeMap, path::Path, time::Duration};

use orch_client::{Axis, JobId, JobIn, JobOut, JobQuery, JobState};
use orch_feeds::{
    document::DocumentCode,
    feed::Feed,
    generate::{Expected, Plan, generate},
    jobs::{self, DiscoverPayload, EXPORT, Exported, MARK, MERGE, PARSE, REJECT, RUN_LABEL, ids},
    location::Location,
    reading::{Reading, read_folder},
    upstream::{Fate, Trouble, Upstream},
};
use site::Site;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

const PATIENCE: Duration = Duration::from_secs(120);

/// A generated folder, what it was made to come to, and what it comes to.
fn feeds(seed: u64) -> (TempDir, Expected, Reading) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let expected = generate(folder.path(), &Plan { seed, size: 30, bad: 1, duplicates: 2 }).expect("writes");
    let reading = read_folder(folder.path()).expect("reads");
    (folder, expected, reading)
}

/// Starts a run and waits until it is over, duplicates and all; returns its id and what it exported.
async fn run(site: &Site, location: Location, expected: &Expected) -> (JobId, Exported) {
    let run = JobId::new();
    let payload = DiscoverPayload { location, feeds: Feed::ALL.to_vec() };
    let job = JobIn::new(jobs::DISCOVER, &payload).expect("encodes").id(run).label(RUN_LABEL, run.to_string());
    site.client.jobs().create(&job, None).await.expect("creates");
    succeeded(site, run).await;
    let exported = succeeded(site, ids::derived(run, EXPORT, "")).await.result.expect("a result");
    let merge = ids::derived(run, MERGE, "");
    for duplicate in &expected.duplicates {
        let reject = ids::derived(merge, REJECT, &duplicate.rejected);
        let reject = site.client.jobs().wait(&reject, PATIENCE).await.expect("ends");
        assert_eq!(reject.state, JobState::Failed);
    }
    for feed in Feed::ALL {
        succeeded(site, ids::derived(merge, MARK, feed.name())).await;
    }
    (run, serde_json::from_value(exported).expect("an export's result"))
}

async fn succeeded(site: &Site, id: JobId) -> JobOut {
    let job = site.client.jobs().wait(&id, PATIENCE).await.expect("ends");
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
    job
}

async fn all_jobs(site: &Site, run: JobId) -> Vec<JobOut> {
    let mut jobs = Vec::new();
    let mut query = JobQuery { label: Some((RUN_LABEL.to_owned(), run.to_string())), ..JobQuery::default() };
    loop {
        let page = site.client.jobs().list(&query).await.expect("lists");
        jobs.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return jobs;
        }
    }
}

/// The error of a failed job of that type whose message begins with that path, and its code.
fn failures(jobs: &[JobOut], job_type: &str) -> BTreeMap<String, (String, String)> {
    let failed = jobs.iter().filter(|job| job.job_type == job_type && job.state == JobState::Failed);
    let named = |job: &JobOut| {
        let error = job.error.clone().expect("a failed job has an error");
        let path = error.message.split(": ").next().unwrap_or_default().to_owned();
        (path, (error.code, error.message))
    };
    failed.map(named).collect()
}

fn check_export(exported: &Exported, reading: &Reading) {
    assert_eq!(exported.sha256, reading.summary.digest);
    assert_eq!(exported.advisories, reading.summary.advisories);
    for (feed, counts) in &reading.summary.feeds {
        let totals = exported.feeds[feed];
        let found = (totals.documents, totals.parsed, totals.rejected, totals.entries);
        assert_eq!(found, (counts.documents, counts.parsed, counts.rejected, counts.entries), "{feed}");
    }
}

fn check_dead_letters(jobs: &[JobOut], expected: &Expected) {
    let parses = failures(jobs, PARSE);
    let codes: BTreeMap<&str, &str> = parses.iter().map(|(path, (code, _))| (path.as_str(), code.as_str())).collect();
    let wanted = expected.rejected.iter().map(|rejected| (rejected.path.as_str(), DocumentCode::name(rejected.code)));
    assert_eq!(codes, wanted.collect());
    let rejects = failures(jobs, REJECT);
    assert_eq!(rejects.len(), expected.duplicates.len());
    for duplicate in &expected.duplicates {
        let (code, message) = &rejects[&duplicate.rejected];
        assert_eq!(code, "duplicate_id");
        assert!(message.ends_with(&format!("already in {}", duplicate.kept)), "{message}");
    }
    assert!(jobs.iter().all(|job| job.state == JobState::Succeeded || job.dead_letter.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_comes_to_the_same_export_with_1_4_and_32_handlers() {
    let (folder, expected, reading) = feeds(11);
    let site = Site::start().await;
    for handlers in [1, 4, 32] {
        let working = site.work(handlers);
        let (run, exported) = run(&site, Location::Folder(folder.path().to_owned()), &expected).await;
        check_export(&exported, &reading);
        let bytes = site.client.artifacts().get(&exported.sha256).await.expect("the export");
        assert!(bytes == reading.export.bytes, "the export's bytes differ");
        let jobs = all_jobs(&site, run).await;
        let documents: u64 = reading.summary.feeds.values().map(|counts| counts.documents).sum();
        assert_eq!(jobs.len() as u64, 3 + 2 * documents + expected.duplicates.len() as u64 + Feed::ALL.len() as u64);
        check_dead_letters(&jobs, &expected);
        assert_eq!(working.end().await.completed, jobs.len() as u64);
        for feed in Feed::ALL {
            let mark = site.client.watermarks().get(feed.name(), &Axis::Published).await.expect("a watermark");
            assert!(mark.low < mark.high && mark.version == 1, "the same again moves nothing: {mark:?}");
        }
    }
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_troubled_upstream_changes_nothing_but_the_attempts() {
    let (folder, expected, reading) = feeds(12);
    let trouble = Trouble { throttled: 100, unavailable: 50, slow: 50, cut: 100, slow_ms: 5, ..Trouble::none() };
    let (location, upstream, _stop) = start_upstream(folder.path(), trouble).await;
    let site = Site::start().await;
    let working = site.work(16);
    let (run, exported) = run(&site, location, &expected).await;
    check_export(&exported, &reading);
    let jobs = all_jobs(&site, run).await;
    check_dead_letters(&jobs, &expected);
    let fates = upstream.fates();
    let refused: u64 = [Fate::Throttled, Fate::Unavailable, Fate::Cut].iter().map(|fate| fates[fate]).sum();
    let again: u64 = jobs.iter().map(|job| u64::from(job.attempt) - 1).sum();
    assert_eq!(again, refused, "{fates:?}");
    working.end().await;
    site.close().await;
}

async fn start_upstream(dir: &Path, trouble: Trouble) -> (Location, Upstream, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let location = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a location");
    let upstream = Upstream::new(dir.to_owned(), trouble);
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(upstream.clone().serve(listener, async move { drop(stopped.await) }));
    (location, upstream, stop)
}
