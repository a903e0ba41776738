//! The service in this process and its sandbox, each on a port of its own.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{SecretSlice, SecretString};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use usher::api::{AllowedOrigin, ApiSettings, CookieSettings, Guard, TrustedProxies};
use usher::limits::{LimitsSettings, RateSettings};
use usher::listener::{ConnectionSettings, Tls};
use usher::service::{Lifetime, PolicySource, ServiceSettings};
use usher::session::{IssuerSettings, KeySettings};
use usher::signalwire::SignalWireSettings;

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
    pub(crate) max_wait: Duration,
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
    pub(crate) guard: Option<Guard>,
    pub(crate) lifetime: Lifetime,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: POLICY.to_owned(),
            issuers: vec![issuer("app", ISSUER)],
            limits: LimitsSettings::default(),
            trusted_proxies: Vec::new(),
            max_in_flight: 256,
            max_wait: Duration::from_secs(1),
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
            guard: None,
            lifetime: Lifetime::default(),
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
        let (url, task) = serve(tls, router(setup, &space), connections).await;
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

/// The service itself, without a listener.
pub(crate) fn build(setup: Setup, space: &str) -> usher::service::Service {
    let policy = PolicySource::Text { name: "policy.toml".to_owned(), text: setup.policy };
    let token = SecretString::from(setup.api_token);
    let signalwire = SignalWireSettings {
        timeout: setup.upstream_timeout,
        max_in_flight: setup.max_in_flight,
        max_wait: setup.max_wait,
        ..SignalWireSettings::new(space.parse().unwrap(), PROJECT, token)
    };
    let proxies = setup.trusted_proxies.iter().map(|text| TrustedProxies::parse(text).unwrap());
    let api = ApiSettings {
        narrow: setup.narrow,
        max_body: setup.max_body,
        request_timeout: setup.request_timeout,
        trusted_proxies: TrustedProxies::new(proxies.collect()),
        origins: setup.origins.iter().map(|origin| AllowedOrigin::parse(origin).unwrap()).collect(),
        cookie: setup.cookie,
    };
    let settings = ServiceSettings {
        limits: setup.limits,
        api,
        lifetime: setup.lifetime,
        ..ServiceSettings::new(policy, setup.issuers, signalwire)
    };
    let mut service = usher::service::Service::build(settings).unwrap_or_else(|error| panic!("{error}"));
    service.guard_with(setup.guard, None);
    service
}

/// Its public API as a router.
pub(crate) fn router(setup: Setup, space: &str) -> axum::Router {
    axum::Router::new().fallback_service(build(setup, space).front())
}
