//! Corpora with damaged recordings: preprocessing ends without a store.

use std::fs;

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
