//! Declared things from files: what is compared, what is written, and how what is wrong is placed.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::server::{ORCH, Server};
use crate::transcript::Transcript;

const HOSTS: &str = "\
# What hosts allow.
declare: bucket
name: nvd
host: nvd.example
terms:
  - {limit: 5, window_ms: 30000}
---
declare: source
name: nvd
kind: nvd
host: nvd.example
labels: {feed: nvd}
";

const TYPES: &str = "{\"declare\": \"job_type\", \"name\": \"fetch\", \"tries_max\": 3}\n{\"declare\": \"project\", \"name\": \"intake\"}\n";

fn folder(server: &Server) -> PathBuf {
    let folder = server.folder().join("declared");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("b-hosts.yaml"), HOSTS).unwrap();
    fs::write(folder.join("a-types.json"), TYPES).unwrap();
    fs::write(folder.join("notes.txt"), "no document").unwrap();
    folder
}

/// The test's folder has another name each time.
fn run(transcript: &mut Transcript, server: &Server, arguments: &[&str]) {
    let folder = server.folder().to_str().unwrap();
    let full: Vec<String> = arguments.iter().map(|argument| argument.replace("FOLDER", folder)).collect();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    let mut outcome = server.orch(&full);
    outcome.out = outcome.out.replace(folder, "FOLDER");
    outcome.err = outcome.err.replace(folder, "FOLDER");
    transcript.note(arguments, &outcome);
}

#[test]
fn files_are_compared_then_applied_then_unchanged() {
    let server = Server::start();
    let folder = folder(&server);
    let mut transcript = Transcript::default();
    let mut orch = |arguments: &[&str]| run(&mut transcript, &server, arguments);
    orch(&["apply", "-f", "FOLDER/declared", "--dry-run"]);
    orch(&["bucket", "list", "-o", "name"]);
    orch(&["apply", "-f", "FOLDER/declared"]);
    orch(&["apply", "-f", "FOLDER/declared", "--diff"]);
    orch(&["pause", "source", "nvd"]);
    fs::write(folder.join("b-hosts.yaml"), HOSTS.replace("limit: 5", "limit: 9").replace("labels: {feed: nvd}\n", ""))
        .unwrap();
    orch(&["apply", "-f", "FOLDER/declared/b-hosts.yaml", "FOLDER/declared/a-types.json", "--diff"]);
    orch(&["apply", "-f", "FOLDER/declared/b-hosts.yaml", "-o", "jsonl", "--dry-run"]);
    orch(&["pause", "list", "-o", "jsonl"]);
    orch(&["bucket", "list"]);
    insta::assert_snapshot!("files_are_compared_then_applied_then_unchanged", transcript.0);
}

#[test]
fn what_is_wrong_names_file_document_and_member() {
    let server = Server::start();
    let folder = folder(&server);
    let mut transcript = Transcript::default();
    let mut orch = |arguments: &[&str]| run(&mut transcript, &server, arguments);
    let wrong = format!("---\n# nothing\n---\n{HOSTS}---\nname: mars\n").replace("limit: 5", "limit: 0");
    fs::write(folder.join("wrong.yml"), wrong).unwrap();
    orch(&["apply", "-f", "FOLDER/declared"]);
    fs::write(folder.join("wrong.yml"), "declare: project\nname: p\ncolour: red\n").unwrap();
    orch(&["apply", "-f", "FOLDER/declared", "--dry-run", "-o", "json"]);
    fs::write(folder.join("wrong.yml"), "declare: project\nname: p\nname: q\n").unwrap();
    orch(&["apply", "-f", "FOLDER/declared/wrong.yml"]);
    orch(&["apply", "-f", "FOLDER/declared/nowhere.yaml"]);
    fs::create_dir(server.folder().join("empty")).unwrap();
    orch(&["apply", "-f", "FOLDER/empty"]);
    orch(&["project", "list"]);
    insta::assert_snapshot!("what_is_wrong_names_file_document_and_member", transcript.0);
}

#[test]
fn documents_come_on_standard_input() {
    let server = Server::start();
    let mut command = Command::new(ORCH);
    command.args(["apply", "-f", "-", "-o", "name"]).envs(server.environment());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(HOSTS.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nvd\nnvd\n");
}
