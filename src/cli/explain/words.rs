//! An explanation in words, for a person.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use serde::Serialize;

use super::super::input::World;
use crate::analysis::{Explained, in_words, role_mapping, why_nothing};
use crate::chat::{ChannelName, MemberId, Object, Rights, Terms, Ttl};
use crate::policy::{Right, TtlAccount, Verdict};
use crate::telemetry::{clock, log};

/// Of another part of the text than the line before: under the same label.
const SAME: &str = "";

/// The whole text.
pub(super) fn text(explained: &Explained, world: &World) -> String {
    let mut words = Words { text: String::new() };
    words.decision(explained);
    words.recorded(explained, world);
    words.who(explained, world);
    words.rights(explained, world);
    words.patterns(explained);
    if let Some(ttl) = explained.account().and_then(|account| account.ttl) {
        words.ttl(ttl, explained);
    }
    words.upstream(explained);
    words.text
}

struct Words {
    text: String,
}

impl Words {
    fn line(&mut self, label: &str, told: impl Display) {
        let line = format!("{label:<10}{told}");
        // INVARIANT: nothing that a claim, a request or a log holds ends a line or reaches the terminal, and a line of
        // JSON is one still. Writing to a String cannot fail.
        let _ = writeln!(self.text, "{}", log::visible(line.trim_end()));
    }

    fn decision(&mut self, explained: &Explained) {
        let Some(problem) = &explained.problem else {
            return self.line("decision", explained.decision());
        };
        // Faults are told one by one.
        let cause = problem.cause().filter(|_| explained.faults().is_empty());
        let why = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        self.line("decision", format!("{}, {}{why}", explained.decision(), problem.code().as_str()));
        for fault in explained.faults() {
            let told = format!("{} {}: {}", fault.pointer, fault.code.about().0, fault.detail);
            self.line(SAME, told);
        }
    }

    fn recorded(&mut self, explained: &Explained, world: &World) {
        let Some(recorded) = &explained.question.recorded else { return };
        let code = recorded.code.as_ref().map(|code| format!(", {code}")).unwrap_or_default();
        let at = recorded.decided_at.map_or_else(|| "nothing was decided".to_owned(), clock::rfc3339_millis);
        self.line("recorded", format!("{}{code}, {at}", recorded.outcome));
        if recorded.policy_sha256 != world.policy.sha256() {
            let told =
                format!("by another policy (sha256 {}); what follows is by {}", recorded.policy_sha256, world.file);
            self.line(SAME, told);
        }
        for (channel, rights) in &recorded.granted {
            self.line(SAME, format!("granted {channel} {rights}"));
        }
    }

    fn who(&mut self, explained: &Explained, world: &World) {
        let facts = &explained.question.facts;
        match world.policy.member_id(facts) {
            Ok(member) => self.line("member", member.as_str()),
            Err(_) => self.line("member", "none"),
        }
        self.line("issuer", facts.issuer().unwrap_or("none: a guest"));
        let mapping = role_mapping(&world.policy, facts);
        let mut label = "roles";
        for (name, roles) in &mapping.claimed {
            let told = match roles.as_slice() {
                [] if world.policy.claimable().contains(name.as_str()) => {
                    "not for this issuer's sessions: ignored".to_owned()
                }
                [] => "no role of this policy: ignored".to_owned(),
                roles => roles.join(", "),
            };
            self.line(label, format!("claimed `{name}`: {told}"));
            label = SAME;
        }
        if let Some(role) = &mapping.instead {
            let why = if facts.issuer().is_none() { "a guest's role" } else { "no known role is claimed: the default" };
            self.line(label, format!("{role} ({why})"));
            label = SAME;
        }
        for role in &mapping.included {
            self.line(label, format!("{role} (included)"));
            label = SAME;
        }
        if label == "roles" {
            self.line(label, "none");
        }
    }

    fn rights(&mut self, explained: &Explained, world: &World) {
        let Some(account) = explained.account() else { return };
        let mut label = "rights";
        for right in account.rights.iter() {
            let effect = if right.is_allowed() { "yes" } else { "no " };
            let why = in_words(&world.policy, &explained.question.facts, right, &world.file);
            let told = format!("{effect} {} {}: {why}{}", right.channel, right.permission.as_str(), cap(right));
            self.line(label, told);
            label = SAME;
        }
        if label == "rights" {
            self.line(label, "none by name");
            for why in why_nothing(&world.policy, &explained.question.facts, &world.file) {
                self.line(SAME, why);
            }
        }
    }

    fn patterns(&mut self, explained: &Explained) {
        let patterns = explained.overview.iter().flat_map(|overview| &overview.patterns);
        for (index, row) in patterns.enumerate() {
            let label = if index == 0 { "patterns" } else { SAME };
            self.line(label, format!("{} {}, where asked for by name", row.pattern, row.rights));
        }
    }

    fn ttl(&mut self, ttl: TtlAccount, explained: &Explained) {
        let result = ttl.result.map_or_else(|| "too little is left".to_owned(), |ttl| ttl.to_string());
        self.line("ttl", format!("{result}, limited by {}: the least of", ttl.limited_by.as_str()));
        let mut bound = |what: &str, minutes: Option<String>| {
            if let Some(minutes) = minutes {
                self.line(SAME, format!("{minutes:>6}  {what}"));
            }
        };
        bound("asked for", ttl.request.map(|ttl| ttl.to_string()));
        bound("[ttl].default, as none is asked for", ttl.default.map(|ttl| ttl.to_string()));
        bound("max_ttl of the shortest-lived right", ttl.rights.map(|ttl| ttl.to_string()));
        bound("[ttl].max", Some(ttl.max.to_string()));
        bound("[guest].max_ttl", ttl.guest.map(|ttl| ttl.to_string()));
        let ends = explained.question.facts.ends.map(clock::rfc3339).unwrap_or_default();
        bound(&format!("what is left of the session, which ends {ends}"), ttl.session.map(|left| format!("{left}m")));
    }

    fn upstream(&mut self, explained: &Explained) {
        let Some(terms) = explained.account().and_then(|account| account.outcome.as_ref().ok()) else {
            return self.line("upstream", "nothing is sent");
        };
        let body = serde_json::to_string_pretty(&Body::of(terms)).unwrap_or_default();
        self.line("upstream", "POST /api/chat/tokens");
        for line in body.lines() {
            self.line(SAME, line);
        }
    }
}

/// The upstream body for a person: its channels are written line by line too, not as the one text that they are made into.
#[derive(Serialize)]
struct Body<'a> {
    ttl: Ttl,
    channels: &'a BTreeMap<ChannelName, Rights>,
    member_id: &'a MemberId,
    state: &'a Object,
}

impl<'a> Body<'a> {
    fn of(terms: &'a Terms) -> Self {
        let Terms { ttl, channels, member_id, state } = terms;
        Self { ttl: *ttl, channels, member_id, state }
    }
}

fn cap(right: &Right) -> String {
    match right.verdict {
        Verdict::Allowed { cap: Some(cap), .. } => format!(", for {cap} at most"),
        _ => String::new(),
    }
}
