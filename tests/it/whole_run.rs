//! A whole run that is killed, asked to stop or given other threads ends with the bytes of one that was not.

use std::path::{Path, PathBuf};

use super::cli::{biossl, command, json, stderr, tiny_pipeline, tiny_run};

/// Every checkpoint of a run, by its path within it.
fn checkpoints(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![run.join("checkpoints")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(run).unwrap().to_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn same_run(one: &Path, other: &Path) {
    let (one_files, other_files) = (checkpoints(one), checkpoints(other));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one_files), names(&other_files));
    for ((path, one), (_, other)) in one_files.iter().zip(&other_files) {
        assert!(one == other, "{} differs", path.display());
    }
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

#[cfg(unix)]
#[test]
fn a_request_to_stop_ends_with_its_code_and_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let many = ["--set", "train.steps=100000"];
    let child = command(&[&["pretrain", &pipeline, "--quiet"], &many[..]].concat())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let journal = folder.path().join("run/journal.jsonl");
    while std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) < 4 {
        std::thread::yield_now();
    }
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"));
    let saved = std::fs::read_dir(folder.path().join("run/checkpoints/base/0/seed-1")).unwrap().count();
    assert!(saved > 0, "no checkpoint was written on the way out");
}
