//! `config/cookbook` and `docs/policy.md`: every recipe is tested by the real binary and shown as it is, the guide's commands
//! answer as it says, the reference has every key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use usher::analysis::{Cases, TEST_FILE_KEYS};
use usher::policy::{self, Policy};
use usher::schema::{Key, Kind};

use crate::support::{CommandLine, run};

const DOCS: &str = include_str!("../../docs/policy.md");
const TESTS: &str = ".tests.toml";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cookbook")
}

/// The names of the files of tests, or of the others, sorted, without their ends.
fn names(of_tests: bool) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory()).unwrap();
    let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let end = if of_tests { TESTS } else { ".toml" };
    files
        .filter(|file| file.ends_with(TESTS) == of_tests)
        .map(|file| file.strip_suffix(end).unwrap().to_owned())
        .collect()
}

fn recipe(name: &str) -> String {
    std::fs::read_to_string(directory().join(format!("{name}.toml"))).unwrap()
}

/// A recipe's first comment, below the line for editors, and the rest of it.
fn parted(recipe: &str) -> (&str, &str) {
    let recipe = recipe.strip_prefix("#:schema ../schema/policy.json\n").unwrap();
    recipe.split_at(recipe.find("version = 1\n").unwrap())
}

/// A part of the docs, from its heading of the second level to the next one.
fn part(heading: &str) -> &'static str {
    DOCS.split("\n## ").find_map(|part| part.strip_prefix(heading)?.strip_prefix('\n')).unwrap()
}

/// Every fenced block: its language and its text, and whether the next block follows it at once.
fn blocks(text: &'static str) -> Vec<(&'static str, &'static str, bool)> {
    let pieces: Vec<&str> = text.split("```").collect();
    let fenced = pieces.iter().enumerate().filter(|(at, _)| at % 2 == 1);
    let block = |(at, piece): (usize, &&'static str)| {
        let (language, text) = piece.split_once('\n').unwrap();
        (language, text, pieces.get(at + 1).is_some_and(|between| between.trim().is_empty()))
    };
    fenced.map(block).collect()
}

fn toml_of(text: &'static str) -> Vec<&'static str> {
    blocks(text).into_iter().filter(|(language, ..)| *language == "toml").map(|(_, text, _)| text).collect()
}

fn is_policy(block: &str) -> bool {
    block.lines().any(|line| line == "version = 1")
}

fn is_tests(block: &str) -> bool {
    block.lines().any(|line| line == "[[test]]")
}

#[test]
fn every_recipe_says_what_it_is_for_and_has_its_tests() {
    let recipes = names(false);
    assert!(recipes.len() >= 12, "{recipes:?}");
    assert_eq!(recipes, names(true), "each policy has a file of tests, and each of those a policy");
    for name in recipes {
        let text = recipe(&name);
        let (need, _) = parted(&text);
        assert!(need.starts_with("# ") && need.lines().all(|line| line.starts_with('#')), "{name}: {need}");
        let need = need.replace("\n# ", " ");
        assert!(need.contains(" session") && need.contains(" carries "), "{name} says what a session carries: {need}");
    }
}

#[test]
fn every_recipe_passes_its_tests_and_they_use_every_rule() {
    let elsewhere = CommandLine::empty();
    for name in names(false) {
        let policy = directory().join(format!("{name}.toml"));
        let (code, stdout, stderr) = run(elsewhere.command(&["check", "--policy"]).arg(&policy));
        assert_eq!((code, stderr.as_str()), (0, ""), "{name}: {stdout}");

        let tests = directory().join(format!("{name}{TESTS}"));
        let (code, stdout, stderr) = run(elsewhere.command(&["test", "--min-coverage", "100"]).arg(&tests));
        assert_eq!((code, stderr.as_str()), (0, ""), "{name}: {stdout}");
        assert!(!stdout.contains("not used by any test"), "{name}: {stdout}");
        let passed = stdout.lines().filter(|line| line.starts_with("ok ")).count();
        assert!(passed >= 5 && stdout.contains(&format!("\n{passed} passed, 0 failed; ")), "{name}: {stdout}");
    }
}

#[test]
fn the_docs_show_every_recipe_as_it_is() {
    let sections: Vec<&str> = part("Cookbook").split("\n### ").skip(1).collect();
    for name in names(false) {
        let file = format!("../config/cookbook/{name}");
        let link = format!("\n[{name}.toml]({file}.toml), [its tests]({file}{TESTS}):\n");
        let found: Vec<_> = sections.iter().filter(|section| section.contains(&link)).collect();
        let [section] = found.as_slice() else { panic!("{name} is in {} sections", found.len()) };
        assert_eq!(toml_of(section), [parted(&recipe(&name)).1], "{name}");
    }
    assert_eq!(sections.len(), names(false).len(), "there is no other section");
}

#[test]
fn every_toml_in_the_docs_is_what_it_looks_like() {
    let (mut policies, mut tests) = (0, 0);
    for block in toml_of(DOCS) {
        if is_policy(block) {
            policies += 1;
            Policy::compile("docs", block, &BTreeSet::new()).unwrap_or_else(|faults| panic!("{faults}"));
        } else if is_tests(block) {
            tests += 1;
            Cases::read("docs", block, &[]).unwrap_or_else(|faults| panic!("{faults}"));
        } else if let Err(fault) = block.parse::<toml::Table>() {
            panic!("{fault}\n{block}");
        }
    }
    assert!(policies > names(false).len() && tests > 3, "{policies} policies, {tests} blocks of tests");
}

#[test]
fn the_guide_is_as_it_says() {
    let context = CommandLine::empty();
    let (mut policy, mut tests, mut said, mut answers) = (String::new(), String::new(), None, 0);
    for (language, text, followed) in blocks(part("From a need to a policy")) {
        match language {
            "toml" if is_policy(text) => text.clone_into(&mut policy),
            "toml" => {
                let file = if is_tests(text) { &mut tests } else { &mut policy };
                if !file.is_empty() {
                    file.push('\n');
                }
                file.push_str(text);
            }
            "sh" if followed => {
                context.write("config/policy.toml", &policy);
                context.write("config/policy.tests.toml", &tests);
                let words = text.strip_prefix("usher ").unwrap().split_whitespace();
                let (_, stdout, stderr) = run(context.command(&[]).args(words));
                said = Some(stdout + &stderr);
            }
            "text" => {
                answers += 1;
                let said = said.take().unwrap();
                let pairs = said.trim_end().lines().zip(text.lines());
                let same = pairs.filter(|(is, shown)| match shown.split_once('…') {
                    Some((start, end)) => is.starts_with(start) && is.ends_with(end),
                    None => is == shown,
                });
                let lines = text.lines().count();
                assert!(same.count() == lines && said.trim_end().lines().count() == lines, "usher says\n{said}");
            }
            _ => {}
        }
    }
    assert!(answers > 5, "{answers}");
}

/// The dotted names of all keys.
fn keys(table: &'static [Key], prefix: &str, all: &mut BTreeSet<String>) {
    for key in table {
        let name = format!("{prefix}{}", key.name);
        let (inner, is_whole) = match &key.kind {
            Kind::Table(keys) => (Some((*keys, format!("{name}."))), false),
            Kind::Tables(keys) => (Some((*keys, format!("{name}."))), true),
            Kind::Map(Kind::Table(keys)) => (Some((*keys, format!("{name}.<{}>.", name.trim_end_matches('s')))), true),
            _ => (None, true),
        };
        if is_whole {
            all.insert(name);
        }
        if let Some((keys_within, prefix)) = inner {
            keys(keys_within, &prefix, all);
        }
    }
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let listed = |heading: &str| -> BTreeSet<String> {
        let section = part("Reference").split("\n### ").find(|section| section.starts_with(heading)).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        rows.map(str::to_owned).collect()
    };
    for (heading, table) in [("Keys of a policy\n", policy::KEYS), ("Keys of a file of tests\n", TEST_FILE_KEYS)] {
        let mut all = BTreeSet::new();
        keys(table, "", &mut all);
        assert_eq!(listed(heading), all, "{heading}");
    }
}

#[test]
fn every_place_that_the_docs_link_to_is_a_heading() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let anchors = |page: &str| -> BTreeSet<String> {
        let outside_of_blocks = page.split("```").step_by(2);
        let headings = outside_of_blocks.flat_map(str::lines).filter(|line| line.starts_with('#'));
        let anchor = |heading: &str| -> String {
            let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            text.chars().filter(|character| character.is_alphanumeric() || "-_".contains(*character)).collect()
        };
        headings.map(anchor).collect()
    };
    let mut links = 0;
    for target in DOCS.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let Some((page, place)) = target.split_once('#') else { continue };
        let text = if page.is_empty() { DOCS.to_owned() } else { std::fs::read_to_string(docs.join(page)).unwrap() };
        assert!(anchors(&text).contains(place), "{target}");
        links += 1;
    }
    assert!(links > 20, "{links}");
}
