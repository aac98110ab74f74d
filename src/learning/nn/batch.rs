//! What one training step sees, and how norms behave in it.

use candle_core::Tensor;

/// The windows of one step.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[n, channels, samples]` each; a view may have its own length.
    pub views: Vec<Tensor>,
    /// Store rows, one list a view: a positive may be another window.
    pub rows: Vec<Vec<u32>>,
    /// Rank of each window in the pool, for banks.
    pub slots: Vec<u32>,
    /// Rank in the pool of the window that each one is to match: its own, unless another is its positive.
    pub positives: Vec<u32>,
    /// Index of each window's person among the training people.
    pub subject: Vec<u32>,
    /// What to predict, where the task has it.
    pub target: Option<Vec<u32>>,
}

impl Batch {
    /// Windows in the batch.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// How batch norm behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By the statistics of the batch, in `norm_groups` equal parts of consecutive windows (1: the whole batch).
    Train {
        /// Parts with statistics of their own.
        norm_groups: usize,
    },
    /// By the running statistics.
    Eval,
}

impl Mode {
    /// Training with one norm group.
    pub const TRAIN: Self = Self::Train { norm_groups: 1 };
}
