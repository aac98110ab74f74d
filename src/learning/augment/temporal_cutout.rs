//! Row 7: a stretch of time is blanked in all channels.

use ndarray::{Array2, ArrayViewMut2, s};
use serde::{Deserialize, Serialize};

use super::error::within;
use super::source::moments;
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};
use crate::numerics::dsp::Moments;
use crate::signal::round_half_up;

/// What stands in the stretch afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// Zeros, the mean of a normalised window.
    Zero,
    /// White noise of the channel's mean and standard deviation.
    Noise,
    /// The same samples of another window of the pool.
    Other,
}

/// Blanks round(f L) samples of all channels from a start that is uniform over the places where they fit, f uniform
/// over `low..high`.
///
/// # Source
/// `cheng2020subject` (zeros); the other fills and the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemporalCutout {
    /// Shortest stretch, as a share of the window.
    pub low: f64,
    /// Longest stretch, as a share of the window.
    pub high: f64,
    /// What stands there afterwards.
    pub fill: Fill,
    /// How often it acts.
    pub probability: f64,
}

impl Choice for TemporalCutout {
    const NAME: &'static str = "temporal-cutout";
    const SUMMARY: &'static str = "blank a stretch of time in all channels";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(kind: SignalKind) -> Self {
        let high = match kind {
            SignalKind::Eeg => 0.5,
            SignalKind::Ecg => 0.4,
        };
        Self { low: 0.1, high, fill: Fill::Zero, probability: 1.0 }
    }
}

impl TransformConfig for TemporalCutout {
    fn row(&self) -> u8 {
        7
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _: &Frame, _: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "low", self.low, 0.0..=1.0, "0 to 1")?;
        within(Self::NAME, "high", self.high, self.low..=1.0, "`low` to 1")
    }

    fn build(&self, _: &Frame, _: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Box::new(self.clone()))
    }
}

impl Transform for TemporalCutout {
    fn apply(&self, source: &Source<'_>, stream: &mut Stream, mut view: ArrayViewMut2<'_, f32>) {
        let samples = view.ncols();
        let length = round_half_up(stream.between(self.low, self.high) * samples as f64) as usize;
        let start = stream.below((samples - length + 1) as u32) as usize;
        if length == 0 {
            return;
        }
        let stretch = s![.., start..start + length];
        match self.fill {
            Fill::Zero => view.slice_mut(stretch).fill(0.0),
            Fill::Noise => {
                for mut channel in view.rows_mut() {
                    let Moments { mean, sd } = moments(channel.view());
                    // A channel takes a whole window of normals, as noise does, and uses those of the stretch.
                    let normals = source.normals.from_random_start(stream, samples);
                    let normals = normals.into_iter().flatten().skip(start);
                    for (x, normal) in channel.slice_mut(s![start..start + length]).iter_mut().zip(normals) {
                        *x = (mean + sd * f64::from(*normal)) as f32;
                    }
                }
            }
            Fill::Other => {
                let mut partner = Array2::zeros(view.raw_dim());
                source.partners.draw(stream, partner.view_mut());
                view.slice_mut(stretch).assign(&partner.slice(stretch));
            }
        }
    }

    fn needs_partners(&self) -> bool {
        self.fill == Fill::Other
    }
}
