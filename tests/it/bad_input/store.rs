//! Stores and checkpoints that are damaged or of another run.

use std::fs;

use super::super::cli::{tiny_pipeline, tiny_run};
use super::{refused, refused_leaving};

#[test]
fn store_cut_in_half() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let store = folder.path().join("tiny.h5");
    let bytes = fs::read(tiny_run().join("tiny.h5")).unwrap();
    fs::write(&store, &bytes[..bytes.len() / 2]).unwrap();
    refused_leaving(folder.path(), &["run", &pipeline], 1, &["tiny.h5"]);
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
