//! Ranges of settings that several objectives have.

use candle_core::Tensor;

use crate::learning::objectives::{ObjectiveError, fault};

/// Longest projection.
const LONGEST: usize = 4096;

/// Refuses a temperature outside 0.01 to 1.
pub(crate) fn check_temperature(temperature: f64) -> Result<(), ObjectiveError> {
    if (0.01..=1.0).contains(&temperature) {
        return Ok(());
    }
    fault("temperature", temperature.to_string(), "it lies outside 0.01 to 1")
}

/// Refuses a projection that cannot hold a direction, or a slip of the pen.
pub(crate) fn check_dim(dim: usize) -> Result<(), ObjectiveError> {
    if (2..=LONGEST).contains(&dim) {
        return Ok(());
    }
    fault("dim", dim.to_string(), &format!("a projection has 2 to {LONGEST} numbers"))
}

/// Refuses a bank's share of its old row outside 0 to 1 (without 1).
pub(crate) fn check_share(key: &'static str, share: f64) -> Result<(), ObjectiveError> {
    if (0.0..1.0).contains(&share) {
        return Ok(());
    }
    fault(key, share.to_string(), "it lies outside 0 to 1 (without 1)")
}

/// 1/temperature as a scalar tensor like `like`.
pub(crate) fn scale_of(temperature: f64, like: &Tensor) -> Result<Tensor, ObjectiveError> {
    Ok(Tensor::new(1.0 / temperature, like.device())?.to_dtype(like.dtype())?)
}
