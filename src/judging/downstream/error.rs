//! What can go wrong between an encoder and a classifier.

use crate::data::splits::SplitError;
use crate::learning::nn::NnError;
use crate::learning::train::TrainError;
use crate::runs::RunError;

/// A fault of probing or fine-tuning.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum DownstreamError {
    /// Somebody asked to stop.
    #[error("stopped on request while fitting `{arm}`")]
    Stopped {
        /// What was being fitted.
        arm: String,
    },
    /// A setting cannot work.
    #[error("{key} cannot work: {reason}")]
    #[diagnostic(help("change `{key}` of this way in `downstream`"))]
    Setting {
        /// The key.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// RR features are asked for where there are none.
    #[error("`rr = \"{sets}\"` needs RR features, and row {row} of the store (recording {recording}) has none")]
    #[diagnostic(help("take `rr` out of `evaluate`, or make the store anew from a corpus that marks heartbeats"))]
    NoRr {
        /// What was asked for.
        sets: String,
        /// The first row without them.
        row: u32,
        /// Its recording.
        recording: String,
    },
    /// A file that holds no classifier.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(help(
        "classifiers lie in `classifiers/` of a run folder that `biossl run` or `biossl evaluate` finished"
    ))]
    NoClassifier {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// The split failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Split(#[from] SplitError),
    /// Training or embedding failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Train(#[from] TrainError),
    /// A network failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nn(#[from] NnError),
    /// The journal failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] RunError),
}
