//! What an operator sees: the audit event, the log, the clock that both are dated by. Must not know the credentials,
//! sessions, or how a request is answered.

pub mod audit;
pub mod clock;
pub mod log;
