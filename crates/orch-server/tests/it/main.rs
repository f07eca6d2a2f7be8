//! The API through its router, on a real engine: SQLite always, PostgreSQL when `ORCH_TEST_POSTGRES_URL` is set.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod app;
mod apply;
mod artifacts;
mod backfills;
mod bad_input;
mod blackouts;
mod breakers;
mod buckets;
mod claims;
mod concurrency;
mod coverage;
mod dead_letters;
mod declared;
mod deprecation;
mod explain;
mod fault;
mod graphs;
mod health;
mod idempotency;
mod job_types;
mod jobs;
mod limits;
mod lists;
mod openapi;
mod pauses;
mod priorities;
mod problems;
mod quotas;
mod reports;
mod runs;
mod schedules;
mod serving;
mod simulations;
mod sources;
mod standby;
mod tenants;
mod throttles;
mod tokens;
mod watermarks;
mod workers;
