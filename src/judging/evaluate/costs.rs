//! What pretraining cost, beside what it brought.

use serde::{Deserialize, Serialize};

/// What pretraining of one arm took, all folds and seeds together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmCost {
    /// Its name.
    pub arm: String,
    /// What it minimised.
    pub objective: String,
    /// Updates.
    pub updates: u64,
    /// Windows seen: updates times windows of a batch. Arms of equal compute have this in common.
    pub windows: u64,
    /// What passed the encoder differentiated, in windows: every view counts, and pieces by their length.
    pub with_gradient: f64,
    /// What passed the encoder without: keys of momentum encoders, a bank's first rows.
    pub without_gradient: f64,
}
