//! Checkpoints: bits come back, damage and other runs are told.

use serde_json::json;

use super::*;
use crate::base::SignalKind;
use crate::learning::train::PoolRecord;
use crate::signal::{Unit, WindowChannel};

fn contract() -> Contract {
    Contract {
        tool_version: "0.1.0".to_owned(),
        kind: SignalKind::Ecg,
        rate_hz: 360.0,
        channels: vec![WindowChannel { label: "MLII".to_owned(), unit: Unit::Millivolt }],
        window: 704,
        recipe_hash: "abc".to_owned(),
        pool: PoolRecord {
            corpus: "mit-bih".to_owned(),
            split_hash: "def".to_owned(),
            subjects: vec!["101".to_owned()],
            recordings: vec![],
            n_windows: 300,
            spans: None,
        },
        seed: u64::MAX,
        settings: BTreeMap::from([("objective".to_owned(), json!({ "name": "sacl", "temperature": 0.1 }))]),
    }
}

fn state() -> State {
    let mut state = State::new();
    state.put("task.flat", &Tensor::new(&[0.1_f32, f32::MIN_POSITIVE, -3.0], &Device::Cpu).unwrap()).unwrap();
    state.put("task.double", &Tensor::new(&[1.0_f64 / 3.0], &Device::Cpu).unwrap()).unwrap();
    state.put("task.rows", &Tensor::new(&[1_u32, u32::MAX], &Device::Cpu).unwrap()).unwrap();
    state.put("task.batches", &Tensor::new(&[-1_i64], &Device::Cpu).unwrap()).unwrap();
    state.put("task.none", &Tensor::zeros(0, DType::F32, &Device::Cpu).unwrap()).unwrap();
    state.put_number("optimiser.steps", u64::MAX - 1);
    state
}

fn kept(folder: &Path, steps: &[u64]) -> Checkpoints {
    let checkpoints = Checkpoints::new(folder.to_owned(), contract(), 5, Resume::FromLast);
    for step in steps {
        checkpoints.keep(*step, &state()).unwrap();
    }
    checkpoints
}

#[test]
fn every_bit_comes_back_and_equal_states_are_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = kept(folder.path(), &[5]);
    let first = std::fs::read(checkpoints.path(5)).unwrap();
    kept(folder.path(), &[5]);
    assert_eq!(first, std::fs::read(checkpoints.path(5)).unwrap());
    let saved = checkpoints.take_up().unwrap().unwrap();
    assert_eq!((saved.header.step, &saved.header.contract), (5, &contract()));
    assert_eq!(saved.state.numbers, state().numbers);
    let tensor = |name: &str| saved.state.tensors[name].clone();
    assert_eq!(tensor("task.flat").to_vec1::<f32>().unwrap(), [0.1, f32::MIN_POSITIVE, -3.0]);
    assert_eq!(tensor("task.double").to_vec1::<f64>().unwrap(), [1.0 / 3.0]);
    assert_eq!(tensor("task.rows").to_vec1::<u32>().unwrap(), [1, u32::MAX]);
    assert_eq!(tensor("task.batches").to_vec1::<i64>().unwrap(), [-1]);
    assert_eq!(tensor("task.none").dims(), [0]);
}

#[test]
fn the_last_two_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = kept(folder.path(), &[5, 10, 15, 100]);
    assert_eq!(files(folder.path()).unwrap(), [checkpoints.path(15), checkpoints.path(100)]);
    assert_eq!(Checkpoints::newest(folder.path()).unwrap(), Some(checkpoints.path(100)));
}

#[test]
fn no_checkpoint_is_no_error_and_anew_means_anew() {
    let folder = tempfile::tempdir().unwrap();
    assert!(kept(&folder.path().join("none"), &[]).take_up().unwrap().is_none());
    kept(folder.path(), &[5]);
    let anew = Checkpoints::new(folder.path().to_owned(), contract(), 5, Resume::Anew);
    assert!(anew.take_up().unwrap().is_none());
    assert_eq!(Checkpoints::newest(folder.path()).unwrap(), None, "an older run's would pass for the new one's");
}

#[test]
fn a_run_with_other_settings_is_refused_naming_every_key() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path(), &[5]);
    let mut other = contract();
    other.settings.insert("objective".to_owned(), json!({ "name": "sacl", "temperature": 0.2 }));
    other.seed -= 1;
    let error = Checkpoints::new(folder.path().to_owned(), other, 5, Resume::FromLast).take_up().unwrap_err();
    let TrainError::Contract { differences, .. } = error else { panic!("{error}") };
    let keys: Vec<&str> = differences.0.iter().map(|difference| difference.key.as_str()).collect();
    assert_eq!(keys, ["seed", "settings.objective.temperature"]);
    assert_eq!((differences.0[1].needed.as_str(), differences.0[1].found.as_str()), ("0.2", "0.1"));
}

#[test]
fn a_cut_file_and_a_foreign_one_are_told_as_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = kept(folder.path(), &[5]).path(5);
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 4, 100, bytes.len() - 1] {
        write_atomically(&path, &bytes[..cut]).unwrap();
        assert!(matches!(Checkpoint::read(&path), Err(TrainError::Checkpoint { .. })), "cut at {cut}");
    }
    let text = String::from_utf8_lossy(&bytes).replace("\\\"schema\\\":1", "\\\"schema\\\":9");
    let newer = text.as_bytes();
    write_atomically(&path, newer).unwrap();
    assert!(matches!(Checkpoint::read(&path), Err(TrainError::Checkpoint { .. })));
    assert!(matches!(Checkpoint::read(&path.with_extension("none")), Err(TrainError::File { .. })));
}
