//! The settings that there are: the one table that files and environment are read against, and the defaults.

use crate::schema::{Key, Kind};
use crate::session::Algorithm;
use crate::telemetry::log::LogSettings;

const DURATION: Kind = Kind::Duration { zero: false };
const DURATION_OR_ZERO: Kind = Kind::Duration { zero: true };
static TEXT: Kind = Kind::Text;
static ALGORITHM: Kind = Kind::Word(&Algorithm::NAMES);
static RATE: Kind = Kind::Table(RATE_KEYS);

const fn texts(at_least: usize) -> Kind {
    Kind::List { of: &TEXT, distinct: true, at_least }
}

/// Every setting.
pub static KEYS: &[Key] = &[
    Key::optional("server", Kind::Table(SERVER), "the public listener"),
    Key::optional("ops", Kind::Table(OPS), "the operator's listener"),
    Key::optional("cors", Kind::Table(CORS), "browsers"),
    Key::optional("signalwire", Kind::Table(SIGNALWIRE), "SignalWire and the credentials there"),
    Key::optional("session", Kind::Table(SESSION), "whose sessions are taken"),
    Key::optional("policy", Kind::Table(POLICY), "the policy file"),
    Key::optional("limits", Kind::Table(LIMITS), "how often anybody may ask"),
    Key::optional("log", Kind::Table(LOG), "the log on standard error"),
    Key::optional("telemetry", Kind::Table(TELEMETRY), "traces"),
];

static SERVER: &[Key] = &[
    Key::optional("listen", Kind::Text, "address and port of the public listener"),
    Key::optional("max_body", Kind::Size, "the largest request body"),
    Key::optional("header_timeout", DURATION, "from a head's first byte to its end; of the first: from connecting"),
    Key::optional("keep_alive", DURATION, "how long a connection without a request is kept"),
    Key::optional("request_timeout", DURATION, "the whole request"),
    Key::optional("max_connections", Kind::Integer(1, 1_000_000), "how many there are at once; the next one waits"),
    Key::optional("trusted_proxies", texts(0), "the networks of proxies whose X-Forwarded-For is believed"),
    Key::optional("shutdown_delay", DURATION_OR_ZERO, "not ready, but serving on, for load balancers to notice"),
    Key::optional("shutdown_grace", DURATION, "then what is in flight may take so long to finish"),
    Key::optional("tls", Kind::Table(TLS), "TLS on the public listener; absent: plain HTTP, for a proxy in front"),
];

static TLS: &[Key] = &[
    Key::optional("cert_file", Kind::Text, "the certificate as PEM, then those that lead to its CA"),
    Key::optional("key_file", Kind::Text, "its private key as PEM, unencrypted"),
];

static OPS: &[Key] = &[Key::optional("listen", Kind::Text, "address and port, never public; absent: no such listener")];

static CORS: &[Key] = &[Key::optional("allowed_origins", texts(0), "the origins whose pages may read answers")];

static SIGNALWIRE: &[Key] = &[
    Key::optional("space", Kind::Text, "the space: a name, a host or a URL"),
    Key::optional("project_id", Kind::Text, "the project's id"),
    Key::optional("api_token", Kind::Secret, "the API token, with the Chat scope"),
    Key::optional("api_token_file", Kind::Text, "a file that holds the API token"),
    Key::optional("allow_http", Kind::Boolean, "plain http:// beyond loopback, for a sandbox on a private network"),
    Key::optional("connect_timeout", DURATION, "to have a connection"),
    Key::optional("timeout", DURATION, "each call"),
    Key::optional("max_in_flight", Kind::Integer(1, 1_000_000), "how many calls there are at once"),
    Key::optional("max_wait", DURATION_OR_ZERO, "how long a request may wait for one of these to end")
        .replacing("max_queued"),
    Key::optional("ca_file", Kind::Text, "a private CA's certificates as PEM"),
];

static SESSION: &[Key] = &[
    Key::optional("issuers", Kind::Tables(ISSUER), "the issuers, at least one"),
    Key::optional("remember", Kind::Boolean, "whether a verified signature is remembered"),
    Key::optional("cookie", Kind::Table(COOKIE), "sessions in a cookie; absent: in the Authorization header only"),
];

static COOKIE: &[Key] = &[
    Key::optional("name", Kind::Text, "the cookie's name"),
    Key::optional("guard_header", Kind::Text, "a header that only the operator's own pages can send"),
];

static ISSUER: &[Key] = &[
    Key::required("name", Kind::Text, "the alias: letters and digits"),
    Key::required("issuer", Kind::Text, "the exact `iss` of its tokens"),
    Key::required("audiences", texts(1), "whose tokens are for us; [\"any\"] accepts every audience and none"),
    Key::optional("audience_claim", Kind::Text, "the claim that names the audience"),
    Key::optional("roles", texts(1), "the claims that roles are read from; the first that is present counts"),
    Key::optional("discovery", Kind::Boolean, "the keys are where the issuer's own metadata says"),
    Key::optional("jwks_url", Kind::Text, "a JWK Set by URL"),
    Key::optional("jwks_file", Kind::Text, "a JWK Set in a file"),
    Key::optional("public_key_file", Kind::Text, "one public key as PEM"),
    Key::optional("secret", Kind::Secret, "a shared secret, for HMAC"),
    Key::optional("secret_file", Kind::Text, "a file that holds the shared secret"),
    Key::optional("secret_encoding", Kind::Word(&["utf8", "base64"]), "how the secret is written"),
    Key::optional("algorithms", Kind::List { of: &ALGORITHM, distinct: true, at_least: 1 }, "the only algorithms"),
    Key::optional("leeway", DURATION_OR_ZERO, "how far its clock may be ahead; for nbf and iat only"),
    Key::optional("max_age", DURATION, "sessions older than this by their iat are over"),
    Key::optional("outlive", DURATION_OR_ZERO, "how much longer than the session a chat token may live"),
    Key::optional("keys_max_stale", DURATION, "how long the last good keys serve while new ones cannot be had"),
    Key::optional("allow_http", Kind::Boolean, "plain http:// beyond loopback"),
    Key::optional("acknowledge_user_editable", Kind::Boolean, "roles come from metadata that users can edit"),
];

static POLICY: &[Key] = &[
    Key::optional("file", Kind::Text, "the policy file"),
    Key::optional("narrow", Kind::Boolean, "whether a client may ask for mode \"narrow\""),
    Key::optional("watch", Kind::Boolean, "whether a change of the file is noticed; false: on SIGHUP only"),
];

static LIMITS: &[Key] = &[
    Key::optional("per_member", Kind::OrWord("off", &RATE), "how often a member may ask"),
    Key::optional("per_address", Kind::OrWord("off", &RATE), "how often guests and failed sessions of one address may"),
    Key::optional(
        "store",
        Kind::Secret,
        "where that is counted: \"memory\", or the URL of a Redis that replicas share",
    ),
    Key::optional("store_file", Kind::Text, "a file that holds that URL"),
    Key::optional(
        "on_store_failure",
        Kind::Word(&["local", "refuse"]),
        "while that store is away: count here, or refuse",
    ),
];

static RATE_KEYS: &[Key] = &[
    Key::optional("rate", Kind::Text, "as in \"30/m\""),
    Key::optional("burst", Kind::Integer(1, 1_000_000_000), "how many may come at once"),
];

static LOG: &[Key] = &[
    Key::optional("format", Kind::Word(&["json", "pretty"]), "one JSON object a line, or for a person"),
    Key::optional("level", Kind::Word(LogSettings::LEVELS), "from which level on"),
];

static TELEMETRY: &[Key] =
    &[Key::optional("otlp_endpoint", Kind::Text, "the base URL of an OTLP collector (HTTP); absent: no traces")];

/// What holds where nothing else is said.
pub(super) const DEFAULTS: &str = r#"
[server]
listen = "127.0.0.1:8080"
max_body = "256KiB"
header_timeout = "5s"
keep_alive = "75s"
request_timeout = "15s"
max_connections = 10000
trusted_proxies = []
shutdown_delay = "0s"
shutdown_grace = "20s"
[ops]
[cors]
allowed_origins = []
[signalwire]
allow_http = false
connect_timeout = "2s"
timeout = "5s"
max_in_flight = 256
max_wait = "1s"
[session]
remember = true
[policy]
file = "config/policy.toml"
narrow = true
watch = true
[limits]
store = "memory"
on_store_failure = "local"
[limits.per_member]
rate = "30/m"
burst = 15
[limits.per_address]
rate = "120/m"
burst = 60
[log]
format = "json"
level = "info"
[telemetry]
"#;
