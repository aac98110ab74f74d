//! Row 3: a narrow band of frequencies is taken out.

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::error::within;
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};
use crate::numerics::dsp::{Section, notch};

/// A notch of width bw uniform over `0..width_hz` at f0 uniform over `low_hz..high_hz`, run forward only.
///
/// # Source
/// `cheng2020subject`; the ranges are this project's.
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
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

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

    fn check(&self, frame: &Frame, _: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "low_hz", self.low_hz, f64::MIN_POSITIVE..=f64::MAX, "above 0 Hz")?;
        within(Self::NAME, "high_hz", self.high_hz, self.low_hz..=f64::MAX, "`low_hz` and above")?;
        within(Self::NAME, "width_hz", self.width_hz, 0.0..=f64::MAX, "0 Hz and above")?;
        let edge_hz = self.high_hz + self.width_hz / 2.0;
        if edge_hz >= frame.rate_hz / 2.0 {
            return Err(AugmentError::BeyondNyquist { edge_hz, rate_hz: frame.rate_hz });
        }
        Ok(())
    }

    fn build(&self, frame: &Frame, _: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
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
        let section =
            notch(centre_hz, width_hz, self.rate_hz).expect("the whole range was checked when this was built");
        for channel in view.rows_mut() {
            forward(&section, channel.into_iter());
        }
    }
}

/// Runs a section forwards over samples in place, in f64, from the state that the first sample would have reached had
/// it always been there.
///
/// # Source
/// SciPy `lfilter` (direct form II transposed) from `lfilter_zi * x[0]`, written out for a section of unit gain at 0 Hz.
pub(super) fn forward<'a>(section: &Section, samples: impl Iterator<Item = &'a mut f32>) {
    let ([b0, b1, b2], [a1, a2]) = (section.b, section.a);
    let mut state = None;
    for sample in samples {
        let x = f64::from(*sample);
        let (s1, s2) = state.unwrap_or(((1.0 - b0) * x, (b2 - a2) * x));
        let y = b0 * x + s1;
        state = Some((b1 * x - a1 * y + s2, b2 * x - a2 * y));
        *sample = y as f32;
    }
}
