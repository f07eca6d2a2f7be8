//! What tests share: the suite that every ledger must pass, and the simulated world with its judge.

pub mod fixture;
pub mod ledger_suite;
pub mod model;
pub mod sim_ledger;
pub mod site;
pub mod world;
