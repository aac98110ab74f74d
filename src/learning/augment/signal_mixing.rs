//! Row 2: a little of another window is added.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};
use serde::{Deserialize, Serialize};

use super::error::within;
use super::{AugmentError, Frame, Source, Transform, TransformConfig};
use crate::base::{Choice, SignalKind, Stream};
use crate::numerics::dsp::Moments;

/// Adds another window of the pool: x' = x + a g y with a uniform over `0..most` and g = rms(x) / max(rms(y), 1e-6)
/// over all channels.
///
/// # Source
/// `cheng2020subject` ("another time instance or subject"); the ranges are this project's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalMixing {
    /// Largest share of the other window.
    pub most: f64,
    /// How often it acts.
    pub probability: f64,
}

impl Choice for SignalMixing {
    const NAME: &'static str = "signal-mixing";
    const SUMMARY: &'static str = "add a little of another window of the pool";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(kind: SignalKind) -> Self {
        let most = match kind {
            SignalKind::Eeg => 0.3,
            SignalKind::Ecg => 0.15,
        };
        Self { most, probability: 0.3 }
    }
}

impl TransformConfig for SignalMixing {
    fn row(&self) -> u8 {
        2
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _: &Frame, _: Option<&[String]>) -> Result<(), AugmentError> {
        within(Self::NAME, "most", self.most, 0.0..=1.0, "0 to 1")
    }

    fn build(&self, _: &Frame, _: &[String]) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Box::new(self.clone()))
    }
}

impl Transform for SignalMixing {
    fn apply(&self, source: &Source<'_>, stream: &mut Stream, mut view: ArrayViewMut2<'_, f32>) {
        let share = stream.between(0.0, self.most);
        if share == 0.0 {
            return;
        }
        let mut partner = Array2::zeros(view.raw_dim());
        source.partners.draw(stream, partner.view_mut());
        let gain = (share * rms(view.view()) / rms(partner.view()).max(1e-6)) as f32;
        Zip::from(&mut view).and(&partner).for_each(|x, y| *x += gain * y);
    }

    fn needs_partners(&self) -> bool {
        self.most > 0.0
    }
}

/// Root mean square over all channels.
fn rms(window: ArrayView2<'_, f32>) -> f64 {
    let Moments { mean, sd } = match window.as_slice() {
        Some(samples) => Moments::of(samples),
        None => Moments::of(&window.iter().copied().collect::<Vec<_>>()),
    };
    mean.hypot(sd)
}
