//! Facts of one commit, gathered by tenant and laid out as blocks or as rows.
//! It deliberately knows nothing of what a fact says.

use sha2::{Digest, Sha256};

use crate::batch::{ByteColumn, Column, TableRows};
use crate::shape::History;

/// The facts that one tenant gets in one commit.
#[derive(Debug, Default)]
struct TenantFacts {
    text: Vec<u8>,
    ends: Vec<usize>,
    leaves: Vec<u8>,
}

/// Gathers facts, then turns them into rows of `history`.
#[derive(Debug)]
pub struct HistoryRows {
    tenants: Vec<TenantFacts>,
}

impl HistoryRows {
    /// Room for so many tenants.
    pub fn new(tenants: usize) -> Self {
        Self { tenants: (0..tenants).map(|_| TenantFacts::default()).collect() }
    }

    /// Adds one fact in its canonical form, written by `write` to the end of the tenant's text.
    pub fn push(&mut self, tenant: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let facts = &mut self.tenants[tenant];
        let start = facts.text.len();
        write(&mut facts.text);
        facts.leaves.extend_from_slice(&Sha256::digest(&facts.text[start..]));
        facts.ends.push(facts.text.len());
    }

    /// How long all facts are, before any compression.
    pub fn text_bytes(&self) -> usize {
        self.tenants.iter().map(|facts| facts.text.len()).sum()
    }

    /// The rows; `last_seqs` are the tenants' sequences after these facts.
    pub fn into_rows(self, layout: History, commit_no: i64, at: i64, last_seqs: &[i64]) -> TableRows {
        match layout {
            History::Block => self.into_blocks(commit_no, at, last_seqs),
            History::Fact | History::FactWithTail => self.into_single(commit_no, at, last_seqs),
        }
    }

    fn into_blocks(self, commit_no: i64, at: i64, last_seqs: &[i64]) -> TableRows {
        let (mut stream, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
        let (mut blocks, mut leaves) = (ByteColumn::default(), ByteColumn::default());
        for (tenant, facts) in self.tenants.iter().enumerate().filter(|(_, facts)| !facts.ends.is_empty()) {
            stream.push(stream_id(tenant));
            first.push(last_seqs[tenant] - row_count(facts) + 1);
            last.push(last_seqs[tenant]);
            blocks.push(&lz4_flex::compress_prepend_size(&facts.text));
            leaves.push(&facts.leaves);
        }
        let rows = stream.len();
        let columns = vec![
            ("shard", Column::Int2(vec![0; rows])),
            ("commit_no", Column::Int8(vec![commit_no; rows])),
            ("stream", Column::Int4(stream)),
            ("first_seq", Column::Int8(first)),
            ("last_seq", Column::Int8(last)),
            ("at", Column::Int8(vec![at; rows])),
            ("facts", Column::Bytes(blocks)),
            ("leaves", Column::Bytes(leaves)),
        ];
        TableRows { name: "history", columns, rows }
    }

    fn into_single(self, commit_no: i64, at: i64, last_seqs: &[i64]) -> TableRows {
        let (mut stream, mut seq) = (Vec::new(), Vec::new());
        let (mut texts, mut leaves) = (ByteColumn::default(), ByteColumn::default());
        for (tenant, facts) in self.tenants.iter().enumerate() {
            let first_seq = last_seqs[tenant] - row_count(facts) + 1;
            let mut start = 0;
            for (own_seq, (&end, leaf)) in (first_seq..).zip(facts.ends.iter().zip(facts.leaves.chunks_exact(32))) {
                stream.push(stream_id(tenant));
                seq.push(own_seq);
                texts.push(&facts.text[start..end]);
                leaves.push(leaf);
                start = end;
            }
        }
        let rows = stream.len();
        let columns = vec![
            ("shard", Column::Int2(vec![0; rows])),
            ("commit_no", Column::Int8(vec![commit_no; rows])),
            ("stream", Column::Int4(stream)),
            ("seq", Column::Int8(seq)),
            ("at", Column::Int8(vec![at; rows])),
            ("fact", Column::Bytes(texts)),
            ("leaf", Column::Bytes(leaves)),
        ];
        TableRows { name: "history", columns, rows }
    }
}

fn stream_id(tenant: usize) -> i32 {
    i32::try_from(tenant).expect("a run has few tenants")
}

fn row_count(facts: &TenantFacts) -> i64 {
    i64::try_from(facts.ends.len()).expect("a commit holds at most 4,096 facts")
}
