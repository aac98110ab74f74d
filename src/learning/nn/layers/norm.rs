//! Batch norm of primitive operations, and what it gives back for the running statistics.

use candle_core::Tensor;

use crate::learning::nn::encoder::EPSILON;
use crate::learning::nn::{BatchStatistics, Mode, NnError, Weights};

/// The norms of one pass; collects each batch's statistics in the layout's order.
pub(super) struct Norms<'a> {
    weights: &'a Weights,
    mode: Mode,
    taken: Vec<(Tensor, Tensor)>,
    next: usize,
}

impl<'a> Norms<'a> {
    pub(super) fn new(weights: &'a Weights, mode: Mode) -> Self {
        Self { weights, mode, taken: Vec::new(), next: 0 }
    }

    /// Normalises `[n, time, channels]`; norms are applied in the layout's order.
    pub(super) fn apply(&mut self, x: &Tensor, name: &str) -> Result<Tensor, NnError> {
        let entry = &self.weights.layout().norms()[self.next];
        debug_assert_eq!(entry.name, name, "norms run in the layout's order");
        self.next += 1;
        let normal = match self.mode {
            Mode::Train { norm_groups } => self.by_batch(x, norm_groups)?,
            Mode::Eval => {
                let running = self.weights.running();
                let mean = running.mean.narrow(0, entry.offset, entry.channels)?;
                let var = running.var.narrow(0, entry.offset, entry.channels)?;
                x.broadcast_sub(&mean)?.broadcast_div(&(var + EPSILON)?.sqrt()?)?
            }
        };
        let (weight, bias) =
            (self.weights.view(&format!("{name}.weight"))?, self.weights.view(&format!("{name}.bias"))?);
        Ok(normal.broadcast_mul(&weight)?.broadcast_add(&bias)?)
    }

    fn by_batch(&mut self, x: &Tensor, groups: usize) -> Result<Tensor, NnError> {
        let (n, time, channels) = x.dims3()?;
        let count = n / groups * time;
        let x = x.reshape((groups, count, channels))?;
        let mean = x.mean_keepdim(1)?;
        let centred = x.broadcast_sub(&mean)?;
        let var = centred.sqr()?.mean_keepdim(1)?;
        let unbiased = (&var * (count as f64 / (count as f64 - 1.0)))?;
        self.taken.push((mean.mean((0, 1))?, unbiased.mean((0, 1))?));
        Ok(centred.broadcast_div(&(var + EPSILON)?.sqrt()?)?.reshape((n, time, channels))?)
    }

    pub(super) fn statistics(self) -> Result<BatchStatistics, NnError> {
        if self.taken.is_empty() {
            return Ok(BatchStatistics::default());
        }
        let (means, vars): (Vec<_>, Vec<_>) = self.taken.into_iter().unzip();
        Ok(BatchStatistics::new(Tensor::cat(&means, 0)?, Tensor::cat(&vars, 0)?))
    }
}
