//! `usher dev`: service, sandbox and a throw-away issuer in one process, on loopback, with no account and no settings.
//! Knows everything; only `cli` knows it.

mod greeting;
mod issuer;
mod left_behind;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::HOST;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::api::{App, Code, Guard, Parts};
use crate::chat::causes;
use crate::limits::Limits;
use crate::ops::clock;
use crate::policy::Policy;
use crate::sandbox::Sandbox;
use crate::session::Verifier;
use crate::settings::Environment;
use crate::signalwire::{Client, SignalWireSettings};

pub use issuer::{DevIssuer, NewSession};
pub use left_behind::LeftBehind;

/// The example policy, for where there is no other.
const BUILT_IN_POLICY: &str = include_str!("../../config/policy.toml");
/// Where a policy is looked for.
const POLICY_FILE: &str = "config/policy.toml";
/// The port that is tried first.
const PORT: u16 = 8080;

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

/// A development service, ready to serve.
pub struct Dev {
    /// The service.
    pub app: App,
    /// Where it listens.
    pub listener: TcpListener,
    /// What looks at each request first.
    pub guard: Option<Guard>,
    /// What to tell the developer.
    pub greeting: String,
    /// The sandbox, which is serving.
    pub sandbox: JoinHandle<()>,
    /// What `usher session` finds it by; dropping it removes the file.
    pub left_behind: LeftBehind,
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
    let is_remote = options.listen.is_some_and(|address| !address.ip().is_loopback());
    if is_remote && !options.allow_remote {
        let text = "error: `usher dev` listens on loopback only: whoever reaches it can be anybody. --allow-remote says \
                    that this is meant";
        return Err(DevFault::Settings(text.to_owned()));
    }
    let issuer = DevIssuer::new();
    let (policy_name, policy) = policy(options.policy.as_deref(), &issuer)?;
    let verifier = Verifier::open(vec![issuer.settings()]).map_err(|_| failed("the throw-away issuer has no key"))?;

    let (project_id, api_token) = (uuid::Uuid::new_v4().to_string(), issuer::random_text());
    let sandbox = Sandbox::new(project_id.clone(), api_token.clone(), unix_seconds);
    let sandbox_listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let space = address_of(&sandbox_listener)?;
    let sandbox = tokio::spawn(async move {
        if let Err(error) = sandbox.serve(sandbox_listener, std::future::pending()).await {
            tracing::error!("the sandbox ended: {error}");
        }
    });

    let signalwire = Client::new(&SignalWireSettings {
        space: space.clone(),
        project_id,
        api_token: SecretString::from(api_token),
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        ca_file: None,
    });
    let examples = greeting::Examples::of(&policy);
    let app = App::new(Parts {
        policy: ArcSwap::from_pointee(policy),
        verifier,
        limits: Limits::new(None),
        signalwire: signalwire.map_err(|fault| failed(causes(&fault)))?,
        narrow: true,
        max_body: 256 * 1024,
        request_timeout: Duration::from_secs(15),
        decisions: TaskTracker::new(),
    });
    let listener = match options.listen {
        Some(address) => bind(address).await?,
        None => match TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await {
            Ok(listener) => listener,
            Err(_) => bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?,
        },
    };
    let address = address_of(&listener)?;
    let greeting = examples.text(&address, &space, &policy_name, &issuer).map_err(failed)?;
    let left_behind = LeftBehind::leave(environment, &address, issuer).map_err(failed)?;
    Ok(Dev { app, listener, guard: (!is_remote).then_some(guard as Guard), greeting, sandbox, left_behind })
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

fn policy(file: Option<&Path>, issuer: &DevIssuer) -> Result<(String, Policy), DevFault> {
    let usual = Path::new(POLICY_FILE);
    let (name, text) = match file.or_else(|| usual.exists().then_some(usual)) {
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path);
            let wrong = |error| DevFault::Settings(format!("error: the policy {name} cannot be read: {error}"));
            (name.clone(), text.map_err(wrong)?)
        }
        None => ("the built-in policy".to_owned(), BUILT_IN_POLICY.to_owned()),
    };
    let aliases = BTreeSet::from([issuer.settings().name]);
    let policy = Policy::compile(&name, &text, &aliases);
    policy.map(|policy| (name, policy)).map_err(|faults| DevFault::Settings(faults.to_string()))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, DevFault> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| failed(format!("{address} cannot be listened on: {error}")))
}

fn address_of(listener: &TcpListener) -> Result<Url, DevFault> {
    let address = listener.local_addr().map_err(failed)?;
    Url::parse(&format!("http://{address}")).map_err(failed)
}

fn failed(why: impl std::fmt::Display) -> DevFault {
    DevFault::Failed(why.to_string())
}

fn unix_seconds() -> u64 {
    u64::try_from(clock::now().seconds()).unwrap_or_default()
}
