//! What a forward pass keeps, and what a thread works in.

use super::plan::Block;
use crate::learning::nn::kernels::convolution::Packed;
use crate::learning::nn::kernels::norm::Terms;
use crate::learning::nn::kernels::real::Real;

/// Where norms take their statistics from.
#[derive(Debug, Clone, Copy)]
pub(in crate::learning::nn) enum NormSource<'a, T> {
    /// The batch, in this many groups of consecutive samples.
    Batch { groups: usize },
    /// Running mean and variance of all norms.
    Running { mean: &'a [T], var: &'a [T] },
}

/// What a forward pass keeps for its backward.
pub(in crate::learning::nn) struct Tape<T> {
    pub(super) blocks: Vec<BlockTape<T>>,
    pub(super) last: Vec<T>,
    pub(super) last_terms: NormTerms<T>,
}

pub(super) struct BlockTape<T> {
    pub(super) x: Vec<T>,
    pub(super) first_terms: NormTerms<T>,
    pub(super) middle: Vec<T>,
    pub(super) second_terms: NormTerms<T>,
    pub(super) which: Vec<u8>,
}

/// A norm's terms: one a group of the batch, or one for all.
pub(super) struct NormTerms<T> {
    pub(super) groups: Vec<Terms<T>>,
    /// Samples in a group.
    pub(super) group: usize,
    /// Values a channel behind the statistics of a group; `None` with running statistics.
    pub(super) count: Option<usize>,
}

impl<T> NormTerms<T> {
    pub(super) fn of(&self, sample: usize) -> &Terms<T> {
        &self.groups[sample / self.group]
    }
}

/// Buffers of one thread.
pub(super) struct Scratch<T> {
    /// ELU of the first norm, padded.
    pub(super) a: Vec<T>,
    /// ELU of the second norm, padded.
    pub(super) b: Vec<T>,
    /// The block's output before its pool, or a padded gradient of it.
    pub(super) out: Vec<T>,
    /// A padded gradient of the first convolution's output.
    pub(super) middle: Vec<T>,
    /// A gradient behind a norm, before it is spread over a pool.
    pub(super) pooled: Vec<T>,
    /// A gradient on its way to the embedding's bins.
    pub(super) x: Vec<T>,
}

impl<T> Scratch<T> {
    pub(super) fn new() -> Self {
        Self { a: Vec::new(), b: Vec::new(), out: Vec::new(), middle: Vec::new(), pooled: Vec::new(), x: Vec::new() }
    }
}

/// A block's weights, packed for the forward pass.
pub(super) struct BlockWeights<T> {
    pub(super) skip: Packed<T>,
    pub(super) first: Packed<T>,
    pub(super) first_bias: Vec<T>,
    pub(super) second: Packed<T>,
    /// Biases of skip and second convolution together: they are added to the same output.
    pub(super) out_bias: Vec<T>,
}

impl<T: Real> BlockWeights<T> {
    pub(super) fn new(block: &Block, flat: &[T]) -> Self {
        let out_bias = flat[block.skip.bias.clone()].iter().zip(&flat[block.second.bias.clone()]);
        Self {
            skip: block.skip.pack(flat),
            first: block.first.pack(flat),
            first_bias: flat[block.first.bias.clone()].to_vec(),
            second: block.second.pack(flat),
            out_bias: out_bias.map(|(skip, second)| *skip + *second).collect(),
        }
    }
}
