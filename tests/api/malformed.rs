//! Hundreds of bodies that are no request, over one connection: each has its documented problem, and the next good request
//! on the same connection is answered. The kinds of faulty JSON are those that conformance suites of RFC 8259 test.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::Response;
use crate::support::service::Service;
use crate::support::session;

/// A connection that is used for one request after the other.
struct Kept {
    stream: TcpStream,
    head: String,
    read: Vec<u8>,
}

impl Kept {
    async fn to(service: &Service) -> Self {
        let stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).await.unwrap();
        let session = session("alice", &["customer"]);
        let head = format!("POST /chat-token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session}\r\n");
        Self { stream, head: head + "Content-Type: application/json\r\n", read: Vec::new() }
    }

    /// Sends this body and reads one whole answer, leaving the connection as it is.
    async fn ask(&mut self, body: &[u8]) -> Response {
        let mut request = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len()).into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await.unwrap();
        loop {
            if let Some(seen) = self.answer() {
                return seen;
            }
            let count = self.stream.read_buf(&mut self.read).await.unwrap();
            assert!(count > 0, "the connection was closed after {:?}", String::from_utf8_lossy(body));
        }
    }

    fn answer(&mut self) -> Option<Response> {
        let end = self.read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let whole = end + length.parse::<usize>().unwrap();
        if self.read.len() < whole {
            return None;
        }
        let answer: Vec<u8> = self.read.drain(..whole).collect();
        Some(Response::parse(&String::from_utf8(answer).unwrap()))
    }
}

/// A body, and how it is to be answered: status, code, and for a 422 the pointer and code of one fault.
struct Case {
    body: Vec<u8>,
    status: u16,
    fault: Option<(String, &'static str)>,
}

fn malformed(body: impl Into<Vec<u8>>) -> Case {
    Case { body: body.into(), status: 400, fault: None }
}

fn invalid(body: &Value, pointer: &str, code: &'static str) -> Case {
    Case { body: body.to_string().into_bytes(), status: 422, fault: Some((pointer.to_owned(), code)) }
}

/// Values that no JSON parser may take (RFC 8259), by what is wrong with them.
#[expect(clippy::too_many_lines, reason = "it is a list")]
fn no_values() -> Vec<Vec<u8>> {
    let texts = [
        // Literals (§3).
        "True",
        "TRUE",
        "nul",
        "nulll",
        "tru",
        "fals",
        "undefined",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "None",
        "&",
        // Numbers (§6).
        "01",
        "-01",
        "00",
        "+1",
        "-",
        "--1",
        "- 1",
        ".5",
        "-.5",
        "1.",
        "-1.",
        "1.e5",
        "1e",
        "1E",
        "1e+",
        "1e-",
        "1e5.5",
        "0x1F",
        "0b1",
        "0o7",
        "1_000",
        "1,000",
        "1.2.3",
        "1e1e1",
        "\u{ff11}",
        "1e400",
        "-1e400",
        "1a",
        "0e",
        "2.e-3",
        // Strings (§7).
        "\"",
        "\"a",
        "'a'",
        "`a`",
        "\"\\",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\a\"",
        "\"\\'\"",
        "\"\\0\"",
        "\"\\u\"",
        "\"\\u00\"",
        "\"\\u00g0\"",
        "\"\\u{41}\"",
        "\"\\U0041\"",
        "\"\t\"",
        "\"\n\"",
        "\"\r\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "\"\\ud800\"",
        "\"\\udfff\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"a\"b",
        "\"a\" \"b\"",
        "a",
        // Arrays (§5).
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[,]",
        "[1,,2]",
        "[1 2]",
        "[1;2]",
        "[1:2]",
        "[\"a\"",
        "[[]",
        "[1}",
        "(1)",
        // Objects (§4).
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1;\"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{null:1}",
        "{\"a\"=1}",
        "{\"a\":}",
        "{:1}",
        "{\"a\",1}",
        "{\"a\":1]",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\":1,\"\":2}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{[1]:1}",
        "}",
        // What is not JSON at all.
        "/* */1",
        "1//",
        "#1",
        "<a/>",
        "\u{feff}1",
        "\u{a0}1",
        "\u{2028}1",
        "1\u{b}",
        "1\u{c}2",
        "\\u0031",
        "@",
        "=1",
        "1;",
    ];
    let bytes: [&[u8]; 12] = [
        b"\"\xff\"",
        b"\"\x80\"",
        b"\"\xc3\"",
        b"\"\xc3\x28\"",
        b"\"\xe2\x82\"",
        b"\"\xc0\x80\"",
        b"\"\xe0\x80\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xed\xbf\xbf\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xf8\x88\x80\x80\x80\"",
        b"\xfe\xff",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain(bytes.map(<[u8]>::to_vec)).collect()
}

/// Each value in three places: alone, in the free form of the state, and where it would be an unknown member.
fn malformed_cases() -> Vec<Case> {
    let places: [(&[u8], &[u8]); 3] = [(b"", b""), (b"{\"state\":{\"status\":", b"}}"), (b"{\"x\":[1,", b"]}")];
    let values = no_values();
    let mut cases: Vec<_> = values
        .iter()
        .flat_map(|value| {
            places.iter().map(move |(before, after)| malformed([before, value.as_slice(), after].concat()))
        })
        .collect();
    let deep = |levels: usize| format!("{{\"state\":{}1{}}}", "{\"status\":".repeat(levels), "}".repeat(levels));
    cases.extend([" ", "\n", "\0", "{}{}", "{} {}", "{}x", "{},", "null null", "\u{feff}{}"].map(malformed));
    cases.extend([deep(127), deep(500), "[".repeat(100_000), "[".repeat(128) + &"]".repeat(128)].map(malformed));
    cases
}

/// A place: its pointer, the kinds of values that it is for, and a body with such a value there.
type Place = (&'static str, &'static [&'static str], fn(&Value) -> Value);

/// Each kind of value in each place that is for another.
fn wrong_type_cases() -> Vec<Case> {
    let kinds = [
        ("null", json!(null)),
        ("boolean", json!(true)),
        ("integer", json!(5)),
        ("float", json!(5.5)),
        ("string", json!("text")),
        ("list", json!([])),
        ("list", json!([{"read": true}])),
        ("object", json!({})),
    ];
    let places: [Place; 8] = [
        ("", &["object"], Value::clone),
        ("/channels", &["object"], |value| json!({"channels": value})),
        ("/channels/a", &["object"], |value| json!({"channels": {"a": value}})),
        ("/channels/a/read", &["boolean"], |value| json!({"channels": {"a": {"read": value}}})),
        ("/channels/a~1b~0c/write", &["boolean"], |value| json!({"channels": {"a/b~c": {"write": value}}})),
        ("/ttl", &["integer"], |value| json!({"ttl": value})),
        ("/state", &["object"], |value| json!({"state": value})),
        ("/member_id", &["string"], |value| json!({"member_id": value})),
    ];
    let mut cases = Vec::new();
    for (pointer, right, body) in places {
        let wrong = kinds.iter().filter(|(kind, _)| !right.contains(kind));
        cases.extend(wrong.map(|(_, value)| invalid(&body(value), pointer, "wrong_type")));
    }
    let modes = kinds.iter().filter(|(kind, _)| *kind != "string");
    cases.extend(modes.map(|(_, value)| invalid(&json!({"mode": value}), "/mode", "wrong_type")));
    cases
}

/// Names and values at and over their limits, in characters of one, two, three and four bytes.
fn limit_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for character in ["a", "é", "€", "😀"] {
        let name = |length: usize| character.repeat(length);
        let channel = |name: &str| json!({"channels": {name: {"read": true}}});
        let over = name(251);
        cases.push(invalid(&channel(&over), &format!("/channels/{over}"), "channel_name_size_limit_exceeded"));
        // At the limit it is a name like another, which nobody is granted.
        let at = channel(&name(250)).to_string().into_bytes();
        cases.push(Case { body: at, status: 403, fault: None });
        // `{"name":…}` is not in this session, so the state is the client's alone: {"status":"…"} has 13 beside the text.
        let state = |length: usize| json!({"state": {"status": name(length)}});
        cases.push(invalid(&state(2_000 - 12), "/state", "state_size_limit_exceeded"));
        cases.push(Case { body: state(2_000 - 13).to_string().into_bytes(), status: 200, fault: None });
        let id = name(250);
        cases.push(invalid(&json!({"member_id": id}), "/member_id", "member_id_mismatch"));
    }
    for (name, code) in [
        ("", "channel_name_is_invalid"),
        (" a", "channel_name_is_invalid"),
        ("a\u{a0}", "channel_name_is_invalid"),
        ("a\u{7}b", "channel_name_is_invalid"),
        ("a\u{85}b", "channel_name_is_invalid"),
        ("a\u{2028}b", "channel_name_is_invalid"),
        ("a*", "channel_name_is_invalid"),
        ("{sub}", "channel_name_is_invalid"),
        ("sw_x", "channel_name_is_reserved"),
    ] {
        let body = json!({"channels": {name: {"read": true}}});
        cases.push(invalid(&body, &format!("/channels/{name}"), code));
    }
    let many = |count: usize| -> Value {
        let channels: serde_json::Map<_, _> = (0..count).map(|at| (format!("c{at}"), json!({"read": true}))).collect();
        json!({"channels": channels})
    };
    cases.push(invalid(&many(501), "/channels", "channel_size_limit_exceeded"));
    cases.push(Case { body: many(500).to_string().into_bytes(), status: 403, fault: None });
    for (ttl, code) in [
        ("0", "out_of_range"),
        ("43201", "out_of_range"),
        ("-1", "out_of_range"),
        ("1", "ttl_too_small"),
        ("5.0", "wrong_type"),
    ] {
        let body = format!("{{\"ttl\":{ttl}}}");
        cases.push(Case { body: body.into_bytes(), status: 422, fault: Some(("/ttl".to_owned(), code)) });
    }
    for (body, pointer, code) in [
        (json!({"channels": {}}), "/channels", "missing_required_parameter"),
        (json!({"channels": {"a": {}}}), "/channels/a", "channel_has_missing_properties"),
        (json!({"channels": {"a": {"read": false}}}), "/channels/a", "channel_has_missing_properties"),
        (json!({"channels": {"a": {"raed": true}}}), "/channels/a/raed", "unknown_member"),
        (json!({"chanels": {}}), "/chanels", "unknown_member"),
        (json!({"": 1}), "/", "unknown_member"),
        (json!({"state": {"name": "x"}}), "/state/name", "state_key_not_allowed"),
        (json!({"mode": "wide"}), "/mode", "out_of_range"),
    ] {
        cases.push(invalid(&body, pointer, code));
    }
    cases
}

#[tokio::test]
async fn each_faulty_body_has_its_code_and_the_next_good_one_on_the_connection_is_answered() {
    let service = Service::start().await;
    let mut kept = Kept::to(&service).await;
    let cases: Vec<_> = [malformed_cases(), wrong_type_cases(), limit_cases()].into_iter().flatten().collect();
    let faulty = cases.iter().filter(|case| matches!(case.status, 400 | 422)).count();
    assert!(faulty >= 300, "{faulty}");
    for Case { body, status, fault } in cases {
        let shown: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        let seen = kept.ask(&body).await;
        assert_eq!(seen.status, status, "{shown}: {seen:?}");
        let answer = seen.json();
        if status == 400 {
            assert_eq!(answer["code"], "malformed_request", "{shown}");
        }
        if let Some((pointer, code)) = fault {
            let rows = answer["errors"].as_array().unwrap();
            let has = rows.iter().any(|row| row["pointer"] == pointer && row["code"] == code);
            assert!(has, "{shown}: {pointer} {code} is not in {answer}");
        }
        let next = kept.ask(b"{}").await;
        assert_eq!(next.status, 200, "after {shown}: {next:?}");
    }
}
