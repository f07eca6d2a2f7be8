//! What tests share: the suite that every ledger must pass.

pub mod ledger_suite;
