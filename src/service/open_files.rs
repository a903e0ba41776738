//! How many files the process may have open: each connection is one. Must not know connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a service needs beside its connections: listeners, calls to SignalWire, files.
const BESIDE: u64 = 512;

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
