//! Recordings and events to windows, a corpus to a store.
//!
//! Invariant: EEG and ECG take one path; what differs is in the [`Recipe`] and in the events. Filters see whole
//! recordings (or the pieces between gaps), never windows; NaN never leaves this room. Start reading at [`windows`],
//! then [`write_store`], which does it for a corpus with one recording a worker in memory.

mod error;
mod failure;
mod forecast;
mod padding;
mod parallel;
mod recipe;
mod reject;
mod rr;
mod same_data;
mod signal;
mod sources;
mod summary;
mod survey;
mod windows;
mod workers;

pub use error::PreprocessError;
pub use failure::Failure;
pub use forecast::{ExpectedCount, Forecast, forecast};
pub use recipe::{Baseline, Edge, Pass, Recipe, Reference, resolved_json};
pub use same_data::{DataDifference, data_differ, listing_differs};
pub use signal::{Extent, extent, filtered};
pub use summary::{ClassCount, Mixture, Rejected, Resampled, SubjectCount, Summary};
pub use windows::{Dropped, Place, Plan, Windows, cut, plan, rejects, windows};
pub use workers::{write_store, write_usable};
