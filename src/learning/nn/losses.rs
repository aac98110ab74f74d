//! Pieces of losses that every task shares. Portable: any device, f32 and f64, gradients checked.

use candle_core::{D, Tensor};

use super::error::NnError;

/// Mean cross entropy in nats; with `class_weights` the mean is over weights, as PyTorch's.
///
/// # Shapes
/// - `logits`: `[n, classes]`; `targets`: n class indices; `class_weights`: one a class
///
/// # Errors
/// [`NnError::Target`], [`NnError::TargetCount`].
///
/// # Source
/// -sum_i w_{y_i} log softmax(logits_i)_{y_i} / sum_i w_{y_i}.
pub fn cross_entropy(logits: &Tensor, targets: &[u32], class_weights: Option<&[f64]>) -> Result<Tensor, NnError> {
    let (n, classes) = logits.dims2()?;
    if targets.len() != n {
        return Err(NnError::TargetCount { rows: n, targets: targets.len() });
    }
    if let Some((row, &target)) = targets.iter().enumerate().find(|(_, target)| **target as usize >= classes) {
        return Err(NnError::Target { row, target, classes });
    }
    let index = Tensor::from_slice(targets, (n, 1), logits.device())?;
    let own = logits.contiguous()?.gather(&index, D::Minus1)?.squeeze(1)?;
    let losses = (logits.log_sum_exp(D::Minus1)? - own)?;
    let Some(class_weights) = class_weights else { return Ok(losses.mean_all()?) };
    let weights: Vec<f64> = targets.iter().map(|target| class_weights[*target as usize]).collect();
    let sum: f64 = weights.iter().sum();
    let weights = Tensor::from_vec(weights, n, logits.device())?.to_dtype(logits.dtype())?;
    Ok(((losses * weights)?.sum_all()? / sum)?)
}

/// Every row over its Euclidean length, which counts as at least 1e-12.
///
/// # Shapes
/// - `rows`: `[n, d]`
///
/// # Errors
/// What candle reports.
pub fn normalise_rows(rows: &Tensor) -> Result<Tensor, NnError> {
    // The bound sits under the root on purpose: the root of 0 has an infinite slope, and 0 times infinity is NaN.
    let squares = rows.sqr()?.sum_keepdim(D::Minus1)?.maximum(1e-24)?;
    Ok(rows.broadcast_div(&squares.sqrt()?)?)
}

/// ln(1 + e^x), finite for every finite x, slope 1/2 at 0.
///
/// # Errors
/// What candle reports.
pub fn softplus(x: &Tensor) -> Result<Tensor, NnError> {
    // As log-sum-exp of (0, x): the usual form by |x| loses its gradient exactly at 0, where fresh classifiers stand.
    let last = x.rank();
    Ok(Tensor::stack(&[&x.zeros_like()?, x], last)?.log_sum_exp(D::Minus1)?)
}
