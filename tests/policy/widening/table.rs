//! Changes by hand, each with what is to be said of it and of its reverse; and what cannot be proved.

use usher::analysis::changes_since;

use super::super::policy_for;
use super::gains;

const POLICY: &str = "\
[ttl]
default = '15m'
max = '2h'
min = '3m'
[member]
id = '{sub}'
state = { name = '{name}' }
client_state = ['status']
[roles.customer]
max_ttl = '1h'
[roles.customer.channels]
'announcements' = ['read']
'support:{sub}' = ['read', 'write']
'project:{/projects}' = ['read', 'write']
[roles.agent]
includes = ['customer']
claimed_as = ['agent', 'support-agents']
[roles.agent.channels]
'support:*' = ['read', 'write']
'desk' = ['read', 'write']
[roles.muted.deny]
'**' = ['write']
[roles.visitor]
claimed_as = []
max_ttl = '30m'
[roles.visitor.channels]
'announcements' = ['read']
'lobby:**' = ['read']
[roles.partner]
issuers = ['app']
[roles.partner.channels]
'partners:{/org}' = ['read']
[roles.partner.deny]
'partners:internal' = ['read']
[defaults]
role = 'customer'
[guest]
role = 'visitor'
max_ttl = '10m'
[blocked]
members = ['mallory']
";

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// Nothing is said differently.
    Same,
    /// Something is, and nobody gains.
    NoWider,
    Wider,
}

use Verdict::{NoWider, Same, Wider};

fn verdict(old: &str, new: &str) -> (Verdict, String) {
    let (old, new) = (policy_for(old, &["app"]), policy_for(new, &["app"]));
    let (changes, gains) = (changes_since(&old, &new), gains(&old, &new));
    let verdict = match (changes.is_empty(), gains.is_empty()) {
        (true, true) => Same,
        (false, true) => NoWider,
        (false, false) => Wider,
        (true, false) => panic!("it is wider, and nothing is said differently: {gains:#?}"),
    };
    (verdict, format!("{changes:#?}\n{gains:#?}"))
}

/// Every wrong verdict, both ways.
fn check(rows: &[(&str, String, String, Verdict, Verdict)]) {
    let mut wrong = Vec::new();
    for (name, old, new, forth, back) in rows {
        for (way, one, other, wanted) in [("forth", old, new, forth), ("back", new, old, back)] {
            let (found, why) = verdict(one, other);
            if found != *wanted {
                wrong.push(format!("{name}, {way}: {found:?}, not {wanted:?}\n{why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Where a text of the policy above is replaced by another, wherever it stands: what that is, and what its reverse.
const CHANGES: &[(&str, &str, &str, Verdict, Verdict)] = &[
    ("nothing", "[ttl]", "[ttl]", Same, Same),
    ("a comment and lines between", "[roles.muted", "\n# hush\n\n[roles.muted", Same, Same),
    ("the order of rights", "['read', 'write']", "['write', 'read']", Same, Same),
    ("another unit", "max = '2h'", "max = '120m'", Same, Same),
    ("a duration that is cut", "max_ttl = '1h'", "max_ttl = '3659s'", Same, Same),
    (
        "a default written out",
        "[roles.muted.deny]",
        "[roles.muted]\nclaimed_as = ['muted']\n[roles.muted.deny]",
        Same,
        Same,
    ),
    ("a separator written out", "[ttl]", "separator = ':'\n[ttl]", Same, Same),
    ("a pointer for a name", "{sub}", "{/sub}", Same, Same),
    ("a name for a pointer", "{/projects}", "{projects}", Same, Same),
    ("a pointer for a name in the state", "'{name}'", "'{/name}'", Same, Same),
    (
        "rules in another order",
        "'support:*' = ['read', 'write']\n'desk' = ['read', 'write']",
        "'desk' = ['read', 'write']\n'support:*' = ['read', 'write']",
        Same,
        Same,
    ),
    ("a rule taken out", "'desk' = ['read', 'write']\n", "", NoWider, Wider),
    ("a right taken out", "'desk' = ['read', 'write']", "'desk' = ['read']", NoWider, Wider),
    ("another right", "'lobby:**' = ['read']", "'lobby:**' = ['write']", Wider, Wider),
    ("a rule added beside a wildcard", "'desk' =", "'support:desk' = ['read']\n'desk' =", NoWider, NoWider),
    ("a template beside a wildcard", "'desk' =", "'support:{/desk}' = ['write']\n'desk' =", NoWider, NoWider),
    ("a rule that an included role has too", "'desk' =", "'announcements' = ['read']\n'desk' =", Wider, NoWider),
    ("a template for a wildcard", "'support:*'", "'support:{/desk}'", NoWider, Wider),
    ("a filtered template for a wildcard", "'support:*'", "'support:{/desk|sha256}'", NoWider, Wider),
    ("a filter taken off", "{/projects}", "{/projects|sha256}", Wider, Wider),
    ("a literal for a wildcard", "'support:*'", "'support:desk'", NoWider, Wider),
    ("one segment for many", "'lobby:**'", "'lobby:*'", NoWider, Wider),
    ("many segments, but two or more", "'lobby:**'", "'lobby:*:**'", NoWider, Wider),
    ("many segments for one", "'support:*'", "'support:**'", Wider, NoWider),
    ("another claim", "{/projects}", "{/teams}", Wider, Wider),
    ("a wildcard for a template", "'project:{/projects}'", "'project:*'", Wider, NoWider),
    ("a cap lowered", "max_ttl = '1h'", "max_ttl = '30m'", NoWider, Wider),
    ("a cap taken off", "[roles.customer]\nmax_ttl = '1h'\n", "[roles.customer]\n", Wider, NoWider),
    ("a cap over the maximum raised", "max_ttl = '1h'", "max_ttl = '2h'", Wider, NoWider),
    ("the default raised", "default = '15m'", "default = '30m'", NoWider, NoWider),
    ("the maximum lowered", "max = '2h'", "max = '90m'", NoWider, Wider),
    ("the least raised", "min = '3m'", "min = '5m'", NoWider, Wider),
    ("a deny added", "'**' = ['write']", "'**' = ['read', 'write']", NoWider, Wider),
    ("a deny taken out", "[roles.muted.deny]\n'**' = ['write']", "[roles.muted]", Wider, NoWider),
    ("a deny narrowed", "'**' = ['write']", "'support:**' = ['write']", Wider, NoWider),
    ("a deny widened", "'partners:internal' = ['read']", "'partners:*' = ['read']", NoWider, Wider),
    (
        "a deny of what nobody allows",
        "'**' = ['write']",
        "'**' = ['write']\n'elsewhere:**' = ['read']",
        NoWider,
        NoWider,
    ),
    ("a deny's right that nobody has", "internal' = ['read']", "internal' = ['read', 'write']", NoWider, NoWider),
    (
        "a deny split in two",
        "'**' = ['write']",
        "'*' = ['write']\n'*:**' = ['write']",
        // Together they are what it was, which is not seen.
        Wider,
        NoWider,
    ),
    ("a deny beside one that covers it", "'**' = ['write']", "'**' = ['write']\n'desk' = ['write']", NoWider, NoWider),
    (
        "an allow rule that the role's own deny takes",
        "'partners:{/org}' = ['read']",
        "'partners:{/org}' = ['read']\n'partners:internal' = ['read']",
        NoWider,
        NoWider,
    ),
    ("nothing included", "includes = ['customer']\n", "", NoWider, Wider),
    ("denies included", "includes = ['customer']", "includes = ['customer', 'muted']", NoWider, Wider),
    ("a name less", "'agent', 'support-agents'", "'agent'", NoWider, Wider),
    ("a name more", "'agent', 'support-agents'", "'agent', 'support-agents', 'clerk'", Wider, NoWider),
    ("a role renamed, its names kept", "roles.agent", "roles.desk", NoWider, NoWider),
    (
        "a role that is its own name renamed",
        "[roles.muted.deny]",
        "[roles.silent]\nclaimed_as = ['muted']\n[roles.silent.deny]",
        NoWider,
        NoWider,
    ),
    ("a role renamed, and its name with it", "[roles.muted.deny]", "[roles.silent.deny]", Wider, Wider),
    (
        "a rule split in two roles, one included",
        "[roles.customer]\nmax_ttl = '1h'\n[roles.customer.channels]\n'announcements' = ['read']\n\
         'support:{sub}' = ['read', 'write']",
        "[roles.reader]\nclaimed_as = []\nmax_ttl = '1h'\n[roles.reader.channels]\n'support:{sub}' = ['read']\n\
         [roles.customer]\nincludes = ['reader']\nmax_ttl = '1h'\n[roles.customer.channels]\n\
         'announcements' = ['read']\n'support:{sub}' = ['write']",
        NoWider,
        NoWider,
    ),
    (
        "a deny moved to a role that is included",
        "[roles.muted.deny]\n'**' = ['write']",
        "[roles.hush]\nclaimed_as = []\n[roles.hush.deny]\n'**' = ['write']\n[roles.muted]\nincludes = ['hush']",
        NoWider,
        NoWider,
    ),
    (
        "a role that nobody can have",
        "[roles.muted.deny]",
        "[roles.nobody]\nclaimed_as = []\n[roles.nobody.channels]\n'x' = ['read']\n[roles.muted.deny]",
        NoWider,
        NoWider,
    ),
    (
        "a role that denies alone",
        "[roles.muted.deny]",
        "[roles.banned.deny]\n'**' = ['read']\n[roles.muted.deny]",
        NoWider,
        Wider,
    ),
    (
        "a role that allows",
        "[roles.muted.deny]",
        "[roles.chief.channels]\n'x' = ['read']\n[roles.muted.deny]",
        Wider,
        Wider,
    ),
    ("no default role", "[defaults]\nrole = 'customer'\n", "", NoWider, Wider),
    ("a default role with more", "[defaults]\nrole = 'customer'", "[defaults]\nrole = 'agent'", Wider, NoWider),
    (
        "a default role with other rights",
        "[defaults]\nrole = 'customer'",
        "[defaults]\n\
     role = 'visitor'",
        Wider,
        Wider,
    ),
    ("no guests", "[guest]\nrole = 'visitor'\nmax_ttl = '10m'\n", "", NoWider, Wider),
    ("guests with another role", "[guest]\nrole = 'visitor'", "[guest]\nrole = 'customer'", NoWider, Wider),
    ("guests with a role without rights", "[guest]\nrole = 'visitor'", "[guest]\nrole = 'muted'", NoWider, Wider),
    ("the guests' cap lowered", "max_ttl = '10m'", "max_ttl = '5m'", NoWider, Wider),
    ("the guests' cap taken off", "max_ttl = '10m'\n", "", Wider, NoWider),
    ("a rule that no guest can fill in", "'lobby:**' =", "'rooms:{sub}' = ['write']\n'lobby:**' =", NoWider, NoWider),
    ("another issuer's sessions too", "issuers = ['app']", "issuers = ['app', 'other']", Wider, Wider),
    ("somebody blocked", "['mallory']", "['mallory', 'eve']", NoWider, Wider),
    ("another member id", "id = '{sub}'", "id = 'user:{sub}'", Wider, Wider),
    ("another state", "name = '{name}'", "name = '{nickname}'", NoWider, NoWider),
    ("no state", "state = { name = '{name}' }\n", "", NoWider, NoWider),
    ("a key less for clients", "['status']", "[]", NoWider, Wider),
    (
        "a key of the state left to clients",
        "state = { name = '{name}' }\nclient_state = ['status']",
        "client_state = ['status', 'name']",
        Wider,
        NoWider,
    ),
];

#[test]
fn a_change_of_a_policy_is_told_for_what_it_is() {
    let rows: Vec<_> = CHANGES
        .iter()
        .map(|(name, was, is, forth, back)| {
            assert!(POLICY.contains(was), "{name}: there is no {was}");
            ((*name), POLICY.to_owned(), POLICY.replace(was, is), *forth, *back)
        })
        .collect();
    assert!(rows.len() >= 40);
    check(&rows);
}

/// Pairs that have little of that policy.
const PAIRS: &[(&str, &str, &str, Verdict, Verdict)] = &[
    (
        "roles in another order",
        "[roles.a.channels]\n'x' = ['read']\n[roles.b]\nincludes = ['a']\n[roles.b.deny]\n'y' = ['read']\n\
         [guest]\nrole = 'a'\n",
        "[guest]\nrole = 'a'\n[roles.b.deny]\n'y' = ['read']\n[roles.b]\nincludes = ['a']\n[roles.a.channels]\n\
         'x' = ['read']\n",
        Same,
        Same,
    ),
    (
        "another separator",
        "[roles.a.channels]\n'x' = ['read']\n",
        "separator = '/'\n[roles.a.channels]\n'x' = ['read']\n",
        Wider,
        Wider,
    ),
    (
        "the maximum raised, and every rule has a cap below it",
        "[ttl]\nmax = '1h'\n[roles.a]\nmax_ttl = '30m'\n[roles.a.channels]\n'x' = ['read']\n",
        "[ttl]\nmax = '8h'\n[roles.a]\nmax_ttl = '30m'\n[roles.a.channels]\n'x' = ['read']\n",
        NoWider,
        NoWider,
    ),
    (
        "the maximum raised, and one rule has no cap",
        "[ttl]\nmax = '1h'\n[roles.a.channels]\n'x' = ['read']\n",
        "[ttl]\nmax = '8h'\n[roles.a.channels]\n'x' = ['read']\n",
        Wider,
        NoWider,
    ),
    (
        "a cap above the maximum, higher yet",
        "[roles.a]\nmax_ttl = '2h'\n[roles.a.channels]\n'x' = ['read']\n",
        "[roles.a]\nmax_ttl = '3h'\n[roles.a.channels]\n'x' = ['read']\n",
        NoWider,
        NoWider,
    ),
    (
        "the guests' cap above what their role has",
        "[roles.a]\nmax_ttl = '5m'\n[roles.a.channels]\n'x' = ['read']\n[guest]\nrole = 'a'\nmax_ttl = '5m'\n",
        "[roles.a]\nmax_ttl = '5m'\n[roles.a.channels]\n'x' = ['read']\n[guest]\nrole = 'a'\nmax_ttl = '50m'\n",
        NoWider,
        NoWider,
    ),
    (
        "a role that is included by another way too",
        "[roles.a]\n[roles.b]\nincludes = ['a']\n[roles.c]\nincludes = ['b']\n",
        "[roles.a]\n[roles.b]\nincludes = ['a']\n[roles.c]\nincludes = ['a', 'b']\n",
        Same,
        Same,
    ),
    (
        "both spellings of one rule, each with one right",
        "[roles.a.channels]\n'x:{sub}' = ['read', 'write']\n",
        "[roles.a.channels]\n'x:{sub}' = ['read']\n'x:{/sub}' = ['write']\n",
        Same,
        Same,
    ),
    (
        "a claim whose name begins as a pointer does",
        "[roles.a.channels]\n'x:{issuer}' = ['read']\n",
        "[roles.a.channels]\n'x:{/issuer}' = ['read']\n",
        Wider,
        Wider,
    ),
    (
        "a name with a slash, and a pointer to the same",
        "[roles.a.channels]\n'x:{https://example.com/org}' = ['read']\n",
        "[roles.a.channels]\n'x:{/https:~1~1example.com~1org}' = ['read']\n",
        Same,
        Same,
    ),
    (
        "an exception for an exception",
        "[roles.a.channels]\n'x:**' = ['read']\n[roles.a.deny]\n'x:secret' = ['read']\n",
        "[roles.a.channels]\n'x:open' = ['read']\n",
        NoWider,
        Wider,
    ),
    (
        "a deny that another role's rule needs",
        "[roles.a.deny]\n'x' = ['read']\n[roles.b.channels]\n'x' = ['read']\n",
        "[roles.a]\n[roles.b.channels]\n'x' = ['read']\n",
        Wider,
        NoWider,
    ),
    (
        "the default role's own deny, which nobody else has",
        "[roles.a]\nclaimed_as = []\n[roles.a.deny]\n'x' = ['read']\n[roles.b.channels]\n'x' = ['read']\n\
         [defaults]\nrole = 'a'\n",
        "[roles.a]\nclaimed_as = []\n[roles.b.channels]\n'x' = ['read']\n[defaults]\nrole = 'a'\n",
        NoWider,
        NoWider,
    ),
    (
        "a name that is no longer known falls to the default role",
        "[roles.a]\n[roles.b.channels]\n'x' = ['read']\n[defaults]\nrole = 'b'\n",
        "[roles.b.channels]\n'x' = ['read']\n[defaults]\nrole = 'b'\n",
        Wider,
        NoWider,
    ),
    (
        "a name that denies, for one issuer less",
        "[roles.a.deny]\n'x' = ['read']\n[roles.b.channels]\n'x' = ['read']\n",
        "[roles.a]\nissuers = ['app']\n[roles.a.deny]\n'x' = ['read']\n[roles.b.channels]\n'x' = ['read']\n",
        Wider,
        NoWider,
    ),
    (
        "a name that allows, for one issuer less",
        "[roles.b.channels]\n'x' = ['read']\n",
        "[roles.b]\nissuers = ['app']\n[roles.b.channels]\n'x' = ['read']\n",
        NoWider,
        Wider,
    ),
    (
        "a deny of a claim that fails closed, for one of everything",
        "[roles.a.channels]\n'x:*' = ['read']\n[roles.a.deny]\n'x:{n}' = ['read']\n",
        "[roles.a.channels]\n'x:*' = ['read']\n[roles.a.deny]\n'x:*' = ['read']\n",
        NoWider,
        Wider,
    ),
    (
        "a deny of another claim, which could fail closed elsewhere",
        "[roles.a.channels]\n'x:*' = ['read']\n[roles.a.deny]\n'x:{n}' = ['read']\n",
        "[roles.a.channels]\n'x:*' = ['read']\n[roles.a.deny]\n'x:{m}' = ['read']\n",
        Wider,
        Wider,
    ),
];

#[test]
fn a_pair_of_policies_is_told_for_what_it_is() {
    check(&PAIRS.iter().map(owned).collect::<Vec<_>>());
}

/// What nobody gains by, and what is called wider all the same, since it cannot be proved: the limits of the comparison.
const UNPROVED: &[(&str, &str, &str)] = &[
    (
        "a rule that two rules of before cover together",
        "[roles.a.channels]\n'x:*' = ['read']\n'x:*:**' = ['read']\n",
        "[roles.a.channels]\n'x:**' = ['read']\n",
    ),
    (
        "a deny that two denies of now cover together",
        "[roles.a.channels]\n'x:**' = ['read']\n[roles.a.deny]\n'x:**' = ['read']\n",
        "[roles.a.channels]\n'x:**' = ['read']\n[roles.a.deny]\n'x:*' = ['read']\n'x:*:**' = ['read']\n",
    ),
    (
        "a wider rule, and a deny of what it has more",
        "[roles.a.channels]\n'x:*' = ['read']\n",
        "[roles.a.channels]\n'x:**' = ['read']\n[roles.a.deny]\n'x:*:**' = ['read']\n",
    ),
    (
        "a new name for what everybody has who claims none",
        "[roles.a.channels]\n'x' = ['read']\n[defaults]\nrole = 'a'\n",
        "[roles.a]\nclaimed_as = ['a', 'b']\n[roles.a.channels]\n'x' = ['read']\n[defaults]\nrole = 'a'\n",
    ),
    (
        "another member id, and nobody is blocked",
        "[roles.a.channels]\n'x' = ['read']\n",
        "[member]\nid = '{sub|sha256}'\n[roles.a.channels]\n'x' = ['read']\n",
    ),
    (
        "the maximum raised, and the one rule without a cap is nobody's",
        "[roles.a]\nmax_ttl = '30m'\n[roles.a.channels]\n'x' = ['read']\n[roles.b]\nclaimed_as = []\n\
         [roles.b.channels]\n'y' = ['read']\n",
        "[ttl]\nmax = '2h'\n[roles.a]\nmax_ttl = '30m'\n[roles.a.channels]\n'x' = ['read']\n[roles.b]\n\
         claimed_as = []\n[roles.b.channels]\n'y' = ['read']\n",
    ),
    (
        "the least lowered, and no session's end is near enough",
        "[ttl]\nmin = '5m'\n[roles.a]\nclaimed_as = []\n[roles.a.channels]\n'x' = ['read']\n[guest]\nrole = 'a'\n",
        "[roles.a]\nclaimed_as = []\n[roles.a.channels]\n'x' = ['read']\n[guest]\nrole = 'a'\n",
    ),
    (
        "a deny taken out that reaches what only others allow who cannot be the same",
        "[roles.a]\nissuers = ['app']\n[roles.a.deny]\n'x' = ['read']\n[roles.b]\nissuers = ['other']\n\
         [roles.b.channels]\n'x' = ['read']\n",
        "[roles.a]\nissuers = ['app']\n[roles.b]\nissuers = ['other']\n[roles.b.channels]\n'x' = ['read']\n",
    ),
    (
        "a member who is no longer blocked, and never could be",
        "[roles.a.channels]\n'x' = ['read']\n[blocked]\nmembers = ['no:body']\n",
        "[roles.a.channels]\n'x' = ['read']\n",
    ),
];

#[test]
fn what_cannot_be_proved_counts_as_wider() {
    let rows = UNPROVED.iter().map(|(name, old, new)| ((*name), (*old).to_owned(), (*new).to_owned()));
    for (name, old, new) in rows {
        let (found, why) = verdict(&old, &new);
        assert_eq!(found, Wider, "{name}: it is proved now, which is a row for the table above\n{why}");
    }
}

fn owned<'a>(
    (name, old, new, forth, back): &(&'a str, &str, &str, Verdict, Verdict),
) -> (&'a str, String, String, Verdict, Verdict) {
    (name, (*old).to_owned(), (*new).to_owned(), *forth, *back)
}
