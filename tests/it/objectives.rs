//! Every registered objective and the losses under it, through the public door.

use std::sync::Arc;

use biossl::base::{Purpose, SignalKind, StreamKey, parse_table};
use biossl::learning::awareness::{NegativeRule, Negatives, Place};
use biossl::learning::nn::{Batch, ENCODERS, cross_entropy};
use biossl::learning::objectives::{Loss, OBJECTIVES, Objective, Parameters, RunSize, Step, Workshop};
use candle_core::{DType, Device, Tensor, Var};

const N: usize = 6;
/// Odd on purpose, and no multiple of the pools; room for a jigsaw of two pieces.
const SAMPLES: usize = 175;
const CHANNELS: usize = 3;

fn built(entry: usize, kind: SignalKind) -> (Box<dyn Objective>, Parameters) {
    let nothing = parse_table("").unwrap();
    let table = parse_table("width = 0.25").unwrap();
    let encoder = ENCODERS.find(&format!("{}-sacl", kind.name())).unwrap();
    let encoder = (encoder.read)(kind, &table).unwrap().build(CHANNELS, SAMPLES).unwrap();
    let config = (OBJECTIVES.entries[entry].read)(kind, &nothing).unwrap();
    let (device, dtype) = (Device::Cpu, DType::F64);
    let run = RunSize { seed: 5, pool: (0..4 * N as u32).collect(), batch: N, steps: 100, device, dtype };
    let stated = config.memory_bytes(run.n_windows(), run.batch);
    let mut shop = Workshop::new(Arc::from(encoder), run).unwrap();
    let objective = config.build(&mut shop).unwrap();
    // What is stated before a run is what the queue or the bank comes to in single precision.
    let memory = objective.state().unwrap().tensors.into_iter();
    let memory = memory.filter(|(name, _)| name.starts_with("queue.") || name.starts_with("bank."));
    assert_eq!(stated, memory.map(|(_, tensor)| 4 * tensor.elem_count() as u64).sum::<u64>());
    (objective, shop.finish().0)
}

/// Views of windows `rows`; a window's numbers depend on its row only.
fn batch(rows: &[u32], lengths: &[usize]) -> Batch {
    let view = |(view, samples): (usize, &usize)| {
        let numbers = |row: &u32| {
            let mut stream = StreamKey::new(8, Purpose::Synthetic).row(*row).view(view as u16).stream();
            (0..CHANNELS * samples).map(|_| stream.normal()).collect::<Vec<f64>>()
        };
        let values: Vec<f64> = rows.iter().flat_map(numbers).collect();
        Tensor::from_vec(values, (rows.len(), CHANNELS, *samples), &Device::Cpu).unwrap()
    };
    Batch {
        views: lengths.iter().enumerate().map(view).collect(),
        rows: vec![rows.to_vec(); lengths.len()],
        slots: rows.to_vec(),
        positives: rows.to_vec(),
        subject: rows.iter().map(|row| row % 2).collect(),
        target: None,
    }
}

fn loss(objective: &dyn Objective, parameters: &Parameters, batch: &Batch) -> Loss {
    let place = |row: i64| Place { subject: row as u32 % 2, recording: row as u32 % 2, start: 1000 * row };
    let negatives = &NegativeRule::from_places(Negatives::All, (0..4 * N as i64).map(place).collect(), SAMPLES as u32);
    objective.loss(batch, &Step { number: 1, parameters, negatives }).unwrap()
}

fn scalar(x: &Tensor) -> f64 {
    x.to_scalar().unwrap()
}

#[test]
fn every_objective_is_pure_blind_to_the_order_of_a_batch_and_trains_all_its_numbers() {
    let (ahead, back): (Vec<u32>, Vec<u32>) = ((0..N as u32).collect(), (0..N as u32).rev().collect());
    for entry in 0..OBJECTIVES.entries.len() {
        for kind in [SignalKind::Ecg, SignalKind::Eeg] {
            let name = OBJECTIVES.entries[entry].name;
            let (objective, parameters) = built(entry, kind);
            let lengths = objective.views().lengths(SAMPLES);
            let first = loss(&*objective, &parameters, &batch(&ahead, &lengths));
            let again = loss(&*objective, &parameters, &batch(&ahead, &lengths));
            assert_eq!(scalar(&first.total).to_bits(), scalar(&again.total).to_bits(), "{name}");
            let permuted = loss(&*objective, &parameters, &batch(&back, &lengths));
            assert!((scalar(&first.total) - scalar(&permuted.total)).abs() < 1e-12, "{name}");
            let embedded = first.embedding.dims()[0];
            assert!(embedded.is_multiple_of(N) && first.kept.is_multiple_of(N) && first.kept > 0, "{name}");
            assert_eq!(first.statistics.len(), 1, "{name}");
            let gradients = first.total.backward().unwrap();
            for (group_name, group) in parameters.groups() {
                let slopes = gradients.get(group.flat()).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
                assert!(slopes.iter().all(|slope| slope.is_finite()), "{name}: {group_name}");
                assert!(slopes.iter().any(|slope| *slope != 0.0), "{name}: {group_name}");
            }
        }
    }
}

#[test]
fn too_few_views_are_an_error() {
    for entry in 0..OBJECTIVES.entries.len() {
        let (objective, parameters) = built(entry, SignalKind::Eeg);
        let negatives = &NegativeRule::from_places(Negatives::All, vec![], 1);
        let step = Step { number: 1, parameters: &parameters, negatives };
        let lengths = objective.views().lengths(SAMPLES);
        let few = batch(&[0, 1, 2], &lengths[1..]);
        assert!(objective.loss(&few, &step).is_err(), "{}", OBJECTIVES.entries[entry].name);
    }
}

/// The golden inputs: `G(s, n, d)[i][j] = sin(s + 0.5 p + 0.1 p^2)`, p = i d + j + 1.
fn golden(s: f64, n: usize, d: usize) -> Vec<f64> {
    (1..=n * d).map(|p| (s + 0.5 * p as f64 + 0.1 * (p as f64).powi(2)).sin()).collect()
}

#[test]
fn cross_entropy_has_its_golden_value_and_agrees_with_finite_differences() {
    // G(16, 4, 4), targets 0..3, from a PyTorch form and a plain Python form that agree to 1e-10
    let values = golden(16.0, 4, 4);
    let at = |values: Vec<f64>, weights: Option<&[f64]>| {
        let logits = Tensor::from_vec(values, (4, 4), &Device::Cpu).unwrap();
        scalar(&cross_entropy(&logits, &[0, 1, 2, 3], weights).unwrap())
    };
    assert!((at(values.clone(), None) - 1.844_728_263_8).abs() < 1e-9);
    for weights in [None, Some(&[0.5, 2.0, 1.0, 0.1][..])] {
        let logits = Var::from_tensor(&Tensor::from_vec(values.clone(), (4, 4), &Device::Cpu).unwrap()).unwrap();
        let loss = cross_entropy(&logits, &[0, 1, 2, 3], weights).unwrap();
        let slopes = loss.backward().unwrap().get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        if weights.is_none() {
            assert!((slopes[0] + 0.216_776_070_4).abs() < 1e-9);
        }
        for (i, slope) in slopes.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = values.clone();
                values[i] += by;
                at(values, weights)
            };
            assert!((slope - (moved(1e-6) - moved(-1e-6)) / 2e-6).abs() < 1e-8);
        }
    }
}
