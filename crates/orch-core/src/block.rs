//! A block: the facts of one stream in one commit, as they lie in the ledger.
//!
//! Bytes are the facts' canonical JSON, one a line, LZ4-compressed (block format, length in front);
//! each fact has a leaf hash after RFC 6962: SHA-256(0x00 ‖ bytes).

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::fact::Record;
use crate::ids::Stream;
use crate::time::Timestamp;

/// Facts of one stream in one commit, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Whose facts.
    pub stream: Stream,
    /// Seq of the first.
    pub first_seq: u64,
    /// Seq of the last.
    pub last_seq: u64,
    /// Time of the last.
    pub at: Timestamp,
    /// The compressed lines.
    pub facts: Bytes,
    /// 32 bytes a fact, in order.
    pub leaves: Bytes,
}

/// The block's bytes are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block of stream {stream} from seq {first_seq}: {what}")]
pub struct BlockError {
    /// The stream's number.
    pub stream: u32,
    /// Its first seq.
    pub first_seq: u64,
    /// What is wrong.
    pub what: String,
}

/// Collects facts of one stream into a block.
#[derive(Debug)]
pub struct BlockWriter {
    stream: Stream,
    first_seq: u64,
    last_seq: u64,
    at: Timestamp,
    lines: Vec<u8>,
    leaves: Vec<u8>,
}

impl BlockWriter {
    /// An empty block of `stream`, whose first fact will have `first_seq`.
    #[must_use]
    pub fn new(stream: Stream, first_seq: u64) -> Self {
        Self {
            stream,
            first_seq,
            last_seq: first_seq.saturating_sub(1),
            at: Timestamp::ZERO,
            lines: Vec::with_capacity(1024),
            leaves: Vec::with_capacity(128),
        }
    }

    /// Adds the next fact. Its seq must follow the last one's.
    pub fn push(&mut self, record: &Record) {
        debug_assert_eq!(record.seq, self.last_seq + 1, "a sequence has no gaps");
        let start = self.lines.len();
        record.write_canonical(&mut self.lines);
        self.leaves.extend_from_slice(&leaf_hash(&self.lines[start..]));
        self.lines.push(b'\n');
        self.last_seq = record.seq;
        self.at = record.at;
    }

    /// Facts so far.
    #[must_use]
    pub fn facts(&self) -> usize {
        self.leaves.len() / 32
    }

    /// The finished block.
    #[must_use]
    pub fn finish(self) -> Block {
        Block {
            stream: self.stream,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            at: self.at,
            facts: lz4_flex::compress_prepend_size(&self.lines).into(),
            leaves: self.leaves.into(),
        }
    }
}

impl Block {
    /// The exact stored bytes of each fact, decompressed.
    ///
    /// # Errors
    /// When the bytes do not decompress.
    pub fn lines(&self) -> Result<Vec<u8>, BlockError> {
        lz4_flex::decompress_size_prepended(&self.facts).map_err(|source| self.error(source.to_string()))
    }

    /// The facts.
    ///
    /// # Errors
    /// When the bytes do not decompress, are no facts, or their number or seqs are not the block's.
    pub fn records(&self) -> Result<Vec<Record>, BlockError> {
        let lines = self.lines()?;
        let mut records = Vec::with_capacity(self.leaves.len() / 32);
        for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let record: Record = serde_json::from_slice(line).map_err(|source| self.error(source.to_string()))?;
            if record.seq != self.first_seq + records.len() as u64 {
                return Err(self.error(format!("seq {} stands out of place", record.seq)));
            }
            records.push(record);
        }
        if self.first_seq + records.len() as u64 != self.last_seq + 1 {
            return Err(self.error(format!("holds {} facts", records.len())));
        }
        Ok(records)
    }

    fn error(&self, what: String) -> BlockError {
        BlockError { stream: self.stream.0, first_seq: self.first_seq, what }
    }
}

/// RFC 6962 leaf hash.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(bytes);
    hasher.finalize().into()
}
