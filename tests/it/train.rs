//! Pretraining through the public door: first loss, same bits for any number of threads, stop and resume.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use biossl::base::{Progress, Watch};
use biossl::learning::awareness::Preset;
use biossl::learning::train::{Checkpoints, PretrainSettings, Pretrained, Record, Resume, TrainError};
use biossl::runs::{Existing, RunFolder};
use candle_core::Device;
use serde_json::{Map, Value, json};

use crate::synthetic::arms::Corpus;

fn short(steps: u64) -> PretrainSettings {
    let pinned = Corpus::pinned();
    PretrainSettings {
        steps: Some(steps),
        warm_up: pinned.warm_up.map(|w| w.min(steps)),
        checkpoint_every: 4,
        ..pinned
    }
}

/// Sets the stop flag once a step is done, as a signal would.
struct StopAfter {
    step: u64,
    flag: OnceLock<Arc<AtomicBool>>,
}

impl Progress for StopAfter {
    fn begin(&self, _what: &str, _total: u64, _unit: &str) {}
    fn advance(&self, done: u64, _note: &str) {
        if done == self.step {
            self.flag.get().unwrap().store(true, Ordering::Relaxed);
        }
    }
    fn end(&self) {}
    fn say(&self, _line: &str) {}
}

/// A watch whose work is asked to stop after `step`.
fn stopping_after(step: u64) -> Watch {
    let progress = Arc::new(StopAfter { step, flag: OnceLock::new() });
    let watch = Watch::new(Arc::clone(&progress) as Arc<dyn Progress>);
    progress.flag.set(watch.stop_flag()).unwrap();
    watch
}

/// A run of the subject-invariant preset in its own folder.
fn run(corpus: &Corpus, folder: &Path, watch: &Watch, resume: Resume) -> Result<Pretrained, TrainError> {
    run_with(corpus, folder, (short(11), watch), resume)
}

fn run_with(
    corpus: &Corpus,
    folder: &Path,
    (settings, watch): (PretrainSettings, &Watch),
    resume: Resume,
) -> Result<Pretrained, TrainError> {
    let existing = if resume == Resume::Anew { Existing::Refuse } else { Existing::Resume };
    let run = RunFolder::create(folder, existing, "a test").unwrap();
    if resume == Resume::Anew {
        run.write_pipeline("").unwrap();
    }
    let mut journal = run.journal().unwrap();
    let labels = json!({ "arm": "subject-invariant", "fold": 0, "seed": 1 });
    let checkpoints = run.checkpoint_folder("subject-invariant", 0).unwrap();
    let events = Some(run.events("subject-invariant", 0, "seed-1").unwrap());
    let (journal, checkpoints) = (Some((&mut journal, labels)), Some((checkpoints, resume)));
    let record = Record { watch, journal, checkpoints, events };
    corpus.pretrain(Preset::SubjectInvariant, settings, record)
}

fn last_checkpoint(folder: &Path) -> (String, Vec<u8>) {
    let path = Checkpoints::newest(&folder.join("checkpoints/subject-invariant/0")).unwrap().unwrap();
    (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
}

/// The journal without what the clock gave.
fn journal(folder: &Path) -> Vec<Map<String, Value>> {
    let mut entries = RunFolder::open(folder).unwrap().journal().unwrap().entries().unwrap();
    for entry in &mut entries {
        entry.retain(|key, _| !matches!(key.as_str(), "time" | "windows_per_s"));
    }
    entries
}

#[test]
fn an_untrained_network_starts_a_little_below_the_logarithm_of_its_candidates() {
    // ln 64 = 4.16; twelve seeds of a PyTorch form began at 3.99-4.11
    let corpus = Corpus::new(1);
    let folder = tempfile::tempdir().unwrap();
    run(&corpus, &folder.path().join("run"), &Watch::default(), Resume::Anew).unwrap();
    let first = &journal(&folder.path().join("run"))[0];
    let loss = first["info_nce"].as_f64().unwrap();
    assert!((3.99..=4.11).contains(&loss), "{first:?}");
    assert_eq!((first["kept"].as_u64(), first["windows"].as_u64()), (Some(64), Some(64)));
    let made_of = &first["negatives"];
    let pairs = ["same_subject", "other_subject", "masked_overlap"].map(|key| made_of[key].as_u64().unwrap());
    assert_eq!((pairs.iter().sum::<u64>(), pairs[2]), (64 * 64, 64));
}

#[test]
fn a_monitor_looks_at_validation_people_and_changes_nothing() {
    let corpus = Corpus::new(1);
    let folder = tempfile::tempdir().unwrap();
    let plain = run(&corpus, &folder.path().join("plain"), &Watch::default(), Resume::Anew).unwrap();
    for classifier in ["knn", "linear"] {
        let monitor = json!({ "every": 3, "classifier": classifier, "rows": 100 });
        let monitor = serde_json::from_value(monitor).unwrap();
        let path = folder.path().join(classifier);
        let settings = PretrainSettings { monitor: Some(monitor), ..short(11) };
        let watched = run_with(&corpus, &path, (settings, &Watch::default()), Resume::Anew).unwrap();
        assert_eq!(watched.group.to_vec().unwrap(), plain.group.to_vec().unwrap());
        let (looks, steps): (Vec<_>, Vec<_>) =
            journal(&path).into_iter().partition(|entry| entry["event"] == "monitor");
        assert_eq!(steps, journal(&folder.path().join("plain")));
        let at: Vec<u64> = looks.iter().map(|look| look["step"].as_u64().unwrap()).collect();
        assert_eq!(at, [3, 6, 9, 11]);
        for look in &looks {
            assert_eq!(look["classifier"], classifier);
            // 100 windows of each side: an accuracy is a whole number of them.
            let right = look["accuracy"].as_f64().unwrap() * 100.0;
            assert!((right - right.round()).abs() < 1e-9 && (20.0..=100.0).contains(&right), "{look:?}");
        }
    }
}

#[test]
fn one_and_two_threads_give_the_same_bits() {
    let corpus = Corpus::new(2);
    let trained = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let watch = Watch::default();
            let record = Record::nowhere(&watch);
            let trained = corpus.pretrain(Preset::SubjectInvariant, short(4), record).unwrap();
            let (mean, var, _) = trained.group.running_to_vec().unwrap();
            [trained.group.to_vec().unwrap(), mean, var].concat().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        })
    };
    assert_eq!(trained(1), trained(2));
}

#[test]
fn a_stopped_and_resumed_run_equals_an_unbroken_one_bit_for_bit() {
    let corpus = Corpus::new(1);
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    run(&corpus, &whole, &Watch::default(), Resume::Anew).unwrap();

    let stopped = run(&corpus, &broken, &stopping_after(6), Resume::Anew);
    assert!(matches!(stopped, Err(TrainError::Stopped { step: 6 })));
    // What a kill at step 6 would have left: the checkpoint of step 4 and a journal two steps ahead of it.
    remove_checkpoint(&broken, 6);
    assert_eq!(last_checkpoint(&broken).0, "step-00000004.safetensors");
    let resumed = run(&corpus, &broken, &Watch::default(), Resume::FromLast).unwrap();

    assert_eq!(last_checkpoint(&whole), last_checkpoint(&broken));
    assert_eq!(journal(&whole), journal(&broken));
    let path = Checkpoints::newest(&broken.join("checkpoints/subject-invariant/0")).unwrap().unwrap();
    let loaded = Pretrained::from_checkpoint(&path, &Device::Cpu).unwrap();
    assert_eq!(loaded.group.to_vec().unwrap(), resumed.group.to_vec().unwrap());
    assert_eq!((loaded.steps, &loaded.contract), (11, &resumed.contract));

    // Killed before the first checkpoint.
    let early = folder.path().join("early");
    run(&corpus, &early, &stopping_after(2), Resume::Anew).err().unwrap();
    remove_checkpoint(&early, 2);
    run(&corpus, &early, &Watch::default(), Resume::FromLast).unwrap();
    assert_eq!((last_checkpoint(&whole), journal(&whole)), (last_checkpoint(&early), journal(&early)));
}

fn remove_checkpoint(folder: &Path, step: u64) {
    std::fs::remove_file(folder.join(format!("checkpoints/subject-invariant/0/step-{step:08}.safetensors"))).unwrap();
}
