//! What a batch of commands leaves behind: facts by stream, rows, and answers for parked claims.

use std::collections::BTreeMap;

use orch_core::block::BlockWriter;
use orch_core::fact::Record;
use orch_core::ids::{ShardNo, Stream};
use orch_core::port::Append;
use orch_core::time::Timestamp;

use crate::answer::Answer;
use crate::shard::WaiterId;

/// Facts and rows of the commands since the last `take`, in the form of an append.
#[derive(Debug, Default)]
pub struct Output {
    pub(crate) rows: Append,
    blocks: BTreeMap<Stream, BlockWriter>,
    facts: usize,
    /// Time of the latest fact.
    pub(crate) latest: Timestamp,
    /// Parked claims that can be answered now, with the position of this output.
    pub(crate) woken: Vec<(WaiterId, Answer)>,
}

impl Output {
    pub(crate) fn record(&mut self, stream: Stream, record: &Record) {
        self.blocks.entry(stream).or_insert_with(|| BlockWriter::new(stream, record.seq)).push(record);
        self.facts += 1;
        self.latest = self.latest.max(record.at);
    }

    /// Facts so far.
    #[must_use]
    pub fn facts(&self) -> usize {
        self.facts
    }

    /// True when there is nothing to append.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts == 0 && self.rows.is_empty()
    }

    /// The append of everything so far, which becomes commit `commit_no`.
    #[must_use]
    pub fn take(&mut self, shard: ShardNo, epoch: u64, commit_no: u64) -> Append {
        let blocks = std::mem::take(&mut self.blocks).into_values().map(BlockWriter::finish).collect();
        self.facts = 0;
        Append { shard, epoch, commit_no, blocks, ..std::mem::take(&mut self.rows) }
    }

    /// Parked claims that can be answered once this output's position is committed.
    #[must_use]
    pub fn take_woken(&mut self) -> Vec<(WaiterId, Answer)> {
        std::mem::take(&mut self.woken)
    }
}
