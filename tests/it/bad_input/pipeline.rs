//! Wrong pipelines and command lines.

use std::fs;

use tempfile::TempDir;

use super::super::cli::{stderr, tiny_pipeline};
use super::{limited, refused_leaving};

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

#[test]
fn what_shows_only_with_the_windows_is_refused_before_a_run_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let made = limited(&["preprocess", &pipeline, "--quiet"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let refused = |sets: &[&str], words: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["run", &pipeline].into_iter().chain(sets).collect();
        refused_leaving(folder.path(), &arguments, 2, words);
    };
    for (setting, words) in [
        ("objective={name='sacl', min_negatives=1000000}", ["--set:1:39", "min_negatives = 1000000 cannot work"]),
        ("objective={name='moco', norm_groups=7}", ["--set:1:37", "norm_groups = 7 cannot work"]),
        ("objective={name='npid', n_noise=100000}", ["--set:1:33", "n_noise = 100000 cannot work"]),
        ("objective={name='wapirl', min_negatives=1000000}", ["--set:1:41", "min_negatives = 1000000 cannot work"]),
        ("evaluate.s_without=['999']", ["`s_without` names 999", "test people: "]),
        ("evaluate.skip_s=1e9", ["skip_s = 1000000000.0", "leaves no test window"]),
        ("split={name='eegmmidb-cbramod'}", ["eegmmidb-cbramod", "nobody of these recordings"]),
    ] {
        refused(&[setting], &words);
    }
    refused(&["awareness='base'", "scope='per-subject'"], &["gives `", "one role"]);
}
