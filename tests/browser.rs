//! Chromium, the unmodified SDKs and the real `usher dev`: node's own test runner drives `tests/browser/*.test.mjs`.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
#[ignore = "needs chromium"]
fn browsers_do_with_usher_dev_what_front_ends_do() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(directory.join("node_modules").is_dir(), "run `npm ci` in tests/browser");
    let mut files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    assert!(!files.is_empty());
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter=spec"]).args(files).current_dir(directory).stdin(Stdio::null());
    let status = command.env("USHER_BINARY", env!("CARGO_BIN_EXE_usher")).status().unwrap();
    assert!(status.success(), "node's report is above");
}
