//! Noise-contrastive estimation: is this row the window's own, or noise?

use candle_core::{D, Tensor};

use crate::learning::nn::softplus;
use crate::learning::objectives::ObjectiveError;

/// Logits (cosines over the temperature) of a batch of anchors.
pub(crate) struct NceLogits {
    /// Own rows, `[n]`.
    pub(crate) positive: Tensor,
    /// Noise rows, `[n, m]`.
    pub(crate) noise: Tensor,
}

impl NceLogits {
    /// ln of the mean of e^logit over all (m + 1) n logits, no gradient: the constant Z over the number of windows.
    pub(crate) fn log_z(&self) -> Result<Tensor, ObjectiveError> {
        let all = Tensor::cat(&[&self.positive.unsqueeze(1)?, &self.noise], 1)?.detach().flatten_all()?;
        let count = all.elem_count() as f64;
        Ok((all.log_sum_exp(0)? - count.ln())?)
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
        let m = self.noise.dim(1)? as f64;
        let c = (log_z + m.ln())?;
        let own = softplus(&self.positive.neg()?.broadcast_add(&c)?)?;
        let noise = softplus(&self.noise.broadcast_sub(&c)?)?.sum(D::Minus1)?;
        Ok((own + noise)?)
    }

    /// Share of anchors whose own row is nearer than all noise; no gradient.
    pub(crate) fn key_accuracy(&self) -> Result<Tensor, ObjectiveError> {
        let nearest = self.noise.detach().max(D::Minus1)?;
        Ok(self.positive.detach().gt(&nearest)?.to_dtype(self.positive.dtype())?.mean_all()?)
    }
}
