//! Contexts: kept in the user's folder, before the defaults and after flags and environment.

use std::path::Path;

use crate::server::{Outcome, Server, orch};
use crate::transcript::Transcript;

/// A command of a user with a configuration of their own.
fn as_user(config: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let own = [("XDG_CONFIG_HOME", config.to_str().unwrap())];
    orch(arguments, &[&own[..], environment].concat())
}

#[test]
fn contexts_say_where_the_server_is_and_who_we_are() {
    let server = Server::start();
    let config = tempfile::tempdir().unwrap();
    let mut transcript = Transcript::default();
    let mut run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let outcome = as_user(config.path(), arguments, environment);
        transcript.note(arguments, &outcome);
        outcome
    };
    run(&["config", "current-context"], &[]);
    run(&["config", "get-contexts"], &[]);
    run(&["config", "set-context", "here", "--address", &server.address, "--token-ref", "env:HERE_TOKEN"], &[]);
    run(&["config", "set-context", "there", "--address", "http://127.0.0.1:1", "--tenant", "acme"], &[]);
    run(&["config", "use-context", "nowhere"], &[]);
    run(&["config", "use-context", "here"], &[]);
    run(&["config", "current-context"], &[]);
    run(&["config", "get-contexts"], &[]);
    run(&["job", "list"], &[]);
    run(&["job", "list"], &[("HERE_TOKEN", &server.token)]);
    run(&["config", "set-context", "here", "--tenant", "acme"], &[]);
    run(&["job", "list"], &[("HERE_TOKEN", &server.token)]);
    run(&["config", "set-context", "here", "--tenant", "default"], &[]);
    let environment = [("HERE_TOKEN", server.token.as_str()), ("ORCH_ADDRESS", "http://127.0.0.1:1")];
    run(&["job", "list", "--patience", "0"], &environment);
    run(&["job", "list", "--context", "here"], &environment);
    run(&["config", "delete-context", "here"], &[]);
    run(&["config", "get-contexts", "-o", "json"], &[]);
    insta::assert_snapshot!("contexts_say_where_the_server_is_and_who_we_are", transcript.0);
}

#[test]
fn a_token_is_written_down_only_by_force() {
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("orch").join("contexts.toml");
    let set = ["config", "set-context", "here", "--token", "s3cret"];
    let refused = as_user(config.path(), &set, &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("--token-ref") && !refused.err.contains("s3cret"), "{}", refused.err);
    assert!(!file.exists());
    assert_eq!(as_user(config.path(), &[&set[..], &["--inline-token"]].concat(), &[]).code, 0);
    assert!(std::fs::read_to_string(&file).unwrap().contains("inline:s3cret"));
    let shown = as_user(config.path(), &["config", "get-contexts", "-o", "json"], &[]);
    assert!(shown.out.contains("inline:…") && !shown.out.contains("s3cret"), "{}", shown.out);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
