//! An encoder becomes a score: embeddings and labels in, classifiers, predictions and checked numbers out. Read
//! `downstream` (what is fitted), then `evaluate` (how it is judged).

pub mod downstream;
pub mod evaluate;
