//! Polyphase resampling by a ratio of whole numbers.
//!
//! The low-pass filter is cut into one short filter a phase, so that only the samples that are kept are computed, and
//! none of the zeros between the samples of a signal of the higher rate.

use std::f64::consts::PI;

use super::error::DspError;

/// Zero crossings of the filter on each side, in periods of the lower rate.
const CROSSINGS: usize = 10;
/// Shape of the Kaiser window.
const BETA: f64 = 5.0;
/// The filter has twenty times as many taps; rates that need more have no ratio worth the name.
const LARGEST_TERM: u64 = 20_000;

/// A ratio of two sampling rates, reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    up: u64,
    down: u64,
}

impl Ratio {
    /// How many samples at `to_hz` there are for so many at `from_hz`.
    ///
    /// # Errors
    /// [`DspError::Ratio`] when a rate is not positive, or no ratio of whole numbers up to 20,000 equals theirs.
    ///
    /// ```
    /// let ratio = biossl::numerics::dsp::Ratio::of_rates(360.0, 128.0).unwrap();
    /// assert_eq!((ratio.up(), ratio.down()), (16, 45));
    /// ```
    pub fn of_rates(from_hz: f64, to_hz: f64) -> Result<Self, DspError> {
        let none = DspError::Ratio { from_hz, to_hz };
        let (Some((to_n, to_d)), Some((from_n, from_d))) = (fraction(to_hz), fraction(from_hz)) else {
            return Err(none);
        };
        let (up, down) = (u128::from(to_n) * u128::from(from_d), u128::from(to_d) * u128::from(from_n));
        let divisor = gcd(up, down);
        let term = |n: u128| u64::try_from(n / divisor).ok().filter(|&n| n <= LARGEST_TERM);
        match (term(up), term(down)) {
            (Some(up), Some(down)) => Ok(Self { up, down }),
            _ => Err(none),
        }
    }

    /// Samples afterwards.
    pub fn up(self) -> u64 {
        self.up
    }

    /// For so many before.
    pub fn down(self) -> u64 {
        self.down
    }

    /// Whether the rates are equal.
    pub fn is_one(self) -> bool {
        self.up == self.down
    }

    /// Where a sample of the one rate lies at the other: `floor(sample up / down + 1/2)`.
    pub fn index(self, sample: i64) -> i64 {
        let (up, down) = (i128::from(self.up), i128::from(self.down));
        let index = (2 * i128::from(sample) * up + down).div_euclid(2 * down);
        index.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    /// Length of what becomes of `samples`: `ceil(samples up / down)`.
    pub fn length(self, samples: usize) -> usize {
        (samples as u128 * u128::from(self.up)).div_ceil(u128::from(self.down)) as usize
    }
}

/// The simplest fraction that is a rate to the last digits of a float.
fn fraction(rate_hz: f64) -> Option<(u64, u64)> {
    const LARGEST: f64 = 1e9;
    if !(rate_hz > 1.0 / LARGEST && rate_hz < LARGEST) {
        return None;
    }
    let ((mut n, mut n_before), (mut d, mut d_before)) = ((rate_hz.floor(), 1.0), (1.0, 0.0));
    let mut rest = rate_hz - rate_hz.floor();
    while (n / d - rate_hz).abs() > 4.0 * f64::EPSILON * rate_hz {
        let term = (1.0 / rest).floor();
        rest = 1.0 / rest - term;
        (n, n_before) = (term * n + n_before, n);
        (d, d_before) = (term * d + d_before, d);
        if n > LARGEST || d > LARGEST {
            return None;
        }
    }
    Some((n as u64, d as u64))
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What a signal is taken to be before its first and after its last sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The straight line through its first and last sample; a signal of one sample is constant.
    Line,
    /// Zero.
    Zero,
}

/// Changes the rate of signals by a ratio; made once, used for any number of them.
#[derive(Debug, Clone)]
pub struct Resampler {
    ratio: Ratio,
    /// Samples that a filter of one phase looks back.
    back: usize,
    /// Samples that it looks at.
    width: usize,
    /// `[up, width]`, each phase's taps in the order of the samples.
    taps: Vec<f64>,
}

impl Resampler {
    /// For a ratio.
    ///
    /// # Source
    /// SciPy `signal.resample_poly(x, up, down)` with its Kaiser window of 5.
    pub fn new(ratio: Ratio) -> Self {
        let (up, down) = (ratio.up as usize, ratio.down as usize);
        let half = CROSSINGS * up.max(down);
        let filter = low_pass(up.max(down), up);
        let back = half / up;
        let width = 2 * back + 2;
        let tap = |phase: usize, i: usize| {
            // Sample `i` of the phase lies so far after the output, in steps of the common rate.
            let at = (phase + back * up) as i64 - (i * up) as i64;
            filter.get(usize::try_from(at + half as i64).ok()?).copied()
        };
        let taps = (0..up).flat_map(|phase| (0..width).map(move |i| tap(phase, i).unwrap_or(0.0))).collect();
        Self { ratio, back, width, taps }
    }

    /// The ratio.
    pub fn ratio(&self) -> Ratio {
        self.ratio
    }

    /// A whole signal at the other rate: `ceil(n up / down)` samples.
    pub fn resample(&self, signal: &[f64], ends: Ends) -> Vec<f64> {
        self.outputs(signal, ends, 0, self.ratio.length(signal.len()))
    }

    /// A piece that begins at sample `first` of a recording: the samples of the recording at the other rate that lie
    /// within it, and the first one's place. Whole recordings and their pieces share one grid.
    pub fn piece(&self, piece: &[f64], first: usize, ends: Ends) -> (usize, Vec<f64>) {
        let (up, down) = (self.ratio.up, self.ratio.down);
        let begin = (first as u64 * up).div_ceil(down);
        // Past the piece's last sample there is nothing to go by.
        let end = ((first + piece.len()) as u64).saturating_sub(1) * up / down + 1;
        let (begin, n) = (begin as usize, end.saturating_sub(begin) as usize);
        let n = if piece.is_empty() { 0 } else { n };
        (begin, self.outputs(piece, ends, begin as u64 * down - first as u64 * up, n))
    }

    /// `n` outputs, the first `offset` steps of the common rate after the first sample.
    fn outputs(&self, signal: &[f64], ends: Ends, offset: u64, n: usize) -> Vec<f64> {
        let extended = self.extended(signal, ends);
        let (up, down) = (self.ratio.up as usize, self.ratio.down as usize);
        let (mut at, mut phase) = ((offset / self.ratio.up) as usize, (offset % self.ratio.up) as usize);
        let mut outputs = Vec::with_capacity(n);
        for _ in 0..n {
            let taps = &self.taps[phase * self.width..(phase + 1) * self.width];
            outputs.push(dot(taps, &extended[at..at + self.width]));
            phase += down;
            (at, phase) = (at + phase / up, phase % up);
        }
        outputs
    }

    /// The signal with as many samples before and after it as the first and last output look at.
    fn extended(&self, signal: &[f64], ends: Ends) -> Vec<f64> {
        let n = signal.len();
        let (first, last) = (signal.first().copied().unwrap_or(0.0), signal.last().copied().unwrap_or(0.0));
        let slope = if n > 1 { (last - first) / (n - 1) as f64 } else { 0.0 };
        let outside = |k: f64| match ends {
            Ends::Line => first + k * slope,
            Ends::Zero => 0.0,
        };
        let mut extended = Vec::with_capacity(n + self.width);
        extended.extend((1..=self.back).rev().map(|k| outside(-(k as f64))));
        extended.extend_from_slice(signal);
        extended.extend((n..n + self.width - self.back).map(|k| outside(k as f64)));
        extended
    }
}

/// Taps of the filter, at the common rate, `CROSSINGS largest` on each side of the middle.
fn low_pass(largest: usize, up: usize) -> Vec<f64> {
    let half = (CROSSINGS * largest) as f64;
    let tap = |i: usize| {
        let x = (i as f64 - half) / largest as f64;
        let sinc = if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        let along = (i as f64 - half) / half;
        sinc / largest as f64 * bessel_i0(BETA * (1.0 - along * along).max(0.0).sqrt()) / bessel_i0(BETA)
    };
    let taps: Vec<f64> = (0..=2 * CROSSINGS * largest).map(tap).collect();
    let scale = up as f64 / taps.iter().sum::<f64>();
    taps.into_iter().map(|tap| tap * scale).collect()
}

/// Modified Bessel function of the first kind, order 0, by its series: small arguments only.
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > f64::EPSILON * 0.01 * sum {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

/// In four lanes: a single running sum is a chain of dependent additions.
fn dot(one: &[f64], other: &[f64]) -> f64 {
    const LANES: usize = 4;
    let mut lanes = [0.0; LANES];
    let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in ones.zip(others) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampler(from_hz: f64, to_hz: f64) -> Resampler {
        Resampler::new(Ratio::of_rates(from_hz, to_hz).unwrap())
    }

    #[test]
    fn rates_are_reduced_as_fractions() {
        for (from_hz, to_hz, up, down) in [
            (360.0, 128.0, 16, 45),
            (128.0, 360.0, 45, 16),
            (250.0, 160.0, 16, 25),
            (257.0, 100.0, 100, 257),
            (99.5, 199.0, 2, 1),
            (1280.0 / 3.0, 128.0, 3, 10),
            (1.0 / 0.3, 10.0, 3, 1),
            (125.0, 125.0, 1, 1),
        ] {
            assert_eq!(Ratio::of_rates(from_hz, to_hz), Ok(Ratio { up, down }), "{from_hz} to {to_hz}");
        }
    }

    #[test]
    fn rates_without_a_small_ratio_are_refused() {
        for (from_hz, to_hz) in
            [(0.0, 100.0), (f64::NAN, 1.0), (-5.0, 5.0), (160.00009, 160.0), (1e12, 1.0), (1.0, 50_000.0)]
        {
            assert!(matches!(Ratio::of_rates(from_hz, to_hz), Err(DspError::Ratio { .. })), "{from_hz} to {to_hz}");
        }
    }

    #[test]
    fn places_are_rounded_half_up_and_lengths_up() {
        let ratio = Ratio { up: 1, down: 2 };
        assert_eq!([-3, -2, -1, 0, 1, 2, 3].map(|i| ratio.index(i)), [-1, -1, 0, 0, 1, 1, 2]);
        assert_eq!([0, 1, 2, 3].map(|n| ratio.length(n)), [0, 1, 1, 2]);
        assert_eq!(Ratio { up: 45, down: 16 }.index(8), 23);
    }

    #[test]
    fn one_sample_is_constant_and_a_constant_stays() {
        for (from_hz, to_hz) in [(128.0, 360.0), (360.0, 128.0), (11.0, 7.0)] {
            for n in [1, 2, 50] {
                for value in resampler(from_hz, to_hz).resample(&vec![5.0; n], Ends::Line) {
                    assert!((value - 5.0).abs() < 5e-3, "{value}");
                }
            }
        }
    }

    #[test]
    fn slow_tone_keeps_its_shape() {
        let tone = |hz: f64, rate_hz: f64| move |i: usize| (2.0 * PI * hz * i as f64 / rate_hz).sin();
        let given = resampler(360.0, 128.0).resample(&(0..3600).map(tone(5.0, 360.0)).collect::<Vec<_>>(), Ends::Line);
        assert_eq!(given.len(), 1280);
        for (i, value) in given.iter().enumerate().take(1200).skip(80) {
            assert!((value - tone(5.0, 128.0)(i)).abs() < 2e-3, "{i}");
        }
    }

    #[test]
    fn pieces_share_the_grid_of_the_whole() {
        let signal: Vec<f64> = (0..400).map(|i| (f64::from(i) * 0.05).sin()).collect();
        let resampler = resampler(250.0, 160.0);
        let whole = resampler.resample(&signal, Ends::Line);
        let (first, piece) = resampler.piece(&signal[101..303], 101, Ends::Line);
        assert_eq!((first, piece.len()), (65, 129));
        for (i, value) in piece.iter().enumerate().take(110).skip(20) {
            assert!((value - whole[first + i]).abs() < 1e-12, "{i}");
        }
        assert_eq!(resampler.piece(&signal[..0], 7, Ends::Line).1, Vec::<f64>::new());
        assert_eq!(resampler.piece(&signal[..1], 25, Ends::Line).1.len(), 1);
        assert_eq!(resampler.piece(&signal[..1], 26, Ends::Line).1.len(), 0);
    }
}
