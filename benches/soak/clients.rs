//! The clients: members and guests who ask for this and that, who have no session, make mistakes, or hang up; and what each
//! answer is held against.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::ledger::{Record, any, guests};
use super::truth::{Ask, Who};
use super::{API_TOKEN, AUDIENCE, ISSUER, PROJECT, REDIS_PASSWORD, SECRET, World, truth};

/// An answer as it was had, and what may have been in force meanwhile.
struct Seen {
    id: String,
    sent: Instant,
    got: Instant,
    letters: Vec<char>,
    status: u16,
    body: Value,
}

impl Seen {
    fn code(&self) -> Option<String> {
        self.body["code"].as_str().map(str::to_owned)
    }
}

/// A session, as an application would sign it, with this changed.
pub(crate) fn session(who: &Who, random: &mut StdRng, secret: &str, change: impl FnOnce(&mut Value)) -> String {
    let now = usher::telemetry::clock::now().seconds();
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": who.sub(), "roles": who.roles(), "iat": now, "exp": now + 10_000,
        // No two are alike.
        "sid": random.random::<u64>(), "name": "Somebody", "email": "somebody@example.com",
    });
    if let Some(projects) = who.projects() {
        claims["projects"] = json!(projects);
    }
    change(&mut claims);
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// One client, for ever.
pub(crate) async fn client(world: Arc<World>, mut random: StdRng) {
    loop {
        sleep(Duration::from_micros(random.random_range(0..100_000))).await;
        let id = world.id();
        let mut random = StdRng::from_rng(&mut random);
        match random.random_range(0..100) {
            0..=61 => ask(&world, &mut random, id).await,
            62..=69 => grants(&world, &mut random, id).await,
            70..=77 => bad_session(&world, &mut random, id).await,
            78..=83 => bad_body(&world, &mut random, id).await,
            84..=85 => elsewhere(&world, &mut random, id).await,
            _ => hang_up(&world, &mut random, id).await,
        }
        if world.is_over() {
            return;
        }
    }
}

/// Has what remembers sessions filled, as it is in a service that has run for a day.
pub(crate) async fn warm_up(world: Arc<World>, mut random: StdRng, sessions: usize) {
    for _ in 0..sessions {
        let who = Who::Member(random.random_range(0..truth::MEMBERS));
        let token = session(&who, &mut random, SECRET, |_| {});
        let id = world.id();
        let request = world.client.get(format!("{}/chat-token/grants", world.service.url)).bearer_auth(token);
        if let Some(seen) = send(&world, request, id).await {
            world.ledger.add(&seen.id, record(&seen, false, &who));
        }
    }
}

fn somebody(world: &World, random: &mut StdRng) -> Who {
    let number = match random.random_range(0..100) {
        // Asks far too often.
        0..=3 => 10 + random.random_range(0..3),
        // Somebody whom a policy blocks.
        4..=7 => random.random_range(1..10),
        8..=27 => {
            let revoked = world.revocations.random(random);
            let number = revoked.and_then(|member| member.strip_prefix('m')?.parse().ok());
            number.unwrap_or_else(|| random.random_range(0..truth::MEMBERS))
        }
        _ => random.random_range(0..truth::MEMBERS),
    };
    Who::Member(number)
}

/// Its session, new or one that it has had before.
fn token_of(world: &World, who: &Who, random: &mut StdRng) -> Option<String> {
    let Who::Member(number) = who else { return None };
    let mut kept = world.sessions[*number].lock().unwrap();
    if kept.is_none() || random.random_bool(0.3) {
        *kept = Some(session(who, random, SECRET, |_| {}));
    }
    kept.clone()
}

fn address(random: &mut StdRng) -> String {
    // One of them asks far too often.
    let last = if random.random_bool(0.2) { 250 } else { random.random_range(0..250) };
    format!("203.0.113.{last}")
}

fn post(world: &World, random: &mut StdRng, token: Option<&str>) -> RequestBuilder {
    let request = world.client.post(format!("{}/chat-token", world.service.url));
    let request = request.header("x-forwarded-for", address(random));
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// Sends it, and checks what is so of every answer. None where there is none, which must not be.
async fn send(world: &World, request: RequestBuilder, id: String) -> Option<Seen> {
    let loaded = world.epochs.loaded();
    let sent = Instant::now();
    let answered = async {
        let answer = request.header("x-request-id", &id).send().await?;
        let (status, problem) = (answer.status().as_u16(), answer.headers().get("content-type").cloned());
        let echoed = answer.headers().get("x-request-id").is_some_and(|echoed| echoed == id.as_str());
        Ok::<_, reqwest::Error>((status, problem, echoed, answer.text().await?))
    };
    let (status, media_type, is_echoed, text) = match answered.await {
        Ok(answered) => answered,
        Err(error) => {
            world.findings.add("no answer", || format!("{id}: {error:?}"));
            return None;
        }
    };
    let (got, letters) = (Instant::now(), world.epochs.since(loaded));
    world.count(&format!("{status}"));
    for secret in [API_TOKEN, SECRET, REDIS_PASSWORD] {
        if text.contains(secret) {
            world.findings.add("secret answered", || format!("{id}: {text}"));
        }
    }
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let seen = Seen { id, sent, got, letters, status, body };
    let code = seen.code();
    if status >= 400 {
        let known = code.as_ref().and_then(|code| world.documented.get(code));
        let is_problem = media_type.is_some_and(|media_type| media_type == "application/problem+json")
            && seen.body["request_id"] == seen.id.as_str()
            && seen.body["status"] == status;
        if known != Some(&status) || !is_problem {
            world.findings.add("no documented problem", || format!("{}: {status} {text}", seen.id));
        }
        if let Some(code) = &code {
            world.count(code);
        }
        if [
            "internal_error",
            "session_keys_unavailable",
            "limits_unavailable",
            "not_ready",
            "request_timeout",
            "origin_refused",
        ]
        .contains(&code.as_deref().unwrap_or_default())
        {
            world.findings.add("a problem that has no reason here", || format!("{}: {text}", seen.id));
        }
    }
    if !is_echoed {
        world.findings.add("another request's id", || seen.id.clone());
    }
    Some(seen)
}

fn record(seen: &Seen, may_be_audited: bool, who: &Who) -> Record {
    let token = seen.body["token"].as_str();
    Record {
        may_be_audited,
        is_limited_by_address: matches!(who, Who::Guest),
        answer: Some((seen.status, seen.code())),
        member: matches!(who, Who::Member(_)).then(|| who.sub()),
        letters: seen.letters.clone(),
        token_sha256: token.map(|token| format!("{:x}", Sha256::digest(token))),
    }
}

/// Problems that anybody may get, whatever is asked.
fn is_in_the_way(code: &str) -> bool {
    ["rate_limited", "overloaded"].contains(&code)
}

/// Whether a member may be refused as this, and was refused or let through rightly as far as that is known.
fn may_be_refused(world: &World, who: &Who, seen: &Seen) -> bool {
    let code = seen.code().unwrap_or_default();
    let sub = who.sub();
    if code == "session_revoked" {
        if !any(&seen.letters, |letter| truth::blocks(letter, who)) {
            world.revocations.refused(&sub, seen.sent, seen.got, &world.findings);
        }
        return true;
    }
    if matches!(who, Who::Member(_)) && !is_in_the_way(&code) && seen.status != 401 {
        world.revocations.served(&sub, seen.sent, seen.got, &world.findings);
    }
    is_in_the_way(&code)
}

async fn ask(world: &World, random: &mut StdRng, id: String) {
    let who = if random.random_bool(0.08) { Who::Guest } else { somebody(world, random) };
    let ask = Ask::random(random, &who, id.clone());
    let token = token_of(world, &who, random);
    let request = post(world, random, token.as_deref()).json(&ask.body());
    let Some(seen) = send(world, request, id).await else { return };
    world.ledger.add(&seen.id, record(&seen, true, &who));
    let wrong = |what: &str| {
        world
            .findings
            .add(what, || format!("{}: {who:?} {ask:?} by {:?}: {} {}", seen.id, seen.letters, seen.status, seen.body));
    };
    let (is_let_in, is_refused) = match who {
        Who::Guest => guests(&seen.letters),
        Who::Member(_) => (true, false),
    };
    let decided = |letter: char| {
        let is_in = matches!(who, Who::Member(_)) || truth::admits_guests(letter);
        truth::decided(letter, &who, &ask).filter(|_| is_in && !truth::blocks(letter, &who))
    };
    let is_excused = may_be_refused(world, &who, &seen);
    match (seen.status, seen.code().unwrap_or_default().as_str()) {
        (200, _) => {
            let token = seen.body["token"].as_str().and_then(|token| world.sandbox.decode(token));
            let token = token.unwrap_or_default()["payload"].take();
            let member = token["m"].as_str().unwrap_or_default();
            let is_who = match &who {
                Who::Member(_) => member == who.sub(),
                Who::Guest => member.starts_with("guest-") && member.len() == 42,
            };
            let is_granted = any(&seen.letters, |letter| {
                decided(letter).is_some_and(|(channels, ttl)| {
                    token["stt"] == json!({"of": letter.to_string(), "n": ask.nonce})
                        && token["chls"] == truth::as_json(&channels)
                        && token["t"] == ttl
                })
            });
            if !is_granted {
                wrong("WRONG GRANT");
            }
            if !is_who || token["sub"] != PROJECT {
                wrong("WRONG MEMBER");
            }
            if seen.body["channels"] != token["chls"] || seen.body["member_id"] != token["m"] {
                wrong("an answer that is not its token");
            }
        }
        (401, "session_missing") if is_refused => {}
        (403, "channels_denied" | "nothing_granted")
            if is_let_in && any(&seen.letters, |letter| decided(letter).is_none()) => {}
        (502..=504, "upstream_failed" | "upstream_unavailable" | "upstream_timeout")
            if any(&seen.letters, |letter| decided(letter).is_some()) => {}
        _ if is_excused => {}
        _ => wrong("refused wrongly"),
    }
}

async fn grants(world: &World, random: &mut StdRng, id: String) {
    let who = somebody(world, random);
    let token = token_of(world, &who, random).unwrap_or_default();
    let request = world.client.get(format!("{}/chat-token/grants", world.service.url)).bearer_auth(token);
    let Some(seen) = send(world, request, id).await else { return };
    world.ledger.add(&seen.id, record(&seen, false, &who));
    let is_excused = may_be_refused(world, &who, &seen);
    let is_right = |letter: char| {
        !truth::blocks(letter, &who)
            && seen.body["member_id"] == who.sub()
            && seen.body["channels"] == truth::as_json(&truth::named(letter, &who))
    };
    match seen.status {
        200 if any(&seen.letters, is_right) => {}
        status if status != 200 && is_excused => {}
        _ => world
            .findings
            .add("wrong rights told", || format!("{}: {who:?} by {:?}: {}", seen.id, seen.letters, seen.body)),
    }
}

async fn bad_session(world: &World, random: &mut StdRng, id: String) {
    let who = somebody(world, random);
    let now = usher::telemetry::clock::now().seconds();
    let good = |random: &mut StdRng| session(&who, random, SECRET, |_| {});
    let other = "another secret, which is long enough for HS256 as well";
    let (token, code) = match random.random_range(0..7) {
        0 => (session(&who, random, other, |_| {}), "session_invalid"),
        1 => (session(&who, random, SECRET, |claims| claims["aud"] = json!("elsewhere")), "session_invalid"),
        2 => (session(&who, random, SECRET, |claims| claims["exp"] = json!(now - 1)), "session_expired"),
        3 => (
            session(&who, random, SECRET, |claims| claims["iss"] = json!("https://else.example.com/")),
            "session_invalid",
        ),
        4 => (format!("{}A", good(random)), "session_invalid"),
        5 => {
            let good = good(random);
            let (_, rest) = good.split_once('.').unwrap_or_default();
            // {"alg":"none"}
            (format!("eyJhbGciOiJub25lIn0.{rest}"), "session_invalid")
        }
        _ => ("no-token".to_owned(), "session_invalid"),
    };
    let Some(seen) = send(world, post(world, random, Some(&token)), id).await else { return };
    world.ledger.add(&seen.id, Record { is_limited_by_address: true, ..record(&seen, true, &who) });
    let told = seen.code().unwrap_or_default();
    if told != code && !is_in_the_way(&told) {
        world
            .findings
            .add("a bad session that is not refused as it should be", || format!("{}: {code}, {}", seen.id, seen.body));
    }
}

async fn bad_body(world: &World, random: &mut StdRng, id: String) {
    let who = somebody(world, random);
    let token = token_of(world, &who, random);
    let request = post(world, random, token.as_deref());
    let is_json = |request: RequestBuilder, body: String| request.header("content-type", "application/json").body(body);
    let (request, code) = match random.random_range(0..6) {
        0 => (is_json(request, "{\"channels\":".to_owned()), "malformed_request"),
        1 => (is_json(request, "{\"ttl\":1,\"ttl\":2}".to_owned()), "malformed_request"),
        2 => (is_json(request, "{\"channels\":{\"news\":{\"raed\":true}}}".to_owned()), "invalid_request"),
        3 => (is_json(request, "{\"member_id\":\"admin\",\"ttl\":0}".to_owned()), "invalid_request"),
        4 => (request.header("content-type", "text/plain").body("{}"), "unsupported_media_type"),
        _ => (is_json(request, format!("{{\"state\":\"{}\"}}", "x".repeat(300_000))), "body_too_large"),
    };
    let Some(seen) = send(world, request, id).await else { return };
    world.ledger.add(&seen.id, record(&seen, true, &who));
    if seen.code().as_deref() != Some(code) && !may_be_refused(world, &who, &seen) {
        world
            .findings
            .add("a bad body that is not refused as it should be", || format!("{}: {code}, {}", seen.id, seen.body));
    }
}

async fn elsewhere(world: &World, random: &mut StdRng, id: String) {
    let url = &world.service.url;
    let (request, status) = match random.random_range(0..4) {
        0 => (world.client.get(format!("{url}/chat-token")), 405),
        1 => (world.client.post(format!("{url}/chat-token/")), 404),
        2 => (world.client.request(Method::DELETE, format!("{url}/live")), 405),
        _ => (world.client.get(format!("{url}/ready")), 200),
    };
    let Some(seen) = send(world, request, id).await else { return };
    world.ledger.add(&seen.id, record(&seen, false, &Who::Guest));
    if seen.status != status && seen.status != 503 {
        world.findings.add("another status than that of the path", || format!("{}: {status}, {}", seen.id, seen.body));
    }
}

/// Sends a part of a request, or all of it, and is gone.
async fn hang_up(world: &World, random: &mut StdRng, id: String) {
    let who = somebody(world, random);
    let token = token_of(world, &who, random).unwrap_or_default();
    let body = Ask::random(random, &who, id.clone()).body().to_string();
    let head = format!(
        "POST /chat-token HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let whole = format!("{head}{body}");
    let (part, wait) = match random.random_range(0..5) {
        0 => (&whole[..random.random_range(0..head.len())], random.random_range(0..50)),
        1 => (&whole[..random.random_range(head.len()..whole.len())], random.random_range(0..50)),
        2 => (&whole[..], 0),
        _ => (&whole[..], random.random_range(0..400)),
    };
    let loaded = world.epochs.loaded();
    world.count("hung up");
    let sent = async {
        let mut stream = TcpStream::connect(world.service.url.trim_start_matches("http://")).await?;
        stream.write_all(part.as_bytes()).await?;
        sleep(Duration::from_millis(wait)).await;
        Ok::<_, std::io::Error>(())
    };
    if let Err(error) = sent.await {
        world.findings.add("no connection", || format!("{id}: {error}"));
    }
    let record = Record {
        may_be_audited: true,
        is_limited_by_address: false,
        answer: None,
        member: Some(who.sub()),
        // It may be decided yet.
        letters: if wait == 0 { Vec::new() } else { world.epochs.since(loaded) },
        token_sha256: None,
    };
    world.ledger.add(&id, record);
}
