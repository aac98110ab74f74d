//! The encoder on a CPU.

use candle_core::Tensor;

use super::encoder::EncoderTable;
use super::error::NnError;
use super::weights::{BatchStatistics, Weights};
use super::{Mode, layers};

/// Embeds on a CPU; see [`super::Encoder::embed`].
pub(super) fn embed(
    table: &EncoderTable,
    windows: &Tensor,
    weights: &Weights,
    mode: Mode,
) -> Result<(Tensor, BatchStatistics), NnError> {
    layers::embed(table, windows, weights, mode)
}
