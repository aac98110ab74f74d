//! Logistic regression with an L2 penalty.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::lbfgs::{Stop, minimise};

/// Rows that one task works on: the sums are over these pieces in order, whatever the number of threads.
const PIECE: usize = 2048;
/// Where use stops; a test may ask for more.
const GRADIENT: f64 = 1e-6;
const STEPS: usize = 1000;

/// Rows to learn from, on one scale.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    /// `[n, features]`.
    pub x: ArrayView2<'a, f64>,
    /// Class of each row, below the number of classes.
    pub labels: &'a [u16],
    /// Weight of each row's error.
    pub weights: &'a [f64],
    /// Number of classes.
    pub n_classes: usize,
}

/// `s_i = (n / (K n_c))^tau` for rows of class c, K the number of classes that occur: 0 for none, 1 for `balanced`.
pub fn class_weights(labels: &[u16], n_classes: usize, tau: f64) -> Vec<f64> {
    let mut counts = vec![0_usize; n_classes];
    for &label in labels {
        counts[label as usize] += 1;
    }
    let present = counts.iter().filter(|count| **count > 0).count();
    let weight = |count: &usize| (labels.len() as f64 / (present as f64 * (*count).max(1) as f64)).powf(tau);
    let by_class: Vec<f64> = counts.iter().map(weight).collect();
    labels.iter().map(|&label| by_class[label as usize]).collect()
}

/// A linear classifier. With two classes it has one row (logistic), with K > 2 it has K (softmax); a class that the
/// training rows lack has no row and is never answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    coefficients: Array2<f64>,
    intercepts: Array1<f64>,
    /// Classes that occurred, ascending: the meaning of the rows.
    present: Vec<u16>,
    n_classes: usize,
}

/// A classifier and how its fit ended.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The classifier.
    pub model: Logistic,
    /// Steps taken.
    pub steps: usize,
    /// Largest gradient entry at the end.
    pub gradient: f64,
    /// Whether the gradient fell below the limit before the steps ran out.
    pub converged: bool,
}

impl Logistic {
    /// Minimises `[sum_i s_i CE_i + |W|^2 / (2 C)] / sum_i s_i`, intercepts free, from `warm` (or 0) to a largest
    /// gradient of 1e-6 or 1,000 steps.
    ///
    /// # Panics
    /// When there is no row, or lengths disagree.
    pub fn fit(examples: Examples<'_>, c: f64, warm: Option<&Self>) -> LogisticFit {
        Self::fit_to(examples, c, warm, Stop { gradient: GRADIENT, steps: STEPS })
    }

    fn fit_to(examples: Examples<'_>, c: f64, warm: Option<&Self>, stop: Stop) -> LogisticFit {
        let n = examples.x.nrows();
        assert!(n > 0 && examples.labels.len() == n && examples.weights.len() == n, "one label and weight a row");
        let mut present = examples.labels.to_vec();
        present.sort_unstable();
        present.dedup();
        let rows = if present.len() <= 2 { 1 } else { present.len() };
        let d = examples.x.ncols();
        let start = match warm {
            Some(warm) if warm.present == present && warm.coefficients.dim() == (rows, d) => warm.flat(),
            _ => vec![0.0; rows * (d + 1)],
        };
        let ranks = (0..n).map(|i| present.partition_point(|class| *class < examples.labels[i])).collect();
        let problem = Problem { examples, ranks, rows, penalty: 1.0 / c, total: examples.weights.iter().sum() };
        let minimum = minimise(|w, gradient| problem.value(w, gradient), start, stop);
        let (coefficients, intercepts) = minimum.at.split_at(rows * d);
        let model = Self {
            coefficients: Array2::from_shape_vec((rows, d), coefficients.to_vec()).expect("rows x d numbers"),
            intercepts: Array1::from(intercepts.to_vec()),
            present,
            n_classes: examples.n_classes,
        };
        let converged = minimum.gradient <= stop.gradient;
        LogisticFit { model, steps: minimum.steps, gradient: minimum.gradient, converged }
    }

    /// The classifier with these coefficients `[rows, features]` and intercepts; `present` are the classes that it was
    /// fitted on, ascending.
    pub fn from_parts(
        (coefficients, intercepts): (Array2<f64>, Array1<f64>),
        present: &[u16],
        n_classes: usize,
    ) -> Self {
        Self { coefficients, intercepts, present: present.to_vec(), n_classes }
    }

    /// The classes that it was fitted on, ascending.
    pub fn present(&self) -> &[u16] {
        &self.present
    }

    /// `[rows, features]`: one row with two classes, else one a class that occurred.
    pub fn coefficients(&self) -> ArrayView2<'_, f64> {
        self.coefficients.view()
    }

    /// One a row of [`Self::coefficients`].
    pub fn intercepts(&self) -> &Array1<f64> {
        &self.intercepts
    }

    /// Probabilities of all classes.
    ///
    /// # Shapes
    /// `x`: `[n, features]` gives `[n, classes]`.
    pub fn probabilities(&self, x: ArrayView2<'_, f64>) -> Array2<f32> {
        let mut out = Array2::zeros((x.nrows(), self.n_classes));
        let logits = x.dot(&self.coefficients.t()) + &self.intercepts;
        for (mut out, logits) in out.axis_iter_mut(Axis(0)).zip(logits.axis_iter(Axis(0))) {
            if let [first, second] = self.present[..] {
                let second_share = 1.0 / (1.0 + (-logits[0]).exp());
                out[first as usize] = (1.0 / (1.0 + logits[0].exp())) as f32;
                out[second as usize] = second_share as f32;
            } else if let [only] = self.present[..] {
                out[only as usize] = 1.0;
            } else {
                let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
                for (&class, logit) in self.present.iter().zip(logits) {
                    out[class as usize] = ((logit - top).exp() / sum) as f32;
                }
            }
        }
        out
    }

    fn flat(&self) -> Vec<f64> {
        self.coefficients.iter().chain(&self.intercepts).copied().collect()
    }
}

/// The function that a fit minimises.
struct Problem<'a> {
    examples: Examples<'a>,
    /// Rank of each row's class among those that occur.
    ranks: Vec<usize>,
    rows: usize,
    penalty: f64,
    total: f64,
}

impl Problem<'_> {
    /// Parameters are the coefficients by row, then the intercepts.
    fn value(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        let d = self.examples.x.ncols();
        let (coefficients, intercepts) = w.split_at(self.rows * d);
        let coefficients = ArrayView2::from_shape((self.rows, d), coefficients).expect("rows x d numbers");
        let pieces: Vec<usize> = (0..self.examples.x.nrows()).step_by(PIECE).collect();
        let sums: Vec<(f64, Array2<f64>, Array1<f64>)> =
            pieces.into_par_iter().map(|first| self.piece(first, coefficients, intercepts)).collect();
        let mut value = 0.5 * self.penalty * coefficients.iter().map(|w| w * w).sum::<f64>();
        let mut by_row = coefficients.mapv(|w| self.penalty * w);
        let mut by_intercept = Array1::<f64>::zeros(self.rows);
        for (loss, rows, intercepts) in sums {
            value += loss;
            by_row += &rows;
            by_intercept += &intercepts;
        }
        for (into, sum) in gradient.iter_mut().zip(by_row.iter().chain(&by_intercept)) {
            *into = sum / self.total;
        }
        value / self.total
    }

    /// Loss and gradient sums of one piece of the rows.
    fn piece(
        &self,
        first: usize,
        coefficients: ArrayView2<'_, f64>,
        intercepts: &[f64],
    ) -> (f64, Array2<f64>, Array1<f64>) {
        let end = (first + PIECE).min(self.examples.x.nrows());
        let x = self.examples.x.slice(s![first..end, ..]);
        // The product of a matrix whose columns lie together has its columns together, too.
        let mut residuals = x.dot(&coefficients.t()).as_standard_layout().into_owned();
        let mut loss = 0.0;
        for (i, mut row) in (first..end).zip(residuals.axis_iter_mut(Axis(0))) {
            let weight = self.examples.weights[i];
            row.iter_mut().zip(intercepts).for_each(|(logit, intercept)| *logit += intercept);
            loss += weight * cross_entropy(row.as_slice_mut().expect("rows are contiguous"), self.ranks[i]);
            row *= weight;
        }
        let by_row = residuals.t().dot(&x);
        (loss, by_row, residuals.sum_axis(Axis(0)))
    }
}

/// The error of one row; its logits become the gradient. One logit: logistic; more: softmax.
fn cross_entropy(logits: &mut [f64], rank: usize) -> f64 {
    if let [logit] = logits {
        let sign = if rank == 1 { 1.0 } else { -1.0 };
        let margin = sign * *logit;
        *logit = -sign / (1.0 + margin.exp());
        return (-margin).max(0.0) + (-margin.abs()).exp().ln_1p();
    }
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
    let loss = top + sum.ln() - logits[rank];
    for logit in logits.iter_mut() {
        *logit = (*logit - top).exp() / sum;
    }
    logits[rank] -= 1.0;
    loss
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const TIGHT: Stop = Stop { gradient: 1e-10, steps: 5000 };

    fn golden() -> Vec<Value> {
        let text = include_str!("../../../fixtures/golden/classify/logistic.json");
        let golden: Value = serde_json::from_str(text).unwrap();
        golden["cases"].as_array().unwrap().clone()
    }

    fn matrix(value: &Value) -> Array2<f64> {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    }

    struct Case {
        x: Array2<f64>,
        labels: Vec<u16>,
        n_classes: usize,
        tau: f64,
        c: f64,
        expected: Value,
    }

    fn cases() -> Vec<Case> {
        let read = |case: Value| Case {
            x: matrix(&case["x"]),
            labels: serde_json::from_value(case["labels"].clone()).unwrap(),
            n_classes: case["n_classes"].as_u64().unwrap() as usize,
            tau: case["tau"].as_f64().unwrap(),
            c: case["C"].as_f64().unwrap(),
            expected: case,
        };
        golden().into_iter().map(read).collect()
    }

    #[test]
    fn coefficients_and_probabilities_equal_scikit_learn() {
        for case in cases() {
            let weights = class_weights(&case.labels, case.n_classes, case.tau);
            let examples =
                Examples { x: case.x.view(), labels: &case.labels, weights: &weights, n_classes: case.n_classes };
            let fit = Logistic::fit_to(examples, case.c, None, TIGHT);
            assert!(fit.converged, "gradient {}", fit.gradient);
            let expected = matrix(&case.expected["coefficients"]);
            let largest = expected.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
            assert_eq!(fit.model.coefficients().dim(), expected.dim());
            let off = (&fit.model.coefficients() - &expected).iter().fold(0.0_f64, |off, x| off.max(x.abs()));
            assert!(off <= 1e-6 * largest, "{off} of {largest}");
            let probability = matrix(&case.expected["probability"]);
            let given = fit.model.probabilities(case.x.view());
            let columns: Vec<usize> = fit.model.present.iter().map(|class| *class as usize).collect();
            for (row, expected) in probability.axis_iter(Axis(0)).enumerate() {
                for (&column, expected) in columns.iter().zip(expected) {
                    assert!((f64::from(given[(row, column)]) - expected).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn gradient_equals_finite_differences() {
        for case in cases() {
            let weights = class_weights(&case.labels, case.n_classes, case.tau);
            let x = case.x.view();
            let examples = Examples { x, labels: &case.labels, weights: &weights, n_classes: case.n_classes };
            let mut present = case.labels.clone();
            present.sort_unstable();
            present.dedup();
            let ranks = case.labels.iter().map(|l| present.iter().position(|p| p == l).unwrap()).collect();
            let rows = if present.len() == 2 { 1 } else { present.len() };
            let problem = Problem { examples, ranks, rows, penalty: 1.0 / case.c, total: weights.iter().sum() };
            let w: Vec<f64> = (0..rows * (x.ncols() + 1)).map(|i| (i as f64 * 0.7).sin() * 0.3).collect();
            let mut gradient = vec![0.0; w.len()];
            problem.value(&w, &mut gradient);
            let at = |i: usize, by: f64| {
                let mut moved = w.clone();
                moved[i] += by;
                problem.value(&moved, &mut vec![0.0; w.len()])
            };
            for (i, gradient) in gradient.iter().enumerate() {
                let slope = (at(i, 1e-5) - at(i, -1e-5)) / 2e-5;
                assert!((slope - gradient).abs() < 1e-8, "{i}: {slope} {gradient}");
            }
        }
    }

    #[test]
    fn warm_start_ends_at_the_same_place_sooner() {
        let case = cases().remove(0);
        let weights = class_weights(&case.labels, case.n_classes, case.tau);
        let examples =
            Examples { x: case.x.view(), labels: &case.labels, weights: &weights, n_classes: case.n_classes };
        let cold = Logistic::fit_to(examples, 1.0, None, TIGHT);
        let warm = Logistic::fit_to(examples, 1.0, Some(&cold.model), TIGHT);
        assert_eq!((warm.steps, warm.model), (0, cold.model));
    }

    #[test]
    fn the_same_bits_for_any_number_of_threads() {
        let n = 3 * PIECE + 17;
        let x = Array2::from_shape_fn((n, 5), |(i, j)| ((i * 7 + j * 13) as f64).sin());
        let labels: Vec<u16> = (0..n).map(|i| (i % 3) as u16).collect();
        let weights = class_weights(&labels, 3, 0.5);
        let examples = Examples { x: x.view(), labels: &labels, weights: &weights, n_classes: 3 };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Logistic::fit(examples, 1.0, None))
        };
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn one_class_alone_is_always_answered() {
        let x = Array2::from_shape_fn((4, 2), |(i, j)| (i + j) as f64);
        let weights = class_weights(&[2; 4], 3, 1.0);
        let fit = Logistic::fit(Examples { x: x.view(), labels: &[2; 4], weights: &weights, n_classes: 3 }, 1.0, None);
        assert!(fit.model.probabilities(x.view()).axis_iter(Axis(0)).all(|row| row.to_vec() == [0.0, 0.0, 1.0]));
    }
}
