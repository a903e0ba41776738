//! Traces: what of a request reaches a collector, what never does, and what a collector's troubles cost.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use usher::sandbox::{Fault, Times};

use crate::support::collector::{Collector, Mode};
use crate::support::{API_TOKEN, CommandLine, SECRET, Server, complete, free_address, keys, send, with};

const SETTING: &str = "USHER__TELEMETRY__OTLP_ENDPOINT";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

async fn serving(collector: &Collector) -> Server {
    Server::with(&CommandLine::with_policy(), &[(SETTING, &collector.url)]).await
}

/// `POST /chat-token` for alice with these headers; the status.
async fn post(serving: &Server, headers: &[(&str, &str)]) -> u16 {
    let request = serving.mint_request(keys::session("alice", &["customer"]));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request).await.status
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let mut found = spans.iter().filter(|span| span["name"] == name);
    let (first, second) = (found.next(), found.next());
    assert!(second.is_none(), "{name} is there twice");
    first.unwrap_or_else(|| panic!("{name} is not in {spans:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_tree_of_spans_below_the_clients() {
    let collector = Collector::start(Mode::Takes);
    let serving = serving(&collector).await;
    let headers = [("traceparent", &*parent("00")), ("tracestate", "a=1,b=2"), ("x-request-id", "my-id")];
    assert_eq!(post(&serving, &headers).await, 200);
    let spans = collector.wait_for(1).await;
    assert_eq!(collector.requests()[0], ("/v1/traces".to_owned(), "application/x-protobuf".to_owned()));

    let request = named(&spans, "POST /chat-token");
    assert_eq!(
        (&request["trace"], &request["parent"], &request["state"]),
        (&json!(TRACE), &json!(SPAN), &json!("a=1,b=2"))
    );
    assert_eq!((&request["kind"], &request["status"]), (&json!(2), &json!(0)), "a server's, and no error");
    assert_eq!(request["flags"].as_u64().unwrap() & 1, 1, "sampled, by us");
    assert_eq!(
        request["attributes"],
        json!({
            "http.request.method": "POST", "http.route": "/chat-token", "http.response.status_code": 200,
            "usher.request_id": "my-id",
        })
    );
    assert_eq!(request["resource"], json!({"service.name": "usher", "service.version": env!("CARGO_PKG_VERSION")}));

    for step in ["session", "limits", "policy", "mint"] {
        let step = named(&spans, step);
        assert_eq!((&step["trace"], &step["parent"]), (&request["trace"], &request["id"]), "{step}");
        assert_eq!((&step["kind"], &step["attributes"]), (&json!(1), &json!({})), "{step}");
    }
    let call = named(&spans, "POST");
    assert_eq!((&call["parent"], &call["kind"], &call["status"]), (&named(&spans, "mint")["id"], &json!(3), &json!(0)));
    let address = format!("{}/api/chat/tokens", serving_space(&call["attributes"]));
    assert_eq!(
        call["attributes"],
        json!({
            "http.request.method": "POST", "http.response.status_code": 200, "url.full": address,
            "usher.outcome": "minted",
        })
    );
    assert!(call["took_ns"].as_u64().unwrap() > 0 && call["took_ns"].as_u64() <= request["took_ns"].as_u64());
    assert_eq!(spans.len(), 6, "{spans:?}");

    let received = serving.sandbox.received();
    let [received] = received.as_slice() else { panic!("{received:?}") };
    let sent_on = format!("00-{TRACE}-{}-01", call["id"].as_str().unwrap());
    assert_eq!(received.traceparent.as_deref(), Some(&*sent_on), "the call's own span");
    assert_eq!(received.tracestate.as_deref(), Some("a=1,b=2"));
}

/// Scheme, host and port of the address that a call went to.
fn serving_space(attributes: &Value) -> String {
    let address = attributes["url.full"].as_str().unwrap();
    address.strip_suffix("/api/chat/tokens").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_sampled_decides_nothing() {
    let collector = Collector::start(Mode::Takes);
    let serving = serving(&collector).await;
    for flags in ["00", "01", "ff"] {
        assert_eq!(post(&serving, &[("traceparent", &*parent(flags))]).await, 200);
    }
    assert_eq!(post(&serving, &[]).await, 200);
    let spans = collector.wait_for(4).await;
    assert_eq!(spans.len(), 4 * 6, "each is recorded whole: {spans:?}");
    assert!(spans.iter().all(|span| span["flags"].as_u64().unwrap() & 1 == 1), "{spans:?}");
    let sent_on = serving.sandbox.received().into_iter().map(|received| received.traceparent.unwrap());
    let sent_on: Vec<_> = sent_on.collect();
    assert!(sent_on.iter().all(|parent| parent.ends_with("-01")), "{sent_on:?}");
    assert_eq!(sent_on.iter().filter(|parent| parent.contains(TRACE)).count(), 3);
    let own = spans.iter().find(|span| span["kind"] == 2 && span["trace"] != TRACE).unwrap();
    assert_eq!(own["parent"], "", "without a parent a trace of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_none_is_ignored() {
    let collector = Collector::start(Mode::Takes);
    let serving = serving(&collector).await;
    let good = parent("01");
    let cases: [&[(&str, &str)]; 8] = [
        &[("traceparent", "nonsense")],
        &[("traceparent", &good), ("traceparent", &good)],
        &[("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")],
        &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01")],
        &[("traceparent", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more")],
        &[("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01")],
        &[("tracestate", "a=1"), ("b3", &good), ("baggage", "member=alice")],
    ];
    for headers in &cases {
        assert_eq!(post(&serving, headers).await, 200, "{headers:?}");
    }
    let spans = collector.wait_for(cases.len()).await;
    for span in spans.iter().filter(|span| span["kind"] == 2) {
        assert_eq!((&span["parent"], &span["state"]), (&json!(""), &json!("")), "{span}");
        assert_ne!(span["trace"], TRACE);
    }
    for received in serving.sandbox.received() {
        assert!(received.traceparent.is_some_and(|parent| !parent.contains(TRACE)));
        assert_eq!(received.tracestate, None);
    }
    // One whose state alone is no good.
    assert_eq!(post(&serving, &[("traceparent", &good), ("tracestate", "a=1,=")]).await, 200);
    let last = serving.sandbox.received().pop().unwrap();
    assert!(last.traceparent.is_some_and(|parent| parent.contains(TRACE)));
    assert_eq!(last.tracestate, None);
}

/// A SignalWire that keeps the heads of what it is sent, and answers nothing of use.
fn heads() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, heads) = (format!("http://{}", listener.local_addr().unwrap()), Arc::default());
    let kept: Arc<Mutex<Vec<String>>> = Arc::clone(&heads);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = vec![0; 8_192];
            let read = stream.read(&mut head).unwrap_or_default();
            kept.lock().unwrap().push(String::from_utf8_lossy(&head[..read]).to_lowercase());
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_of_the_clients_goes_on_to_signalwire() {
    let (space, heads) = heads();
    let collector = Collector::start(Mode::Takes);
    let more = [(SETTING, &*collector.url), ("SIGNALWIRE_SPACE", &*space)];
    let serving = Server::with(&CommandLine::with_policy(), &more).await;
    let headers = [("traceparent", &*parent("01")), ("baggage", "member=alice"), ("b3", "1-2-1")];
    assert_eq!(post(&serving, &headers).await, 502);
    let heads = heads.lock().unwrap().clone();
    assert!(heads.iter().all(|head| head.contains(&format!("\r\ntraceparent: 00-{TRACE}-"))), "{heads:?}");
    for name in ["baggage", "tracestate", "b3"] {
        assert!(!heads.iter().any(|head| head.contains(&format!("\r\n{name}:"))), "{name}: {heads:?}");
    }
    let spans = collector.wait_for(1).await;
    let (request, call) = (named(&spans, "POST /chat-token"), named(&spans, "POST"));
    assert_eq!((&request["status"], &request["attributes"]["error.type"]), (&json!(2), &json!("upstream_failed")));
    let call_says = (&call["status"], &call["attributes"]["usher.outcome"], &call["attributes"]["error.type"]);
    assert_eq!(call_says, (&json!(2), &json!("nonsense"), &json!("nonsense")));
    assert_eq!(call["attributes"]["http.response.status_code"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_is_told_by_its_code_and_only_a_5xx_is_an_error() {
    let collector = Collector::start(Mode::Takes);
    let serving =
        Server::with(&CommandLine::with_policy(), &[(SETTING, &collector.url), ("USHER__SIGNALWIRE__TIMEOUT", "1s")])
            .await;
    serving.post("a.b.c", None).await;
    serving.get("/alice/s3cr3t?token=t0ken").await;
    send(serving.request("ALICE".parse().unwrap(), "/chat-token")).await;
    serving.grants(&keys::session("alice", &["customer"])).await;
    serving.sandbox.fail(Fault::Hang, Times::Once);
    assert_eq!(post(&serving, &[]).await, 504);
    let spans = collector.wait_for(5).await;
    let requests = spans.iter().filter(|span| span["kind"] == 2).map(|span| {
        let attribute = |name: &str| span["attributes"][name].clone();
        let names = ["http.request.method", "http.route", "http.response.status_code", "error.type", "usher.code"];
        json!([span["name"], span["status"], names.map(attribute)])
    });
    assert_eq!(
        requests.collect::<Vec<_>>(),
        [
            json!(["POST /chat-token", 0, ["POST", "/chat-token", 401, "session_invalid", "session_invalid"]]),
            json!(["GET", 0, ["GET", null, 404, "not_found", "not_found"]]),
            json!(["HTTP /chat-token", 0, ["_OTHER", "/chat-token", 405, "method_not_allowed", "method_not_allowed"]]),
            json!(["GET /chat-token/grants", 0, ["GET", "/chat-token/grants", 200, null, null]]),
            json!(["POST /chat-token", 2, ["POST", "/chat-token", 504, "upstream_timeout", "upstream_timeout"]]),
        ]
    );
    let call = named(&spans, "POST");
    assert_eq!((&call["status"], &call["attributes"]["usher.outcome"]), (&json!(2), &json!("timeout")), "{call}");
    assert!(call["attributes"].get("http.response.status_code").is_none(), "{call}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_or_personal_is_in_a_span() {
    let collector = Collector::start(Mode::Takes);
    let serving = serving(&collector).await;
    let session = keys::session("alice", &["customer"]);
    let (status, answer) =
        serving.post(&session, Some(&json!({"channels": {"support:alice": {"read": true}}}))).await.read();
    assert_eq!(status, 200);
    let token = answer["token"].as_str().unwrap().to_owned();
    serving.post(&session, Some(&json!({"channels": {"forbidden": {"write": true}}}))).await;
    serving.post(&session, Some(&json!({"state": {"unheard": "of"}, "member_id": "bob"}))).await;
    serving.post(&keys::session("mallory", &["customer"]), Some(&json!({}))).await;
    let path = format!("/pasted/{session}?token={session}");
    send(serving.request(Method::GET, &path).header("user-agent", "Mozilla")).await;
    collector.wait_for(5).await;
    let bytes = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(bytes.contains("/chat-token") && bytes.contains("channels_denied"), "{bytes}");
    let parts: Vec<&str> = session.split('.').chain(token.split('.')).collect();
    for secret in ["alice", "support", "announcements", "forbidden", "unheard", "bob", "mallory", "customer", "pasted"]
        .into_iter()
        .chain(["Mozilla", "127.0.0.1:", "login.example.com", API_TOKEN, SECRET, "Basic ", "Bearer "])
        .chain(parts)
    {
        // The sandbox's own address is part of a call, and the only one.
        let bytes = bytes.replace("http://127.0.0.1:", "");
        assert!(!bytes.contains(secret), "{secret} is in {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_try_is_a_call_of_its_own() {
    let collector = Collector::start(Mode::Takes);
    let serving = serving(&collector).await;
    serving.sandbox.fail(Fault::Cut, Times::Once);
    assert_eq!(post(&serving, &[]).await, 200);
    let spans = collector.wait_for(1).await;
    let mint = named(&spans, "mint");
    let calls: Vec<_> = spans.iter().filter(|span| span["kind"] == 3).collect();
    let said = calls.iter().map(|call| {
        let attributes = &call["attributes"];
        json!([call["parent"], call["status"], attributes["usher.outcome"], attributes["http.response.status_code"]])
    });
    let wanted = [json!([mint["id"], 2, "unreachable", null]), json!([mint["id"], 0, "minted", 200])];
    assert_eq!(said.collect::<Vec<_>>(), wanted);
    let told = calls.iter().map(|call| format!("00-{}-{}-01", mint["trace"], call["id"]).replace('"', ""));
    let received = serving.sandbox.received().into_iter().map(|received| received.traceparent.unwrap());
    assert_eq!(received.collect::<Vec<_>>(), told.collect::<Vec<_>>(), "each try tells of its own span");
}

/// The log's lines by their message, with the names of their members.
fn shape(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let names: Vec<&String> = line.as_object().unwrap().keys().collect();
        format!("{} {names:?}", line["message"])
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_the_same_with_traces_and_without() {
    let collector = Collector::start(Mode::Takes);
    let mut shapes = Vec::new();
    for endpoint in [None, Some(&*collector.url)] {
        let timeout = ("USHER__SIGNALWIRE__TIMEOUT", "1s");
        let more: Vec<_> = endpoint.map(|url| (SETTING, url)).into_iter().chain([timeout]).collect();
        let mut serving = Server::with(&CommandLine::with_policy(), &more).await;
        assert_eq!(post(&serving, &[]).await, 200);
        assert_eq!(serving.post("a.b.c", None).await.status, 401);
        // Its failure is logged by the task that mints, as nobody waits for the answer.
        serving.sandbox.fail(Fault::Hang, Times::Once);
        let hasty = tokio::time::timeout(Duration::from_millis(300), post(&serving, &[])).await;
        assert!(hasty.is_err());
        serving.running.wait_for(|_, stderr| stderr.contains("nobody waits for the answer"));
        serving.running.signal("TERM");
        assert_eq!(serving.running.exit_code(), Some(0));
        shapes.push(shape(&serving.running.stderr()));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert!(shapes[0].iter().any(|line| line.contains("nobody waits") && line.contains("request_id")), "{shapes:?}");
    // The task's spans are the request's, too.
    let spans = collector.spans();
    let requests = spans.iter().filter(|span| span["kind"] == 2).map(|span| span["trace"].clone());
    let requests: Vec<_> = requests.collect();
    assert_eq!((requests.len(), spans.len()), (3, 2 * 6 + 2), "{spans:?}");
    assert!(spans.iter().all(|span| requests.contains(&span["trace"])), "{spans:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_recorded_at_any_level_of_the_log() {
    let (collector, address) = (Collector::start(Mode::Takes), free_address());
    let more = [(SETTING, &*collector.url), ("USHER__LOG__LEVEL", "error"), ("USHER__SERVER__LISTEN", &*address)];
    let Server { running, sandbox, client, .. } = &Server::with(&CommandLine::with_policy(), &more).await;
    assert_eq!(client.post(&keys::session("alice", &["customer"]), None).await.status, 200);
    assert_eq!(collector.wait_for(1).await.len(), 6);
    assert_eq!(sandbox.received().len(), 1);
    assert!(running.stderr().lines().all(|line| line.contains("\"event\":\"audit\"")), "{}", running.stderr());
}

/// At this level a client's library logs from within each step and each call.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_log_is_in_a_span_that_is_for_traces() {
    let collector = Collector::start(Mode::Takes);
    let more = [(SETTING, &*collector.url), ("USHER__LOG__LEVEL", "trace")];
    let serving = Server::with(&CommandLine::with_policy(), &more).await;
    assert_eq!(post(&serving, &[]).await, 200);
    collector.wait_for(1).await;
    let stderr = serving.running.stderr();
    let lines = || stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_answer = |line: &Value| line["message"] == "answered" || line["event"] == "audit";
    let inside = lines().filter(|line| line["request_id"].is_string() && !of_answer(line)).count();
    assert!(inside > 0, "lines from within a request: {stderr}");
    assert!(lines().all(|line| line["span"].is_null() && line["spans"].is_null()), "{stderr}");
    for line in shape(&stderr) {
        let own = ["otel", "http.", "usher.", "\"step\"", "\"call\""];
        assert!(own.iter().all(|own| !line.split_once('[').unwrap().1.contains(own)), "{line}");
    }
}

/// Nothing is sent anywhere and nothing goes on, whatever OpenTelemetry's own variables say.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_are_no_traces() {
    let collector = Collector::start(Mode::Takes);
    let more = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*collector.url),
        ("OTEL_TRACES_EXPORTER", "otlp"),
    ];
    let mut serving = Server::with(&CommandLine::with_policy(), &more).await;
    let headers = [("traceparent", &*parent("01")), ("tracestate", "a=1")];
    assert_eq!(post(&serving, &headers).await, 200);
    let received = serving.sandbox.received().pop().unwrap();
    assert_eq!((received.traceparent, received.tracestate), (None, None));
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(0));
    assert_eq!(collector.requests(), []);
}

/// The variables of OpenTelemetry's SDK could switch off what an operator has set here.
#[tokio::test(flavor = "multi_thread")]
async fn opentelemetrys_own_variables_change_nothing() {
    let collector = Collector::start(Mode::Takes);
    let more = [
        (SETTING, &*collector.url),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cr3t"),
        ("OTEL_SERVICE_NAME", "other"),
        ("OTEL_RESOURCE_ATTRIBUTES", "alice=1"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
        ("http_proxy", "http://127.0.0.1:9"),
        ("HTTP_PROXY", "http://127.0.0.1:9"),
    ];
    let serving = Server::with(&CommandLine::with_policy(), &more).await;
    assert_eq!(post(&serving, &[]).await, 200);
    let spans = collector.wait_for(1).await;
    assert_eq!(spans.len(), 6, "{spans:?}");
    let resource = json!({"service.name": "usher", "service.version": env!("CARGO_PKG_VERSION")});
    assert_eq!(spans[0]["resource"], resource);
    assert_eq!(spans[0]["attributes"]["http.route"], "/chat-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_the_last_spans_are_sent() {
    let collector = Collector::start(Mode::Takes);
    let mut serving = serving(&collector).await;
    assert_eq!(post(&serving, &[]).await, 200);
    let told = Instant::now();
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(0));
    assert!(told.elapsed() < Duration::from_millis(900), "a second is for collectors in trouble: {:?}", told.elapsed());
    assert_eq!(collector.spans().len(), 6);
}

/// How often each is said: that traces are lost, and that they are delivered again.
fn said(serving: &Server) -> [usize; 2] {
    let stderr = serving.running.stderr();
    ["traces cannot be delivered", "traces are delivered again"].map(|said| stderr.matches(said).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 12)]
async fn a_collector_in_trouble_costs_spans_and_nothing_else() {
    let cases = [
        ("away", None, "refused"),
        ("failing", Some(Mode::Answers(500)), "it answered HTTP 500"),
        ("elsewhere", Some(Mode::Answers(302)), "it answered HTTP 302"),
        ("refusing", Some(Mode::Rejects(3)), "it rejected 3 spans"),
        ("hanging", Some(Mode::Hangs), "timed out"),
    ];
    let cases = cases.map(|(case, mode, cause)| tokio::spawn(in_trouble(case, mode, cause)));
    for case in cases {
        case.await.unwrap();
    }
}

async fn in_trouble(case: &'static str, mode: Option<Mode>, cause: &'static str) {
    // A port that was free can be somebody else's a moment later, so that only who has to be away first takes one.
    let collector = mode.map(Collector::start);
    let url =
        collector.as_ref().map_or_else(|| format!("http://{}", free_address()), |collector| collector.url.clone());
    let address = url.trim_start_matches("http://");
    let more = [(SETTING, &*url), ("USHER__LIMITS__PER_MEMBER", "off")];
    let mut serving = Server::with(&CommandLine::with_policy(), &more).await;
    let asked = Instant::now();
    for _ in 0..20 {
        assert_eq!(post(&serving, &[]).await, 200, "{case}");
    }
    assert!(asked.elapsed() < Duration::from_secs(2), "{case}: {:?}", asked.elapsed());
    serving.running.wait_for(|_, stderr| stderr.contains("traces cannot be delivered"));
    let stderr = serving.running.stderr();
    let line = stderr.lines().find(|line| line.contains("traces cannot be delivered")).unwrap();
    assert!(line.contains(cause) && line.contains("WARN") && line.contains(address), "{case}: {line}");
    for _ in 0..3 {
        assert_eq!(post(&serving, &[]).await, 200, "{case}");
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    assert_eq!(said(&serving), [1, 0], "{case}: once, and not once a batch");
    if mode != Some(Mode::Hangs) {
        match &collector {
            Some(collector) => collector.turn(Mode::Takes),
            None => drop(Collector::at(address, Mode::Takes)),
        }
        assert_eq!(post(&serving, &[]).await, 200, "{case}");
        serving.running.wait_for(|_, stderr| stderr.contains("traces are delivered again"));
        assert_eq!(said(&serving), [1, 1], "{case}");
    }
    assert_eq!(post(&serving, &[]).await, 200, "{case}");
    let told = Instant::now();
    serving.running.signal("TERM");
    assert_eq!(serving.running.exit_code(), Some(0), "{case}");
    assert!(told.elapsed() < Duration::from_millis(1_800), "{case}: {:?}", told.elapsed());
    let late = serving.running.stderr().contains("the last spans could not be delivered in time");
    assert_eq!(late, mode == Some(Mode::Hangs), "{case}");
}

#[test]
fn an_endpoint_that_is_none_stops_the_start() {
    let place = CommandLine::with_policy();
    for (endpoint, said) in [
        ("", "this is an empty string"),
        ("collector", "`collector` cannot be used: it is no URL"),
        ("collector:4318", "`collector:4318` cannot be used: it is no URL"),
        ("http:collector", "`http:collector` cannot be used: it is no URL"),
        ("grpc://collector:4317", "`grpc://collector:4317` cannot be used: it is no URL"),
        ("http://$HOST:4318", "`http://$HOST:4318` cannot be used: it is no URL"),
        ("http://collector:0", "`http://collector:0` cannot be used: it is no URL"),
        ("http://collector:70000", "`http://collector:70000` cannot be used: it is no URL"),
        ("http://me:s3cr3t@collector:4318", "this cannot be used: a URL here has no user"),
        ("http://s3cr3t@collector:4318", "this cannot be used: a URL here has no user"),
        ("http://collector:4318?key=s3cr3t", "this cannot be used: a URL here has no query"),
        ("http://collector:4318/v1/traces#s3cr3t", "this cannot be used: a URL here has no query"),
    ] {
        for command in ["check", "serve"] {
            let (code, stdout, stderr) = place.run(&[command], &with(complete("example"), SETTING, endpoint));
            assert_eq!((code, &*stdout), (3, ""), "{endpoint}: {stderr}");
            let said = format!("error: {SETTING}: telemetry.otlp_endpoint: {said}");
            assert!(stderr.contains(&said) && stderr.contains("\n  = help: write "), "{said}: {stderr}");
            assert!(!stderr.contains("s3cr3t"), "{endpoint}: {stderr}");
        }
    }
    for (endpoint, address) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://otel_collector:4318/", "http://otel_collector:4318/v1/traces"),
        ("https://[::1]:4318", "https://[::1]:4318/v1/traces"),
        ("https://collector.example.com/otlp/traces", "https://collector.example.com/otlp/traces"),
    ] {
        let (code, stdout, stderr) = place.run(&["check"], &with(complete("example"), SETTING, endpoint));
        assert_eq!((code, &*stderr), (0, ""), "{endpoint}");
        assert!(stdout.contains(&format!("traces      {address}\n")), "{endpoint}: {stdout}");
    }
}
