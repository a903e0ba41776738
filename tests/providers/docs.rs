//! `docs/providers.md`: it shows every file as it is, and quotes what usher says.

use std::collections::BTreeMap;

use usher::session::Cause;

use super::{names, shipped};

const DOCS: &str = include_str!("../../docs/providers.md");

/// The sections by their headings.
fn sections() -> BTreeMap<&'static str, &'static str> {
    DOCS.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

/// The TOML in a text, byte for byte.
fn blocks(text: &str) -> Vec<&str> {
    text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn each_file_has_a_section_that_shows_it_byte_for_byte() {
    let sections = sections();
    for name in names() {
        let file = shipped(&name);
        let shown: Vec<_> = sections.iter().filter(|(_, text)| blocks(text).contains(&file.as_str())).collect();
        let [(heading, text)] = shown.as_slice() else { panic!("{name} is shown in {}", shown.len()) };
        assert_eq!(blocks(text), [file.as_str()], "{heading} shows nothing else");
        let link = format!("[config/providers/{name}.toml](../config/providers/{name}.toml):\n\n```toml\n");
        assert!(text.contains(&link), "{heading}");
        for part in ["```js\n", "**Roles", "\nWatch for:\n"] {
            assert!(text.contains(part) || name == "home-made-cookie" && part == "**Roles", "{heading}: {part}");
        }
    }
    assert_eq!(blocks(DOCS).len(), names().len(), "there is no other TOML");
}

#[test]
fn the_list_at_the_top_leads_to_every_section() {
    let list = DOCS.split("\n## ").next().unwrap();
    let links = list.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap());
    let anchor = |heading: &&str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|character| character.is_alphanumeric() || *character == '-').collect::<String>()
    };
    let mut links: Vec<_> = links.map(str::to_owned).collect();
    let mut headings: Vec<_> = sections().keys().filter(|name| **name != "For all of them").map(anchor).collect();
    links.sort();
    headings.sort();
    assert_eq!(links, headings);
    assert_eq!(headings.len(), names().len());
}

#[test]
fn the_causes_are_what_the_log_says() {
    let rows = [Cause::Issuer, Cause::Audience, Cause::NotThreeParts, Cause::NoKeyFits, Cause::Type, Cause::Subject];
    for cause in rows {
        assert!(DOCS.contains(&format!("\n| {cause} | ")), "{cause}");
    }
    let table = DOCS.split("| `cause` | look at |\n|---|---|\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(table.lines().count(), rows.len());
}

#[test]
fn the_first_lines_say_that_it_was_not_tried_live() {
    let line = DOCS.lines().filter(|line| !line.is_empty()).nth(2).unwrap();
    assert!(line.contains("Nothing here was tried against the live providers"), "{line}");
}
