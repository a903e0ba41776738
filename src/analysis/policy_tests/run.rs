//! Runs a case against a policy and describes how the outcome differs from the expected one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde_json::Value;
use uuid::Uuid;

use super::super::coverage::Coverage;
use super::super::explain::rehearse;
use super::super::reason::{in_words, why_nothing};
use super::{Case, Expect, Whose};
use crate::api::{Code, Problem};
use crate::chat::{Ask, ChannelName, Draft, Facts, MemberId, Object, Permission, Rights, Timestamp};
use crate::policy::{Account, Policy, Right};
use crate::schema::quoted;
use crate::session::unverified_facts;

/// When all tests are decided. Nothing depends on it: what is left of a session is counted from here.
const NOW: Timestamp = Timestamp::from_seconds(0);

/// What came of a request, as far as tests look.
struct Came {
    facts: Facts,
    account: Option<Account>,
    problem: Option<Problem>,
    /// Who asks, where that can be said, refused or not.
    member: Option<MemberId>,
    /// Whether the request named channels.
    asked_by_name: bool,
}

impl Case {
    /// Runs the case and adds to the coverage. Returns one line for each difference from what is
    /// expected; none if it passed. `narrow`: whether clients may ask for that mode; `file` is the
    /// policy's name in these lines.
    pub fn run(&self, policy: &Policy, narrow: bool, file: &str, coverage: &mut Coverage) -> Vec<String> {
        let facts = match self.facts() {
            Ok(facts) => facts,
            Err(why) => return vec![why],
        };
        let body = Value::Object(self.ask.clone()).to_string();
        let Ok(draft) = Draft::read(body.as_bytes()) else {
            return vec!["the request is no JSON".to_owned()];
        };
        let asked_by_name = self.ask.contains_key("channels");
        let (decided, problem) = rehearse(policy, &facts, draft, narrow, NOW);
        let account = decided.map(|(_, account)| account);
        if let Some(account) = &account {
            coverage.note(policy, &facts, account);
        }
        let came = Came { member: policy.member_id(&facts).ok(), facts, asked_by_name, account, problem };
        differences(&self.expect, &came, policy, file)
    }

    fn facts(&self) -> Result<Facts, String> {
        match &self.who {
            Whose::Guest => Ok(Facts::guest(Uuid::nil())),
            Whose::Known { vouching, claims, expires_in } => {
                let timeless: Object =
                    claims.iter().filter(|(name, _)| !matches!(name.as_str(), "exp" | "iat")).map(owned).collect();
                let facts = unverified_facts(timeless, vouching).map_err(|cause| cause.to_string())?;
                let ends = expires_in.map(|seconds| NOW.plus_millis(seconds.saturating_mul(1_000)));
                // The policy may read those two as well.
                Ok(Facts { ends, claims: claims.clone().into(), ..facts })
            }
        }
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Every difference, a line each: `-` is what was expected, `+` what came.
fn differences(expect: &Expect, came: &Came, policy: &Policy, file: &str) -> Vec<String> {
    let mut differ = Differ { came, policy, file, lines: Vec::new(), told: BTreeSet::new() };
    differ.problem(expect);
    differ.rights(expect);
    differ.terms(expect);
    differ.lines
}

struct Differ<'a> {
    came: &'a Came,
    policy: &'a Policy,
    file: &'a str,
    lines: Vec<String>,
    /// The rights of which it was said why.
    told: BTreeSet<(ChannelName, Permission)>,
}

/// How many faults of a request are told.
const MOST_FAULTS: usize = 10;

type ByRight<'a> = BTreeSet<(&'a ChannelName, Permission)>;

impl Differ<'_> {
    fn problem(&mut self, expect: &Expect) {
        let came = self.came;
        match (&expect.problem, &came.problem) {
            (Some(wanted), Some(problem)) if has_code(problem, wanted) => {}
            (Some(wanted), Some(problem)) => {
                self.lines.push(format!("- problem {wanted}"));
                self.came_problem(problem);
            }
            (Some(wanted), None) => {
                self.lines.push(format!("- problem {wanted}"));
                self.lines.push("+ granted".to_owned());
                self.tell_rights("+", Right::is_allowed);
            }
            // Who looks at what is refused alone may look at it in a refusal.
            (None, Some(problem)) if expect.expects_grant() => {
                self.lines.push("- granted".to_owned());
                self.came_problem(problem);
            }
            (None, _) => {}
        }
    }

    fn came_problem(&mut self, problem: &Problem) {
        self.lines.push(format!("+ problem {}", problem.code().as_str()));
        let faults = problem.faults().iter().take(MOST_FAULTS);
        self.lines.extend(
            faults.map(|fault| format!("    {} at {}: {}", fault.code.about().0, quoted(&fault.pointer), fault.detail)),
        );
        if problem.code() == Code::NothingGranted && !self.came.asked_by_name {
            let cause = problem.cause().filter(|_| self.came.account.as_ref().is_none_or(|it| it.member_id.is_none()));
            self.lines.extend(cause.map(|cause| format!("    {cause}")));
            let why = why_nothing(self.policy, &self.came.facts, self.file);
            self.lines.extend(why.into_iter().map(|why| format!("    {why}")));
        }
        self.tell_rights(" ", |right| !right.is_allowed());
    }

    fn rights(&mut self, expect: &Expect) {
        let came = self.came;
        let Some(account) = &came.account else {
            if let Some(wanted) = &expect.denied {
                let told: Vec<String> = each(wanted).map(|(channel, permission)| line(channel, permission)).collect();
                self.lines.extend(told.iter().map(|right| format!("- denied {right}: nothing was decided")));
            }
            return;
        };
        if let (Some(wanted), Ok(terms)) = (&expect.grant, &account.outcome) {
            self.compare("granted", wanted, &each(&terms.channels).collect());
        }
        if let Some(wanted) = &expect.denied {
            // Of who names nothing, what some rule lists and another denies.
            let rows = account.refused().into_iter();
            let refused: BTreeMap<_, _> = rows.map(|row| (row.channel, row.rights)).collect();
            self.compare("denied", wanted, &each(&refused).collect());
        }
    }

    fn compare(&mut self, what: &str, wanted: &BTreeMap<ChannelName, Rights>, came: &ByRight<'_>) {
        let wanted: ByRight<'_> = each(wanted).collect();
        for (channel, permission) in wanted.symmetric_difference(came) {
            let sign = if wanted.contains(&(*channel, *permission)) { "-" } else { "+" };
            let why = self.why_of(channel, *permission);
            self.lines.push(format!("{sign} {what} {}{why}", line(channel, *permission)));
        }
    }

    /// Why it became of a right what did; told once of each.
    fn why_of(&mut self, channel: &ChannelName, permission: Permission) -> String {
        if !self.told.insert((channel.clone(), permission)) {
            return String::new();
        }
        let rights = self.came.account.iter().flat_map(|account| account.rights.iter());
        if let Some(right) = rights.into_iter().find(|it| it.channel == *channel && it.permission == permission) {
            return format!(": {}", self.why(right));
        }
        // What would have become of it.
        let rights = BTreeMap::from([(channel.clone(), Rights::NONE.with(permission))]);
        let ask = Ask { channels: Some(rights), ..Ask::default() };
        let account = self.policy.evaluate(&self.came.facts, &ask, NOW);
        let told = account.rights.first().map(|right| (right.is_allowed(), self.why(right)));
        match told {
            Some((true, why)) if !self.came.asked_by_name => {
                format!(": {why}, and was not asked for by name: a wildcard is never listed")
            }
            Some((true, why)) => format!(": {why}, and was not asked for"),
            Some((false, why)) => format!(": {why}"),
            None => ": it was not asked for".to_owned(),
        }
    }

    fn tell_rights(&mut self, sign: &str, which: impl Fn(&Right) -> bool) {
        let rights = self.came.account.iter().flat_map(|account| account.rights.iter()).filter(|right| which(right));
        let told: Vec<String> = rights
            .map(|right| format!("{sign}   {}: {}", line(&right.channel, right.permission), self.why(right)))
            .collect();
        self.lines.extend(told);
    }

    fn why(&self, right: &Right) -> String {
        in_words(self.policy, &self.came.facts, right, self.file)
    }

    fn terms(&mut self, expect: &Expect) {
        let terms = self.came.account.as_ref().and_then(|account| account.outcome.as_ref().ok());
        if self.came.problem.is_none() || terms.is_some() {
            let bounds = self.came.account.as_ref().and_then(|account| account.ttl);
            let limited_by = bounds.map(|ttl| ttl.limited_by);
            let minutes = terms.map(|terms| terms.ttl.minutes());
            self.differ("ttl", expect.ttl.as_ref(), minutes.as_ref(), |minutes| format!("{minutes}m"));
            self.differ("ttl_limited_by", expect.ttl_limited_by.as_ref(), limited_by.as_ref(), |by| {
                by.as_str().to_owned()
            });
            let state = terms.map(|terms| &terms.state);
            self.differ("state", expect.state.as_ref(), state, |state: &Object| {
                Value::Object(state.clone()).to_string()
            });
        }
        let member = self.came.member.as_ref().map(|member| member.as_str().to_owned());
        self.differ("member_id", expect.member_id.as_ref(), member.as_ref(), |id: &String| id.clone());
    }

    fn differ<T: PartialEq>(&mut self, what: &str, wanted: Option<&T>, came: Option<&T>, shown: impl Fn(&T) -> String) {
        let Some(wanted) = wanted.filter(|wanted| came != Some(*wanted)) else { return };
        self.lines.push(format!("- {what} {}", shown(wanted)));
        self.lines.push(format!("+ {what} {}", came.map_or_else(|| "none".to_owned(), shown)));
    }
}

fn has_code(problem: &Problem, wanted: &str) -> bool {
    problem.code().as_str() == wanted || problem.faults().iter().any(|fault| fault.code.about().0 == wanted)
}

impl Expect {
    /// Whether it holds only of a token.
    fn expects_grant(&self) -> bool {
        self.grant.is_some() || self.ttl.is_some() || self.ttl_limited_by.is_some() || self.state.is_some()
    }
}

fn each(channels: &BTreeMap<ChannelName, Rights>) -> impl Iterator<Item = (&ChannelName, Permission)> {
    channels.iter().flat_map(|(channel, rights)| rights.permissions().map(move |permission| (channel, permission)))
}

fn line(channel: impl Display, permission: Permission) -> String {
    format!("{channel} {}", permission.as_str())
}
