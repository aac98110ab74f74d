//! Self-supervised learning on biosignals (EEG, ECG): recordings to windows, windows to a subject-aware encoder, an
//! encoder to a score that can be checked.
//!
//! Bytes become recordings, recordings become windows, windows become a store, a split says who may see what, batches
//! train an encoder, embeddings get a score, scores get a table. Each step is a room, each room has one door, and
//! rooms look only downwards; docs/architecture.md has the map, `tests/it/architecture.rs` holds it.

pub mod base;
pub mod signal;

pub mod numerics;
pub mod runs;

pub mod data;

pub mod learning;

#[cfg(feature = "train")]
pub mod judging;

#[cfg(feature = "train")]
pub mod pipeline;

#[cfg(feature = "train")]
pub mod error;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(feature = "train")]
pub use error::Error;
