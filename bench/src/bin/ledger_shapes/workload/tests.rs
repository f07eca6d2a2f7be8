//! The load is the same for every shape: each job once, each tenant's sequence without a gap.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::{FACTS_PER_COMMIT, Owner, WaitingJob};
use crate::batch::{Batch, Column, TableRows};
use crate::shape::{Compare, History, Method, Shape};

const JOBS: usize = 10_000;

fn shape(history: History) -> Shape {
    let mut shape = Compare::Append.shapes(Method::Unnest, true)[0];
    shape.history = history;
    shape
}

fn table<'a>(batch: &'a Batch, name: &str) -> Option<&'a TableRows> {
    batch.tables.iter().find(|table| table.name == name)
}

fn column<'a>(table: &'a TableRows, name: &str) -> &'a Column {
    let found = table.columns.iter().find(|(own, _)| *own == name);
    &found.expect("the table has the column").1
}

fn int8(table: &TableRows, name: &str) -> Vec<i64> {
    let Column::Int8(values) = column(table, name) else { panic!("`{name}` is int8") };
    values.clone()
}

fn uuids(table: &TableRows, name: &str) -> Vec<Uuid> {
    let Column::Uuid(values) = column(table, name) else { panic!("`{name}` is a uuid") };
    values.clone()
}

/// Plays the whole load with lanes in memory in the place of a database.
fn play(history: History) -> Vec<Batch> {
    let mut owner = Owner::new(shape(history), JOBS, 1);
    let mut lanes: BTreeMap<i64, Vec<WaitingJob>> = BTreeMap::new();
    let mut batches = Vec::new();
    while let Some(batch) = owner.enqueue() {
        let jobs = table(&batch, "job").expect("an enqueue writes jobs");
        let rows = int8(jobs, "lane").into_iter().zip(int8(jobs, "order_key")).zip(uuids(jobs, "id"));
        for ((lane, order_key), id) in rows {
            lanes.entry(lane).or_default().push(WaitingJob { order_key, id, payload_bytes: 200 });
        }
        batches.push(batch);
    }
    loop {
        while let Some((lane, _)) = owner.hungry_lane() {
            let key = i64::try_from(lane).expect("lanes are few");
            owner.feed(lane, lanes.remove(&key).unwrap_or_default());
        }
        match owner.work() {
            Some(batch) => batches.push(batch),
            None => return batches,
        }
    }
}

#[test]
fn every_job_is_done_once() {
    let done: Vec<Uuid> = play(History::Block)
        .iter()
        .filter_map(|batch| table(batch, "done"))
        .flat_map(|table| uuids(table, "job"))
        .collect();
    assert_eq!(done.len(), JOBS);
    assert_eq!(done.iter().collect::<HashSet<_>>().len(), JOBS);
}

#[test]
fn sequences_of_blocks_and_of_single_facts_are_gapless() {
    let mut blocks: BTreeMap<i32, i64> = BTreeMap::new();
    for batch in play(History::Block) {
        let history = table(&batch, "history").expect("each commit has facts");
        let Column::Int4(streams) = column(history, "stream") else { panic!("`stream` is int4") };
        for (row, stream) in streams.iter().enumerate() {
            let last = blocks.entry(*stream).or_default();
            assert_eq!(int8(history, "first_seq")[row], *last + 1);
            *last = int8(history, "last_seq")[row];
        }
    }
    let mut singles: BTreeMap<i32, i64> = BTreeMap::new();
    for batch in play(History::Fact) {
        let history = table(&batch, "history").expect("each commit has facts");
        let Column::Int4(streams) = column(history, "stream") else { panic!("`stream` is int4") };
        for (stream, seq) in streams.iter().zip(int8(history, "seq")) {
            let last = singles.entry(*stream).or_default();
            assert_eq!(seq, *last + 1);
            *last = seq;
        }
    }
    assert_eq!(blocks, singles);
    // Three facts a job: enqueued, granted, done.
    assert_eq!(blocks.values().sum::<i64>(), 3 * i64::try_from(JOBS).expect("jobs are few"));
}

#[test]
fn no_commit_holds_more_facts_than_the_limit() {
    for batch in play(History::Fact) {
        let history = table(&batch, "history").expect("each commit has facts");
        assert!(history.rows <= FACTS_PER_COMMIT);
    }
}
