//! Optimisers against laws and a second form.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::*;
use crate::learning::nn::{Init, ParameterRole};

/// A weight (decays), a bias (does not), a temperature (neither decays nor is clipped).
fn group() -> Group {
    let mut layout = Layout::new();
    layout.push("weight", &[2], Init::Constant(2.0), ParameterRole::Weight);
    layout.push("bias", &[1], Init::Constant(-3.0), ParameterRole::Bias);
    layout.push("scale", &[], Init::Constant(1.5), ParameterRole::Scalar);
    Group::new(Arc::new(layout), 1, 0, &Device::Cpu, DType::F64).unwrap()
}

fn tensor(values: &[f64]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

fn numbers(group: &Group) -> Vec<f64> {
    group.flat().as_detached_tensor().to_vec1().unwrap()
}

#[test]
fn first_step_of_adam_is_the_rate_whatever_the_size_of_the_gradient() {
    let group = group();
    let mut adam = AdamW::new(&group, 0.0).unwrap();
    adam.step(&group, &tensor(&[1e-3, -40.0, 5.0, 0.0]), 0.1).unwrap();
    for (found, expected) in numbers(&group).iter().zip([1.9, 2.1, -3.1, 1.5]) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn moments_are_the_weighted_sums_that_their_recursion_stands_for() {
    let group = group();
    let mut adam = AdamW::new(&group, 0.0).unwrap();
    let history: Vec<[f64; 4]> = (0..6).map(|i| [f64::from(i) - 2.5, 1.0, 0.3 * f64::from(i), -2.0]).collect();
    let mut expected = numbers(&group);
    for t in 1..=history.len() {
        adam.step(&group, &tensor(&history[t - 1]), 0.01).unwrap();
        for (i, expected) in expected.iter_mut().enumerate() {
            let weighted = |beta: f64, power: i32| {
                let weights: Vec<f64> = (0..t).map(|s| beta.powi((t - 1 - s) as i32)).collect();
                let sum: f64 = weights.iter().zip(&history).map(|(w, g)| w * g[i].powi(power)).sum();
                sum / weights.iter().sum::<f64>()
            };
            *expected -= 0.01 * weighted(0.9, 1) / (weighted(0.999, 2).sqrt() + 1e-8);
        }
    }
    for (found, expected) in numbers(&group).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}

#[test]
fn decay_pulls_weights_only_and_does_not_pass_through_the_moments() {
    for name in [OptimiserName::Adamw, OptimiserName::Sgd] {
        let group = group();
        let mut optimiser = OptimiserSettings { name, weight_decay: 0.5 }.build(&group).unwrap();
        optimiser.step(&group, &tensor(&[0.0; 4]), 0.1).unwrap();
        optimiser.step(&group, &tensor(&[0.0; 4]), 0.1).unwrap();
        for (found, expected) in numbers(&group).iter().zip([2.0 * 0.95 * 0.95, 2.0 * 0.95 * 0.95, -3.0, 1.5]) {
            assert!((found - expected).abs() < 1e-12, "{name:?}: {found} {expected}");
        }
    }
}

#[test]
fn momentum_of_sgd_adds_up_to_ten_times_a_constant_gradient() {
    let group = group();
    let mut sgd = Sgd::new(&group, 0.0).unwrap();
    for _ in 0..200 {
        sgd.step(&group, &tensor(&[0.0, 0.0, 1.0, 0.0]), 0.001).unwrap();
    }
    let before = numbers(&group)[2];
    sgd.step(&group, &tensor(&[0.0, 0.0, 1.0, 0.0]), 0.001).unwrap();
    assert!((before - numbers(&group)[2] - 0.01).abs() < 1e-9);
}

#[test]
fn state_brings_an_optimiser_back_to_the_same_bits() {
    for name in [OptimiserName::Adamw, OptimiserName::Sgd] {
        let settings = OptimiserSettings { name, weight_decay: 0.1 };
        let gradient = |i: i32| tensor(&[f64::from(i), 0.5, -1.0, 2.0]);
        let (unbroken, resumed) = (group(), group());
        let mut whole = settings.build(&unbroken).unwrap();
        let mut first = settings.build(&resumed).unwrap();
        for i in 0..3 {
            whole.step(&unbroken, &gradient(i), 0.01).unwrap();
            first.step(&resumed, &gradient(i), 0.01).unwrap();
        }
        let mut second = settings.build(&resumed).unwrap();
        second.restore(&first.state().unwrap()).unwrap();
        for i in 3..6 {
            whole.step(&unbroken, &gradient(i), 0.01).unwrap();
            second.step(&resumed, &gradient(i), 0.01).unwrap();
        }
        assert_eq!(numbers(&unbroken), numbers(&resumed));
    }
}

#[test]
fn clipping_counts_and_changes_only_what_is_flagged() {
    let (first, second) = (group(), group());
    let gradients =
        vec![(&**first.layout(), tensor(&[3.0, 0.0, 0.0, 100.0])), (&**second.layout(), tensor(&[0.0, 0.0, 4.0, 7.0]))];
    let clipped = clip(gradients, 1.0).unwrap();
    assert!((clipped.norm - 5.0).abs() < 1e-12);
    let expected = [[0.6, 0.0, 0.0, 100.0], [0.0, 0.0, 0.8, 7.0]];
    for (found, expected) in clipped.gradients.iter().zip(expected) {
        for (found, expected) in found.to_vec1::<f64>().unwrap().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
    let small = clip(vec![(&**first.layout(), tensor(&[0.3, 0.0, 0.4, 9.0]))], 1.0).unwrap();
    assert_eq!(small.gradients[0].to_vec1::<f64>().unwrap(), [0.3, 0.0, 0.4, 9.0]);
}
