//! A whole run that is killed, asked to stop or given other threads ends with the bytes of one that was not.

use std::path::{Path, PathBuf};

use biossl::learning::train::{Checkpoint, Checkpoints};
use candle_core::{DType, Tensor};

use super::cli::{biossl, command, json, stderr, tiny_pipeline, tiny_run};
use super::resume::kills::{checkpoints, events, files, journal};

fn same_run(one: &Path, other: &Path) {
    let (one_files, other_files) = (checkpoints(one), checkpoints(other));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one_files), names(&other_files));
    for ((path, one), (_, other)) in one_files.iter().zip(&other_files) {
        assert!(one == other, "{} differs", path.display());
    }
    let journal = |run: &Path| {
        let mut entries = journal(run);
        // The test people were read once more when a run was stopped after a reading; the ledger counts them all.
        for entry in &mut entries {
            entry.remove("ordinal");
        }
        entries
    };
    assert_eq!(journal(one), journal(other));
    assert_eq!(events(one), events(other));
    for file in ["predictions.csv", "split.json"] {
        assert!(std::fs::read(one.join(file)).unwrap() == std::fs::read(other.join(file)).unwrap(), "{file} differs");
    }
}

#[test]
fn killed_and_resumed_equals_unbroken() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    // SIGKILL as each of these appears: in preprocessing, in pretraining of either arm, in fine-tuning, in the end.
    for mark in [
        "tiny.h5",
        "run/checkpoints/base/0/seed-1",
        "run/checkpoints/subject-invariant/0/seed-1",
        "run/checkpoints/base-fine-tune/0",
        "run/checkpoints/end-to-end/0",
        "run/predictions.csv",
    ] {
        let mark = folder.path().join(mark);
        let mut child = command(&["run", &pipeline, "--resume", "--quiet"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !mark.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(mark.exists(), "the run ended before {}", mark.display());
    }
    let output = biossl(&["run", &pipeline, "--resume", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    same_run(&tiny_run().join("run"), &folder.path().join("run"));
}

#[test]
fn judging_leaves_the_encoders_bytes_as_pretraining_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let output = biossl(&["pretrain", &pipeline, "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let judged = tiny_run().join("run");
    for arm in ["base", "subject-invariant"] {
        let folder = folder.path().join("run/checkpoints").join(arm);
        let before = files(&folder);
        assert!(before.len() >= 2, "an encoder and its checkpoints");
        assert!(before == files(&judged.join("checkpoints").join(arm)), "{arm}: a file differs");
        // The probe keeps the encoder that it read, as it held it at its end.
        let encoder = Checkpoints::newest(&folder.join("0/seed-1")).unwrap().unwrap();
        let encoder = Checkpoint::read(&encoder).unwrap().state.part("task").part("parameters").part("encoder");
        let kept = files(&judged.join("classifiers").join(format!("{arm}-linear")));
        assert_eq!(kept.len(), 1, "one fold, one seed");
        let kept = judged.join("classifiers").join(format!("{arm}-linear")).join(&kept[0].0);
        let kept = Checkpoint::read(&kept).unwrap().state.part("encoder");
        assert_eq!(kept.tensors.keys().collect::<Vec<_>>(), encoder.tensors.keys().collect::<Vec<_>>());
        for (name, tensor) in &encoder.tensors {
            let bytes = |tensor: &Tensor| -> Vec<u64> {
                let values = tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
                values.to_vec1::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
            };
            assert!(bytes(tensor) == bytes(&kept.tensors[name]), "{arm}: {name} differs");
        }
    }
}

#[test]
fn a_collapse_is_said_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    // A rate of 1 throws the weights to where the projections of all windows become nearly the same.
    let settings =
        ["--set", "train.learning_rate=1.0", "--set", "train.steps=40", "--set", "awareness.arms=[\"base\"]"];
    let output = biossl(&[&["pretrain", &pipeline], &settings[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut seen = std::collections::BTreeSet::new();
    for look in journal(&folder.path().join("run")).iter().filter(|entry| entry["event"] == "collapse") {
        for geometry in ["embedding", "keys"] {
            assert!(look[geometry]["spread"].is_number() && look[geometry]["effective_rank"].is_number(), "{look:?}");
        }
        seen.extend(look["warnings"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()));
    }
    let words = [("no-spread", "nearly the same (spread 0.0"), ("one-direction", "possible directions")];
    let told = stderr(&output);
    assert!(!seen.is_empty(), "{told}");
    for (name, words) in words {
        assert_eq!(told.matches(words).count(), usize::from(seen.contains(name)), "{name}, once: {told}");
    }
}

#[test]
fn a_finished_run_is_told_again_and_not_judged_again() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let first = json(&["run", &pipeline, "--json", "--quiet"], 0);
    let ledger = folder.path().join("tiny.h5.test-reads.jsonl");
    let readings = std::fs::read_to_string(&ledger).unwrap();
    let second = json(&["run", &pipeline, "--json", "--quiet", "--resume"], 0);
    assert_eq!(second["scores"], first["scores"]);
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), readings);
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let output = biossl(&["run", &pipeline, "--threads", "1", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    same_run(&tiny_run().join("run"), &folder.path().join("run"));
    let store = |folder: &Path| std::fs::read(folder.join("tiny.h5")).unwrap();
    assert!(store(tiny_run()) == store(folder.path()), "the stores differ");
}

/// Runs a command until two more lines of its run's journal have `seen`, sends it a signal, and gives what it told.
#[cfg(unix)]
fn signalled(arguments: &[&str], journal: &Path, seen: &str, signal: &str) -> std::process::Output {
    let count = || std::fs::read_to_string(journal).map_or(0, |text| text.matches(seen).count());
    let before = count();
    let mut child =
        command(arguments).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while count() < before + 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the signal");
        std::thread::yield_now();
    }
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_request_to_stop_ends_with_its_code_after_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let journal = folder.path().join("run/journal.jsonl");
    let long = ["pretrain", &pipeline, "--quiet", "--resume", "--set", "train.steps=100000"];
    // Each time the run goes on, and is asked in another way.
    for (signal, code) in [("-TERM", 143), ("-INT", 130), ("-USR1", 138)] {
        let output = signalled(&long, &journal, "\"event\":\"step\"", signal);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains("--resume"));
        let saved = std::fs::read_dir(folder.path().join("run/checkpoints/base/0/seed-1")).unwrap().count();
        assert!(saved > 0, "no checkpoint was written on the way out");
    }
}

#[cfg(unix)]
#[test]
fn fine_tuning_that_is_asked_to_stop_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let journal = folder.path().join("run/journal.jsonl");
    let run = ["run", &pipeline, "--quiet", "--resume"];
    let (step, tuning) = ("\"event\":\"step\"", "\"task\":\"fine-tune\"");
    for (signal, code, seen) in [("-USR1", 138, tuning), ("-TERM", 143, step), ("-INT", 130, step)] {
        let output = signalled(&run, &journal, seen, signal);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    }
    let output = biossl(&run);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    same_run(&tiny_run().join("run"), &folder.path().join("run"));
}
