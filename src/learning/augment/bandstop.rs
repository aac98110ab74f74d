//! Row 3: a narrow band of frequencies is taken out.

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::error::within;
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};

/// A notch of width bw uniform over `0..width_hz` at f0 uniform over `low_hz..high_hz`, run forward only.
///
/// # Source
/// `cheng2020sacl`; the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandstop {
    /// Widest band.
    pub width_hz: f64,
    /// Lowest centre.
    pub low_hz: f64,
    /// Highest centre.
    pub high_hz: f64,
    /// How often it acts.
    pub probability: f64,
}

impl Choice for Bandstop {
    const NAME: &'static str = "bandstop";
    const SUMMARY: &'static str = "take out a narrow band of frequencies";
    const SOURCES: &'static [&'static str] = &["cheng2020sacl"];

    fn defaults(kind: SignalKind) -> Self {
        let low_hz = match kind {
            SignalKind::Eeg => 4.0,
            SignalKind::Ecg => 3.0,
        };
        Self { width_hz: 6.0, low_hz, high_hz: 40.0, probability: 0.3 }
    }
}

impl TransformConfig for Bandstop {
    fn row(&self) -> u8 {
        3
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn build(&self, frame: &Frame<'_>) -> Result<Box<dyn Transform>, AugmentError> {
        within(Self::NAME, "low_hz", self.low_hz, f64::MIN_POSITIVE..=f64::MAX, "above 0 Hz")?;
        within(Self::NAME, "high_hz", self.high_hz, self.low_hz..=f64::MAX, "`low_hz` and above")?;
        within(Self::NAME, "width_hz", self.width_hz, 0.0..=f64::MAX, "0 Hz and above")?;
        let edge_hz = self.high_hz + self.width_hz / 2.0;
        if edge_hz >= frame.rate_hz / 2.0 {
            return Err(AugmentError::BeyondNyquist { edge_hz, rate_hz: frame.rate_hz });
        }
        Ok(Box::new(AtRate { settings: self.clone(), rate_hz: frame.rate_hz }))
    }
}

struct AtRate {
    settings: Bandstop,
    rate_hz: f64,
}

impl Transform for AtRate {
    fn apply(&self, _: &Source<'_>, stream: &mut Stream, mut view: ArrayViewMut2<'_, f32>) {
        let width_hz = stream.between(0.0, self.settings.width_hz);
        let centre_hz = stream.between(self.settings.low_hz, self.settings.high_hz);
        if width_hz == 0.0 {
            return;
        }
        let notch = Notch::new(centre_hz, width_hz, self.rate_hz);
        for channel in view.rows_mut() {
            notch.forward(channel.into_iter());
        }
    }
}

/// A second-order notch of given width, run forward only and started as if the first sample had always been there.
///
/// # Source
/// SciPy `iirnotch(f0, f0 / bw)`, then `lfilter` from `lfilter_zi * x[0]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notch {
    b: [f64; 3],
    a: [f64; 3],
}

impl Notch {
    /// The notch at `centre_hz`, 3 dB down at half of `width_hz` on each side.
    pub fn new(centre_hz: f64, width_hz: f64, rate_hz: f64) -> Self {
        use std::f64::consts::PI;
        let w0 = 2.0 * PI * centre_hz / rate_hz;
        let g = 1.0 / (1.0 + (PI * width_hz / rate_hz).tan());
        let middle = -2.0 * g * w0.cos();
        Self { b: [g, middle, g], a: [1.0, middle, 2.0 * g - 1.0] }
    }

    /// Filters samples in place, direct form II transposed, in f64.
    pub fn forward<'a>(&self, samples: impl Iterator<Item = &'a mut f32>) {
        let [b0, b1, b2] = self.b;
        let [_, a1, a2] = self.a;
        let mut state = None;
        for sample in samples {
            let x = f64::from(*sample);
            let (s1, s2) = state.unwrap_or(((1.0 - b0) * x, (b2 - a2) * x));
            let y = b0 * x + s1;
            state = Some((b1 * x - a1 * y + s2, b2 * x - a2 * y));
            *sample = y as f32;
        }
    }
}
