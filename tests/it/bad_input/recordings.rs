//! Corpora with damaged recordings: preprocessing ends without a store.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::cli::{fixture, tiny_pipeline};
use super::refused_leaving;

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
    let run = ["run", &pipeline, "--set", &root, "--quiet"];
    refused_leaving(folder.path(), &run, 1, &["208", "checksum"]);
}

/// A corpus of record 100 alone, changed, and the settings that make the tiny pipeline read it.
fn one_record(change: impl FnOnce(&Path)) -> (TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("mitdb");
    fs::create_dir(&corpus).unwrap();
    for ending in ["hea", "dat", "atr"] {
        let name = format!("100.{ending}");
        fs::copy(fixture("mitdb").join(&name), corpus.join(&name)).unwrap();
    }
    change(&corpus.join("100"));
    let pipeline = tiny_pipeline(folder.path());
    let root = format!("corpus.root='{}'", corpus.display());
    (folder, pipeline, root)
}

fn edit_header(record: &Path, from: &str, to: &str) {
    let header = record.with_extension("hea");
    let text = fs::read_to_string(&header).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&header, text.replacen(from, to, 1)).unwrap();
}

fn preprocess_refuses(change: impl FnOnce(&Path), more: &[&str], words: &[&str]) {
    let (folder, pipeline, root) = one_record(change);
    let preprocess = [&["preprocess", &pipeline, "--set", &root, "--quiet"][..], more].concat();
    refused_leaving(folder.path(), &preprocess, 1, words);
}

#[test]
fn lead_of_no_voltage() {
    let change = |record: &Path| edit_header(record, " 200 ", " 200/mmHg ");
    preprocess_refuses(change, &[], &["100.hea", "MLII", "`mmHg`", "--unit \"MLII=uV\""]);
}

#[test]
fn unit_that_contradicts_the_file() {
    preprocess_refuses(|_| {}, &["--unit", "MLII=uV"], &["MLII is in mV", "says uV"]);
}

#[test]
fn other_rate_than_the_corpus() {
    let change = |record: &Path| edit_header(record, "2 360 ", "2 250 ");
    preprocess_refuses(change, &[], &["250 Hz", "360 Hz", "rate_hz = 360", "`exclude`"]);
}

#[test]
fn rate_without_a_ratio_to_the_store() {
    let change = |record: &Path| edit_header(record, "2 360 ", "2 250.00037 ");
    preprocess_refuses(change, &["--set", "preprocess.rate_hz=360"], &["250.00037 Hz and 360 Hz", "100"]);
}

#[test]
fn recording_too_short_for_the_filter() {
    let change = |record: &Path| {
        edit_header(record, "43200", "20");
        let signals = record.with_extension("dat");
        let bytes = fs::read(&signals).unwrap();
        fs::write(&signals, &bytes[..60]).unwrap();
    };
    // Its checksums do not fit either, which a lenient reader passes over.
    preprocess_refuses(change, &["--lenient"], &["20 samples are too few for the filter", "`exclude`"]);
}
