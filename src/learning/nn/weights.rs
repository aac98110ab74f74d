//! Weights as a forward pass reads them: one flat tensor, looked at by name, and the norms' running statistics.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::error::NnError;
use super::layout::Layout;

/// Share of a new batch in the running statistics (PyTorch's `momentum`).
const MOMENTUM: f64 = 0.1;

/// Running mean and variance of all norms of a layout, laid one behind the other.
#[derive(Debug, Clone)]
pub struct RunningStatistics {
    /// `[norm_channels]`.
    pub mean: Tensor,
    /// `[norm_channels]`, unbiased.
    pub var: Tensor,
    /// Batches seen, one count a norm.
    pub batches: Vec<i64>,
}

impl RunningStatistics {
    /// Mean 0, variance 1, no batch seen.
    pub(super) fn fresh(layout: &Layout, device: &Device, dtype: DType) -> Result<Self, NnError> {
        let channels = layout.norm_channels();
        Ok(Self {
            mean: Tensor::zeros(channels, dtype, device)?,
            var: Tensor::ones(channels, dtype, device)?,
            batches: vec![0; layout.norms().len()],
        })
    }

    /// 0.9 of the old and 0.1 of the batch's.
    pub(super) fn updated(&self, batch: &BatchStatistics) -> Result<Self, NnError> {
        let Some(BatchNumbers { mean, var }) = &batch.0 else { return Ok(self.clone()) };
        let blend = |old: &Tensor, new: &Tensor| (old * (1.0 - MOMENTUM))? + (new * MOMENTUM)?;
        Ok(Self {
            mean: blend(&self.mean, mean)?,
            var: blend(&self.var, var)?,
            batches: self.batches.iter().map(|n| n + 1).collect(),
        })
    }
}

#[derive(Debug, Clone)]
struct BatchNumbers {
    mean: Tensor,
    var: Tensor,
}

/// Mean and unbiased variance of one batch at every norm, detached; over the norm groups averaged. Empty after a pass
/// in [`super::Mode::Eval`].
#[derive(Debug, Clone, Default)]
pub struct BatchStatistics(Option<BatchNumbers>);

impl BatchStatistics {
    /// Statistics of all norms of a layout, in its order: `[norm_channels]` each.
    pub(super) fn new(mean: Tensor, var: Tensor) -> Self {
        Self(Some(BatchNumbers { mean: mean.detach(), var: var.detach() }))
    }

    /// Whether the pass took none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Mean of every norm's channels, `[norm_channels]`.
    pub fn mean(&self) -> Option<&Tensor> {
        self.0.as_ref().map(|numbers| &numbers.mean)
    }

    /// Unbiased variance of every norm's channels, `[norm_channels]`.
    pub fn var(&self) -> Option<&Tensor> {
        self.0.as_ref().map(|numbers| &numbers.var)
    }
}

/// The weights of a group, or a named part of them, for one forward pass. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Weights {
    layout: Arc<Layout>,
    prefix: String,
    flat: Tensor,
    running: RunningStatistics,
}

impl Weights {
    /// Weights over a flat tensor.
    ///
    /// # Shapes
    /// - `flat`: `[layout.len()]`
    ///
    /// # Errors
    /// [`NnError::Length`].
    pub fn new(layout: Arc<Layout>, flat: Tensor, running: RunningStatistics) -> Result<Self, NnError> {
        if flat.dims() != [layout.len()] {
            return Err(NnError::Length { expected: layout.len(), found: flat.elem_count() });
        }
        Ok(Self { layout, prefix: String::new(), flat, running })
    }

    /// The whole layout.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// All parameters, `[len]`.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The norms' running statistics.
    pub fn running(&self) -> &RunningStatistics {
        &self.running
    }

    /// The parameter called `name` (after this part's prefix), in its shape.
    ///
    /// # Errors
    /// [`NnError::UnknownParameter`].
    pub fn view(&self, name: &str) -> Result<Tensor, NnError> {
        let entry = self.layout.find(&format!("{}{name}", self.prefix))?;
        Ok(self.flat.narrow(0, entry.offset, entry.len())?.reshape(entry.shape.as_slice())?)
    }

    /// The part whose names begin with `prefix`, for instance `projector.`.
    #[must_use]
    pub fn part(&self, prefix: &str) -> Self {
        Self { prefix: format!("{}{prefix}", self.prefix), ..self.clone() }
    }

    /// The same numbers outside the graph: a pass with them records and keeps nothing.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { flat: self.flat.detach(), ..self.clone() }
    }
}
