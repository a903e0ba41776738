//! Everything is tested from the outside: real sockets, the real client against the sandbox, the real binary.

mod support;

mod api;
mod browser;
mod cli;
mod container;
mod deploy;
mod oidc;
mod policy;
mod providers;
mod sandbox;
mod session;
mod structure;
