//! A month that the export lost is read again by backfills, and the export is what it was.

use std::{path::Path, time::Duration};

use orch_client::{Range, Reprocess};
use orch_feeds::{
    feed::Feed,
    location::Location,
    parts::{Parts, ended, of_feed, undated},
    reading::read_folder,
};

use crate::{PATIENCE, feeds, site::Site};

const DAY: Duration = Duration::from_secs(86_400);

fn range(from: &str, to: &str) -> Range {
    Range { from: from.parse().expect("a time"), to: to.parse().expect("a time") }
}

/// Reads a range of all feeds, window by window, and takes what was read. How many windows were read.
async fn read(site: &Site, location: &Location, all: Range, reprocess: Reprocess, parts: &mut Parts) -> u64 {
    let mut jobs = 0;
    for feed in Feed::ALL {
        let asked = of_feed(location, feed, all, 31 * DAY, reprocess.clone());
        let preview = site.client.backfills().preview(&asked).await.expect("a preview");
        let backfill = site.client.backfills().create(&asked).await.expect("creates");
        let found = ended(&site.client, &backfill.id, PATIENCE).await.expect("it is looked at");
        assert_eq!((found.windows.failed, found.windows.canceled), (0, 0), "{feed}");
        let ran = parts.add_backfill(&site.client, &backfill.id).await.expect("what it read");
        assert_eq!((preview.asked, u64::from(found.windows.succeeded)), (ran, ran), "{feed}: what the preview said");
        jobs += ran;
    }
    jobs
}

/// The whole range by windows is the whole reading; a month is lost, and read again.
async fn lost_and_found(dir: &Path, month: Range) {
    let digest = read_folder(dir).expect("reads").summary.digest;
    let location = Location::Folder(dir.to_owned());
    let site = Site::start().await;
    let working = site.work(8);
    let mut parts = Parts::default();
    for feed in Feed::ALL {
        let job = undated(&site.client, &location, feed, PATIENCE).await.expect("ends");
        parts.add(&site.client, &job).await.expect("what it read");
    }
    let all = range("1999-01-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let windows = read(&site, &location, all, Reprocess::Missing, &mut parts).await;
    assert_eq!(parts.export().digest, digest);
    let lost = parts.lose(month);
    assert!(lost > 0, "something was published in that month");
    assert_ne!(parts.export().digest, digest);
    assert_eq!(read(&site, &location, month, Reprocess::Missing, &mut Parts::default()).await, 0, "it was read");
    let again = read(&site, &location, month, Reprocess::All, &mut parts).await;
    assert_eq!(parts.export().digest, digest);
    println!("{windows} windows; {lost} entries lost with a month, and found in {again}: {digest}");
    working.end().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_was_lost_is_read_again() {
    let (folder, _, reading) = feeds(5);
    let times = reading.export.bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let advisory: serde_json::Value = serde_json::from_slice(line).ok()?;
        advisory["published"].as_str()?.parse::<jiff::Timestamp>().ok()
    });
    let from = times.max().expect("something was published");
    let month = Range { from, to: from + jiff::SignedDuration::from_hours(24 * 30) };
    lost_and_found(folder.path(), month).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_the_real_feeds_that_was_lost_is_read_again() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !dir.is_dir() {
        println!("SKIPPED: there are no feeds at {}", dir.display());
        return;
    }
    let dir = dir.canonicalize().expect("it is there");
    lost_and_found(&dir, range("2023-03-01T00:00:00Z", "2023-04-01T00:00:00Z")).await;
}
