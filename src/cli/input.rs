//! What a command is given to read: a file, or standard input.

use std::io::Read as _;
use std::path::Path;

use super::Failure;
use crate::files;

/// The most that is read from standard input, in bytes: as of a file.
const MOST_INPUT: u64 = 16 << 20;

/// A text from a file, or from standard input where it is called `-`. `what` names it in an error.
pub(super) fn text(what: &str, path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().take(MOST_INPUT).read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string())
    } else {
        let bytes = files::read(path);
        bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()))
    };
    text.map_err(|why| Failure::wrong(format!("error: {what} {} cannot be read: {why}", path.display())))
}

/// A session from the file that `--session` names; one trailing newline is dropped.
pub(super) fn session(path: &Path) -> Result<String, Failure> {
    let text = text("--session", path)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
