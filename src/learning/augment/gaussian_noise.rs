//! Row 6: white noise, in proportion to each channel.

use ndarray::{ArrayView1, ArrayViewMut2, Axis};
use serde::{Deserialize, Serialize};

use super::error::within;
use super::source::moments;
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};

/// x' = x + f std normal with one f for all channels, uniform over `0..most`, and each channel's own standard
/// deviation.
///
/// # Source
/// `cheng2020subject`; the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNoise {
    /// Largest standard deviation of the noise, as a share of the channel's.
    pub most: f64,
    /// How often it acts.
    pub probability: f64,
}

impl Choice for GaussianNoise {
    const NAME: &'static str = "gaussian-noise";
    const SUMMARY: &'static str = "add white noise in proportion to each channel";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(kind: SignalKind) -> Self {
        let most = match kind {
            SignalKind::Eeg => 0.3,
            SignalKind::Ecg => 0.1,
        };
        Self { most, probability: 0.5 }
    }
}

impl TransformConfig for GaussianNoise {
    fn row(&self) -> u8 {
        6
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _: &Frame, _: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "most", self.most, 0.0..=100.0, "0 to 100")
    }

    fn build(&self, _: &Frame, _: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Box::new(self.clone()))
    }
}

impl Transform for GaussianNoise {
    fn apply(&self, source: &Source<'_>, stream: &mut Stream, mut view: ArrayViewMut2<'_, f32>) {
        let share = stream.between(0.0, self.most);
        if share == 0.0 {
            return;
        }
        for mut channel in view.rows_mut() {
            let scale = (share * moments(channel.view()).sd) as f32;
            let [first, second] = source.normals.from_random_start(stream, channel.len());
            let (mut front, mut back) = channel.view_mut().split_at(Axis(0), first.len());
            front.zip_mut_with(&ArrayView1::from(first), |x, normal| *x += scale * normal);
            back.zip_mut_with(&ArrayView1::from(second), |x, normal| *x += scale * normal);
        }
    }
}
