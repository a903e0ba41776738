//! Faulty policy files: each with its whole report, every fault at once.

use std::collections::BTreeSet;
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

#[test]
fn every_faulty_file_has_its_report() {
    for (name, text) in files("bad") {
        let faults = Policy::compile(&format!("{name}.toml"), &text, &BTreeSet::from(["app".to_owned()]));
        let report = faults.map_or_else(|faults| faults.to_string(), |_| "NO FAULT".to_owned());
        assert_ne!(report, "NO FAULT", "{name}");
        assert!(
            report.contains(&format!("{name}.toml:")) && report.contains('^') && report.contains("help: "),
            "{report}"
        );
        insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "../policies/bad"}, {
            insta::assert_snapshot!(name, report);
        });
    }
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
fn a_syntax_fault_hides_no_other_fault_and_makes_none() {
    // The list in line 4 is never closed within its line: what follows from that is not told.
    let text = "[roles.a.channels]\n'x*' = ['read']\n'y' = ['read'\n'z' = ['write']\n[defaults]\nrole = 'a'\n";
    let report = report(text);
    assert!(report.contains("beside other text"), "{report}");
    assert!(report.contains("policy.toml:5:1"), "{report}");
    assert!(report.ends_with("2 faults found"), "{report}");
}

#[test]
fn every_syntax_fault_is_told() {
    let report = report(
        "[ttl]\nmax = 1h\nmin = \n[roles.a]\nincludes = [,]\nmax_ttl = '1h\n[roles.a.channels]\n'x' = ['read']\n",
    );
    for line in ["policy.toml:3:", "policy.toml:4:", "policy.toml:6:", "policy.toml:7:"] {
        assert!(report.contains(line), "{line}: {report}");
    }
    assert!(report.ends_with("4 faults found"), "{report}");
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
        // The role that is missing stands below the header that cannot be read.
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
