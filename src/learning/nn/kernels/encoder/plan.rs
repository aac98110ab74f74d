//! An encoder's table with every parameter's range of the flat vector.

use std::ops::Range;

use crate::learning::nn::kernels::convolution::Convolution;
use crate::learning::nn::{EncoderTable, Layout, LayoutEntry};

/// A norm: its weight, its bias, and its place among all norms' channels.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub(super) channels: usize,
    pub(super) weight: Range<usize>,
    pub(super) bias: Range<usize>,
    pub(super) running: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) first_norm: Norm,
    pub(super) skip: Convolution,
    pub(super) first: Convolution,
    pub(super) second_norm: Norm,
    pub(super) second: Convolution,
    /// Samples read.
    pub(super) time: usize,
    /// Samples written.
    pub(super) time_out: usize,
    pub(super) pooled: bool,
}

impl Block {
    pub(super) fn input_len(&self) -> usize {
        self.time * self.first.input
    }

    pub(super) fn middle_len(&self) -> usize {
        self.time * self.first.output
    }

    pub(super) fn output_len(&self) -> usize {
        self.time_out * self.second.output
    }

    /// Numbers of the pool's winners a sample; one unused number without a pool.
    pub(super) fn which_len(&self) -> usize {
        if self.pooled { self.output_len() } else { 1 }
    }
}

/// An encoder's table with every parameter's range of the flat vector.
#[derive(Debug, Clone)]
pub(in crate::learning::nn) struct Plan {
    pub(super) channels: usize,
    pub(super) samples: usize,
    pub(super) stem: Convolution,
    pub(super) blocks: Vec<Block>,
    pub(super) last_norm: Norm,
    pub(super) bins: Vec<Range<usize>>,
    pub(super) parameters: usize,
    pub(super) norm_channels: usize,
}

impl Plan {
    pub(in crate::learning::nn) fn new(table: &EncoderTable) -> Self {
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

    pub(in crate::learning::nn) fn dim(&self) -> usize {
        self.bins.len() * self.last_norm.channels
    }

    pub(super) fn last_len(&self) -> usize {
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
