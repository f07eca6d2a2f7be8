//! The binary COPY format, against bytes written by hand from PostgreSQL's manual.

use super::{ByteColumn, Column, TableRows};

#[test]
fn copy_binary_is_header_rows_and_trailer() {
    let mut key = ByteColumn::default();
    key.push(b"ab");
    let columns = vec![("tenant", Column::Int4(vec![7])), ("key", Column::Bytes(key))];
    let rows = TableRows { name: "idempotency", columns, rows: 1 };

    let mut expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    expected.extend_from_slice(b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x02ab");
    expected.extend_from_slice(b"\xff\xff");
    assert_eq!(rows.copy_binary(), expected);
}

#[test]
fn byte_columns_give_back_each_value_empty_ones_too() {
    let mut column = ByteColumn::default();
    for value in [&b"one"[..], b"", b"three"] {
        column.push(value);
    }
    let values: Vec<_> = column.iter().collect();
    assert_eq!(values, [&b"one"[..], b"", b"three"]);
}
