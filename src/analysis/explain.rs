//! A decision and its reasons, checked in the same order as the service does, for `usher explain`
//! and the page of `usher dev`. It never mints.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::reason::reason;
use super::recorded::Recorded;
use crate::api::Problem;
use crate::chat::{Ask, ClaimedRoles, Draft, Facts, Fault, Timestamp};
use crate::policy::{Account, Overview, Policy, Right, RuleRef, TtlAccount, Verdict};
use crate::telemetry::clock;

/// Who asks for what, and when.
#[derive(Debug)]
pub struct Question {
    /// Who.
    pub facts: Facts,
    /// What.
    pub ask: Asked,
    /// When.
    pub now: Timestamp,
    /// The decision that this one is to be held against.
    pub recorded: Option<Recorded>,
}

/// What is asked for.
#[derive(Debug)]
pub enum Asked {
    /// A request body; empty: nothing in particular.
    Body(Vec<u8>),
    /// As it was recorded.
    Recorded(Ask),
}

/// What was asked, and what came of it.
type Decided = (Ask, Account);

/// A question and its answer.
#[derive(Debug)]
pub struct Explained {
    /// What was asked.
    pub question: Question,
    /// None where something is wrong with the request, or it was not even looked at.
    decided: Option<Decided>,
    /// Why nothing was granted.
    pub problem: Option<Problem>,
    /// Where nothing in particular was asked for: what may be had by name, too.
    pub overview: Option<Overview>,
}

impl Explained {
    /// Decides it. `narrow`: whether clients may ask for that mode.
    #[must_use]
    pub fn of(question: Question, policy: &Policy, narrow: bool) -> Self {
        let (decided, problem) = answer(&question, policy, narrow);
        let names_nothing = decided.as_ref().is_some_and(|(ask, _)| ask.channels.is_none());
        let overview = names_nothing.then(|| policy.overview(&question.facts, question.now).ok()).flatten();
        Self { question, decided, problem, overview }
    }

    /// What is wrong with the request, as the client is told.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        self.problem.as_ref().map(Problem::faults).unwrap_or_default()
    }

    /// `granted`, `narrowed` or `denied`.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        let is_whole = |(ask, account): &Decided| ask.channels.is_none() || account.refused().is_empty();
        match &self.decided {
            _ if self.problem.is_some() => "denied",
            Some(decided) if !is_whole(decided) => "narrowed",
            _ => "granted",
        }
    }

    /// Why, where it was decided.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.decided.as_ref().map(|(_, account)| account)
    }
}

/// What comes of a question, and why nothing is granted, if nothing is.
fn answer(question: &Question, policy: &Policy, narrow: bool) -> (Option<Decided>, Option<Problem>) {
    let Question { facts, ask, now, .. } = question;
    match ask {
        Asked::Recorded(ask) => decide(policy, facts, ask.clone(), *now),
        Asked::Body(body) => match Draft::read(body) {
            Ok(draft) => rehearse(policy, facts, draft, narrow, *now),
            // Whoever is refused is refused before the body is looked at.
            Err(why) => (None, Some(policy.member(facts).map_or_else(Problem::from, |_| Problem::from(why)))),
        },
    }
}

/// Decides a request in the same order as the service does, for facts that need no verification.
/// Returns the request and its decision, if the checks before it pass, and the problem, if there
/// is no grant. `narrow`: whether the operator allows that mode.
#[must_use]
pub fn rehearse(
    policy: &Policy,
    facts: &Facts,
    draft: Draft,
    narrow: bool,
    now: Timestamp,
) -> (Option<(Ask, Account)>, Option<Problem>) {
    let member = match policy.member(facts) {
        Ok(member) => member,
        Err(denial) => return (None, Some(denial.into())),
    };
    match draft.accept(&policy.conditions(facts, &member, narrow)) {
        Ok(ask) => decide(policy, facts, ask, now),
        Err(faults) => (None, Some(faults.into())),
    }
}

fn decide(policy: &Policy, facts: &Facts, ask: Ask, now: Timestamp) -> (Option<Decided>, Option<Problem>) {
    let account = policy.evaluate(facts, &ask, now);
    let problem = account.outcome.clone().err().map(Problem::from);
    (Some((ask, account)), problem)
}

/// How a session came by its roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleMapping {
    /// Each name that it claims, and the roles that this stands for; none: it counts for nothing.
    pub claimed: Vec<(String, Vec<Arc<str>>)>,
    /// The role that it has instead, for claiming none that is known, or for being a guest.
    pub instead: Option<Arc<str>>,
    /// Roles that come along with those.
    pub included: Vec<Arc<str>>,
}

/// How a session comes by its roles.
#[must_use]
pub fn role_mapping(policy: &Policy, facts: &Facts) -> RoleMapping {
    let policy = policy.definition();
    let mut direct = BTreeSet::new();
    let mut claimed = Vec::new();
    if let (Some(alias), ClaimedRoles::Names(names)) = (facts.issuer(), &facts.roles) {
        for name in names {
            let known = policy.known(name, alias);
            direct.extend(&known);
            claimed.push((name.clone(), policy.names_of(&known.into_iter().collect())));
        }
    }
    let instead = if direct.is_empty() { policy.role_instead(facts) } else { None };
    direct.extend(instead);
    let (all, _) = policy.roles_of(facts);
    RoleMapping {
        claimed,
        instead: instead.and_then(|role| policy.role(role)).map(|role| role.name.clone()),
        included: policy.names_of(&(&all - &direct)),
    }
}

/// An explanation as JSON, for programs; `file` is how the policy is called there.
#[must_use]
pub fn document(explained: &Explained, policy: &Policy, file: &str) -> Value {
    let facts = &explained.question.facts;
    let mapping = role_mapping(policy, facts);
    let definition = policy.definition();
    let roles = definition.names_of(&definition.roles_of(facts).0);
    let account = explained.account();
    let terms = account.and_then(|account| account.outcome.as_ref().ok());
    let rights = account.map(|account| &*account.rights).unwrap_or_default();
    let refused = account.map(Account::refused).unwrap_or_default();
    let claimed = mapping.claimed.iter().map(|(name, roles)| json!({"name": name, "roles": roles}));
    json!({
        "decision": explained.decision(),
        "problem": explained.problem.as_ref().map(|problem| problem.code().as_str()),
        "reason": explained.problem.as_ref().and_then(Problem::cause),
        "errors": explained.faults(),
        "policy": {"file": file, "sha256": policy.sha256()},
        "recorded": explained.question.recorded.as_ref().map(recorded_of),
        "decided_for": clock::rfc3339_millis(explained.question.now),
        "roles": roles,
        "roles_claimed": claimed.collect::<Vec<_>>(),
        "role_instead": mapping.instead,
        "roles_included": mapping.included,
        "rights": rights.iter().map(|right| right_of(right, explained, policy)).collect::<Vec<_>>(),
        "patterns": patterns_of(explained),
        "denied": refused.iter().map(|row| json!({
            "channel": row.channel,
            "permissions": row.rights.permissions().collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "member_id": policy.member_id(facts).ok(),
        "state": terms.map(|terms| &terms.state),
        "ttl": account.and_then(|account| account.ttl).map(ttl_of),
        "upstream": terms,
    })
}

/// What came of it then, which by another policy may be something else.
fn recorded_of(recorded: &Recorded) -> Value {
    json!({
        "outcome": recorded.outcome,
        "code": recorded.code,
        "granted": recorded.granted,
        "ttl": recorded.ttl,
        "policy_sha256": recorded.policy_sha256,
    })
}

fn right_of(right: &Right, explained: &Explained, policy: &Policy) -> Value {
    let reason = reason(policy, &explained.question.facts, right);
    let (effect, by): (_, Option<&RuleRef>) = match &right.verdict {
        Verdict::Allowed { by, .. } => ("allow", Some(by)),
        Verdict::Denied { by } => ("deny", Some(by)),
        // What no rule allows is denied too.
        Verdict::NoRule => ("deny", None),
    };
    let nearest = reason.nearest.map(|(rule, why)| {
        json!({
            "role": rule.role, "pattern": rule.pattern, "line": rule.line, "why": why,
        })
    });
    json!({
        "channel": right.channel,
        "permission": right.permission,
        "effect": effect,
        "role": by.map(|rule| &rule.role),
        "pattern": by.map(|rule| &rule.pattern),
        "line": by.map(|rule| rule.line),
        "notes": reason.notes,
        "nearest": nearest,
        "elsewhere": reason.elsewhere,
    })
}

fn patterns_of(explained: &Explained) -> Value {
    let patterns = explained.overview.iter().flat_map(|overview| &overview.patterns);
    patterns.map(|row| json!({"pattern": row.pattern, "read": row.rights.read, "write": row.rights.write})).collect()
}

/// In minutes.
fn ttl_of(ttl: TtlAccount) -> Value {
    json!({
        "request": ttl.request,
        "default": ttl.default,
        "rights": ttl.rights,
        "max": ttl.max,
        "guest": ttl.guest,
        "policy": ttl.policy,
        "session": ttl.session,
        "result": ttl.result,
        "limited_by": ttl.limited_by,
    })
}
