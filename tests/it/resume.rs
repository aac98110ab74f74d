//! A killed run equals an unbroken one: the real program, SIGKILL at a random step, resumed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use biossl::learning::nn::load_encoder;
use biossl::learning::train::{Checkpoints, Pretrained};
use biossl::runs::RunFolder;
use candle_core::Device;
use serde_json::{Map, Value};

const STEPS: u64 = 24;

const PIPELINE: &str = r#"
store = "store.h5"
corpus = { name = "mit-bih", root = "ROOT" }
split = { name = "dechazal-strict" }
encoder = { name = "ecg-sacl", width = 0.25 }
awareness = { preset = "subject-invariant" }
train = { steps = 24, batch_size = 16, checkpoint_every = 4 }
"#;

/// `biossl pretrain` in `folder`, its run in `folder/name`.
fn pretrain(folder: &Path, name: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_biossl"));
    command.current_dir(folder).args(["pretrain", "pipeline.toml", "--quiet", "--out", name]).args(more);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn finish(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn steps(run: &Path) -> usize {
    let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
    text.matches("\"event\":\"step\"").count()
}

/// Starts a run and kills it, without a chance to say goodbye, once `step` steps are in its journal.
fn kill_at(folder: &Path, name: &str, step: usize) {
    let mut child = pretrain(folder, name, &[]).spawn().unwrap();
    while steps(&folder.join(name)) < step {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before step {step}");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![run.join("checkpoints")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path.strip_prefix(run).unwrap().to_owned()) }
        }
    }
    found.sort();
    found
}

/// The steps of a journal, without what the clock gave.
fn journal(run: &Path) -> Vec<Map<String, Value>> {
    let entries = RunFolder::open(run).unwrap().journal().unwrap().entries().unwrap();
    let steps = entries.into_iter().filter(|entry| entry["event"] == "step");
    steps
        .map(|mut entry| {
            entry.retain(|key, _| !matches!(key.as_str(), "time" | "windows_per_s"));
            entry
        })
        .collect()
}

#[test]
fn a_run_killed_at_a_random_step_and_resumed_equals_an_unbroken_one_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mitdb");
    let pipeline = PIPELINE.replace("ROOT", root.to_str().unwrap());
    biossl::base::write_atomically(&folder.path().join("pipeline.toml"), pipeline.as_bytes()).unwrap();
    finish(pretrain(folder.path(), "whole", &["--threads", "1"]));

    // Different in every process, and told when something is wrong.
    let step = 1 + std::process::id() as usize % (STEPS as usize - 2);
    kill_at(folder.path(), "broken", step);
    finish(pretrain(folder.path(), "broken", &["--resume"]));

    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let names = checkpoints(&whole);
    assert_eq!(names, checkpoints(&broken), "killed at step {step}");
    assert_eq!(names.len(), 3, "the encoder and the last two checkpoints stay: {names:?}");
    for name in &names {
        let bytes = |run: &Path| std::fs::read(run.join(name)).unwrap();
        assert!(bytes(&whole) == bytes(&broken), "{} differs; killed at step {step}", name.display());
    }
    assert_eq!(journal(&whole), journal(&broken), "killed at step {step}");
    assert_eq!(journal(&whole).len() as u64, STEPS);
    let last = Checkpoints::newest(whole.join(&names[1]).parent().unwrap()).unwrap().unwrap();
    assert_eq!(last.file_name().unwrap(), "step-00000024.safetensors");
    // The file for PyTorch holds the numbers of the last checkpoint.
    let trained = Pretrained::from_checkpoint(&last, &Device::Cpu).unwrap();
    let exported = load_encoder(&whole.join(&names[0]), trained.group.layout()).unwrap();
    assert_eq!(exported.flat, trained.group.to_vec().unwrap());
    assert_eq!(exported.mean, trained.group.running_to_vec().unwrap().0);
    assert!(exported.metadata["settings"].contains("ecg-sacl"), "{:?}", exported.metadata);
}
