//! The SDK against a scripted server of the contract, which loses answers, restarts, refuses and delays.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod client;
mod stub;
mod worker;
