//! Logistic regression with an L2 penalty.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::lbfgs::{Stop, minimise};

/// Rows that one task works on: the sums are over these pieces in order, whatever the number of threads.
const PIECE: usize = 2048;
/// Rows of coefficients side by side.
const LANES: usize = 8;
/// Rows of examples that share one reading of the coefficients.
const TOGETHER: usize = 4;
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
        let x = examples.x.as_standard_layout();
        let examples = Examples { x: x.view(), ..examples };
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
        let lanes = Lanes::of(coefficients, d, self.rows);
        let pieces: Vec<usize> = (0..self.examples.x.nrows()).step_by(PIECE).collect();
        let sums: Vec<(f64, Lanes, Vec<f64>)> =
            pieces.into_par_iter().map(|first| self.piece(first, &lanes, intercepts)).collect();
        let mut value = 0.5 * self.penalty * coefficients.iter().map(|w| w * w).sum::<f64>();
        let (by_row, by_intercept) = gradient.split_at_mut(self.rows * d);
        by_row.iter_mut().zip(coefficients).for_each(|(into, w)| *into = self.penalty * w);
        by_intercept.fill(0.0);
        for (loss, rows, intercepts) in sums {
            value += loss;
            rows.add_to(by_row, d);
            by_intercept.iter_mut().zip(intercepts).for_each(|(into, sum)| *into += sum);
        }
        for entry in gradient.iter_mut() {
            *entry /= self.total;
        }
        value / self.total
    }

    /// Loss and gradient sums of one piece of the rows.
    fn piece(&self, first: usize, coefficients: &Lanes, intercepts: &[f64]) -> (f64, Lanes, Vec<f64>) {
        let end = (first + PIECE).min(self.examples.x.nrows());
        let mut loss = 0.0;
        let mut by_row = Lanes::zeros(coefficients);
        let mut by_intercept = vec![0.0; self.rows];
        let mut logits = [(); TOGETHER].map(|()| vec![0.0; coefficients.padded()]);
        for group in (first..end).step_by(TOGETHER) {
            // A group that the end cuts is filled up with its last row, which then has no residual.
            let at: [usize; TOGETHER] = std::array::from_fn(|i| (group + i).min(end - 1));
            let x = at.map(|i| self.examples.x.row(i).to_slice().expect("rows are contiguous"));
            coefficients.products(x, &mut logits);
            for (k, logits) in logits.iter_mut().enumerate() {
                let residuals = &mut logits[..self.rows];
                if group + k >= end {
                    residuals.fill(0.0);
                    continue;
                }
                let weight = self.examples.weights[at[k]];
                residuals.iter_mut().zip(intercepts).for_each(|(logit, intercept)| *logit += intercept);
                loss += weight * cross_entropy(residuals, self.ranks[at[k]]);
                for residual in residuals.iter_mut() {
                    *residual *= weight;
                }
                by_intercept.iter_mut().zip(residuals).for_each(|(into, residual)| *into += *residual);
            }
            by_row.add_products(x, &logits);
        }
        (loss, by_row, by_intercept)
    }
}

/// A matrix `[rows, d]` of few rows as `[blocks, d, LANES]`, the rows of a block side by side and filled up with zeros:
/// products with long vectors then run over lanes that do not wait for one another, and round alike on every machine.
struct Lanes {
    blocks: Vec<Vec<[f64; LANES]>>,
}

impl Lanes {
    fn of(rows: &[f64], d: usize, n_rows: usize) -> Self {
        let entry = |row: usize, j: usize| if row < n_rows { rows[row * d + j] } else { 0.0 };
        let block = |b: usize| (0..d).map(|j| std::array::from_fn(|lane| entry(b * LANES + lane, j))).collect();
        Self { blocks: (0..n_rows.div_ceil(LANES)).map(block).collect() }
    }

    fn zeros(like: &Self) -> Self {
        Self { blocks: like.blocks.iter().map(|block| vec![[0.0; LANES]; block.len()]).collect() }
    }

    /// Rows with those that fill the last block.
    fn padded(&self) -> usize {
        self.blocks.len() * LANES
    }

    /// The product with each vector.
    fn products(&self, x: [&[f64]; TOGETHER], out: &mut [Vec<f64>; TOGETHER]) {
        for (b, block) in self.blocks.iter().enumerate() {
            let mut sums = [[0.0; LANES]; TOGETHER];
            let [x0, x1, x2, x3] = x;
            for ((((w, a), b), c), d) in block.iter().zip(x0).zip(x1).zip(x2).zip(x3) {
                for (sums, x) in sums.iter_mut().zip([a, b, c, d]) {
                    sums.iter_mut().zip(w).for_each(|(sum, w)| *sum += w * x);
                }
            }
            for (out, sums) in out.iter_mut().zip(sums) {
                out[b * LANES..][..LANES].copy_from_slice(&sums);
            }
        }
    }

    /// Adds, for each vector, its outer product with the factors of the rows.
    fn add_products(&mut self, x: [&[f64]; TOGETHER], factors: &[Vec<f64>; TOGETHER]) {
        for (b, block) in self.blocks.iter_mut().enumerate() {
            let factors: [[f64; LANES]; TOGETHER] = std::array::from_fn(|k| {
                factors[k][b * LANES..][..LANES].try_into().expect("a block has so many lanes")
            });
            let [x0, x1, x2, x3] = x;
            for ((((sums, a), b), c), d) in block.iter_mut().zip(x0).zip(x1).zip(x2).zip(x3) {
                for (factors, x) in factors.iter().zip([a, b, c, d]) {
                    sums.iter_mut().zip(factors).for_each(|(sum, factor)| *sum += factor * x);
                }
            }
        }
    }

    /// Adds itself to a plain `[rows, d]`.
    fn add_to(&self, rows: &mut [f64], d: usize) {
        for (row, into) in rows.chunks_exact_mut(d.max(1)).enumerate() {
            let sums = &self.blocks[row / LANES];
            into.iter_mut().zip(sums).for_each(|(into, sums)| *into += sums[row % LANES]);
        }
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
    fn any_number_of_rows_and_classes_has_the_plain_gradient() {
        for (n, d, n_classes) in [(1, 1, 3), (6, 3, 9), (PIECE + 3, 2, 5), (9, 4, 17)] {
            let x = Array2::from_shape_fn((n, d), |(i, j)| ((i * 5 + j * 3) as f64).sin());
            let labels: Vec<u16> = (0..n).map(|i| (i % n_classes) as u16).collect();
            let weights: Vec<f64> = (0..n).map(|i| 1.0 + (i % 3) as f64).collect();
            let ranks = labels.iter().map(|label| usize::from(*label)).collect();
            let examples = Examples { x: x.view(), labels: &labels, weights: &weights, n_classes };
            let problem = Problem { examples, ranks, rows: n_classes, penalty: 0.5, total: weights.iter().sum() };
            let w: Vec<f64> = (0..n_classes * (d + 1)).map(|i| (i as f64 * 0.7).cos()).collect();
            let mut gradient = vec![0.0; w.len()];
            let value = problem.value(&w, &mut gradient);
            let (mut expected, mut plain) = (0.0, vec![0.0; w.len()]);
            for (j, w) in w[..n_classes * d].iter().enumerate() {
                expected += 0.25 * w * w;
                plain[j] = 0.5 * w;
            }
            for i in 0..n {
                let logit = |c: usize| (0..d).map(|j| w[c * d + j] * x[(i, j)]).sum::<f64>() + w[n_classes * d + c];
                let sum: f64 = (0..n_classes).map(|c| logit(c).exp()).sum();
                expected -= weights[i] * (logit(labels[i].into()).exp() / sum).ln();
                for c in 0..n_classes {
                    let hit = if usize::from(labels[i]) == c { 1.0 } else { 0.0 };
                    let residual = weights[i] * (logit(c).exp() / sum - hit);
                    (0..d).for_each(|j| plain[c * d + j] += residual * x[(i, j)]);
                    plain[n_classes * d + c] += residual;
                }
            }
            assert!((value - expected / problem.total).abs() < 1e-12, "{value} {expected}");
            for (found, expected) in gradient.iter().zip(plain) {
                assert!((found - expected / problem.total).abs() < 1e-12, "{n} {d} {n_classes}: {found} {expected}");
            }
        }
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
