//! `usher doctor`: asks the real things, line by line: what was asked, what came, what to do. It never mints.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use secrecy::SecretString;

use super::input::{self, check_policy, open_keys};
use super::outcome::{Failure, block_on, print};
use crate::chat::{Timestamp, Ttl, causes};
use crate::limits::{Store, StoreFault};
use crate::policy::Policy;
use crate::session::{Check, IssuerSettings, Refusal, UnverifiedToken, Verifier, look_for_keys, unverified};
use crate::settings::{Environment, Settings};
use crate::signalwire::{Client, MintFault};
use crate::telemetry::clock;

/// How far a provider's clock may be from ours, in seconds, before sessions suffer.
const CLOCKS_APART: i64 = 5;

#[derive(Args)]
pub(super) struct Options {
    /// A settings file, instead of config/usher.toml; may be given several times, the later wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// A file with a session to go through, check by check (-: standard input)
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
}

/// Whether anything failed so far.
#[derive(Default)]
struct Findings {
    failed: bool,
}

impl Findings {
    fn fail(&mut self, what: &str, came: impl std::fmt::Display, advice: &str) {
        self.failed = true;
        print(format!("FAIL  {what}: {came}\n      {advice}"));
    }
}

fn ok(what: &str, came: impl std::fmt::Display) {
    print(format!("ok    {what}: {came}"));
}

fn note(what: &str, came: impl std::fmt::Display) {
    print(format!("note  {what}: {came}"));
}

pub(super) fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    let settings = Settings::load(&options.config, environment).map_err(Failure::wrong)?;
    let verifier = open_keys(&settings).map_err(Failure::Wrong)?;
    let (policy, lints) = check_policy(&settings.policy.file, &verifier.aliases());
    let policy = policy.map_err(Failure::wrong)?;
    let client = Client::new(&settings.signalwire).map_err(|fault| Failure::wrong(causes(&fault)))?;
    let session = options.session.as_deref().map(input::session).transpose()?;
    block_on(async {
        let mut findings = Findings::default();
        for lint in settings.lints.iter() {
            note("settings", lint.summary());
        }
        for lint in lints.iter() {
            note("policy", lint.summary());
        }
        for issuer in &settings.issuers {
            ask_issuer(issuer, &mut findings).await;
        }
        ask_signalwire(&client, settings.signalwire.space.as_str(), &mut findings).await;
        if let Some(store) = &settings.limits.store {
            ask_store(store, &mut findings).await;
        }
        look_at_policy(&policy, &mut findings);
        if let Some(token) = session {
            go_through(&token, &verifier, &policy, &mut findings).await?;
        }
        if findings.failed { Err(Failure::Logged) } else { Ok(()) }
    })
}

async fn ask_issuer(issuer: &IssuerSettings, findings: &mut Findings) {
    let what = format!("keys of `{}`", issuer.name);
    let found = match look_for_keys(issuer).await {
        Ok(found) => found,
        Err(why) => {
            let advice = "sessions of this issuer get 503 session_keys_unavailable: check its address, the way there, and \
                          that the issuer is written exactly as in its tokens";
            return findings.fail(&what, why, advice);
        }
    };
    ok(&what, format!("{}: {}", found.place, found.usable.join(", ")));
    for why in &found.left_out {
        note(&what, format!("left out: {why}"));
    }
    if let Some(date) = found.date {
        let apart = date.millis_until(clock::now()) / 1_000;
        let what = format!("clock of `{}`", issuer.name);
        if apart.abs() <= CLOCKS_APART {
            ok(&what, format!("{apart} s from ours"));
        } else {
            let advice = "set the clocks right (NTP): sessions begin and end by both";
            findings.fail(&what, format!("{apart} s from ours"), advice);
        }
    }
}

async fn ask_signalwire(client: &Client, space: &str, findings: &mut Findings) {
    let what = "signalwire";
    match client.probe().await {
        Ok(()) => ok(what, format!("{space} accepts the credentials and their scope")),
        Err(fault) => {
            let advice = match fault {
                MintFault::Credentials(_) => "check project_id and api_token, and that the token has the Chat scope",
                MintFault::Unreachable(_) | MintFault::Timeout => "check signalwire.space and the way there",
                _ => "check signalwire.space: this is not what SignalWire answers",
            };
            findings.fail(what, format!("{space}: {}", causes(&fault)), advice);
        }
    }
}

async fn ask_store(url: &SecretString, findings: &mut Findings) {
    let what = "limits.store";
    let asked = async {
        let store = Store::open(url)?;
        let begun = Instant::now();
        store.try_out().await?;
        let took = begun.elapsed();
        Ok::<_, StoreFault>((took, store.revocations().await?.len()))
    };
    match asked.await {
        Ok((took, revoked)) => ok(what, format!("counts, in {:.1} ms; {revoked} revoked", took.as_secs_f64() * 1e3)),
        Err(fault) => {
            let advice = "check its URL, user and password, the way there, and that it may run scripts (EVALSHA), TIME, GET, \
                          SET, PTTL and SCAN";
            findings.fail(what, fault, advice);
        }
    }
}

fn look_at_policy(policy: &Policy, findings: &mut Findings) {
    let (default, max, min) = policy.ttl_bounds();
    let told = format!("[ttl] default {default}, max {max}, min {min}");
    if min < Ttl::MIN_FOR_SDK {
        let advice = "the browser SDK refreshes a token when two minutes are left: write min = \"3m\" or more";
        findings.fail("policy", told, advice);
    } else {
        ok("policy", told);
    }
}

/// A token check by check, as far as it gets.
async fn go_through(token: &str, verifier: &Verifier, policy: &Policy, findings: &mut Findings) -> Result<(), Failure> {
    let fetched = verifier.fetch_keys(clock::now, std::time::Duration::from_secs(10)).await;
    let _keys = fetched.map_err(|error| Failure::failed(causes(&error)))?;
    let now = clock::now();
    let verified = verifier.authenticate(token, now).await;
    let failed_at = verified.as_ref().err().map(|refusal| (Check::of(refusal), refusal));
    let said = unverified(token);
    for check in Check::ALL {
        let what = format!("session, {}", name(check));
        let says = said.as_ref().map(|said| says(check, said, now)).unwrap_or_default();
        match failed_at {
            Some((at, refusal)) if at == check => {
                findings.fail(&what, format!("{refusal}{says}"), advice(refusal));
                return Ok(());
            }
            _ => ok(&what, says.trim_start_matches("; ")),
        }
    }
    if let Ok(session) = verified {
        let facts = session.facts();
        match policy.member_id(facts) {
            Ok(member) => ok("session, member", member.as_str()),
            Err(_) => findings.fail(
                "session, member",
                "the policy's member.id cannot be filled in from it",
                "look at [member].id and the claims that it names",
            ),
        }
        match policy.overview(facts, now) {
            Ok(overview) => {
                let roles: Vec<_> = overview.roles.iter().map(AsRef::as_ref).collect();
                let told = format!("roles {roles:?}, {} channels by name", overview.channels.len());
                ok("session, policy", told);
            }
            Err(_) => {
                findings.fail("session, policy", "nothing is granted", "look at the policy and at the roles it has");
            }
        }
    }
    Ok(())
}

fn name(check: Check) -> &'static str {
    match check {
        Check::Form => "form",
        Check::Issuer => "issuer",
        Check::Key => "key",
        Check::Signature => "signature",
        Check::Audience => "audience",
        Check::Subject => "subject",
        Check::Dates => "dates",
    }
}

/// What the token has to say there.
fn says(check: Check, said: &UnverifiedToken, now: Timestamp) -> String {
    let claim = |name: &str| format!("{name} {}", said.unverified_claim(name));
    let kid = said.unverified_kid.as_deref().unwrap_or("none");
    let told = match check {
        Check::Form => format!("alg {}, kid {kid}", said.unverified_algorithm),
        Check::Issuer => claim("iss"),
        Check::Key => format!("kid {kid}, alg {}", said.unverified_algorithm),
        Check::Signature => "by that key".to_owned(),
        Check::Audience => format!("{}, {}, {}", claim("aud"), claim("azp"), claim("client_id")),
        Check::Subject => claim("sub"),
        Check::Dates => {
            format!("{}, {}, {}, now {}", claim("nbf"), claim("iat"), claim("exp"), now.seconds())
        }
    };
    format!("; {told}")
}

fn advice(refusal: &Refusal) -> &'static str {
    match Check::of(refusal) {
        Check::Form => "send the session token itself, as its issuer made it",
        Check::Issuer => "compare it with session.issuers.issuer: it must be the same, a slash at its end included",
        Check::Key => "is it a token of this tenant? compare its kid and alg with the keys above",
        Check::Signature => "it is not this issuer's, or it was changed on the way",
        Check::Audience => "compare it with session.issuers.audiences and audience_claim",
        Check::Subject => "send a token of a user: it has no `sub`",
        Check::Dates => "renew the session; if it is new, compare the clocks",
    }
}
