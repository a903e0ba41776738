//! The files themselves: each is complete, explained line by line, without a secret, and loads.

use serde_json::json;

use super::{KEY_SOURCES, Keys, POLICY, credentials, edited, names, optional, rsa, setting, shipped, try_load};
use crate::support::{CommandLine, SECRET};

/// A working directory as an operator has one.
fn context() -> CommandLine {
    let context = CommandLine::with_files([
        ("config/usher.toml", include_str!("../../config/usher.toml")),
        ("config/policy.toml", POLICY),
        ("secrets/session_secret", SECRET),
    ]);
    for name in names() {
        context.write(&format!("config/providers/{name}.toml"), shipped(&name));
    }
    context
}

fn check(context: &CommandLine, files: &[&str]) -> (i32, String, String) {
    let options = files.iter().flat_map(|file| ["--config", file]);
    let arguments: Vec<&str> = ["check"].into_iter().chain(options).collect();
    context.run(&arguments, &credentials("example"))
}

#[test]
fn each_loads_beside_credentials_from_the_environment() {
    let context = context();
    for name in names() {
        let file = format!("config/providers/{name}.toml");
        for files in [vec![file.as_str()], vec!["config/usher.toml", &file]] {
            let (code, stdout, stderr) = check(&context, &files);
            assert_eq!((code, stderr.as_str()), (0, ""), "{files:?}");
            let issuers: Vec<_> = stdout.lines().filter(|line| line.starts_with("issuer ")).collect();
            let line = shipped(&name).lines().find(|line| line.starts_with("issuer = ")).unwrap().to_owned();
            let issuer = line.split('"').nth(1).unwrap();
            assert!(issuers.len() == 1 && issuers[0].contains(&format!(" {issuer} (")), "{files:?}: {stdout}");
        }
    }
}

#[test]
fn the_command_at_the_top_is_its_own() {
    for name in names() {
        let command = format!("usher serve --config config/usher.toml --config config/providers/{name}.toml\n");
        assert_eq!(shipped(&name).matches(&command).count(), 1, "{name}");
    }
}

#[test]
fn a_sentence_stands_above_every_setting() {
    for name in names() {
        let text = shipped(&name);
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.windows(2).filter(|pair| setting(pair[1]).is_some()) {
            assert!(pair[0].starts_with("# ") && pair[0].ends_with('.'), "{name}: {pair:?}");
        }
        assert!(lines.iter().any(|line| line.starts_with("# EDIT: ")), "{name}");
        assert!(lines.iter().all(|line| line.chars().count() <= 120), "{name}");
    }
}

#[test]
fn none_has_a_secret() {
    for name in names() {
        for key in shipped(&name).lines().filter_map(setting) {
            assert!(!["secret", "api_token"].contains(&key), "{name}: {key}");
        }
    }
}

#[test]
fn each_optional_line_is_a_setting_too() {
    let mut lines = 0;
    for name in names() {
        for line in optional(&name) {
            lines += 1;
            let instead = [line.as_str()];
            let tried = if line.starts_with("secret_file") {
                try_load(&name, &Keys::Secret, &[])
            } else if name.starts_with("home-made") {
                try_load(&name, &Keys::Secret, &instead)
            } else {
                try_load(&name, &Keys::Set(vec![rsa().jwk(&json!({}))]), &instead)
            };
            assert!(tried.is_ok(), "{name}: {line}: {:?}", tried.err());
        }
    }
    assert!(lines >= 4, "they are found");
}

#[test]
fn what_is_edited_here_is_only_where_the_keys_are() {
    for name in names() {
        let (text, ours) = (shipped(&name), edited(&name, "jwks_file = \"x\"", &[]));
        let changed: Vec<_> = text.lines().zip(ours.lines()).filter(|(before, after)| before != after).collect();
        let [(before, after)] = changed.as_slice() else { panic!("{name}: {changed:?}") };
        assert!(KEY_SOURCES.contains(&setting(before).unwrap()), "{name}: {before}");
        assert_eq!(*after, "jwks_file = \"x\"");
    }
}
