//! Damaged files and wrong pipelines through the real program: each has its own error with a remedy, the documented
//! exit code, no panic, and leaves nothing half-written.

#![expect(clippy::disallowed_methods, reason = "damaged files are made in temporary folders")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::cli::{biossl, fixture, stderr, tiny_pipeline, tiny_run};

/// A copy of record 100, to be damaged.
fn record() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["hea", "dat", "atr"] {
        fs::copy(fixture("mitdb/100").with_extension(ending), folder.path().join("100").with_extension(ending))
            .unwrap();
    }
    let path = folder.path().join("100.hea");
    (folder, path)
}

fn eeg() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("S001R04.edf");
    fs::copy(fixture("eegmmidb/S001/S001R04.edf"), &path).unwrap();
    (folder, path)
}

/// The program ends with `code`; its message holds all `words`, names the remedy, and stdout stays empty.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = biossl(arguments);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    for word in words.iter().chain(&["error", "help:"]) {
        assert!(told.contains(word), "`{word}` is missing: {told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    assert!(output.stdout.is_empty());
}

fn inspect_refuses(path: &Path, words: &[&str]) {
    refused(&["inspect", path.to_str().unwrap(), "--json"], 1, words);
}

#[test]
fn cut_dat() {
    let (_folder, path) = record();
    let signals = path.with_extension("dat");
    let bytes = fs::read(&signals).unwrap();
    fs::write(&signals, &bytes[..bytes.len() / 2]).unwrap();
    inspect_refuses(&path, &["100.dat", "ends at byte 64800", "129600"]);
}

#[test]
fn wrong_checksum() {
    let (_folder, path) = record();
    let signals = path.with_extension("dat");
    let mut bytes = fs::read(&signals).unwrap();
    // Away from the first sample, whose value the header states as well.
    bytes[30_000] ^= 0x01;
    fs::write(&signals, bytes).unwrap();
    inspect_refuses(&path, &["checksum", "MLII"]);
}

#[test]
fn broken_header() {
    let (_folder, path) = record();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(" 212 ", " 2l2 ", 1)).unwrap();
    inspect_refuses(&path, &["100.hea", "line 2", "2l2"]);
}

#[test]
fn cut_edf() {
    let (_folder, path) = eeg();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
    inspect_refuses(&path, &["S001R04.edf", "data records", "ends at byte"]);
}

#[test]
fn discontinuous_edf() {
    let (_folder, path) = eeg();
    let mut bytes = fs::read(&path).unwrap();
    bytes[192..197].copy_from_slice(b"EDF+D");
    fs::write(&path, bytes).unwrap();
    inspect_refuses(&path, &["EDF+D"]);
}

#[test]
fn empty_annotation_file() {
    let (_folder, path) = record();
    fs::write(path.with_extension("atr"), b"").unwrap();
    inspect_refuses(&path, &["100.atr", "annotation file is empty"]);
}

/// The tiny pipeline with a line changed.
fn pipeline_with(from: &str, to: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let text = fs::read_to_string(&pipeline).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&pipeline, text.replacen(from, to, 1)).unwrap();
    (folder, pipeline)
}

fn only_the_pipeline_is_left(folder: &TempDir) {
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["tiny.toml"]);
}

#[test]
fn unknown_key() {
    let (folder, pipeline) = pipeline_with("width = 0.0625", "widht = 0.0625");
    refused(&["run", &pipeline], 2, &["tiny.toml:10:32", "unknown key `widht`", "did you mean `width`?", "^^^^^"]);
    refused(&["run", &pipeline, "--set", "train.stepz=3"], 2, &["`widht`"]);
    only_the_pipeline_is_left(&folder);
}

#[test]
fn wrong_type() {
    let (folder, pipeline) = pipeline_with("steps = 6", "steps = \"six\"");
    refused(&["run", &pipeline], 2, &["tiny.toml:13:19", "invalid type: string \"six\"", "steps = \"six\""]);
    only_the_pipeline_is_left(&folder);
}

#[test]
fn wrong_override() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    refused(&["run", &pipeline, "--set", "train.stepz=3"], 2, &["--set:1:7", "unknown key `stepz`", "`steps`"]);
    refused(&["run", &pipeline, "--set", "preprocess.high_hz=500"], 2, &["--set", "500"]);
    refused(&["run", &folder.path().join("absent.toml").display().to_string()], 2, &["absent.toml", "because"]);
    only_the_pipeline_is_left(&folder);
}

#[test]
fn store_cut_in_half() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let store = folder.path().join("tiny.h5");
    let bytes = fs::read(tiny_run().join("tiny.h5")).unwrap();
    fs::write(&store, &bytes[..bytes.len() / 2]).unwrap();
    refused(&["run", &pipeline], 1, &["tiny.h5"]);
    assert!(!folder.path().join("run").exists(), "a run folder was begun on a broken store");
    assert_eq!(fs::metadata(&store).unwrap().len(), bytes.len() as u64 / 2, "the store was touched");
}

#[test]
fn checkpoint_of_another_channel_count() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let checkpoint = tiny_run().join("run/checkpoints/base/0/seed-1/step-00000006.safetensors");
    let one_lead = ["--set", "corpus.leads=[\"MLII\"]"];
    let probe = ["probe", &pipeline, "--checkpoint", checkpoint.to_str().unwrap(), "--quiet"];
    refused(&[&probe[..], &one_lead].concat(), 1, &["channels 2 (MLII", "the store has 1 (MLII"]);
    assert!(!folder.path().join("run").exists());
}

#[test]
fn checkpoint_that_saw_the_test_people() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let checkpoint = tiny_run().join("run/checkpoints/base/0/seed-1/step-00000006.safetensors");
    let probe = ["probe", &pipeline, "--checkpoint", checkpoint.to_str().unwrap(), "--quiet", "--set", "split.seed=5"];
    refused(&probe, 1, &["pretraining saw people"]);
}

#[test]
fn damaged_record_in_a_corpus_leaves_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("mitdb");
    fs::create_dir(&corpus).unwrap();
    for entry in fs::read_dir(fixture("mitdb")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), corpus.join(entry.file_name())).unwrap();
    }
    let signals = corpus.join("208.dat");
    let mut bytes = fs::read(&signals).unwrap();
    bytes[30_000] ^= 0x01;
    fs::write(&signals, bytes).unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let root = format!("corpus.root='{}'", corpus.display());
    refused(&["run", &pipeline, "--set", &root, "--quiet"], 1, &["208", "checksum"]);
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["mitdb", "tiny.toml"]);
}
