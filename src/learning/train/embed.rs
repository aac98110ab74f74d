//! Windows through a finished encoder: what probes, scores and exports stand on.

use std::marker::PhantomData;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use ndarray::{Array2, s};

use crate::base::Watch;
use crate::data::splits::{Pool, Role, Subset};
use crate::data::store::Store;
use crate::learning::nn::{Encoder, Mode, Weights};
use crate::learning::objectives::{EmbedPool, ObjectiveError};
use crate::signal::Reject;

use super::error::TrainError;
use super::loader::{LoaderError, evaluation_windows};

/// Windows a pass. It bounds memory only: a row's embedding does not depend on its batch.
const BATCH: usize = 256;

/// Embeddings of the rows of one role.
#[derive(Debug, Clone)]
pub struct Embeddings<R: Role> {
    /// `[n, dim]`.
    pub values: Array2<f32>,
    /// Rows of the store, ascending.
    pub rows: Vec<u32>,
    /// Their labels; `None` in the pool only.
    pub labels: Vec<Option<u16>>,
    /// Their people, as indices into the table's subjects.
    pub subjects: Vec<u32>,
    role: PhantomData<R>,
}

/// Embeds the evaluation windows of `subset`: running statistics, no dropout, no transforms, no projector.
///
/// # Shapes
/// `[n, dim]`, in the order of `subset.rows()`
///
/// # Errors
/// Windows of another shape than the encoder's; what the device reports.
pub fn embed<R: Role>(
    encoder: &dyn Encoder,
    weights: &Weights,
    store: &Store,
    subset: &Subset<R>,
) -> Result<Embeddings<R>, TrainError> {
    let values = embed_rows(encoder, weights, store, subset.rows())?;
    let table = store.table();
    let subjects = subset.rows().iter().map(|&row| table.rows[row as usize].subject).collect();
    let (rows, labels) = (subset.rows().to_vec(), subset.labels(table));
    Ok(Embeddings { values, rows, labels, subjects, role: PhantomData })
}

/// Embeds every window of a store that a network can read, whatever its role: for export, not for judging. Gives the
/// rows, ascending, and their embeddings.
///
/// # Shapes
/// `[n, dim]`
///
/// # Errors
/// As [`embed`]; a request to stop.
pub fn embed_all(
    encoder: &dyn Encoder,
    weights: &Weights,
    store: &Store,
    watch: &Watch,
) -> Result<(Vec<u32>, Array2<f32>), TrainError> {
    let rows = (0_u32..).zip(&store.table().rows);
    let rows: Vec<u32> = rows.filter(|(_, row)| row.reject != Some(Reject::NonFinite)).map(|(row, _)| row).collect();
    let mut values = Array2::zeros((rows.len(), encoder.dim()));
    watch.progress().begin("embed", rows.len() as u64, "windows");
    for (first, piece) in (0..).step_by(BATCH).zip(rows.chunks(BATCH)) {
        watch.check()?;
        let last = first + piece.len();
        values.slice_mut(s![first..last, ..]).assign(&embed_rows(encoder, weights, store, piece)?);
        watch.progress().advance(last as u64, "");
    }
    watch.progress().end();
    Ok((rows, values))
}

/// The pool as an objective asks for it once an epoch.
pub(super) struct PoolEmbedding<'a> {
    pub(super) encoder: Arc<dyn Encoder>,
    pub(super) store: &'a Store,
    pub(super) pool: &'a Subset<Pool>,
    /// Why the last pass failed: an objective's error does not know of stores.
    pub(super) fault: Option<TrainError>,
}

impl EmbedPool for PoolEmbedding<'_> {
    fn embed(&mut self, weights: &Weights) -> Result<Tensor, ObjectiveError> {
        match embed_rows(&*self.encoder, weights, self.store, self.pool.rows()) {
            Ok(values) => {
                let shape = values.dim();
                let values = Tensor::from_vec(values.into_raw_vec_and_offset().0, shape, weights.flat().device())?;
                Ok(values.to_dtype(weights.flat().dtype())?)
            }
            Err(error) => {
                let reason = error.to_string();
                self.fault = Some(error);
                Err(ObjectiveError::Pool { reason })
            }
        }
    }
}

/// The same for any rows. Inside this room only: whoever asks has a subset of a role that it may see.
///
/// # Shapes
/// `[n, dim]`
pub(super) fn embed_rows(
    encoder: &dyn Encoder,
    weights: &Weights,
    store: &Store,
    rows: &[u32],
) -> Result<Array2<f32>, TrainError> {
    let weights = weights.detached();
    let device = weights.flat().device().clone();
    let mut values = Array2::zeros((rows.len(), encoder.dim()));
    for (first, rows) in (0..).step_by(BATCH).zip(rows.chunks(BATCH)) {
        let windows = evaluation_windows(store, rows).map_err(LoaderError::from)?;
        let shape = windows.dim();
        let windows = Tensor::from_vec(windows.into_raw_vec_and_offset().0, shape, &device)?;
        let windows = windows.to_dtype(weights.flat().dtype())?;
        let (embedding, _) = encoder.embed(&windows, &weights, Mode::Eval)?;
        let flat = embedding.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let piece = Array2::from_shape_vec((rows.len(), encoder.dim()), flat).expect("one embedding a window");
        values.slice_mut(s![first..first + rows.len(), ..]).assign(&piece);
    }
    Ok(values)
}
