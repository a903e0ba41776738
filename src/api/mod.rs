//! The public HTTP API.
//!
//! ```text
//! endpoint.rs       the endpoints: path, method, problems, metrics
//! router.rs         which handler serves which endpoint
//! layers.rs         what every request passes: id, log line, problems, panics, the limit of time
//! cors.rs           who may read the answers, in a browser
//! origin.rs         the origins that may, as an operator writes them
//! access.rs         headers → a Session, or a guest; a member → an Admitted
//! cookie.rs         the session's cookie, and what guards it
//! address.rs        where a request comes from
//! body.rs           a body → a Draft of a request
//! chat_token.rs     POST /chat-token, the whole story
//! finishing.rs      what has begun ends, whoever waits for it
//! grants.rs         GET /chat-token/grants
//! code.rs           every problem, in one table
//! problem.rs        one of them, and what leads to it
//! problems_page.rs  GET /problems, for people
//! openapi.rs        GET /openapi.json, for programs
//! ```

mod access;
mod address;
mod body;
mod chat_token;
mod code;
mod cookie;
mod cors;
mod endpoint;
mod finishing;
mod grants;
mod layers;
mod openapi;
mod origin;
mod problem;
mod problems_page;
mod router;
mod state;

pub use address::TrustedProxies;
pub use code::{Code, Row};
pub use cookie::{CookieFault, CookieSettings};
pub use cors::Guard;
pub use endpoint::metric_series;
pub use layers::{Front, Quiet, guarded};
pub use origin::{AllowedOrigin, AllowedOrigins, OriginFault, single_header, split_port};
pub use problem::Problem;
pub use router::{Routes, front};
pub use state::{ApiSettings, App};
