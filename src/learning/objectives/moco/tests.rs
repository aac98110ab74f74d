//! MoCo: golden values, split and shuffled norm, both directions.

use candle_core::{DType, Device};

use super::*;
use crate::learning::awareness::Negatives;
use crate::learning::objectives::testkit::{
    Built, CHANNELS, SAMPLES, agrees_with_differences, golden, golden_rule, loss_and_gradient, number, plain, rows_of,
    unit,
};

fn settings(temperature: f64) -> Moco {
    Moco {
        temperature: Some(temperature),
        dim: 8,
        queue: Some(6),
        in_batch: InBatch::Never,
        min_negatives: Some(1),
        ..Moco::defaults(SignalKind::Eeg)
    }
}

/// An objective whose queue is Q, of rows 4-9.
fn with_queue(settings: &Moco, batch: usize, dtype: DType) -> Built {
    let mut built = Built::new(settings, batch, 10, dtype);
    let mut state = built.objective.state().unwrap();
    state.put("queue.keys", &unit(&golden(3.0, 6, 8, dtype))).unwrap();
    state.put("queue.rows", &Tensor::arange(4_u32, 10, &Device::Cpu).unwrap()).unwrap();
    state.put_number("queue.count", 6);
    built.objective.restore(&state).unwrap();
    built
}

const ROWS: [u32; 4] = [0, 1, 2, 3];

fn score(built: &Built, negatives: Negatives, views: &[Tensor]) -> Tensor {
    built.score(views, &rows_of(&ROWS, views.len()), &ROWS, &golden_rule(negatives)).total
}

#[test]
fn golden_values_and_gradients_with_and_without_subjects() {
    let cases = [
        (0.07, Negatives::All, 1.690_507_978_7, -0.902_586_205_5),
        (0.2, Negatives::All, 1.200_769_935_6, -0.324_888_212_2),
        (0.2, Negatives::SameSubject, 0.794_334_701_6, -0.170_851_940_2),
        (0.2, Negatives::OtherSubjects, 0.899_605_048_6, -0.412_810_322_5),
    ];
    for (temperature, negatives, value, slope) in cases {
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-4)] {
            let built = with_queue(&settings(temperature), 4, dtype);
            let b = golden(2.0, 4, 8, dtype);
            let loss = |a: &Tensor| score(&built, negatives, &[a.clone(), b.clone()]);
            let (found, gradient) = loss_and_gradient(loss, &golden(1.0, 4, 8, dtype));
            assert!((found - value).abs() < tolerance, "{found} {value}");
            assert!((gradient[3][7] - slope).abs() < tolerance, "{} {slope}", gradient[3][7]);
        }
    }
}

#[test]
fn golden_value_of_both_directions_is_a_sum() {
    let both = Moco { symmetric: true, queue: Some(8), ..settings(0.2) };
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-4)] {
        let mut built = Built::new(&both, 4, 10, dtype);
        let mut state = built.objective.state().unwrap();
        let padded = Tensor::cat(&[golden(3.0, 6, 8, dtype), golden(9.0, 2, 8, dtype)], 0).unwrap();
        state.put("queue.keys", &unit(&padded)).unwrap();
        state.put("queue.rows", &Tensor::arange(4_u32, 12, &Device::Cpu).unwrap()).unwrap();
        state.put_number("queue.count", 6);
        built.objective.restore(&state).unwrap();
        let b = golden(2.0, 4, 8, dtype);
        // A as query gets a gradient; A as key is the other input.
        let key = golden(1.0, 4, 8, dtype);
        let loss = |a: &Tensor| score(&built, Negatives::All, &[a.clone(), b.clone(), key.clone(), b.clone()]);
        let (found, gradient) = loss_and_gradient(loss, &key);
        assert!((found - 4.106_473_670_5).abs() < tolerance, "{found}");
        assert!((gradient[3][7] + 0.324_888_212_2).abs() < tolerance, "{}", gradient[3][7]);
    }
}

#[test]
fn it_equals_the_slow_form_and_finite_differences_of_it() {
    let built = with_queue(&settings(0.2), 4, DType::F64);
    let (b, queue) = (golden(2.0, 4, 8, DType::F64), plain::unit(&golden(3.0, 6, 8, DType::F64)));
    let keys = plain::unit(&b);
    let slow = |a: &Tensor| {
        let one = |(q, key): (&Vec<f64>, &Vec<f64>)| {
            let own = (plain::dot(q, key) / 0.2).exp();
            let others: f64 = queue.iter().map(|other| (plain::dot(q, other) / 0.2).exp()).sum();
            -(own / (own + others)).ln()
        };
        plain::unit(a).iter().zip(&keys).map(one).sum::<f64>() / 4.0
    };
    let loss = |a: &Tensor| score(&built, Negatives::All, &[a.clone(), b.clone()]);
    agrees_with_differences(loss, slow, &golden(1.0, 4, 8, DType::F64));
}

#[test]
fn versions_set_head_and_temperature_where_they_are_left_out() {
    let [v1, v2] =
        [MocoVersion::V1, MocoVersion::V2].map(|version| Moco { version, ..Moco::defaults(SignalKind::Eeg) });
    assert_eq!([v1.temperature(), v2.temperature()], [0.07, 0.2]);
    let heads = |settings: &Moco| Built::new(settings, 8, 64, DType::F32).parameters.heads.layout().len();
    // 64 numbers in, 64 out
    assert_eq!([heads(&v1), heads(&v2)], [64 * 64 + 64, 2 * (64 * 64 + 64)]);
}

#[test]
fn a_batch_has_one_norm_group_for_32_windows() {
    let moco = Moco::defaults(SignalKind::Ecg);
    assert_eq!([16, 32, 64, 96, 100, 256].map(|batch| moco.groups(batch).unwrap()), [1, 1, 2, 3, 2, 8]);
    let asked = |groups| Moco { norm_groups: Some(groups), ..moco.clone() };
    assert_eq!(asked(4).groups(64).unwrap(), 4);
    for groups in [0, 3, 64] {
        assert!(matches!(asked(groups).groups(64), Err(ObjectiveError::Setting { key: "norm_groups", .. })));
    }
}

/// Windows that differ in size, so that norms by parts see different statistics.
fn batch(n: usize) -> Batch {
    let values = |seed: usize| -> Vec<f64> {
        let len = n * CHANNELS * SAMPLES;
        (0..len).map(|i| (1 + i / (CHANNELS * SAMPLES)) as f64 * (0.3 * i as f64 + seed as f64).sin()).collect()
    };
    let view = |seed| Tensor::from_vec(values(seed), (n, CHANNELS, SAMPLES), &Device::Cpu).unwrap();
    let rows: Vec<u32> = (0..n as u32).collect();
    let (views, subject) = (vec![view(1), view(2)], vec![0; n]);
    Batch { views, rows: rows_of(&rows, 2), slots: rows.clone(), positives: rows, subject, target: None }
}

fn loss(settings: &Moco) -> Loss {
    let built = Built::new(settings, 8, 10, DType::F64);
    let rule = golden_rule(Negatives::All);
    let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
    built.objective.loss(&batch(8), &step).unwrap()
}

#[test]
fn a_shuffle_matters_with_split_norms_only_and_is_put_back() {
    let keys = |norm_groups, shuffle| {
        let settings =
            Moco { norm_groups: Some(norm_groups), shuffle, queue: Some(8), ..Moco::defaults(SignalKind::Eeg) };
        plain::rows(loss(&settings).keys.as_ref().unwrap())
    };
    assert_eq!(keys(1, true), keys(1, false));
    let (still, shuffled) = (keys(2, false), keys(2, true));
    assert_ne!(still, keys(1, false));
    assert_ne!(still, shuffled);
    // Put back: each part of the shuffled batch passes by itself, and its keys lie where its windows lay.
    let built = Built::new(&Moco::defaults(SignalKind::Eeg), 8, 10, DType::F64);
    let mut order: Vec<u32> = (0..8).collect();
    StreamKey::new(3, Purpose::Negatives).epoch(1).view(SHUFFLE + 1).stream().shuffle(&mut order);
    let head = Head::Mlp.layers(built.encoder.dim(), 64);
    for part in order.chunks(4) {
        let windows = batch(8).views[1].index_select(&Tensor::new(part, &Device::Cpu).unwrap(), 0).unwrap();
        let (embedding, _) = built.encoder.embed(&windows, &built.parameters.encoder.weights(), Mode::TRAIN).unwrap();
        let expected = plain::unit(&head.forward(&embedding, &built.parameters.heads.weights()).unwrap());
        for (place, expected) in part.iter().zip(expected) {
            for (x, expected) in shuffled[*place as usize].iter().zip(expected) {
                assert!((x - expected).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn both_directions_embed_push_and_count_both_views() {
    let settings = Moco { symmetric: true, queue: Some(16), ..Moco::defaults(SignalKind::Eeg) };
    let mut built = Built::new(&settings, 8, 16, DType::F64);
    let rule = golden_rule(Negatives::All);
    let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
    let given = built.objective.loss(&batch(8), &step).unwrap();
    assert_eq!((given.embedding.dims()[0], given.kept, given.statistics.len()), (16, 16, 2));
    built.objective.after_step(&batch(8), &given, &mut built.parameters).unwrap();
    assert_eq!(built.objective.state().unwrap().number("queue.count").unwrap(), 16);
    let one = loss(&Moco { symmetric: false, ..settings });
    assert!(number(&given.total) > 1.5 * number(&one.total), "a sum, not a mean");
}

#[test]
fn settings_that_cannot_work_are_refused_by_key() {
    let good = Moco::defaults(SignalKind::Ecg);
    let bad = [
        ("temperature", Moco { temperature: Some(2.0), ..good.clone() }),
        ("dim", Moco { dim: 0, ..good.clone() }),
        ("queue", Moco { queue: Some(3), ..good.clone() }),
        ("queue", Moco { queue: Some(4), symmetric: true, ..good.clone() }),
        ("momentum", Moco { momentum: Some(1.0), ..good.clone() }),
        ("norm_groups", Moco { norm_groups: Some(3), ..good.clone() }),
        ("min_negatives", Moco { min_negatives: Some(1000), ..good.clone() }),
    ];
    for (expected, settings) in bad {
        let error = Built::try_new(&settings, 4, 16, DType::F32).err();
        assert!(matches!(error, Some(ObjectiveError::Setting { key, .. }) if key == expected), "{expected}");
    }
}
