//! What can go wrong in an objective.

use crate::learning::awareness::AwarenessError;
use crate::learning::nn::NnError;

/// A fault of an objective.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// A setting cannot work.
    #[error("{key} = {value} cannot work: {reason}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// Why.
        reason: String,
    },
    /// A batch lacks views.
    #[error("the objective compares {needed} views of each window, a batch has {found}")]
    Views {
        /// Views needed.
        needed: usize,
        /// Views found.
        found: usize,
    },
    /// A saved state lacks an entry.
    #[error("the saved state has no entry `{name}`")]
    #[diagnostic(help("the checkpoint was written with other settings: start a new run"))]
    Missing {
        /// The entry.
        name: String,
    },
    /// A saved entry has another form than the run.
    #[error("the saved entry `{name}` has {found}, the run needs {needed}")]
    #[diagnostic(help("the checkpoint was written with other settings: start a new run"))]
    Form {
        /// The entry.
        name: String,
        /// What it should be.
        needed: String,
        /// What it is.
        found: String,
    },
    /// The pool cannot be embedded.
    #[error("the windows of the pool cannot be embedded: {reason}")]
    Pool {
        /// Why.
        reason: String,
    },
    /// The awareness layer failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Awareness(#[from] AwarenessError),
    /// A network failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nn(#[from] NnError),
    /// A tensor operation failed.
    #[error("a tensor operation of the objective failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// A setting that cannot work.
pub(super) fn fault<T>(key: &'static str, value: String, reason: &str) -> Result<T, ObjectiveError> {
    Err(ObjectiveError::Setting { key, value, reason: reason.to_owned() })
}
