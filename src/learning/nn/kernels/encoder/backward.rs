//! Backward: from the embedding's gradient to that of every weight, and of the windows where it is wanted.

use rayon::prelude::*;

use super::forward::{activate_first, activate_second, turn};
use super::plan::{Block, Norm, Plan};
use super::tape::{BlockTape, NormTerms, Scratch, Tape};
use crate::learning::nn::kernels::convolution::{Convolution, Packed, pad, padded, stride};
use crate::learning::nn::kernels::norm::{BackTerms, add_column_sums};
use crate::learning::nn::kernels::pool::spread;
use crate::learning::nn::kernels::product::Store;
use crate::learning::nn::kernels::real::Real;

/// Partial sums of a weight's gradient. Part of the result: another number gives other bits.
const PARTS: usize = 8;

/// Gradients of one backward pass.
pub(in crate::learning::nn) struct Gradients<T> {
    /// Of the flat weights.
    pub(in crate::learning::nn) flat: Vec<T>,
    /// Of the windows, `[n, channels, samples]`.
    pub(in crate::learning::nn) windows: Option<Vec<T>>,
}

/// Gradients from that of the embedding, `[n, dim]`.
pub(in crate::learning::nn) fn backward<T: Real>(
    plan: &Plan,
    flat: &[T],
    windows: &[T],
    tape: &Tape<T>,
    embedding: &[T],
    of_windows: bool,
) -> Gradients<T> {
    let n = embedding.len() / plan.dim();
    let mut pass = Pass { plan, flat, windows, n, gradient: vec![T::ZERO; plan.parameters] };
    let mut behind = pass.last(tape, embedding);
    let mut y = &tape.last;
    for (block, tape) in plan.blocks.iter().zip(&tape.blocks).rev() {
        let upstream = Upstream { gradient: &behind.gradient, x: y, terms: &behind.terms };
        behind = pass.block(block, tape, &upstream);
        y = &tape.x;
    }
    let windows = pass.stem(&Upstream { gradient: &behind.gradient, x: y, terms: &behind.terms }, of_windows);
    Gradients { flat: pass.gradient, windows }
}

/// The gradient just before a norm, which the reader takes through it.
struct Behind<T> {
    gradient: Vec<T>,
    terms: BackNorm<T>,
}

struct BackNorm<T> {
    groups: Vec<BackTerms<T>>,
    group: usize,
}

struct Upstream<'a, T> {
    gradient: &'a [T],
    x: &'a [T],
    terms: &'a BackNorm<T>,
}

impl<T: Real> Upstream<'_, T> {
    /// One sample's gradient behind the norm, in rows of `width` numbers.
    fn finish(&self, sample: usize, channels: usize, width: usize, len: usize, out: &mut [T]) {
        let range = sample * len..(sample + 1) * len;
        let terms = &self.terms.groups[sample / self.terms.group];
        terms.finish(&self.gradient[range.clone()], &self.x[range], channels, width, out);
    }
}

/// One of the [`PARTS`]: sums of the weight gradients of some samples.
struct Part<T> {
    weights: Vec<Vec<T>>,
    bias: Vec<f64>,
}

impl<T: Real> Part<T> {
    fn new(convolutions: &[&Convolution], bias: usize) -> Self {
        let sizes = convolutions.iter().map(|c| vec![T::ZERO; c.kernel * c.input * c.output]);
        Self { weights: sizes.collect(), bias: vec![0.0; bias] }
    }
}

struct Pass<'a, T> {
    plan: &'a Plan,
    flat: &'a [T],
    windows: &'a [T],
    n: usize,
    gradient: Vec<T>,
}

impl<T: Real> Pass<'_, T> {
    /// Samples a part.
    fn part_len(&self) -> usize {
        self.n.div_ceil(PARTS)
    }

    fn parts(&self, convolutions: &[&Convolution]) -> Vec<Part<T>> {
        let bias = convolutions[0].output;
        (0..self.n.div_ceil(self.part_len())).map(|_| Part::new(convolutions, bias)).collect()
    }

    /// Adds parts up in order and stores them; the bias gradient goes to each of the convolutions.
    fn take(&mut self, parts: Vec<Part<T>>, convolutions: &[&Convolution]) {
        let mut parts = parts.into_iter();
        let Some(mut sum) = parts.next() else { return };
        for part in parts {
            for (sum, part) in sum.weights.iter_mut().zip(&part.weights) {
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += *part);
            }
            sum.bias.iter_mut().zip(&part.bias).for_each(|(sum, part)| *sum += part);
        }
        for (convolution, weights) in convolutions.iter().zip(&sum.weights) {
            convolution.unpack(weights, &mut self.gradient);
            for (target, sum) in self.gradient[convolution.bias.clone()].iter_mut().zip(&sum.bias) {
                *target = T::of(*sum);
            }
        }
    }

    /// Gradients of a norm's weight and bias from the per-sample sums, and what takes a gradient through it.
    fn back_norm(&mut self, norm: &Norm, terms: &NormTerms<T>, sums: &[f64]) -> BackNorm<T> {
        let channels = norm.channels;
        let mut all = vec![0.0; 2 * channels];
        let groups = sums
            .chunks(terms.group * 2 * channels)
            .zip(&terms.groups)
            .map(|(samples, terms_of_group)| {
                let mut sums = vec![0.0; 2 * channels];
                for sample in samples.chunks_exact(2 * channels) {
                    sums.iter_mut().zip(sample).for_each(|(sum, sample)| *sum += sample);
                }
                all.iter_mut().zip(&sums).for_each(|(all, sum)| *all += sum);
                let (plain, centred) = sums.split_at(channels);
                match terms.count {
                    Some(count) => BackTerms::batch(terms_of_group, plain, centred, count),
                    None => BackTerms::running(terms_of_group),
                }
            })
            .collect();
        let (plain, centred) = all.split_at(channels);
        for (range, sums) in [(norm.bias.clone(), plain), (norm.weight.clone(), centred)] {
            self.gradient[range].iter_mut().zip(sums).for_each(|(target, sum)| *target = T::of(*sum));
        }
        BackNorm { groups, group: terms.group }
    }

    /// From the embedding to the input of the last ELU's norm.
    fn last(&mut self, tape: &Tape<T>, embedding: &[T]) -> Behind<T> {
        let (plan, channels) = (self.plan, self.plan.last_norm.channels);
        let len = plan.last_len();
        let mut gradient = vec![T::ZERO; self.n * len];
        let mut sums = vec![0.0; self.n * 2 * channels];
        (
            gradient.par_chunks_mut(len),
            sums.par_chunks_mut(2 * channels),
            tape.last.par_chunks(len),
            embedding.par_chunks(plan.dim()),
        )
            .into_par_iter()
            .enumerate()
            .for_each_init(Scratch::new, |scratch, (sample, (gradient, sums, x, embedding))| {
                for (bin, range) in plan.bins.iter().enumerate() {
                    let share = T::of(1.0 / range.len() as f64);
                    for time in range.clone() {
                        for c in 0..channels {
                            gradient[time * channels + c] += embedding[c * plan.bins.len() + bin] * share;
                        }
                    }
                }
                let terms = tape.last_terms.of(sample);
                scratch.x.resize(len, T::ZERO);
                terms.activate(x, &mut scratch.x);
                terms.deactivate(gradient, x, &scratch.x, sums);
            });
        let terms = self.back_norm(&plan.last_norm, &tape.last_terms, &sums);
        Behind { gradient, terms }
    }

    /// Through a block, in two phases parted by the sums of its second norm.
    fn block(&mut self, block: &Block, tape: &BlockTape<T>, upstream: &Upstream<'_, T>) -> Behind<T> {
        let middle = self.second_half(block, tape, upstream);
        let skip = block.skip.pack_reversed(self.flat);
        let reversed = block.first.pack_reversed(self.flat);
        let (channels, part_len) = (block.first.input, self.part_len());
        let mut parts = self.parts(&[&block.first]);
        let mut gradient = vec![T::ZERO; self.n * block.input_len()];
        let mut sums = vec![0.0; self.n * 2 * channels];
        (
            gradient.par_chunks_mut(part_len * block.input_len()),
            sums.par_chunks_mut(part_len * 2 * channels),
            parts.par_iter_mut(),
        )
            .into_par_iter()
            .enumerate()
            .for_each_init(Scratch::new, |scratch, (index, (gradient, sums, part))| {
                let samples = gradient.chunks_exact_mut(block.input_len()).zip(sums.chunks_exact_mut(2 * channels));
                for (sample, (gradient, sums)) in (index * part_len..).zip(samples) {
                    first_half_sample(
                        &FirstHalf { block, tape, upstream, middle: &middle, skip: &skip, reversed: &reversed },
                        sample,
                        scratch,
                        part,
                        (gradient, sums),
                    );
                }
            });
        drop(middle);
        self.take(parts, &[&block.first]);
        let terms = self.back_norm(&block.first_norm, &tape.first_terms, &sums);
        Behind { gradient, terms }
    }

    /// To the input of the second norm; the gradients of skip and second convolution on the way.
    fn second_half(&mut self, block: &Block, tape: &BlockTape<T>, upstream: &Upstream<'_, T>) -> Behind<T> {
        let reversed = block.second.pack_reversed(self.flat);
        let (channels, part_len) = (block.second.output, self.part_len());
        let mut parts = self.parts(&[&block.second, &block.skip]);
        let mut gradient = vec![T::ZERO; self.n * block.middle_len()];
        let mut sums = vec![0.0; self.n * 2 * channels];
        (
            gradient.par_chunks_mut(part_len * block.middle_len()),
            sums.par_chunks_mut(part_len * 2 * channels),
            parts.par_iter_mut(),
        )
            .into_par_iter()
            .enumerate()
            .for_each_init(Scratch::new, |scratch, (index, (gradient, sums, part))| {
                let samples = gradient.chunks_exact_mut(block.middle_len()).zip(sums.chunks_exact_mut(2 * channels));
                for (sample, (gradient, sums)) in (index * part_len..).zip(samples) {
                    let middle = &tape.middle[sample * block.middle_len()..][..block.middle_len()];
                    let x = &tape.x[sample * block.input_len()..][..block.input_len()];
                    output_gradient(block, tape, upstream, sample, scratch);
                    activate_first(block, tape.first_terms.of(sample), x, scratch);
                    activate_second(block, tape.second_terms.of(sample), middle, scratch);
                    let Scratch { a, b, out, .. } = scratch;
                    let row = pad(block.second.kernel) * stride::<T>(channels);
                    let body = &out[row..];
                    block.second.weight_gradient(b, body, block.time, &mut part.weights[0]);
                    let unpadded = &a[pad(block.first.kernel) * block.first.input..];
                    block.skip.weight_gradient(unpadded, body, block.time, &mut part.weights[1]);
                    add_rows(body, channels, block.time, &mut part.bias);
                    block.second.input_gradient(out, &reversed, block.time, Store::Set, gradient);
                    let active = &b[pad(block.second.kernel) * channels..][..middle.len()];
                    tape.second_terms.of(sample).deactivate(gradient, middle, active, sums);
                }
            });
        self.take(parts, &[&block.second, &block.skip]);
        let terms = self.back_norm(&block.second_norm, &tape.second_terms, &sums);
        Behind { gradient, terms }
    }

    fn stem(&mut self, upstream: &Upstream<'_, T>, of_windows: bool) -> Option<Vec<T>> {
        let (plan, stem, part_len) = (self.plan, &self.plan.stem, self.part_len());
        let (len, window_len) = (plan.samples * stem.output, plan.channels * plan.samples);
        let reversed = of_windows.then(|| stem.pack_reversed(self.flat));
        let mut gradient = vec![T::ZERO; if of_windows { self.n * window_len } else { 0 }];
        let mut parts = self.parts(&[stem]);
        let indices: Vec<usize> = (0..parts.len()).collect();
        let mut targets: Vec<&mut [T]> = gradient.chunks_mut(part_len * window_len).collect();
        targets.resize_with(parts.len(), || &mut []);
        (indices, targets, parts.par_iter_mut()).into_par_iter().for_each_init(
            Scratch::new,
            |scratch, (index, target, part)| {
                let last = ((index + 1) * part_len).min(self.n);
                for sample in index * part_len..last {
                    let window = &self.windows[sample * window_len..][..window_len];
                    turn(window, plan, &mut scratch.a);
                    let width = stride::<T>(stem.output);
                    let before = pad(stem.kernel) * width;
                    padded(&mut scratch.out, pad(stem.kernel), plan.samples, width);
                    let body = &mut scratch.out[before..before + plan.samples * width];
                    body.fill(T::ZERO);
                    upstream.finish(sample, stem.output, width, len, body);
                    stem.weight_gradient(&scratch.a, &scratch.out[before..], plan.samples, &mut part.weights[0]);
                    add_rows(&scratch.out[before..], stem.output, plan.samples, &mut part.bias);
                    if let Some(reversed) = &reversed {
                        scratch.x.resize(window_len, T::ZERO);
                        let Scratch { out, x, .. } = &mut *scratch;
                        stem.input_gradient(out, reversed, plan.samples, Store::Set, x);
                        let target = &mut target[(sample - index * part_len) * window_len..][..window_len];
                        turn_back(x, plan, target);
                    }
                }
            },
        );
        self.take(parts, &[stem]);
        of_windows.then_some(gradient)
    }
}

struct FirstHalf<'a, T> {
    block: &'a Block,
    tape: &'a BlockTape<T>,
    upstream: &'a Upstream<'a, T>,
    middle: &'a Behind<T>,
    skip: &'a Packed<T>,
    reversed: &'a Packed<T>,
}

/// From the second norm's input and the block's output to the first norm's ELU.
fn first_half_sample<T: Real>(
    half: &FirstHalf<'_, T>,
    sample: usize,
    scratch: &mut Scratch<T>,
    part: &mut Part<T>,
    (gradient, sums): (&mut [T], &mut [f64]),
) {
    let (block, tape) = (half.block, half.tape);
    let channels = block.first.output;
    let x = &tape.x[sample * block.input_len()..][..block.input_len()];
    output_gradient(block, tape, half.upstream, sample, scratch);
    activate_first(block, tape.first_terms.of(sample), x, scratch);
    let Scratch { a, out, middle, .. } = scratch;
    let width = stride::<T>(channels);
    let before = pad(block.first.kernel) * width;
    padded(middle, pad(block.first.kernel), block.time, width);
    let body = &mut middle[before..before + block.time * width];
    if width != channels {
        body.fill(T::ZERO);
    }
    let upstream = Upstream { gradient: &half.middle.gradient, x: &tape.middle, terms: &half.middle.terms };
    upstream.finish(sample, channels, width, block.middle_len(), body);
    block.first.weight_gradient(a, &middle[before..], block.time, &mut part.weights[0]);
    add_rows(&middle[before..], channels, block.time, &mut part.bias);
    block.first.input_gradient(middle, half.reversed, block.time, Store::Set, gradient);
    let unpadded = &out[pad(block.second.kernel) * width..];
    block.skip.input_gradient(unpadded, half.skip, block.time, Store::Add, gradient);
    let active = &a[pad(block.first.kernel) * block.first.input..][..x.len()];
    tape.first_terms.of(sample).deactivate(gradient, x, active, sums);
}

/// `scratch.out` = the gradient of a block's output before its pool, padded for the second convolution.
fn output_gradient<T: Real>(
    block: &Block,
    tape: &BlockTape<T>,
    upstream: &Upstream<'_, T>,
    sample: usize,
    scratch: &mut Scratch<T>,
) {
    let (channels, before) = (block.second.output, pad(block.second.kernel));
    let width = stride::<T>(channels);
    let Scratch { out, pooled, .. } = scratch;
    padded(out, before, block.time, width);
    let body = &mut out[before * width..(before + block.time) * width];
    if block.pooled || width != channels {
        body.fill(T::ZERO);
    }
    if block.pooled {
        let which = &tape.which[sample * block.which_len()..][..block.which_len()];
        pooled.resize(block.output_len(), T::ZERO);
        upstream.finish(sample, channels, channels, block.output_len(), pooled);
        spread(pooled, which, channels, width, body);
    } else {
        upstream.finish(sample, channels, width, block.output_len(), body);
    }
}

/// Column sums of rows of [`stride`] numbers, added to `into`.
fn add_rows<T: Real>(rows: &[T], channels: usize, time: usize, into: &mut [f64]) {
    let width = stride::<T>(channels);
    let mut sums = vec![0.0; width];
    add_column_sums(&rows[..time * width], width, &mut sums);
    into.iter_mut().zip(sums).for_each(|(into, sum)| *into += sum);
}

/// `[samples, channels]` to `[channels, samples]`.
fn turn_back<T: Real>(signal: &[T], plan: &Plan, window: &mut [T]) {
    for (channel, samples) in window.chunks_exact_mut(plan.samples).enumerate() {
        for (sample, row) in samples.iter_mut().zip(signal.chunks_exact(plan.channels)) {
            *sample = row[channel];
        }
    }
}
