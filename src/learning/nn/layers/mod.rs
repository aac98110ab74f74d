//! The composed executor: an encoder's table run by candle operations, right on every device, in f32 and f64.
//!
//! Only operations whose gradients are right are used (docs/decisions/0001-own-convolution.md): no `conv1d`, no
//! `max_pool2d`, no matrix product with a broadcast or transposed batch. Data is channels-last, `[n, time, channels]`.

mod norm;

use candle_core::{D, Tensor};

use super::Mode;
use super::encoder::{EncoderTable, POOL};
use super::error::NnError;
use super::weights::{BatchStatistics, Weights};
use norm::Norms;

/// Embeds by candle operations; see [`super::Encoder::embed`].
pub(super) fn embed(
    table: &EncoderTable,
    windows: &Tensor,
    weights: &Weights,
    mode: Mode,
) -> Result<(Tensor, BatchStatistics), NnError> {
    let mut norms = Norms::new(weights, mode);
    let mut x = convolution(&windows.transpose(1, 2)?.contiguous()?, weights, "stem")?;
    for (i, block) in table.blocks.iter().enumerate() {
        let at = |part: &str| format!("blocks.{i}.{part}");
        let a = norms.apply(&x, &at("bn1"))?.elu(1.0)?;
        let skip = convolution(&a, weights, &at("skip"))?;
        let b = norms.apply(&convolution(&a, weights, &at("conv1"))?, &at("bn2"))?.elu(1.0)?;
        x = (skip + convolution(&b, weights, &at("conv2"))?)?;
        if block.pooled {
            x = max_pool(&x)?;
        }
    }
    let a = norms.apply(&x, "bn")?.elu(1.0)?;
    Ok((average_bins(&a, table)?, norms.statistics()?))
}

/// `[n, time, in]` to `[n, time, out]`: the taps side by side, then one product.
fn convolution(x: &Tensor, weights: &Weights, name: &str) -> Result<Tensor, NnError> {
    let weight = weights.view(&format!("{name}.weight"))?;
    let bias = weights.view(&format!("{name}.bias"))?;
    let (n, time, input) = x.dims3()?;
    let (output, _, kernel) = weight.dims3()?;
    let taps = if kernel == 1 {
        x.clone()
    } else {
        let padded = x.pad_with_zeros(1, kernel / 2, kernel / 2)?;
        let taps = (0..kernel).map(|tap| padded.narrow(1, tap, time)).collect::<Result<Vec<_>, _>>()?;
        Tensor::cat(&taps, 2)?
    };
    let matrix = weight.permute((2, 1, 0))?.reshape((kernel * input, output))?.contiguous()?;
    let product = taps.contiguous()?.reshape((n * time, kernel * input))?.matmul(&matrix)?;
    Ok(product.broadcast_add(&bias)?.reshape((n, time, output))?)
}

/// Maximum over four samples; the rest at the end is dropped.
fn max_pool(x: &Tensor) -> Result<Tensor, NnError> {
    let (n, time, channels) = x.dims3()?;
    let kept = time / POOL;
    Ok(x.narrow(1, 0, kept * POOL)?.contiguous()?.reshape((n, kept, POOL, channels))?.max(2)?)
}

/// `[n, time, channels]` to `[n, channels * bins]`, channel-major.
fn average_bins(x: &Tensor, table: &EncoderTable) -> Result<Tensor, NnError> {
    let (_, time, _) = x.dims3()?;
    let bins = (0..table.bins)
        .map(|bin| {
            let range = table.bin_range(bin, time);
            x.narrow(1, range.start, range.len())?.mean(1)?.unsqueeze(D::Minus1)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::cat(&bins, 2)?.flatten_from(1)?)
}
