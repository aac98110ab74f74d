//! What an objective asks of the windows: views of a batch, and once an epoch the whole pool.

use std::sync::Arc;

use candle_core::Tensor;

use crate::learning::augment::Pretext;
use crate::learning::nn::Weights;

use super::error::ObjectiveError;

/// Which views of each window a batch must hold.
#[derive(Clone)]
pub struct ViewPlan {
    /// Views by the augmentation, drawn apart. They come first.
    pub augmented: usize,
    /// Makes further views.
    pub pretext: Option<Arc<dyn Pretext>>,
}

impl ViewPlan {
    /// Views by the augmentation only.
    pub fn augmented(augmented: usize) -> Self {
        Self { augmented, pretext: None }
    }

    /// Samples of each view, for windows of `samples`.
    pub fn lengths(&self, samples: usize) -> Vec<usize> {
        let further = self.pretext.as_ref().map_or_else(Vec::new, |pretext| pretext.lengths(samples));
        [vec![samples; self.augmented], further].concat()
    }
}

/// What passes the encoder in an update, for each window of a batch. Heads, adversary and looks at validation people
/// are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passes {
    /// Samples of signal whose pass is differentiated.
    pub with_gradient: usize,
    /// Samples whose pass is not.
    pub without_gradient: usize,
    /// Passes of the whole pool before the first update, not differentiated.
    pub of_pool: usize,
}

/// The windows of the pool through an encoder, for what an objective does once an epoch.
pub trait EmbedPool {
    /// Embeds the plain windows of the pool in the order of slots: running statistics, no gradient. `[n, dim]`
    ///
    /// # Errors
    /// What the device reports.
    fn embed(&mut self, weights: &Weights) -> Result<Tensor, ObjectiveError>;
}
