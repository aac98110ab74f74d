//! Row 4: the head is turned under the electrodes.

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::error::within;
use super::spline::{Moves, Point, Spline, positions};
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};

/// What each electrode would record if activity turned by a whole number of degrees, uniform over `-most_deg..=most_deg`,
/// about one of the three axes (to the right ear, to the nose, to the vertex).
///
/// # Source
/// `cheng2020subject` names the transform; interpolation after `perrin1989spherical`; the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpatialRotation {
    /// Largest turn either way, in degrees.
    pub most_deg: u32,
    /// How often it acts.
    pub probability: f64,
}

/// Beyond this, electrodes at the edge of the cap would be asked for what nobody recorded.
const LARGEST_TURN: u32 = 30;

impl Choice for SpatialRotation {
    const NAME: &'static str = "spatial-rotation";
    const SUMMARY: &'static str = "turn the head under the electrodes";
    const SOURCES: &'static [&'static str] = &["cheng2020subject", "perrin1989spherical"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { most_deg: 20, probability: 0.0 }
    }
}

impl TransformConfig for SpatialRotation {
    fn row(&self) -> u8 {
        4
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _: &Frame, channels: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "most_deg", f64::from(self.most_deg), 0.0..=f64::from(LARGEST_TURN), "0 to 30")?;
        channels.map_or(Ok(()), |channels| positions(Self::NAME, channels).map(drop))
    }

    fn build(&self, _: &Frame, channels: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        let spline = Spline::new(positions(Self::NAME, channels)?);
        let most = f64::from(self.most_deg);
        let turns = (0..3).flat_map(|axis| (0..=2 * self.most_deg).map(move |step| (axis, f64::from(step) - most)));
        let moves = Moves::new(turns.map(|(axis, degrees)| turned(&spline, axis, degrees)));
        Ok(Box::new(Turns { most: i64::from(self.most_deg), moves }))
    }
}

/// The matrix of a right-handed turn of the activity about an axis (0 x, 1 y, 2 z): an electrode records what lay where
/// the inverse turn takes it.
pub(super) fn turned(spline: &Spline, axis: usize, degrees: f64) -> ndarray::Array2<f64> {
    let (sine, cosine) = (libm::sin(degrees.to_radians()), libm::cos(degrees.to_radians()));
    let (from, to) = ((axis + 1) % 3, (axis + 2) % 3);
    spline.matrix(|place: Point| {
        let mut turned = place;
        turned[from] = cosine * place[from] + sine * place[to];
        turned[to] = cosine * place[to] - sine * place[from];
        turned
    })
}

struct Turns {
    most: i64,
    moves: Moves,
}

impl Transform for Turns {
    fn apply(&self, _: &Source<'_>, stream: &mut Stream, view: ArrayViewMut2<'_, f32>) {
        let axis = i64::from(stream.below(3));
        let degrees = stream.integer(-self.most, self.most);
        if degrees != 0 {
            self.moves.apply((axis * (2 * self.most + 1) + degrees + self.most) as usize, view);
        }
    }
}
