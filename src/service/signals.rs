//! The signals that a service heeds. Taken over before it starts, so that none of them ends it unasked.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// All of them.
pub struct Signals {
    /// SIGTERM and SIGINT.
    pub stop: Stop,
    /// SIGHUP.
    pub reload: Reload,
}

/// SIGTERM and SIGINT: stop in good order; a second one, stop at once.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// SIGHUP: read the files again.
pub struct Reload(Signal);

impl Signals {
    /// Takes them over.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            stop: Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? },
            reload: Reload(signal(SignalKind::hangup())?),
        })
    }
}

impl Stop {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Reload {
    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        // None would mean that there will be no other.
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
