//! Tokens of the real shape that say in their header that they are not real; must not know what was allowed to be asked.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::rules::{Access, Asked};

/// What a token says.
#[derive(Deserialize)]
pub(super) struct Claims {
    /// When it was minted, in seconds since 1970.
    pub(super) iat: u64,
    /// Its life, in minutes.
    pub(super) t: u64,
    /// The project.
    pub(super) sub: String,
    /// The channels.
    pub(super) chls: BTreeMap<String, Access>,
    /// The member's state.
    pub(super) stt: Map<String, Value>,
    /// The member.
    pub(super) m: String,
}

/// Signs with a secret of its own.
pub(super) struct Mint {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl Mint {
    pub(super) fn with_random_secret() -> Self {
        let secret: [u8; 64] = rand::random();
        Self { signing: EncodingKey::from_secret(&secret), verifying: DecodingKey::from_secret(&secret) }
    }

    /// A token for what was asked, from `now` (seconds since 1970); nothing when the signing fails. Its header's `ch` sends
    /// the SDK to that relay.
    ///
    /// There is no `exp`: the end is `iat + t * 60`.
    pub(super) fn mint(&self, project_id: &str, relay: Option<&str>, now: u64, asked: Asked) -> Option<String> {
        let mut header = json!({"typ": "CRT", "alg": "HS512", "sandbox": true});
        if let (Some(header), Some(relay)) = (header.as_object_mut(), relay) {
            header.insert("ch".to_owned(), relay.into());
        }
        let payload = json!({
            "iat": now,
            "jti": Uuid::new_v4().to_string(),
            "sub": project_id,
            "t": asked.ttl,
            "chls": asked.channels,
            "stt": asked.state,
            "m": asked.member_id.unwrap_or_else(|| Uuid::new_v4().to_string()),
        });
        let signed = format!("{}.{}", encode(&header), encode(&payload));
        let signature = crypto::sign(signed.as_bytes(), &self.signing, Algorithm::HS512).ok()?;
        Some(format!("{signed}.{signature}"))
    }

    /// Header and payload of a token that was signed here.
    pub(super) fn decode(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let genuine = crypto::verify(signature, signed.as_bytes(), &self.verifying, Algorithm::HS512);
        if !genuine.is_ok_and(|genuine| genuine) {
            return None;
        }
        let (header, payload) = signed.split_once('.')?;
        Some(json!({"header": decode(header)?, "payload": decode(payload)?}))
    }

    /// What a token that was signed here says.
    pub(super) fn claims(&self, token: &str) -> Option<Claims> {
        serde_json::from_value(self.decode(token)?.get_mut("payload")?.take()).ok()
    }
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
