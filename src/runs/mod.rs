//! The run folder: its file names, its journal, its provenance. Nothing else knows a file name in it.
//!
//! A run is one execution of a pipeline. Its folder holds what was asked for, who had which role, what happened, the
//! weights, every test prediction, the scores, and a manifest with the SHA-256 of all of these. Every file appears
//! whole or not at all; the journal grows line by line. Start reading at [`RunFolder`].

mod error;
mod events;
mod folder;
mod journal;
mod manifest;
mod npy;
mod predictions;
mod stamp;

pub use error::RunError;
pub use events::Events;
pub use folder::{Existing, RunFolder};
pub use journal::Journal;
pub use manifest::Manifest;
pub use npy::npy;
pub use predictions::{PredictionRow, PredictionTable};
pub use stamp::stamp;
