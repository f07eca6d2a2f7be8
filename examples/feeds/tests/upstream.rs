//! An upstream over HTTP gives what its folder holds, through every kind of trouble.

use std::path::Path;

use orch_feeds::{
    feed::Feed,
    folder,
    generate::{Plan, generate},
    location::{Location, ReadError, Reader},
    upstream::{Fate, Trouble, Upstream},
};
use tokio::{net::TcpListener, sync::oneshot};

/// A running upstream; it ends when the sender is dropped.
async fn start(dir: &Path, trouble: Trouble) -> (Location, Upstream, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let upstream = Upstream::new(dir.to_owned(), trouble);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = upstream.clone().serve(listener, async move { drop(stopped.await) });
    tokio::spawn(server);
    (format!("http://{address}").parse().expect("a location"), upstream, stop)
}

/// Reads until it is served and counts what was met on the way.
async fn read_through(reader: &Reader, location: &Location, path: &str, met: &mut [u32; 2]) -> Vec<u8> {
    for _ in 0..10 {
        match reader.read(location, path).await {
            Ok(bytes) => return bytes.expect("a listed document").to_vec(),
            Err(ReadError::Throttled { retry_after, status, .. }) => {
                assert_eq!(retry_after.is_some(), status == 429);
                met[0] += 1;
            }
            Err(ReadError::Broken { .. }) => met[1] += 1,
            Err(error) => panic!("{path}: {error}"),
        }
    }
    panic!("{path}: never served");
}

#[tokio::test]
async fn every_document_comes_through_trouble_whole() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    generate(dir.path(), &Plan { seed: 5, size: 30, bad: 1, duplicates: 1 }).expect("writes");
    let trouble = Trouble { throttled: 150, unavailable: 100, slow: 100, cut: 200, slow_ms: 1, ..Trouble::none() };
    let (location, upstream, _stop) = start(dir.path(), trouble).await;
    let reader = Reader::new().expect("a client");
    let mut met = [0, 0];
    for feed in Feed::ALL {
        let listed = loop {
            if let Ok(listed) = reader.list(&location, feed).await {
                break listed;
            }
        };
        assert_eq!(listed, folder::list(dir.path(), feed).expect("lists"));
        for document in listed {
            let bytes = read_through(&reader, &location, &document.path, &mut met).await;
            assert_eq!(Some(bytes), folder::read(dir.path(), &document.path).expect("reads"));
        }
    }
    let fates = upstream.fates();
    assert_eq!(fates.len(), 5, "{fates:?}");
    assert!(u64::from(met[0]) <= fates[&Fate::Throttled] + fates[&Fate::Unavailable] && met[0] > 0);
    assert!(u64::from(met[1]) <= fates[&Fate::Cut] && met[1] > 0);
}

#[tokio::test]
async fn what_is_no_document_is_not_served() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    generate(dir.path(), &Plan { seed: 5, size: 2, bad: 0, duplicates: 0 }).expect("writes");
    std::fs::write(dir.path().join("secret.json"), "{}").expect("writes");
    let (location, _upstream, _stop) = start(dir.path(), Trouble::none()).await;
    let reader = Reader::new().expect("a client");
    for path in ["secret.json", "kev/../secret.json", "csaf/none.json", "kev/.hidden.json"] {
        assert_eq!(reader.read(&location, path).await.expect("an answer"), None, "{path}");
    }
}

#[tokio::test]
async fn an_index_that_names_foreign_paths_is_refused() {
    let router = axum::Router::new()
        .route("/index/{feed}", axum::routing::get(|| async { r#"[{"path": "kev/../../secret.json", "size": 1}]"# }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let location = format!("http://{address}").parse().expect("a location");
    let refused = Reader::new().expect("a client").list(&location, Feed::Kev).await;
    assert!(matches!(refused, Err(ReadError::Refused { .. })), "{refused:?}");
}
