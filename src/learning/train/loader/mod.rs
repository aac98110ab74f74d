//! Batches out of a store: augmented views of the pool for pretraining, plain windows with targets for supervised
//! training, and windows for embedding.
//!
//! Invariant: what a batch holds is named by seed, epoch and index alone. Any batch can be made at any time, by any
//! number of threads, with the same bits; a resumed run needs no state of its loader.

mod batch;
mod error;
mod evaluation;
mod labelled;
mod partners;
mod pool;
mod prefetch;
#[cfg(test)]
mod tests;

pub use batch::HostBatch;
pub use error::LoaderError;
pub use evaluation::evaluation_windows;
pub use labelled::{LabelledLoader, LabelledRow};
pub use partners::PartnerScope;
pub use pool::{PoolLoader, PoolLoading};
pub use prefetch::Prefetch;
