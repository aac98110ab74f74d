//! Batch norm and ELU on one sample: statistics, the fused forward, the fused backward.

use super::real::{Real, run};
use super::vector::Job;

/// Numbers a channel, repeated until they fill some vectors: loops over a signal then run over whole periods, however
/// few channels there are.
fn period(channels: usize) -> usize {
    channels * 64_usize.div_ceil(channels)
}

fn repeated<T: Real>(values: impl Iterator<Item = f64> + Clone, channels: usize) -> Vec<T> {
    values.cycle().take(period(channels)).map(T::of).collect()
}

/// Mean and sum of squared deviations of each channel of a sample: `[mean.., squares..]` in f64.
pub(super) fn statistics<T: Real>(signal: &[T], channels: usize, into: &mut [f64]) {
    let time = (signal.len() / channels) as f64;
    let (mean, squares) = into.split_at_mut(channels);
    let zero = vec![T::ZERO; period(channels)];
    run(Sums { signal, centre: &zero, square: false, into: mean });
    for mean in mean.iter_mut() {
        *mean /= time;
    }
    let centre: Vec<T> = repeated(mean.iter().copied(), channels);
    run(Sums { signal, centre: &centre, square: true, into: squares });
}

/// Sum of each column, added to `into`.
pub(super) fn add_column_sums<T: Real>(signal: &[T], channels: usize, into: &mut [f64]) {
    let zero = vec![T::ZERO; period(channels)];
    let mut sums = vec![0.0; channels];
    run(Sums { signal, centre: &zero, square: false, into: &mut sums });
    into.iter_mut().zip(sums).for_each(|(into, sum)| *into += sum);
}

struct Sums<'a, T> {
    signal: &'a [T],
    centre: &'a [T],
    square: bool,
    into: &'a mut [f64],
}

impl<T: Real> Job for Sums<'_, T> {
    #[inline(always)]
    fn run(self) {
        let period = self.centre.len();
        let channels = self.into.len();
        self.into.fill(0.0);
        let mut sums = vec![T::ZERO; period];
        // 32 periods in T, then on in f64: no long chain of f32.
        for block in self.signal.chunks(32 * period) {
            sums.fill(T::ZERO);
            for chunk in block.chunks(period) {
                let (sums, centre) = (&mut sums[..chunk.len()], &self.centre[..chunk.len()]);
                if self.square {
                    for i in 0..chunk.len() {
                        let off = chunk[i] - centre[i];
                        sums[i] += off * off;
                    }
                } else {
                    for i in 0..chunk.len() {
                        sums[i] += chunk[i];
                    }
                }
            }
            for sums in sums.chunks_exact(channels) {
                for (into, sum) in self.into.iter_mut().zip(sums) {
                    *into += sum.wide();
                }
            }
        }
    }
}

/// A norm with known statistics: `(x - mean) * scale + shift`, one number a channel, repeated over a [`period`].
#[derive(Debug, Clone)]
pub(super) struct Terms<T> {
    pub(super) channels: usize,
    mean: Vec<T>,
    scale: Vec<T>,
    shift: Vec<T>,
    /// 1 / sqrt(var + eps), one a channel.
    pub(super) inverse: Vec<f64>,
}

impl<T: Real> Terms<T> {
    /// From mean and biased variance, and the norm's weight and bias.
    pub(super) fn new(mean: &[f64], var: &[f64], weight: &[T], bias: &[T], epsilon: f64) -> Self {
        let channels = mean.len();
        let inverse: Vec<f64> = var.iter().map(|var| 1.0 / (var + epsilon).sqrt()).collect();
        let scale = inverse.iter().zip(weight).map(|(inverse, weight)| inverse * weight.wide());
        Self {
            channels,
            mean: repeated(mean.iter().copied(), channels),
            scale: repeated(scale, channels),
            shift: repeated(bias.iter().map(|bias| bias.wide()), channels),
            inverse,
        }
    }

    /// `out = elu(norm(x))`.
    pub(super) fn activate(&self, x: &[T], out: &mut [T]) {
        run(Activate { terms: self, x, out });
    }

    /// `gradient *= elu'(.)`, where `active` is what [`Terms::activate`] gave for `x`; `[sum g.., sum g * xhat..]` of
    /// each channel go to `sums`.
    pub(super) fn deactivate(&self, gradient: &mut [T], x: &[T], active: &[T], sums: &mut [f64]) {
        let (plain, centred) = sums.split_at_mut(self.channels);
        run(Deactivate { terms: self, gradient, x, active, plain, centred: &mut *centred });
        centred.iter_mut().zip(&self.inverse).for_each(|(sum, inverse)| *sum *= inverse);
    }
}

struct Activate<'a, T> {
    terms: &'a Terms<T>,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Job for Activate<'_, T> {
    #[inline(always)]
    fn run(self) {
        let period = self.terms.mean.len();
        for (x, out) in self.x.chunks(period).zip(self.out.chunks_mut(period)) {
            let n = x.len();
            let (mean, scale, shift) = (&self.terms.mean[..n], &self.terms.scale[..n], &self.terms.shift[..n]);
            let out = &mut out[..n];
            for i in 0..n {
                let z = (x[i] - mean[i]) * scale[i] + shift[i];
                let below = z.exp_m1_below_zero();
                out[i] = if z > T::ZERO { z } else { below };
            }
        }
    }
}

struct Deactivate<'a, T> {
    terms: &'a Terms<T>,
    gradient: &'a mut [T],
    x: &'a [T],
    active: &'a [T],
    plain: &'a mut [f64],
    centred: &'a mut [f64],
}

impl<T: Real> Job for Deactivate<'_, T> {
    #[inline(always)]
    fn run(self) {
        let period = self.terms.mean.len();
        let channels = self.plain.len();
        self.plain.fill(0.0);
        self.centred.fill(0.0);
        let (mut plain, mut centred) = (vec![T::ZERO; period], vec![T::ZERO; period]);
        for (start, gradient) in self.gradient.chunks_mut(32 * period).enumerate() {
            plain.fill(T::ZERO);
            centred.fill(T::ZERO);
            for (chunk, gradient) in gradient.chunks_mut(period).enumerate() {
                let (n, at) = (gradient.len(), (start * 32 + chunk) * period);
                let (x, active, mean) = (&self.x[at..at + n], &self.active[at..at + n], &self.terms.mean[..n]);
                let (plain, centred) = (&mut plain[..n], &mut centred[..n]);
                for i in 0..n {
                    let slope = if active[i] < T::ZERO { active[i] + T::ONE } else { T::ONE };
                    let g = gradient[i] * slope;
                    gradient[i] = g;
                    plain[i] += g;
                    centred[i] += g * (x[i] - mean[i]);
                }
            }
            for (target, sums) in [(&mut *self.plain, &plain), (&mut *self.centred, &centred)] {
                for sums in sums.chunks_exact(channels) {
                    for (target, sum) in target.iter_mut().zip(sums) {
                        *target += sum.wide();
                    }
                }
            }
        }
    }
}

/// The gradient behind a norm from the gradient before it: `scale * (g - pull - (x - mean) * lean)`, where `pull` and
/// `lean` are the batch's mean of g and of g * xhat (both 0 with running statistics).
#[derive(Debug, Clone)]
pub(super) struct BackTerms<T> {
    mean: Vec<T>,
    scale: Vec<T>,
    pull: Vec<T>,
    lean: Vec<T>,
}

impl<T: Real> BackTerms<T> {
    /// `sum` and `sum_xhat` of g over the `count` values a channel of the norm's group.
    pub(super) fn batch(terms: &Terms<T>, sum: &[f64], sum_xhat: &[f64], count: usize) -> Self {
        let (channels, count) = (terms.channels, count as f64);
        let lean = sum_xhat.iter().zip(&terms.inverse).map(|(sum, inverse)| sum / count * inverse);
        Self {
            mean: terms.mean.clone(),
            scale: terms.scale.clone(),
            pull: repeated(sum.iter().map(|sum| sum / count), channels),
            lean: repeated(lean, channels),
        }
    }

    /// With running statistics, which do not depend on x.
    pub(super) fn running(terms: &Terms<T>) -> Self {
        let zero = vec![T::ZERO; terms.mean.len()];
        Self { mean: terms.mean.clone(), scale: terms.scale.clone(), pull: zero.clone(), lean: zero }
    }

    /// `out[t]`, rows of `width` >= channels numbers, from g and x. Numbers of a row beyond its channels stay.
    pub(super) fn finish(&self, gradient: &[T], x: &[T], channels: usize, width: usize, out: &mut [T]) {
        if width == channels {
            run(Finish { terms: self, gradient, x, out });
        } else {
            for ((gradient, x), out) in
                gradient.chunks_exact(channels).zip(x.chunks_exact(channels)).zip(out.chunks_mut(width))
            {
                run(Finish { terms: self, gradient, x, out });
            }
        }
    }
}

struct Finish<'a, T> {
    terms: &'a BackTerms<T>,
    gradient: &'a [T],
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Job for Finish<'_, T> {
    #[inline(always)]
    fn run(self) {
        let terms = self.terms;
        let period = terms.mean.len();
        for ((gradient, x), out) in
            self.gradient.chunks(period).zip(self.x.chunks(period)).zip(self.out.chunks_mut(period))
        {
            let n = gradient.len();
            let (mean, scale) = (&terms.mean[..n], &terms.scale[..n]);
            let (pull, lean) = (&terms.pull[..n], &terms.lean[..n]);
            let (x, out) = (&x[..n], &mut out[..n]);
            for i in 0..n {
                out[i] = scale[i] * (gradient[i] - pull[i] - (x[i] - mean[i]) * lean[i]);
            }
        }
    }
}
