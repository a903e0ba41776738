//! `usher dev`: service, sandbox and a throw-away issuer in one process, on loopback, with no account and no settings.
//! Knows everything; only `cli` knows it.

mod greeting;
mod issuer;
mod left_behind;
mod page;

use std::net::SocketAddr;
use std::path::PathBuf;

use http::HeaderMap;
use http::header::HOST;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use self::greeting::Addresses;
use self::page::Page;
use crate::api::{AllowedOrigins, ApiSettings, Code, Guard, single_header, split_port};
use crate::chat::causes;
use crate::listener::{bind, bind_near, reachable};
use crate::sandbox::Sandbox;
use crate::service::{BuildError, Listeners, PolicySource, Service, ServiceSettings};
use crate::session::is_loopback_host;
use crate::settings::Environment;
use crate::signalwire::SignalWireSettings;
use crate::telemetry::clock;

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
    /// Its sockets.
    pub listeners: Listeners,
    /// What to tell the developer.
    pub greeting: String,
    /// The sandbox, which is serving.
    pub sandbox: RunningSandbox,
    /// What `usher session` finds it by; dropping it removes the file.
    pub left_behind: LeftBehind,
}

/// A sandbox that serves alongside the service.
pub struct RunningSandbox {
    stop: CancellationToken,
    serving: TaskTracker,
}

impl RunningSandbox {
    fn serve(sandbox: Sandbox, listener: TcpListener) -> Self {
        let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone().cancelled_owned();
        serving.spawn(async move {
            if let Err(error) = sandbox.serve(listener, stopped).await {
                tracing::error!("the sandbox ended: {error}");
            }
        });
        serving.close();
        Self { stop, serving }
    }

    /// Stops it; chats are told, and ended.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.wait().await;
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
    let policy = policy_source(options.policy);

    let (project_id, api_token) = (uuid::Uuid::new_v4().to_string(), random_text());
    let sandbox = Sandbox::new(project_id.clone(), api_token.clone(), unix_seconds);
    // Whoever may reach the service chats over the sandbox's relay.
    let (sandbox, sandbox_listener) = match options.listen.filter(|_| is_remote) {
        Some(address) => (sandbox, bind(SocketAddr::new(address.ip(), 0)).await),
        None => (sandbox.for_this_machine_alone(), bind_near(0).await),
    };
    let sandbox_listener = sandbox_listener.map_err(failed)?;
    let space = address_of(&sandbox_listener)?;
    let sandbox = RunningSandbox::serve(sandbox, sandbox_listener);

    let signalwire = SignalWireSettings::new(space.clone(), project_id, SecretString::from(api_token));
    let settings = ServiceSettings::new(policy, vec![issuer.settings()], signalwire);
    let api = ApiSettings { origins: AllowedOrigins::loopback(), ..settings.api };
    let mut service = Service::build(ServiceSettings { api, ..settings }).map_err(|error| match error {
        BuildError::Policy(_) => DevFault::Settings(error.to_string()),
        _ => failed(error),
    })?;
    service.start().await.map_err(|error| failed(causes(&error)))?;
    let serving = sandbox.serving.clone();
    service.supervise("sandbox", async move { serving.wait().await });
    let public = match options.listen {
        Some(address) => bind(address).await,
        None => bind_near(PORT).await,
    }
    .map_err(failed)?;
    let admin = bind_near(OPS_PORT).await.map_err(failed)?;
    let addresses = Addresses { usher: address_of(&public)?, ops: address_of(&admin)?, sandbox: space };
    // Whoever runs it by cargo has no `usher` to call.
    let program = if environment.text("CARGO").is_some() { "cargo run --" } else { "usher" };
    let app = service.app().clone();
    let policy_name = app.status().policy().path().to_owned();
    let examples = greeting::Examples::of(&app.policy());
    let greeting = examples.text(&addresses, &policy_name, &issuer, program).map_err(failed)?;
    let page = Page::new(app, issuer.clone(), &addresses.sandbox, service.follows_policy()).map_err(failed)?;
    service.add_routes(page.routes());
    // The admin listener is on loopback always.
    service.guard_with((!is_remote).then_some(guard as Guard), Some(guard));
    let left_behind = LeftBehind::leave(environment, &addresses.usher, issuer).map_err(failed)?;
    Ok(Dev { service, listeners: Listeners { public, admin: Some(admin) }, greeting, sandbox, left_behind })
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
    let is_ours = single_header(headers, &HOST).is_some_and(|host| is_loopback_host(split_port(host).0));
    if is_ours { Ok(()) } else { Err(Code::OriginRefused) }
}

/// The file, else the usual one if it is there, else the built-in policy.
fn policy_source(file: Option<PathBuf>) -> PolicySource {
    let usual = PathBuf::from(POLICY_FILE);
    match file.or_else(|| usual.exists().then_some(usual)) {
        Some(path) => PolicySource::File { path, watch: true },
        None => PolicySource::Text { name: "the built-in policy".to_owned(), text: BUILT_IN_POLICY.to_owned() },
    }
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
