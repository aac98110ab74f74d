//! Networks: the encoder as a table of layers, its weights as one flat vector, and what runs it.
//!
//! Invariants: nn knows nothing of files' places, stores or people; parameters are ranges of one flat tensor a
//! [`Group`], with their state_dict names in its [`Layout`]; an encoder is data ([`EncoderTable`]) that an executor
//! reads, so EEG and ECG differ by a table only; `embed` is pure, its batch statistics are committed by the caller.
//! On a CPU the encoder is one operation with kernels of our own (docs/decisions/0001-own-convolution.md says why);
//! elsewhere it is composed of candle operations whose gradients are right.
//!
//! Start reading at [`Encoder`], then `encoder.rs` (the table), `layers` (the composed executor) and `kernels`.

mod batch;
mod device;
mod encoder;
mod encoders;
mod error;
mod group;
mod kernels;
mod layers;
mod layout;
mod losses;
mod mlp;
mod ops;
mod state_dict;
mod weights;

use candle_core::Tensor;

use crate::base::{Choice, Entry, Registry, read_choice};

pub use batch::{Batch, Mode};
pub use device::{DeviceChoice, device, taken};
pub use encoder::{BlockSpec, ConvolutionSpec, EncoderTable};
pub use encoders::{EcgSacl, EegSacl};
pub use error::NnError;
pub use group::Group;
pub use layout::{Init, Layout, LayoutEntry, NormEntry, ParameterRole};
pub use losses::{cross_entropy, normalise_rows, softplus};
pub use mlp::Mlp;
pub use state_dict::{SavedState, load_encoder, save_encoder, state_from_bytes, state_to_bytes};
pub use weights::{BatchStatistics, RunningStatistics, Weights};

use std::sync::Arc;

/// Turns windows into embeddings.
pub trait Encoder: Send + Sync {
    /// The kebab-case word in a pipeline.
    fn name(&self) -> &str;

    /// Length of an embedding.
    fn dim(&self) -> usize {
        self.table().dim()
    }

    /// Channels of a window.
    fn channels(&self) -> usize {
        self.table().channels
    }

    /// Samples of a window.
    fn samples(&self) -> usize {
        self.table().samples
    }

    /// Names, shapes and initial values of the parameters, and the norms.
    fn layout(&self) -> &Arc<Layout>;

    /// The layers.
    fn table(&self) -> &EncoderTable;

    /// The same layers, for the same weights, over windows of another length.
    ///
    /// # Errors
    /// [`NnError::WindowTooShort`].
    fn at_length(&self, samples: usize) -> Result<Box<dyn Encoder>, NnError>;

    /// Embeds windows. Pure: running statistics are read in [`Mode::Eval`] and never changed; in [`Mode::Train`] the
    /// batch's statistics come back to be committed by [`Group::commit`] (in `Eval` they are empty).
    ///
    /// Detached weights record no graph and keep no activations.
    ///
    /// # Shapes
    /// - `windows`: `[n, channels, samples]`; result: `[n, dim]`
    ///
    /// # Errors
    /// [`NnError::WindowShape`], [`NnError::NormGroups`], [`NnError::NormTooSmall`], or what candle reports.
    fn embed(&self, windows: &Tensor, weights: &Weights, mode: Mode) -> Result<(Tensor, BatchStatistics), NnError>;
}

/// Settings that build an [`Encoder`] for windows of a given shape.
pub trait EncoderConfig: Send + Sync {
    /// The encoder for windows of `[channels, samples]`.
    ///
    /// # Errors
    /// [`NnError::WindowTooShort`], [`NnError::NoChannels`], [`NnError::Width`].
    fn build(&self, channels: usize, samples: usize) -> Result<Box<dyn Encoder>, NnError>;
}

const fn entry<C: Choice + EncoderConfig>() -> Entry<dyn EncoderConfig> {
    Entry::of::<C>(|kind, user| Ok(Box::new(read_choice::<C>(kind, user)?)))
}

/// The encoders a pipeline can choose.
pub static ENCODERS: Registry<dyn EncoderConfig> =
    Registry { family: "encoder", entries: &[entry::<EcgSacl>(), entry::<EegSacl>()] };
