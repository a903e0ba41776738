//! `usher schema`: what an editor is told of a file is what the reader takes and refuses, and it says what each key is for.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};
use usher::schema::{Faults, Key, Kind, Source, check, read_toml};

use crate::support::CommandLine;

/// The documents: as the command calls them, and the table of keys that each is read against.
const DOCUMENTS: [(&str, &[Key]); 3] =
    [("policy", usher::policy::KEYS), ("tests", usher::analysis::TEST_FILE_KEYS), ("settings", usher::settings::KEYS)];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What the command prints.
fn printed(of: &str) -> String {
    let (code, stdout, stderr) = CommandLine::empty().run::<&str, &str>(&["schema", of], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{of}");
    stdout
}

fn schema(of: &str) -> Value {
    serde_json::from_str(&printed(of)).unwrap()
}

fn validator(of: &str) -> Validator {
    jsonschema::draft202012::new(&schema(of)).unwrap()
}

/// A TOML text as an editor hands it to a schema.
fn as_json(text: &str) -> Option<Value> {
    text.parse::<toml::Table>().ok().map(|table| json_of(&toml::Value::Table(table)))
}

fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(integer) => json!(integer),
        toml::Value::Float(float) => json!(float),
        toml::Value::Boolean(boolean) => json!(boolean),
        toml::Value::Datetime(time) => json!(time.to_string()),
        toml::Value::Array(items) => items.iter().map(json_of).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json_of(value))).collect(),
    }
}

/// What a schema has against a text, none where it takes it.
fn refusals(validator: &Validator, text: &str) -> Vec<String> {
    let document = as_json(text).unwrap_or_else(|| panic!("this is no TOML: {text}"));
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// What the reader's walk over the same table has against it.
fn faults(keys: &'static [Key], text: &str) -> Vec<String> {
    let mut faults = Faults::default();
    if let Some(document) = read_toml(&Source::file("it", text), &mut faults) {
        let _ = check(&document, keys, &mut faults);
    }
    faults.summaries()
}

/// Every TOML file of a directory, and of those below it.
fn files(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn each_is_a_valid_schema_of_its_draft() {
    for (of, _) in DOCUMENTS {
        let schema = schema(of);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{of}");
        assert!(schema["title"].as_str().is_some_and(|title| title.contains("usher")), "{of}");
        let meta = jsonschema::draft202012::meta::validate(&schema).map_err(|error| error.to_string());
        assert_eq!(meta, Ok(()), "{of}");
        validator(of);
    }
}

#[test]
fn the_committed_ones_are_what_the_command_prints() {
    for (of, _) in DOCUMENTS {
        let path = root().join(format!("config/schema/{of}.json"));
        let committed = std::fs::read_to_string(&path).unwrap();
        let renew = format!("cargo run -- schema {of} > config/schema/{of}.json");
        assert!(committed == printed(of), "{} is not what this usher reads; renew it: {renew}", path.display());
    }
}

#[test]
fn only_these_three_there_are() {
    for arguments in [&["schema"] as &[_], &["schema", "polcy"], &["schema", "policy", "tests"]] {
        let (code, stdout, stderr) = CommandLine::empty().run::<&str, &str>(arguments, &[]);
        assert_eq!((code, stdout.as_str()), (64, ""), "{stderr}");
    }
    let (_, _, stderr) = CommandLine::empty().run::<&str, &str>(&["schema", "polcy"], &[]);
    assert!(stderr.contains("'policy'"), "{stderr}");
}

#[test]
fn every_shipped_file_is_valid() {
    let validators = DOCUMENTS.map(|(of, keys)| (of, validator(of), keys));
    let mut seen = [0; 3];
    let mut see = |kind: usize, name: &str, text: &str| {
        let (of, validator, keys) = &validators[kind];
        seen[kind] += 1;
        assert_eq!(refusals(validator, text), [""; 0], "{name} as {of}");
        assert_eq!(faults(keys, text), [""; 0], "{name} as {of}");
    };
    for (name, text) in files("config") {
        let file = Path::new(&name).file_name().unwrap().to_str().unwrap();
        let kind = match file {
            _ if file.ends_with(".tests.toml") => 1,
            _ if text.contains("\nversion = ") || text.starts_with("version = ") => 0,
            _ => 2,
        };
        see(kind, &name, &text);
    }
    for (name, text) in files("tests/policies/good") {
        see(0, &name, &text);
    }
    // And what the docs show.
    for page in ["README.md", "docs/policy.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for part in text.split("```toml\n").skip(1) {
            let block = part.split("```").next().unwrap();
            // Parts of a file are no file.
            if block.contains("version = 1") {
                see(0, page, block);
            }
        }
    }
    assert!(seen[0] >= 5 && seen[1] >= 1 && seen[2] >= 11, "the files are found: {seen:?}");
}

/// How long a duration may be no schema says; and JSON, which a schema is of, has no dates and takes 1.0 for 1.
const BEYOND_A_SCHEMA: [&str; 3] = ["duration_of_years", "state_date", "version_with_dot"];

#[test]
fn it_refuses_what_the_reader_refuses_for_its_form() {
    let validator = validator("policy");
    let mut refused = 0;
    for (name, text) in files("tests/policies/bad").into_iter().filter(|(_, text)| as_json(text).is_some()) {
        let (of_schema, of_walk) = (refusals(&validator, &text), faults(usher::policy::KEYS, &text));
        let only_read = of_schema.is_empty() && !of_walk.is_empty();
        if only_read && BEYOND_A_SCHEMA.iter().any(|beyond| name.ends_with(&format!("/{beyond}.toml"))) {
            continue;
        }
        assert_eq!(of_schema.is_empty(), of_walk.is_empty(), "{name}: {of_schema:#?} {of_walk:#?}");
        refused += usize::from(!of_walk.is_empty());
    }
    assert!(refused > 5, "the files are found");
}

/// Value by value, which whole files cannot tell apart. Only how long a duration may be, and how large a size, no schema says.
#[test]
fn it_refuses_each_value_that_the_reader_refuses() {
    let test = "[[test]]\nname = \"a\"\n";
    let issuer = "[[session.issuers]]\nname = \"a\"\nissuer = \"https://a/\"\naudiences = [\"any\"]\n";
    let documents: [(usize, &str, &str); 14] = [
        (0, "version = @", "1 | 0 | 2 | '1' | true"),
        (0, "version = 1\nroles = {}\nseparator = @", "':' | '/' | '' | '|' | 1"),
        (
            0,
            "version = 1\nroles = {}\nttl.max = @",
            "'1s' | '15m' | '00090m' | '3650d' | '0s' | '0m' | '00s' | '-1m' | '+1m' | '1.5h' | '1 m' | ' 1m' | '1m ' | \
             \"1m\\n\" | '1w' | 'm' | '' | 15 | '\u{664}m' | '1m1s'",
        ),
        (
            0,
            "version = 1\nroles.a.channels.x = @",
            "[] | ['read'] | ['read', 'write'] | ['read', 'read'] | ['raed'] | 'read' | {}",
        ),
        (
            0,
            "version = 1\nroles.a = @",
            "{} | { includes = [] } | { includes = [''] } | { issuers = [] } | { a = 1 } | [] | 1",
        ),
        (0, "version = 1\nroles = {}\nmember.state.x = @", "'' | 'a' | 1 | 1.5 | true | [] | {}"),
        (
            0,
            "version = 1\nroles = {}\nguest = @",
            "{} | { role = 'a' } | { role = '' } | { role = 'a', max_ttl = '0s' }",
        ),
        (1, &format!("{test}expect = {{}}\nclaims = @"), "{} | { a = [1, { b = [[]] }] } | [] | 'a' | { a = 1.5 }"),
        (
            1,
            &format!("{test}expect.grant = @"),
            "{} | { a = [] } | { a = ['write'] } | { a = ['write', 'write'] } | { a = true }",
        ),
        (1, "test = @", "[] | {} | 1 | [1] | [{ name = 'a' }] | [{ name = 'a', expect = {} }]"),
        (
            2,
            "limits.per_member = @",
            "'off' | 'on' | {} | { rate = '30/m' } | { burst = 0 } | { burst = 1000000000 } | { burst = 1000000001 } | 1",
        ),
        (2, "server.max_body = @", "'1B' | '256KiB' | '0KiB' | '1KB' | '1' | 1 | '1 MiB' | 'KiB'"),
        (2, "server.shutdown_delay = @", "'0s' | '00s' | '0m' | '5s' | '-0s' | 0"),
        (2, &format!("{issuer}algorithms = @"), "[] | ['RS256'] | ['none'] | ['RS256', 'RS256']"),
    ];
    let mut differing = Vec::new();
    for (kind, text, values) in documents {
        let (of, keys) = DOCUMENTS[kind];
        let validator = validator(of);
        for value in values.split(" | ") {
            let text = text.replace('@', value);
            let (of_schema, of_walk) = (refusals(&validator, &text), faults(keys, &text));
            if of_schema.is_empty() != of_walk.is_empty() {
                differing.push(format!("{text}: schema {of_schema:?}, reader {of_walk:?}"));
            }
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn an_unknown_key_is_refused_in_every_table() {
    for (of, keys) in DOCUMENTS {
        let schema = schema(of);
        let mut tables = 0;
        walk(&schema, &mut |table| {
            if table.get("properties").is_some() {
                tables += 1;
                assert_eq!(table["additionalProperties"], json!(false), "{of}: {table:#}");
            }
        });
        assert!(tables >= 4 && keys.len() == schema["properties"].as_object().unwrap().len(), "{of}");
    }
}

#[test]
fn every_key_has_a_description() {
    for (of, keys) in DOCUMENTS {
        let schema = schema(of);
        described(keys, &schema, of);
    }
}

/// Each key of a table as the schema has it, and of the tables below it.
fn described(keys: &'static [Key], schema: &Value, path: &str) {
    let required: Vec<_> = keys.iter().filter(|key| key.required).map(|key| json!(key.name)).collect();
    assert_eq!(schema["required"].as_array().cloned().unwrap_or_default(), required, "{path}");
    for key in keys {
        let path = format!("{path}.{}", key.name);
        let of_key = &schema["properties"][key.name];
        let description = of_key["description"].as_str().unwrap_or_else(|| panic!("{path} has no description"));
        assert!(description.len() > 5 && description == key.about, "{path}: {description}");
        inner(&key.kind, of_key, &path);
    }
}

fn inner(kind: &'static Kind, schema: &Value, path: &str) {
    match kind {
        Kind::Table(keys) => described(keys, schema, path),
        Kind::Tables(keys) => described(keys, &schema["items"], path),
        Kind::Map(of) => inner(of, &schema["additionalProperties"], path),
        Kind::List { of, .. } => inner(of, &schema["items"], path),
        Kind::OrWord(_, of) => inner(of, &schema["anyOf"][1], path),
        _ => {}
    }
}

fn walk(schema: &Value, see: &mut impl FnMut(&Value)) {
    match schema {
        Value::Object(members) => {
            see(schema);
            members.values().for_each(|inner| walk(inner, see));
        }
        Value::Array(items) => items.iter().for_each(|inner| walk(inner, see)),
        _ => {}
    }
}
