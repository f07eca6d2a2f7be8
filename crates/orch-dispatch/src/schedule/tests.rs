//! Each nominal instant is decided once: it comes, waits or is skipped, whoever owns the shard and whatever is open.

use orch_core::config::JobType;
use orch_core::ids::{Incarnation, ShardNo, TenantNo};
use orch_core::port::{Append, SnapshotRow};
use orch_core::schedule::{ScheduledJob, Timetable as Table};
use uuid::Uuid;

use super::*;
use crate::answer::Grant;
use crate::command::{Command, Expect, Read};
use crate::forecast::tests::{Stage, TENANT, kind};
use crate::prepared::Readings;
use crate::shard::{Identity, Reply, SNAPSHOT_FORMAT, Shard};

const MINUTE: u64 = 60_000;

/// Each minute, a job of type `t`.
fn minutely() -> Schedule {
    let job = ScheduledJob { job_type: "t".into(), payload: "{}".into(), ..ScheduledJob::default() };
    let timetable = Table { every_ms: Some(MINUTE), ..Table::default() };
    Schedule { name: "feed".into(), job: Some(job), timetable, ..Schedule::default() }
}

/// A shard with that schedule; its rows are kept.
struct Clockwork {
    stage: Stage,
    rows: Vec<FiringRow>,
}

impl Clockwork {
    fn new(doc: Schedule) -> Self {
        let mut clockwork = Self { stage: Stage::new(kind(None), 100), rows: Vec::new() };
        clockwork.declare(doc);
        clockwork
    }

    fn ask(&mut self, command: Command) -> Answer {
        let reply = self.stage.shard.execute(command, &Readings::default(), self.stage.now);
        let _ = self.stage.shard.take_woken();
        self.rows.extend(self.stage.shard.take().map(|Append { firings, .. }| firings).into_iter().flatten());
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    fn declare(&mut self, doc: Schedule) -> Answer {
        let doc = ConfigDoc::Schedule(Box::new(doc));
        self.ask(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any })
    }

    /// Lets time pass in steps.
    fn pass(&mut self, ms: u64, step_ms: u64) {
        for _ in 0..ms / step_ms {
            self.stage.now = self.stage.now.plus_ms(step_ms);
            self.ask(Command::Tick);
        }
    }

    /// Nobody serves for so long; then somebody else does.
    fn stand_still(&mut self, ms: u64) {
        let row = SnapshotRow {
            commit_no: self.stage.shard.taken(),
            format: SNAPSHOT_FORMAT,
            state: self.stage.shard.save().into(),
        };
        let identity = Identity { shard: ShardNo(0), epoch: 2, incarnation: Incarnation(Uuid::nil()) };
        self.stage.shard = Shard::begin(identity, Some(&row)).expect("a saved state can be read");
        self.stage.now = self.stage.now.plus_ms(ms);
        self.stage.shard.serve_from(self.stage.now);
        self.pass(64, 16);
    }

    fn found(&mut self) -> ScheduleFound {
        match self.ask(Command::Read(Read::Schedule { tenant: TENANT, name: "feed".into() })) {
            Answer::Schedule(Some(found)) => *found,
            answer => panic!("{answer:?}"),
        }
    }

    fn pause(&mut self, pause: bool) {
        let command =
            Command::PauseSchedule { tenant: TENANT, schedule: "feed".into(), pause, actor: Actor::default() };
        assert_eq!(self.ask(command), Answer::Done);
    }

    fn claim(&mut self) -> Vec<Grant> {
        self.stage.announce();
        self.stage.claim(100)
    }

    /// Instants that had a job and those that had none, by cause.
    fn counts(&self, cause: &str) -> (u64, u64) {
        let sum = |which: &dyn Fn(&&FiringRow) -> bool| self.rows.iter().filter(which).map(|row| row.count).sum();
        (sum(&|row| row.job.is_some()), sum(&|row| row.cause.as_deref() == Some(cause)))
    }

    /// Every instant since the schedule was declared has one row, and no two rows say the same.
    fn is_complete(&self, since: Timestamp, every: u64) {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.nominal_at);
        let mut next = since.millis().div_euclid(every.cast_signed()) * every.cast_signed() + every.cast_signed();
        for row in rows {
            assert_eq!(row.nominal_at.millis(), next, "{row:?}");
            next = row.nominal_at.millis() + (row.count * every).cast_signed();
            assert_eq!(row.last_at.millis() + every.cast_signed(), next, "{row:?}");
        }
        assert!(next > self.stage.now.millis() - 2_000, "all until now are decided");
    }
}

#[test]
fn each_instant_has_its_job_at_its_time() {
    let mut clockwork = Clockwork::new(Schedule { overlap: Overlap::Allow, ..minutely() });
    let since = clockwork.stage.now;
    clockwork.pass(10 * MINUTE, 1_000);
    clockwork.is_complete(since, MINUTE);
    assert_eq!(clockwork.counts(""), (10, 0));
    assert!(clockwork.rows.iter().all(|row| row.at.ms_since(row.nominal_at) < 2_000));
    let found = clockwork.found();
    assert_eq!((found.fired, found.skipped, found.open.len()), (10, 0, 10));
    let grants = clockwork.claim();
    assert_eq!(grants.len(), 10);
    assert_eq!(found.last.map(|(at, _)| at), clockwork.rows.last().map(|row| row.nominal_at));
}

#[test]
fn what_is_open_keeps_the_next_away() {
    let mut clockwork = Clockwork::new(minutely());
    let since = clockwork.stage.now;
    clockwork.pass(5 * MINUTE, 1_000);
    assert_eq!(clockwork.counts("overlap"), (1, 4));
    let grants = clockwork.claim();
    clockwork.stage.complete(&grants[0], true);
    clockwork.pass(MINUTE, 1_000);
    assert_eq!(clockwork.counts("overlap"), (2, 4));
    clockwork.is_complete(since, MINUTE);
}

#[test]
fn what_waits_comes_when_the_open_job_has_ended() {
    for (overlap, waits, skipped) in [(Overlap::BufferOne, 1, 3), (Overlap::BufferAll, 4, 0)] {
        let mut clockwork = Clockwork::new(Schedule { overlap, ..minutely() });
        let since = clockwork.stage.now;
        clockwork.pass(5 * MINUTE, 1_000);
        assert_eq!((clockwork.found().waiting.len(), clockwork.counts("overlap")), (waits, (1, skipped)));
        clockwork.pause(true);
        clockwork.pause(false);
        assert_eq!(clockwork.found().waiting.len(), waits, "a pause that is over leaves them");
        for _ in 0..waits {
            let grants = clockwork.claim();
            clockwork.stage.complete(&grants[0], true);
            clockwork.pass(64, 16);
        }
        assert_eq!((clockwork.found().waiting.len(), clockwork.counts("overlap").0), (0, 1 + waits as u64));
        clockwork.is_complete(since, MINUTE);
    }
}

#[test]
fn the_next_ends_what_is_open() {
    let mut clockwork = Clockwork::new(Schedule { overlap: Overlap::CancelRunning, ..minutely() });
    let since = clockwork.stage.now;
    clockwork.pass(2 * MINUTE, 1_000);
    assert_eq!(
        (clockwork.counts("superseded"), clockwork.found().open.len()),
        ((2, 0), 1),
        "one that nobody had is gone"
    );
    let grants = clockwork.claim();
    assert_eq!(grants.len(), 1);
    // Its worker is asked to stop and is given time to; until then the next waits.
    clockwork.pass(21_000, 1_000);
    assert_eq!(clockwork.found().waiting.len(), 1);
    clockwork.stage.complete(&grants[0], true);
    clockwork.pass(64, 16);
    assert_eq!((clockwork.counts("superseded"), clockwork.found().open.len()), ((3, 0), 1));
    clockwork.is_complete(since, MINUTE);
}

#[test]
fn what_was_missed_comes_as_the_policy_says() {
    for (misfire, fired, skipped) in [(Misfire::FireAll, 31, 0), (Misfire::FireLast, 2, 29), (Misfire::Skip, 1, 30)] {
        let mut clockwork = Clockwork::new(Schedule { misfire, overlap: Overlap::Allow, ..minutely() });
        let since = clockwork.stage.now;
        clockwork.pass(MINUTE, 1_000);
        clockwork.stand_still(30 * MINUTE);
        assert_eq!(clockwork.counts("misfire"), (fired, skipped), "{misfire:?}");
        assert_eq!(clockwork.found().missed, skipped);
        clockwork.is_complete(since, MINUTE);
    }
}

#[test]
fn a_take_over_is_no_misfire() {
    let mut clockwork = Clockwork::new(Schedule { misfire: Misfire::Skip, overlap: Overlap::Allow, ..minutely() });
    let since = clockwork.stage.now;
    for _ in 0..50 {
        clockwork.pass(MINUTE - 3_000, 1_000);
        clockwork.stand_still(6_000);
    }
    assert_eq!(clockwork.counts("misfire").1, 0);
    clockwork.is_complete(since, MINUTE);
}

#[test]
fn what_is_too_old_is_left_out_in_steps() {
    let job = minutely().job.unwrap();
    let timetable = Table { every_ms: Some(1_000), ..Table::default() };
    let doc = Schedule { job: Some(job), timetable, catch_up_ms: 60_000, overlap: Overlap::Allow, ..minutely() };
    let mut clockwork = Clockwork::new(doc);
    let since = clockwork.stage.now;
    clockwork.pass(1_100, 100);
    clockwork.stand_still(3_600_000);
    clockwork.pass(1_000, 16);
    let (fired, skipped) = clockwork.counts("catch_up");
    assert!((3_530..=3_550).contains(&skipped), "{skipped}");
    assert!((11..=15).contains(&fired), "what is less than ten seconds late comes: {fired}");
    clockwork.is_complete(since, 1_000);
}

#[test]
fn whoever_waits_for_the_jitter_of_another_is_not_late() {
    let doc = Schedule { misfire: Misfire::Skip, overlap: Overlap::Allow, jitter_ms: 30 * MINUTE, ..minutely() };
    let mut clockwork = Clockwork::new(doc);
    let since = clockwork.stage.now;
    clockwork.pass(120 * MINUTE, 1_000);
    let (fired, missed) = clockwork.counts("misfire");
    assert!(missed == 0 && fired > 80, "{fired} came, {missed} did not");
    let late = clockwork.rows.iter().map(|row| row.at.ms_since(row.nominal_at)).max();
    assert!(late <= Some(30 * MINUTE + 1_000), "{late:?}");
    assert!(clockwork.rows.is_sorted_by_key(|row| row.nominal_at) && since < clockwork.rows[0].nominal_at);
}

#[test]
fn a_paused_schedule_notes_what_it_passes_over() {
    let mut clockwork = Clockwork::new(Schedule { overlap: Overlap::Allow, ..minutely() });
    let since = clockwork.stage.now;
    clockwork.pass(2 * MINUTE, 1_000);
    clockwork.pause(true);
    clockwork.pass(30 * MINUTE, 1_000);
    assert_eq!(clockwork.found().next_at, None);
    clockwork.pause(false);
    assert_eq!(clockwork.counts("paused"), (2, 30));
    clockwork.pass(2 * MINUTE, 1_000);
    assert_eq!(clockwork.counts("paused"), (4, 30));
    clockwork.is_complete(since, MINUTE);
}

#[test]
fn failures_in_a_row_pause_it() {
    let mut clockwork = Clockwork::new(Schedule { failures_max: Some(3), ..minutely() });
    for good in [false, false, true, false, false, false] {
        clockwork.pass(MINUTE, 1_000);
        let grants = clockwork.claim();
        clockwork.stage.complete(&grants[0], good);
    }
    clockwork.pass(64, 16);
    let paused = clockwork.found().paused.expect("it paused itself");
    assert_eq!((&paused.by[..], paused.reason.as_deref()), ("schedule feed", Some("3 of its jobs failed in a row")));
    clockwork.pause(false);
    clockwork.pass(MINUTE, 1_000);
    assert_eq!((clockwork.found().paused, clockwork.found().failures), (None, 0));
}

#[test]
fn another_version_begins_where_the_last_one_ended() {
    let mut clockwork = Clockwork::new(Schedule { overlap: Overlap::Allow, jitter_ms: 30_000, ..minutely() });
    clockwork.pass(10 * MINUTE, 1_000);
    let described = Schedule { description: "the feed".into(), ..clockwork.declared() };
    clockwork.declare(described);
    assert_eq!(clockwork.counts("replaced").1, 0, "it comes at the same moments");
    let doc = Schedule { jitter_ms: 0, ..clockwork.declared() };
    clockwork.declare(doc);
    let (fired, replaced) = clockwork.counts("replaced");
    assert_eq!(fired + replaced, 10);
    clockwork.pass(MINUTE, 1_000);
    assert_eq!(clockwork.counts("replaced").0, fired + 1);
    let (kind, name, expect) = (ConfigKind::Schedule, "feed".to_owned(), Expect::Any);
    let actor = Actor::default();
    assert_eq!(clockwork.ask(Command::DeleteConfig { tenant: TENANT, kind, name, expect, actor }), Answer::Done);
    let rows = clockwork.rows.len();
    clockwork.pass(5 * MINUTE, 1_000);
    assert_eq!(clockwork.rows.len(), rows, "nothing comes of what is gone");
}

#[test]
fn what_it_needs_must_be_there() {
    let mut clockwork = Clockwork::new(minutely());
    let mut refused = |job: ScheduledJob| match clockwork.declare(Schedule { job: Some(job), ..minutely() }) {
        Answer::Refused(refusal) => refusal.field.unwrap_or_default(),
        answer => panic!("{answer:?}"),
    };
    let job = minutely().job.unwrap();
    assert_eq!(refused(ScheduledJob { job_type: "none".into(), ..job.clone() }), "job.job_type");
    assert_eq!(refused(ScheduledJob { source: Some("none".into()), ..job.clone() }), "job.source");
    assert_eq!(refused(ScheduledJob { project: Some("none".into()), ..job }), "job.project");
}

#[test]
fn a_job_that_is_refused_is_noted_with_why() {
    let mut clockwork = Clockwork::new(Schedule { overlap: Overlap::Allow, ..minutely() });
    let few = orch_core::quota::Quota { name: "few".into(), backlog_max: Some(2), ..Default::default() };
    clockwork.stage.declare(ConfigDoc::Quota(few));
    clockwork.pass(5 * MINUTE, 1_000);
    assert_eq!(clockwork.counts("refused"), (2, 3));
}

impl Clockwork {
    fn declared(&mut self) -> Schedule {
        let read = Read::Config { tenant: TENANT, kind: ConfigKind::Schedule, name: "feed".into() };
        match self.ask(Command::Read(read)) {
            Answer::ConfigFound(Some(found)) => match found.doc {
                ConfigDoc::Schedule(doc) => *doc,
                doc => panic!("{doc:?}"),
            },
            answer => panic!("{answer:?}"),
        }
    }
}

#[test]
fn keys_are_found_in_the_payload() {
    let of = JobType { concurrency_key_pointer: Some("/feed".into()), ..kind(None) };
    let mut clockwork = Clockwork { stage: Stage::new(of, 100), rows: Vec::new() };
    let job = ScheduledJob { payload: r#"{"feed":"kev"}"#.into(), ..minutely().job.unwrap() };
    clockwork.declare(Schedule { job: Some(job), ..minutely() });
    clockwork.pass(MINUTE, 1_000);
    assert_eq!(clockwork.claim()[0].lane.concurrency_key.as_deref(), Some("kev"));
    assert_eq!(TENANT, TenantNo(2));
}
