//! Filtering forwards and backwards, several channels at a time.
//!
//! One channel's recursion is a chain of dependent operations that leaves a core idle; channels are independent, so
//! up to eight of them go through the sections side by side in lanes that the compiler turns into vectors.

use ndarray::{ArrayViewMut1, ArrayViewMut2, Axis};

use super::error::DspError;
use super::sos::{Section, Sos};

impl Sos {
    /// Samples by which a signal is extended at each end; a signal must be longer.
    pub fn extension(&self) -> usize {
        let count = |is_zero: fn(&Section) -> bool| self.sections.iter().filter(|section| is_zero(section)).count();
        let first_order = count(|section| section.b[2] == 0.0).min(count(|section| section.a[1] == 0.0));
        3 * (2 * self.sections.len() + 1 - first_order)
    }

    /// Filters each row forwards and backwards, extended at both ends by its odd reflection.
    ///
    /// # Shapes
    /// `[channels, samples]`, changed in place; no value may be NaN
    ///
    /// # Errors
    /// [`DspError::TooShort`] when there are not more samples than [`extension`](Self::extension).
    ///
    /// # Source
    /// SciPy `signal.sosfiltfilt`.
    pub fn zero_phase(&self, mut signal: ArrayViewMut2<'_, f64>) -> Result<(), DspError> {
        let (samples, needed) = (signal.dim().1, self.extension());
        if samples <= needed {
            return Err(DspError::TooShort { samples, needed });
        }
        let mut rest = signal.view_mut();
        while rest.dim().0 > 0 {
            let lanes = match rest.dim().0 {
                1 => 1,
                2 | 3 => 2,
                4..=7 => 4,
                _ => 8,
            };
            let (group, others) = rest.split_at(Axis(0), lanes);
            match lanes {
                1 => self.filter_lanes::<1>(group),
                2 => self.filter_lanes::<2>(group),
                4 => self.filter_lanes::<4>(group),
                _ => self.filter_lanes::<8>(group),
            }
            rest = others;
        }
        Ok(())
    }

    fn filter_lanes<const LANES: usize>(&self, mut group: ArrayViewMut2<'_, f64>) {
        let (samples, extra) = (group.dim().1, self.extension());
        let mut frames = vec![[0.0; LANES]; samples + 2 * extra];
        for (lane, channel) in group.axis_iter(Axis(0)).enumerate() {
            let (first, last) = (channel[0], channel[samples - 1]);
            for (i, frame) in frames.iter_mut().enumerate() {
                frame[lane] = if i < extra {
                    2.0 * first - channel[extra - i]
                } else if i < extra + samples {
                    channel[i - extra]
                } else {
                    2.0 * last - channel[2 * samples + extra - 2 - i]
                };
            }
        }
        let first = frames[0];
        self.pass(&first, frames.iter_mut());
        let last = frames[frames.len() - 1];
        self.pass(&last, frames.iter_mut().rev());
        for (lane, mut channel) in group.axis_iter_mut(Axis(0)).enumerate() {
            copy_lane(&frames[extra..], lane, &mut channel);
        }
    }

    /// One pass, from the state that a signal of constant `level` would have reached.
    fn pass<'a, const LANES: usize>(&self, level: &[f64; LANES], frames: impl Iterator<Item = &'a mut [f64; LANES]>) {
        let mut level = *level;
        let mut chain: Vec<(Section, [[f64; LANES]; 2])> = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            let Section { b, a } = *section;
            let gain = (b[0] + b[1] + b[2]) / (1.0 + a[0] + a[1]);
            let second = level.map(|u| (b[2] - a[1] * gain) * u);
            let first = std::array::from_fn(|lane| (b[1] - a[0] * gain) * level[lane] + second[lane]);
            chain.push((*section, [first, second]));
            level = level.map(|u| gain * u);
        }
        for frame in frames {
            let mut x = *frame;
            for (Section { b, a }, [first, second]) in &mut chain {
                for lane in 0..LANES {
                    let y = b[0] * x[lane] + first[lane];
                    first[lane] = b[1] * x[lane] - a[0] * y + second[lane];
                    second[lane] = b[2] * x[lane] - a[1] * y;
                    x[lane] = y;
                }
            }
            *frame = x;
        }
    }
}

fn copy_lane<const LANES: usize>(frames: &[[f64; LANES]], lane: usize, channel: &mut ArrayViewMut1<'_, f64>) {
    for (to, frame) in channel.iter_mut().zip(frames) {
        *to = frame[lane];
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;
    use crate::numerics::dsp::Band;

    fn signal(channels: usize, samples: usize) -> Array2<f64> {
        Array2::from_shape_fn((channels, samples), |(c, t)| {
            ((t * (c + 2)) as f64 * 0.37).sin() + c as f64 + 0.01 * t as f64
        })
    }

    #[test]
    fn channels_side_by_side_equal_one_by_one() {
        let sos = Sos::butterworth(3, Band::Band { low_hz: 4.0, high_hz: 20.0 }, 100.0).unwrap();
        let mut together = signal(15, 60);
        sos.zero_phase(together.view_mut()).unwrap();
        for channel in 0..15 {
            let mut alone = signal(15, 60).slice_move(s![channel..=channel, ..]);
            sos.zero_phase(alone.view_mut()).unwrap();
            assert_eq!(alone.row(0), together.row(channel));
        }
    }

    #[test]
    fn constant_passes_a_low_pass_unchanged_and_vanishes_in_a_high_pass() {
        let constant = Array2::from_elem((3, 40), 5.0);
        for (band, expected) in [(Band::Low { hz: 10.0 }, 5.0), (Band::High { hz: 10.0 }, 0.0)] {
            let mut given = constant.clone();
            Sos::butterworth(2, band, 100.0).unwrap().zero_phase(given.view_mut()).unwrap();
            assert!(given.iter().all(|value| (value - expected).abs() < 1e-9));
        }
    }

    #[test]
    fn reversed_signal_gives_the_reversed_result_in_the_middle() {
        let sos = Sos::butterworth(4, Band::Low { hz: 20.0 }, 100.0).unwrap();
        let (mut plain, mut reversed) = (signal(2, 400), signal(2, 400));
        reversed.invert_axis(Axis(1));
        sos.zero_phase(plain.view_mut()).unwrap();
        sos.zero_phase(reversed.view_mut()).unwrap();
        reversed.invert_axis(Axis(1));
        let difference = &plain - &reversed;
        assert!(difference.slice(s![.., 100..300]).iter().all(|value| value.abs() < 1e-9));
    }

    #[test]
    fn signal_no_longer_than_the_extension_is_refused() {
        let sos = Sos::butterworth(4, Band::Low { hz: 20.0 }, 100.0).unwrap();
        assert_eq!(sos.extension(), 15);
        assert_eq!(sos.zero_phase(signal(1, 15).view_mut()), Err(DspError::TooShort { samples: 15, needed: 15 }));
        assert!(sos.zero_phase(signal(1, 16).view_mut()).is_ok());
    }
}
