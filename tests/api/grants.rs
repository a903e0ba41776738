//! `GET /chat-token/grants`: what a session may have, without minting anything.

use reqwest::Method;
use serde_json::json;

use super::{channels, session_of};
use crate::support::send;
use crate::support::service::{POLICY, Service};
use crate::support::session;

#[tokio::test]
async fn grants_tell_member_roles_channels_patterns_and_the_longest_ttl() {
    let service = Service::start().await;
    let (status, answer) = service.grants(&session("alice", &["customer", "agent", "stranger"])).await.read();
    assert_eq!(status, 200);
    let expected = json!({
        "member_id": "alice",
        "roles": ["agent", "customer"],
        "channels": channels(&json!({"announcements": "r", "support:alice": "rw"})),
        "patterns": [{"pattern": "support:*", "read": true, "write": true}],
        "max_ttl": 59,
    });
    assert_eq!(answer, expected, "an hour's session, less the request's deadline");
    assert!(service.sandbox.received().is_empty(), "nothing is minted");
}

#[tokio::test]
async fn channels_are_those_of_a_request_that_asks_for_nothing() {
    let service = Service::start().await;
    for roles in [&["customer"][..], &["customer", "muted"], &["customer", "agent"]] {
        let alice = session("alice", roles);
        let (_, token) = service.post(&alice, None).await.read();
        let (_, grants) = service.grants(&alice).await.read();
        assert_eq!(grants["channels"], token["channels"], "{roles:?}");
    }
}

#[tokio::test]
async fn patterns_have_placeholders_filled_in_less_what_a_deny_of_everything_takes() {
    let policy = "version = 1\n[ttl]\nmax = \"8h\"\n[roles.agent]\nmax_ttl = \"20m\"\nincludes = [\"base\"]\n\
        [roles.agent.channels]\n\"team:{/teams}:*\" = [\"read\", \"write\"]\n\
        [roles.base.channels]\n\"log:**\" = [\"read\"]\n\
        [roles.muted.deny]\n\"**\" = [\"write\"]\n[roles.quiet.deny]\n\"team:*:*\" = [\"write\"]\n";
    let service = Service::with_policy(policy).await;
    let grants = async |roles: &[&str]| {
        let session = session_of("alice", roles, 360_000, &json!({"teams": ["b", "a"]}));
        service.grants(&session).await.json()
    };
    let row = |pattern: &str, write: bool| json!({"pattern": pattern, "read": true, "write": write});
    let answer = grants(&["agent"]).await;
    assert_eq!(answer["patterns"], json!([row("log:**", false), row("team:a:*", true), row("team:b:*", true)]));
    assert_eq!((&answer["roles"], &answer["channels"]), (&json!(["agent", "base"]), &json!({})));
    assert_eq!(answer["max_ttl"], 480, "the longest of any of them: base has no cap");
    let muted = grants(&["agent", "muted"]).await;
    assert_eq!(muted["patterns"], json!([row("log:**", false), row("team:a:*", false), row("team:b:*", false)]));
    let narrower = grants(&["agent", "quiet"]).await;
    assert_eq!(narrower["patterns"], answer["patterns"], "a narrower deny is not shown");
}

#[tokio::test]
async fn nothing_granted_is_200_and_empty() {
    let service = Service::start().await;
    for (roles, names) in [(&["stranger"][..], json!([])), (&["muted"], json!(["muted"])), (&[], json!([]))] {
        let (status, answer) = service.grants(&session("alice", roles)).await.read();
        let expected = json!({"member_id": "alice", "roles": names, "channels": {}, "patterns": [], "max_ttl": null});
        assert_eq!((status, answer), (200, expected), "{roles:?}");
    }
}

#[tokio::test]
async fn a_guest_may_ask_and_has_no_member_id() {
    let guests = format!("{POLICY}\n[guest]\nrole = \"customer\"\nmax_ttl = \"10m\"\n");
    for (policy, status) in [(guests.as_str(), 200), (POLICY, 401)] {
        let service = Service::with_policy(policy).await;
        let (found, answer) = send(service.request(Method::GET, "/chat-token/grants")).await.read();
        assert_eq!(found, status, "{answer}");
        if status == 200 {
            let expected = json!({"member_id": null, "roles": ["customer"], "channels": channels(&json!({"announcements": "r"})),
                                  "patterns": [], "max_ttl": 10});
            assert_eq!(answer, expected);
        } else {
            assert_eq!(answer["code"], "session_missing");
        }
    }
}

#[tokio::test]
async fn errors_are_those_of_a_token() {
    let policy = format!("{}{}", POLICY, "[roles.many.channels]\n\"p:{/ps}\" = [\"read\"]\n");
    let policy = policy.replace("[member]", "[member]\nid = \"{login}\"");
    let service = Service::with_policy(&policy).await;
    let of = |more: serde_json::Value, lives_for: i64, role: &str| session_of("x", &[role], lives_for, &more);
    for (case, session, status, code) in [
        ("no proper session", "nonsense".to_owned(), 401, "session_invalid"),
        ("over", of(json!({"login": "alice"}), -1, "customer"), 401, "session_expired"),
        ("too little left", of(json!({"login": "alice"}), 120, "customer"), 401, "session_expiring"),
        ("no member id", of(json!({}), 3_600, "customer"), 403, "nothing_granted"),
        ("a guest's name", of(json!({"login": "guest-1"}), 3_600, "customer"), 403, "nothing_granted"),
        ("blocked", of(json!({"login": "mallory"}), 3_600, "customer"), 403, "session_revoked"),
        (
            "over 500",
            of(json!({"login": "a", "ps": (1..=501).collect::<Vec<_>>()}), 3_600, "many"),
            422,
            "invalid_request",
        ),
    ] {
        let (found, answer) = service.grants(&session).await.read();
        assert_eq!((found, answer["code"].as_str()), (status, Some(code)), "{case}: {answer}");
    }
    assert_eq!(service.grants(&of(json!({"login": "alice"}), 3_600, "customer")).await.status, 200);
    assert_eq!(
        service.grants(&of(json!({"login": "a", "ps": (1..=500).collect::<Vec<_>>()}), 3_600, "many")).await.status,
        200
    );
}

#[tokio::test]
async fn a_body_or_a_query_makes_no_difference() {
    let service = Service::start().await;
    let request =
        service.request(Method::GET, "/chat-token/grants?channels=all").bearer_auth(session("a", &["customer"]));
    let (status, answer) = send(request.body("not JSON")).await.read();
    assert_eq!((status, &answer["member_id"]), (200, &json!("a")));
}
