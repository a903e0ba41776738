//! Tokens of the real shape that say in their header that they are not real; must not know what was allowed to be asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::rules::Asked;

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

    /// A token for what was asked, from `now` (seconds since 1970); nothing when the signing fails.
    ///
    /// There is no `exp`: the end is `iat + t * 60`.
    pub(super) fn mint(&self, project_id: &str, now: u64, asked: Asked) -> Option<String> {
        let header = json!({"typ": "CRT", "alg": "HS512", "sandbox": true});
        let channels: Map<String, Value> = asked
            .channels
            .into_iter()
            .map(|(name, access)| (name, json!({"read": access.read, "write": access.write})))
            .collect();
        let payload = json!({
            "iat": now,
            "jti": Uuid::new_v4().to_string(),
            "sub": project_id,
            "t": asked.ttl,
            "chls": channels,
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
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
