//! The layers that settings come in, the later wins: defaults, files, SignalWire's variables, `USHER__…`.

use crate::support::{CommandLine, complete, issuer_of, with, without};

/// The value that `usher check` understood for a line's label.
fn understood(stdout: &str, label: &str) -> String {
    let line = stdout.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("{stdout}"));
    line.trim_start_matches(label).trim().to_owned()
}

/// Where the service would listen, once everything else is right.
fn listens(place: &CommandLine, arguments: &[&str], variables: &[(String, String)]) -> String {
    let (code, stdout, stderr) = place.run(&[&["check"], arguments].concat(), variables);
    assert_eq!(code, 0, "{stderr}");
    understood(&stdout, "listen")
}

fn listen(port: u16) -> String {
    format!("[server]\nlisten = \"127.0.0.1:{port}\"\n")
}

#[test]
fn a_later_layer_wins() {
    let place = CommandLine::with_policy();
    let all = complete("example");
    let silent = without(all.clone(), "USHER__SERVER__LISTEN");
    assert_eq!(listens(&place, &[], &silent), "127.0.0.1:8080", "the default");

    place.write("one.toml", listen(1001));
    place.write("two.toml", listen(1002));
    place.write("neither.toml", "");
    let one = ["--config", "one.toml"];
    let two = ["--config", "two.toml"];
    let neither = ["--config", "neither.toml"];
    place.write("config/usher.toml", listen(1000));
    assert_eq!(listens(&place, &[], &silent), "127.0.0.1:1000", "the usual file");
    assert_eq!(listens(&place, &neither, &silent), "127.0.0.1:8080", "--config comes instead of the usual file");
    assert_eq!(listens(&place, &one, &silent), "127.0.0.1:1001");
    assert_eq!(listens(&place, &[one, two].concat(), &silent), "127.0.0.1:1002", "in order");
    assert_eq!(listens(&place, &[two, one].concat(), &silent), "127.0.0.1:1001", "in order");
    assert_eq!(listens(&place, &[one, neither].concat(), &silent), "127.0.0.1:1001", "what is not said stays");
    let variable = with(silent, "USHER__SERVER__LISTEN", "127.0.0.1:1003");
    assert_eq!(listens(&place, &[one, two].concat(), &variable), "127.0.0.1:1003", "the environment");
}

#[test]
fn signalwires_own_variables_win_over_files_and_ours_win_over_them() {
    let place = CommandLine::with_policy();
    let signalwire = |variables: &[(String, String)]| {
        let (code, stdout, stderr) = place.run(&["check"], variables);
        assert_eq!(code, 0, "{stderr}");
        understood(&stdout, "signalwire")
    };
    place.write("config/usher.toml", "[signalwire]\nspace = \"file\"\nproject_id = \"of-the-file\"\n");
    let own = ["SIGNALWIRE_SPACE", "SIGNALWIRE_PROJECT_ID"];
    let silent = own.iter().fold(complete("example"), |variables, name| without(variables, name));
    assert_eq!(signalwire(&silent), "https://file.signalwire.com/ project of-the-file");
    let theirs = with(with(silent, "SIGNALWIRE_SPACE", "theirs"), "SIGNALWIRE_PROJECT_ID", "of-theirs");
    assert_eq!(signalwire(&theirs), "https://theirs.signalwire.com/ project of-theirs");
    let ours = with(with(theirs, "USHER__SIGNALWIRE__SPACE", "ours"), "USHER__SIGNALWIRE__PROJECT_ID", "of-ours");
    assert_eq!(signalwire(&ours), "https://ours.signalwire.com/ project of-ours");
}

#[test]
fn a_space_is_a_name_a_host_or_a_url() {
    let place = CommandLine::with_policy();
    for (space, url) in [
        ("example", "https://example.signalwire.com/"),
        ("example.signalwire.com", "https://example.signalwire.com/"),
        ("https://example.signalwire.com", "https://example.signalwire.com/"),
        ("https://example.signalwire.com/", "https://example.signalwire.com/"),
        ("https://sandbox.internal:8443", "https://sandbox.internal:8443/"),
        ("http://127.0.0.1:4010", "http://127.0.0.1:4010/"),
        ("http://[::1]:4010", "http://[::1]:4010/"),
        ("http://localhost:4010", "http://localhost:4010/"),
    ] {
        let (code, stdout, stderr) = place.run(&["check"], &complete(space));
        assert_eq!(code, 0, "{space}: {stderr}");
        assert!(understood(&stdout, "signalwire").starts_with(url), "{space}: {stdout}");
    }
    let private = with(complete("http://sandbox.internal:4010"), "USHER__SIGNALWIRE__ALLOW_HTTP", "true");
    let (code, stdout, stderr) = place.run(&["check"], &private);
    assert_eq!(code, 0, "{stderr}");
    assert!(understood(&stdout, "signalwire").starts_with("http://sandbox.internal:4010/"), "{stdout}");
}

#[test]
fn a_list_of_tables_replaces_the_earlier_one() {
    let place = CommandLine::with_policy();
    let issuer = |name: &str| {
        let text = issuer_of("jwks_url = \"https://keys.example.com/\"");
        text.replace("\"app\"", &format!("\"{name}\"")).replace("login", name)
    };
    // The policy does not tell two aliases apart, so these are two names for one.
    let two = [issuer("first"), issuer("second").replace("\"second\"", "\"first\"")].join(", ");
    place.write("config/usher.toml", format!("[session]\nissuers = [{two}]\n"));
    let silent = without(complete("example"), "USHER__SESSION__ISSUERS");
    let issuers = |variables: &[(String, String)]| {
        let (code, stdout, stderr) = place.run(&["check"], variables);
        assert_eq!(code, 0, "{stderr}");
        stdout.lines().filter(|line| line.starts_with("issuer")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(issuers(&silent).len(), 2);
    let third = with(silent, "USHER__SESSION__ISSUERS", &format!("[{}]", issuer("third")));
    let left = issuers(&third);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("third https://third.example.com/"), "{left:?}");
}

#[test]
fn what_has_one_underscore_is_not_ours() {
    let place = CommandLine::with_policy();
    // Kubernetes makes such for a service called usher.
    let made = ["USHER_PORT", "USHER_SERVICE_HOST", "USHER_SERVER_LISTEN", "USHER", "USHERS__SERVER__LISTEN"];
    let variables = made.iter().fold(complete("example"), |variables, name| with(variables, name, "tcp://10.0.0.1:80"));
    let (code, _, stderr) = place.run(&["check"], &variables);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (code, _, stderr) = place.run(&["check"], &with(variables, "USHER__PORT", "tcp://10.0.0.1:80"));
    assert_eq!(code, 3);
    assert!(stderr.contains("USHER__PORT: there is no setting `PORT` here"), "{stderr}");
}
