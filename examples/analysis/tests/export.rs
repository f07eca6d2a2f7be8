//! What `examples/feeds` exports is read here, and says the same.

use orch_analysis::{
    advisory::Feed,
    package::{Ecosystem, Package},
};
use orch_feeds::{
    generate::{Plan, generate},
    merge::Advisory,
    reading::read_folder,
};

#[test]
fn an_export_of_the_feeds_example_is_read_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    generate(folder.path(), &Plan { seed: 4, size: 40, bad: 0, duplicates: 0 }).expect("writes");
    let export = read_folder(folder.path()).expect("reads").export;
    let feed = Feed::read(&export.bytes).expect("reads");
    assert_eq!(feed.lines().len() as u64, export.advisories);
    let (mut packages, mut exploited) = (0, 0);
    for line in feed.lines() {
        let whole: Advisory = serde_json::from_slice(&line.bytes).expect("an advisory");
        assert_eq!(line.advisory.id, whole.id);
        assert_eq!(line.advisory.withdrawn, whole.withdrawn);
        exploited += usize::from(line.advisory.exploited());
        for affected in &whole.affected {
            let Some(ecosystem) = Ecosystem::of_feed(&affected.package.ecosystem) else { continue };
            let package = Package::new(ecosystem, &affected.package.name);
            assert!(feed.of_package(&package).any(|advisory| advisory.id == whole.id), "{package:?}");
            packages += 1;
        }
    }
    assert!(packages > 40 && exploited > 0, "{packages} packages, {exploited} exploited");
}
