//! Max pool over four samples, and averages over time.

use super::real::{Real, run};
use super::vector::Job;
use crate::learning::nn::encoder::POOL;

/// Maximum of each channel over four samples, and which of them it was: the first of equal ones, as PyTorch. A NaN
/// wins.
pub(super) fn max_pool<T: Real>(x: &[T], channels: usize, out: &mut [T], which: &mut [u8]) {
    run(MaxPool { x, channels, out, which });
}

struct MaxPool<'a, T> {
    x: &'a [T],
    channels: usize,
    out: &'a mut [T],
    which: &'a mut [u8],
}

impl<T: Real> Job for MaxPool<'_, T> {
    #[inline(always)]
    #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
    fn run(self) {
        let channels = self.channels;
        let quads = self.x.chunks_exact(POOL * channels);
        for ((x, out), which) in
            quads.zip(self.out.chunks_exact_mut(channels)).zip(self.which.chunks_exact_mut(channels))
        {
            out.copy_from_slice(&x[..channels]);
            which.fill(0);
            for place in 1..POOL {
                let x = &x[place * channels..][..channels];
                for c in 0..channels {
                    let better = x[c] > out[c] || x[c] != x[c];
                    out[c] = if better { x[c] } else { out[c] };
                    which[c] = if better { place as u8 } else { which[c] };
                }
            }
        }
    }
}

/// Spreads a pooled gradient to the samples that won. `out` has rows of `width` numbers and is all zeros.
pub(super) fn spread<T: Real>(gradient: &[T], which: &[u8], channels: usize, width: usize, out: &mut [T]) {
    for (row, (gradient, which)) in gradient.chunks_exact(channels).zip(which.chunks_exact(channels)).enumerate() {
        let out = &mut out[row * POOL * width..][..POOL * width];
        for (c, (gradient, which)) in gradient.iter().zip(which).enumerate() {
            out[usize::from(*which) * width + c] = *gradient;
        }
    }
}
