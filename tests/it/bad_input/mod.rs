//! Damaged and hostile input through the real program, under the limits that [`refused`] sets: each kind has its own
//! error with place and remedy, the documented exit code, no panic, and leaves nothing half-written.

#![expect(clippy::disallowed_methods, reason = "damaged files are made in temporary folders")]

mod folder; // recordings of one's own
mod formats; // recordings: headers, signal files, annotations
mod pipeline; // pipelines and the command line
mod recordings; // corpora and preprocessing
mod store; // stores and checkpoints

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use biossl::base::sha256_hex;
use tempfile::TempDir;

use super::cli::stderr;

/// Address space of a program that meets bad input: above what it can have in memory, so the bound on memory too.
const MEMORY_KIB: u64 = 500_000;
/// Processor seconds; the load of the machine has no part in them.
const CPU_S: u64 = 5;
/// After that a program waits for something that never comes.
const HANG: Duration = Duration::from_mins(1);

/// Runs the program under the limits. `ulimit` of the shell sets them: no crate in the tree does it without `unsafe`.
fn limited(arguments: &[&str]) -> Output {
    let script = format!("ulimit -v {MEMORY_KIB} && ulimit -t {CPU_S} && exec \"$0\" \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_biossl")])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        // Each arena reserves 64 MiB of address space that is never used.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let (send, ended) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    ended.recv_timeout(HANG).expect("it hangs").expect("its output is read")
}

/// The program ends with `code`; its message holds all `words`, names the remedy, and stdout stays empty.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = limited(arguments);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {:?} {told}", output.status);
    for word in words.iter().chain(&["error", "help:"]) {
        assert!(told.contains(word), "`{word}` is missing: {told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    assert!(output.stdout.is_empty());
}

/// As [`refused`], and everything in `folder` is as it was: no file more, none less, none changed.
fn refused_leaving(folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let before = listing(folder);
    refused(arguments, code, words);
    assert_eq!(listing(folder), before, "{arguments:?} touched {}", folder.display());
}

/// Every path below a folder with the hash of its content; links are not followed, pipes not opened.
fn listing(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            }
            let content =
                if kind.is_file() { sha256_hex(&fs::read(entry.path()).unwrap()) } else { format!("{kind:?}") };
            found.insert(entry.path(), content);
        }
    }
    found
}

#[test]
fn frame_sees_what_is_touched() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("below/a"), "a").unwrap();
    let before = listing(folder.path());
    assert_eq!(before.len(), 2);
    fs::write(folder.path().join("below/a"), "b").unwrap();
    assert_ne!(listing(folder.path()), before);
}
