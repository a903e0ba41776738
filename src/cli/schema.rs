//! `usher schema`: what a file may hold, as JSON Schema, for an editor's completion.

use clap::{Args, ValueEnum};

use super::outcome::print;
use crate::schema::json_schema;
use crate::{analysis, policy, settings};

#[derive(Args)]
pub(super) struct Options {
    /// Which file
    of: Document,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// The policy
    Policy,
    /// A policy's own tests
    Tests,
    /// The settings
    Settings,
}

pub(super) fn run(options: &Options) {
    let schema = match options.of {
        Document::Policy => json_schema("usher's policy", policy::KEYS),
        Document::Tests => json_schema("Tests of usher's policy", analysis::TEST_FILE_KEYS),
        Document::Settings => json_schema("usher's settings", settings::KEYS),
    };
    print(format!("{schema:#}"));
}
