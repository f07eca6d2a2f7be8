//! Every zone, every change of a clock from 2020 to 2040, each daylight rule: as Python's `zoneinfo` has it.
//!
//! Both read the machine's zone database, so that what is compared is how clocks are read, and not two versions of what
//! governments decided.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use jiff::tz::TimeZoneDatabase;
use orch_core::Timestamp;
use orch_core::schedule::{Daylight, Schedule, Timetable as Table};
use orch_gates::Timetable;
use serde::Deserialize;

const ZONES: &str = "/usr/share/zoneinfo";
/// Seconds around a change that are compared.
const AROUND: i64 = 3 * 3_600;

#[derive(Deserialize)]
struct Change {
    zone: String,
    at: i64,
    skip: Vec<i64>,
    once: Vec<i64>,
    both: Vec<i64>,
}

fn quarters(daylight: Daylight) -> Schedule {
    let timetable = Table { cron: Some("*/15 * * * *".into()), daylight, ..Table::default() };
    Schedule { timetable, ..Schedule::default() }
}

#[test]
fn every_change_of_every_zone_is_as_another_implementation_has_it() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daylight.py");
    let there = std::path::Path::new(ZONES).join("Africa/Cairo").exists();
    let python = there.then(|| Command::new("python3").arg(script).stdout(Stdio::piped()).spawn());
    let Some(Ok(mut python)) = python else {
        eprintln!("SKIPPED: there is no python3, or no zone database in {ZONES}");
        return;
    };
    let zones = TimeZoneDatabase::from_dir(ZONES).expect("the machine's zone database can be read");
    let lines = BufReader::new(python.stdout.take().expect("the output is piped")).lines();
    let (mut changes, mut seen, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for line in lines {
        let line = line.expect("the other implementation writes lines");
        let change: Change = serde_json::from_str(&line).expect("it writes JSON");
        let zone = zones.get(&change.zone).expect("both know the zone");
        for (daylight, expected) in
            [(Daylight::Skip, &change.skip), (Daylight::Once, &change.once), (Daylight::Both, &change.both)]
        {
            let table = Timetable::read_in(&quarters(daylight), zone.clone()).expect("the timetable makes sense");
            let after = Timestamp::from_millis((change.at - AROUND - 1) * 1_000);
            let all = std::iter::successors(table.next_after(after), |at| table.next_after(*at));
            let all = all.map(|at| at.millis() / 1_000 - change.at);
            let found: Vec<_> = all.take_while(|at| *at <= AROUND).collect();
            if found != *expected {
                wrong.push(format!(
                    "{} at {}, {}: {found:?}, not {expected:?}",
                    change.zone,
                    change.at,
                    daylight.as_str()
                ));
            }
        }
        changes += 1;
        seen.insert(change.zone);
    }
    assert!(python.wait().expect("it ends").success());
    println!("{changes} changes of {} zones, three rules each: {} mismatches", seen.len(), wrong.len());
    assert!(wrong.is_empty(), "{} mismatches:\n{}", wrong.len(), wrong.join("\n"));
    for zone in ["Africa/Cairo", "Australia/Lord_Howe", "Africa/Casablanca", "America/New_York"] {
        assert!(seen.contains(zone), "{zone} has changes");
    }
    assert!(changes > 5_000, "{changes}");
}
