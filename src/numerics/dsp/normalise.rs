//! Mean, deviation, scaling, average reference.

use ndarray::{ArrayViewMut2, Axis};

/// A deviation below this is a flat signal: scaling gives zeros.
const FLAT: f64 = 1e-12;

/// Mean and population standard deviation of a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Population standard deviation.
    pub sd: f64,
}

impl Moments {
    /// Of a signal, in f64 and in two passes; an empty one has mean and deviation 0.
    pub fn of(signal: &[f32]) -> Self {
        let n = signal.len().max(1) as f64;
        let mean = sum(signal, |x| x) / n;
        let variance = sum(signal, |x| (x - mean) * (x - mean)) / n;
        Self { mean, sd: variance.sqrt() }
    }

    /// `(x - mean) / sd`; zero when the signal was flat.
    pub fn scaled(&self, x: f32) -> f32 {
        if self.sd < FLAT { 0.0 } else { ((f64::from(x) - self.mean) / self.sd) as f32 }
    }

    /// Scales a signal in place. It may be another one than the moments are of: a delayed window is scaled by the
    /// moments of the nominal one.
    pub fn scale(&self, signal: &mut [f32]) {
        for x in signal {
            *x = self.scaled(*x);
        }
    }
}

/// Sums in eight lanes: a single running sum is a chain of dependent additions and several times as slow.
fn sum(signal: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0; LANES];
    let chunks = signal.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|&x| term(f64::from(x))).sum();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += term(f64::from(x));
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Subtracts from every channel the mean over the channels, sample by sample; the rank drops by one.
///
/// # Shapes
/// `[channels, samples]`
pub fn average_reference(mut signal: ArrayViewMut2<'_, f64>) {
    if let Some(mean) = signal.mean_axis(Axis(0)) {
        for mut channel in signal.axis_iter_mut(Axis(0)) {
            channel -= &mean;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn scaled_window_has_mean_zero_and_deviation_one() {
        let mut signal: Vec<f32> = (0..97).map(|i| (i as f32 * 0.3).sin() * 4.0 + 1000.0).collect();
        Moments::of(&signal).scale(&mut signal);
        let scaled = Moments::of(&signal);
        assert!(scaled.mean.abs() < 1e-6 && (scaled.sd - 1.0).abs() < 1e-6, "{scaled:?}");
    }

    #[test]
    fn moments_are_those_of_the_population() {
        assert_eq!(Moments::of(&[1.0, 2.0, 3.0, 4.0]), Moments { mean: 2.5, sd: 1.25_f64.sqrt() });
    }

    #[test]
    fn flat_window_becomes_zeros() {
        let mut signal = [0.1_f32; 50];
        Moments::of(&signal).scale(&mut signal);
        assert_eq!(signal, [0.0; 50]);
    }

    #[test]
    fn average_reference_leaves_the_differences_between_channels() {
        let mut signal = array![[1.0, 5.0], [2.0, 7.0], [6.0, 0.0]];
        average_reference(signal.view_mut());
        assert_eq!(signal, array![[-2.0, 1.0], [-1.0, 3.0], [3.0, -4.0]]);
    }
}
