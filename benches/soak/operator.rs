//! What goes on around the clients: faults at SignalWire, policies that come and go, a store that is killed and frozen,
//! members that are revoked and let in again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::time::sleep;
use usher::sandbox::{Fault, Sandbox, Times};

use super::service::{Log, usher};
use super::store::Redis;
use super::{Findings, World, truth};

/// Within what an undo, or the list, is known (5 s), and a little for a busy machine.
const KNOWN: Duration = Duration::from_millis(6_500);

/// A member's last revocation.
#[derive(Clone)]
struct Revocation {
    /// When `usher revoke` had done it.
    done: Option<Instant>,
    /// When it was first seen in an answer.
    seen: Option<Instant>,
    /// The store lost it before anybody can have known of it, or it failed.
    is_uncertain: bool,
    undoing: bool,
    undone: Option<Instant>,
}

/// Somebody was served, or refused, and whether rightly depends on whether the store was away.
struct Suspect {
    member: String,
    /// Since when it was revoked, or not any more.
    since: Instant,
    sent: Instant,
    got: Instant,
    was_served: bool,
}

/// Who is revoked, as the operator knows.
#[derive(Default)]
pub(crate) struct Revocations {
    all: Mutex<HashMap<String, Revocation>>,
    suspects: Mutex<Vec<Suspect>>,
}

impl Revocations {
    /// Somebody who was revoked, or was until lately.
    pub(crate) fn random(&self, random: &mut StdRng) -> Option<String> {
        let all = self.all.lock().unwrap();
        let mut members: Vec<&String> = all.keys().collect();
        members.sort_unstable();
        (!members.is_empty()).then(|| members[random.random_range(0..members.len())].clone())
    }

    /// A member was answered as if it were not revoked.
    pub(crate) fn served(&self, member: &str, sent: Instant, got: Instant, findings: &Findings) {
        let all = self.all.lock().unwrap();
        let Some(known) = all.get(member).filter(|known| !known.is_uncertain && !known.undoing) else { return };
        let Some(since) = known.done.filter(|done| *done <= sent) else { return };
        if known.seen.is_some_and(|seen| seen < sent) {
            findings.add("served though known to be revoked", || member.to_owned());
        } else {
            let suspect = Suspect { member: member.to_owned(), since, sent, got, was_served: true };
            self.suspects.lock().unwrap().push(suspect);
        }
    }

    /// A member was told that it is revoked.
    pub(crate) fn refused(&self, member: &str, sent: Instant, got: Instant, findings: &Findings) {
        let mut all = self.all.lock().unwrap();
        let Some(known) = all.get_mut(member) else {
            findings.add("refused as revoked, and never was", || member.to_owned());
            return;
        };
        match known.undone {
            Some(since) => {
                let suspect = Suspect { member: member.to_owned(), since, sent, got, was_served: false };
                self.suspects.lock().unwrap().push(suspect);
            }
            None if !known.undoing => known.seen = Some(known.seen.map_or(got, |seen| seen.min(got))),
            None => {}
        }
    }

    /// Judges what depended on whether the store was away. How many were served, or refused, and rightly.
    pub(crate) fn judge(&self, log: &Log, findings: &Findings) -> (usize, usize) {
        let (mut served, mut refused) = (0, 0);
        for suspect in self.suspects.lock().unwrap().iter() {
            let Suspect { member, since, sent, got, was_served } = suspect;
            let after = sent.saturating_duration_since(*since);
            let away = if *was_served { log.away_between(*sent, *got) } else { log.away_between(*since, *sent) };
            let is_wrong = match away {
                // With the next request that reaches the store; an undo with the list.
                None => *was_served || after > KNOWN,
                // The list had come before.
                Some(away) => *was_served && away.saturating_duration_since(*since) > KNOWN,
            };
            let count = if *was_served { &mut served } else { &mut refused };
            *count += 1;
            if is_wrong {
                let what = if *was_served { "served though revoked" } else { "refused though let in again" };
                findings.add(what, || format!("{member}, {after:?} after"));
            }
        }
        (served, refused)
    }

    /// The store is about to lose all: what nobody can have known is lost with it.
    fn lose(&self, log: &Log) {
        let now = Instant::now();
        for known in self.all.lock().unwrap().values_mut().filter(|known| known.seen.is_none()) {
            let is_known = known.done.is_some_and(|done| now - done > KNOWN && log.away_between(done, now).is_none());
            known.is_uncertain |= !is_known;
        }
    }

    /// Whether it may be revoked now: not so soon after it was let in again, and not too many at once.
    fn may_be_revoked(&self, member: &str) -> bool {
        let all = self.all.lock().unwrap();
        match all.get(member) {
            Some(known) => known.undone.map_or(known.is_uncertain, |undone| undone.elapsed() > KNOWN * 2),
            None => all.len() < 150,
        }
    }

    fn pick(&self, random: &mut StdRng, is_right: impl Fn(&Revocation) -> bool) -> Option<String> {
        let all = self.all.lock().unwrap();
        let mut members: Vec<&String> =
            all.iter().filter(|(_, known)| is_right(known)).map(|(member, _)| member).collect();
        members.sort_unstable();
        (!members.is_empty()).then(|| members[random.random_range(0..members.len())].clone())
    }

    fn change(&self, member: &str, change: impl FnOnce(&mut Revocation)) {
        let fresh = Revocation { done: None, seen: None, is_uncertain: true, undoing: false, undone: None };
        change(self.all.lock().unwrap().entry(member.to_owned()).or_insert(fresh));
    }
}

/// Faults at SignalWire, again and again.
pub(crate) async fn faults(world: Arc<World>, mut random: StdRng) {
    loop {
        sleep(Duration::from_millis(random.random_range(50..700))).await;
        if random.random_bool(0.04) {
            // While the circuit is open nothing takes them, and they would wait for whatever comes after.
            world.sandbox.heal();
            sleep(Duration::from_millis(random.random_range(2_000..10_000))).await;
        }
        let fault = fault(&mut random);
        match random.random_range(0..20) {
            0 => {
                world.sandbox.fail(fault, Times::Always);
                sleep(Duration::from_millis(random.random_range(500..3_000))).await;
                world.sandbox.heal();
            }
            1..=5 => world.sandbox.fail(fault, Times::Exactly(random.random_range(2..20))),
            _ => world.sandbox.fail(fault, Times::Once),
        }
        world.count("faults");
    }
}

fn fault(random: &mut StdRng) -> Fault {
    let millis = Duration::from_millis(random.random_range(1..1_500));
    let with = |status: u16, seconds: u32| Fault::StatusWith {
        status,
        headers: vec![("retry-after".to_owned(), seconds.to_string())],
        body: "{}".to_owned(),
    };
    let body = |status, body: &str| Fault::Body { status, body: body.to_owned() };
    match random.random_range(0..19) {
        0 => Fault::Status(500),
        1 => Fault::Status(502),
        2 => Fault::Status(503),
        3 => Fault::Status(429),
        4 => with(429, random.random_range(0..4)),
        5 => with(503, random.random_range(0..4)),
        6 => Fault::Status([401, 403, 404, 422][random.random_range(0..4)]),
        7 => Fault::Hang,
        8 => Fault::Cut,
        9 => Fault::CutMidBody,
        10 => Fault::Html(502),
        11 => Fault::Oversize(3 << 20),
        12 => Fault::Redirect("http://127.0.0.1:9/elsewhere".to_owned()),
        13 => body(200, "no JSON at all"),
        14 => body(200, "{\"tokens\":[]}"),
        15 => Fault::Created,
        16 => Fault::Drip(Duration::from_millis(1)),
        _ => Fault::Delay(millis),
    }
}

/// Looks at what has reached SignalWire, before it forgets.
pub(crate) async fn watch_upstream(world: Arc<World>, sandbox: Sandbox) {
    loop {
        for received in sandbox.received() {
            let body = serde_json::from_str::<serde_json::Value>(&received.body).unwrap_or_default();
            if let Some(nonce) = body["state"]["n"].as_str() {
                let mut minted = world.ledger.minted.lock().unwrap();
                if !minted.contains(nonce) {
                    minted.insert(nonce.to_owned());
                }
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Policies, good and broken.
pub(crate) async fn policies(world: Arc<World>, mut random: StdRng) {
    for number in 1_usize.. {
        sleep(Duration::from_millis(random.random_range(200..5_000))).await;
        let path = world.directory.join("policy.toml");
        if random.random_bool(0.3) {
            let half = truth::POLICIES[random.random_range(0..truth::POLICIES.len())].1;
            let text = match random.random_range(0..=truth::BROKEN.len()) {
                // Cut within a line.
                at if at == truth::BROKEN.len() => half.rsplit_once('"').map_or("", |(first, _)| first),
                at => truth::BROKEN[at],
            };
            put(&path, text, random.random_bool(0.5));
            world.count("broken policies");
            if random.random_bool(0.3) {
                world.service.signal("HUP");
            }
            continue;
        }
        let (letter, text) = truth::POLICIES[random.random_range(0..truth::POLICIES.len())];
        let text = format!("{text}# {number}\n");
        let epoch = world.epochs.write(letter, &text);
        put(&path, &text, true);
        world.count("good policies");
        let written = Instant::now();
        if random.random_bool(0.2) {
            world.service.signal("HUP");
        }
        // Sometimes another comes before this one counts.
        while random.random_bool(0.99) && world.epochs.loaded() < epoch {
            if written.elapsed() > Duration::from_secs(10) {
                world.findings.add("a policy that is not in force after 10 s", || format!("{letter}, {number}"));
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// By a rename, or in place.
fn put(path: &Path, text: &str, is_renamed: bool) {
    if is_renamed {
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, path).unwrap();
    } else {
        std::fs::write(path, text).unwrap();
    }
}

/// `usher revoke`, and whether it did.
async fn revoke(directory: PathBuf, url: String, arguments: Vec<String>) -> bool {
    let run = move || {
        let arguments: Vec<&str> = std::iter::once("revoke").chain(arguments.iter().map(String::as_str)).collect();
        usher(&directory, &arguments, &[("USHER__LIMITS__STORE", url)]).output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap().status.success()
}

/// The shared store, and who is revoked in it.
pub(crate) async fn store(world: Arc<World>, mut redis: Redis, mut random: StdRng) {
    let url = redis.url();
    let call = |arguments: &[&str]| {
        revoke(world.directory.clone(), url.clone(), arguments.iter().map(|argument| (*argument).to_owned()).collect())
    };
    let mut undone = Instant::now();
    loop {
        sleep(Duration::from_millis(random.random_range(100..1_500))).await;
        match random.random_range(0..20) {
            0 => {
                redis.freeze();
                sleep(Duration::from_millis(random.random_range(200..4_000))).await;
                redis.thaw();
                world.count("freezes");
            }
            // An undo in the moment of a restart may be undone with it.
            1 | 2 => {
                sleep(KNOWN.saturating_sub(undone.elapsed())).await;
                world.revocations.lose(&world.service.log.lock().unwrap());
                redis.kill();
                sleep(Duration::from_millis(random.random_range(0..4_000))).await;
                redis.start_again(&world.directory);
                world.count("kills");
            }
            3..=11 => {
                let is_due = |known: &Revocation| match known.undone {
                    Some(undone) => undone.elapsed() > KNOWN * 2,
                    None => known.is_uncertain && !known.undoing,
                };
                let known = world.revocations.pick(&mut random, is_due).filter(|_| random.random_bool(0.7));
                let member = known.unwrap_or_else(|| format!("m{}", random.random_range(0..truth::MEMBERS)));
                if !world.revocations.may_be_revoked(&member) {
                    continue;
                }
                world.revocations.change(&member, |known| {
                    *known = Revocation { done: None, undoing: false, undone: None, is_uncertain: true, seen: None };
                });
                if call(&["--member", &member, "--for", "2h"]).await {
                    world.revocations.change(&member, |known| {
                        (known.done, known.is_uncertain) = (Some(Instant::now()), false);
                    });
                    world.count("revocations");
                }
            }
            12..=16 => {
                let is_right = |known: &Revocation| {
                    !known.undoing && !known.is_uncertain && known.done.is_some_and(|done| done.elapsed() > KNOWN)
                };
                let Some(member) = world.revocations.pick(&mut random, is_right) else { continue };
                world.revocations.change(&member, |known| known.undoing = true);
                // Until it is done, nobody knows.
                while !call(&["--member", &member, "--undo"]).await {
                    sleep(Duration::from_millis(200)).await;
                }
                undone = Instant::now();
                world.revocations.change(&member, |known| known.undone = Some(undone));
                world.count("undos");
            }
            _ => {}
        }
    }
}
