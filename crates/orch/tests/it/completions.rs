//! Shell completions with what a live server knows, and the manual.

use crate::server::{Outcome, Server, command, orch};

/// What a bash offers for the last of these words.
fn offered(server: &Server, words: &[&str]) -> Vec<String> {
    let arguments = [&["--", "orch"], words].concat();
    let index = words.len().to_string();
    let own = [("ORCH_COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", &index), ("_CLAP_IFS", "\n")];
    let Outcome { code, out, .. } = orch(&arguments, &[&own[..], &server.environment()].concat());
    assert_eq!(code, 0);
    out.lines().map(str::to_owned).collect()
}

#[test]
fn what_the_server_knows_is_offered() {
    let server = Server::start();
    server.orch(&["job-type", "put", "echo", "--description", "says it again"]);
    server.orch(&["source", "put", "kev", "--kind", "kev"]);
    let job = server.orch(&["job", "submit", "echo"]).out.trim().to_owned();
    assert_eq!(offered(&server, &["job", "show", "job_"]), [job.as_str()]);
    assert_eq!(offered(&server, &["job", "submit", "ec"]), ["echo"]);
    assert_eq!(offered(&server, &["job", "list", "--source", ""]), ["kev"]);
    assert_eq!(offered(&server, &["job", "list", "--state", "succ"]), ["succeeded"]);
    assert_eq!(offered(&server, &["token", "create", "--tenant", "d"]), ["default"]);
    assert_eq!(offered(&server, &["dead-letter", "rep"]), ["replay"]);
    let graph = server.folder().join("kev.json");
    std::fs::write(&graph, r#"{"name": "kev", "steps": [{"name": "list", "job_type": "echo"}]}"#).unwrap();
    server.orch(&["graph", "apply", graph.to_str().unwrap()]);
    assert_eq!(offered(&server, &["run", "start", "k"]), ["kev"]);
    let run = server.orch(&["run", "start", "kev"]).out.trim().to_owned();
    assert_eq!(offered(&server, &["run", "show", "run_"]), [run.as_str()]);
    assert_eq!(offered(&server, &["run", "list", "--state", "pa"]), ["paused"]);
}

#[test]
fn the_words_typed_say_which_server_is_asked() {
    let server = Server::start();
    server.orch(&["source", "put", "kev", "--kind", "kev"]);
    let elsewhere = ["source", "show", "--address", "http://127.0.0.1:1", ""];
    assert!(!offered(&server, &elsewhere).contains(&"kev".to_owned()), "it is another server's");
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "zsh", "fish"] {
        let script = orch(&["completions", shell], &[]);
        assert!(script.code == 0 && script.out.contains("ORCH_COMPLETE"), "{shell}: {}", script.err);
    }
    assert_eq!(orch(&["completions", "tcsh"], &[]).code, 1);
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    assert!(command(&["man", "--out", out.to_str().unwrap()], &[]).status().unwrap().success());
    for page in ["orch.1", "orch-job.1", "orch-job-submit.1", "orch-config-show.1"] {
        let text = std::fs::read_to_string(out.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".TH orch"), "{page}");
    }
}
