//! What `policy.md` says is true of the rights and of the ttl, in 10,000 worlds each (fewer by default: see
//! tests/support/worlds.rs).

mod model;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use usher::chat::{Ask, ChannelName};
use usher::policy::{Account, LimitedBy, Verdict};

use self::model::{Role, Segment, World, deny_rule, world};
use super::{NOW, policy};
use crate::support::worlds;

/// How many worlds there are in full.
const WORLDS: u32 = 10_000;

/// A right: a channel and whether it is to write.
type Rights = BTreeSet<(String, bool)>;

fn decided(world: &World) -> Account {
    policy(&world.policy()).evaluate(&world.facts(), &world.ask(), NOW)
}

fn granted(account: &Account) -> Rights {
    let allowed = account.rights.iter().filter(|right| right.is_allowed());
    allowed.map(|right| (right.channel.to_string(), right.permission.as_str() == "write")).collect()
}

/// How often a case reached what.
#[derive(Default)]
struct Hits(RefCell<BTreeMap<&'static str, u32>>);

impl Hits {
    fn count(&self, world: &World, account: &Account) {
        let own: BTreeSet<String> = world.claimed.iter().map(|role| format!("r{role}")).collect();
        let mut reached: BTreeSet<&'static str> = BTreeSet::new();
        for right in account.rights.iter() {
            match &right.verdict {
                Verdict::Denied { .. } => drop(reached.insert("a deny")),
                Verdict::NoRule => drop(reached.insert("no rule")),
                Verdict::Allowed { by, cap } => {
                    reached.insert("an allow");
                    if !own.contains(&*by.role) {
                        reached.insert("an included or default role");
                    }
                    if by.pattern.contains("{list") {
                        reached.insert("a list");
                    }
                    if by.pattern.contains('|') {
                        reached.insert("a filter");
                    }
                    if by.pattern.contains('*') {
                        reached.insert("a wildcard");
                    }
                    if cap.is_some() {
                        reached.insert("a cap");
                    }
                }
            }
        }
        match (account.ttl.map(|ttl| ttl.limited_by), &account.outcome) {
            (Some(LimitedBy::Session), Ok(_)) => drop(reached.insert("the session's end")),
            (Some(LimitedBy::Session), Err(_)) => drop(reached.insert("an expiring session")),
            (Some(LimitedBy::Policy), _) => drop(reached.insert("a ttl by the policy")),
            _ => {}
        }
        for what in reached {
            *self.0.borrow_mut().entry(what).or_default() += 1;
        }
    }

    fn report(self, property: &str) {
        let hits = self.0.into_inner();
        let cases = worlds::share_of(WORLDS);
        println!("{property}: {hits:?} of {cases}");
        let all = [
            "a deny",
            "no rule",
            "an allow",
            "an included or default role",
            "a list",
            "a filter",
            "a wildcard",
            "a cap",
            "the session's end",
            "an expiring session",
            "a ttl by the policy",
        ];
        for what in all {
            let count = hits.get(what).copied().unwrap_or_default();
            assert!(worlds::is_enough(count, cases / 100), "{property}: only {count} of {cases} cases reached {what}");
        }
    }
}

/// Checks a property in many worlds, and that they reached what they should.
fn check<E: std::fmt::Debug>(
    property: &str,
    more: impl Strategy<Value = E>,
    test: impl Fn(&World, &Account, E) -> Result<(), TestCaseError>,
) {
    let hits = Hits::default();
    let config = Config { cases: worlds::share_of(WORLDS), failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(world(), more), |(world, more)| {
        let account = decided(&world);
        hits.count(&world, &account);
        test(&world, &account, more)
    });
    if let Err(error) = run {
        panic!("{property}: {error}");
    }
    hits.report(property);
}

#[test]
fn granted_is_what_was_asked_and_some_role_allows_and_none_denies() {
    check("granted = asked ∩ allows − denies", Just(()), |world, account, ()| {
        let granted = granted(account);
        for (name, write) in &granted {
            let asked = world.asked.as_ref().is_none_or(|asked| {
                asked.get(name).is_some_and(|(read, to_write)| if *write { *to_write } else { *read })
            });
            prop_assert!(asked, "{name} was not asked for");
            prop_assert!(!world.allowing(name, *write).is_empty(), "{name} is allowed by no role");
            prop_assert!(!world.denied(name, *write), "{name} is denied");
        }
        // And the other way round: what was asked for, allowed and not denied is granted.
        for (name, rights) in world.asked.iter().flatten() {
            for (write, wanted) in [(false, rights.0), (true, rights.1)] {
                let wanted = wanted && !world.allowing(name, write).is_empty() && !world.denied(name, write);
                prop_assert_eq!(wanted, granted.contains(&(name.clone(), write)), "{} {}", name, write);
            }
        }
        if let Ok(terms) = &account.outcome {
            let minted: Rights = terms
                .channels
                .iter()
                .flat_map(|(name, rights)| {
                    [(rights.read, false), (rights.write, true)].map(|(has, write)| (has, (name.to_string(), write)))
                })
                .filter_map(|(has, right)| has.then_some(right))
                .collect();
            prop_assert_eq!(minted, granted, "what goes upstream is what is granted");
        }
        Ok(())
    });
}

#[test]
fn what_was_found_out_for_others_with_the_same_roles_changes_nothing() {
    check("remembered = found out anew", world(), |world, _, other| {
        let (used, fresh, nothing) = (policy(&world.policy()), policy(&world.policy()), Ask::default());
        let before = World { claims: other.claims, ..world.clone() };
        let _ = used.evaluate(&before.facts(), &nothing, NOW);
        let account = used.evaluate(&world.facts(), &nothing, NOW);
        prop_assert_eq!(&account, &fresh.evaluate(&world.facts(), &nothing, NOW));
        let rights: Vec<_> = account.rights.iter().map(|right| (&right.channel, right.permission)).collect();
        prop_assert!(rights.is_sorted_by(|one, next| one < next), "each right once, in order: {:?}", rights);
        // Which goes another way.
        if let Ok(overview) = fresh.overview(&world.facts(), NOW) {
            let rights = |(name, rights): (&ChannelName, &usher::chat::Rights)| {
                rights.permissions().map(|right| (name.to_string(), right.as_str() == "write")).collect::<Vec<_>>()
            };
            prop_assert_eq!(granted(&account), overview.channels.iter().flat_map(rights).collect::<Rights>());
        }
        Ok(())
    });
}

#[test]
fn a_request_for_nothing_gets_every_concrete_name_and_no_other() {
    check("listed = concrete names", Just(()), |world, account, ()| {
        if world.asked.is_some() {
            return Ok(());
        }
        for (name, write) in granted(account) {
            let concrete = world.allowing(&name, write).into_iter().any(|(_, rule, _)| {
                !rule.segments.iter().any(|segment| matches!(segment, Segment::One | Segment::Rest))
            });
            prop_assert!(concrete, "{} is granted by a wildcard alone", name);
        }
        Ok(())
    });
}

#[test]
fn an_added_deny_never_adds_a_right() {
    check("an added deny", (any::<prop::sample::Index>(), deny_rule()), |world, account, (role, rule)| {
        let mut more = world.clone();
        let role = role.index(more.roles.len());
        more.roles[role].deny.retain(|known| known.pattern() != rule.pattern());
        let removed = more.roles[role].deny.len() < world.roles[role].deny.len();
        more.roles[role].deny.push(rule);
        prop_assume!(!removed);
        prop_assert!(granted(&decided(&more)).is_subset(&granted(account)));
        Ok(())
    });
}

#[test]
fn an_added_role_that_only_denies_never_adds_a_right() {
    check("an added deny-only role", deny_rule(), |world, account, rule| {
        // Beside a claimed role: alone it would take the default role's place, which only takes rights too.
        let mut more = world.clone();
        more.roles.push(Role { allow: Vec::new(), deny: vec![rule], cap: None, includes: Vec::new() });
        more.claimed.push(more.roles.len() - 1);
        prop_assert!(granted(&decided(&more)).is_subset(&granted(account)));
        Ok(())
    });
}

#[test]
fn a_removed_allow_rule_never_adds_a_right() {
    check(
        "a removed allow",
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        |world, account, (role, rule)| {
            let mut less = world.clone();
            let role = role.index(less.roles.len());
            if !less.roles[role].allow.is_empty() {
                let rule = rule.index(less.roles[role].allow.len());
                less.roles[role].allow.remove(rule);
            }
            prop_assert!(granted(&decided(&less)).is_subset(&granted(account)));
            Ok(())
        },
    );
}

#[test]
fn order_never_matters() {
    check("order", any::<[prop::sample::Index; 4]>(), |world, account, turns| {
        let mut other = world.clone();
        // Role names go with their roles, so that only their order in the file and in the claim changes.
        let turn = |list: &mut Vec<model::Rule>, by: &prop::sample::Index| {
            if !list.is_empty() {
                let by = by.index(list.len());
                list.rotate_left(by);
            }
        };
        for role in &mut other.roles {
            turn(&mut role.allow, &turns[0]);
            turn(&mut role.deny, &turns[1]);
            role.includes.reverse();
        }
        other.claimed.reverse();
        let text = reordered(&other.policy(), turns[2].index(other.roles.len()));
        let again = policy(&text).evaluate(&other.facts(), &other.ask(), NOW);
        prop_assert_eq!(granted(&again), granted(account));
        prop_assert_eq!(&again.outcome, &account.outcome);
        prop_assert_eq!(again.ttl, account.ttl);
        Ok(())
    });
}

/// The same file with the roles' tables in another order.
fn reordered(text: &str, by: usize) -> String {
    let (head, roles) = text.split_once("[roles.r0]").unwrap();
    let (roles, tail) = roles.split_once("[defaults]").unwrap_or((roles, ""));
    let whole = format!("[roles.r0]{roles}");
    let mut parts: Vec<String> = Vec::new();
    for line in whole.lines() {
        // Each role begins with its own table, which has `includes`.
        if line.starts_with("[roles.") && !line.contains(".channels") && !line.contains(".deny") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts.rotate_left(by);
    let tail = if tail.is_empty() { String::new() } else { format!("[defaults]{tail}") };
    format!("{head}{}{tail}", parts.concat())
}

#[test]
fn no_claim_reaches_a_name_outside_its_patterns_literal_prefix() {
    check("literal prefix", Just(()), |world, account, ()| {
        for (name, write) in granted(account) {
            let within = world.allowing(&name, write).into_iter().any(|(_, rule, _)| {
                let literals = rule.segments.iter().map_while(|segment| match segment {
                    Segment::Literal(text) => Some(*text),
                    _ => None,
                });
                name.split(':').zip(literals).all(|(part, literal)| part == literal)
            });
            prop_assert!(within, "{} is outside of every prefix", name);
        }
        Ok(())
    });
}

#[test]
fn a_ttl_is_at_most_each_of_its_bounds() {
    check("ttl", Just(()), |world, account, ()| {
        let Ok(terms) = &account.outcome else { return Ok(()) };
        let minutes = terms.ttl.minutes();
        prop_assert!(minutes >= 3 && minutes <= world.max);
        prop_assert!(minutes <= world.asked_ttl.unwrap_or(15));
        if let Some(left) = world.ends_in {
            prop_assert!(i64::from(minutes) * 60 <= left, "the token outlives the session");
        }
        for (name, write) in granted(account) {
            let caps = world.allowing(&name, write).into_iter().map(|(_, _, cap)| cap.unwrap_or(u32::MAX));
            prop_assert!(
                minutes <= caps.max().unwrap_or(0),
                "{} lives longer than its most generous rule allows",
                name
            );
        }
        // And it is one of them: nothing else shortens it.
        let rights = granted(account);
        let shortest = rights.iter().map(|(name, write)| {
            let caps = world.allowing(name, *write).into_iter().map(|(_, _, cap)| cap.unwrap_or(u32::MAX));
            caps.max().unwrap_or(0)
        });
        let left = world.ends_in.map_or(u32::MAX, |left| u32::try_from(left / 60).unwrap());
        let least = shortest.chain([world.max, world.asked_ttl.unwrap_or(15), left]).min();
        prop_assert_eq!(Some(minutes), least);
        Ok(())
    });
}
