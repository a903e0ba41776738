//! What came of a case against what was expected, in words that a person reads at a glance. Must not decide anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde_json::Value;

use super::Expect;
use super::run::Came;
use crate::api::Problem;
use crate::chat::{ChannelName, Object, Permission, Rights};
use crate::policy::{Account, Policy, Right};

/// Every difference, a line each: `-` is what was expected, `+` what came.
pub(super) fn differences(expect: &Expect, came: &Came, policy: &Policy, file: &str) -> Vec<String> {
    let mut differ = Differ { came, policy, file, lines: Vec::new() };
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
}

const DENIED: &str = "denied";

type ByRight<'a> = BTreeSet<(&'a ChannelName, Permission)>;

impl Differ<'_> {
    fn problem(&mut self, expect: &Expect) {
        match (&expect.problem, &self.came.problem) {
            (Some(wanted), Some(problem)) if is_called(problem, wanted) => {}
            (Some(wanted), Some(_)) => {
                self.lines.push(format!("- problem {wanted}"));
                self.came_problem();
            }
            (Some(wanted), None) => {
                self.lines.push(format!("- problem {wanted}"));
                self.lines.push("+ granted".to_owned());
                self.tell_rights("+", Right::is_allowed);
            }
            // Who looks at what is refused alone may look at it in a refusal.
            (None, Some(_)) if expect.expects_grant() => {
                self.lines.push("- granted".to_owned());
                self.came_problem();
                self.tell_rights(" ", |right| !right.is_allowed());
            }
            (None, _) => {}
        }
    }

    fn came_problem(&mut self) {
        if let Some(problem) = &self.came.problem {
            let why = problem.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
            self.lines.push(format!("+ problem {}{why}", problem.code().as_str()));
        }
    }

    fn rights(&mut self, expect: &Expect) {
        let Some(account) = &self.came.account else {
            if let Some(wanted) = &expect.denied {
                let told: Vec<String> = each(wanted).map(|(channel, permission)| line(channel, permission)).collect();
                self.lines.extend(told.iter().map(|right| format!("- denied {right}: nothing was decided")));
            }
            return;
        };
        if let (Some(wanted), Ok(terms)) = (&expect.grant, &account.outcome) {
            self.compare("granted", wanted, &each(&terms.channels).collect(), account);
        }
        if let Some(wanted) = &expect.denied {
            // As a client is told: who names nothing is refused nothing.
            let rows = if self.came.names_nothing { Vec::new() } else { account.refused() };
            let refused: BTreeMap<_, _> = rows.into_iter().map(|row| (row.channel, row.rights)).collect();
            self.compare(DENIED, wanted, &each(&refused).collect(), account);
        }
    }

    fn compare(&mut self, what: &str, wanted: &BTreeMap<ChannelName, Rights>, came: &ByRight<'_>, account: &Account) {
        let wanted: ByRight<'_> = each(wanted).collect();
        for (channel, permission) in wanted.symmetric_difference(came) {
            let sign = if wanted.contains(&(*channel, *permission)) { "-" } else { "+" };
            let right = account.rights.iter().find(|it| it.channel == **channel && it.permission == *permission);
            let why = match right {
                _ if self.came.names_nothing && what == DENIED => "no channel was asked for by name".to_owned(),
                Some(right) => self.why(right),
                None if self.came.names_nothing => "no rule grants it by a concrete name".to_owned(),
                None => "it was not asked for".to_owned(),
            };
            self.lines.push(format!("{sign} {what} {}: {why}", line(channel, *permission)));
        }
    }

    fn tell_rights(&mut self, sign: &str, which: impl Fn(&Right) -> bool) {
        let rights = self.came.account.iter().flat_map(|account| &account.rights).filter(|right| which(right));
        let told: Vec<String> = rights
            .map(|right| format!("{sign}   {}: {}", line(&right.channel, right.permission), self.why(right)))
            .collect();
        self.lines.extend(told);
    }

    fn why(&self, right: &Right) -> String {
        self.policy.in_words(&self.came.facts, right, self.file)
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

impl Expect {
    /// Whether it holds only of a token.
    fn expects_grant(&self) -> bool {
        self.grant.is_some() || self.ttl.is_some() || self.ttl_limited_by.is_some() || self.state.is_some()
    }
}

/// Whether it is the problem of this code, or lists a fault of this code.
fn is_called(problem: &Problem, code: &str) -> bool {
    problem.code().as_str() == code || problem.faults().iter().any(|fault| fault.code.about().0 == code)
}

fn each(channels: &BTreeMap<ChannelName, Rights>) -> impl Iterator<Item = (&ChannelName, Permission)> {
    channels.iter().flat_map(|(channel, rights)| rights.permissions().map(move |permission| (channel, permission)))
}

fn line(channel: impl Display, permission: Permission) -> String {
    format!("{channel} {}", permission.as_str())
}
