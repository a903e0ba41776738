//! The real binary: its command line, its settings, `serve`, `check`, `dev` and `session`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bad_environment;
mod bad_files;
mod check;
mod circuit;
mod dev;
mod dev_page;
mod diff;
mod doctor;
mod drain;
mod environment;
mod explain;
mod forged;
mod healthcheck;
mod key_files;
mod layers;
mod lints;
mod log;
mod admin;
mod policy_tests;
mod reload;
mod rotation;
mod rotations;
mod sandbox;
mod schema;
mod secrets;
mod serve;
mod shipped;
mod store;
mod traces;
mod tls;
mod usage;
