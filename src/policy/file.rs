//! The keys that a policy file may have: the one table that the reader walks. Must not know what is done with them.

use crate::schema::{Key, Kind};

const DURATION: Kind = Kind::Duration { zero: false };
static NAME: Kind = Kind::Text;
static RIGHT: Kind = Kind::Word(&["read", "write"]);
static RIGHTS: Kind = Kind::List { of: &RIGHT, distinct: true, at_least: 1 };
static SCALAR: Kind = Kind::Scalar;
static ROLE: Kind = Kind::Table(ROLE_KEYS);

const fn names(distinct: bool, at_least: usize) -> Kind {
    Kind::List { of: &NAME, distinct, at_least }
}

/// The whole file.
pub static KEYS: &[Key] = &[
    Key::required("version", Kind::Integer(1, 1), "the version of this format, 1"),
    Key::optional("separator", Kind::Word(&[":", ".", "/", "#", "-", "_"]), "what splits channel names into segments"),
    Key::optional("ttl", Kind::Table(TTL_KEYS), "how long tokens live"),
    Key::optional("member", Kind::Table(MEMBER_KEYS), "who a token says that its holder is"),
    Key::required("roles", Kind::Map(&ROLE), "at least one role, as in [roles.customer.channels]"),
    Key::optional("defaults", Kind::Table(DEFAULTS_KEYS), "for a session with no known role"),
    Key::optional("guest", Kind::Table(GUEST_KEYS), "for a request without any credential; absent: refused"),
    Key::optional("blocked", Kind::Table(BLOCKED_KEYS), "who gets nothing, whatever the roles say"),
];

static TTL_KEYS: &[Key] = &[
    Key::optional("default", DURATION, "when the client asks for none; 15m"),
    Key::optional("max", DURATION, "nothing outlives this; 1h"),
    Key::optional("min", DURATION, "less than this is useless to the browser SDK; 3m"),
];

static MEMBER_KEYS: &[Key] = &[
    Key::optional("id", Kind::Text, "the member id, from claims; {sub}"),
    Key::optional("state", Kind::Map(&SCALAR), "the member state: constants, or a claim each"),
    Key::optional("client_state", names(true, 0), "keys of the state that a client may set itself; none"),
];

static ROLE_KEYS: &[Key] = &[
    Key::optional("max_ttl", DURATION, "how long a right lives that this table's own rules grant"),
    Key::optional("includes", names(true, 0), "roles whose rules come along, denies too"),
    Key::optional("claimed_as", names(true, 0), "the names in the session's role claim, instead of its own"),
    Key::optional("issuers", names(true, 1), "the issuers' aliases whose sessions may claim it"),
    Key::optional("channels", Kind::Map(&RIGHTS), "patterns and the rights that they grant"),
    Key::optional("deny", Kind::Map(&RIGHTS), "patterns and the rights that they take, whatever grants them"),
];

static DEFAULTS_KEYS: &[Key] = &[Key::optional("role", Kind::Text, "the role of a session with no known role")];

static GUEST_KEYS: &[Key] = &[
    Key::required("role", Kind::Text, "the role of a guest"),
    Key::optional("max_ttl", DURATION, "how long a guest's token lives at most"),
];

static BLOCKED_KEYS: &[Key] = &[Key::optional("members", names(true, 0), "member ids")];
