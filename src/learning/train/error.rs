//! What can go wrong in training.

use std::path::PathBuf;

use crate::base::{Differences, Stopped};
use crate::learning::awareness::AwarenessError;
use crate::learning::nn::NnError;
use crate::learning::objectives::ObjectiveError;
use crate::runs::RunError;

use super::loader::LoaderError;

/// A fault of training.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss or its gradient is no number.
    #[error("the {what} of step {step} is {value}; windows of the batch (rows of the store): {rows:?}")]
    #[diagnostic(help("lower `learning_rate`; if it stays at the same rows, look at those windows"))]
    NonFinite {
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// From 1.
        step: u64,
        /// What it was.
        value: f64,
        /// Rows of the batch.
        rows: Vec<u32>,
    },
    /// The pool gives no batch of a sensible size.
    #[error("a pool of {n_windows} windows allows batches of {batch}, and pretraining needs at least {least}")]
    #[diagnostic(help("pretrain on more people or longer recordings"))]
    PoolTooSmall {
        /// Windows in the pool.
        n_windows: usize,
        /// What they allow.
        batch: usize,
        /// The least.
        least: usize,
    },
    /// What the objective remembers is more than the machine has.
    #[error("the objective would keep {} MiB beside the weights, {} MiB are free", needed >> 20, available >> 20)]
    #[diagnostic(help("lower `dim` or `queue` of the objective, or pretrain on a smaller pool"))]
    Memory {
        /// Bytes it would keep.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
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
    /// Somebody asked to stop; the last checkpoint, if checkpoints are kept, is of this step.
    #[error("stopped on request after step {step}")]
    Stopped {
        /// Steps done.
        step: u64,
    },
    /// Somebody asked to stop, and there was nothing to keep.
    #[error(transparent)]
    Interrupted(#[from] Stopped),
    /// A checkpoint cannot be read.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(help("take another checkpoint of the run, or start it anew"))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint is of another run.
    #[error("{}: the checkpoint is of a run with other settings: {differences}", path.display())]
    #[diagnostic(help("resume with the settings the run was started with, or start a new run"))]
    Contract {
        /// The file.
        path: PathBuf,
        /// All that differ.
        differences: Differences,
    },
    /// Weights from elsewhere, and nobody knows whom they were trained on.
    #[error("{}: the file does not say whom the encoder was pretrained on", path.display())]
    #[diagnostic(help(
        "declare it in the pipeline: outside = {{ pool = [\"101\", ..] }}, people as the store names them; [] when it saw nobody of them"
    ))]
    UndeclaredPool {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written or read.
    #[error("{}: {source}", path.display())]
    #[diagnostic(help(
        "is there room on the disk, and is the folder writable? What was written before is whole: --resume goes on from it"
    ))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The loader refused pool, augmentation or batch.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Loader(#[from] LoaderError),
    /// The journal failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] RunError),
    /// The awareness layer failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Awareness(#[from] AwarenessError),
    /// The objective failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Objective(#[from] ObjectiveError),
    /// A network failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nn(#[from] NnError),
    /// A tensor operation failed.
    #[error("a tensor operation of training failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
