//! `usher serve` as the benchmarks that need the whole of it have it: everything on, and limits that are never reached.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;

pub(crate) const PROJECT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const API_TOKEN: &str = "PT-of-the-benchmark";
const SECRET: &str = "thirty-two bytes of a shared secret, or a few more";
/// In the service's working directory.
const PUBLIC_KEY: &str = "public.pem";

const POLICY: &str = r#"
version = 1
[member]
state = { name = "{name}" }
[roles.customer.channels]
"announcements" = ["read"]
"support:{sub}" = ["read", "write"]
"#;

/// An issuer's key, as both sides have it.
pub(crate) struct Keys {
    algorithm: Algorithm,
    /// As a setting.
    setting: String,
    /// The file that it names.
    file: String,
    sign: EncodingKey,
}

impl Keys {
    /// A shared secret, or for ES256 a new pair.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        if algorithm == Algorithm::HS256 {
            let sign = EncodingKey::from_secret(SECRET.as_bytes());
            return Self { algorithm, setting: format!("secret = {SECRET:?}"), file: String::new(), sign };
        }
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let sign = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { algorithm, setting: format!("public_key_file = {PUBLIC_KEY:?}"), file: pair.public_key_pem(), sign }
    }

    /// A session for each of so many members.
    pub(crate) fn tokens(&self, members: usize) -> Vec<String> {
        let now = usher::telemetry::clock::now().seconds();
        let token = |member: usize| {
            let claims = json!({
                "iss": "https://login.example.com/", "aud": "api", "sub": format!("member-{member:05}"), "iat": now,
                "exp": now + 7_200, "roles": ["customer"], "name": "A Customer", "email": "customer@example.com",
            });
            jsonwebtoken::encode(&Header::new(self.algorithm), &claims, &self.sign).unwrap()
        };
        (0..members).map(token).collect()
    }
}

/// A running `usher serve`.
pub(crate) struct Service {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Service {
    /// Runs it `under` a program with its arguments; `space` is SignalWire's address.
    /// `settings`: more variables.
    pub(crate) fn start(under: &[&str], space: &str, keys: &Keys, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("policy.toml"), POLICY).unwrap();
        std::fs::write(directory.path().join(PUBLIC_KEY), &keys.file).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let setting = &keys.setting;
        let issuer =
            format!("[{{name = \"app\", issuer = \"https://login.example.com/\", audiences = [\"api\"], {setting}}}]");
        let limit = "{rate = \"1000000/s\", burst = 1000000}";
        let (program, arguments) = under.split_first().unwrap();
        let process = Command::new(program)
            .args(arguments)
            .args([env!("CARGO_BIN_EXE_usher"), "serve"])
            .current_dir(directory.path())
            .envs([
                ("SIGNALWIRE_SPACE", space),
                ("SIGNALWIRE_PROJECT_ID", PROJECT),
                ("SIGNALWIRE_API_TOKEN", API_TOKEN),
                ("USHER__POLICY__FILE", "policy.toml"),
                ("USHER__SESSION__ISSUERS", &issuer),
                ("USHER__SERVER__LISTEN", &address.to_string()),
                ("USHER__OPS__LISTEN", "127.0.0.1:0"),
                // On, and never reached.
                ("USHER__LIMITS__PER_MEMBER", limit),
                ("USHER__LIMITS__PER_ADDRESS", limit),
            ])
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = process.unwrap_or_else(|error| panic!("{program}: {error}"));
        let service = Self { process, address, _directory: directory };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return service;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("usher does not start");
    }

    /// Ends it as an operator would, and waits until it is over.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()), "it still runs");
        let ended = self.process.wait().unwrap();
        assert!(ended.success(), "it ended with {ended}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
