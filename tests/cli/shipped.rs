//! The shipped `config/usher.toml`: complete, true to the defaults, without a secret, and it loads.

use toml::{Table, Value};
use usher::schema::{Key, Kind};
use usher::settings::KEYS;

use crate::support::{API_TOKEN, AUDIENCE, ISSUER, PROJECT};
use crate::support::{CommandLine, Server, with};

const SHIPPED: &str = include_str!("../../config/usher.toml");
const POLICY: &str = include_str!("../../config/policy.toml");
/// What holds where nothing is said, as the source has it.
const KEYS_SOURCE: &str = include_str!("../../src/settings/keys.rs");

fn place(settings: &str) -> CommandLine {
    let place = CommandLine::empty();
    place.write("config/usher.toml", settings);
    place.write("config/policy.toml", POLICY);
    place
}

fn credentials() -> Vec<(String, String)> {
    let variables =
        [("SIGNALWIRE_SPACE", "example"), ("SIGNALWIRE_PROJECT_ID", PROJECT), ("SIGNALWIRE_API_TOKEN", API_TOKEN)];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// The lines that are commented out: their numbers and the settings.
fn optional() -> Vec<(usize, &'static str)> {
    let lines = SHIPPED.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some((index, line.strip_prefix('#')?)))
        // A table's own line comes along with what is in it.
        .filter(|(_, rest)| !rest.starts_with([' ', '[', ':']) && !rest.is_empty())
        .collect()
}

#[test]
fn it_loads_with_the_credentials_of_the_environment() {
    let (code, stdout, stderr) = place(SHIPPED).run(&["check"], &credentials());
    assert_eq!((code, stderr.as_str()), (0, ""));
    for said in [
        "listen      127.0.0.1:8080",
        "https://example.signalwire.com/",
        "issuer      app https://login.example.com/",
        "role        customer: 3",
    ] {
        assert!(stdout.contains(said), "{stdout}");
    }
}

#[test]
fn each_of_its_optional_lines_is_a_setting_too() {
    let optional = optional();
    assert!(optional.len() > 5);
    for (index, setting) in optional {
        let key = setting.split(' ').next().unwrap();
        // A table that is optional as a whole, with what must be in it.
        let tables: [(&[&str], &[&str]); 2] = [
            (&["name", "guard_header"], &["#[session.cookie]", "#name"]),
            (&["cert_file", "key_file"], &["#[server.tls]", "#cert_file", "#key_file"]),
        ];
        let table = tables.iter().find(|(keys, _)| keys.contains(&key)).map_or(&[][..], |(_, lines)| lines);
        let lines = SHIPPED.lines().enumerate().filter_map(|(at, line)| match at {
            at if at == index => Some(setting),
            _ if table.iter().any(|start| line.starts_with(start)) => line.strip_prefix('#'),
            // A secret and its file are one of the two.
            _ if key == "store_file" && line.starts_with("store =") => None,
            // An issuer's keys come from one place.
            _ if line.starts_with("jwks_url")
                && (key.ends_with("_file") || ["secret_encoding", "discovery"].contains(&key)) =>
            {
                None
            }
            _ => Some(line),
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let place = place(&text);
        let (_, _, stderr) = place.run(&["check"], &credentials());
        // The files are not there, and a secret's coding wants a secret.
        let faults: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        let expected = key.ends_with("_file") || key == "secret_encoding";
        let key = if key == "key_file" { "cert_file" } else { key };
        let is_told =
            |fault: &&str| fault.contains(key) && fault.contains("No such file") || fault.contains("has no keys");
        assert!(faults.iter().all(|fault| expected && is_told(fault)), "{setting}: {stderr}");
    }
}

/// The dotted names of all settings, and whether each is a secret.
fn settings(keys: &'static [Key], prefix: &str, all: &mut Vec<(String, bool)>) {
    for key in keys {
        let name = format!("{prefix}{}", key.name);
        match &key.kind {
            Kind::Table(keys) | Kind::Tables(keys) => settings(keys, &format!("{name}."), all),
            kind => all.push((name, matches!(kind, Kind::Secret))),
        }
    }
}

#[test]
fn it_has_every_setting_and_no_secret() {
    // The store's URL has a password, but the word for none is no secret.
    let is_shown = |name: &str, is_secret: bool| !is_secret || name == "limits.store";
    let mut all = Vec::new();
    settings(KEYS, "", &mut all);
    assert!(all.len() > 30);
    let mut section = String::new();
    let mut shipped = Vec::new();
    for line in SHIPPED.lines() {
        if line.starts_with(['[', '#']) && line.trim_start_matches('#').starts_with('[') {
            section = line.trim_matches(['#', '[', ']']).to_owned();
        } else if let Some((key, _)) =
            line.trim_start_matches('#').split_once(" = ").filter(|_| !line.starts_with("# "))
        {
            shipped.push(format!("{section}.{key}"));
        }
    }
    for (name, is_secret) in &all {
        let count = shipped.iter().filter(|shipped| *shipped == name).count();
        assert_eq!(count, usize::from(is_shown(name, *is_secret)), "{name}");
    }
    assert_eq!(shipped.len(), all.iter().filter(|(name, is_secret)| is_shown(name, *is_secret)).count(), "{shipped:?}");
}

#[test]
fn a_sentence_stands_above_every_setting() {
    let lines: Vec<_> = SHIPPED.lines().collect();
    for pair in lines.windows(2) {
        let is_setting = pair[1].contains(" = ") && !pair[1].starts_with("# ");
        assert!(!is_setting || pair[0].starts_with("# ") && pair[0].ends_with('.'), "{pair:?}");
    }
}

#[test]
fn what_it_sets_is_the_default() {
    let defaults = KEYS_SOURCE.split("r#\"").nth(1).unwrap().split("\"#").next().unwrap();
    let defaults: Table = toml::from_str(defaults).unwrap();
    let mut shipped: Table = toml::from_str(SHIPPED).unwrap();
    let issuers = shipped["session"].as_table_mut().unwrap().remove("issuers").unwrap();
    assert_eq!(shipped, defaults);

    let [issuer] = issuers.as_array().unwrap().as_slice() else { panic!("one issuer") };
    let text = |value: &str| Value::String(value.to_owned());
    for (key, default) in [
        ("audience_claim", text("aud")),
        ("roles", Value::Array(vec![text("roles")])),
        ("leeway", text("30s")),
        ("outlive", text("0s")),
        ("keys_max_stale", text("24h")),
        ("allow_http", Value::Boolean(false)),
        ("acknowledge_user_editable", Value::Boolean(false)),
    ] {
        assert_eq!(issuer[key], default, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_once_the_marked_lines_are_edited() {
    let secret = crate::support::SECRET;
    let mut edit = false;
    let edited = SHIPPED.lines().map(|line| {
        let was_marked = std::mem::replace(&mut edit, line.starts_with("# EDIT: "));
        match line.split(' ').next() {
            Some("name") if was_marked => "name = \"mine\"".to_owned(),
            Some("issuer") if was_marked => format!("issuer = {ISSUER:?}"),
            Some("audiences") if was_marked => format!("audiences = [{AUDIENCE:?}]"),
            Some("jwks_url") if was_marked => "secret_file = \"session_secret\"".to_owned(),
            _ => {
                assert!(!was_marked, "{line}");
                line.to_owned()
            }
        }
    });
    let place = place(&edited.collect::<Vec<_>>().join("\n"));
    place.write("session_secret", secret);
    let serving = Server::start(&place, &["serve"], |space| {
        with(with(credentials(), "SIGNALWIRE_SPACE", space), "USHER__SERVER__LISTEN", "127.0.0.1:0")
    })
    .await;
    assert_eq!(serving.payload().await["m"], "alice");
}
