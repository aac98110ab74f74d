//! An encoder as a table of layers: the one description that executors and state_dict names read.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::error::NnError;
use super::layout::Layout;
use super::weights::{BatchStatistics, Weights};
use super::{Encoder, Mode, layers, ops};

/// Window and step of every max pool.
pub(super) const POOL: usize = 4;
/// Added to a variance before its root.
pub(super) const EPSILON: f64 = 1e-5;

/// A convolution over time: stride 1, bias, zero padding that keeps the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvolutionSpec {
    /// Channels read.
    pub input: usize,
    /// Channels written.
    pub output: usize,
    /// Taps, odd.
    pub kernel: usize,
}

/// A residual block: `a = elu(bn1(x))`, `skip(a) + conv2(elu(bn2(conv1(a))))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSpec {
    /// Channels read.
    pub input: usize,
    /// Channels inside and written.
    pub output: usize,
    /// Taps of both convolutions, odd; the skip has one.
    pub kernel: usize,
    /// Whether a max pool over 4 samples follows (the last `length % 4` samples are dropped).
    pub pooled: bool,
}

/// Stem, blocks with their pools, a last norm, average bins.
///
/// # Source
/// `cheng2020subject`, figures A.1 and A.2 as public code has them; last norm, bins and padding are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderTable {
    /// The registry's name.
    pub name: &'static str,
    /// Channels of a window.
    pub channels: usize,
    /// Samples of a window.
    pub samples: usize,
    /// The first convolution.
    pub stem: ConvolutionSpec,
    /// The blocks in order.
    pub blocks: Vec<BlockSpec>,
    /// Averages over time that make the embedding.
    pub bins: usize,
}

impl EncoderTable {
    /// Length of an embedding: `bins` averages of each last channel.
    pub fn dim(&self) -> usize {
        self.bins * self.last_channels()
    }

    /// Channels at the end.
    pub fn last_channels(&self) -> usize {
        self.blocks.last().map_or(self.stem.output, |block| block.output)
    }

    /// Samples at the input of each block, and at the last norm.
    pub fn lengths(&self) -> Vec<usize> {
        let mut lengths = vec![self.samples];
        for block in &self.blocks {
            let length = lengths[lengths.len() - 1];
            lengths.push(if block.pooled { length / POOL } else { length });
        }
        lengths
    }

    /// Samples of the shortest window: its pools leave one for each bin.
    pub fn shortest(&self) -> usize {
        self.blocks.iter().filter(|block| block.pooled).fold(self.bins, |samples, _| samples * POOL)
    }

    /// The samples that bin `bin` averages of `length`: overlapping where the bins do not divide it.
    pub fn bin_range(&self, bin: usize, length: usize) -> std::ops::Range<usize> {
        bin * length / self.bins..((bin + 1) * length).div_ceil(self.bins)
    }

    /// Parameters under their state_dict names, in PyTorch's order of modules.
    pub fn layout(&self) -> Layout {
        let mut layout = Layout::new();
        layout.push_affine("stem", &[self.stem.output, self.stem.input, self.stem.kernel]);
        for (i, block) in self.blocks.iter().enumerate() {
            layout.push_norm(&format!("blocks.{i}.bn1"), block.input);
            layout.push_affine(&format!("blocks.{i}.skip"), &[block.output, block.input, 1]);
            layout.push_affine(&format!("blocks.{i}.conv1"), &[block.output, block.input, block.kernel]);
            layout.push_norm(&format!("blocks.{i}.bn2"), block.output);
            layout.push_affine(&format!("blocks.{i}.conv2"), &[block.output, block.output, block.kernel]);
        }
        layout.push_norm("bn", self.last_channels());
        layout
    }

    fn check(&self, windows: &Tensor, mode: Mode) -> Result<(), NnError> {
        let &[n, channels, samples] = windows.dims() else { return Err(self.misfit(windows)) };
        if (channels, samples) != (self.channels, self.samples) {
            return Err(self.misfit(windows));
        }
        if let Mode::Train { norm_groups } = mode {
            if norm_groups == 0 || n % norm_groups != 0 {
                return Err(NnError::NormGroups { n, groups: norm_groups });
            }
            let (n, samples) = (n / norm_groups, self.lengths().last().copied().unwrap_or(samples));
            if n * samples <= 1 {
                return Err(NnError::NormTooSmall { n, samples });
            }
        }
        Ok(())
    }

    fn misfit(&self, windows: &Tensor) -> NnError {
        NnError::WindowShape { found: windows.dims().to_vec(), channels: self.channels, samples: self.samples }
    }
}

/// An internal channel count at another width: a multiple of 4, at least 4.
pub(super) fn scaled(channels: usize, width: f64) -> usize {
    let quarters = (channels as f64 * width / 4.0 + 0.5).floor();
    (4.0 * quarters).max(4.0) as usize
}

/// A table, its layout, and the executor that the device of the windows chooses.
pub(super) struct TableEncoder {
    table: EncoderTable,
    layout: Arc<Layout>,
}

impl TableEncoder {
    pub(super) fn boxed(table: EncoderTable) -> Box<dyn Encoder> {
        let layout = Arc::new(table.layout());
        Box::new(Self { table, layout })
    }
}

impl Encoder for TableEncoder {
    fn name(&self) -> &str {
        self.table.name
    }

    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn table(&self) -> &EncoderTable {
        &self.table
    }

    fn at_length(&self, samples: usize) -> Result<Box<dyn Encoder>, NnError> {
        let least = self.table.shortest();
        if samples < least {
            return Err(NnError::WindowTooShort { encoder: self.table.name, least, samples });
        }
        let table = EncoderTable { samples, ..self.table.clone() };
        Ok(Box::new(Self { table, layout: Arc::clone(&self.layout) }))
    }

    fn embed(&self, windows: &Tensor, weights: &Weights, mode: Mode) -> Result<(Tensor, BatchStatistics), NnError> {
        self.table.check(windows, mode)?;
        match windows.device() {
            Device::Cpu => ops::embed(&self.table, windows, weights, mode),
            Device::Cuda(_) | Device::Metal(_) => layers::embed(&self.table, windows, weights, mode),
        }
    }
}
