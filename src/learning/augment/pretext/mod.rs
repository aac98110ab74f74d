//! View makers of pretext tasks: changed copies that an objective asks for by itself, beside the augmentation's views.

mod jigsaw;
mod permutations;
mod wafer;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::base::StreamKey;

use super::Source;

pub use jigsaw::Jigsaw;
pub use permutations::permutations;
pub use wafer::{WaferMap, WaferViews};

/// Makes the views of a pretext task. A view depends on its key and its source alone.
pub trait Pretext: Send + Sync {
    /// Samples of each view, for windows of `samples`; channels stay.
    fn lengths(&self, samples: usize) -> Vec<usize>;

    /// Writes the views of one window.
    ///
    /// # Shapes
    /// - `views`: as many as [`Pretext::lengths`] gives, `[channels, length]` each
    fn make(&self, source: &Source<'_>, key: StreamKey, views: &mut [ArrayViewMut2<'_, f32>]);
}

/// Brings `from` to the length of `into` by straight lines between samples; first and last sample stay.
///
/// # Shapes
/// Both `[channels, samples]`.
fn resample(from: ArrayView2<'_, f32>, mut into: ArrayViewMut2<'_, f32>) {
    let (old, new) = (from.ncols(), into.ncols());
    let step = if new > 1 { (old - 1) as f64 / (new - 1) as f64 } else { 0.0 };
    for t in 0..new {
        let place = t as f64 * step;
        let left = (place as usize).min(old - 1);
        let (right, share) = ((left + 1).min(old - 1), place - left as f64);
        for channel in 0..from.nrows() {
            let (a, b) = (f64::from(from[[channel, left]]), f64::from(from[[channel, right]]));
            into[[channel, t]] = (a + share * (b - a)) as f32;
        }
    }
}

#[cfg(test)]
mod tests;
