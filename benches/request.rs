//! A whole request in this process, everything on but the listener: from the request to the answer, SignalWire (the sandbox) asked over
//! loopback. `cargo bench --bench request 2> /dev/null`, as audit events go where they go in a service. The sandbox is on the same thread, so
//! that its part is in the figure too.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail loudly")]

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use divan::{Bencher, black_box};
use http::Request;
use http_body_util::BodyExt as _;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::{SecretSlice, SecretString};
use serde_json::json;
use tower::ServiceExt as _;
use usher::api::{AllowedOrigin, ApiSettings, Front};
use usher::limits::{LimitsSettings, RateSettings};
use usher::sandbox::Sandbox;
use usher::service::{PolicySource, Service, ServiceSettings};
use usher::session::{IssuerSettings, KeySettings};
use usher::signalwire::SignalWireSettings;
use usher::telemetry::log::{self, LogFormat, LogSettings};

const SECRET: &[u8] = b"thirty-two bytes of a shared secret, or a few more";
const ISSUER: &str = "https://login.example.com/";
const ORIGIN: &str = "https://app.example.com";
const PROJECT: &str = "6f1f6c2e-9a51-4bb5-a6b4-2f0d9a1f6c11";
const API_TOKEN: &str = "an-api-token";

fn main() {
    // So that events are written by a thread, as in a service.
    log::start(LogSettings { format: LogFormat::Json, level: tracing::Level::INFO }, None);
    divan::main();
}

/// A session that was seen before, for so many channels.
#[divan::bench(args = [1, 10, 499])]
fn mint_channels(bencher: Bencher<'_, '_>, channels: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let front = runtime.block_on(front(channels));
    let token = token();
    let ask = || {
        let request = Request::post("/chat-token").header("authorization", format!("Bearer {token}"));
        let request = request.header("origin", ORIGIN).body(Body::empty()).unwrap();
        runtime.block_on(async {
            let answer = front.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            assert_eq!(answer.status(), 200);
            answer.into_body().collect().await.unwrap().to_bytes()
        })
    };
    bencher.bench_local(|| black_box(ask()));
}

/// A session with a broken signature.
#[divan::bench]
fn refuse(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let front = runtime.block_on(front(1));
    let token = token();
    let broken = token.get(..token.len() - 6).unwrap().to_owned() + "AAAAAA";
    let ask = || {
        let request = Request::post("/chat-token").header("authorization", format!("Bearer {broken}"));
        let request = request.body(Body::empty()).unwrap();
        runtime.block_on(async {
            let answer = front.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            assert_eq!(answer.status(), 401);
        });
    };
    bencher.bench_local(ask);
}

/// A service and, on the same runtime, the sandbox that it asks.
async fn front(channels: usize) -> Front {
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let space = format!("http://{}", upstream.local_addr().unwrap());
    let sandbox = Sandbox::new(PROJECT, API_TOKEN, || usher::telemetry::clock::now().seconds().unsigned_abs());
    tokio::spawn(async move { drop(sandbox.serve(upstream, std::future::pending()).await) });

    let keys = KeySettings::Secret(SecretSlice::from(SECRET.to_vec()));
    let mut policy = "version = 1\n[roles.customer.channels]\n\"own:{sub}\" = [\"read\", \"write\"]\n".to_owned();
    (0..channels).for_each(|channel| writeln!(policy, "\"room:{channel}\" = [\"read\"]").unwrap());
    let signalwire = SignalWireSettings::new(space.parse().unwrap(), PROJECT, SecretString::from(API_TOKEN));
    let rate = RateSettings { period: Duration::from_micros(1), burst: std::num::NonZeroU32::MAX };
    let settings = ServiceSettings::new(
        PolicySource::Text { name: "bench".to_owned(), text: policy },
        vec![IssuerSettings::new("app", ISSUER, "api", keys)],
        signalwire,
    );
    let limits = LimitsSettings { per_member: Some(rate), per_address: Some(rate), ..LimitsSettings::default() };
    let api = ApiSettings { origins: AllowedOrigin::parse(ORIGIN).into_iter().collect(), ..ApiSettings::default() };
    let service = Service::build(ServiceSettings { limits, api, ..settings });
    service.unwrap_or_else(|error| panic!("{error}")).front()
}

fn token() -> String {
    let now = usher::telemetry::clock::now().seconds();
    let claims =
        json!({"iss": ISSUER, "aud": "api", "sub": "alice", "iat": now, "exp": now + 36_000, "roles": ["customer"]});
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}
