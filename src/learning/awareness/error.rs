//! What can be wrong with awareness.

use crate::learning::nn::NnError;

/// A fault of the awareness layer.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum AwarenessError {
    /// The settings make no sense together.
    #[error("{what} makes no sense: {reason}")]
    #[diagnostic(help("{remedy}"))]
    Senseless {
        /// The key of `awareness` that is at fault.
        key: &'static str,
        /// The setting, and what it stands beside.
        what: String,
        /// Why, in words.
        reason: String,
        /// What to do instead.
        remedy: String,
    },
    /// A batch has a subject that the classifier was not made for.
    #[error("subject {subject} of a batch is beyond the {n_subjects} training subjects of the adversary")]
    UnknownSubject {
        /// Index among the training subjects.
        subject: u32,
        /// How many there are.
        n_subjects: usize,
    },
    /// A network failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nn(#[from] NnError),
    /// A tensor operation failed.
    #[error("a tensor operation of the awareness layer failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
