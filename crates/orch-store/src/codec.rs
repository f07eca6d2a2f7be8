//! How the port's values stand in columns, alike in both databases.
//!
//! Deliberately nothing about a driver.

use std::collections::HashSet;
use std::hash::Hash;

use bytes::Bytes;
use orch_core::config::ConfigKind;
use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::JobState;
use orch_core::port::{Append, JobExtra, JobRow, StoreError};
use orch_core::run::RunOutcome;
use orch_core::time::Timestamp;
use uuid::Uuid;

/// The stream number of a commit without facts.
pub const EMPTY_STREAM: i32 = -1;

/// Rows that one page walks at most.
pub const ROWS_WALKED_MAX: i64 = 2_000;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// A count or number as a column holds it. Numbers beyond 63 bits are never reached; as a bound they mean "no bound".
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column's number as the port has it.
pub fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} stands where no negative number may")))
}

/// A tenant or stream as a column holds it. Beyond 31 bits: -1, which no row has and the schema refuses.
pub fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(-1)
}

/// A column's small number as the port has it.
pub fn unsigned_small(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} stands where a small number must")))
}

/// How many rows a caller wants.
pub fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The tenant's lane in a number of the ledger.
pub fn lane_of(number: i64) -> LaneNo {
    let low = number & i64::from(u32::MAX);
    LaneNo(u32::try_from(low).expect("the lower half of a lane's number has 32 bits because it was masked"))
}

/// The final state with this number.
pub fn final_state(number: i64) -> Result<JobState, StoreError> {
    i16::try_from(number)
        .ok()
        .and_then(JobState::from_number)
        .filter(|state| state.is_final())
        .ok_or_else(|| StoreError::Corrupt(format!("{number} is no final state")))
}

/// The number of a run's outcome: that of the final state with its name.
pub fn outcome_number(outcome: RunOutcome) -> i16 {
    let state = match outcome {
        RunOutcome::Succeeded => JobState::Succeeded,
        RunOutcome::Failed => JobState::Failed,
        RunOutcome::Canceled => JobState::Canceled,
    };
    state.number()
}

/// The outcome with this number.
pub fn outcome_of(number: i64) -> Result<RunOutcome, StoreError> {
    let found = RunOutcome::ALL.into_iter().find(|outcome| i64::from(outcome_number(*outcome)) == number);
    found.ok_or_else(|| StoreError::Corrupt(format!("{number} is no outcome of a run")))
}

/// A declared thing's document; `null` stands where it was declared no more.
pub fn declared(doc: Bytes) -> Option<Bytes> {
    (doc != "null").then_some(doc)
}

/// The day in UTC, counted from 1970-01-01.
pub fn day(at: Timestamp) -> i32 {
    i32::try_from(at.millis().div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}

/// The hour in UTC, counted from 1970-01-01.
pub fn hour(at: Timestamp) -> i32 {
    i32::try_from(at.millis().div_euclid(HOUR_MS)).unwrap_or(i32::MAX)
}

/// The begin of an hour.
pub fn from_hour(hour: i32) -> Timestamp {
    Timestamp::from_millis(i64::from(hour) * HOUR_MS)
}

/// Ids one after the other, 16 bytes each.
pub fn pack_ids(ids: &[JobId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0.into_bytes()).collect()
}

/// The ids that `pack_ids` packed.
pub fn unpack_ids(bytes: &[u8]) -> Result<Vec<JobId>, StoreError> {
    let (chunks, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(StoreError::Corrupt(format!("{} bytes are no list of ids", bytes.len())));
    }
    Ok(chunks.iter().map(|chunk| JobId(Uuid::from_bytes(*chunk))).collect())
}

/// The word of a kind of declared thing.
pub fn kind_word(kind: ConfigKind) -> &'static str {
    match kind {
        ConfigKind::JobType => "job_type",
        ConfigKind::Source => "source",
        ConfigKind::Project => "project",
        ConfigKind::Bucket => "bucket",
        ConfigKind::Quota => "quota",
        ConfigKind::Breaker => "breaker",
        ConfigKind::Blackout => "blackout",
        ConfigKind::Schedule => "schedule",
        ConfigKind::Graph => "graph",
    }
}

/// Labels are read back from `extra`; the label table is an index.
pub fn labels_of(extra: Option<&[u8]>) -> Result<Vec<(String, String)>, StoreError> {
    let Some(extra) = extra else { return Ok(Vec::new()) };
    let extra: JobExtra = json(extra)?;
    Ok(extra.labels.into_iter().collect())
}

/// JSON that the ledger wrote.
pub fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Corrupt(format!("stored JSON: {source}")))
}

/// JSON for a column.
pub fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("port rows hold only strings, numbers and lists, which JSON can hold")
}

/// The last row of each key, in the order of the rows that stay.
pub fn last_of_each<T, K: Eq + Hash>(rows: &[T], key: impl Fn(&T) -> K) -> Vec<&T> {
    let mut seen = HashSet::new();
    let mut last: Vec<&T> = rows.iter().rev().filter(|row| seen.insert(key(row))).collect();
    last.reverse();
    last
}

/// True when a commit writes more than history, jobs, ends and keys.
pub fn has_rare_rows(append: &Append) -> bool {
    !(append.dead_letters.is_empty()
        && append.settlements.is_empty()
        && append.configs.is_empty()
        && append.tenants.is_empty()
        && append.tokens.is_empty()
        && append.checkpoints.is_empty()
        && append.logs.is_empty()
        && append.artifacts.is_empty()
        && append.firings.is_empty()
        && append.runs.is_empty()
        && append.run_ends.is_empty()
        && append.backfills.is_empty()
        && append.backfill_ends.is_empty()
        && append.snapshot.is_none()
        && append.jobs.iter().all(|job| job.labels.is_empty()))
}

/// Each label of each new job.
pub fn labels(jobs: &[JobRow]) -> impl Iterator<Item = (TenantNo, JobId, &str, &str)> + Clone {
    jobs.iter().flat_map(|job| job.labels.iter().map(|(key, value)| (job.tenant, job.id, key.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests;
