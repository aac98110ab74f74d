//! Row 9: a patch of electrodes falls silent.

use ndarray::{Array2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

use super::error::within;
use super::spline::{dot, positions};
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};

/// Zeros every channel nearer than an angle, uniform over `0..most_deg`, to one that is drawn; the farthest one stays
/// whatever the angle.
///
/// # Source
/// `cheng2020subject` (zeros); the range is this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorCutout {
    /// Largest radius of the patch, in degrees as seen from the centre of the head.
    pub most_deg: f64,
    /// How often it acts.
    pub probability: f64,
}

impl Choice for SensorCutout {
    const NAME: &'static str = "sensor-cutout";
    const SUMMARY: &'static str = "silence a patch of electrodes";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { most_deg: 40.0, probability: 0.0 }
    }
}

impl TransformConfig for SensorCutout {
    fn row(&self) -> u8 {
        9
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _: &Frame, channels: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "most_deg", self.most_deg, 0.0..=180.0, "0 to 180")?;
        channels.map_or(Ok(()), |channels| positions(Self::NAME, channels).map(drop))
    }

    fn build(&self, _: &Frame, channels: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        let places = positions(Self::NAME, channels)?;
        let degrees = Array2::from_shape_fn((places.len(), places.len()), |(i, j)| {
            if i == j { 0.0 } else { libm::acos(dot(places[i], places[j]).clamp(-1.0, 1.0)).to_degrees() }
        });
        Ok(Box::new(Patches { most_deg: self.most_deg, degrees }))
    }
}

struct Patches {
    most_deg: f64,
    /// Angle between two channels. `[C, C]`.
    degrees: Array2<f64>,
}

impl Transform for Patches {
    fn apply(&self, _: &Source<'_>, stream: &mut Stream, mut view: ArrayViewMut2<'_, f32>) {
        let centre = stream.below(view.nrows() as u32) as usize;
        let radius = stream.between(0.0, self.most_deg);
        let degrees = self.degrees.row(centre);
        let farthest = (0..degrees.len()).max_by(|i, j| degrees[*i].total_cmp(&degrees[*j]));
        for (channel, mut samples) in view.rows_mut().into_iter().enumerate() {
            if degrees[channel] < radius && Some(channel) != farthest {
                samples.fill(0.0);
            }
        }
    }
}
