//! Noise-contrastive estimation: is this row the window's own, or noise?

use candle_core::{D, Tensor};

use crate::learning::nn::softplus;
use crate::learning::objectives::ObjectiveError;

/// Logits (cosines over the temperature) of a batch of anchors.
pub(crate) struct NceLogits {
    /// Own rows, `[n]`.
    pub(crate) positive: Tensor,
    /// Noise rows, `[n, m]`; -inf where a row is none.
    pub(crate) noise: Tensor,
    /// Noise rows that are some, one count an anchor: `[n]`.
    pub(crate) counts: Tensor,
}

impl NceLogits {
    /// ln of the mean of e^logit over all own and noise rows of all heads, no gradient: the constant Z over the number
    /// of windows.
    pub(crate) fn log_z(heads: &[Self]) -> Result<Tensor, ObjectiveError> {
        let (mut all, mut count) = (Vec::new(), Vec::new());
        for Self { positive, noise, counts } in heads {
            all.extend([positive.detach(), noise.detach().flatten_all()?]);
            count.push((counts + 1.0)?);
        }
        Ok((Tensor::cat(&all, 0)?.log_sum_exp(0)? - Tensor::cat(&count, 0)?.sum_all()?.log()?)?)
    }

    /// -ln h(own) - sum over the noise of ln(1 - h(noise)), one number an anchor, with h = P/(P + m/n) and
    /// P = e^logit/Z. As softplus(c - a) + sum softplus(a_k - c), c = ln(m Z/n): exact, no overflow, n drops out.
    ///
    /// # Shapes
    /// - `log_z`: scalar, ln(Z/n)
    ///
    /// # Source
    /// `wu2018npid` eqs. 6-8.
    pub(crate) fn losses(&self, log_z: &Tensor) -> Result<Tensor, ObjectiveError> {
        self.told_apart_at(&self.counts.log()?.broadcast_add(log_z)?)
    }

    /// -ln h(own) - sum over the noise of ln(1 - h(noise)), h = e^a/(e^a + S), S the sum of e^a over the noise.
    ///
    /// # Source
    /// `misra2020pirl` eqs. 3-4; the same S in both terms is ours.
    pub(crate) fn paper_losses(&self) -> Result<Tensor, ObjectiveError> {
        self.told_apart_at(&self.noise.log_sum_exp(1)?)
    }

    /// softplus(c - a) + sum of softplus(a_k - c), one `c` an anchor.
    fn told_apart_at(&self, c: &Tensor) -> Result<Tensor, ObjectiveError> {
        let own = softplus(&(c - &self.positive)?)?;
        let noise = softplus(&self.noise.broadcast_sub(&c.unsqueeze(1)?)?)?.sum(D::Minus1)?;
        Ok((own + noise)?)
    }

    /// Share of anchors whose own row is nearer than all noise; no gradient.
    pub(crate) fn key_accuracy(&self) -> Result<Tensor, ObjectiveError> {
        let nearest = self.noise.detach().max(D::Minus1)?;
        Ok(self.positive.detach().gt(&nearest)?.to_dtype(self.positive.dtype())?.mean_all()?)
    }
}
