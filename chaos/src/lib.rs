//! Chaos: real processes, real faults, a record of every call, and a checker that judges call log and ledger.
//!
//! `checker` shares no code with the server and knows nothing of how a run was driven; everything else drives.

pub mod arena;
pub mod checker;
pub mod clock;
pub mod disk;
pub mod faults;
pub mod load;
pub mod plants;
pub mod preload;
pub mod proxy;
pub mod record;
pub mod run;
pub mod site;
