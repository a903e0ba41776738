//! What of a session's claims a record of its decision keeps, and the way back from it. Must not know the record's form.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Policy;
use super::value::Placeholder;
use super::view::View;
use crate::chat::{Ask, Facts, Object};

impl Policy {
    /// Of a session's claims those that the policy reads, by the names that the file has for them: `sub`, `/tenant/id`. One
    /// that is absent is null, so that it is told from one that is not read.
    #[must_use]
    pub fn claims_of(&self, facts: &Facts) -> Object {
        if facts.issuer().is_none() {
            return Object::new();
        }
        let in_state = self.state.iter().filter_map(|own| own.value.claim());
        let read = self.placeholders.iter().chain(in_state).filter(|placeholder| !placeholder.is_issuer());
        let value = |placeholder: &Placeholder| placeholder.claim_of(facts).cloned().unwrap_or(Value::Null);
        read.map(|placeholder| (placeholder.claim().to_owned(), value(placeholder))).collect()
    }

    /// The claims, by the file's names, without which nothing can be said of this decision: who it is for, and what becomes
    /// of what was asked.
    #[must_use]
    pub fn claims_needed(&self, facts: &Facts, ask: &Ask) -> BTreeSet<String> {
        // A guest has none, which is known.
        if facts.issuer().is_none() {
            return BTreeSet::new();
        }
        let (roles, _) = self.roles_of(facts);
        let view = View::new(self, facts, &roles);
        // Only what it looks at matters here, not what it finds.
        let asked = ask.channels.clone().map_or_else(|| view.concrete(), Ok).unwrap_or_default();
        let _ = view.judge(&asked);
        let member = self.member.pattern.placeholders().filter_map(|index| self.placeholders.get(index));
        let needed = view.consulted().chain(member).filter(|placeholder| !placeholder.is_issuer());
        needed.map(|placeholder| placeholder.claim().to_owned()).collect()
    }
}

/// The claims of a session from a record of those that a policy read.
#[must_use]
pub fn claims_from(recorded: &Object) -> Object {
    let mut claims = Object::new();
    // A whole comes before its parts, which it then has already.
    let mut names: Vec<(&String, &Value)> = recorded.iter().filter(|(_, value)| !value.is_null()).collect();
    names.sort_by_key(|(name, _)| name.len());
    for (name, value) in names {
        let Some(pointer) = name.strip_prefix('/') else {
            claims.insert(name.clone(), value.clone());
            continue;
        };
        let parts: Vec<String> = pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        insert(&mut claims, &parts, value);
    }
    claims
}

/// Whether a record of these claims says what this one is, be it that it is absent.
#[must_use]
pub fn is_recorded(recorded: &Object, claim: &str) -> bool {
    let top =
        |name: &str| name.strip_prefix('/').map_or_else(|| format!("/{}", escaped(name)), |rest| format!("/{rest}"));
    let wanted = top(claim);
    recorded
        .keys()
        .map(|name| top(name))
        .any(|known| wanted == known || wanted.strip_prefix(&known).is_some_and(|rest| rest.starts_with('/')))
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn insert(object: &mut Object, path: &[String], value: &Value) {
    match path {
        [] => {}
        [last] => drop(object.entry(last.clone()).or_insert_with(|| value.clone())),
        [first, rest @ ..] => {
            let inner = object.entry(first.clone()).or_insert_with(|| Value::Object(Object::new()));
            if let Some(inner) = inner.as_object_mut() {
                insert(inner, rest, value);
            }
        }
    }
}
