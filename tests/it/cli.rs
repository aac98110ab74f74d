//! The real program: what stands on stdout, what on stderr, how it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Runs the program in the project's folder.
pub(crate) fn biossl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_biossl"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The JSON on stdout of a program that ended with `code`.
pub(crate) fn json(arguments: &[&str], code: i32) -> Value {
    let output = biossl(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(&output)))
}

pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

#[test]
fn alone_it_teaches() {
    let output = biossl(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for command in ["biossl demo", "biossl inspect", "biossl run", "biossl list"] {
        assert!(text.contains(command), "{text}");
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let text = stdout(&biossl(&["--help"]));
    for word in [
        "inspect",
        "preprocess",
        "pretrain",
        "probe",
        "finetune",
        "evaluate",
        "run",
        "list",
        "demo",
        "--json",
        "--threads",
        "--seed",
        "--device",
        "--quiet",
        "--set",
        "Exit codes",
    ] {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
}

#[test]
fn mistakes_on_the_command_line_end_with_2() {
    for arguments in [&["inspct"][..], &["inspect"], &["list", "--colour"], &["list", "objectivs"]] {
        let output = biossl(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn list_gives_every_family_with_defaults() {
    let catalogue = json(&["list", "--json"], 0);
    let families: Vec<&str> =
        catalogue["families"].as_array().unwrap().iter().map(|family| family["family"].as_str().unwrap()).collect();
    for family in ["format", "corpus", "split", "transform", "encoder", "objective", "metric"] {
        assert!(families.contains(&family), "{family} is missing: {families:?}");
    }
    let transforms = json(&["list", "transform", "--json"], 0);
    let first = &transforms["families"][0]["members"][0];
    assert_eq!(first["name"], "temporal-delay");
    assert!(first["defaults"]["eeg"].is_object());
    assert!(stdout(&biossl(&["list"])).contains("temporal-cutout"));
}
