//! Judges the rows of a commit by its facts: each fact that has a row has it, in the same commit.

use std::collections::BTreeMap;

use orch_core::fact::Fact;
use orch_core::job::{JobState, sha256_hex};
use orch_core::port::{Append, DoneRow, JobRow};

use orch_dispatch::command::KeyUse;

use super::{Judged, Model, ensure};

const ROWS: &str = "facts and rows agree";

impl Model {
    pub(super) fn rows(&mut self, append: &Append) -> Judged {
        let jobs: BTreeMap<_, &JobRow> = append.jobs.iter().map(|row| ((row.tenant, row.id), row)).collect();
        let done: BTreeMap<_, &DoneRow> = append.done.iter().map(|row| ((row.tenant, row.job), row)).collect();
        let (mut accepted, mut ended, mut instants) = (0, 0, Vec::new());
        for block in &append.blocks {
            let Some(no) = block.stream.tenant() else { continue };
            for record in block.records().unwrap_or_default() {
                match &record.body {
                    Fact::JobEnqueued { firing, job, lane, payload_sha256: digest, .. } => {
                        accepted += 1;
                        instants.extend(firing.iter().map(|of| (no, of.schedule.clone(), of.nominal_at, 1)));
                        let row = jobs.get(&(no, *job));
                        let fresh = self.job(no, *job).is_some_and(|job| job.fresh);
                        let fits = row.is_some_and(|row| {
                            row.seq == record.seq
                                && row.lane == *lane
                                && row.fresh == fresh
                                && sha256_hex(&row.payload) == *digest
                        });
                        ensure(fits, ROWS, || format!("{job} has another row"))?;
                        self.spec(no, row.copied())?;
                    }
                    Fact::JobFinished { job, lane, state, attempt, .. } => {
                        ended += 1;
                        let fits = done.get(&(no, *job)).is_some_and(|row| {
                            row.seq == record.seq && row.lane == *lane && row.state == *state && row.attempt == *attempt
                        });
                        ensure(fits, ROWS, || format!("{job} has another end"))?;
                        let letters =
                            append.dead_letters.iter().filter(|row| row.tenant == no && row.job == *job).count();
                        let wanted = usize::from(*state == JobState::Failed);
                        ensure(letters == wanted, ROWS, || format!("{job} has {letters} dead letters"))?;
                    }
                    Fact::ScheduleSkipped { count, first_at, schedule, .. } => {
                        instants.push((no, schedule.clone(), *first_at, *count));
                    }
                    _ => {}
                }
            }
        }
        let firings = append.firings.iter();
        let mut rows: Vec<_> =
            firings.map(|row| (row.tenant, row.schedule.clone(), row.nominal_at, row.count)).collect();
        instants.sort();
        rows.sort();
        ensure(instants == rows, ROWS, || format!("{instants:?} were decided, and rows say {rows:?}"))?;
        ensure(accepted == jobs.len() && ended == done.len(), ROWS, || "rows without facts".to_owned())?;
        self.keys(append)
    }

    /// What was accepted is what was asked for.
    fn spec(&self, no: orch_core::TenantNo, row: Option<&JobRow>) -> Judged {
        let Some(row) = row else { return Ok(()) };
        let mut asked = self.log.jobs.get(&row.id).into_iter().flatten().filter(|asked| asked.tenant == no).peekable();
        if asked.peek().is_none() {
            return Ok(());
        }
        let same = asked.any(|asked| asked.job.payload == row.payload);
        ensure(same, "1: accepted is kept", || format!("{} has another payload", row.id))
    }

    fn keys(&mut self, append: &Append) -> Judged {
        let day = orch_core::limits::KEY_HOURS * 3_600_000;
        for row in &append.keys {
            let tenant = self.tenants.entry(row.tenant).or_default();
            let known = row.jobs.iter().all(|id| tenant.jobs.contains_key(id));
            ensure(known, "2: one job a key", || format!("a key names an unknown job of {:?}", row.jobs))?;
            let twice = tenant.keys.get(&row.key).filter(|(_, _, at, _)| row.at.ms_since(*at) < day);
            ensure(twice.is_none(), "2: one job a key", || format!("a key was used twice: {:?}", row.jobs))?;
            tenant.keys.insert(row.key, (row.jobs.clone(), row.fingerprint, row.at, append.commit_no));
        }
        for row in &append.jobs {
            let Some(sendings) = self.log.jobs.get(&row.id) else { continue };
            let kept = |used: &KeyUse| append.keys.iter().any(|key| key.key == used.key && key.jobs.contains(&row.id));
            let whole = sendings.iter().any(|asked| [asked.job.key, asked.call_key].iter().flatten().all(kept));
            ensure(whole, "2: one job a key", || format!("{} was made and its key is not kept", row.id))?;
        }
        Ok(())
    }
}
