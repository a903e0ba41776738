//! `usher test`: a policy's own tests, and what of the policy they never use.

use std::path::{Path, PathBuf};

use clap::Args;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::world::{Surroundings, World};
use super::{Failure, Paint, input, print};
use crate::cases::Cases;
use crate::ops::log;
use crate::policy::Coverage;
use crate::settings::Environment;

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
    let mut files = options.files.clone();
    if files.is_empty() {
        files.push(options.policy.as_deref().unwrap_or_else(|| surroundings.policy_file()).to_owned());
    }
    let paint = Paint::of_output(environment);
    let mut run = Run { options, paint, report: Report::new("usher"), chosen: 0, wrong: Vec::new() };
    for file in &files {
        // One that is wrong does not keep the others from being run.
        match run.file(file, &surroundings) {
            Err(Failure::Wrong(why)) => run.wrong.push(why),
            other => other?,
        }
    }
    if run.chosen == 0 && run.wrong.is_empty() {
        let wanted = options.filter.as_deref().unwrap_or_default();
        run.wrong.push(format!("error: no test's name holds \"{wanted}\""));
    }
    if let Some(path) = &options.junit {
        let text =
            run.report.to_string().map_err(|error| Failure::failed(format!("no report can be made: {error}")))?;
        std::fs::write(path, text)
            .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", path.display())))?;
    }
    if run.wrong.is_empty() { Ok(()) } else { Err(Failure::Wrong(run.wrong.join("\n"))) }
}

/// The policy and the tests that a named file stands for; `policy` holds instead of the one beside the tests.
fn pair(file: &Path, policy: Option<&Path>) -> Result<(PathBuf, PathBuf), Failure> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let beside = |name: String| file.with_file_name(name);
    let or = |beside: PathBuf| policy.map_or(beside, Path::to_owned);
    if let Some(stem) = name.strip_suffix(TESTS) {
        return Ok((or(beside(format!("{stem}.toml"))), file.to_owned()));
    }
    // Whatever else it is called, it is a file of tests if there are tests in it.
    let begins_one = |line: &str| line.trim_start().starts_with("[[test]]");
    if input::text("the file", file).is_ok_and(|text| text.lines().any(begins_one)) {
        return Ok((or(beside("policy.toml".to_owned())), file.to_owned()));
    }
    match (name.strip_suffix(".toml"), policy) {
        (Some(stem), _) => Ok((or(file.to_owned()), beside(format!("{stem}{TESTS}")))),
        (None, Some(policy)) => Ok((policy.to_owned(), file.to_owned())),
        _ => Err(Failure::wrong(format!("error: {} is no file of tests: it should end in {TESTS}", file.display()))),
    }
}

/// A text as a terminal may have it, and XML 1.0 (§2.2).
fn shown(text: &str) -> String {
    log::visible(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

struct Run<'a> {
    options: &'a Options,
    paint: Paint,
    report: Report,
    /// How many tests were run.
    chosen: usize,
    /// Why the whole run is no success.
    wrong: Vec<String>,
}

impl Run<'_> {
    fn file(&mut self, file: &Path, surroundings: &Surroundings) -> Result<(), Failure> {
        let (policy, path) = pair(file, self.options.policy.as_deref())?;
        let world = surroundings.open(&policy)?;
        let name = path.display().to_string();
        let cases = Cases::read(&name, &input::text("the tests", &path)?, &world.issuers).map_err(Failure::wrong)?;
        let wanted = self.options.filter.as_deref().unwrap_or_default();
        let chosen: Vec<_> = cases.list.iter().filter(|case| case.name.contains(wanted)).collect();
        self.chosen += chosen.len();
        if chosen.is_empty() {
            return Ok(());
        }
        print(shown(&name));
        let mut suite = TestSuite::new(shown(&name));
        let mut coverage = Coverage::default();
        let mut failed = 0;
        for case in &chosen {
            let ran = case.run(&world.policy, world.narrow, &world.file, &mut coverage);
            let mut status = TestCaseStatus::success();
            if ran.differences.is_empty() {
                print(format!("{}    {}", self.paint.good("ok"), shown(&case.name)));
            } else {
                failed += 1;
                print(format!("{}  {} ({}:{})", self.paint.bad("FAIL"), shown(&case.name), shown(&name), case.line));
                let lines: Vec<String> = ran.differences.iter().map(|line| shown(line)).collect();
                for line in &lines {
                    print(format!("      {}", self.paint.difference(line)));
                }
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message("not as expected").set_description(lines.join("\n"));
            }
            let mut row = TestCase::new(shown(&case.name), status);
            row.set_classname(shown(&name));
            suite.add_test_case(row);
        }
        self.report.add_test_suite(suite);
        self.coverage(&world, &coverage, chosen.len() - failed, failed);
        Ok(())
    }

    fn coverage(&mut self, world: &World, coverage: &Coverage, passed: usize, failed: usize) {
        let file = &world.file;
        let unused = coverage.unused(&world.policy);
        if !unused.is_empty() {
            print("not used by any test:");
        }
        for (line, part) in &unused {
            print(shown(&format!("      {file}:{line}  {part}")));
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
