//! What can go wrong in judging.

use crate::data::splits::SplitError;
use crate::judging::downstream::DownstreamError;
use crate::learning::nn::NnError;
use crate::learning::train::TrainError;
use crate::runs::RunError;

/// A fault of judging.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A criterion that is no metric of a matrix, or whose classes the corpus lacks.
    #[error("`{criterion}` cannot choose: {reason}")]
    #[diagnostic(help("known for this corpus: {known}"))]
    Criterion {
        /// The word.
        criterion: String,
        /// Why not.
        reason: &'static str,
        /// What can, comma-separated.
        known: String,
    },
    /// A setting cannot work.
    #[error("{key} cannot work: {reason}")]
    #[diagnostic(help("change `{key}` of `evaluate`"))]
    Setting {
        /// The key.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// A fold was judged twice, or not by all arms.
    #[error("arm `{arm}`, seed {seed}: row {row} of the store was predicted {times} times, once is right")]
    Coverage {
        /// The arm.
        arm: String,
        /// Its seed.
        seed: u64,
        /// A row.
        row: u32,
        /// How often.
        times: usize,
    },
    /// Nothing was judged.
    #[error("no fold was judged")]
    Nothing,
    /// Fitting failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Downstream(#[from] DownstreamError),
    /// The split or its ledger failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Split(#[from] SplitError),
    /// Embedding failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Train(#[from] TrainError),
    /// A network failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nn(#[from] NnError),
    /// The run folder failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] RunError),
}
