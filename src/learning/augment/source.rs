//! What a view is made from: a stored row, the place of the nominal window in it, and what else transforms may look at.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, s};

use crate::base::{NormalTable, Stream};
use crate::numerics::dsp::Moments;

/// What all windows of a run have in common besides their channels, as far as transforms care.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Samples per second.
    pub rate_hz: f64,
    /// Samples that the store keeps on each side of a stretch.
    pub margin: usize,
    /// Samples of a window.
    pub length: usize,
}

/// One window and its surroundings.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The whole stored row, `[channels, stored samples]`, as stored.
    pub stored: ArrayView2<'a, f32>,
    /// First sample of the nominal window within `stored`.
    pub start: usize,
    /// Samples of the window.
    pub length: usize,
    /// Real samples of the same recording and role before the nominal window.
    pub earlier: usize,
    /// Real samples of the same recording and role after the nominal window.
    pub later: usize,
    /// Normalisation constants of the nominal window; a delayed view keeps them.
    pub scale: &'a Scale,
    /// Where a second window comes from.
    pub partners: &'a dyn Partners,
    /// Standard normals of the run's seed.
    pub normals: &'a NormalTable,
}

impl Source<'_> {
    /// Writes the normalised samples that begin `delay` samples before the nominal window.
    ///
    /// # Panics
    /// When the stored row does not reach that far.
    pub fn read(&self, delay: isize, into: ArrayViewMut2<'_, f32>) {
        let first = self.start.checked_add_signed(-delay).expect("delays are clipped to the stored row");
        self.scale.write(self.stored.slice(s![.., first..first + self.length]), into);
    }
}

/// Where a transform finds a second window.
pub trait Partners: Sync {
    /// Draws another window with `stream` and writes its normalised nominal samples.
    ///
    /// # Shapes
    /// `into`: `[channels, samples]`.
    fn draw(&self, stream: &mut Stream, into: ArrayViewMut2<'_, f32>);
}

/// Normalisation constants, one pair a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale(Vec<Moments>);

impl Scale {
    /// Leaves samples as they are.
    pub fn identity(channels: usize) -> Self {
        Self(vec![Moments { mean: 0.0, sd: 1.0 }; channels])
    }

    /// Brings each channel of `window` to mean 0 and population standard deviation 1; a flat one to zeros.
    ///
    /// # Shapes
    /// `window`: `[channels, samples]`, the nominal window.
    pub fn of_window(window: ArrayView2<'_, f32>) -> Self {
        Self(window.rows().into_iter().map(moments).collect())
    }

    /// One sample of a channel, scaled.
    pub fn apply(&self, channel: usize, x: f32) -> f32 {
        self.0[channel].scaled(x)
    }

    /// Writes `from`, scaled.
    ///
    /// # Shapes
    /// Both `[channels, samples]`.
    pub fn write(&self, from: ArrayView2<'_, f32>, mut into: ArrayViewMut2<'_, f32>) {
        for ((moments, from), mut into) in self.0.iter().zip(from.rows()).zip(into.rows_mut()) {
            into.zip_mut_with(&from, |into, x| *into = moments.scaled(*x));
        }
    }
}

/// Mean and deviation of one channel.
pub(super) fn moments(channel: ArrayView1<'_, f32>) -> Moments {
    match channel.as_slice() {
        Some(samples) => Moments::of(samples),
        None => Moments::of(&channel.to_vec()),
    }
}
