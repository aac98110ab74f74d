//! Changed copies of windows: what two views of one window may differ in, so that an encoder learns what stays.
//!
//! Invariant: a view depends on its [`StreamKey`](crate::base::StreamKey) and its [`Source`] alone, never on threads,
//! order or history; a transform at zero strength gives the same bits; shapes stay. Whether a transform fits the
//! windows at hand (margins, sampling rate, channels) is settled before it is built, never while it runs.
//!
//! Start reading at [`Augmentation`], which runs the chain, then any one transform.

mod bandstop;
mod compose;
mod error;
mod gaussian_noise;
mod pretext;
mod sensor_cutout;
mod sensor_dropout;
mod signal_mixing;
mod source;
mod spatial_rotation;
mod spatial_shift;
mod spline;
mod temporal_cutout;
mod temporal_delay;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;

use ndarray::ArrayViewMut2;

pub use bandstop::Bandstop;
pub use compose::{Augmentation, AugmentationConfig};
pub use error::AugmentError;
pub use gaussian_noise::GaussianNoise;
pub use pretext::{Jigsaw, Pretext, WaferMap, WaferViews, permutations};
pub use sensor_cutout::SensorCutout;
pub use sensor_dropout::SensorDropout;
pub use signal_mixing::SignalMixing;
pub use source::{Frame, Partners, Scale, Source};
pub use spatial_rotation::SpatialRotation;
pub use spatial_shift::SpatialShift;
pub use temporal_cutout::{Fill, TemporalCutout};
pub use temporal_delay::{Edge, TemporalDelay};

use crate::base::{Choice, Entry, Registry, Stream, read_choice};

/// All transforms, in the order in which a chain applies them.
pub static TRANSFORMS: Registry<dyn TransformConfig> = Registry {
    family: "transform",
    entries: &[
        entry::<TemporalDelay>(),
        entry::<SignalMixing>(),
        entry::<Bandstop>(),
        entry::<SpatialRotation>(),
        entry::<SpatialShift>(),
        entry::<GaussianNoise>(),
        entry::<TemporalCutout>(),
        entry::<SensorDropout>(),
        entry::<SensorCutout>(),
    ],
};

const fn entry<C: Choice + TransformConfig>() -> Entry<dyn TransformConfig> {
    Entry::of::<C>(|kind, user| Ok(Box::new(read_choice::<C>(kind, user)?)))
}

/// One kind of change as a pipeline writes it.
pub trait TransformConfig: Send + Sync {
    /// Row of the transform table, 1 to 9: its place in every chain and the part of its random stream.
    fn row(&self) -> u8;

    /// How often the transform acts on a view, 0 to 1.
    fn probability(&self) -> f64;

    /// Refuses a setting outside its range, and windows that cannot bear the transform. `channels` are their labels; as
    /// long as they are not known, what hangs on them is let pass.
    ///
    /// # Errors
    /// The setting, or what the windows lack.
    fn check(&self, frame: &Frame, channels: Option<&[String]>) -> Result<(), AugmentError>;

    /// The transform for windows that were checked.
    ///
    /// # Errors
    /// As [`TransformConfig::check`].
    fn build(&self, frame: &Frame, channels: &[String]) -> Result<Box<dyn Transform>, AugmentError>;
}

/// One kind of change, ready to act.
pub trait Transform: Send + Sync {
    /// Changes `view` in place. Its parameters come from `stream`, left to right as the table writes them.
    ///
    /// # Shapes
    /// `view`: `[channels, samples]`, normalised.
    fn apply(&self, source: &Source<'_>, stream: &mut Stream, view: ArrayViewMut2<'_, f32>);

    /// Whether it may draw from [`Source::partners`].
    fn needs_partners(&self) -> bool {
        false
    }
}
