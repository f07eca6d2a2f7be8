//! Random graphs and runs against the definitions, which a reader without counters, queues or early ends works out
//! anew at each event; and how time grows with size.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod chance;
mod definitions;
mod driver;
mod linear;
mod plans;
mod random_graph;
mod repairs;
mod runs;
mod triggers;
