//! The load driver: where its commands will be read.
//! The ledger's shapes are measured by a binary of their own, `ledger_shapes`.
fn main() {}
