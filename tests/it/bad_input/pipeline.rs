//! Wrong pipelines and command lines.

use std::fs;

use tempfile::TempDir;

use super::super::cli::tiny_pipeline;
use super::refused_leaving;

/// The tiny pipeline with a line changed.
fn pipeline_with(from: &str, to: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let text = fs::read_to_string(&pipeline).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&pipeline, text.replacen(from, to, 1)).unwrap();
    (folder, pipeline)
}

#[test]
fn unknown_key() {
    let (folder, pipeline) = pipeline_with("width = 0.0625", "widht = 0.0625");
    refused_leaving(
        folder.path(),
        &["run", &pipeline],
        2,
        &["tiny.toml:10:32", "unknown key `widht`", "did you mean `width`?", "^^^^^"],
    );
    refused_leaving(folder.path(), &["run", &pipeline, "--set", "train.stepz=3"], 2, &["`widht`"]);
}

#[test]
fn wrong_type() {
    let (folder, pipeline) = pipeline_with("steps = 6", "steps = \"six\"");
    refused_leaving(
        folder.path(),
        &["run", &pipeline],
        2,
        &["tiny.toml:13:19", "invalid type: string \"six\"", "steps = \"six\""],
    );
}

#[test]
fn wrong_override() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    refused_leaving(
        folder.path(),
        &["run", &pipeline, "--set", "train.stepz=3"],
        2,
        &["--set:1:7", "unknown key `stepz`", "`steps`"],
    );
    refused_leaving(folder.path(), &["run", &pipeline, "--set", "preprocess.high_hz=500"], 2, &["--set", "500"]);
    refused_leaving(
        folder.path(),
        &["run", &folder.path().join("absent.toml").display().to_string()],
        2,
        &["absent.toml", "because"],
    );
}
