//! The service in this process and its sandbox, each on a port of its own.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use secrecy::{SecretSlice, SecretString};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use usher::api::{AllowedOrigin, App, CookieSettings, Decisions, Parts, Shedding, TrustedProxies};
use usher::limits::{Limits, LimitsSettings, RateSettings};
use usher::listener::{ConnectionSettings, Tls};
use usher::policy::Policy;
use usher::session::{IssuerSettings, KeySettings, Verifier};
use usher::signalwire::{Client, SignalWireSettings};

use super::http;
use super::sandbox::RunningSandbox;
use super::{API_TOKEN, AUDIENCE, ISSUER, PROJECT, SECRET};

/// The origin whose pages may read the tests' answers.
pub(crate) const ORIGIN: &str = "https://app.example.com";

/// A policy that grants each role something.
pub(crate) const POLICY: &str = r#"
version = 1
[member]
state = { name = "{name}" }
client_state = ["status"]
[roles.customer.channels]
"announcements" = ["read"]
"support:{sub}" = ["read", "write"]
[roles.agent.channels]
"support:*" = ["read", "write"]
[roles.muted.deny]
"**" = ["write"]
[blocked]
members = ["mallory"]
"#;

/// How a service of a test differs from the usual one.
pub(crate) struct Setup {
    pub(crate) policy: String,
    pub(crate) issuers: Vec<IssuerSettings>,
    pub(crate) limits: LimitsSettings,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) max_in_flight: usize,
    pub(crate) max_queued: usize,
    pub(crate) narrow: bool,
    pub(crate) max_body: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) upstream_timeout: Duration,
    /// Another SignalWire than the sandbox.
    pub(crate) space: Option<String>,
    pub(crate) api_token: String,
    pub(crate) origins: Vec<String>,
    pub(crate) connections: ConnectionSettings,
    pub(crate) cookie: Option<CookieSettings>,
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: POLICY.to_owned(),
            issuers: vec![issuer("app", ISSUER)],
            limits: LimitsSettings::default(),
            trusted_proxies: Vec::new(),
            max_in_flight: 256,
            max_queued: 64,
            narrow: true,
            max_body: 256 * 1024,
            request_timeout: Duration::from_secs(15),
            upstream_timeout: Duration::from_secs(5),
            space: None,
            api_token: API_TOKEN.to_owned(),
            origins: vec![ORIGIN.to_owned()],
            connections: ConnectionSettings::default(),
            cookie: None,
            tls: None,
        }
    }
}

/// An issuer with the tests' shared secret.
pub(crate) fn issuer(name: &str, iss: &str) -> IssuerSettings {
    IssuerSettings::new(name, iss, AUDIENCE, KeySettings::Secret(SecretSlice::from(SECRET.as_bytes().to_vec())))
}

/// No limit but this one.
pub(crate) fn per_member(rate: RateSettings) -> LimitsSettings {
    LimitsSettings { per_member: Some(rate), ..LimitsSettings::default() }
}

/// A running service and the sandbox at which it mints. Its [`http::Client`]'s methods are its own.
pub(crate) struct Service {
    pub(crate) client: http::Client,
    pub(crate) sandbox: RunningSandbox,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with_policy(policy: &str) -> Self {
        Self::with(Setup { policy: policy.to_owned(), ..Setup::default() }).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let sandbox = RunningSandbox::start().await;
        let space = setup.space.clone().unwrap_or_else(|| sandbox.url.clone());
        let (connections, tls) = (setup.connections, setup.tls.clone());
        let (url, task) = serve(tls, app(setup, &space).router(None), connections).await;
        Self { client: http::Client::new(url), sandbox, task }
    }

    /// The payload of the token in a response, as SignalWire reads it.
    pub(crate) fn payload(&self, response: &Value) -> Value {
        self.sandbox.payload(response)
    }
}

impl Deref for Service {
    type Target = http::Client;

    fn deref(&self) -> &http::Client {
        &self.client
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves this over a socket of its own; its address.
pub(crate) async fn serve(
    tls: Option<Arc<Tls>>,
    router: axum::Router,
    connections: ConnectionSettings,
) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    let serving =
        usher::listener::serve(listener, tls, router, connections, CancellationToken::new(), TaskTracker::new());
    (url, tokio::spawn(serving))
}

/// The service itself, without a listener. The one place where the tests assemble it.
pub(crate) fn app(setup: Setup, space: &str) -> App {
    let verifier = Arc::new(Verifier::open(setup.issuers).unwrap().remembering());
    let aliases: BTreeSet<String> = verifier.aliases();
    let policy = Policy::compile("policy.toml", &setup.policy, &aliases).unwrap_or_else(|faults| panic!("{faults}"));
    let signalwire = Client::new(&SignalWireSettings {
        space: space.parse().unwrap(),
        project_id: PROJECT.to_owned(),
        api_token: SecretString::from(setup.api_token),
        connect_timeout: Duration::from_secs(2),
        timeout: setup.upstream_timeout,
        max_in_flight: setup.max_in_flight,
        max_queued: setup.max_queued,
        api_token_file: None,
        ca_file: None,
    });
    let signalwire = Arc::new(signalwire.unwrap());
    let limits = Arc::new(Limits::open(setup.limits).unwrap());
    let shedding = Arc::<Shedding>::default();
    let status = usher::service::status("policy.toml", &policy, &verifier, &limits, &signalwire, &shedding);
    let proxies = setup.trusted_proxies.iter().map(|text| TrustedProxies::parse(text).unwrap());
    App::new(Parts {
        policy: ArcSwap::from_pointee(policy),
        verifier,
        limits,
        signalwire,
        narrow: setup.narrow,
        max_body: setup.max_body,
        request_timeout: setup.request_timeout,
        trusted_proxies: TrustedProxies::new(proxies.collect()),
        origins: setup.origins.iter().map(|origin| AllowedOrigin::parse(origin).unwrap()).collect(),
        cookie: setup.cookie,
        status,
        shedding,
        decisions: Decisions::default(),
    })
}
