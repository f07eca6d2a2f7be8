//! The engine on real ledgers.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod ageing;
mod gateway;
mod life;
mod world;
