//! Shuffled batches of plain windows with targets, for fine-tuning and end-to-end training.

use ndarray::ArrayViewMut2;
use rayon::prelude::*;

use super::evaluation::write_evaluation_window;
use super::{HostBatch, LoaderError};
use crate::base::{Purpose, StreamKey};
use crate::data::store::Store;

/// A window with what is to be predicted for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelledRow {
    /// Row of the store.
    pub row: u32,
    /// Index of the person among the training people.
    pub subject: u32,
    /// The class.
    pub target: u32,
}

/// Evaluation windows of labelled rows, shuffled anew each epoch; the last, smaller batch is kept.
pub struct LabelledLoader<'a> {
    store: &'a Store,
    rows: Vec<LabelledRow>,
    seed: u64,
    batch: usize,
}

impl<'a> LabelledLoader<'a> {
    /// A loader of `rows` in batches of `batch` windows.
    ///
    /// # Panics
    /// When `batch` is 0.
    pub fn new(store: &'a Store, rows: Vec<LabelledRow>, seed: u64, batch: usize) -> Self {
        assert!(batch > 0, "a batch has at least one window");
        Self { store, rows, seed, batch }
    }

    /// Batches of an epoch.
    pub fn n_batches(&self) -> usize {
        self.rows.len().div_ceil(self.batch)
    }

    /// Batch `index` of `epoch`; `slots` are ranks among the loader's rows.
    ///
    /// # Errors
    /// Samples that cannot be read.
    ///
    /// # Panics
    /// When the epoch has no such batch.
    pub fn batch(&self, epoch: u32, index: usize) -> Result<HostBatch, LoaderError> {
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        StreamKey::new(self.seed, Purpose::Downstream).epoch(epoch).stream().shuffle(&mut order);
        let first = index * self.batch;
        let slots = order[first..(first + self.batch).min(order.len())].to_vec();
        let rows: Vec<LabelledRow> = slots.iter().map(|slot| self.rows[*slot as usize]).collect();
        let (channels, length) = (self.store.channels().len(), self.store.spec().length as usize);
        let mut samples = vec![0.0; rows.len() * channels * length];
        samples.par_chunks_exact_mut(channels * length).zip(&rows).try_for_each(|(into, labelled)| {
            let into = ArrayViewMut2::from_shape((channels, length), into).expect("a chunk is a window");
            write_evaluation_window(self.store, labelled.row, into)
        })?;
        Ok(HostBatch {
            channels,
            length,
            views: vec![samples],
            rows: vec![rows.iter().map(|labelled| labelled.row).collect()],
            positives: slots.clone(),
            slots,
            subject: rows.iter().map(|labelled| labelled.subject).collect(),
            target: Some(rows.iter().map(|labelled| labelled.target).collect()),
        })
    }
}
