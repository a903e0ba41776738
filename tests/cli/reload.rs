//! The policy while the service runs: a good file is in force within seconds, a bad one changes nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::service::POLICY;
use crate::support::{CommandLine, Server, keys, wait_for};

/// The tests' policy with alice blocked.
fn blocked() -> String {
    POLICY.replace("\"mallory\"", "\"mallory\", \"alice\"")
}

/// Asks until alice is answered so; at most the 5 s that are promised (and a little for a busy machine).
async fn until(serving: &Server, status: u16) {
    wait_for(Duration::from_secs(8), async || {
        let (seen, answer) = serving.post_as("alice", &json!({})).await.read();
        assert!([200, 403].contains(&seen), "nothing else comes in between: {answer}");
        if seen == status { Ok(()) } else { Err((seen, serving.running.stderr())) }
    })
    .await;
}

async fn status(serving: &Server) -> Value {
    serving.ops().get("/policy").await.json()
}

/// Waits until `/policy` is like this.
async fn status_when(serving: &Server, what: impl Fn(&Value) -> bool) -> Value {
    wait_for(Duration::from_secs(8), async || {
        let seen = serving.ops().get("/policy").await.json();
        if what(&seen) { Ok(seen) } else { Err((seen, serving.running.stderr())) }
    })
    .await
}

async fn failures(serving: &Server) -> usize {
    serving.ops().metric("usher_policy_reload_failures_total").await
}

async fn serving(place: &CommandLine, more: &[(&str, &str)]) -> Server {
    let ours = [("USHER__OPS__LISTEN", "127.0.0.1:0"), ("USHER__LIMITS__PER_MEMBER", "off")];
    Server::with(place, &[&ours, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_force_however_it_was_made() {
    let place = CommandLine::with_policy();
    let serving = serving(&place, &[]).await;
    until(&serving, 200).await;
    place.write("config/policy.toml", blocked());
    until(&serving, 403).await;
    // As most editors do.
    place.write("config/.policy.toml.new", POLICY);
    std::fs::rename(place.path().join("config/.policy.toml.new"), place.path().join("config/policy.toml")).unwrap();
    until(&serving, 200).await;
    let seen = status(&serving).await;
    assert_eq!(seen["sha256"], format!("{:x}", Sha256::digest(POLICY)));
    assert_eq!(seen["last_error"], json!(null));
    let stderr = serving.running.stderr();
    assert_eq!(stderr.matches("\"policy loaded\"").count(), 2, "{stderr}");
}

/// A Kubernetes `ConfigMap`: the file is a link into a directory that is a link, and that one is swapped.
#[tokio::test(flavor = "multi_thread")]
async fn a_symbolic_link_in_its_path_that_is_swapped_is_a_change() {
    let place = CommandLine::empty();
    place.write("mounted/..2026_01/policy.toml", POLICY);
    place.write("mounted/..2026_02/policy.toml", blocked());
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, place.path().join("mounted").join(name)).unwrap();
    link("..2026_01", "..data");
    link("..data/policy.toml", "policy.toml");
    let serving = serving(&place, &[("USHER__POLICY__FILE", "mounted/policy.toml")]).await;
    until(&serving, 200).await;
    link("..2026_02", "..data_tmp");
    std::fs::rename(place.path().join("mounted/..data_tmp"), place.path().join("mounted/..data")).unwrap();
    until(&serving, 403).await;
}

/// A case, the file's content if it is there, and how each fault begins.
type Case = (&'static str, Option<Vec<u8>>, &'static [&'static str]);

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_no_use_changes_nothing_and_is_loud() {
    let place = CommandLine::with_policy();
    let serving = serving(&place, &[]).await;
    let before = status(&serving).await;
    assert_eq!(before["path"], "config/policy.toml");
    assert_eq!(before["last_error"], json!(null));
    let faulty = POLICY.replace("[\"read\"]", "[\"raed\"]").replace("{sub}", "{ sub }");
    let cases: [Case; 4] = [
        ("two faults", Some(faulty.into_bytes()), &["config/policy.toml:7:", "config/policy.toml:8:"]),
        ("no text", Some(b"version = 1 # \xff\n".to_vec()), &["config/policy.toml: it cannot be read: "]),
        ("empty", Some(Vec::new()), &["config/policy.toml:1:1: "]),
        ("gone", None, &["config/policy.toml: it cannot be read: "]),
    ];
    for (count, (case, content, said)) in cases.into_iter().enumerate() {
        match content {
            Some(content) => place.write("config/policy.toml", content),
            None => std::fs::remove_file(place.path().join("config/policy.toml")).unwrap(),
        }
        let is_told = |seen: &Value| {
            let faults = seen["last_error"]["faults"].as_array().cloned().unwrap_or_default();
            said.iter().all(|said| faults.iter().any(|fault| fault.as_str().unwrap().starts_with(said)))
                && seen["last_error"]["at"].is_string()
        };
        let seen = status_when(&serving, is_told).await;
        for member in ["path", "sha256", "loaded_at"] {
            assert_eq!(seen[member], before[member], "{case}: what is in force stays");
        }
        assert_eq!(failures(&serving).await, count + 1, "{case}");
        assert_eq!(serving.post_as("alice", &json!({})).await.status, 200, "{case}");
        let ready = serving.get("/ready").await;
        assert_eq!(ready.status, 200, "{case}");
    }
    let lines = serving.running.stderr();
    let loud = lines.lines().filter(|line| line.contains("the one in force stays") && line.contains("\"ERROR\""));
    assert_eq!(loud.count(), 4, "{lines}");

    place.write("config/policy.toml", blocked());
    until(&serving, 403).await;
    assert_eq!(status(&serving).await["last_error"], json!(null), "mended");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_watching_it_is_read_again_on_sighup_alone() {
    let place = CommandLine::with_policy();
    let serving = serving(&place, &[("USHER__POLICY__WATCH", "false")]).await;
    place.write("config/policy.toml", blocked());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(serving.post_as("alice", &json!({})).await.status, 200);
    serving.running.signal("HUP");
    until(&serving, 403).await;
    // Also where nothing has changed, so that whoever asks for it sees that it was done.
    let before = status(&serving).await;
    serving.running.signal("HUP");
    status_when(&serving, |seen| seen["loaded_at"] != before["loaded_at"]).await;
    place.write("config/policy.toml", "version = 2\n");
    serving.running.signal("HUP");
    status_when(&serving, |seen| !seen["last_error"].is_null()).await;
    assert_eq!(serving.post_as("alice", &json!({})).await.status, 403, "what was in force");
}

/// The first part of it is a policy too, in which nobody is blocked.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_is_not_taken_for_a_whole_one() {
    let place = CommandLine::with_policy();
    place.write("config/policy.toml", blocked());
    let serving = serving(&place, &[]).await;
    let (whole, text) = (blocked(), std::fs::File::create(place.path().join("config/policy.toml")).unwrap());
    let (first, rest) = whole.split_at(whole.find("[blocked]").unwrap());
    std::io::Write::write_all(&mut &text, first.as_bytes()).unwrap();
    for _ in 0..9 {
        assert_eq!(serving.post_as("alice", &json!({})).await.status, 403);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::io::Write::write_all(&mut &text, rest.as_bytes()).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(serving.post_as("alice", &json!({})).await.status, 403);
    assert!(!serving.running.stderr().contains("policy loaded"), "{}", serving.running.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_not_waited_for() {
    let place = CommandLine::with_policy();
    let serving = serving(&place, &[]).await;
    let path = place.path().join("config/policy.toml");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let is_told = |seen: &Value| seen["last_error"]["faults"][0].as_str().is_some_and(|text| text.contains("no file"));
    status_when(&serving, is_told).await;
    std::fs::remove_dir(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::fs::remove_file(&path).unwrap();
    place.write("config/policy.toml", blocked());
    until(&serving, 403).await;
}

/// Two policies that differ in everything that a token shows, so that a mixture of them would be seen, and such a token.
fn two() -> [(String, Value); 2] {
    let policy = |word: &str, minutes: u32, rights: &str| {
        format!(
            "version = 1\n[ttl]\ndefault = \"{minutes}m\"\n[member]\nid = \"{word}:{{sub}}\"\nstate = {{ of = \"{word}\" }}\n\
             [roles.customer.channels]\n\"{word}:news\" = [{rights}]\n\"{word}:own:{{sub}}\" = [{rights}]\n"
        )
    };
    let token = |word: &str, minutes: u32, write: bool| {
        let rights = json!({"read": true, "write": write});
        let channels = json!({format!("{word}:news"): rights, format!("{word}:own:alice"): rights});
        json!({"m": format!("{word}:alice"), "t": minutes, "stt": {"of": word}, "chls": channels})
    };
    [
        (policy("first", 20, "\"read\""), token("first", 20, false)),
        (policy("second", 40, "\"read\", \"write\""), token("second", 40, true)),
    ]
}

/// Which of the two policies gave a token wholly.
async fn given_by(serving: &Server, session: &str, policies: &[(String, Value); 2]) -> usize {
    let (status, answer) = serving.post(session, Some(&json!({}))).await.read();
    assert_eq!(status, 200, "{answer}");
    let token = serving.granted(&answer);
    policies.iter().position(|(_, wanted)| *wanted == token).unwrap_or_else(|| panic!("of neither policy: {token}"))
}

/// 10,000 requests while the file is swapped 100 times, between the two and what is no policy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_answer_belongs_to_one_policy_and_none_fails() {
    let policies = two();
    let place = CommandLine::empty();
    place.write("config/policy.toml", &policies[0].0);
    let serving = serving(&place, &[("USHER__LOG__LEVEL", "info")]).await;
    let session = keys::session("alice", &["customer"]);
    let (done, swapped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let given = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let ask = || async {
        while done.fetch_add(1, Ordering::Relaxed) < 10_000 || swapped.load(Ordering::Relaxed) < 100 {
            given[given_by(&serving, &session, &policies).await].fetch_add(1, Ordering::Relaxed);
        }
    };
    let swap = async {
        let torn = &policies[1].0[..policies[1].0.len() / 2];
        for round in 0..100 {
            // As fast as the requests come, so that some meet every one of them.
            while done.load(Ordering::Relaxed) < round * 100 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let text = match round % 5 {
                0 => policies[1].0.as_str(),
                1 => "version = 1\n[roles.customer.channels]\n\"*\" = [\"read\"]\n",
                2 => policies[0].0.as_str(),
                3 => torn,
                _ => "",
            };
            // One time in two in place, so that half of a file may be read.
            if round % 2 == 0 {
                place.write("config/policy.toml", text);
            } else {
                place.write("config/.new", text);
                std::fs::rename(place.path().join("config/.new"), place.path().join("config/policy.toml")).unwrap();
            }
            serving.running.signal("HUP");
            swapped.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(swap, ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
    let given = given.map(AtomicUsize::into_inner);
    println!("{given:?} tokens of the two policies");
    assert!(given.iter().sum::<usize>() >= 10_000 && given.iter().all(|count| *count >= 500), "{given:?}");
    let stderr = serving.running.stderr();
    let (loaded, refused) = (stderr.matches("\"policy loaded\"").count(), stderr.matches("no policy to load").count());
    println!("{loaded} times a policy was loaded, {refused} times there was none to load");
    assert!(loaded >= 30 && refused >= 45, "{loaded} and {refused}");
}
