//! `usher dev`: service, sandbox and a throw-away issuer in one process, on loopback, with no account and no settings.
//! Knows everything; only `cli` knows it.

mod greeting;
mod issuer;
mod left_behind;
mod page;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::HOST;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::greeting::Addresses;
use self::page::Page;
use crate::api::{AllowedOrigins, App, Code, Decisions, Guard, Parts, Shedding, TrustedProxies};
use crate::chat::causes;
use crate::limits::{Limits, LimitsSettings};
use crate::listener::{bind, bind_near, reachable};
use crate::ops::clock;
use crate::policy::Policy;
use crate::sandbox::Sandbox;
use crate::service::{self, Lifetime, PolicyFile, Service};
use crate::session::Verifier;
use crate::settings::Environment;
use crate::signalwire::{Client, SignalWireSettings};

pub use issuer::{DevIssuer, NewSession, random_text};
pub use left_behind::LeftBehind;

/// The example policy, for where there is no other.
const BUILT_IN_POLICY: &str = include_str!("../../config/policy.toml");
/// Where a policy is looked for.
const POLICY_FILE: &str = "config/policy.toml";
/// The ports that are tried first.
const PORT: u16 = 8080;
const OPS_PORT: u16 = 9464;

/// What the command line says.
#[derive(Debug, Default)]
pub struct Options {
    /// The policy, instead of the usual ones.
    pub policy: Option<PathBuf>,
    /// Where to listen, instead of the usual ports.
    pub listen: Option<SocketAddr>,
    /// Whether that may be elsewhere than on loopback.
    pub allow_remote: bool,
}

/// A development service, ready to run.
pub struct Dev {
    /// The service.
    pub service: Service,
    /// What to tell the developer.
    pub greeting: String,
    /// The sandbox, which is serving.
    pub sandbox: Beside,
    /// What `usher session` finds it by; dropping it removes the file.
    pub left_behind: LeftBehind,
}

/// A sandbox that serves beside the service.
pub struct Beside {
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Beside {
    fn serve(sandbox: Sandbox, listener: TcpListener) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let served = tokio::spawn(async move {
            if let Err(error) = sandbox.serve(listener, stopped).await {
                tracing::error!("the sandbox ended: {error}");
            }
        });
        Self { stop, served }
    }

    /// Stops it; chats are told, and ended.
    pub async fn stop(self) {
        self.stop.cancel();
        // It is at its end in either case.
        let _ = self.served.await;
    }
}

/// Why it does not start.
#[derive(Debug)]
pub enum DevFault {
    /// The policy or an option is wrong.
    Settings(String),
    /// No port, no file.
    Failed(String),
}

/// Puts everything together and starts the sandbox.
///
/// # Errors
/// Where the policy is faulty, or no port or file can be had.
pub async fn start(options: Options, environment: &Environment) -> Result<Dev, DevFault> {
    loopback_alone("dev", options.listen, options.allow_remote).map_err(DevFault::Settings)?;
    let is_remote = options.listen.is_some_and(|address| !address.ip().is_loopback());
    let issuer = DevIssuer::new();
    let (policy_name, policy_file, policy) = policy(options.policy.as_deref(), &issuer)?;
    let verifier = Verifier::open(vec![issuer.settings()]).map_err(|_| failed("the throw-away issuer has no key"))?;
    let verifier = Arc::new(verifier);

    let (project_id, api_token) = (uuid::Uuid::new_v4().to_string(), random_text());
    let sandbox = Sandbox::new(project_id.clone(), api_token.clone(), unix_seconds);
    // Whoever may reach the service chats over the sandbox's relay.
    let (sandbox, sandbox_listener) = match options.listen.filter(|_| is_remote) {
        Some(address) => (sandbox, bind(SocketAddr::new(address.ip(), 0)).await),
        None => (sandbox.for_this_machine_alone(), bind_near(0).await),
    };
    let sandbox_listener = sandbox_listener.map_err(failed)?;
    let space = address_of(&sandbox_listener)?;
    let sandbox = Beside::serve(sandbox, sandbox_listener);

    let signalwire = Client::new(&SignalWireSettings {
        space: space.clone(),
        project_id,
        api_token: SecretString::from(api_token),
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        max_in_flight: 256,
        max_queued: 64,
        api_token_file: None,
        ca_file: None,
    });
    let signalwire = Arc::new(signalwire.map_err(|fault| failed(causes(&fault)))?);
    let limits = Arc::new(Limits::open(LimitsSettings::default()).map_err(failed)?);
    let examples = greeting::Examples::of(&policy);
    let shedding = Arc::<Shedding>::default();
    let status = service::status(&policy_name, &policy, &verifier, &limits, &signalwire, &shedding);
    let app = App::new(Parts {
        policy: ArcSwap::from_pointee(policy),
        verifier,
        limits,
        signalwire,
        narrow: true,
        max_body: 256 * 1024,
        request_timeout: Duration::from_secs(15),
        trusted_proxies: TrustedProxies::default(),
        origins: AllowedOrigins::loopback(),
        cookie: None,
        status,
        shedding,
        decisions: Decisions::default(),
    });
    let listener = match options.listen {
        Some(address) => bind(address).await,
        None => bind_near(PORT).await,
    }
    .map_err(failed)?;
    let ops = bind_near(OPS_PORT).await.map_err(failed)?;
    let addresses = Addresses { usher: address_of(&listener)?, ops: address_of(&ops)?, sandbox: space };
    // Whoever runs it by cargo has no `usher` to call.
    let program = if environment.text("CARGO").is_some() { "cargo run --" } else { "usher" };
    let greeting = examples.text(&addresses, &policy_name, &issuer, program).map_err(failed)?;
    let page = Page::new(app.clone(), issuer.clone(), &addresses.sandbox, policy_file.is_some()).map_err(failed)?;
    let left_behind = LeftBehind::leave(environment, &addresses.usher, issuer).map_err(failed)?;
    let service = Service {
        app,
        more: page.routes(),
        listener,
        tls: None,
        guard: (!is_remote).then_some(guard as Guard),
        ops: Some(ops),
        // On loopback always.
        ops_guard: Some(guard),
        policy: policy_file,
        lifetime: Lifetime::default(),
    };
    Ok(Dev { service, greeting, sandbox, left_behind })
}

/// Refuses to run where SignalWire's real credentials are.
///
/// # Errors
/// What to do instead.
pub fn refuse_real_credentials(command: &str, environment: &Environment) -> Result<(), String> {
    environment.names_signalwire().map_or(Ok(()), |variable| {
        Err(format!(
            "error: {variable} is set, and `usher {command}` is no place for real credentials: unset it, or run \
             `usher serve`"
        ))
    })
}

/// Refuses to listen elsewhere than on loopback where nobody said that it is meant.
///
/// # Errors
/// What to do instead.
pub fn loopback_alone(command: &str, listen: Option<SocketAddr>, allow_remote: bool) -> Result<(), String> {
    if allow_remote || listen.is_none_or(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    Err(format!(
        "error: `usher {command}` listens on loopback only: whoever reaches it can be anybody. --allow-remote says that \
         this is meant"
    ))
}

/// INVARIANT: a page elsewhere that gives its name the address 127.0.0.1 (DNS rebinding) is served nothing.
fn guard(headers: &HeaderMap) -> Result<(), Code> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => return Err(Code::OriginRefused),
    };
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let is_ours = ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own));
    if is_ours { Ok(()) } else { Err(Code::OriginRefused) }
}

type OpenedPolicy = (String, Option<PolicyFile>, Policy);

fn policy(file: Option<&Path>, issuer: &DevIssuer) -> Result<OpenedPolicy, DevFault> {
    let usual = Path::new(POLICY_FILE);
    let aliases = BTreeSet::from([issuer.settings().name]);
    if let Some(path) = file.or_else(|| usual.exists().then_some(usual)) {
        let opened = PolicyFile::open(path, &aliases);
        let (file, policy) = opened.map_err(|unusable| DevFault::Settings(unusable.to_string()))?;
        return Ok((file.name(), Some(file), policy));
    }
    let name = "the built-in policy".to_owned();
    let policy = Policy::compile(&name, BUILT_IN_POLICY, &aliases);
    policy.map(|policy| (name, None, policy)).map_err(|faults| DevFault::Settings(faults.to_string()))
}

fn address_of(listener: &TcpListener) -> Result<Url, DevFault> {
    let address = listener.local_addr().map_err(failed)?;
    Url::parse(&format!("http://{}", reachable(address))).map_err(failed)
}

fn failed(why: impl std::fmt::Display) -> DevFault {
    DevFault::Failed(why.to_string())
}

/// The sandbox's clock.
#[must_use]
pub fn unix_seconds() -> u64 {
    u64::try_from(clock::now().seconds()).unwrap_or_default()
}
