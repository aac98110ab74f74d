//! SACL's objective on a small encoder: laws, finite differences, what it remembers.

use candle_core::{DType, Device};

use super::*;
use crate::base::{Purpose, StreamKey, parse_table};
use crate::learning::awareness::{NegativeRule, Negatives, Place};
use crate::learning::nn::ENCODERS;
use crate::learning::objectives::RunSize;

const BATCH: usize = 8;
const CHANNELS: usize = 2;
const SAMPLES: usize = 35;

struct Built {
    objective: Box<dyn Objective>,
    parameters: Parameters,
    rule: NegativeRule,
}

fn sacl() -> Sacl {
    Sacl { queue: Some(2 * BATCH), ..Sacl::defaults(SignalKind::Eeg) }
}

/// `subjects[row]` is the person of a row; rows do not overlap.
fn built(settings: &Sacl, negatives: Negatives, subjects: &[u32], dtype: DType) -> Built {
    let text = parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
    let config = ENCODERS.choose(SignalKind::Eeg, &text, 0..0).unwrap().choice;
    let encoder = Arc::from(config.build(CHANNELS, SAMPLES).unwrap());
    let run = RunSize { seed: 3, pool: (0..64).collect(), batch: BATCH, steps: 300, device: Device::Cpu, dtype };
    let mut shop = Workshop::new(encoder, run).unwrap();
    let objective = settings.build(&mut shop).unwrap();
    let place = |(row, &subject): (usize, &u32)| Place { subject, recording: subject, start: 1000 * row as i64 };
    let places = subjects.iter().enumerate().map(place).collect();
    let rule = NegativeRule::from_places(negatives, places, SAMPLES as u32);
    Built { objective, parameters: shop.finish().0, rule }
}

/// Two noisy views of windows that differ from each other.
fn batch(rows: &[u32], dtype: DType) -> Batch {
    let view = |view: u16| {
        let mut values = Vec::new();
        for &row in rows {
            let mut own = StreamKey::new(9, Purpose::Synthetic).row(row).stream();
            let mut noise = StreamKey::new(9, Purpose::Synthetic).row(row).view(1 + view).stream();
            values.extend((0..CHANNELS * SAMPLES).map(|_| own.normal() + 0.2 * noise.normal()));
        }
        let shape = (rows.len(), CHANNELS, SAMPLES);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    };
    Batch {
        views: vec![view(0), view(1)],
        rows: vec![rows.to_vec(), rows.to_vec()],
        slots: rows.to_vec(),
        positives: rows.to_vec(),
        subject: vec![0; rows.len()],
        target: None,
    }
}

impl Built {
    fn loss(&self, batch: &Batch) -> Loss {
        let step = Step { number: 1, parameters: &self.parameters, negatives: &self.rule };
        self.objective.loss(batch, &step).unwrap()
    }
}

fn scalar(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

fn term(loss: &Loss, name: &str) -> f64 {
    scalar(&loss.terms.iter().find(|(key, _)| *key == name).unwrap().1)
}

const ROWS: [u32; BATCH] = [0, 1, 2, 3, 4, 5, 6, 7];
const ONE_PERSON: [u32; 32] = [0; 32];

#[test]
fn derived_defaults_follow_the_size_of_the_run() {
    let sacl = Sacl::defaults(SignalKind::Ecg).queue();
    assert_eq!(sacl.capacity(1000, 128), 896);
    assert_eq!(sacl.capacity(100_000, 256), 16_384);
    assert_eq!([300, 2000, 10_000, 50_000].map(|steps| sacl.momentum_of(steps)), [0.99, 0.995, 0.999, 0.999]);
}

#[test]
fn only_a_queue_longer_than_an_epoch_is_cautioned_against() {
    let long = Sacl { queue: Some(1000), ..sacl() };
    assert_eq!(long.caution(1000, 100), None);
    assert!(long.caution(999, 100).unwrap().contains("longer than an epoch of 900"));
    assert_eq!(Sacl::defaults(SignalKind::Eeg).caution(50, 10), None);
}

#[test]
fn settings_that_cannot_work_are_refused_by_key() {
    let bad = [
        ("temperature", Sacl { temperature: 0.001, ..sacl() }),
        ("momentum", Sacl { momentum: Some(1.0), ..sacl() }),
        ("queue", Sacl { queue: Some(3), ..sacl() }),
        ("queue", Sacl { queue: Some(usize::MAX), ..sacl() }),
        ("min_negatives", Sacl { min_negatives: Some(100_000), ..sacl() }),
    ];
    for (expected, settings) in bad {
        let error = settings.check().and_then(|()| settings.queue().capacity_for(64, BATCH)).unwrap_err();
        assert!(matches!(error, ObjectiveError::Setting { key, .. } if key == expected));
    }
}

#[test]
fn loss_is_pure_and_its_keys_and_temperature_are_as_they_should_be() {
    let built = built(&sacl(), Negatives::All, &ONE_PERSON, DType::F32);
    let batch = batch(&ROWS, DType::F32);
    let (first, second) = (built.loss(&batch), built.loss(&batch));
    assert_eq!(scalar(&first.total).to_bits(), scalar(&second.total).to_bits());
    let rows = |loss: &Loss| loss.keys.as_ref().unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(rows(&first), rows(&second));
    for key in rows(&first) {
        assert!((key.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert!((term(&first, "temperature") - 0.1).abs() < 1e-6);
    assert_eq!((first.kept, first.embedding.dims()), (BATCH, &[BATCH, 64][..]));
}

#[test]
fn gradient_of_the_whole_objective_agrees_with_finite_differences() {
    let mut built = built(&sacl(), Negatives::All, &ONE_PERSON, DType::F64);
    // A queue that is partly filled, so that both kinds of candidates take part.
    let earlier = batch(&[8, 9, 10, 11, 12, 13, 14, 15], DType::F64);
    let loss = built.loss(&earlier);
    built.objective.after_step(&earlier, &loss, &mut built.parameters).unwrap();
    let batch = batch(&ROWS, DType::F64);
    let loss = built.loss(&batch);
    assert_eq!(loss.negatives.unwrap().masked_overlap, BATCH as u64);
    let gradients = loss.total.backward().unwrap();
    let step = 1e-6;
    for (name, group) in built.parameters.groups() {
        let flat = group.flat();
        let values = flat.as_detached_tensor().to_vec1::<f64>().unwrap();
        let slopes = gradients.get(flat).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let n = values.len();
        for index in (0..n).step_by((n / 25).max(1)) {
            let at = |by: f64| {
                let mut moved = values.clone();
                moved[index] += by;
                flat.set(&Tensor::from_vec(moved, flat.dims(), &Device::Cpu).unwrap()).unwrap();
                scalar(&built.loss(&batch).total)
            };
            let expected = (at(step) - at(-step)) / (2.0 * step);
            at(0.0);
            let slope = slopes[index];
            assert!((slope - expected).abs() < 1e-5 * slope.abs().max(1.0), "{name}[{index}]: {slope} {expected}");
        }
    }
}

#[test]
fn candidates_come_from_queue_and_batch_as_the_word_says() {
    let count = |in_batch: InBatch, steps: u32| {
        let mut built = built(&Sacl { in_batch, ..sacl() }, Negatives::All, &ONE_PERSON, DType::F32);
        for i in 0..steps {
            let rows: Vec<u32> = (8 * (i + 1)..8 * (i + 2)).collect();
            let batch = batch(&rows, DType::F32);
            let loss = built.loss(&batch);
            built.objective.after_step(&batch, &loss, &mut built.parameters).unwrap();
        }
        let loss = built.loss(&batch(&ROWS, DType::F32));
        (loss.negatives.unwrap().same_subject / BATCH as u64, loss.kept)
    };
    assert_eq!([0, 1, 2, 3].map(|steps| count(InBatch::WhileFilling, steps).0), [7, 15, 16, 16]);
    assert_eq!([0, 2].map(|steps| count(InBatch::Always, steps).0), [7, 23]);
    assert_eq!([0, 1].map(|steps| count(InBatch::Never, steps)), [(0, 0), (8, BATCH)]);
}

#[test]
fn queries_with_too_few_candidates_are_dropped_and_never_borrow() {
    // person 0: rows 0-4, person 1: rows 5-7: four and two candidates of the same person
    let subjects = [0, 0, 0, 0, 0, 1, 1, 1];
    let kept = |least| {
        let built = built(&Sacl { min_negatives: least, ..sacl() }, Negatives::SameSubject, &subjects, DType::F64);
        let loss = built.loss(&batch(&ROWS, DType::F64));
        assert_eq!(loss.negatives.unwrap().other_subject, 0);
        (loss.kept, scalar(&loss.total))
    };
    assert_eq!([Some(1), Some(2), Some(3), Some(5), None].map(|least| kept(least).0), [8, 8, 5, 0, 0]);
    assert_eq!(kept(Some(5)).1, 0.0);
    // The mean over all eight is made of the mean over person 0 and over person 1.
    let (all, first) = (kept(Some(1)).1, kept(Some(3)).1);
    let second = (8.0 * all - 5.0 * first) / 3.0;
    assert!(second > 0.0 && second < 3.0_f64.ln() + 0.5, "{all} {first} {second}");
}

#[test]
fn key_encoder_moves_after_the_step_and_not_before() {
    let mut built = built(&Sacl { momentum: Some(0.0), ..sacl() }, Negatives::All, &ONE_PERSON, DType::F32);
    let batch = batch(&ROWS, DType::F32);
    let keys = |built: &Built| built.loss(&batch).keys.unwrap().to_vec2::<f32>().unwrap();
    let before = keys(&built);
    let moved: Vec<f32> = built.parameters.heads.to_vec().unwrap().iter().rev().copied().collect();
    built.parameters.heads.set_flat(&moved).unwrap();
    assert_eq!(keys(&built), before);
    let loss = built.loss(&batch);
    built.objective.after_step(&batch, &loss, &mut built.parameters).unwrap();
    assert_ne!(keys(&built), before);
}

#[test]
fn temperature_is_clamped_after_the_step_and_can_be_fixed() {
    let mut learnt = built(&sacl(), Negatives::All, &ONE_PERSON, DType::F32);
    let batch = batch(&ROWS, DType::F32);
    for (set, expected) in [(10.0, 100.0_f32.ln()), (-1.0, 0.0)] {
        learnt.parameters.scalars.as_ref().unwrap().set_flat(&[set]).unwrap();
        let loss = learnt.loss(&batch);
        learnt.objective.after_step(&batch, &loss, &mut learnt.parameters).unwrap();
        let found = learnt.parameters.scalars.as_ref().unwrap().to_vec().unwrap()[0];
        assert!((found - expected).abs() < 1e-6, "{found}");
    }
    let fixed = Sacl { learn_temperature: false, temperature: 0.2, ..sacl() };
    let fixed = built(&fixed, Negatives::All, &ONE_PERSON, DType::F32);
    assert!(fixed.parameters.scalars.is_none());
    assert!((term(&fixed.loss(&batch), "temperature") - 0.2).abs() < 1e-6);
}

#[test]
fn running_key_norms_read_the_encoder_s_own_statistics() {
    let keys = |key_bn, by: f32| {
        let mut built = built(&Sacl { key_bn, ..sacl() }, Negatives::All, &ONE_PERSON, DType::F32);
        let (mean, var, batches) = built.parameters.encoder.running_to_vec().unwrap();
        let moved: Vec<f32> = mean.iter().enumerate().map(|(i, mean)| mean + by * (i % 3) as f32).collect();
        built.parameters.encoder.set_running_vec(&moved, &var, &batches).unwrap();
        built.loss(&batch(&ROWS, DType::F32)).keys.unwrap().to_vec2::<f32>().unwrap()
    };
    assert_eq!(keys(KeyNorms::Train, 0.0), keys(KeyNorms::Train, 1.0));
    assert_ne!(keys(KeyNorms::Running, 0.0), keys(KeyNorms::Running, 1.0));
}

#[test]
fn state_brings_queue_and_twin_back() {
    let mut one = built(&sacl(), Negatives::All, &ONE_PERSON, DType::F32);
    let batch = batch(&ROWS, DType::F32);
    let loss = one.loss(&batch);
    let values = one.parameters.encoder.to_vec().unwrap();
    one.parameters.encoder.set_flat(&values.iter().map(|value| value * 1.1).collect::<Vec<_>>()).unwrap();
    one.objective.after_step(&batch, &loss, &mut one.parameters).unwrap();
    let mut other = built(&sacl(), Negatives::All, &ONE_PERSON, DType::F32);
    other.parameters.restore(&one.parameters.state().unwrap()).unwrap();
    other.objective.restore(&one.objective.state().unwrap()).unwrap();
    assert_eq!(scalar(&one.loss(&batch).total).to_bits(), scalar(&other.loss(&batch).total).to_bits());
}
