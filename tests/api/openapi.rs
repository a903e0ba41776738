//! `GET /openapi.json`: that it says what the service does, no more and no less.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use usher::api::{Code, CookieSettings, metric_series};
use usher::chat::FaultCode;

use super::session_of;
use crate::support::Response;
use crate::support::send;
use crate::support::service::{ORIGIN, POLICY, Service, Setup};
use crate::support::session;

const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// The document of a running service.
pub(super) struct Document(Value);

impl Document {
    pub(super) async fn of(service: &Service) -> Self {
        Self(send(service.request(Method::GET, "/openapi.json")).await.json())
    }

    fn paths(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0["paths"].as_object().unwrap().iter()
    }

    /// Method, operation.
    fn operations(path: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
        METHODS.into_iter().filter_map(|method| Some((method, path.get(method)?)))
    }

    /// What of the document a `$ref` leads to, or the value itself.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let pointer = reference.strip_prefix('#').unwrap();
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// That a value is as the schema at this place of the document has it, and has no member that the schema does not name.
    fn assert_valid(&self, case: &str, at: &str, value: &Value) {
        let mut whole = closed(&self.0);
        whole["$ref"] = json!(format!("#{at}"));
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&whole).unwrap();
        let faults: Vec<_> =
            validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{case}: {faults:#?} in {value}");
    }

    fn takes(&self, at: &str, value: &Value) -> bool {
        let mut whole = self.0.clone();
        whole["$ref"] = json!(format!("#{at}"));
        jsonschema::draft202012::new(&whole).unwrap().is_valid(value)
    }

    /// That an answer is one of those that the document has for this request.
    pub(super) fn assert_tells_of(&self, case: &str, method: &str, path: &str, seen: &Response) {
        let at = format!("/paths/{}/{method}/responses/{}", path.replace('/', "~1"), seen.status);
        let answer = self.0.pointer(&at).unwrap_or_else(|| panic!("{case}: {at} is not there: {seen:?}"));
        for (name, header) in answer["headers"].as_object().unwrap() {
            let header = self.resolved(header);
            let value = seen.header(name).unwrap_or_else(|| panic!("{case}: {name} is missing: {seen:?}"));
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => json!(value.parse::<u64>().unwrap()),
                _ => json!(value),
            };
            let validator = jsonschema::draft202012::new(&header["schema"]).unwrap();
            assert!(validator.is_valid(&value), "{case}: {name}: {value}");
        }
        let told = ["retry-after", "www-authenticate", "allow", "x-request-id"];
        for name in told.into_iter().filter(|name| seen.headers.contains_key(*name)) {
            let names = answer["headers"].as_object().unwrap().keys();
            assert!(
                names.map(|name| name.to_ascii_lowercase()).any(|known| known == name),
                "{case}: {name} is not told"
            );
        }
        let Some(content) = answer.get("content").and_then(Value::as_object) else {
            assert_eq!(seen.body, "", "{case}");
            return;
        };
        assert_eq!(content.len(), 1, "{case}");
        let media_type = content.keys().next().unwrap();
        let sent = seen.header("content-type").unwrap().split(';').next().unwrap();
        assert_eq!(sent, media_type, "{case}");
        let value = if media_type.ends_with("json") { seen.json() } else { json!(seen.body) };
        self.assert_valid(case, &format!("{at}/content/{}/schema", media_type.replace('/', "~1")), &value);
    }
}

/// The same with every object schema closed, for members that nobody told of. A schema beside an `allOf` has its members there.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut closed: serde_json::Map<_, _> =
                members.iter().map(|(name, value)| (name.clone(), closed_unless_data(name, value))).collect();
            let is_whole = members.get("type") == Some(&json!("object")) && members.contains_key("properties");
            if is_whole && !members.contains_key("additionalProperties") {
                closed.insert("additionalProperties".to_owned(), json!(false));
            }
            Value::Object(closed)
        }
        Value::Array(items) => items.iter().map(closed).collect(),
        other => other.clone(),
    }
}

fn closed_unless_data(name: &str, value: &Value) -> Value {
    if ["examples", "example"].contains(&name) { value.clone() } else { closed(value) }
}

async fn asked(service: &Service, method: Method, path: &str) -> Response {
    send(service.request(method, path)).await
}

async fn posted(service: &Service, session: &str, body: &Value) -> Response {
    service.post(session, Some(body)).await
}

#[tokio::test]
async fn it_is_served_to_everybody_and_may_be_cached() {
    let service = Service::start().await;
    let get = asked(&service, Method::GET, "/openapi.json").await;
    assert_eq!((get.status, get.header("content-type")), (200, Some("application/json")));
    assert_eq!(get.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(get.json()["openapi"], "3.1.0");
    assert_eq!(get.json()["info"]["version"], env!("CARGO_PKG_VERSION"));
    let head = asked(&service, Method::HEAD, "/openapi.json").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let response = service.request(Method::GET, "/openapi.json").header("origin", ORIGIN).send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
}

#[tokio::test]
async fn it_has_every_route_and_method_and_no_other() {
    let service = Service::start().await;
    let document = Document::of(&service).await;
    let told: BTreeSet<_> = document.paths().map(|(path, _)| path.as_str()).collect();
    let counted: BTreeSet<_> =
        metric_series().requests.iter().map(|(route, _)| *route).filter(|r| *r != "other").collect();
    assert_eq!(told, counted);
    // The router has no other routes: it mounts each endpoint, and nothing else.
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/router.rs")).unwrap();
    assert_eq!(source.matches(".route(").count(), 1);
    assert!(source.contains("router.route(endpoint.path(), handler)"));

    for (path, operations) in document.paths() {
        let methods: BTreeSet<_> = Document::operations(operations).map(|(method, _)| method.to_uppercase()).collect();
        for method in METHODS.map(str::to_uppercase).into_iter().filter(|method| method != "OPTIONS") {
            let seen = asked(&service, method.parse().unwrap(), path).await;
            assert_ne!(seen.status, 404, "{method} {path}");
            assert_eq!(seen.status != 405, methods.contains(&method), "{method} {path}: {seen:?}");
            if seen.status == 405 {
                let allowed: BTreeSet<_> = seen.header("allow").unwrap().split(',').map(str::to_owned).collect();
                let with_options: BTreeSet<_> = allowed.into_iter().chain(["OPTIONS".to_owned()]).collect();
                assert_eq!(with_options, methods, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn every_route_has_the_statuses_and_codes_that_are_counted_for_it() {
    let service = Service::start().await;
    let document = Document::of(&service).await;
    for (path, operations) in document.paths() {
        let mut told = BTreeSet::new();
        for (method, operation) in Document::operations(operations) {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let status: u16 = status.parse().unwrap();
                if status < 400 {
                    told.insert((status, String::new()));
                    continue;
                }
                if method == "head" {
                    assert!(answer.get("content").is_none(), "{path}");
                    continue;
                }
                let schema = &answer["content"]["application/problem+json"]["schema"];
                assert_eq!(schema["properties"]["status"]["const"], status, "{path} {method}");
                let codes = schema["properties"]["code"]["enum"].as_array().unwrap();
                told.extend(codes.iter().map(|code| (status, code.as_str().unwrap().to_owned())));
            }
        }
        let series = metric_series().requests;
        let (_, counted) = series.iter().find(|(route, _)| route == path).unwrap();
        let counted: BTreeSet<_> = counted.iter().map(|(status, code)| (*status, (*code).to_owned())).collect();
        assert_eq!(told, counted, "{path}");
    }
}

#[tokio::test]
async fn its_schemas_are_schemas_its_references_lead_somewhere_and_its_examples_fit() {
    fn walk(document: &Document, at: &str, value: &Value, seen: &mut (usize, usize)) {
        if let Value::Object(members) = value {
            if members.contains_key("$ref") {
                document.resolved(value);
                seen.0 += 1;
            }
            if let Some(schema) = members.get("schema") {
                let meta = jsonschema::draft202012::meta::validate(schema).map_err(|fault| fault.to_string());
                assert_eq!(meta, Ok(()), "{at}");
                let examples = members.get("examples").and_then(Value::as_object);
                let named = examples.into_iter().flat_map(|examples| examples.values());
                let values = named.map(|example| &document.resolved(example)["value"]);
                for example in values.chain(members.get("example")) {
                    document.assert_valid(at, &format!("{at}/schema"), example);
                    seen.1 += 1;
                }
            }
        }
        let members = value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value));
        let items = value.as_array().into_iter().flatten().enumerate().map(|(index, value)| (index.to_string(), value));
        for (name, value) in members.chain(items) {
            walk(document, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), value, seen);
        }
    }
    let document = Document::of(&Service::start().await).await;
    let mut seen = (0, 0);
    walk(&document, "", &document.0, &mut seen);
    assert!(seen.0 > 100 && seen.1 > 30, "{seen:?}");
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        let meta = jsonschema::draft202012::meta::validate(schema).map_err(|fault| fault.to_string());
        assert_eq!(meta, Ok(()), "{name}");
    }
    let names = |at: &str| -> BTreeSet<String> {
        let codes = document.0.pointer(at).unwrap().as_array().unwrap();
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    };
    let codes = Code::ALL.map(|code| code.as_str().to_owned());
    assert_eq!(names("/components/schemas/Problem/properties/code/enum"), BTreeSet::from(codes));
    let faults = FaultCode::ALL.map(|fault| fault.about().0.to_owned());
    assert_eq!(names("/components/schemas/Fault/properties/code/enum"), BTreeSet::from(faults));
}

#[tokio::test]
async fn real_answers_are_as_it_says() {
    let policy =
        format!("{POLICY}[roles.visitor.channels]\n\"announcements\" = [\"read\"]\n[guest]\nrole = \"visitor\"\n");
    let service = Service::with_policy(&policy).await;
    let document = Document::of(&service).await;
    let tells =
        |case: &str, method: &str, path: &str, seen: &Response| document.assert_tells_of(case, method, path, seen);
    let alice = session("alice", &["customer", "agent"]);

    let narrow =
        json!({"channels": {"zoo": {"read": true}, "announcements": {"read": true, "write": true}}, "mode": "narrow"});
    for body in
        [json!({}), json!({"channels": {"support:x": {"write": true}}, "ttl": 5, "state": {"status": "a"}}), narrow]
    {
        let seen = posted(&service, &alice, &body).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        tells("a token", "post", "/chat-token", &seen);
    }
    let guest = asked(&service, Method::POST, "/chat-token").await;
    assert_eq!(guest.status, 200);
    tells("a guest's token", "post", "/chat-token", &guest);
    let many: serde_json::Map<_, _> = (0..120).map(|index| (format!("x{index}"), json!(1))).collect();
    let faults =
        json!({"channels": {"sw_x": {"read": true}, "": 7, "a/b~c": {}}, "ttl": 0, "state": {"x": 1}, "mode": null});
    for (case, body, status) in [
        ("many faults", Value::Object(many), 422),
        ("all sorts of faults", faults, 422),
        ("denied", json!({"channels": {"zoo": {"read": true, "write": true}}}), 403),
    ] {
        let seen = posted(&service, &alice, &body).await;
        assert_eq!(seen.status, status, "{case}");
        tells(case, "post", "/chat-token", &seen);
    }
    for (case, session) in [("a customer", alice.as_str()), ("nobody", &session("x", &[])), ("none", "nonsense")] {
        for method in [Method::GET, Method::HEAD] {
            let request = service.request(method.clone(), "/chat-token/grants").bearer_auth(session);
            let seen = send(request).await;
            tells(case, &method.as_str().to_lowercase(), "/chat-token/grants", &seen);
        }
    }
    tells("a guest", "get", "/chat-token/grants", &asked(&service, Method::GET, "/chat-token/grants").await);
    for path in ["/live", "/ready", "/problems", "/openapi.json"] {
        for method in [Method::GET, Method::HEAD] {
            let seen = asked(&service, method.clone(), path).await;
            assert_eq!(seen.status, 200, "{path}");
            tells(path, &method.as_str().to_lowercase(), path, &seen);
        }
    }
    for (path, _) in document.paths() {
        tells("no preflight", "options", path, &asked(&service, Method::OPTIONS, path).await);
        let preflight = service.request(Method::OPTIONS, path).header("origin", ORIGIN);
        let seen = send(preflight.header("access-control-request-method", "POST")).await;
        assert_eq!(seen.status, 204, "{path}");
        tells("a preflight", "options", path, &seen);
        let words = &document.0["paths"][path]["options"]["responses"]["204"]["description"];
        let allowed = seen.header("access-control-allow-headers").unwrap();
        for word in allowed.split(", ").chain(seen.header("access-control-allow-methods").unwrap().split(", ")) {
            assert!(words.as_str().unwrap().contains(word), "{word}");
        }
    }
}

/// The schema of a request against the service's own reading, where a schema can say it.
#[tokio::test]
async fn a_request_is_a_fault_of_form_to_both_or_to_none() {
    let service =
        Service::with_policy("version = 1\n[ttl]\nmax = \"30d\"\n[roles.a.channels]\n\"a\" = [\"read\", \"write\"]\n")
            .await;
    let document = Document::of(&service).await;
    let alice = session_of("alice", &["a"], 40 * 86_400, &json!({}));
    let channel = |name: &str| json!({"channels": {name: {"read": true}}});
    let of = |count: usize| -> Value {
        let rows = (0..count).map(|index| (format!("c{index}"), json!({"read": true})));
        json!({"channels": rows.collect::<serde_json::Map<_, _>>()})
    };
    for (good, body) in [
        (true, json!({})),
        (
            true,
            json!({"ttl": 3, "state": {}, "member_id": "alice", "mode": "strict", "channels": {"a": {"read": true}}}),
        ),
        (true, json!({"ttl": 43_200, "mode": "narrow"})),
        (true, of(500)),
        (true, channel(&"ä".repeat(250))),
        (true, channel("a b")),
        (true, channel("a")),
        (true, json!({"channels": {"a": {"read": false, "write": true}}})),
        (false, json!([])),
        (false, json!("x")),
        (false, Value::Null),
        (false, json!({"x": 1})),
        (false, json!({"ttl": 0})),
        (false, json!({"ttl": 43_201})),
        (false, json!({"ttl": 1.5})),
        (false, json!({"ttl": "3"})),
        (false, json!({"ttl": null})),
        (false, json!({"state": []})),
        (false, json!({"member_id": 7})),
        (false, json!({"mode": "Narrow"})),
        (false, json!({"mode": null})),
        (false, json!({"channels": {}})),
        (false, json!({"channels": []})),
        (false, json!({"channels": {"a": true}})),
        (false, json!({"channels": {"a": {}}})),
        (false, json!({"channels": {"a": {"read": false}}})),
        (false, json!({"channels": {"a": {"read": 1}}})),
        (false, json!({"channels": {"a": {"read": true, "x": true}}})),
        (false, of(501)),
        (false, channel(&"ä".repeat(251))),
        (false, channel("")),
        (false, channel("sw_")),
        (false, channel(" a")),
        (false, channel("a\u{a0}")),
        (false, channel("a\u{7}b")),
        (false, channel("a\u{2028}b")),
        (false, channel("a*")),
        (false, channel("{a")),
    ] {
        let seen = posted(&service, &alice, &body).await;
        let shown: String = body.to_string().chars().take(80).collect();
        // A channel that is not granted is no fault of form.
        let wanted: &[u16] = if good { &[200, 403] } else { &[422] };
        assert!(wanted.contains(&seen.status), "{shown}: {seen:?}");
        assert_eq!(document.takes("/components/schemas/ChatTokenRequest", &body), good, "{shown}");
    }
}

/// What is another each time.
fn without_chance(mut answer: Value) -> Value {
    for member in ["token", "expires_at", "expires_in", "refresh_in"] {
        if let Some(value) = answer.get_mut(member) {
            *value = Value::Null;
        }
    }
    answer
}

#[tokio::test]
async fn its_examples_are_real_answers() {
    let service = Service::start().await;
    let document = Document::of(&service).await;
    let post = &document.0["paths"]["/chat-token"]["post"];
    let asked = &post["requestBody"]["content"]["application/json"]["examples"];
    let answered = &post["responses"]["200"]["content"]["application/json"]["examples"];
    for (name, request) in asked.as_object().unwrap() {
        let seen = posted(&service, &session("alice", &["customer"]), &request["value"]).await;
        let real = seen.json();
        let example = &answered[name]["value"];
        assert_eq!(without_chance(real.clone()), without_chance(example.clone()), "{name}");
        assert_eq!(real["expires_in"], example["expires_in"], "{name}");
        let refresh = example["refresh_in"].as_i64().unwrap() * 10;
        let left = example["expires_in"].as_i64().unwrap() - 120;
        assert!((left * 8 - 10..=left * 10).contains(&refresh), "{name}");
    }
    let grants = &document.0["paths"]["/chat-token/grants"]["get"]["responses"]["200"]["content"]["application/json"];
    let (_, real) = service.grants(&session("alice", &["customer", "agent"])).await.read();
    assert_eq!(real, grants["examples"]["customer"]["value"]);

    // What the service says of itself, word by word.
    let examples = &document.0["components"]["examples"];
    let alice = session("alice", &["customer"]);
    for (code, body) in [
        ("channels_denied", json!({"channels": {"support:bob": {"read": true}}})),
        ("invalid_request", json!({"channels": {"sw_x": {"read": true}}})),
    ] {
        let mut real = posted(&service, &alice, &body).await.json();
        real["request_id"] = examples[code]["value"]["request_id"].clone();
        assert_eq!(real, examples[code]["value"], "{code}");
    }
}

#[tokio::test]
async fn a_cookie_is_in_it_where_there_is_one() {
    let without = Document::of(&Service::start().await).await;
    assert_eq!(without.0["components"]["securitySchemes"].as_object().unwrap().len(), 1);
    let cookie = Some(CookieSettings::parse("__Host-session", Some("X-Guard")).unwrap());
    let with = Document::of(&Service::with(Setup { cookie, ..Setup::default() }).await).await;
    let scheme = &with.0["components"]["securitySchemes"]["cookie"];
    assert_eq!((&scheme["in"], &scheme["name"]), (&json!("cookie"), &json!("__Host-session")));
    assert!(scheme["description"].as_str().unwrap().contains("`x-guard`"), "{scheme}");
    for (path, method) in [("/chat-token", "post"), ("/chat-token/grants", "get"), ("/chat-token/grants", "head")] {
        let ways = with.0["paths"][path][method]["security"].as_array().unwrap();
        assert!(ways.contains(&json!({"cookie": []})) && ways.contains(&json!({"session": []})), "{path}");
    }
    assert_eq!(with.0["paths"]["/live"]["get"]["security"], json!([]));
}
