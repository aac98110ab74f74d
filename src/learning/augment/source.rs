//! What a view is made from: a stored row, the place of the nominal window in it, and what else transforms may look at.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::base::{NormalTable, Stream};

/// What all windows of a run have in common, as far as transforms care.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Labels of the channels.
    pub channels: &'a [String],
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
    pub fn read(&self, delay: isize, mut into: ArrayViewMut2<'_, f32>) {
        let first = self.start.checked_add_signed(-delay).expect("delays are clipped to the stored row");
        for (channel, mut out) in into.rows_mut().into_iter().enumerate() {
            let stored = self.stored.row(channel);
            for (out, x) in out.iter_mut().zip(stored.iter().skip(first).take(self.length)) {
                *out = self.scale.apply(channel, *x);
            }
        }
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
pub struct Scale {
    mean: Vec<f64>,
    factor: Vec<f64>,
}

impl Scale {
    /// A standard deviation below this is a dead channel: it becomes zeros.
    const LEAST_DEVIATION: f64 = 1e-12;

    /// Leaves samples as they are.
    pub fn identity(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], factor: vec![1.0; channels] }
    }

    /// Brings each channel of `window` to mean 0 and population standard deviation 1.
    ///
    /// # Shapes
    /// `window`: `[channels, samples]`, the nominal window.
    pub fn of_window(window: ArrayView2<'_, f32>) -> Self {
        let (mut mean, mut factor) = (Vec::new(), Vec::new());
        for channel in window.rows() {
            let (m, deviation) = mean_and_deviation(channel.iter());
            mean.push(m);
            factor.push(if deviation < Self::LEAST_DEVIATION { 0.0 } else { 1.0 / deviation });
        }
        Self { mean, factor }
    }

    /// One sample of a channel, scaled.
    pub fn apply(&self, channel: usize, x: f32) -> f32 {
        ((f64::from(x) - self.mean[channel]) * self.factor[channel]) as f32
    }
}

/// Mean and population standard deviation in f64.
pub(super) fn mean_and_deviation<'a>(samples: impl ExactSizeIterator<Item = &'a f32> + Clone) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = samples.clone().map(|x| f64::from(*x)).sum::<f64>() / n;
    let variance = samples.map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}
