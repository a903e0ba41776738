//! What a service needs of its process: the signals that it heeds, taken over before it starts so that none of them ends it
//! unasked, and enough open files.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a service needs beside its connections: listeners, calls to SignalWire, files.
const BESIDE: u64 = 512;

/// What a service heeds.
pub struct Signals {
    /// To stop.
    pub stop: Stop,
    /// To read files again, where SIGHUP means that.
    pub reload: Option<Reload>,
}

/// SIGTERM and SIGINT (and SIGHUP, of a command at a terminal): stop in good order; a second one, stop at once.
pub struct Stop {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
}

/// SIGHUP: read the files again.
pub struct Reload(Signal);

impl Signals {
    /// Takes over those of a service that has no terminal: SIGHUP reads files again.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn of_service() -> io::Result<Self> {
        Ok(Self { stop: Stop::listen(None)?, reload: Some(Reload(signal(SignalKind::hangup())?)) })
    }

    /// Heeds none: for a service within a process that has signals of its own, such as a test.
    #[must_use]
    pub fn none() -> Self {
        Self { stop: Stop { terminate: None, interrupt: None, hangup: None }, reload: None }
    }

    /// Takes over those of a command at a terminal: SIGHUP says that the terminal is gone.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn of_terminal() -> io::Result<Self> {
        Ok(Self { stop: Stop::listen(Some(signal(SignalKind::hangup())?))?, reload: None })
    }
}

impl Stop {
    fn listen(hangup: Option<Signal>) -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate: Some(terminate), interrupt: Some(interrupt), hangup })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            () = received(self.terminate.as_mut()) => {}
            () = received(self.interrupt.as_mut()) => {}
            () = received(self.hangup.as_mut()) => {}
        }
    }
}

impl Reload {
    /// Waits for the next one.
    pub(super) async fn next(this: Option<&mut Self>) {
        received(this.map(|reload| &mut reload.0)).await;
    }
}

/// Waits for this signal; for ever where there is none.
async fn received(signal: Option<&mut Signal>) {
    let is_there = match signal {
        Some(signal) => signal.recv().await.is_some(),
        None => false,
    };
    if !is_there {
        std::future::pending::<()>().await;
    }
}

/// Takes as many as the system gives without being asked for more, and tells where that is too few for so many connections.
pub fn raise_open_files(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    // What cannot be raised stays as it was.
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDE);
    if let Some(now) = now.filter(|now| *now < needed) {
        tracing::warn!(
            "at most {now} files can be open, too few for server.max_connections = {connections}: raise the limit \
             (ulimit -n), or set fewer connections"
        );
    }
}
