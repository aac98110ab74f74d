//! Damaged and hostile recording files through `inspect`.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::cli::fixture;
use super::refused_leaving;

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

fn inspect_refuses(path: &Path, words: &[&str]) {
    let folder = path.parent().unwrap();
    refused_leaving(folder, &["inspect", path.to_str().unwrap(), "--json"], 1, words);
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
