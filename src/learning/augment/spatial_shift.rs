//! Row 5: the cap sits a little beside its place.

use ndarray::{Array2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

use super::spline::{Moves, Spline, dot, positions};
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};
use crate::signal::round_half_up;

/// What each electrode would record if activity moved by a part of the head's radius, uniform over the multiples of 0.05
/// up to `most`, to one of eight sides (front, front right, right, ..).
///
/// # Source
/// `cheng2020subject` names the transform; interpolation after `perrin1989spherical`; the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpatialShift {
    /// Largest move, as a share of the head's radius: a multiple of 0.05.
    pub most: f64,
    /// How often it acts.
    pub probability: f64,
}

const STEP: f64 = 0.05;
const MOST_STEPS: i64 = 6;
const SIDES: u32 = 8;

impl SpatialShift {
    /// The largest move in steps; `None` when it is none of them.
    fn steps(&self) -> Option<i64> {
        let steps = self.most / STEP;
        let whole = round_half_up(steps);
        ((steps - whole as f64).abs() < 1e-9 && (0..=MOST_STEPS).contains(&whole)).then_some(whole)
    }
}

impl Choice for SpatialShift {
    const NAME: &'static str = "spatial-shift";
    const SUMMARY: &'static str = "move the cap a little to one side";
    const SOURCES: &'static [&'static str] = &["cheng2020subject", "perrin1989spherical"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { most: 0.15, probability: 0.0 }
    }
}

impl TransformConfig for SpatialShift {
    fn row(&self) -> u8 {
        5
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _: &Frame, channels: Option<&[String]>) -> Result<(), AugmentError> {
        if self.steps().is_none() {
            let allowed = "0 to 0.3 in steps of 0.05";
            return Err(AugmentError::Setting { transform: Self::NAME, key: "most", value: self.most, allowed });
        }
        channels.map_or(Ok(()), |channels| positions(Self::NAME, channels).map(drop))
    }

    fn build(&self, _: &Frame, channels: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        let spline = Spline::new(positions(Self::NAME, channels)?);
        let steps = self.steps().unwrap_or_default();
        let moves = (0..SIDES).flat_map(|side| (1..=steps).map(move |step| (side, step)));
        let moves = Moves::new(moves.map(|(side, step)| shifted(&spline, side, STEP * step as f64)));
        Ok(Box::new(Shifts { steps, moves }))
    }
}

/// The matrix of a move of the activity by `size` to a side, each 45 degrees from the nose to the right.
pub(super) fn shifted(spline: &Spline, side: u32, size: f64) -> Array2<f64> {
    let azimuth = f64::from(45 * side).to_radians();
    let (x, y) = (size * libm::sin(azimuth), size * libm::cos(azimuth));
    spline.matrix(|[ex, ey, ez]| {
        let moved = [ex - x, ey - y, ez];
        let norm = dot(moved, moved).sqrt();
        moved.map(|x| x / norm)
    })
}

struct Shifts {
    steps: i64,
    moves: Moves,
}

impl Transform for Shifts {
    fn apply(&self, _: &Source<'_>, stream: &mut Stream, view: ArrayViewMut2<'_, f32>) {
        let side = i64::from(stream.below(SIDES));
        let step = stream.integer(0, self.steps);
        if step != 0 {
            self.moves.apply((side * self.steps + step - 1) as usize, view);
        }
    }
}
