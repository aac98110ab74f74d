//! A batch before it is moved to a device.

use candle_core::{Device, Tensor};

use crate::learning::nn::Batch;

/// A batch in plain memory, so that it can be made on another thread than the one that trains.
#[derive(Debug, Clone, PartialEq)]
pub struct HostBatch {
    /// Channels of a window.
    pub channels: usize,
    /// Samples of a window and of an augmented view.
    pub length: usize,
    /// One buffer a view, `[n, channels, samples]`; a pretext task's view has a length of its own.
    pub views: Vec<Vec<f32>>,
    /// Rows of the store, one list a view.
    pub rows: Vec<Vec<u32>>,
    /// Ranks in the pool or the role.
    pub slots: Vec<u32>,
    /// Ranks in the pool of the windows that these are to match.
    pub positives: Vec<u32>,
    /// Index of the person among the training people.
    pub subject: Vec<u32>,
    /// What a supervised task predicts.
    pub target: Option<Vec<u32>>,
}

impl HostBatch {
    /// Moves the batch to a device.
    ///
    /// # Errors
    /// What the device says, out of memory foremost.
    pub fn into_batch(self, device: &Device) -> candle_core::Result<Batch> {
        let (n, channels) = (self.slots.len(), self.channels);
        let views = self.views.into_iter().map(|view| {
            let length = view.len() / (n * channels).max(1);
            Tensor::from_vec(view, (n, channels, length), device)
        });
        let views = views.collect::<candle_core::Result<Vec<_>>>()?;
        let Self { rows, slots, positives, subject, target, .. } = self;
        Ok(Batch { views, rows, slots, positives, subject, target })
    }
}
