//! How a command ends and what it shows: exit codes, standard output and standard error, colours, and
//! the runtime that its asynchronous work runs on.

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::settings::Environment;

/// Why a command ends without its result. The text goes to standard error.
#[derive(Debug)]
pub(super) enum Failure {
    /// Exit 1: it failed.
    Failed(String),
    /// Exit 1: it failed, and the log says so.
    Logged,
    /// Exit 2: denied, or no valid request; or a policy grants more than before. The result says so.
    Denied,
    /// Exit 3: the policy or the settings are wrong.
    Wrong(String),
    /// Exit 64: wrong usage, of a kind that the parser of the command line does not see.
    Usage(String),
}

/// Reports a failure on standard error, and returns the exit code.
pub(super) fn exit_code(ended: Result<(), Failure>) -> ExitCode {
    let (code, text) = match ended {
        Ok(()) => (0, None),
        Err(Failure::Failed(text)) => (1, Some(text)),
        Err(Failure::Logged) => (1, None),
        Err(Failure::Denied) => (2, None),
        Err(Failure::Wrong(text)) => (3, Some(text)),
        Err(Failure::Usage(text)) => (64, Some(text)),
    };
    if let Some(text) = text {
        complain(&text);
    }
    ExitCode::from(code)
}

impl Failure {
    pub(super) fn failed(why: impl Display) -> Self {
        Self::Failed(format!("usher: {why}"))
    }

    /// Tells it in the log, which has begun: every line there is one of the log's.
    pub(super) fn into_log(self) -> Self {
        match self {
            Self::Failed(text) => {
                tracing::error!("{}", text.trim_start_matches("usher: "));
                Self::Logged
            }
            other => other,
        }
    }

    pub(super) fn wrong(why: impl Display) -> Self {
        Self::Wrong(why.to_string())
    }
}

/// Runs a command's work to its end.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // One core has nobody to share work with.
    let has_more_cores = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let mut runtime = if has_more_cores { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("no runtime can be had: {error}")))?;
    let ended = runtime.block_on(work);
    // A file of a network that does not answer is not waited for.
    runtime.shutdown_background();
    ended
}

pub(super) fn no_signals(error: impl Display) -> Failure {
    Failure::failed(format!("no signal can be had: {error}"))
}

pub(super) fn complain(text: &str) {
    use std::io::Write;
    // If standard error is gone, there is nowhere left to report that.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Colours for a terminal, and none elsewhere.
pub(super) struct Paint {
    is_colourful: bool,
}

impl Paint {
    /// For standard output; `NO_COLOR` (<https://no-color.org>) is honoured.
    pub(super) fn of_output(environment: &Environment) -> Self {
        use std::io::IsTerminal;
        Self { is_colourful: std::io::stdout().is_terminal() && environment.text("NO_COLOR").is_none() }
    }

    pub(super) fn good(&self, text: &str) -> String {
        self.paint(text, 32)
    }

    pub(super) fn bad(&self, text: &str) -> String {
        self.paint(text, 31)
    }

    /// A line of a difference: what is gone red, what came green.
    pub(super) fn difference(&self, line: &str) -> String {
        match line.as_bytes().first() {
            Some(b'-') => self.bad(line),
            Some(b'+') => self.good(line),
            _ => line.to_owned(),
        }
    }

    fn paint(&self, text: &str, colour: u8) -> String {
        if self.is_colourful { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints a result. A reader that has gone away ends nothing.
pub(super) fn print(text: impl Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
