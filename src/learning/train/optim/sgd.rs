//! Stochastic gradient descent with momentum.

use candle_core::Tensor;

use crate::learning::nn::Group;
use crate::learning::objectives::State;
use crate::learning::train::TrainError;

use super::{Optimiser, mask};

const MOMENTUM: f64 = 0.9;

/// SGD with momentum 0.9 and decoupled decay: v = 0.9 v + g; w = w - rate (v + decay w).
pub struct Sgd {
    velocity: Tensor,
    decay: Tensor,
}

impl Sgd {
    /// At rest.
    ///
    /// # Errors
    /// When the device is full.
    pub fn new(group: &Group, weight_decay: f64) -> Result<Self, TrainError> {
        let flat = group.flat();
        let decay = (mask(group.layout(), flat, |entry| entry.decay)? * weight_decay)?;
        Ok(Self { velocity: flat.zeros_like()?, decay })
    }
}

impl Optimiser for Sgd {
    fn step(&mut self, group: &Group, gradient: &Tensor, rate: f64) -> Result<(), TrainError> {
        self.velocity = ((&self.velocity * MOMENTUM)? + gradient)?;
        let flat = group.flat();
        let pull = (flat.detach() * &self.decay)?;
        flat.set(&(flat.detach() - ((&self.velocity + pull)? * rate)?)?)?;
        Ok(())
    }

    fn state(&self) -> Result<State, TrainError> {
        let mut state = State::new();
        state.put("velocity", &self.velocity)?;
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), TrainError> {
        let old = &self.velocity;
        self.velocity = state.tensor("velocity", old.dims())?.to_device(old.device())?.copy()?;
        Ok(())
    }
}
