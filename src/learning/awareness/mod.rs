//! What pretraining knows of subjects: which windows match and which may serve as negatives of which, and the adversary
//! that unteaches who a window is from.
//!
//! Invariant: no objective names a subject. An objective gets a [`NegativeRule`] and hands out embeddings; whatever
//! depends on people lies here. Start reading at [`NegativeRule::allowed`] and [`PositiveRule::covers`], then
//! [`Awareness`] (the settings), [`Accepts`] (what an objective allows of it), then [`Adversary`].

mod adversary;
mod error;
mod meaning;
mod negatives;
mod positives;
mod settings;

pub use adversary::{Adversary, AdversarySize, confusion, uniform};
pub use error::AwarenessError;
pub use meaning::{Accepts, AllowedWords, Allows, Refusal};
pub use negatives::{Composition, NegativeMask, NegativeRule, Negatives, Place};
pub use positives::{PositiveRule, PositiveSets, Positives};
pub use settings::{AdversaryForm, AdversarySettings, Awareness, Preset};
