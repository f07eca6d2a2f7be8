//! The engine on real ledgers.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod ageing;
mod gateway;
mod hosts;
mod life;
mod pair;
mod world;
