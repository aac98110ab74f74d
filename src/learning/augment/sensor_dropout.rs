//! Row 8: some channels fall silent.

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::error::within;
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};
use crate::signal::round_half_up;

/// Zeros round(f C) channels, at most all but one, drawn without replacement; f uniform over `0..most`.
///
/// # Source
/// `cheng2020subject`; the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorDropout {
    /// Largest share of channels.
    pub most: f64,
    /// How often it acts.
    pub probability: f64,
}

impl Choice for SensorDropout {
    const NAME: &'static str = "sensor-dropout";
    const SUMMARY: &'static str = "silence some channels";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(kind: SignalKind) -> Self {
        let (most, probability) = match kind {
            SignalKind::Eeg => (0.3, 0.3),
            SignalKind::Ecg => (0.5, 0.2),
        };
        Self { most, probability }
    }
}

impl TransformConfig for SensorDropout {
    fn row(&self) -> u8 {
        8
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _: &Frame, channels: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "most", self.most, 0.0..=1.0, "0 to 1")?;
        match channels {
            Some(channels) if channels.len() < 2 => Err(AugmentError::too_few(Self::NAME, channels)),
            _ => Ok(()),
        }
    }

    fn build(&self, _: &Frame, _: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Box::new(self.clone()))
    }
}

impl Transform for SensorDropout {
    fn apply(&self, _: &Source<'_>, stream: &mut Stream, mut view: ArrayViewMut2<'_, f32>) {
        let n = view.nrows();
        let silent = round_half_up(stream.between(0.0, self.most) * n as f64) as usize;
        let mut channels: Vec<usize> = (0..n).collect();
        for i in 0..silent.min(n - 1) {
            channels.swap(i, i + stream.below((n - i) as u32) as usize);
            view.row_mut(channels[i]).fill(0.0);
        }
    }
}
