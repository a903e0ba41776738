//! What commands are given: files, pipes and standard input, recorded decisions, the keys of issuers,
//! and a policy with the issuers that it is for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::outcome::Failure;
use crate::analysis::{Recorded, warnings};
use crate::policy::Policy;
use crate::schema::Lints;
use crate::service::{PolicyFile, Unusable};
use crate::session::{IssuerSettings, Verifier, Vouching};
use crate::settings::{Deciding, Environment, Settings};

/// The most that is read where all of it is wanted at once, in bytes: as of the service's own files.
const MOST_INPUT: u64 = 16 << 20;

/// A text from a file, or from standard input where it is called `-`. `what` names it in an error.
pub(super) fn text(what: &str, path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|input| input.take(MOST_INPUT + 1).read_to_end(&mut bytes));
    let size = read.map_err(|error| unreadable(what, path, &error.to_string()))?;
    // The beginning of a text is another text.
    if u64::try_from(size).is_ok_and(|size| size > MOST_INPUT) {
        return Err(unreadable(what, path, "it has over 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| unreadable(what, path, "it is not UTF-8"))
}

/// The same line by line, however many there are. One that is not UTF-8 is empty.
pub(super) fn lines(what: &str, path: &Path) -> Result<impl Iterator<Item = Result<String, Failure>>, Failure> {
    let failure = move |error: io::Error| unreadable(what, path, &error.to_string());
    let lines = open(path).map_err(failure)?.split(b'\n');
    Ok(lines.map(move |line| line.map(|line| String::from_utf8(line).unwrap_or_default()).map_err(failure)))
}

/// A session from the file that `--session` names; one trailing newline is dropped.
pub(super) fn session(path: &Path) -> Result<String, Failure> {
    let text = text("--session", path)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    Ok(if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(BufReader::new(File::open(path)?)) })
}

fn unreadable(what: &str, path: &Path, why: &str) -> Failure {
    Failure::wrong(format!("error: {what} {} cannot be read: {why}", path.display()))
}

/// A duration on the command line, in seconds.
pub(super) fn seconds(text: &str) -> Result<i64, String> {
    crate::schema::seconds(text, false)
        .ok_or_else(|| "write a positive integer and one of s, m, h, d, as in 24h".to_owned())
}

/// The issuers with their keys, or every fault of these.
pub(super) fn open_keys(settings: &Settings) -> Result<Verifier, String> {
    let verifier = open_verifier(settings.issuers.clone())?;
    Ok(if settings.remember { verifier.remembering() } else { verifier })
}

/// The keys of these issuers, or every reason why not.
pub(super) fn open_verifier(issuers: Vec<IssuerSettings>) -> Result<Verifier, String> {
    Verifier::open(issuers).map_err(|faults| {
        let told: Vec<_> = faults.iter().map(|fault| format!("error: {fault}")).collect();
        told.join("\n\n")
    })
}

/// Reads every audit event of a file, which may hold other lines of the log as well.
pub(super) fn decisions(path: &Path) -> Result<Vec<Recorded>, Failure> {
    let mut events = Vec::new();
    for (index, line) in lines("--decisions", path)?.enumerate() {
        let read = Recorded::read(&line?);
        let told = |why| Failure::wrong(format!("error: {}:{}: an audit event: {why}", path.display(), index + 1));
        events.extend(read.map_err(told)?);
    }
    if events.is_empty() {
        let why = "there is no audit event in it: they are the lines of usher's log with \"event\":\"audit\"";
        return Err(Failure::wrong(format!("error: {}: {why}", path.display())));
    }
    Ok(events)
}

/// A policy and the world that it is for.
pub(super) struct World {
    /// How the policy's file is called.
    pub(super) file: String,
    pub(super) policy: Policy,
    /// None configured: roles are in the claim `roles`.
    pub(super) issuers: Vec<Vouching>,
    /// Whether clients may ask for mode `narrow`.
    pub(super) narrow: bool,
}

/// The settings, as far as they matter here, and whether they are wanted whatever the policy.
pub(super) struct Surroundings {
    deciding: Deciding,
    is_asked_for: bool,
}

impl Surroundings {
    /// Of the usual settings, or of these files.
    pub(super) fn load(config: &[PathBuf], environment: &Environment) -> Result<Self, Failure> {
        let deciding = Deciding::load(config, environment).map_err(Failure::wrong)?;
        Ok(Self { deciding, is_asked_for: !config.is_empty() })
    }

    /// The policy that the settings name.
    pub(super) fn policy_file(&self) -> &Path {
        &self.deciding.policy.file
    }

    /// A policy in its world. The settings' issuers are those of the settings' own policy: of another file nothing is
    /// known, unless settings were named beside it.
    pub(super) fn open(&self, file: &Path) -> Result<World, Failure> {
        self.open_as(file, file)
    }

    /// The same for a file that is to take the place of another.
    pub(super) fn open_as(&self, file: &Path, other: &Path) -> Result<World, Failure> {
        let is_theirs = self.is_asked_for || [file, other].iter().any(|file| is_same_file(file, self.policy_file()));
        let issuers = if is_theirs { self.deciding.issuers.clone() } else { Vec::new() };
        let aliases: BTreeSet<String> = issuers.iter().map(|issuer| issuer.name.clone()).collect();
        let (_, policy) = PolicyFile::open(file, &aliases).map_err(Failure::wrong)?;
        let narrow = !is_theirs || self.deciding.policy.narrow;
        Ok(World { file: file.display().to_string(), policy, issuers, narrow })
    }
}

impl World {
    /// All whose sessions there may be: where none is configured, those whom the policy itself names.
    pub(super) fn vouched(&self) -> Vec<Vouching> {
        if self.issuers.is_empty() {
            return self.policy.aliases().into_iter().map(Vouching::unconfigured).collect();
        }
        self.issuers.clone()
    }

    /// What sessions of this issuer say of their holders; of the first one where none is named.
    pub(super) fn vouching(&self, alias: Option<&str>) -> Result<Vouching, Failure> {
        let issuers = self.vouched();
        let Some(alias) = alias else {
            return Ok(issuers.first().cloned().unwrap_or_else(|| Vouching::unconfigured("app")));
        };
        if issuers.is_empty() {
            return Ok(Vouching::unconfigured(alias));
        }
        issuers.iter().find(|issuer| issuer.name == alias).cloned().ok_or_else(|| {
            let names: Vec<&str> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
            Failure::wrong(format!("error: there is no issuer `{alias}`: there are {}", names.join(", ")))
        })
    }
}

/// What a file says: its policy or why there is none, and what is allowed there and probably not meant.
pub(super) fn check_policy(path: &Path, aliases: &BTreeSet<String>) -> (Result<Policy, Unusable>, Lints) {
    match PolicyFile::read(path, aliases) {
        Ok(compilation) => {
            let lints = warnings(&compilation, aliases);
            (compilation.into_policy().map_err(Unusable::Faulty), lints)
        }
        Err(unusable) => (Err(unusable), Lints::default()),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
