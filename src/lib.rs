//! <!-- The README, and after it a map of the crate. -->
#![cfg_attr(doc, doc = include_str!("../README.md"))]
//!
//! # Map of the crate
//!
//! usher vends SignalWire Chat tokens to browsers and phones. One request's walk, which is also the order to read in:
//!
//! 1. [`api`] takes `POST /chat-token` and asks each of the following in turn.
//! 2. [`session`] turns the bearer token into a [`session::Session`]: whose it is, and what its issuer vouches for.
//! 3. [`policy`] says which member that is, and whether the member is blocked.
//! 4. [`limits`] turns the member into a [`limits::Admitted`], if it may ask now.
//! 5. [`chat`] turns the body into a [`chat::Ask`], or tells every fault of it at once.
//! 6. [`policy`] decides: a [`policy::Grant`], or a denial, and the account that explains it.
//! 7. [`signalwire`] turns grant and admission, of the same member, into a token. Only it holds the credentials.
//! 8. [`telemetry`] writes the audit event; [`api`] answers, or tells the problem.
//!
//! What holds everywhere: nothing is minted that no policy decided, for a session that no issuer vouches for, or for a
//! member who was not admitted, because each step's argument can only be had from the step before. Nothing absent, empty
//! or unresolved ever means "everything". No credential, session or token is ever shown.
//!
//! Around that walk: [`listener`] has the connections, [`admin`] is what operators see, [`files`] reads
//! files, [`schema`] reads what
//! people write (the policy, the settings), [`analysis`] examines policies for people, [`settings`]
//! fills every module's settings, [`service`] runs it all and stops it in good order, [`sandbox`]
//! stands in for SignalWire, [`dev`] puts all of it into one process, [`cli`] is the command line.

pub mod chat;
pub mod session;
pub mod policy;
pub mod limits;
pub mod signalwire;
pub mod api;
pub mod telemetry;
pub mod admin;
pub mod analysis;
pub mod listener;
pub mod files;
pub mod schema;
pub mod settings;
pub mod service;
pub mod sandbox;
pub mod dev;
pub mod cli;
