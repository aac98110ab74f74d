//! Several objectives as arms of one run.

use std::path::Path;
use std::process::{Command, Stdio};

use biossl::learning::train::{Checkpoints, Pretrained};
use candle_core::Device;
use serde_json::json;

use super::cli::{biossl, json as json_of, stderr, tiny_pipeline};
use super::resume::kills::{checkpoints, finish};

const ARMS: &str = "awareness.arms=['base', {name='bank', objective={name='pirl', most_pieces=2}}]";

/// The tiny pipeline of `folder` with two objectives, its run in `folder/name`.
fn command(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_biossl"));
    let out = folder.join(name);
    let (pipeline, out) = (folder.join("tiny.toml"), out.to_str().unwrap());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(pipeline);
    command.args(["--quiet", "--out", out, "--resume", "--set", ARMS]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn pretraining_steps(run: &Path) -> usize {
    let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.contains("\"event\":\"step\"") && line.contains("\"task\":\"pretrain\"")).count()
}

#[test]
fn a_run_of_two_objectives_that_is_killed_in_the_second_equals_an_unbroken_one() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    finish(command(folder.path(), "whole"));
    let mut child = command(folder.path(), "broken").spawn().unwrap();
    // Six steps an arm: the fourth of the bank's.
    while pretraining_steps(&broken) < 10 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    finish(command(folder.path(), "broken"));
    assert!(checkpoints(&whole) == checkpoints(&broken), "weights, queue and bank are the same bits");
    let predictions = |run: &Path| std::fs::read(run.join("predictions.csv")).unwrap();
    assert!(predictions(&whole) == predictions(&broken), "the same answers");

    // Each encoder says what it was made by.
    for (arm, objective) in [("base", "sacl"), ("bank", "pirl")] {
        let newest = Checkpoints::newest(&broken.join("checkpoints").join(arm).join("0/seed-1"));
        let pretrained = Pretrained::from_checkpoint(&newest.unwrap().expect(arm), &Device::Cpu).unwrap();
        assert_eq!(pretrained.contract.settings["objective"]["name"], objective);
    }
    // Equal compute: as many windows; SACL's keys and the bank's first rows pass without gradient.
    let evaluation = std::fs::read(broken.join("evaluation.json")).unwrap();
    let evaluation: serde_json::Value = serde_json::from_slice(&evaluation).unwrap();
    let costs = evaluation["costs"].as_array().unwrap();
    for (cost, objective) in costs.iter().zip(["sacl", "pirl"]) {
        assert_eq!((&cost["objective"], &cost["updates"]), (&json!(objective), &json!(6)));
        assert_eq!(cost["windows"], json!(6 * 32));
    }
    assert_eq!((costs.len(), &costs[0]["without_gradient"]), (2, &json!(192.0)));
    let found = json_of(&["verify", broken.to_str().unwrap(), "--json"], 0);
    assert_eq!(found["agrees"], true, "{found}");

    let other = ARMS.replace("most_pieces=2", "most_pieces=2, temperature=0.2");
    let refused = biossl(&["run", &pipeline, "--out", broken.to_str().unwrap(), "--resume", "--set", &other]);
    let told = stderr(&refused);
    assert!(!refused.status.success() && told.contains("awareness.arms[1].objective.temperature"), "{told}");
}
