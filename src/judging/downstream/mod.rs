//! Classifiers on an encoder: a linear probe and nearest neighbours on frozen embeddings, fine-tuning of all weights,
//! training from a random start.
//!
//! A [`Downstream`] takes a start (an encoder with weights) and the training and validation people of a split, makes
//! every choice on the validation people, and gives a [`Fitted`] classifier with the [`Selected`] that opens the test.
//!
//! Invariant: nothing here reads a test row before its choice is made; the probe leaves the encoder's bytes unchanged.
//! Start reading at `data.rs`, then `probe.rs` and `finetune.rs`.
//!
//! [`Selected`]: crate::data::splits::Selected

mod data;
mod error;
mod features;
mod finetune;
mod fitted;
mod knn;
mod probe;
mod saved;
mod supervised;
mod way;

pub use data::{Bench, Data, Keeper, PlaceMaker, Start};
pub use error::DownstreamError;
pub use features::RrChoice;
pub use finetune::{Configuration, FineTune};
pub use fitted::{Effort, Fitted};
pub use knn::WeightedKnn;
pub use probe::Linear;
pub use saved::{Classifier, Teachers};
pub use way::Way;

use crate::base::{Choice, Entry, Registry, read_choice};

/// A way from an encoder to a classifier.
pub trait Downstream: Send + Sync {
    /// Refuses settings that cannot work, before anything is read.
    ///
    /// # Errors
    /// [`DownstreamError::Setting`] with key and reason.
    fn check(&self) -> Result<(), DownstreamError>;

    /// Learns from the training people and chooses on the validation people.
    ///
    /// # Errors
    /// A stop request; whatever embedding or training report.
    fn fit(&self, start: &Start<'_>, data: &Data<'_>, bench: &mut Bench<'_>) -> Result<Fitted, DownstreamError>;

    /// The linear probe, where this way is it: RR features alone are judged with the same settings.
    fn probe(&self) -> Option<&Linear> {
        None
    }

    /// How all weights are trained, where this way trains them: the end-to-end control takes the same settings.
    fn supervision(&self) -> Option<&FineTune> {
        None
    }
}

const fn entry<C: Choice + Downstream>() -> Entry<dyn Downstream> {
    Entry::of::<C>(|kind, user| Ok(Box::new(read_choice::<C>(kind, user)?)))
}

/// All ways.
pub static DOWNSTREAM: Registry<dyn Downstream> =
    Registry { family: "downstream", entries: &[entry::<Linear>(), entry::<WeightedKnn>(), entry::<FineTune>()] };
