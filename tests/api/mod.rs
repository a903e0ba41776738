//! The public listener over real sockets: what a front end sees, member by member and check by check.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod audit;
mod audit_text;
mod background;
mod channels;
mod connections;
mod cookies;
mod cors;
mod deadline;
mod debug;
mod fault_matrix;
mod framing;
mod grants;
mod granted;
mod health;
mod json;
mod leaks;
mod limits;
mod malformed;
mod members;
mod openapi;
mod order;
mod paths;
mod problems;
mod queue;
mod request_ids;
mod tls;
mod upstream;
mod upstream_connections;

use serde_json::{Value, json};

use crate::support::keys::{Signer, claims};
use crate::support::{CommandLine, Server, Service, free_address};

/// Pointer and code of each fault in a 422.
pub(crate) type Faults = Vec<(String, String)>;

impl Service {
    /// That this body is taken; the token's payload.
    async fn taken(&self, case: &str, session: &str, body: impl Into<reqwest::Body>) -> Value {
        let (status, answer) = self.post_text(session, body).await.read();
        assert_eq!(status, 200, "{case}: {answer}");
        self.payload(&answer)
    }

    /// That this body is JSON and no request; its faults, sorted.
    async fn faults(&self, case: &str, session: &str, body: impl Into<reqwest::Body>) -> Faults {
        let minted = self.sandbox.received().len();
        let (status, answer) = self.post_text(session, body).await.read();
        assert_eq!((status, answer["code"].as_str()), (422, Some("invalid_request")), "{case}: {answer}");
        assert_eq!(self.sandbox.received().len(), minted, "{case}: something was sent upstream");
        let rows = answer["errors"].as_array().unwrap();
        let mut faults: Faults = rows.iter().map(|row| (text(&row["pointer"]), text(&row["code"]))).collect();
        for row in rows {
            assert_eq!(row.as_object().unwrap().len(), 3, "{case}: {row}");
            assert!(!text(&row["detail"]).is_empty(), "{case}: {row}");
        }
        faults.sort();
        faults
    }

    /// That this body has exactly one fault.
    async fn one_fault(&self, case: &str, session: &str, body: impl Into<reqwest::Body>, pointer: &str, code: &str) {
        let faults = self.faults(case, session, body).await;
        assert_eq!(faults, [(pointer.to_owned(), code.to_owned())], "{case}");
    }
}

/// `usher serve` with this policy and these variables, at a known port, as its log may say nothing.
async fn served(policy: &str, more: &[(&str, &str)]) -> Server {
    let address = free_address();
    let listen = [("USHER__SERVER__LISTEN", &*address)];
    Server::with(&CommandLine::with_files([("config/policy.toml", policy)]), &[&listen, more].concat()).await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A good session of these roles that ends in so many seconds, with more claims.
fn session_of(sub: &str, roles: &[&str], lives_for: i64, more: &Value) -> String {
    Signer::secret().sign(&claims(sub, roles, lives_for, more))
}

/// A request for these channels, as `{"name": "rw"}`.
fn channels(asked: &Value) -> Value {
    let rows = asked.as_object().unwrap().iter();
    let rows = rows.map(|(name, rights)| {
        let rights = text(rights);
        (name.clone(), json!({"read": rights.contains('r'), "write": rights.contains('w')}))
    });
    Value::Object(rows.collect())
}
