//! Starting, waiting for and ending programs, shown on the shell.

use std::process::Command;
use std::time::Duration;

use super::{Daemon, capture, tail};
use crate::scratch::Scratch;

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

#[test]
fn the_first_json_object_says_ready_and_all_lines_are_logged() {
    let scratch = Scratch::new("orch-process", false).unwrap();
    let log = scratch.path().join("log");
    let script = "echo hello; echo '{\"address\":\"here\"}'; exec sleep 60";
    let mut daemon = Daemon::spawn("a shell", shell(script), &log).unwrap();
    let ready = daemon.ready(Duration::from_secs(10)).unwrap();
    assert_eq!(ready["address"], "here");
    assert!(daemon.terminate().unwrap(), "sleep ends on SIGTERM");
    assert!(tail(&log, 2).starts_with("hello"));
}

#[test]
fn a_program_that_ends_early_is_an_error_with_its_last_words() {
    let scratch = Scratch::new("orch-process", false).unwrap();
    let log = scratch.path().join("log");
    let daemon = Daemon::spawn("a shell", shell("echo 'no such port' >&2; exit 3"), &log).unwrap();
    let error = daemon.ready(Duration::from_secs(10)).unwrap_err();
    assert!(format!("{error:#}").contains("no such port"), "{error:#}");
}

#[test]
fn what_a_failing_command_complained_of_is_in_the_error() {
    let error = capture(&mut shell("echo 'out of ink' >&2; exit 1")).unwrap_err();
    assert!(error.to_string().contains("out of ink"));
    assert_eq!(capture(&mut shell("echo fine")).unwrap(), "fine\n");
}
