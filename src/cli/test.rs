//! `usher test`: a policy's own tests, and what of the policy they never use.

use std::path::{Path, PathBuf};

use clap::Args;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::input::{self, Surroundings, World};
use super::outcome::{Failure, Paint, print};
use crate::analysis::{Case, Cases, Coverage};
use crate::settings::Environment;
use crate::telemetry::log;

#[derive(Args)]
pub(super) struct Options {
    /// Files of tests, `policy.tests.toml` beside `policy.toml`, or the policies; the settings' policy if none is named
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The policy that is tested, instead of the one beside each file
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Only the tests whose names hold this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Also writes a report for a CI to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How many percent of the allow and deny rules must be used by some test
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
}

/// What a file of tests is called that stands beside `x.toml`: `x.tests.toml`.
const TESTS: &str = ".tests.toml";

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let surroundings = Surroundings::load(&options.config, environment)?;
    let mut run =
        Run { options, paint: Paint::of_output(environment), report: Report::new("usher"), wrong: Vec::new() };
    let mut chosen = 0;
    for (policy, tests) in pairs(options, surroundings.policy_file()) {
        // What is wrong with one file keeps no other from being run.
        match run.file(&surroundings, &policy, &tests) {
            Ok(count) => chosen += count,
            Err(Failure::Wrong(why)) => run.wrong.push(why),
            Err(other) => return Err(other),
        }
    }
    if chosen == 0 && run.wrong.is_empty() {
        let wanted = options.filter.as_deref().unwrap_or_default();
        run.wrong.push(format!("error: no test's name holds \"{wanted}\""));
    }
    if let Some(path) = &options.junit {
        let text =
            run.report.to_string().map_err(|error| Failure::failed(format!("no report can be made: {error}")))?;
        std::fs::write(path, text)
            .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", path.display())))?;
    }
    if run.wrong.is_empty() { Ok(()) } else { Err(Failure::Wrong(run.wrong.join("\n\n"))) }
}

/// A policy, and the file of its tests.
type Pair = (PathBuf, PathBuf);

/// What is to be run, each once.
fn pairs(options: &Options, usual: &Path) -> Vec<Pair> {
    let mut files = options.files.clone();
    if files.is_empty() {
        files.push(options.policy.clone().unwrap_or_else(|| usual.to_owned()));
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for file in &files {
        let (policy, tests) = pair(file);
        let pair = (options.policy.clone().unwrap_or(policy), tests);
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

/// The policy and the tests that a named file stands for.
fn pair(file: &Path) -> Pair {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let beside = |name: String| file.with_file_name(name);
    if let Some(stem) = name.strip_suffix(TESTS) {
        return (beside(format!("{stem}.toml")), file.to_owned());
    }
    // Whatever else it is called, it is a file of tests if there are tests in it.
    let begins_one = |line: &str| line.trim_start().starts_with("[[test]]");
    if input::text("the file", file).is_ok_and(|text| text.lines().any(begins_one)) {
        return (beside("policy.toml".to_owned()), file.to_owned());
    }
    match name.strip_suffix(".toml") {
        Some(stem) => (file.to_owned(), beside(format!("{stem}{TESTS}"))),
        // Read as one, it says what is wrong.
        None => (beside("policy.toml".to_owned()), file.to_owned()),
    }
}

struct Run<'a> {
    options: &'a Options,
    paint: Paint,
    report: Report,
    /// Why the whole run is no success.
    wrong: Vec<String>,
}

impl Run<'_> {
    /// Runs the tests of one file, and says how many there were.
    fn file(&mut self, surroundings: &Surroundings, policy: &Path, path: &Path) -> Result<usize, Failure> {
        // A draft is tested in the world of the policy whose tests it is put to.
        let world = surroundings.open_as(policy, &pair(path).0)?;
        let name = path.display().to_string();
        let text = input::text("the tests", path).map_err(|failure| match failure {
            Failure::Wrong(why) => Failure::Wrong(format!("{why}\n  = help: write them there, or name their file")),
            other => other,
        })?;
        let cases = Cases::read(&name, &text, &world.vouched()).map_err(Failure::wrong)?;
        let wanted = self.options.filter.as_deref().unwrap_or_default();
        let chosen: Vec<_> = cases.list.iter().filter(|case| case.name.contains(wanted)).collect();
        if chosen.is_empty() {
            return Ok(0);
        }
        print(shown(&name));
        let mut suite = TestSuite::new(shown(&name));
        let mut coverage = Coverage::default();
        let mut failed = 0;
        for case in &chosen {
            let differences = case.run(&world.policy, world.narrow, &world.file, &mut coverage);
            failed += usize::from(!differences.is_empty());
            self.tell(case, &name, &differences);
            suite.add_test_case(row(case, &name, &differences));
        }
        self.report.add_test_suite(suite);
        self.coverage(&world, &coverage, chosen.len() - failed, failed);
        Ok(chosen.len())
    }

    fn tell(&self, case: &Case, name: &str, differences: &[String]) {
        let said = shown(&case.name);
        if differences.is_empty() {
            return print(format!("{}    {said}", self.paint.good("ok")));
        }
        print(format!("{}  {said} ({}:{})", self.paint.bad("FAIL"), shown(name), case.line));
        for line in differences {
            print(format!("      {}", self.paint.difference(&shown(line))));
        }
    }

    fn coverage(&mut self, world: &World, coverage: &Coverage, passed: usize, failed: usize) {
        let file = &world.file;
        // Of a few tests that were picked out nobody asks what they leave out.
        let is_asked_for = self.options.filter.is_none() || self.options.min_coverage.is_some();
        let unused = if is_asked_for { coverage.unused(&world.policy) } else { Vec::new() };
        if !unused.is_empty() {
            print("not used by any test:");
        }
        for (line, part, right) in &unused {
            let right = right.map_or_else(String::new, |right| format!(", its right to {}", right.as_str()));
            print(format!("      {file}:{line}  {}{right}", shown(&part.to_string())));
        }
        let (used, all) = coverage.rules(&world.policy);
        let percent = coverage.percent(&world.policy);
        print(format!("{passed} passed, {failed} failed; {used} of {all} rules used ({percent} %)\n"));
        if failed > 0 {
            let tests = if failed == 1 { "test" } else { "tests" };
            self.wrong.push(format!("error: {failed} {tests} of {file} failed"));
        }
        if let Some(least) = self.options.min_coverage.filter(|least| percent < usize::from(*least)) {
            self.wrong.push(format!("error: {file}: the tests use {percent} % of its rules, and {least} % are wanted"));
        }
    }
}

fn row(case: &Case, file: &str, differences: &[String]) -> TestCase {
    let mut status = TestCaseStatus::success();
    if !differences.is_empty() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message("not as expected").set_description(shown_lines(differences));
    }
    let mut row = TestCase::new(shown(&case.name), status);
    row.set_classname(shown(file));
    row
}

/// A text as a terminal may have it, and XML 1.0 (§2.2).
fn shown(text: &str) -> String {
    log::visible(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn shown_lines(lines: &[String]) -> String {
    lines.iter().map(|line| shown(line)).collect::<Vec<_>>().join("\n")
}
