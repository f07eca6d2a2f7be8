//! One append as columns: what every way of writing (UNNEST, COPY, SQLite) is given.
//! It knows types and order of columns, deliberately not how a database takes them.

use bytes::{BufMut, BytesMut};
use uuid::Uuid;

/// Values of one type, one for each row.
#[derive(Debug)]
pub enum Column {
    /// `int2`.
    Int2(Vec<i16>),
    /// `int4`.
    Int4(Vec<i32>),
    /// `int8`.
    Int8(Vec<i64>),
    /// `uuid`.
    Uuid(Vec<Uuid>),
    /// `bytea`.
    Bytes(ByteColumn),
}

/// Byte strings laid end to end, so that a column is two allocations and not one a row.
#[derive(Debug, Default)]
pub struct ByteColumn {
    data: Vec<u8>,
    ends: Vec<usize>,
}

impl ByteColumn {
    /// Adds one value.
    pub fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.ends.push(self.data.len());
    }

    /// The value of one row.
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.data[start..self.ends[row]]
    }

    /// All values, in order of rows.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|row| self.get(row))
    }
}

impl Column {
    /// The array type that `unnest` is given.
    pub fn array_type(&self) -> &'static str {
        match self {
            Self::Int2(_) => "int2[]",
            Self::Int4(_) => "int4[]",
            Self::Int8(_) => "int8[]",
            Self::Uuid(_) => "uuid[]",
            Self::Bytes(_) => "bytea[]",
        }
    }

    fn put_copy(&self, row: usize, out: &mut BytesMut) {
        match self {
            Self::Int2(values) => {
                out.put_i32(2);
                out.put_i16(values[row]);
            }
            Self::Int4(values) => {
                out.put_i32(4);
                out.put_i32(values[row]);
            }
            Self::Int8(values) => {
                out.put_i32(8);
                out.put_i64(values[row]);
            }
            Self::Uuid(values) => {
                out.put_i32(16);
                out.put_slice(values[row].as_bytes());
            }
            Self::Bytes(values) => {
                let value = values.get(row);
                out.put_i32(i32::try_from(value.len()).expect("a value is shorter than 2 GiB because a commit is"));
                out.put_slice(value);
            }
        }
    }
}

/// Rows for one table.
#[derive(Debug)]
pub struct TableRows {
    /// The table's name.
    pub name: &'static str,
    /// Columns in the order of the statement.
    pub columns: Vec<(&'static str, Column)>,
    /// How many values each column has.
    pub rows: usize,
}

impl TableRows {
    /// The columns' names as a list for SQL.
    pub fn column_list(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// The rows in PostgreSQL's binary COPY format.
    pub fn copy_binary(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.rows * 128 + 64);
        out.put_slice(b"PGCOPY\n\xff\r\n\0");
        out.put_i32(0);
        out.put_i32(0);
        let width = i16::try_from(self.columns.len()).expect("tables have few columns");
        for row in 0..self.rows {
            out.put_i16(width);
            for (_, column) in &self.columns {
                column.put_copy(row, &mut out);
            }
        }
        out.put_i16(-1);
        out
    }
}

/// Everything that one commit writes.
#[derive(Debug)]
pub struct Batch {
    /// Rises by one for each commit.
    pub commit_no: i64,
    /// The tables, in the order in which they are written.
    pub tables: Vec<TableRows>,
}

#[cfg(test)]
mod tests;
