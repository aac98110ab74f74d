//! The whole encoder: what is kept between forward and backward, and where everything lies.
//!
//! A block runs in two phases over the samples, parted by the statistics of its second norm. Only the inputs of norms
//! are kept (`x` of each block, the output of its first convolution, the last `x`): what lies between, ELU included,
//! is computed again in a buffer that stays in cache, which costs less than reading it back from memory.

mod backward;
mod forward;

use std::ops::Range;

pub(in super::super) use backward::backward;
pub(in super::super) use forward::{Taken, forward};

use super::convolution::{Convolution, Packed};
use super::norm::Terms;
use super::real::Real;
use crate::learning::nn::{EncoderTable, Layout, LayoutEntry};

/// A norm: its weight, its bias, and its place among all norms' channels.
#[derive(Debug, Clone)]
struct Norm {
    channels: usize,
    weight: Range<usize>,
    bias: Range<usize>,
    running: Range<usize>,
}

#[derive(Debug, Clone)]
struct Block {
    first_norm: Norm,
    skip: Convolution,
    first: Convolution,
    second_norm: Norm,
    second: Convolution,
    /// Samples read.
    time: usize,
    /// Samples written.
    time_out: usize,
    pooled: bool,
}

impl Block {
    fn input_len(&self) -> usize {
        self.time * self.first.input
    }

    fn middle_len(&self) -> usize {
        self.time * self.first.output
    }

    fn output_len(&self) -> usize {
        self.time_out * self.second.output
    }

    /// Numbers of the pool's winners a sample; one unused number without a pool.
    fn which_len(&self) -> usize {
        if self.pooled { self.output_len() } else { 1 }
    }
}

/// An encoder's table with every parameter's range of the flat vector.
#[derive(Debug, Clone)]
pub(in super::super) struct Plan {
    channels: usize,
    samples: usize,
    stem: Convolution,
    blocks: Vec<Block>,
    last_norm: Norm,
    bins: Vec<Range<usize>>,
    parameters: usize,
    norm_channels: usize,
}

impl Plan {
    pub(in super::super) fn new(table: &EncoderTable) -> Self {
        let layout = table.layout();
        let mut places = Places { entries: layout.entries().iter(), layout: &layout, norm: 0 };
        let lengths = table.lengths();
        let stem = places.convolution(table.stem.input, table.stem.output, table.stem.kernel);
        let blocks = table
            .blocks
            .iter()
            .zip(lengths.windows(2))
            .map(|(block, lengths)| Block {
                first_norm: places.norm(),
                skip: places.convolution(block.input, block.output, 1),
                first: places.convolution(block.input, block.output, block.kernel),
                second_norm: places.norm(),
                second: places.convolution(block.output, block.output, block.kernel),
                time: lengths[0],
                time_out: lengths[1],
                pooled: block.pooled,
            })
            .collect();
        let last = lengths[lengths.len() - 1];
        Self {
            channels: table.channels,
            samples: table.samples,
            stem,
            blocks,
            last_norm: places.norm(),
            bins: (0..table.bins).map(|bin| table.bin_range(bin, last)).collect(),
            parameters: layout.len(),
            norm_channels: layout.norm_channels(),
        }
    }

    pub(in super::super) fn dim(&self) -> usize {
        self.bins.len() * self.last_norm.channels
    }

    fn last_len(&self) -> usize {
        self.blocks.last().map_or(self.samples * self.stem.output, Block::output_len)
    }
}

/// Walks through a layout in its order.
struct Places<'a> {
    entries: std::slice::Iter<'a, LayoutEntry>,
    layout: &'a Layout,
    norm: usize,
}

impl Places<'_> {
    fn range(&mut self) -> Range<usize> {
        self.entries.next().expect("the layout is made from the same table").range()
    }

    fn convolution(&mut self, input: usize, output: usize, kernel: usize) -> Convolution {
        Convolution { input, output, kernel, weight: self.range(), bias: self.range() }
    }

    fn norm(&mut self) -> Norm {
        let entry = &self.layout.norms()[self.norm];
        self.norm += 1;
        let running = entry.offset..entry.offset + entry.channels;
        Norm { channels: entry.channels, weight: self.range(), bias: self.range(), running }
    }
}

/// Where norms take their statistics from.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum NormSource<'a, T> {
    /// The batch, in this many groups of consecutive samples.
    Batch { groups: usize },
    /// Running mean and variance of all norms.
    Running { mean: &'a [T], var: &'a [T] },
}

/// What a forward pass keeps for its backward.
pub(in super::super) struct Tape<T> {
    blocks: Vec<BlockTape<T>>,
    last: Vec<T>,
    last_terms: NormTerms<T>,
}

struct BlockTape<T> {
    x: Vec<T>,
    first_terms: NormTerms<T>,
    middle: Vec<T>,
    second_terms: NormTerms<T>,
    which: Vec<u8>,
}

/// A norm's terms: one a group of the batch, or one for all.
struct NormTerms<T> {
    groups: Vec<Terms<T>>,
    /// Samples in a group.
    group: usize,
    /// Values a channel behind the statistics of a group; `None` with running statistics.
    count: Option<usize>,
}

impl<T> NormTerms<T> {
    fn of(&self, sample: usize) -> &Terms<T> {
        &self.groups[sample / self.group]
    }
}

/// Buffers of one thread.
struct Scratch<T> {
    /// ELU of the first norm, padded.
    a: Vec<T>,
    /// ELU of the second norm, padded.
    b: Vec<T>,
    /// The block's output before its pool, or a padded gradient of it.
    out: Vec<T>,
    /// A padded gradient of the first convolution's output.
    middle: Vec<T>,
    /// A gradient behind a norm, before it is spread over a pool.
    pooled: Vec<T>,
    /// A gradient on its way to the embedding's bins.
    x: Vec<T>,
}

impl<T> Scratch<T> {
    fn new() -> Self {
        Self { a: Vec::new(), b: Vec::new(), out: Vec::new(), middle: Vec::new(), pooled: Vec::new(), x: Vec::new() }
    }
}

/// A block's weights, packed for the forward pass.
struct BlockWeights<T> {
    skip: Packed<T>,
    first: Packed<T>,
    first_bias: Vec<T>,
    second: Packed<T>,
    /// Biases of skip and second convolution together: they are added to the same output.
    out_bias: Vec<T>,
}

impl<T: Real> BlockWeights<T> {
    fn new(block: &Block, flat: &[T]) -> Self {
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
