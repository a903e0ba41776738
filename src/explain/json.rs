//! An explanation as JSON, for programs.

use serde_json::{Value, json};

use super::Explained;
use crate::policy::{Policy, Right, RuleRef, TtlAccount, Verdict};
use crate::telemetry::{Recorded, clock};

/// The whole document; `file` is how the policy is called there.
#[must_use]
pub fn document(explained: &Explained, policy: &Policy, file: &str) -> Value {
    let facts = &explained.question.facts;
    let mapping = policy.role_mapping(facts);
    let account = explained.account();
    let terms = account.and_then(|account| account.outcome.as_ref().ok());
    let rights = account.map(|account| &*account.rights).unwrap_or_default();
    let refused = account.map(crate::policy::Account::refused).unwrap_or_default();
    let claimed = mapping.claimed.iter().map(|(name, roles)| json!({"name": name, "roles": roles}));
    json!({
        "decision": explained.decision(),
        "problem": explained.problem.as_ref().map(|problem| problem.code().as_str()),
        "reason": explained.problem.as_ref().and_then(crate::api::Problem::cause),
        "errors": explained.faults(),
        "policy": {"file": file, "sha256": policy.sha256()},
        "recorded": explained.question.recorded.as_ref().map(recorded_of),
        "decided_for": clock::rfc3339_millis(explained.question.now),
        "roles": policy.roles_of_session(facts),
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
    let reason = policy.reason(&explained.question.facts, right);
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
