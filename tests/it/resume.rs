//! An interrupted run equals an unbroken one: the real program, killed, asked to stop, out of room, resumed.

pub(crate) mod kills;

use std::process::{Command, Stdio};

use biossl::learning::nn::load_encoder;
use biossl::learning::train::{Checkpoints, Pretrained};
use candle_core::Device;

use kills::{assert_same, checkpoints, events, finish, journal, kill_at, killed_equals_unbroken, place_for, pretrain};
#[cfg(unix)]
use kills::{random_steps, stop_at};

fn place(steps: u64) -> tempfile::TempDir {
    place_for("{ name = \"sacl\" }", steps)
}

#[test]
fn a_run_killed_at_random_steps_and_resumed_equals_an_unbroken_one_bit_for_bit() {
    const STEPS: u64 = 24;
    let folder = killed_equals_unbroken("{ name = \"sacl\" }", 2, STEPS);
    let whole = folder.path().join("whole");
    let names = checkpoints(&whole);
    assert_eq!(names.len(), 3, "the encoder and the last two checkpoints stay");
    let entries = journal(&whole);
    assert_eq!(entries.iter().filter(|entry| entry["event"] == "step").count() as u64, STEPS);
    assert_eq!(entries.iter().filter(|entry| entry["event"] == "begin").count(), 1);
    let (_, scalars) = &events(&whole)[0];
    // One record for the version, one a step, one a look for collapse; the losses are the journal's.
    let looks = entries.iter().filter(|entry| entry["event"] == "collapse").count() as u64;
    assert_eq!((looks, scalars.len() as u64), (3, STEPS + 1 + 3));
    let last = entries.iter().rev().find(|entry| entry["event"] == "step").unwrap();
    let (_, shown) = scalars.iter().rev().find(|(_, shown)| shown.contains_key("pretrain/loss")).unwrap();
    assert_eq!(shown["pretrain/loss"], last["loss"].as_f64().unwrap() as f32);
    let folder = whole.join("checkpoints").join(names[1].0.parent().unwrap());
    let last = Checkpoints::newest(&folder).unwrap().unwrap();
    assert_eq!(last.file_name().unwrap(), "step-00000024.safetensors");
    // The file for PyTorch holds the numbers of the last checkpoint.
    let trained = Pretrained::from_checkpoint(&last, &Device::Cpu).unwrap();
    let exported = load_encoder(&folder.join("encoder.safetensors"), trained.group.layout()).unwrap();
    assert_eq!(exported.flat, trained.group.to_vec().unwrap());
    assert_eq!(exported.mean, trained.group.running_to_vec().unwrap().0);
    assert!(exported.metadata["settings"].contains("ecg-sacl"), "{:?}", exported.metadata);
}

/// A bank that begins with a pass over the pool, and a constant of the first batch.
#[test]
fn a_bank_and_its_constant_outlive_a_kill_bit_for_bit() {
    killed_equals_unbroken("{ name = \"pirl\", form = \"nce\", most_pieces = 2 }", 1, 12);
}

#[test]
fn an_arm_that_contradicts_itself_by_force_says_so_in_its_name_and_in_the_journal() {
    let folder = place_for("{ name = \"simclr\" }", 1);
    let set = |more: &str| format!("awareness={{ preset='subject-invariant', positives='subject'{more} }}");
    let refused = pretrain(folder.path(), "run", &["--set", &set("")]).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("unteaches it") && told.contains("force = true"), "{told}");
    let forced = pretrain(folder.path(), "run", &["--set", &set(", force=true")]).output().unwrap();
    let told = String::from_utf8_lossy(&forced.stderr);
    assert!(forced.status.success() && told.contains("by force"), "{told}");
    let run = folder.path().join("run");
    assert!(run.join("checkpoints/custom-forced").is_dir());
    let entries = journal(&run);
    let said = entries.iter().find(|entry| entry["event"] == "forced").unwrap();
    assert!(said["arm"] == "custom-forced" && said["reason"].as_str().unwrap().contains("unteaches it"), "{said:?}");
}

/// Queue and momentum encoder, two directions, and second views that show other windows.
#[test]
fn a_queue_its_twin_and_drawn_positives_outlive_a_kill_bit_for_bit() {
    let folder = place_for("{ name = \"moco\", symmetric = true }", 12);
    let path = folder.path().join("pipeline.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, after) = ("preset = \"subject-invariant\"", "positives = \"neighbour\", neighbour_s = 3");
    assert!(text.contains(before));
    biossl::base::write_atomically(&path, text.replace(before, after).as_bytes()).unwrap();
    finish(pretrain(folder.path(), "whole", &["--threads", "1"]));
    kill_at(folder.path(), "broken", 6);
    finish(pretrain(folder.path(), "broken", &["--resume"]));
    let whole = folder.path().join("whole");
    assert_same(&whole, &folder.path().join("broken"), "killed at 6");
    for step in journal(&whole).iter().filter(|entry| entry["event"] == "step") {
        // Two queries a window, all of them kept; beats have neighbours.
        assert_eq!((&step["kept"], &step["dropped"], &step["own_positive"]), (&32.into(), &0.into(), &0.0.into()));
        let made_of = &step["negatives"];
        assert!(made_of["masked_positive"].as_u64().unwrap() > 0 && made_of["masked_subject"] == 0, "{made_of}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_asked_to_stop_at_random_steps_ends_with_its_code_and_goes_on_to_the_same_bits() {
    const STEPS: u64 = 40;
    let folder = place(STEPS);
    finish(pretrain(folder.path(), "whole", &[]));
    let at = random_steps(3, STEPS - 12);
    for (step, (signal, code)) in at.iter().zip([("-TERM", 143), ("-INT", 130), ("-USR1", 138)]) {
        assert_eq!(stop_at(folder.path(), "broken", *step, signal), Some(code), "{signal} at {at:?}");
    }
    finish(pretrain(folder.path(), "broken", &["--resume"]));
    assert_same(&folder.path().join("whole"), &folder.path().join("broken"), &format!("asked to stop at {at:?}"));
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_a_run_with_its_last_checkpoint_whole() {
    let folder = place(16);
    finish(pretrain(folder.path(), "whole", &[]));
    kill_at(folder.path(), "broken", 6);
    let run = folder.path().join("broken");
    let before = checkpoints(&run);
    assert_eq!(before.len(), 1, "the checkpoint of step 4");
    // No file may grow beyond 64 KiB: the journal finds room, the next checkpoint does not.
    let biossl =
        format!("exec '{}' pretrain pipeline.toml --out broken --resume --quiet", env!("CARGO_BIN_EXE_biossl"));
    let mut shell = Command::new("bash");
    shell.current_dir(folder.path()).args(["-c", &format!("trap '' XFSZ; ulimit -f 64; {biossl}")]);
    let output = shell.stdout(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for word in ["step-00000008.safetensors", "room on the disk", "--resume"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!(checkpoints(&run), before, "nothing half-written, nothing lost");
    finish(pretrain(folder.path(), "broken", &["--resume"]));
    assert_same(&folder.path().join("whole"), &run, "out of room at step 8");
}

#[test]
fn two_processes_cannot_write_one_run() {
    let folder = place(100_000);
    let mut first = pretrain(folder.path(), "run", &[]).spawn().unwrap();
    let run = folder.path().join("run");
    while !std::fs::read_to_string(run.join("journal.jsonl")).is_ok_and(|text| text.lines().count() > 3) {
        assert!(first.try_wait().unwrap().is_none(), "the first ended");
        std::thread::yield_now();
    }
    let second = pretrain(folder.path(), "run", &["--resume"]).output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{told}");
    for word in ["another process", &first.id().to_string(), "biossl pretrain", "--out"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(first.try_wait().unwrap().is_none(), "the first is not disturbed");
    first.kill().unwrap();
    first.wait().unwrap();
}
