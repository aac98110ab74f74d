//! What pretraining knows of subjects: which windows may serve as negatives of which, and the adversary that unteaches
//! who a window is from.
//!
//! Invariant: no objective names a subject. An objective gets a [`NegativeRule`] and hands out embeddings; whatever
//! depends on people lies here. Start reading at [`NegativeRule::allowed`], then [`Awareness`] (the settings), then
//! [`Adversary`].

mod adversary;
mod error;
mod meaning;
mod negatives;
mod settings;

pub use adversary::{Adversary, AdversarySize, confusion, uniform};
pub use error::AwarenessError;
pub use meaning::Accepts;
pub use negatives::{Composition, NegativeMask, NegativeRule, Negatives, Place};
pub use settings::{AdversaryForm, AdversarySettings, Awareness, Preset};
