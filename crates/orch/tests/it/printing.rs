//! Formats, errors for programs, colours, and looking again and again.

use std::io::{BufRead as _, Read as _};

use serde_json::Value;

use crate::server::{Server, orch};
use crate::transcript::Transcript;

#[test]
fn every_list_and_every_thing_in_every_format() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    for (name, kind) in [("kev", "kev"), ("osv", "osv")] {
        server.orch(&["source", "put", name, "--kind", kind, "--label", "team=feeds", "--egress-allow", "a.example"]);
    }
    for format in ["table", "wide", "json", "jsonl", "yaml", "name"] {
        transcript.run(&server, &["source", "list", "-o", format]);
        transcript.run(&server, &["source", "show", "kev", "-o", format]);
    }
    server.orch(&["job-type", "put", "echo"]);
    transcript.run(&server, &["job", "submit", "echo", "-o", "name"]);
    transcript.run(&server, &["job", "list", "-o", "wide"]);
    transcript.run(&server, &["job", "list", "-o", "name"]);
    transcript.run(&server, &["job", "summary", "-o", "yaml"]);
    transcript.run(&server, &["health", "-o", "name"]);
    insta::assert_snapshot!("every_list_and_every_thing_in_every_format", transcript.0);
}

#[test]
fn errors_are_json_for_programs() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    let missing = "job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    transcript.run(&server, &["-o", "json", "job", "show", missing]);
    transcript.run(&server, &["-o", "jsonl", "job-type", "put", "echo", "--lease-ms", "1"]);
    transcript.run(&server, &["job", "show", "42", "-o", "json"]);
    transcript.run(&server, &["job", "list", "--token", "wrong", "-o", "json"]);
    transcript.note(&["job", "list", "-o", "json"], &orch(&["job", "list", "-o", "json"], &[]));
    insta::assert_snapshot!("errors_are_json_for_programs", transcript.0);
    let failed = server.orch(&["-o", "json", "job", "show", missing]);
    assert_eq!(serde_json::from_str::<Value>(&failed.err).unwrap()["exit_code"], failed.code);
}

#[test]
fn colours_are_for_terminals_and_no_color_ends_them() {
    let colours = |environment: &[(&str, &str)]| orch(&["job", "list"], environment).err.contains('\x1b');
    assert!(!colours(&[]), "what is piped is plain");
    assert!(colours(&[("CLICOLOR_FORCE", "1")]));
    assert!(!colours(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn watching_a_job_ends_with_it() {
    let server = Server::start();
    server.orch(&["job-type", "put", "echo"]);
    let job = server.orch(&["job", "submit", "echo"]).out.trim().to_owned();
    let (mut watching, mut out) =
        server.orch_start(&["job", "show", &job, "--watch", "--interval", "100ms", "-o", "jsonl"]);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["state"], "ready");
    assert_eq!(server.orch(&["job", "cancel", &job]).code, 0);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&rest).unwrap()["state"], "canceled");
    assert!(watching.wait().unwrap().success());
}

#[test]
fn watching_a_list_tells_what_is_new_also_after_an_outage() {
    let mut server = Server::start();
    server.orch(&["source", "put", "kev", "--kind", "kev"]);
    let (mut watching, mut out) =
        server.orch_start(&["source", "list", "--watch", "--interval", "100ms", "-o", "name"]);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    server.orch(&["source", "put", "osv", "--kind", "osv"]);
    out.read_line(&mut line).unwrap();
    server.kill_and_restart();
    server.orch(&["source", "put", "ghsa", "--kind", "ghsa"]);
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "kev\nosv\nghsa\n");
    watching.kill().unwrap();
    watching.wait().unwrap();
}
