//! A TOML file becomes a run: recordings to a store, a split, encoders, classifiers, scores, in one run folder.
//!
//! Invariant: sections of the file are rooms, and each room gets its own section only; nothing here computes. Start
//! reading at [`Pipeline`].

mod admit;
mod arms;
mod compare;
mod costs;
mod cuts;
mod embeddings;
mod error;
mod estimate;
mod fit;
mod means;
mod outside;
mod pace;
mod parse;
mod predict;
mod prepare;
mod recorded;
mod scope;
mod section;
mod stages;
mod text;
mod verify;
mod views;
mod ways;

pub use arms::Arm;
pub use compare::compare;
pub use embeddings::{Embedded, EncoderSource, embed_store};
pub use error::PipelineError;
pub use estimate::{ArmEstimate, Estimate, estimate};
pub use fit::{FittedLine, fit_checkpoint};
pub use means::Means;
pub use outside::{Admitted, Seen, admit};
pub use parse::Pipeline;
pub use predict::{Cutting, PredictRequest, Predicted, PredictedWindow, predict};
pub use prepare::{LabelCount, Prepared, Stale, existing, label_counts, outlook, prepare};
pub use scope::Part;
pub use stages::{PretrainedFile, Run, draw, finished};
pub use text::{PipelineText, Place};
pub use verify::{Disagreement, Verified, verify};
