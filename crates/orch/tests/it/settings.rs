//! A server's settings as its operator meets them: shown with their origin, refused by name at the start.

use crate::server::{Outcome, orch};
use crate::transcript::Transcript;

/// The settings of this file, in a folder of its own.
fn with_file(text: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orch.toml");
    std::fs::write(&file, text).unwrap();
    let mut outcome = orch(&[arguments, &["--config", file.to_str().unwrap()]].concat(), environment);
    let folder = folder.path().to_str().unwrap();
    outcome.out = outcome.out.replace(folder, "<folder>");
    outcome.err = outcome.err.replace(folder, "<folder>");
    outcome
}

#[test]
fn settings_are_shown_with_their_origin_and_refused_by_name() {
    let mut transcript = Transcript::default();
    let file = "listen = \"127.0.0.1:7500\"\nnode_lease_ms = 5000\ndatabase = \"env:ORCH_PLACE\"\n";
    let environment = [("ORCH_NODE_LEASE_MS", "6000"), ("ORCH_PLACE", "postgres://orch:s3cret@host/orch")];
    let show = ["config", "show", "--set", "log=debug"];
    transcript.note(&show, &with_file(file, &show, &environment));
    transcript.note(&["config", "show", "-o", "wide"], &orch(&["config", "show", "-o", "wide"], &[]));
    for (text, arguments) in [
        ("lease = 1\n", &["dev"][..]),
        ("node_lease_ms = 1\n", &["serve", "--database", "postgres://nowhere/x"]),
        ("database = \"postgres://orch:s3cret@host/orch\"\n", &["serve"]),
        ("", &["serve"]),
        ("", &["dev", "--listen", "7400"]),
        ("", &["dev", "--set", "log_format=xml"]),
        ("listen = 'x", &["config", "show"]),
    ] {
        let outcome = with_file(text, arguments, &[]);
        assert!(!outcome.err.contains("s3cret"), "{}", outcome.err);
        transcript.note(arguments, &outcome);
    }
    transcript.note(&["dev"], &orch(&["dev"], &[("ORCH_LISTN", "x")]));
    insta::assert_snapshot!("settings_are_shown_with_their_origin_and_refused_by_name", transcript.0);
}
