//! Clipping by the global norm.

use candle_core::{DType, Tensor};

use crate::learning::nn::Layout;
use crate::learning::train::TrainError;

use super::mask;

/// Gradients after clipping.
pub struct Clipped {
    /// One a group, flat.
    pub gradients: Vec<Tensor>,
    /// The norm before, over the entries that count.
    pub norm: f64,
}

/// Scales the gradients so that their common norm over the entries flagged `clipped` is at most `limit`. Other entries
/// (the temperature) neither count nor change.
///
/// # Errors
/// When a tensor operation fails.
pub fn clip(gradients: Vec<(&Layout, Tensor)>, limit: f64) -> Result<Clipped, TrainError> {
    let mut sum = 0.0;
    let mut masks = Vec::with_capacity(gradients.len());
    for (layout, gradient) in &gradients {
        let mask = mask(layout, gradient, |entry| entry.clipped)?;
        sum += (gradient * &mask)?.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
        masks.push(mask);
    }
    let norm = sum.sqrt();
    // The small number is PyTorch's guard; it also leaves a zero gradient alone.
    let factor = (limit / (norm + 1e-6)).min(1.0);
    let scaled = |(gradient, mask): (Tensor, Tensor)| -> Result<Tensor, TrainError> {
        if factor < 1.0 { Ok((gradient * (mask * (factor - 1.0))?.affine(1.0, 1.0)?)?) } else { Ok(gradient) }
    };
    let gradients = gradients.into_iter().map(|(_, gradient)| gradient).zip(masks).map(scaled);
    Ok(Clipped { gradients: gradients.collect::<Result<_, _>>()?, norm })
}
