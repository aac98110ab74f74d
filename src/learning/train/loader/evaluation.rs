//! Windows as evaluation, probes, fine-tuning and export see them.

use ndarray::{Array3, ArrayViewMut2, s};
use rayon::prelude::*;

use crate::data::store::{Store, StoreError};
use crate::learning::augment::Scale;
use crate::signal::Normalisation;

/// The evaluation windows of `rows`, normalised as the store's recipe says.
///
/// # Shapes
/// `[n, channels, samples]`
///
/// # Errors
/// Samples that cannot be read.
///
/// # Panics
/// When the store has no such row.
pub fn evaluation_windows(store: &Store, rows: &[u32]) -> Result<Array3<f32>, StoreError> {
    let (channels, length) = (store.channels().len(), store.spec().length as usize);
    let mut samples = vec![0.0; rows.len() * channels * length];
    samples.par_chunks_exact_mut(channels * length).zip(rows).try_for_each(|(into, row)| {
        let into = ArrayViewMut2::from_shape((channels, length), into).expect("a chunk is a window");
        write_evaluation_window(store, *row, into)
    })?;
    Ok(Array3::from_shape_vec((rows.len(), channels, length), samples).expect("one chunk a row"))
}

/// Writes one evaluation window.
pub(super) fn write_evaluation_window(store: &Store, row: u32, into: ArrayViewMut2<'_, f32>) -> Result<(), StoreError> {
    let spec = store.spec();
    let start = (i64::from(spec.margin) + store.eval_cut(row).offset) as usize;
    let stored = store.row(row)?;
    let window = stored.slice(s![.., start..start + spec.length as usize]);
    scale_of(spec.normalisation, window).write(window, into);
    Ok(())
}

/// The constants that bring a nominal window into the form an encoder sees.
pub(super) fn scale_of(normalisation: Normalisation, window: ndarray::ArrayView2<'_, f32>) -> Scale {
    match normalisation {
        Normalisation::Window => Scale::of_window(window),
        // `record` and `causal` are in the stored samples already.
        Normalisation::None | Normalisation::Record | Normalisation::Causal => Scale::identity(window.nrows()),
    }
}
