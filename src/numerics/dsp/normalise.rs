//! Mean, deviation, scaling, average reference.

use ndarray::{ArrayViewMut1, ArrayViewMut2, Axis};

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

/// Scales a whole signal by its own mean and population deviation: it looks ahead. Missing values (NaN) are passed
/// over; a flat signal becomes zeros.
pub fn scale_whole(mut signal: ArrayViewMut1<'_, f64>) {
    let (mean, sd) = moments(signal.iter().copied());
    scale_by(&mut signal, mean, sd);
}

/// Scales a signal by running mean and variance, `a = 1 - exp(-1 / (tau rate))`: it looks back only. Both start as
/// those of the first second, which is scaled by them throughout. Missing values (NaN) leave them as they are.
///
/// # Source
/// Exponentially weighted moments: West, "Updating mean and variance estimates", CACM 22(9), 1979.
pub fn scale_causal(mut signal: ArrayViewMut1<'_, f64>, rate_hz: f64, tau_s: f64) {
    let warm_up = ((rate_hz + 0.5).floor() as usize).max(1).min(signal.len());
    let (mut head, tail) = signal.view_mut().split_at(Axis(0), warm_up);
    let (mut mean, sd) = moments(head.iter().copied());
    let mut variance = sd * sd;
    scale_by(&mut head, mean, sd);
    let a = 1.0 - (-1.0 / (tau_s * rate_hz)).exp();
    for x in tail {
        if x.is_finite() {
            let from_mean = *x - mean;
            mean += a * from_mean;
            variance = (1.0 - a) * (variance + a * from_mean * from_mean);
        }
        *x = scaled(*x, mean, variance.sqrt());
    }
}

fn scale_by(signal: &mut ArrayViewMut1<'_, f64>, mean: f64, sd: f64) {
    signal.iter_mut().for_each(|x| *x = scaled(*x, mean, sd));
}

/// A missing value stays missing.
fn scaled(x: f64, mean: f64, sd: f64) -> f64 {
    match sd {
        _ if !x.is_finite() => f64::NAN,
        sd if sd < FLAT => 0.0,
        sd => (x - mean) / sd,
    }
}

/// Mean and population deviation of what is there, in two passes.
fn moments(signal: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let there = signal.filter(|x| x.is_finite());
    let n = there.clone().count().max(1) as f64;
    let mean = there.clone().sum::<f64>() / n;
    (mean, (there.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt())
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
    fn whole_signal_is_scaled_around_its_gaps() {
        let mut signal = array![1.0, f64::NAN, 2.0, 3.0, 4.0];
        scale_whole(signal.view_mut());
        let sd = 1.25_f64.sqrt();
        assert!((signal[0] + 1.5 / sd).abs() < 1e-12 && (signal[4] - 1.5 / sd).abs() < 1e-12 && signal[1].is_nan());
    }

    #[test]
    fn causal_scaling_follows_the_recursion_and_looks_back_only() {
        let given: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.7).sin() + f64::from(i / 20)).collect();
        let (rate_hz, tau_s) = (10.0, 2.0);
        let mut whole = ndarray::Array1::from(given.clone());
        scale_causal(whole.view_mut(), rate_hz, tau_s);
        let mut part = ndarray::Array1::from(given[..35].to_vec());
        scale_causal(part.view_mut(), rate_hz, tau_s);
        assert_eq!(part, whole.slice(ndarray::s![..35]));
        // The first second by its own moments; then one step by hand.
        let mean = given[..10].iter().sum::<f64>() / 10.0;
        let variance = given[..10].iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 10.0;
        assert!((whole[3] - (given[3] - mean) / variance.sqrt()).abs() < 1e-12);
        let a = 1.0 - (-1.0_f64 / 20.0).exp();
        let (m, d) = (mean + a * (given[10] - mean), given[10] - mean);
        let v = (1.0 - a) * (variance + a * d * d);
        assert!((whole[10] - (given[10] - m) / v.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn flat_and_short_signals_become_zeros() {
        for n in [0, 1, 7, 40] {
            let mut signal = ndarray::Array1::from_elem(n, 3.0);
            scale_causal(signal.view_mut(), 10.0, 10.0);
            assert!(signal.iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn average_reference_leaves_the_differences_between_channels() {
        let mut signal = array![[1.0, 5.0], [2.0, 7.0], [6.0, 0.0]];
        average_reference(signal.view_mut());
        assert_eq!(signal, array![[-2.0, 1.0], [-1.0, 3.0], [3.0, -4.0]]);
    }
}
