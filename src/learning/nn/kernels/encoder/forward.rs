//! Forward: phase by phase over a batch whose norms need its statistics, sample by sample where they do not.

use rayon::prelude::*;

use super::plan::{Block, Norm, Plan};
use super::tape::{BlockTape, BlockWeights, NormSource, NormTerms, Scratch, Tape};
use crate::learning::nn::encoder::EPSILON;
use crate::learning::nn::kernels::convolution::{Packed, pad, padded};
use crate::learning::nn::kernels::norm::{Terms, statistics};
use crate::learning::nn::kernels::pool::max_pool;
use crate::learning::nn::kernels::product::Store;
use crate::learning::nn::kernels::real::Real;

/// Samples a thread takes at least.
const AT_LEAST: usize = 4;

/// What a forward pass gives.
pub(in crate::learning::nn) struct Taken<T> {
    /// `[n, dim]`.
    pub(in crate::learning::nn) embedding: Vec<T>,
    /// Mean and unbiased variance of all norms, averaged over groups; with batch statistics only.
    pub(in crate::learning::nn) statistics: Option<(Vec<T>, Vec<T>)>,
    /// For [`super::backward`], when it was asked for.
    pub(in crate::learning::nn) tape: Option<Tape<T>>,
}

/// Embeds `windows`, `[n, channels, samples]`, with the weights in `flat`.
pub(in crate::learning::nn) fn forward<T: Real>(
    plan: &Plan,
    flat: &[T],
    windows: &[T],
    norms: NormSource<'_, T>,
    keep: bool,
) -> Taken<T> {
    let pass = Pass { plan, flat, windows, n: windows.len() / (plan.channels * plan.samples), norms };
    match norms {
        NormSource::Running { mean, var } if !keep => {
            Taken { embedding: pass.by_sample(mean, var), statistics: None, tape: None }
        }
        _ => pass.by_phase(keep),
    }
}

struct Pass<'a, T> {
    plan: &'a Plan,
    flat: &'a [T],
    windows: &'a [T],
    n: usize,
    norms: NormSource<'a, T>,
}

impl<T: Real> Pass<'_, T> {
    fn by_sample(&self, mean: &[T], var: &[T]) -> Vec<T> {
        let plan = self.plan;
        let stem = Stem::new(plan, self.flat);
        let blocks: Vec<_> = plan
            .blocks
            .iter()
            .map(|block| {
                let terms = |norm: &Norm| running_terms(norm, self.flat, mean, var);
                (block, BlockWeights::new(block, self.flat), terms(&block.first_norm), terms(&block.second_norm))
            })
            .collect();
        let last = running_terms(&plan.last_norm, self.flat, mean, var);
        let mut embedding = vec![T::ZERO; self.n * plan.dim()];
        embedding
            .par_chunks_mut(plan.dim())
            .zip(self.windows.par_chunks(plan.channels * plan.samples))
            .with_min_len(AT_LEAST)
            .for_each_init(
                || (Scratch::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()),
                |(scratch, x, middle, y, which), (embedding, window)| {
                    x.resize(plan.samples * plan.stem.output, T::ZERO);
                    stem.run(window, scratch, x);
                    for (block, weights, first, second) in &blocks {
                        middle.resize(block.middle_len(), T::ZERO);
                        y.resize(block.output_len(), T::ZERO);
                        which.resize(block.which_len(), 0);
                        activate_first(block, first, x, scratch);
                        first_phase(block, weights, scratch, middle);
                        second_phase(block, weights, second, middle, scratch, Output { y, which });
                        std::mem::swap(x, y);
                    }
                    average(plan, &last, x, scratch, embedding);
                },
            );
        embedding
    }

    fn by_phase(&self, keep: bool) -> Taken<T> {
        let plan = self.plan;
        let mut collected = Collected::new(plan, self.norms);
        let stem = Stem::new(plan, self.flat);
        let mut x = vec![T::ZERO; self.n * plan.samples * plan.stem.output];
        let mut sums = vec![0.0; self.n * 2 * plan.stem.output];
        x.par_chunks_mut(plan.samples * plan.stem.output)
            .zip(sums.par_chunks_mut(2 * plan.stem.output))
            .zip(self.windows.par_chunks(plan.channels * plan.samples))
            .with_min_len(AT_LEAST)
            .for_each_init(Scratch::new, |scratch, ((x, sums), window)| {
                stem.run(window, scratch, x);
                self.measure(x, sums);
            });
        let mut tapes = Vec::with_capacity(plan.blocks.len());
        for block in &plan.blocks {
            let tape = self.block(block, x, &sums, &mut collected);
            (x, sums) = (tape.1, tape.2);
            if keep {
                tapes.push(tape.0);
            }
        }
        let last_terms = self.terms(&plan.last_norm, &sums, plan.last_len() / plan.last_norm.channels, &mut collected);
        let mut embedding = vec![T::ZERO; self.n * plan.dim()];
        embedding
            .par_chunks_mut(plan.dim())
            .zip(x.par_chunks(plan.last_len()))
            .enumerate()
            .with_min_len(AT_LEAST)
            .for_each_init(Scratch::new, |scratch, (sample, (embedding, x))| {
                average(plan, last_terms.of(sample), x, scratch, embedding);
            });
        let tape = keep.then_some(Tape { blocks: tapes, last: x, last_terms });
        Taken { embedding, statistics: collected.done(), tape }
    }

    /// Runs a block: what backward needs, its output, and that output's per-sample statistics.
    fn block(&self, block: &Block, x: Vec<T>, sums: &[f64], into: &mut Collected) -> (BlockTape<T>, Vec<T>, Vec<f64>) {
        let weights = BlockWeights::new(block, self.flat);
        let (channels, n) = (block.second.output, self.n);
        let first_terms = self.terms(&block.first_norm, sums, block.time, into);
        let mut middle = vec![T::ZERO; n * block.middle_len()];
        let mut sums = vec![0.0; n * 2 * channels];
        (middle.par_chunks_mut(block.middle_len()), sums.par_chunks_mut(2 * channels), x.par_chunks(block.input_len()))
            .into_par_iter()
            .enumerate()
            .with_min_len(AT_LEAST)
            .for_each_init(Scratch::new, |scratch, (sample, (middle, sums, x))| {
                activate_first(block, first_terms.of(sample), x, scratch);
                first_phase(block, &weights, scratch, middle);
                self.measure(middle, sums);
            });
        let second_terms = self.terms(&block.second_norm, &sums, block.time, into);
        let mut y = vec![T::ZERO; n * block.output_len()];
        let mut which = vec![0; n * block.which_len()];
        (
            y.par_chunks_mut(block.output_len()),
            which.par_chunks_mut(block.which_len()),
            sums.par_chunks_mut(2 * channels),
            x.par_chunks(block.input_len()),
            middle.par_chunks(block.middle_len()),
        )
            .into_par_iter()
            .enumerate()
            .with_min_len(AT_LEAST)
            .for_each_init(Scratch::new, |scratch, (sample, (y, which, sums, x, middle))| {
                activate_first(block, first_terms.of(sample), x, scratch);
                second_phase(block, &weights, second_terms.of(sample), middle, scratch, Output { y, which });
                self.measure(y, sums);
            });
        (BlockTape { x, first_terms, middle, second_terms, which }, y, sums)
    }

    /// Statistics of one sample, when the norms want them.
    fn measure(&self, x: &[T], sums: &mut [f64]) {
        if matches!(self.norms, NormSource::Batch { .. }) {
            statistics(x, sums.len() / 2, sums);
        }
    }

    /// A norm's terms from the per-sample statistics of its input, or from running ones.
    fn terms(&self, norm: &Norm, sums: &[f64], time: usize, into: &mut Collected) -> NormTerms<T> {
        let groups = match self.norms {
            NormSource::Running { mean, var } => {
                let groups = vec![running_terms(norm, self.flat, mean, var)];
                return NormTerms { groups, group: self.n, count: None };
            }
            NormSource::Batch { groups } => groups,
        };
        let (group, channels) = (self.n / groups, norm.channels);
        let count = group * time;
        let weights = (&self.flat[norm.weight.clone()], &self.flat[norm.bias.clone()]);
        let terms = sums
            .chunks_exact(group * 2 * channels)
            .map(|sums| {
                let (mean, squares) = merged(sums, channels, time);
                let var: Vec<f64> = squares.iter().map(|squares| squares / count as f64).collect();
                into.add(norm, &mean, &squares, count, groups);
                Terms::new(&mean, &var, weights.0, weights.1, EPSILON)
            })
            .collect();
        NormTerms { groups: terms, group, count: Some(count) }
    }
}

/// Mean and squared deviations of samples of equal length from each one's own, in order.
///
/// # Source
/// `chan1983algorithms`, pairwise update, here sample after sample.
fn merged(samples: &[f64], channels: usize, time: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut mean, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
    let time = time as f64;
    for (before, sample) in samples.chunks_exact(2 * channels).enumerate() {
        let before = before as f64;
        for c in 0..channels {
            let apart = sample[c] - mean[c];
            mean[c] += apart / (before + 1.0);
            squares[c] += sample[channels + c] + apart * apart * time * before / (before + 1.0);
        }
    }
    (mean, squares)
}

fn running_terms<T: Real>(norm: &Norm, flat: &[T], mean: &[T], var: &[T]) -> Terms<T> {
    let wide = |numbers: &[T]| numbers[norm.running.clone()].iter().map(|number| number.wide()).collect::<Vec<_>>();
    Terms::new(&wide(mean), &wide(var), &flat[norm.weight.clone()], &flat[norm.bias.clone()], EPSILON)
}

/// Batch statistics of all norms, averaged over groups.
struct Collected(Option<(Vec<f64>, Vec<f64>)>);

impl Collected {
    fn new<T>(plan: &Plan, norms: NormSource<'_, T>) -> Self {
        let zeros = || vec![0.0; plan.norm_channels];
        Self(matches!(norms, NormSource::Batch { .. }).then(|| (zeros(), zeros())))
    }

    fn add(&mut self, norm: &Norm, mean: &[f64], squares: &[f64], count: usize, groups: usize) {
        let Some((means, vars)) = &mut self.0 else { return };
        for (i, place) in norm.running.clone().enumerate() {
            means[place] += mean[i] / groups as f64;
            vars[place] += squares[i] / (count as f64 - 1.0) / groups as f64;
        }
    }

    fn done<T: Real>(self) -> Option<(Vec<T>, Vec<T>)> {
        let narrow = |numbers: Vec<f64>| numbers.into_iter().map(T::of).collect();
        self.0.map(|(mean, var)| (narrow(mean), narrow(var)))
    }
}

struct Stem<'a, T> {
    plan: &'a Plan,
    weights: Packed<T>,
    bias: &'a [T],
}

impl<'a, T: Real> Stem<'a, T> {
    fn new(plan: &'a Plan, flat: &'a [T]) -> Self {
        Self { plan, weights: plan.stem.pack(flat), bias: &flat[plan.stem.bias.clone()] }
    }

    fn run(&self, window: &[T], scratch: &mut Scratch<T>, x: &mut [T]) {
        let stem = &self.plan.stem;
        turn(window, self.plan, &mut scratch.a);
        stem.forward(&scratch.a, &self.weights, self.plan.samples, Store::Bias(self.bias), x);
    }
}

/// `[channels, samples]` to a signal `[samples, channels]`, padded for the stem.
pub(super) fn turn<T: Real>(window: &[T], plan: &Plan, into: &mut Vec<T>) {
    let before = pad(plan.stem.kernel);
    padded(into, before, plan.samples, plan.channels);
    for (channel, samples) in window.chunks_exact(plan.samples).enumerate() {
        for (row, sample) in into[before * plan.channels..].chunks_exact_mut(plan.channels).zip(samples) {
            row[channel] = *sample;
        }
    }
}

/// `scratch.a` = ELU of the first norm, padded.
pub(super) fn activate_first<T: Real>(block: &Block, terms: &Terms<T>, x: &[T], scratch: &mut Scratch<T>) {
    let before = pad(block.first.kernel);
    padded(&mut scratch.a, before, block.time, block.first.input);
    terms.activate(x, &mut scratch.a[before * block.first.input..][..x.len()]);
}

/// `scratch.b` = ELU of the second norm, padded.
pub(super) fn activate_second<T: Real>(block: &Block, terms: &Terms<T>, middle: &[T], scratch: &mut Scratch<T>) {
    let before = pad(block.second.kernel);
    padded(&mut scratch.b, before, block.time, block.second.input);
    terms.activate(middle, &mut scratch.b[before * block.second.input..][..middle.len()]);
}

fn first_phase<T: Real>(block: &Block, weights: &BlockWeights<T>, scratch: &Scratch<T>, middle: &mut [T]) {
    block.first.forward(&scratch.a, &weights.first, block.time, Store::Bias(&weights.first_bias), middle);
}

struct Output<'a, T> {
    y: &'a mut [T],
    which: &'a mut [u8],
}

/// Skip and second convolution into one output, then the pool; `scratch.a` is filled.
fn second_phase<T: Real>(
    block: &Block,
    weights: &BlockWeights<T>,
    terms: &Terms<T>,
    middle: &[T],
    scratch: &mut Scratch<T>,
    output: Output<'_, T>,
) {
    activate_second(block, terms, middle, scratch);
    let Scratch { a, b, out, .. } = scratch;
    out.resize(block.middle_len(), T::ZERO);
    let target = if block.pooled { &mut out[..] } else { &mut *output.y };
    let unpadded = &a[pad(block.first.kernel) * block.first.input..];
    block.skip.forward(unpadded, &weights.skip, block.time, Store::Bias(&weights.out_bias), target);
    block.second.forward(b, &weights.second, block.time, Store::Add, target);
    if block.pooled {
        max_pool(out, block.second.output, output.y, output.which);
    }
}

/// ELU of the last norm, averaged over each bin.
fn average<T: Real>(plan: &Plan, terms: &Terms<T>, x: &[T], scratch: &mut Scratch<T>, embedding: &mut [T]) {
    let channels = plan.last_norm.channels;
    scratch.x.resize(x.len(), T::ZERO);
    terms.activate(x, &mut scratch.x);
    for (bin, range) in plan.bins.iter().enumerate() {
        for c in 0..channels {
            let sum: f64 = range.clone().map(|time| scratch.x[time * channels + c].wide()).sum();
            embedding[c * plan.bins.len() + bin] = T::of(sum / range.len() as f64);
        }
    }
}
