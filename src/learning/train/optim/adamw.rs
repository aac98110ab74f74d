//! Adam with decoupled weight decay.

use candle_core::Tensor;

use crate::learning::nn::Group;
use crate::learning::objectives::State;
use crate::learning::train::TrainError;

use super::{Optimiser, mask};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// AdamW; only entries that decay (convolution and linear weights) are pulled to zero.
///
/// # Source
/// `loshchilov2019adamw`, algorithm 2, decay scaled by the learning rate as PyTorch has it.
pub struct AdamW {
    first: Tensor,
    second: Tensor,
    decay: Tensor,
    steps: u64,
}

impl AdamW {
    /// Empty moments for a group.
    ///
    /// # Errors
    /// When the device is full.
    pub fn new(group: &Group, weight_decay: f64) -> Result<Self, TrainError> {
        let flat = group.flat();
        let decay = (mask(group.layout(), flat, |entry| entry.decay)? * weight_decay)?;
        Ok(Self { first: flat.zeros_like()?, second: flat.zeros_like()?, decay, steps: 0 })
    }
}

impl Optimiser for AdamW {
    fn step(&mut self, group: &Group, gradient: &Tensor, rate: f64) -> Result<(), TrainError> {
        self.steps += 1;
        let power = i32::try_from(self.steps).unwrap_or(i32::MAX);
        self.first = ((&self.first * BETA1)? + (gradient * (1.0 - BETA1))?)?;
        self.second = ((&self.second * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
        let mean = (&self.first / (1.0 - BETA1.powi(power)))?;
        let spread = ((&self.second / (1.0 - BETA2.powi(power)))?.sqrt()? + EPSILON)?;
        let flat = group.flat();
        let kept = (flat.detach() - (flat.detach() * (&self.decay * rate)?)?)?;
        flat.set(&(kept - ((mean / spread)? * rate)?)?)?;
        Ok(())
    }

    fn state(&self) -> Result<State, TrainError> {
        let mut state = State::new();
        state.put("first", &self.first)?;
        state.put("second", &self.second)?;
        state.put_number("steps", self.steps);
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), TrainError> {
        let like = |name, old: &Tensor| -> Result<Tensor, TrainError> {
            Ok(state.tensor(name, old.dims())?.to_device(old.device())?.copy()?)
        };
        self.first = like("first", &self.first)?;
        self.second = like("second", &self.second)?;
        self.steps = state.number("steps")?;
        Ok(())
    }
}
