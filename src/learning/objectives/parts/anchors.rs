//! Which rows of a batch enter the mean, and how far rows spread.

use candle_core::Tensor;

use crate::learning::objectives::ObjectiveError;

/// Mean over the columns of their standard deviation: 1/sqrt(d) for spread unit rows, 0 for collapsed ones.
pub(crate) fn column_std(rows: &Tensor) -> Result<Tensor, ObjectiveError> {
    Ok(rows.detach().var(0)?.sqrt()?.mean_all()?)
}

/// Queries with at least `least` allowed candidates; `mask` is `[n_queries, n_candidates]` row by row.
pub(crate) fn rows_with_enough(mask: &[u8], n_candidates: usize, n_queries: usize, least: usize) -> Vec<u32> {
    let enough = |i: &u32| {
        let row = &mask[*i as usize * n_candidates..(*i as usize + 1) * n_candidates];
        row.iter().map(|allowed| usize::from(*allowed)).sum::<usize>() >= least
    };
    (0..n_queries as u32).filter(enough).collect()
}

/// Takes the kept rows of a tensor; all rows cost nothing.
pub(crate) struct Pick(Option<Tensor>);

impl Pick {
    /// For `kept` of `n` rows, on the device of `like`.
    pub(crate) fn new(kept: &[u32], n: usize, like: &Tensor) -> Result<Self, ObjectiveError> {
        if kept.len() == n {
            return Ok(Self(None));
        }
        Ok(Self(Some(Tensor::from_slice(kept, kept.len(), like.device())?)))
    }

    /// The kept rows of `tensor`.
    pub(crate) fn of(&self, tensor: &Tensor) -> Result<Tensor, ObjectiveError> {
        match &self.0 {
            None => Ok(tensor.clone()),
            Some(kept) => Ok(tensor.contiguous()?.index_select(kept, 0)?),
        }
    }
}
