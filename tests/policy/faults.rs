//! Faulty policy files: each with its whole report, every fault at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use usher::policy::Policy;

use super::report;

fn files(directory: &str) -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies").join(directory);
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The configured aliases: those of a first line such as `# aliases: app partner`, or `app` alone.
fn aliases(text: &str) -> BTreeSet<String> {
    let named = text.lines().next().and_then(|line| line.strip_prefix("# aliases: ")).unwrap_or("app");
    named.split_whitespace().map(str::to_owned).collect()
}

/// The report on a faulty file, as `NAME.toml`.
fn report_on(name: &str, text: &str) -> String {
    let compiled = Policy::compile(&format!("{name}.toml"), text, &aliases(text));
    compiled.map_or_else(|faults| faults.to_string(), |_| panic!("{name} has no fault"))
}

#[test]
fn every_faulty_file_has_its_report() {
    let files = files("bad");
    assert!(files.len() >= 80, "{} files are too few", files.len());
    let (mut texts, mut reports) = (BTreeMap::new(), BTreeMap::new());
    for (name, text) in &files {
        let report = report_on(name, text);
        let faults = Faults::of(&report);
        assert!(faults.messages.iter().all(|message| says_what_is_wrong(message)), "{report}");
        assert_eq!(faults.messages.len(), faults.counted, "{report}");
        assert_eq!(faults.places.len(), faults.counted, "{report}");
        assert!(faults.places.is_sorted(), "{report}");
        assert!(!name.starts_with("several_") || faults.counted >= 3, "{report}");
        assert_eq!(report.matches("= help: ").count(), faults.counted, "{report}");
        assert!(report.contains('^'), "{report}");
        let same_text = texts.insert(text, name);
        assert_eq!(same_text, None, "{name} is the same file");
        let same_report = reports.insert(report.replace(&format!("{name}.toml"), "FILE"), name);
        assert_eq!(same_report, None, "{name} has the same report");
        insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../policies/bad"}, {
            insta::assert_snapshot!(name.as_str(), report);
        });
    }
}

/// What a report says of itself.
struct Faults<'a> {
    messages: Vec<&'a str>,
    /// Line and column of each.
    places: Vec<(usize, usize)>,
    /// What the last line counts.
    counted: usize,
}

impl<'a> Faults<'a> {
    fn of(report: &'a str) -> Self {
        let last = report.lines().last().unwrap();
        let number = last.strip_suffix(" fault found").or_else(|| last.strip_suffix(" faults found"));
        Self {
            messages: report.lines().filter_map(|line| line.strip_prefix("error: ")).collect(),
            places: report.lines().filter_map(place).collect(),
            counted: number.unwrap_or_else(|| panic!("{report}")).parse().unwrap(),
        }
    }
}

/// What a line such as ` --> NAME.toml:3:1` says.
fn place(line: &str) -> Option<(usize, usize)> {
    let (_, place) = line.trim_start().strip_prefix("--> ")?.split_once(".toml:")?;
    let (line, column) = place.split_once(':')?;
    Some((line.parse().unwrap(), column.parse().unwrap()))
}

/// Whether a message is more than that something is invalid.
fn says_what_is_wrong(message: &str) -> bool {
    let words = message.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.filter(|word| !word.eq_ignore_ascii_case("invalid")).count() > 1
}

#[test]
fn every_good_file_has_none() {
    for (name, text) in files("good") {
        if let Err(faults) = Policy::compile(&name, &text, &BTreeSet::new()) {
            panic!("{name}: {faults}");
        }
    }
}

#[test]
fn several_faults_are_told_at_once_in_the_order_of_the_file() {
    let report = report(
        "[ttl]\nmax = '31d'\nmxa = '1h'\n[roles.a]\nincludes = ['b']\n[roles.a.channels]\n'x*' = ['read']\n'y' = ['raed']\n",
    );
    let order: Vec<_> = ["over 30 days", "no key `mxa`", "no role `b`", "beside other text", "`raed`"]
        .iter()
        .map(|part| report.find(part).unwrap_or_else(|| panic!("{part}: {report}")))
        .collect();
    assert!(order.is_sorted(), "{report}");
    assert!(report.ends_with("5 faults found"), "{report}");
}

#[test]
fn a_file_that_is_not_toml_gets_its_first_syntax_error_alone() {
    // The list in line 4 is never closed, which spoils line 5 too; line 3 has an error of another kind.
    let text = "[roles.a.channels]\n'x*' = ['read']\n'y' = ['read'\n'z' = ['write']\n[defaults]\nrole = b\n";
    let told = report(text);
    assert!(told.starts_with("error: missing comma between array elements, expected `,`\n"), "{told}");
    assert!(told.contains("policy.toml:5:1"), "{told}");
    assert!(told.ends_with("1 fault found"), "{told}");
    // Once it is TOML, everything else is told at once.
    let told = report(&text.replace("'read'\n", "'read']\n").replace("= b", "= 'b'"));
    assert!(told.contains("beside other text") && told.contains("there is no role `b`"), "{told}");
    assert!(told.ends_with("2 faults found"), "{told}");
}

#[test]
fn version_and_a_role_are_required() {
    let faults = Policy::compile("p.toml", "", &BTreeSet::new()).unwrap_err().to_string();
    assert!(faults.contains("`version` is missing") && faults.contains("`roles` is missing"), "{faults}");
    assert!(report("[roles]\n").contains("there is no role"));
    let other = Policy::compile("p.toml", "version = 2\n[roles.a]\n", &BTreeSet::new()).unwrap_err().to_string();
    assert!(other.contains("the integer 1"), "{other}");
}

#[test]
fn nothing_is_told_that_only_follows_from_another_fault() {
    for text in [
        // The role that is missing stands below the header that is not closed.
        "[roles.a]\nincludes = ['b']\n[roles.b\nmax_ttl = '1h'\n",
        "[roles.b\n[roles.a]\nmax_ttl = '1h'\n[defaults]\nrole = 'b'\n",
        // The one role is not one.
        "[roles]\na = 'x'\n",
        // How the bounds fit is not known while one of them is not.
        "[ttl]\nmax = '3x'\ndefault = '2h'\n[roles.a]\n",
    ] {
        let report = report(text);
        assert!(report.ends_with("1 fault found"), "{text}: {report}");
    }
}

#[test]
fn a_character_too_few_or_too_many_makes_few_faults() {
    let good = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/policy.toml")).unwrap();
    let good = good.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    for (at, character) in good.char_indices().filter(|(_, character)| *character != '\n') {
        let (before, after) = (&good[..at], &good[at + character.len_utf8()..]);
        for text in [format!("{before}{after}"), format!("{before}\"{character}{after}")] {
            if let Err(faults) = Policy::compile("policy.toml", &text, &BTreeSet::new()) {
                let report = faults.to_string();
                assert!(Faults::of(&report).counted <= 3, "{text}\n{report}");
            }
        }
    }
}
