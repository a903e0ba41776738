//! What a command is given to read: a file, a pipe, or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use super::Failure;
use crate::analysis::Recorded;

/// The most that is read where all of it is wanted at once, in bytes: as of the service's own files.
const MOST_INPUT: u64 = 16 << 20;

/// A text from a file, or from standard input where it is called `-`. `what` names it in an error.
pub(super) fn text(what: &str, path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|input| input.take(MOST_INPUT + 1).read_to_end(&mut bytes));
    let size = read.map_err(|error| unreadable(what, path, &error.to_string()))?;
    // The beginning of a text is another text.
    if u64::try_from(size).is_ok_and(|size| size > MOST_INPUT) {
        return Err(unreadable(what, path, "it has over 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| unreadable(what, path, "it is not UTF-8"))
}

/// The same line by line, however many there are. One that is not UTF-8 is empty.
pub(super) fn lines(what: &str, path: &Path) -> Result<impl Iterator<Item = Result<String, Failure>>, Failure> {
    let failure = move |error: io::Error| unreadable(what, path, &error.to_string());
    let lines = open(path).map_err(failure)?.split(b'\n');
    Ok(lines.map(move |line| line.map(|line| String::from_utf8(line).unwrap_or_default()).map_err(failure)))
}

/// A session from the file that `--session` names; one trailing newline is dropped.
pub(super) fn session(path: &Path) -> Result<String, Failure> {
    let text = text("--session", path)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Reads every audit event of the file that `--decisions` names; other lines of the log are skipped.
pub(super) fn decisions(path: &Path) -> Result<Vec<Recorded>, Failure> {
    let mut events = Vec::new();
    for (index, line) in lines("--decisions", path)?.enumerate() {
        let read = Recorded::read(&line?);
        let told = |why| Failure::wrong(format!("error: {}:{}: an audit event: {why}", path.display(), index + 1));
        events.extend(read.map_err(told)?);
    }
    if events.is_empty() {
        let why = "there is no audit event in it: they are the lines of usher's log with \"event\":\"audit\"";
        return Err(Failure::wrong(format!("error: {}: {why}", path.display())));
    }
    Ok(events)
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    Ok(if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(BufReader::new(File::open(path)?)) })
}

fn unreadable(what: &str, path: &Path, why: &str) -> Failure {
    Failure::wrong(format!("error: {what} {} cannot be read: {why}", path.display()))
}
