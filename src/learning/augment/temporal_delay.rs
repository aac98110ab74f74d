//! Row 1: the window begins a little earlier or later in the same recording.

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::error::within;
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};
use crate::signal::seconds_to_samples;

/// What stands where a delayed window leaves the real samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// Nothing needs to: the delay is clipped to the real neighbours that the store keeps.
    Real,
    /// The real samples mirrored at their end (the end sample not repeated).
    Reflect,
}

/// Reads the window `d` samples earlier, d whole and uniform over `-D..=D`. Real neighbours, not padding: an edge made
/// up by the transform would tell the encoder how far the window was moved.
///
/// # Source
/// `cheng2020subject`; the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemporalDelay {
    /// Longest delay either way; D is this in samples, rounded.
    pub delay_s: f64,
    /// Beyond the real samples.
    pub edge: Edge,
    /// How often it acts.
    pub probability: f64,
}

impl Choice for TemporalDelay {
    const NAME: &'static str = "temporal-delay";
    const SUMMARY: &'static str = "begin a little earlier or later, with real neighbouring samples";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(kind: SignalKind) -> Self {
        let delay_s = match kind {
            SignalKind::Eeg => 0.25,
            SignalKind::Ecg => 0.1,
        };
        Self { delay_s, edge: Edge::Real, probability: 1.0 }
    }
}

impl TransformConfig for TemporalDelay {
    fn row(&self) -> u8 {
        1
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, frame: &Frame, _: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "delay_s", self.delay_s, 0.0..=3600.0, "0 s to one hour")?;
        let delay = seconds_to_samples(self.delay_s, frame.rate_hz) as usize;
        if self.edge == Edge::Real && delay > frame.margin {
            return Err(AugmentError::Margin { delay, margin: frame.margin });
        }
        Ok(())
    }

    fn build(&self, frame: &Frame, _: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        let delay = seconds_to_samples(self.delay_s, frame.rate_hz);
        Ok(Box::new(Delay { most: delay as isize, edge: self.edge }))
    }
}

struct Delay {
    most: isize,
    edge: Edge,
}

impl Transform for Delay {
    fn apply(&self, source: &Source<'_>, stream: &mut Stream, view: ArrayViewMut2<'_, f32>) {
        let most = self.most as i64;
        let drawn = stream.integer(-most, most) as isize;
        let clipped = drawn.clamp(-(source.later as isize), source.earlier as isize);
        if self.edge == Edge::Real || clipped == drawn {
            source.read(clipped, view);
        } else {
            reflect(source, drawn, view);
        }
    }
}

/// Reads `delay` samples earlier, mirrored at the ends of the real samples.
fn reflect(source: &Source<'_>, delay: isize, mut view: ArrayViewMut2<'_, f32>) {
    let first = source.start - source.earlier;
    let n_real = (source.earlier + source.length + source.later) as isize;
    let period = (2 * (n_real - 1)).max(1);
    for (channel, mut out) in view.rows_mut().into_iter().enumerate() {
        let stored = source.stored.row(channel);
        for (t, out) in out.iter_mut().enumerate() {
            let folded = (source.earlier as isize + t as isize - delay).rem_euclid(period);
            let mirrored = folded.min(period - folded) as usize;
            *out = source.scale.apply(channel, stored[first + mirrored]);
        }
    }
}
