//! Warnings about what a policy file may say but probably does not mean.

use std::collections::BTreeSet;

use crate::chat::{Permission, Rights, Ttl};
use crate::policy::{Compilation, Definition, Life, Pattern, Placeholder, Relation, Role, Rule, Segment};
use crate::schema::{Lints, Place, quoted};

/// Claims under which providers keep what users write themselves.
const USERS_OWN: [&str; 2] = ["user_metadata", "unsafe_metadata"];

/// Claims that OpenID Connect Core §5.1 has of a user and §5.7 warns of: they are neither unique nor lasting, and with many
/// providers users write them themselves.
const PROFILE: [&str; 11] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "phone_number",
];

/// Claims and their like, as people call them in other languages' placeholders.
const NAMES: [&str; 11] =
    ["sub", "id", "uid", "user", "user_id", "userid", "username", "email", "issuer", "tenant", "org"];

/// What hardly a channel's name holds, and many a regular expression.
const EXPRESSIONS: [&str; 6] = ["[0-9", "[a-z", "[A-Z", "\\d", "\\w", "(?"];

/// Returns the warnings about a file, as far as its faults leave it readable. `aliases`: those of
/// the configured issuers; none known: any.
#[must_use]
pub fn warnings(compilation: &Compilation, aliases: &BTreeSet<String>) -> Lints {
    let Some((policy, is_whole)) = compilation.readable() else { return Lints::default() };
    Linter { policy }.lints(aliases, is_whole)
}

struct Linter<'a> {
    policy: &'a Definition,
}

impl Linter<'_> {
    /// `is_whole`: whether nothing of the file had to be left out.
    fn lints(&self, aliases: &BTreeSet<String>, is_whole: bool) -> Lints {
        let mut lints = Lints::default();
        self.lint_lives(&mut lints);
        let guests = self.policy.guest.as_ref().map(|guest| self.policy.closure(guest.role)).unwrap_or_default();
        for (index, role) in self.policy.roles.iter().enumerate() {
            for rule in role.allow.iter() {
                self.lint_covered(index, rule, false, &mut lints);
                self.lint_users_own(&rule.pattern, &rule.place, &mut lints);
                Self::lint_literals(rule, &mut lints);
                if guests.contains(&index) && !rule.pattern.is_concrete() && self.guests_may_write(rule, &guests) {
                    let message =
                        format!("guests may write in every channel that {} matches", quoted(&rule.pattern.text));
                    let advice = "anybody at all can get a token for it: name the channels, or let guests read alone";
                    lints.add("guest-wildcard-write", &rule.place, message, advice);
                }
            }
            for rule in role.deny.iter() {
                self.lint_covered(index, rule, true, &mut lints);
                self.lint_absent(rule, guests.contains(&index), &mut lints);
                self.lint_users_own(&rule.pattern, &rule.place, &mut lints);
                Self::lint_literals(rule, &mut lints);
                if is_whole {
                    self.lint_idle(rule, &mut lints);
                }
            }
        }
        self.lint_users_own(&self.policy.member.pattern, &self.policy.member.place, &mut lints);
        if is_whole {
            self.lint_reach(aliases, &mut lints);
        }
        lints
    }

    /// Whether an allow rule of theirs lets guests write: they have no claim to fill in, and their own denies come first.
    fn guests_may_write(&self, rule: &Rule, guests: &BTreeSet<usize>) -> bool {
        let roles = guests.iter().filter_map(|role| self.policy.role(*role));
        let mut denies =
            roles.flat_map(|role| role.deny.related(Relation::Covers, &rule.pattern, &|a, b| self.is_same(a, b)));
        rule.rights.has(Permission::Write)
            && rule.pattern.placeholders().next().is_none()
            && !denies.any(|deny| deny.rights.has(Permission::Write))
    }

    fn lint_lives(&self, lints: &mut Lints) {
        for (life, ttl, place) in &self.policy.lives {
            if *life == Life::Cap && *ttl > self.policy.ttl.max {
                let message =
                    format!("this cap ({ttl}) is above [ttl].max ({}) and changes nothing", self.policy.ttl.max);
                lints.add("cap-above-max", place, message, "write a shorter cap, or a longer max");
            }
            if *ttl < Ttl::MIN_FOR_SDK {
                let message = format!("the browser SDK can make no use of a token for {ttl}");
                let advice = "it renews a token when two minutes are left: write \"3m\" or more";
                lints.add("short-ttl", place, message, advice);
            }
        }
    }

    /// A rule that takes or grants nothing that another of the role's does not already.
    fn lint_covered(&self, role: usize, rule: &Rule, is_deny: bool, lints: &mut Lints) {
        let own = self.policy.role(role);
        let covering: Vec<(&Role, &Rule)> = self
            .policy
            .closure(role)
            .iter()
            .filter_map(|index| self.policy.role(*index))
            .flat_map(|role| {
                let rules = if is_deny { &role.deny } else { &role.allow };
                rules.related(Relation::Covers, &rule.pattern, &|a, b| self.is_same(a, b)).map(move |rule| (role, rule))
            })
            .filter(|(_, other)| !std::ptr::eq(*other, rule) && other.generosity() >= rule.generosity())
            // What is listed by name is not what a wildcard grants to those who ask.
            .filter(|(_, other)| is_deny || other.pattern.is_concrete() || !rule.pattern.is_concrete())
            // Of two in one table that say the same, only the later one is told.
            .filter(|(by, other)| {
                let says_same = rule.pattern.is_same(&other.pattern, &|a, b| self.is_same(a, b));
                own.is_none_or(|own| !std::ptr::eq(*by, own)) || !says_same || other.line < rule.line
            })
            .collect();
        let together = covering.iter().fold(Rights::NONE, |rights, (_, other)| rights.union(other.rights));
        // What has no right is a fault.
        if rule.rights.is_none() || !rule.rights.minus(together).is_none() {
            return;
        }
        let alone = covering.iter().find(|(_, other)| rule.rights.minus(other.rights).is_none());
        let one_each = || {
            let having = |permission| covering.iter().find(move |(_, other)| other.rights.has(permission));
            rule.rights.permissions().filter_map(having).collect()
        };
        let others: Vec<_> = alone.map_or_else(one_each, |alone| vec![alone]);
        let told = others
            .iter()
            .map(|(role, other)| format!("{} of {} (line {})", quoted(&other.pattern.text), role.name, other.line));
        let told = told.collect::<Vec<_>>().join(" and ");
        let does = if is_deny { "takes" } else { "grants" };
        let (do_not, advice) = match others.as_slice() {
            [_] => ("does not", "take one of the two out"),
            _ => ("together do not", "take it out, or those two"),
        };
        let message = format!("{} {does} nothing that {told} {do_not}", quoted(&rule.pattern.text));
        lints.add("covered-rule", &rule.place, message, advice);
    }

    /// Whether two placeholders of this policy stand for the same values in every session.
    fn is_same(&self, one: usize, other: usize) -> bool {
        let placeholders = &self.policy.placeholders;
        placeholders.is_same(one, placeholders, other)
    }

    fn lint_literals(rule: &Rule, lints: &mut Lints) {
        for segment in &rule.pattern.segments {
            if let Segment::Literal(literal) = segment
                && let Some((meant, advice)) = meant(literal)
            {
                let message = format!("{} looks like {meant}, and is taken letter by letter", quoted(literal));
                lints.add("odd-literal", &rule.place, message, advice);
            }
        }
    }

    fn lint_idle(&self, rule: &Rule, lints: &mut Lints) {
        let mut allowed = self
            .policy
            .roles
            .iter()
            .flat_map(|role| role.allow.related(Relation::Overlaps, &rule.pattern, &|a, b| self.is_same(a, b)));
        if allowed.all(|other| other.rights.intersection(rule.rights).is_none()) {
            let message = format!("{} denies nothing: no role allows any of it", quoted(&rule.pattern.text));
            lints.add("idle-deny", &rule.place, message, "take it out, or see whether its pattern says what is meant");
        }
    }

    fn lint_absent(&self, rule: &Rule, is_for_guests: bool, lints: &mut Lints) {
        let may_lack = |placeholder: &&Placeholder| {
            is_for_guests || !(placeholder.is_issuer() || placeholder.claim() == "sub" || placeholder.claim() == "/sub")
        };
        let lacking =
            rule.pattern.placeholders().filter_map(|index| self.policy.placeholders.get(index)).find(may_lack);
        if let Some(placeholder) = lacking {
            let message = format!(
                "where the claim of {placeholder} is absent or does not fit, {} denies everything in its place",
                quoted(&rule.pattern.text)
            );
            let advice = "a deny fails closed: be sure that every session has the claim, or put * in its place";
            lints.add("absent-claim-deny", &rule.place, message, advice);
        }
    }

    fn lint_users_own(&self, pattern: &Pattern, place: &Place, lints: &mut Lints) {
        let mut seen: Vec<&Placeholder> = Vec::new();
        for placeholder in pattern.placeholders().filter_map(|index| self.policy.placeholders.get(index)) {
            if seen.iter().any(|known| known.is_same(placeholder)) {
                continue;
            }
            seen.push(placeholder);
            let claim = placeholder.claim();
            let is_profile = PROFILE.contains(&claim.strip_prefix('/').unwrap_or(claim));
            // Also as a part of a name: namespaced claims hold it at their end.
            if !placeholder.is_issuer() && (is_profile || USERS_OWN.iter().any(|own| claim.contains(own))) {
                let message = format!("with many providers users can write the claim of {placeholder} themselves");
                let advice = "take one that only the provider or your back end writes, as {sub} or {/app_metadata/…}; if \
                              yours is one, say so in a comment";
                lints.add("user-editable-claim", place, message, advice);
            }
        }
    }

    fn lint_reach(&self, aliases: &BTreeSet<String>, lints: &mut Lints) {
        let is_claimable = |role: &Role| {
            aliases.is_empty() || role.issuers.as_ref().is_none_or(|issuers| !issuers.is_disjoint(aliases))
        };
        let claimed =
            self.policy.claimed.values().flatten().filter(|role| self.policy.role(**role).is_some_and(is_claimable));
        let given = self.policy.default_role.into_iter().chain(self.policy.guest.as_ref().map(|guest| guest.role));
        let had: BTreeSet<usize> = claimed.copied().chain(given).flat_map(|role| self.policy.closure(role)).collect();
        for (_, role) in self.policy.roles.iter().enumerate().filter(|(index, _)| !had.contains(index)) {
            let why = if role
                .issuers
                .as_ref()
                .is_some_and(|issuers| !aliases.is_empty() && issuers.is_disjoint(aliases))
            {
                "none of its issuers is configured"
            } else {
                "it cannot be claimed, and no role that somebody has includes it, nor is it that of [defaults] or [guest]"
            };
            let message = format!("nobody can have the role {}: {why}", quoted(&role.name));
            lints.add("unreachable-role", &role.place, message, "let it be claimed or included, or take it out");
        }
    }
}

/// What a literal was probably meant for, and what to write instead.
fn meant(literal: &str) -> Option<(&'static str, String)> {
    if let Some(name) = placeholder_name(literal).filter(|name| NAMES.contains(&name.to_lowercase().as_str())) {
        return Some(("a placeholder of another language", format!("write {{{name}}} for the claim of that name")));
    }
    let is_anchored = literal.starts_with('^') && literal.ends_with('$');
    if is_anchored || literal.ends_with(".+") || EXPRESSIONS.iter().any(|part| literal.contains(part)) {
        return Some(("a regular expression", "write `*` for any one segment, or a placeholder".to_owned()));
    }
    None
}

/// `$sub`, `:sub`, `<sub>`, `%sub%`, `[sub]`.
fn placeholder_name(literal: &str) -> Option<&str> {
    let closed = [('<', '>'), ('%', '%'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| literal.strip_prefix(open)?.strip_suffix(close));
    closed.or_else(|| literal.strip_prefix(['$', ':']))
}
