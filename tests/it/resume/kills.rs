//! Runs of the real program that are killed, and what they leave: shared with the slow studies.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use biossl::runs::RunFolder;
use serde_json::{Map, Value};

const PIPELINE: &str = r#"
store = "store.h5"
corpus = { name = "mit-bih", root = "ROOT" }
split = { name = "dechazal-strict" }
encoder = { name = "ecg-sacl", width = 0.25 }
awareness = { preset = "subject-invariant" }
objective = OBJECTIVE
train = { steps = STEPS, batch_size = 16, checkpoint_every = 4 }
"#;

/// A folder with a pipeline of so many steps of an objective.
pub(crate) fn place_for(objective: &str, steps: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mitdb");
    let pipeline = PIPELINE
        .replace("OBJECTIVE", objective)
        .replace("ROOT", root.to_str().unwrap())
        .replace("STEPS", &steps.to_string());
    biossl::base::write_atomically(&folder.path().join("pipeline.toml"), pipeline.as_bytes()).unwrap();
    folder
}

/// `biossl pretrain` in `folder`, its run in `folder/name`.
pub(crate) fn pretrain(folder: &Path, name: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_biossl"));
    command.current_dir(folder).args(["pretrain", "pipeline.toml", "--quiet", "--out", name]).args(more);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs a command to its good end.
pub(crate) fn finish(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn steps(run: &Path) -> u64 {
    let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
    text.matches("\"event\":\"step\"").count() as u64
}

/// Starts or resumes a run, and gives it once `step` steps are in its journal.
fn at_step(folder: &Path, name: &str, step: u64) -> Child {
    let mut child = pretrain(folder, name, &["--resume"]).spawn().unwrap();
    while steps(&folder.join(name)) < step {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before step {step}");
        std::thread::yield_now();
    }
    child
}

/// Starts a run and kills it, without a chance to say goodbye, once `step` steps are in its journal.
pub(crate) fn kill_at(folder: &Path, name: &str, step: u64) {
    let mut child = at_step(folder, name, step);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts a run, asks it to stop by a signal once `step` steps are in its journal, and gives its exit code.
#[cfg(unix)]
#[allow(dead_code, reason = "the slow studies share this file")]
pub(crate) fn stop_at(folder: &Path, name: &str, step: u64, signal: &str) -> Option<i32> {
    let mut child = at_step(folder, name, step);
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code()
}

/// Ascending steps below `below`, different in every run of the tests.
pub(crate) fn random_steps(count: usize, below: u64) -> Vec<u64> {
    let mut steps = std::collections::BTreeSet::new();
    while steps.len() < count {
        steps.insert(1 + RandomState::new().build_hasher().finish() % (below - 1));
    }
    steps.into_iter().collect()
}

/// The files of checkpoints, by their path in the run.
pub(crate) fn checkpoints(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(&run.join("checkpoints"))
}

/// All files below a folder with their bytes, by their path in it.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The journal, without what the clock gave.
pub(crate) fn journal(run: &Path) -> Vec<Map<String, Value>> {
    let mut entries = RunFolder::open(run).unwrap().journal().unwrap().entries().unwrap();
    for entry in &mut entries {
        entry.retain(|key, _| !matches!(key.as_str(), "time" | "windows_per_s"));
    }
    entries
}

/// The scalars of one event file: step, then value by tag.
pub(crate) type Scalars = Vec<(u64, BTreeMap<String, f32>)>;

/// All event files of a run, without what the clock gave.
pub(crate) fn events(run: &Path) -> Vec<(PathBuf, Scalars)> {
    files(&run.join("tensorboard")).into_iter().map(|(path, bytes)| (path, scalars(&bytes))).collect()
}

fn scalars(mut bytes: &[u8]) -> Scalars {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        let (mut step, mut values) = (0, BTreeMap::new());
        for (field, number, inside) in fields(&rest[4..4 + length]) {
            match field {
                2 => step = number,
                5 => values.extend(fields(inside).into_iter().map(|(_, _, value)| value_of(value))),
                _ => {}
            }
        }
        values.retain(|tag: &String, _| !tag.ends_with("/windows_per_s"));
        found.push((step, values));
        bytes = &rest[4 + length + 4..];
    }
    found
}

fn value_of(message: &[u8]) -> (String, f32) {
    let (mut tag, mut value) = (String::new(), f32::NAN);
    for (field, number, inside) in fields(message) {
        match field {
            1 => tag = String::from_utf8(inside.to_vec()).unwrap(),
            2 => value = f32::from_bits(number as u32),
            _ => {}
        }
    }
    (tag, value)
}

/// Field number, number (varint or fixed), bytes of each field of a protobuf message.
fn fields(mut message: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7F) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => 0,
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let number = if key.is_multiple_of(8) { varint(&mut message) } else { 0 };
        let (inside, rest) = message.split_at(length);
        let fixed = if key & 7 == 5 { u64::from(u32::from_le_bytes(inside.try_into().unwrap())) } else { number };
        found.push((key >> 3, fixed, inside));
        message = rest;
    }
    found
}

/// Everything that an interrupted run must have in common with an unbroken one.
pub(crate) fn assert_same(whole: &Path, broken: &Path, how: &str) {
    let (one, other) = (checkpoints(whole), checkpoints(broken));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other), "{how}");
    for ((path, one), (_, other)) in one.iter().zip(&other) {
        assert!(one == other, "{} differs; {how}", path.display());
    }
    assert_eq!(journal(whole), journal(broken), "{how}");
    assert_eq!(events(whole), events(broken), "{how}");
}

/// Kills a run of `steps` steps at `kills` random ones, resumes it each time, and compares it with an unbroken run.
pub(crate) fn killed_equals_unbroken(objective: &str, kills: usize, steps: u64) -> tempfile::TempDir {
    let folder = place_for(objective, steps);
    finish(pretrain(folder.path(), "whole", &["--threads", "1"]));
    let at = random_steps(kills, steps - 2);
    for &step in &at {
        kill_at(folder.path(), "broken", step);
    }
    finish(pretrain(folder.path(), "broken", &["--resume"]));
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    assert_same(&whole, &broken, &format!("killed at {at:?}"));
    folder
}
