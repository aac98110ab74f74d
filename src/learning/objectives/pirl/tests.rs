//! PIRL: golden values of its three forms, the jigsaw's passes, the bank.

use candle_core::{DType, Device};

use super::*;
use crate::learning::awareness::Negatives;
use crate::learning::objectives::RunSize;
use crate::learning::objectives::testkit::{
    Built, CHANNELS, SAMPLES, agrees_with_differences, golden, golden_rule, loss_and_gradient, number, plain, unit,
};

const SLOTS: [u32; 4] = [0, 3, 5, 9];
const DRAWN: [u32; 6] = [1, 2, 4, 6, 7, 8];

/// The comparison over the bank V at temperature 0.07.
fn invariance(form: InvarianceForm, weight: f64, dtype: DType) -> Invariance {
    let pool = (0..10).collect();
    let run = RunSize { seed: 1, pool, batch: 4, steps: 10, device: Device::Cpu, dtype };
    let settings = InvarianceSettings { form, temperature: 0.07, weight, negatives: 6, min_negatives: Some(1) };
    let mut invariance = Invariance::new(settings, 8, 0.5, &run).unwrap();
    invariance.bank_mut().fill(&golden(4.0, 10, 8, dtype)).unwrap();
    invariance
}

/// Score of f = A and g against the golden slots and draw.
fn scored(invariance: &Invariance, g: &Tensor, f: &Tensor) -> Score {
    let built = Built::new(&Pirl::defaults(SignalKind::Eeg), 4, 10, f.dtype());
    let rule = golden_rule(Negatives::All);
    let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
    invariance.score_against([&unit(g), &unit(f)], &SLOTS, &SLOTS, &DRAWN, &step).unwrap()
}

#[test]
fn golden_values_and_gradients_of_the_three_forms() {
    let cases = [
        (InvarianceForm::Paper, 10.742_822_508_5, -0.078_071_483_1),
        (InvarianceForm::Softmax, 10.029_708_110_1, -0.093_236_689_8),
        (InvarianceForm::Nce, 13.876_072_894_6, 0.368_408_914_8),
    ];
    for (form, value, slope) in cases {
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-4)] {
            let invariance = invariance(form, 0.5, dtype);
            let f = golden(1.0, 4, 8, dtype);
            let score = |g: &Tensor| scored(&invariance, g, &f);
            let g = golden(2.0, 4, 8, dtype);
            if form == InvarianceForm::Nce && dtype == DType::F64 {
                let log_z = score(&g).terms.into_iter().find(|(name, _)| *name == "log_z").unwrap().1;
                assert!((number(&log_z).exp() - 3_358.668_690_3).abs() < 1e-6);
            }
            let (found, gradient) = loss_and_gradient(|g| score(g).total, &g);
            assert!((found / value - 1.0).abs() < tolerance / 10.0, "{form:?}: {found} {value}");
            assert!((gradient[3][7] - slope).abs() < tolerance, "{form:?}: {} {slope}", gradient[3][7]);
        }
    }
}

/// The three forms by their definitions, one exponential at a time.
fn slow(form: InvarianceForm, log_z: f64, head: &Tensor) -> f64 {
    let (v, bank) = (plain::unit(head), plain::unit(&golden(4.0, 10, 8, DType::F64)));
    let one = |i: usize| {
        let e = |slot: u32| (plain::dot(&v[i], &bank[slot as usize]) / 0.07).exp();
        let (own, others) = (e(SLOTS[i]), DRAWN.map(e));
        let sum: f64 = others.iter().sum();
        match form {
            InvarianceForm::Softmax => -(own / (own + sum)).ln(),
            InvarianceForm::Paper => {
                -(own / (own + sum)).ln() - others.iter().map(|e| (1.0 - e / (e + sum)).ln()).sum::<f64>()
            }
            InvarianceForm::Nce => {
                let h = |e: f64| e / log_z.exp() / (e / log_z.exp() + 6.0);
                -h(own).ln() - others.iter().map(|e| (1.0 - h(*e)).ln()).sum::<f64>()
            }
        }
    };
    (0..4).map(one).sum::<f64>() / 4.0
}

#[test]
fn every_form_equals_its_definition_for_both_heads() {
    let (f, g) = (golden(1.0, 4, 8, DType::F64), golden(2.0, 4, 8, DType::F64));
    for form in [InvarianceForm::Paper, InvarianceForm::Softmax, InvarianceForm::Nce] {
        let mut invariance = invariance(form, 0.3, DType::F64);
        // A fixed Z, as after the first step.
        let log_z = 4.0;
        let mut state = invariance.state().unwrap();
        state.put("log_z", &Tensor::new(log_z, &Device::Cpu).unwrap()).unwrap();
        invariance.restore(&state).unwrap();
        let both = |g: &Tensor, f: &Tensor| 0.3 * slow(form, log_z, g) + 0.7 * slow(form, log_z, f);
        agrees_with_differences(|g| scored(&invariance, g, &f).total, |g| both(g, &f), &g);
        agrees_with_differences(|f| scored(&invariance, &g, f).total, |f| both(&g, f), &f);
    }
}

/// A batch for `settings`: one window and its pieces, or two windows.
fn batch(objective: &dyn Objective) -> Batch {
    let plan = objective.views();
    let lengths = plan.lengths(SAMPLES);
    let view = |(i, length): (usize, &usize)| {
        let values = (0..4 * CHANNELS * length).map(|t| ((1 + i) as f64 * 0.37 * t as f64).sin()).collect::<Vec<f64>>();
        Tensor::from_vec(values, (4, CHANNELS, *length), &Device::Cpu).unwrap()
    };
    let rows: Vec<u32> = (0..4).collect();
    Batch {
        views: lengths.iter().enumerate().map(view).collect(),
        rows: vec![rows.clone(); lengths.len()],
        slots: rows.clone(),
        positives: rows,
        subject: vec![0; 4],
        target: None,
    }
}

#[test]
fn pieces_pass_apart_and_only_whole_windows_give_statistics() {
    for (transform, whole, statistics) in [(PirlTransform::Jigsaw, 4, 1), (PirlTransform::Augment, 8, 2)] {
        let built = Built::new(&Pirl { transform, ..Pirl::defaults(SignalKind::Eeg) }, 4, 10, DType::F64);
        let rule = golden_rule(Negatives::All);
        let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
        let batch = batch(&*built.objective);
        let loss = built.objective.loss(&batch, &step).unwrap();
        assert_eq!((loss.embedding.dims()[0], loss.statistics.len(), loss.kept), (whole, statistics, 4));
        let gradients = loss.total.backward().unwrap();
        for (name, group) in built.parameters.groups() {
            let slopes = gradients.get(group.flat()).unwrap().to_vec1::<f64>().unwrap();
            for entry in group.layout().entries() {
                assert!(slopes[entry.range()].iter().any(|slope| *slope != 0.0), "{name}: {}", entry.name);
            }
        }
        let mut fewer = batch;
        fewer.views.pop();
        assert!(matches!(built.objective.loss(&fewer, &step), Err(ObjectiveError::Views { .. })));
    }
}

#[test]
fn the_order_of_the_pieces_is_seen_by_g() {
    let built = Built::new(&Pirl::defaults(SignalKind::Eeg), 4, 10, DType::F64);
    let rule = golden_rule(Negatives::All);
    let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
    let given = batch(&*built.objective);
    let mut turned = given.clone();
    turned.views.swap(1, 2);
    let terms = |batch: &Batch, name| {
        let loss = built.objective.loss(batch, &step).unwrap();
        number(loss.term(name).unwrap())
    };
    assert_eq!(terms(&given, "plain"), terms(&turned, "plain"));
    assert!((terms(&given, "changed") - terms(&turned, "changed")).abs() > 1e-6);
}

#[test]
fn settings_that_cannot_work_are_refused_by_key() {
    let good = Pirl::defaults(SignalKind::Eeg);
    let bad = [
        ("temperature", Pirl { temperature: 0.0, ..good.clone() }),
        ("weight", Pirl { weight: 1.5, ..good.clone() }),
        ("n_negatives", Pirl { n_negatives: Some(0), ..good.clone() }),
        ("bank_momentum", Pirl { bank_momentum: 1.0, ..good.clone() }),
        ("dim", Pirl { dim: 0, ..good.clone() }),
        ("most_pieces", Pirl { most_pieces: 10, ..good.clone() }),
        ("orders", Pirl { orders: 1, ..good.clone() }),
        ("jitter", Pirl { jitter: 0.6, ..good.clone() }),
    ];
    for (expected, settings) in bad {
        let error = Built::try_new(&settings, 4, 16, DType::F32).err();
        assert!(matches!(error, Some(ObjectiveError::Setting { key, .. }) if key == expected), "{expected}");
    }
}
