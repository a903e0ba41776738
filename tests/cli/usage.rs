//! How commands are given, and what exit status says.

use crate::support::{CommandLine, run};

fn usage(arguments: &[&str]) -> (i32, String, String) {
    run(&mut CommandLine::empty().command(arguments))
}

#[test]
fn help_and_version_are_results() {
    let cases: [(&[&str], &str); 8] = [
        (&["--help"], "Usage: usher <COMMAND>"),
        (&["-h"], "Usage: usher <COMMAND>"),
        (&["help"], "Usage: usher <COMMAND>"),
        (&["--version"], concat!("usher ", env!("CARGO_PKG_VERSION"))),
        (&["serve", "--help"], "Usage: usher serve"),
        (&["check", "--help"], "Usage: usher check"),
        (&["dev", "--help"], "--allow-remote"),
        (&["session", "--help"], "--sub"),
    ];
    for (arguments, said) in cases {
        let (code, stdout, stderr) = usage(arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains(said), "{arguments:?}: {stdout}");
    }
}

#[test]
fn wrong_usage_is_64_and_names_what_is_near() {
    let cases: [(&str, &[&str], &[&str]); 13] = [
        ("no command", &[], &["Usage: usher"]),
        ("a misspelt command", &["serv"], &["serv", "'serve'"]),
        ("another", &["chekc"], &["chekc", "'check'"]),
        ("a misspelt option", &["serve", "--confg", "x"], &["--confg", "'--config'"]),
        ("another", &["dev", "--polciy", "x"], &["--polciy", "'--policy'"]),
        ("another", &["session", "--sub", "a", "--rolle", "b"], &["--rolle", "'--role'"]),
        ("an option before its command", &["--config", "x", "serve"], &["'--config'", "serve --config"]),
        ("an option without its value", &["check", "--policy"], &["--policy <FILE>"]),
        ("what is required", &["session"], &["--sub"]),
        ("an address that is none", &["dev", "--listen", "nowhere"], &["--listen", "nowhere"]),
        ("a port that is none", &["session", "--sub", "a", "--port", "70000"], &["--port", "70000"]),
        ("a claim without a value", &["session", "--sub", "a", "--claim", "name"], &["--claim", "name=value"]),
        ("two ways of checking", &["check", "--policy", "a", "--config", "b"], &["--policy", "--config"]),
    ];
    for (name, arguments, said) in cases {
        let (code, stdout, stderr) = usage(arguments);
        assert_eq!((code, stdout.as_str()), (64, ""), "{name}");
        for word in said {
            assert!(stderr.contains(word), "{name}: {word} is not in: {stderr}");
        }
    }
}

#[test]
fn a_session_without_a_dev_that_runs_fails_with_1() {
    let place = CommandLine::empty();
    let runtime = place.path().to_str().unwrap();
    for (arguments, said) in
        [(&["session", "--sub", "a"] as &[_], "no `usher dev`"), (&["session", "--sub", "a", "--port", "1"], "port 1:")]
    {
        let (code, stdout, stderr) = place.run(arguments, &[("XDG_RUNTIME_DIR", runtime)]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}
