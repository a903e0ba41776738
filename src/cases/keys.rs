//! The keys that a file of tests may have: the one table that the reader walks. Must not know what is done with them.

use crate::schema::{Key, Kind};

const DURATION: Kind = Kind::Duration { zero: false };
static ANY: Kind = Kind::Any;
static RIGHT: Kind = Kind::Word(&["read", "write"]);
static RIGHTS: Kind = Kind::List { of: &RIGHT, distinct: true, at_least: 0 };

/// The whole file.
pub static KEYS: &[Key] = &[Key::required("test", Kind::Tables(TEST_KEYS), "at least one [[test]]")];

static TEST_KEYS: &[Key] = &[
    Key::required("name", Kind::Text, "what it says, as a sentence"),
    Key::optional("claims", Kind::Map(&ANY), "the session's claims, as in { sub = \"alice\", roles = [\"customer\"] }"),
    Key::optional("guest", Kind::Boolean, "true: a request without any credential, instead of claims"),
    Key::optional("issuer", Kind::Text, "the alias of the session's issuer; the only or first one"),
    Key::optional("expires_in", DURATION, "what is left of the session; for ever"),
    Key::optional("ask", Kind::Table(ASK_KEYS), "the request; one that asks for nothing in particular"),
    Key::required("expect", Kind::Table(EXPECT_KEYS), "what should come of it"),
];

static ASK_KEYS: &[Key] = &[
    Key::optional("channels", Kind::Map(&RIGHTS), "the channels by name, and what is asked for in each"),
    Key::optional("ttl", DURATION, "how long the token should live"),
    Key::optional("mode", Kind::Word(&["strict", "narrow"]), "what to do when more is asked than granted; strict"),
    Key::optional("state", Kind::Map(&ANY), "what the client adds to its member state"),
    Key::optional("member_id", Kind::Text, "the member id that the client names"),
];

static EXPECT_KEYS: &[Key] = &[
    Key::optional("grant", Kind::Map(&RIGHTS), "exactly what is granted"),
    Key::optional("denied", Kind::Map(&RIGHTS), "exactly what is refused of what was asked for"),
    Key::optional("ttl", DURATION, "how long the token lives"),
    Key::optional(
        "ttl_limited_by",
        Kind::Word(&["request", "default", "policy", "session"]),
        "the bound that the ttl comes from",
    ),
    Key::optional("member_id", Kind::Text, "who the token is for"),
    Key::optional("state", Kind::Map(&ANY), "exactly the member state"),
    Key::optional("problem", Kind::Text, "the code of the problem that the client is told"),
];
