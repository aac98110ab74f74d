//! Shallow classifiers on plain matrices: rows are windows, columns are features.
//!
//! [`Standardiser`] puts features on one scale (by the training rows alone), [`Logistic`] is the linear classifier of
//! every probe, [`Knn`] asks the nearest training rows, [`TwoLayer`] has a hidden layer. Everything but cosines and the
//! latter is f64 inside; all give the same bits for any number of threads.

mod knn;
mod lbfgs;
mod logistic;
mod standardise;
mod two_layer;

pub use knn::{Knn, Neighbours};
pub use logistic::{Examples, Logistic, LogisticFit, class_weights};
pub use standardise::Standardiser;
pub use two_layer::{Labelled, TwoLayer, WholeBatches};
