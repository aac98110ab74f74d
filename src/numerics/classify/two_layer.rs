//! A classifier with one hidden layer, trained on whole batches.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};
use rayon::prelude::*;

/// Rows that one task works on: sums are over these pieces in order, whatever the number of threads.
const PIECE: usize = 2048;
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// Rows and their classes.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// `[n, features]`.
    pub x: ArrayView2<'a, f32>,
    /// Class of each row, below the number of classes.
    pub labels: &'a [u16],
}

/// How a [`TwoLayer`] is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WholeBatches {
    /// Updates; each sees all rows.
    pub epochs: u32,
    /// AdamW's rate.
    pub rate: f64,
    /// Its decoupled decay, on weights and not on biases.
    pub decay: f64,
}

/// `features - hidden - classes`, a ReLU between, biases in both layers; all numbers are f32.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoLayer {
    first: Layer,
    second: Layer,
}

/// A layer, or its gradient, or a moment of it.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
    /// `[out, in]`.
    weight: Array2<f32>,
    bias: Array1<f32>,
}

impl Layer {
    fn zeros(&self) -> Self {
        Self { weight: Array2::zeros(self.weight.dim()), bias: Array1::zeros(self.bias.dim()) }
    }

    fn forward(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        // The product of a matrix whose columns lie together has its columns together, too.
        let mut out = x.dot(&self.weight.t()).as_standard_layout().into_owned();
        out += &self.bias;
        out
    }

    fn add(&mut self, other: &Self) {
        self.weight += &other.weight;
        self.bias += &other.bias;
    }
}

impl TwoLayer {
    /// The network whose numbers lie in `flat` as a state dict has them: `[hidden, features]`, `[hidden]`,
    /// `[classes, hidden]`, `[classes]`.
    ///
    /// # Panics
    /// When there are more or fewer numbers.
    pub fn from_flat(flat: &[f32], [features, hidden, classes]: [usize; 3]) -> Self {
        let mut rest = flat;
        let mut layer = |rows: usize, columns: usize| {
            let (weight, behind) = rest.split_at(rows * columns);
            let (bias, behind) = behind.split_at(rows);
            rest = behind;
            let weight = Array2::from_shape_vec((rows, columns), weight.to_vec()).expect("rows x columns numbers");
            Layer { weight, bias: Array1::from(bias.to_vec()) }
        };
        let (first, second) = (layer(hidden, features), layer(classes, hidden));
        assert!(rest.is_empty(), "as many numbers as the layers have");
        Self { first, second }
    }

    /// Minimises the mean cross-entropy of `learnt` by AdamW and keeps what told `held` best: of its epochs the one with
    /// the least mean cross-entropy there, the first of equals. Gives that network and its epoch, from 1.
    ///
    /// # Panics
    /// When either part has no row, or lengths disagree.
    ///
    /// # Source
    /// `loshchilov2019adamw`, algorithm 2, decay scaled by the rate.
    pub fn fit(self, learnt: Labelled<'_>, held: Labelled<'_>, course: WholeBatches) -> (Self, u32) {
        let whole = |rows: Labelled<'_>| rows.x.nrows() > 0 && rows.x.nrows() == rows.labels.len();
        assert!(whole(learnt) && whole(held), "one label a row");
        let (mut now, mut moments) =
            (self.clone(), [[self.first.zeros(), self.second.zeros()], [self.first.zeros(), self.second.zeros()]]);
        let (mut best, mut best_epoch, mut least) = (self, 0, f64::INFINITY);
        for epoch in 1..=course.epochs {
            let gradients = now.gradient(learnt);
            now.step(gradients, &mut moments, epoch, course);
            let loss = now.loss(held);
            if loss < least {
                (best, best_epoch, least) = (now.clone(), epoch, loss);
            }
        }
        (best, best_epoch)
    }

    /// `[n, classes]`.
    pub fn logits(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        self.second.forward(self.hidden(x).view())
    }

    fn hidden(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut hidden = self.first.forward(x);
        hidden.mapv_inplace(|x| x.max(0.0));
        hidden
    }

    /// The mean cross-entropy.
    fn loss(&self, rows: Labelled<'_>) -> f64 {
        let of = |(x, labels): (ArrayView2<'_, f32>, &[u16])| {
            let mut logits = self.logits(x);
            logits.axis_iter_mut(Axis(0)).zip(labels).map(|(row, &label)| softmax_error(row, label)).sum::<f64>()
        };
        // Collected: a parallel sum would hang on the number of threads.
        let parts: Vec<f64> = pieces(rows).into_par_iter().map(of).collect();
        parts.into_iter().sum::<f64>() / rows.labels.len() as f64
    }

    /// The gradient of the mean cross-entropy.
    fn gradient(&self, rows: Labelled<'_>) -> [Layer; 2] {
        let scale = 1.0 / rows.labels.len() as f32;
        let of = |(x, labels): (ArrayView2<'_, f32>, &[u16])| {
            let hidden = self.hidden(x);
            let mut error = self.second.forward(hidden.view());
            for (mut row, &label) in error.axis_iter_mut(Axis(0)).zip(labels) {
                softmax_error(row.view_mut(), label);
                row *= scale;
            }
            let mut behind = error.dot(&self.second.weight);
            Zip::from(&mut behind).and(&hidden).for_each(|error, &hidden| {
                if hidden <= 0.0 {
                    *error = 0.0;
                }
            });
            let second = Layer { weight: error.t().dot(&hidden), bias: error.sum_axis(Axis(0)) };
            [Layer { weight: behind.t().dot(&x), bias: behind.sum_axis(Axis(0)) }, second]
        };
        let parts: Vec<[Layer; 2]> = pieces(rows).into_par_iter().map(of).collect();
        let mut sum = [self.first.zeros(), self.second.zeros()];
        for part in &parts {
            sum.iter_mut().zip(part).for_each(|(sum, part)| sum.add(part));
        }
        sum
    }

    fn step(&mut self, gradients: [Layer; 2], moments: &mut [[Layer; 2]; 2], epoch: u32, course: WholeBatches) {
        let power = i32::try_from(epoch).unwrap_or(i32::MAX);
        let corrections = [BETA1, BETA2].map(|beta| (1.0 - beta.powi(power)) as f32);
        let rate = course.rate as f32;
        let kept = (1.0 - course.rate * course.decay) as f32;
        let [means, squares] = moments;
        let layers = [&mut self.first, &mut self.second].into_iter().zip(&gradients).zip(means).zip(squares);
        for (((layer, gradient), mean), square) in layers {
            let moved = |kept: f32| {
                move |x: &mut f32, &gradient: &f32, mean: &mut f32, square: &mut f32| {
                    *mean = *mean * BETA1 as f32 + gradient * (1.0 - BETA1) as f32;
                    *square = *square * BETA2 as f32 + gradient * gradient * (1.0 - BETA2) as f32;
                    let spread = (*square / corrections[1]).sqrt() + EPSILON;
                    *x = *x * kept - rate * (*mean / corrections[0]) / spread;
                }
            };
            Zip::from(&mut layer.weight)
                .and(&gradient.weight)
                .and(&mut mean.weight)
                .and(&mut square.weight)
                .for_each(moved(kept));
            Zip::from(&mut layer.bias)
                .and(&gradient.bias)
                .and(&mut mean.bias)
                .and(&mut square.bias)
                .for_each(moved(1.0));
        }
    }
}

fn pieces(rows: Labelled<'_>) -> Vec<(ArrayView2<'_, f32>, &[u16])> {
    let n = rows.labels.len();
    let piece = |first: usize| {
        let end = (first + PIECE).min(n);
        (rows.x.slice_move(s![first..end, ..]), &rows.labels[first..end])
    };
    (0..n).step_by(PIECE).map(piece).collect()
}

/// The cross-entropy of a row; its logits become their gradient.
fn softmax_error(mut logits: ndarray::ArrayViewMut1<'_, f32>, label: u16) -> f64 {
    let own = logits[usize::from(label)];
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for logit in &mut logits {
        *logit = (*logit - top).exp();
        sum += *logit;
    }
    logits /= sum;
    logits[usize::from(label)] -= 1.0;
    f64::from(sum.ln() + top - own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(n: usize) -> (Array2<f32>, Vec<u16>) {
        let labels: Vec<u16> = (0..n).map(|row| (row % 3) as u16).collect();
        let value = |(row, column): (usize, usize)| {
            let noise = ((row * 37 + column * 101) as f32 * 0.61).sin();
            noise + if column == row % 3 { 1.5 } else { 0.0 }
        };
        (Array2::from_shape_fn((n, 4), value), labels)
    }

    fn start() -> TwoLayer {
        let flat: Vec<f32> = (0..4 * 5 + 5 + 5 * 3 + 3).map(|index| (index as f32 * 1.7).cos() * 0.4).collect();
        TwoLayer::from_flat(&flat, [4, 5, 3])
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let (x, labels) = made(60);
        let rows = Labelled { x: x.view(), labels: &labels };
        let net = start();
        let [first, second] = net.gradient(rows);
        let slope = |change: &dyn Fn(&mut TwoLayer, f32)| {
            let at = |by: f32| {
                let mut net = net.clone();
                change(&mut net, by);
                net.loss(rows)
            };
            (at(1e-3) - at(-1e-3)) / 2e-3
        };
        let near = |slope: f64, gradient: f32| {
            assert!((slope - f64::from(gradient)).abs() < 5e-4, "{slope} {gradient}");
        };
        near(slope(&|net, by| net.first.weight[(2, 1)] += by), first.weight[(2, 1)]);
        near(slope(&|net, by| net.first.bias[4] += by), first.bias[4]);
        near(slope(&|net, by| net.second.weight[(1, 3)] += by), second.weight[(1, 3)]);
        near(slope(&|net, by| net.second.bias[2] += by), second.bias[2]);
    }

    #[test]
    fn the_first_update_goes_one_rate_against_the_sign_and_decays_weights_alone() {
        let (x, labels) = made(30);
        let rows = Labelled { x: x.view(), labels: &labels };
        let before = start();
        let [gradient, _] = before.gradient(rows);
        let (after, epoch) = before.clone().fit(rows, rows, WholeBatches { epochs: 1, rate: 0.01, decay: 0.5 });
        assert_eq!(epoch, 1);
        let weight = before.first.weight[(0, 0)] * (1.0 - 0.005) - 0.01 * gradient.weight[(0, 0)].signum();
        let bias = before.first.bias[0] - 0.01 * gradient.bias[0].signum();
        assert!((after.first.weight[(0, 0)] - weight).abs() < 1e-5 && (after.first.bias[0] - bias).abs() < 1e-5);
    }

    #[test]
    fn the_epoch_that_tells_the_held_rows_best_is_kept() {
        let (x, labels) = made(90);
        let rows = Labelled { x: x.view(), labels: &labels };
        let course = WholeBatches { epochs: 60, rate: 0.02, decay: 0.0 };
        let (last, epoch) = start().fit(rows, rows, course);
        assert_eq!(epoch, 60, "rows that are learnt from are told better and better");
        let logits = last.logits(x.view());
        let right = logits.axis_iter(Axis(0)).zip(&labels).filter(|(logits, label)| {
            let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            logits[usize::from(**label)] == top
        });
        assert!(right.count() > 80);
        // Labels that contradict what is learnt: nothing is better than the first epoch.
        let other: Vec<u16> = labels.iter().map(|label| (label + 1) % 3).collect();
        let (_, epoch) = start().fit(rows, Labelled { x: x.view(), labels: &other }, course);
        assert!(epoch < 5, "{epoch}");
    }

    #[test]
    fn threads_do_not_matter() {
        let (x, labels) = made(3 * PIECE / 2);
        let rows = Labelled { x: x.view(), labels: &labels };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| start().fit(rows, rows, WholeBatches { epochs: 3, rate: 0.01, decay: 1e-4 }).0)
        };
        assert_eq!(with(1), with(3));
    }
}
