//! What a loader refuses before the first batch, and what a store may refuse later.

use crate::data::store::StoreError;
use crate::learning::augment::AugmentError;

/// A pool, an augmentation or a batch size that cannot go together.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum LoaderError {
    /// The chain of transforms does not fit the store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Augment(#[from] AugmentError),
    /// The samples cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// No batch fits the pool.
    #[error("a pool of {n_windows} windows has no batch of {batch}")]
    #[diagnostic(help("lower the batch size or pretrain on more people"))]
    Batch {
        /// Windows in the pool.
        n_windows: usize,
        /// Windows of a batch.
        batch: usize,
    },
    /// A transform needs a second window and there is none.
    #[error("window {row} has no partner in the pool: every other window of {scope} overlaps it")]
    #[diagnostic(help("leave signal-mixing out of `augment`, and `fill = \"other\"` of temporal-cutout"))]
    NoPartner {
        /// Row of the store.
        row: u32,
        /// Where the partner was looked for, in words.
        scope: &'static str,
    },
}
