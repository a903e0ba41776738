//! What `usher dev` tells the developer: addresses, what to try, and last one line that works when pasted.

use url::Url;

use super::issuer::{DevIssuer, NewSession};
use crate::chat::Object;
use crate::ops::clock;

/// How long the printed sessions last, in seconds.
const LIVES_FOR: i64 = 12 * 3_600;

pub(super) fn text(
    address: &Url,
    sandbox: &Url,
    policy: &str,
    issuer: &DevIssuer,
) -> Result<String, jsonwebtoken::errors::Error> {
    let session = |sub: &str, role: &str| {
        let roles = [role.to_owned()];
        let projects = [("projects".to_owned(), serde_json::json!(["apollo", "gemini"]))];
        let claims: Object = projects.into_iter().collect();
        issuer.sign(&NewSession { sub, roles: &roles, claims, lives_for: LIVES_FOR }, clock::now())
    };
    let base = address.as_str().trim_end_matches('/');
    let curl = |session: &str, body: &str| {
        let body =
            if body.is_empty() { String::new() } else { format!(" -H 'Content-Type: application/json' -d '{body}'") };
        format!("curl -sS -X POST {base}/chat-token -H 'Authorization: Bearer {session}'{body}")
    };
    let alice = session("alice", "customer")?;
    let bob = session("bob", "agent")?;
    let port = address.port().unwrap_or_default();
    let agent = curl(&bob, r#"{"channels":{"support:alice":{"read":true,"write":true}}}"#);
    let refused = curl(&alice, r#"{"channels":{"support:bob":{"read":true}}}"#);
    let granted = curl(&alice, "");
    Ok(format!(
        "usher dev: everything in one process, no account, nothing real

  usher     {base}
  sandbox   {sandbox} (stands in for SignalWire; its tokens are visibly not real)
  policy    {policy}
  sessions  usher session --sub bob --role agent --port {port}

Another role: bob is an agent, who may read and write in every support room.
{agent}

A channel that is not allowed: alice asks for bob's room, and the problem that comes back says which right is refused.
{refused}

What alice may have, without minting anything:
curl -sS {base}/chat-token/grants -H 'Authorization: Bearer {alice}'

And the main job, a chat token for alice, a customer. Paste it into another terminal:
{granted}"
    ))
}
