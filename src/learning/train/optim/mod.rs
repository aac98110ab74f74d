//! Optimisers over one flat group: each keeps flat moments and changes the weights in place.

mod adamw;
mod clip;
mod set;
mod sgd;
#[cfg(test)]
mod tests;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::learning::nn::{Group, Layout, LayoutEntry};
use crate::learning::objectives::State;

use super::error::TrainError;

pub use adamw::AdamW;
pub use clip::{Clipped, clip};
pub use set::Optimisers;
pub use sgd::Sgd;

/// Moves a group along its gradient.
pub trait Optimiser: Send {
    /// One update at a learning rate.
    ///
    /// # Shapes
    /// - `gradient`: flat, as the group
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn step(&mut self, group: &Group, gradient: &Tensor, rate: f64) -> Result<(), TrainError>;

    /// Moments and counters.
    ///
    /// # Errors
    /// When the device gives nothing back.
    fn state(&self) -> Result<State, TrainError>;

    /// Puts back what [`Optimiser::state`] gave.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    fn restore(&mut self, state: &State) -> Result<(), TrainError>;
}

/// Which optimiser, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserName {
    /// Adam with decoupled weight decay.
    Adamw,
    /// Stochastic gradient descent with momentum 0.9.
    Sgd,
}

/// An optimiser and its weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimiserSettings {
    /// Which.
    pub name: OptimiserName,
    /// Decoupled decay, on entries that decay.
    pub weight_decay: f64,
}

impl OptimiserSettings {
    /// The optimiser for a group, with empty moments.
    ///
    /// # Errors
    /// When the device is full.
    pub fn build(&self, group: &Group) -> Result<Box<dyn Optimiser>, TrainError> {
        Ok(match self.name {
            OptimiserName::Adamw => Box::new(AdamW::new(group, self.weight_decay)?),
            OptimiserName::Sgd => Box::new(Sgd::new(group, self.weight_decay)?),
        })
    }
}

/// 1 where an entry of the layout has the property, else 0.
fn mask(layout: &Layout, like: &Tensor, has: impl Fn(&LayoutEntry) -> bool) -> Result<Tensor, TrainError> {
    let mut mask = vec![0.0_f32; layout.len()];
    for entry in layout.entries().iter().filter(|entry| has(entry)) {
        mask[entry.range()].fill(1.0);
    }
    Ok(Tensor::from_vec(mask, layout.len(), like.device())?.to_dtype(like.dtype())?)
}
