//! A file as a whole: read without ever waiting for it, and no more of it than it may have. Must not know what is in it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use secrecy::SecretString;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A regular file's bytes.
///
/// # Errors
/// Why there are none: gone, not ours to read, no file, over 16 MiB. Names no path.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    // A pipe would keep us until somebody writes into it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let read = || {
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(Err("it is no file".to_owned()));
        }
        let mut bytes = Vec::new();
        let size = file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        let is_too_large = u64::try_from(size).is_ok_and(|size| size > MAX_BYTES);
        Ok(if is_too_large { Err("it has over 16 MiB".to_owned()) } else { Ok(bytes) })
    };
    read().unwrap_or_else(|error: std::io::Error| Err(error.to_string()))
}

/// A secret from a file (Docker's and Kubernetes' way); one trailing newline is dropped.
///
/// # Errors
/// Why there is none. Neither the secret nor the path is shown: somebody may have put the one in the place of the other.
pub fn read_secret(path: &Path) -> Result<SecretString, String> {
    let bytes = read(path).map_err(|why| format!("the file that it names cannot be read: {why}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "the file that it names is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err("the file that it names is empty".to_owned()) } else { Ok(SecretString::from(text)) }
}
