//! What `usher dev` tells the developer: addresses, what to try with the policy at hand, and last one line that works when
//! pasted.

use std::collections::BTreeMap;

use serde_json::json;
use url::Url;

use super::issuer::{DevIssuer, NewSession};
use crate::chat::{Ask, ChannelName, ClaimedRoles, Facts, Object, Rights, Who};
use crate::policy::Policy;
use crate::telemetry::clock;

/// How long the printed sessions last, in seconds.
const LIVES_FOR: i64 = 12 * 3_600;

/// The roles that show what this policy does; none where no role of it grants anything by name.
pub(super) struct Examples {
    /// Whom the last line is for: `customer` where that works, else the first role that grants something by name.
    alice: Option<String>,
    /// Another role that grants something, if there is one: `agent` where that works.
    bob: Option<String>,
}

/// Where everything listens.
pub(super) struct Addresses {
    pub(super) usher: Url,
    pub(super) ops: Url,
    pub(super) sandbox: Url,
}

impl Examples {
    pub(super) fn of(policy: &Policy) -> Self {
        let granting = |first: &str, but: Option<&str>| {
            let names = policy.claimable();
            let in_order = names.get(first).copied().into_iter().chain(names.iter().copied());
            in_order.filter(|role| Some(*role) != but).find(|role| grants(policy, role)).map(str::to_owned)
        };
        let alice = granting("customer", None);
        Self { bob: granting("agent", alice.as_deref()), alice }
    }

    pub(super) fn text(
        &self,
        addresses: &Addresses,
        policy: &str,
        issuer: &DevIssuer,
        program: &str,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let Addresses { usher: address, ops, sandbox } = addresses;
        let [base, ops, sandbox] = [address, ops, sandbox].map(|url| url.as_str().trim_end_matches('/'));
        let session = |sub: &str, role: Option<&str>| {
            let roles: Vec<String> = role.into_iter().map(str::to_owned).collect();
            issuer.sign(&NewSession { sub, roles: &roles, claims: projects(), lives_for: LIVES_FOR }, clock::now())
        };
        let post = |session: &str, body: &str| {
            let body = if body.is_empty() { "" } else { &format!(" -H 'Content-Type: application/json' -d '{body}'") };
            format!("curl -sS -X POST {base}/chat-token -H 'Authorization: Bearer {session}'{body}")
        };
        let alice = session("alice", self.alice.as_deref())?;
        let port = address.port().unwrap_or_default();
        let role = self.bob.as_deref().or(self.alice.as_deref()).unwrap_or("customer");
        let mut parts = vec![format!(
            "usher dev: everything in one process, no account, nothing real

  usher     {base}
  page      {base}/ (to try it on, in a browser)
  operator  {ops} (metrics, ready, policy)
  sandbox   {sandbox} (stands in for SignalWire; its tokens are visibly not real)
  policy    {policy}
  sessions  {program} session --sub bob --role {role} --port {port}
"
        )];
        if let Some(role) = &self.bob {
            let bob = session("bob", Some(role))?;
            parts.push(format!("\nAnother role: what bob, who has the role `{role}`, is given.\n{}\n", post(&bob, "")));
        }
        parts.push(format!(
            "
A channel that is not allowed: nothing is minted, and the problem that comes back says which right is refused:
403 {{\"code\":\"channels_denied\",\"denied\":[{{\"channel\":\"not-granted\",\"permissions\":[\"read\"],…
{}

What alice may have, without minting anything:
curl -sS {base}/chat-token/grants -H 'Authorization: Bearer {alice}'

And the main job, a chat token for alice. Paste it into another terminal:
{}",
            post(&alice, r#"{"channels":{"not-granted":{"read":true}}}"#),
            post(&alice, "")
        ));
        Ok(parts.concat())
    }
}

/// Whether a role gives alice something by name, and not the channel that is to be refused.
fn grants(policy: &Policy, role: &str) -> bool {
    let mut claims = projects();
    claims.insert("sub".to_owned(), json!("alice"));
    let facts = Facts {
        who: Who::Known { issuer: super::issuer::ALIAS.to_owned() },
        roles: ClaimedRoles::Names(vec![role.to_owned()]),
        claims: claims.into(),
        ends: None,
    };
    let decide = |ask: Ask| policy.evaluate(&facts, &ask, clock::now()).outcome.is_ok();
    let refused = ChannelName::parse("not-granted")
        .ok()
        .map(|name| BTreeMap::from([(name, Rights { read: true, write: false })]));
    decide(Ask::default()) && !decide(Ask { channels: refused, ..Ask::default() })
}

/// A claim with a list, as the example policy reads one.
fn projects() -> Object {
    [("projects".to_owned(), json!(["apollo", "gemini"]))].into_iter().collect()
}
