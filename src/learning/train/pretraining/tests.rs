//! Pretraining on a handful of made windows.

use candle_core::DType;

use super::*;
use crate::base::{Progress, Purpose, SignalKind, StreamKey, parse_table};
use crate::learning::awareness::{Negatives, Place, Preset};
use crate::learning::objectives::OBJECTIVES;
use crate::learning::train::{Course, OptimiserName, OptimiserSettings, Schedule};
use crate::runs::{Existing, RunFolder};

const N: usize = 16;

/// Sixteen windows of two people in two noisy views.
fn batch() -> Batch {
    let view = |view: u16| {
        let mut values = Vec::new();
        for row in 0..N as u32 {
            let mut own = StreamKey::new(4, Purpose::Synthetic).row(row).stream();
            let mut noise = StreamKey::new(4, Purpose::Synthetic).row(row).view(1 + view).stream();
            values.extend((0..3 * 48).map(|_| own.normal() as f32 + 0.3 * noise.normal() as f32));
        }
        Tensor::from_vec(values, (N, 3, 48), &Device::Cpu).unwrap()
    };
    let rows: Vec<u32> = (0..N as u32).collect();
    let subject = rows.iter().map(|row| row % 2).collect();
    let (views, slots, positives) = (vec![view(0), view(1)], rows.clone(), rows.clone());
    Batch { views, rows: vec![rows.clone(), rows], slots, positives, subject, target: None }
}

fn task(preset: Preset) -> Pretraining<'static> {
    let table = parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
    let encoder = ENCODERS.choose(SignalKind::Eeg, &table, 0..0).unwrap().choice.build(3, 48).unwrap();
    let table = parse_table("name = \"sacl\"\nmin_negatives = 1\nqueue = 16").unwrap();
    let objective = OBJECTIVES.choose(SignalKind::Eeg, &table, 0..0).unwrap().choice;
    let awareness = preset.awareness(SignalKind::Eeg);
    let place = |row: i64| Place { subject: row as u32 % 2, recording: row as u32 % 2, start: 100 * row };
    let negatives = NegativeRule::from_places(awareness.negatives, (0..N as i64).map(place).collect(), 48);
    let (device, dtype) = (Device::Cpu, DType::F32);
    let run = RunSize { seed: 2, pool: (0..N as u32).collect(), batch: N, steps: 60, device, dtype };
    let learner = Learner::new(Arc::from(encoder), &*objective, (awareness, negatives, 2), run).unwrap();
    Pretraining {
        learner,
        feed: Feed { next: Box::new(|_| Ok(batch())), pool: None, batches_an_epoch: 1 },
        monitor: None,
    }
}

fn scalar(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

fn term(loss: &Loss, name: &str) -> Option<f64> {
    loss.terms.iter().find(|(key, _)| *key == name).map(|(_, value)| scalar(value))
}

#[test]
fn one_batch_is_overfitted() {
    let mut task = task(Preset::Base);
    let first = scalar(&task.loss(&batch(), 1).unwrap().total);
    let optimiser = OptimiserSettings { name: OptimiserName::Adamw, weight_decay: 1e-4 };
    let course = Course { steps: 60, schedule: Schedule::new(2e-3, 5, 60), optimiser, clip: 5.0 };
    train(&mut task, &course, &mut Desk::new(&Watch::default())).unwrap();
    let last = task.loss(&batch(), 61).unwrap();
    assert!(first > 2.2 && scalar(&last.total) < 0.1, "{first} to {}", scalar(&last.total));
    assert_eq!(term(&last, "key_accuracy"), Some(1.0));
}

#[test]
fn the_adversary_s_term_is_added_with_its_weight_and_its_classifier_learns_apart() {
    let mut plain = task(Preset::Base);
    let mut against = task(Preset::SubjectInvariant);
    let (batch, step) = (batch(), 1);
    let before = against.learner.opponent.as_ref().unwrap().adversary.group().to_vec().unwrap();
    let alone = plain.loss(&batch, step).unwrap();
    let both = against.loss(&batch, step).unwrap();
    let confusion = term(&both, "confusion").unwrap();
    assert!((scalar(&both.total) - scalar(&alone.total) - confusion).abs() < 1e-5);
    let adversary = against.learner.opponent.as_ref().unwrap().adversary.group();
    assert_ne!(before, adversary.to_vec().unwrap());
    let gradients = both.total.backward().unwrap();
    assert!(gradients.get(adversary.flat()).is_none(), "the encoder's step leaves the classifier alone");
    assert!(gradients.get(against.learner.parameters.encoder.flat()).is_some());
    assert!(term(&alone, "confusion").is_none());
}

#[test]
fn presets_change_the_candidates_only_where_they_say_so() {
    let made_of = |preset| task(preset).loss(&batch(), 1).unwrap().negatives.unwrap();
    assert_eq!(made_of(Preset::Base), made_of(Preset::SubjectInvariant));
    let (base, specific) = (made_of(Preset::Base), made_of(Preset::SubjectSpecific));
    assert_eq!((base.same_subject, base.other_subject), (16 * 7, 16 * 8));
    assert_eq!((specific.same_subject, specific.other_subject), (16 * 7, 0));
}

#[test]
fn anchors_that_match_themselves_are_told_where_others_were_asked_for() {
    let plain = task(Preset::Base).loss(&batch(), 1).unwrap();
    assert_eq!((term(&plain, "own_positive"), plain.dropped), (None, 0));
    let mut task = task(Preset::Base);
    task.learner.negatives = task.learner.negatives.with_positives(PositiveRule::new(Positives::Subject, 1.0, 1.0));
    let mut drawn = batch();
    // The next window of the person, but for four that match themselves.
    drawn.positives = (0..N as u32).map(|slot| if slot < 4 { slot } else { (slot + 2) % N as u32 }).collect();
    drawn.rows[1].clone_from(&drawn.positives);
    let loss = task.loss(&drawn, 1).unwrap();
    assert_eq!((term(&loss, "own_positive"), loss.kept, loss.dropped), (Some(0.25), N, 0));
    let made_of = loss.negatives.unwrap();
    assert_eq!((made_of.same_subject, made_of.other_subject), (0, 16 * 8));
}

#[test]
fn state_brings_every_number_back() {
    let mut one = task(Preset::SubjectInvariant);
    let step = |task: &mut Pretraining<'_>, step: u64| {
        let batch = task.batch(step).unwrap();
        let loss = task.loss(&batch, step).unwrap();
        for statistics in &loss.statistics {
            task.commit(statistics).unwrap();
        }
        task.after_step(&batch, &loss, step).unwrap();
        scalar(&loss.total).to_bits()
    };
    step(&mut one, 1);
    let mut other = task(Preset::SubjectInvariant);
    other.restore(&one.state().unwrap()).unwrap();
    assert_eq!(step(&mut one, 2), step(&mut other, 2));
    let (one, other) = (one.state().unwrap(), other.state().unwrap());
    assert_eq!(one.numbers, other.numbers);
    for (name, tensor) in &one.tensors {
        let bytes = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>();
        assert_eq!(bytes(tensor).unwrap(), bytes(&other.tensors[name]).unwrap(), "{name}");
    }
}

#[test]
fn a_pool_of_one_person_has_no_adversary() {
    let table = parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
    let encoder = ENCODERS.choose(SignalKind::Eeg, &table, 0..0).unwrap().choice.build(3, 48).unwrap();
    let table = parse_table("name = \"sacl\"\nqueue = 16").unwrap();
    let objective = OBJECTIVES.choose(SignalKind::Eeg, &table, 0..0).unwrap().choice;
    let awareness = Preset::SubjectInvariant.awareness(SignalKind::Eeg);
    let negatives = NegativeRule::from_places(Negatives::All, vec![], 48);
    let (device, dtype) = (Device::Cpu, DType::F32);
    let run = RunSize { seed: 2, pool: (0..N as u32).collect(), batch: N, steps: 60, device, dtype };
    let refused = Learner::new(Arc::from(encoder), &*objective, (awareness, negatives, 1), run);
    assert!(matches!(refused, Err(TrainError::Awareness(_))));
}

#[test]
fn an_objective_that_keeps_more_than_is_free_is_refused() {
    assert!(enough_memory(10, Some(10)).is_ok());
    assert!(enough_memory(11, None).is_ok());
    assert!(matches!(enough_memory(11, Some(10)), Err(TrainError::Memory { needed: 11, available: 10 })));
}

/// Keeps what must be seen.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, _what: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _done: u64, _note: &str) {}
    fn end(&self) {}
    fn say(&self, _line: &str) {}
    fn caution(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

#[test]
fn a_run_that_collapses_says_so_once_and_writes_every_look_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut looks = Vec::new();
    let heard = Arc::new(Heard::default());
    // A rate of 1 throws the weights to where the projector says the same of every window.
    for (name, rate) in [("sound", 2e-3), ("collapsed", 1.0)] {
        let run = RunFolder::create(&folder.path().join(name), Existing::Refuse, "a test").unwrap();
        let mut journal = run.journal().unwrap();
        let watch = Watch::new(heard.clone());
        let optimiser = OptimiserSettings { name: OptimiserName::Adamw, weight_decay: 1e-4 };
        let course = Course { steps: 45, schedule: Schedule::new(rate, 5, 45), optimiser, clip: 5.0 };
        let mut desk = Desk::new(&watch).with_journal(&mut journal, &serde_json::json!({ "arm": name }));
        train(&mut task(Preset::Base), &course, &mut desk).unwrap();
        looks.extend(journal.entries().unwrap().into_iter().filter(|entry| entry["event"] == "collapse"));
    }
    let steps: Vec<u64> = looks.iter().map(|look| look["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [10, 20, 30, 40, 45, 10, 20, 30, 40, 45]);
    let (sound, collapsed) = looks.split_at(5);
    assert!(sound.iter().all(|look| look["warnings"].as_array().unwrap().is_empty()), "{sound:?}");
    let last = &collapsed[4];
    assert_eq!((&last["warnings"], &last["arm"]), (&serde_json::json!(["no-spread"]), &"collapsed".into()));
    assert!(last["keys"]["spread"].as_f64().unwrap() < 0.01 && last["negatives"]["same_recording"].is_number());
    let heard = heard.0.lock().unwrap();
    assert!(heard.iter().filter(|line| line.contains("collapsed")).count() == 1 && heard.len() < 3, "{heard:?}");
}
