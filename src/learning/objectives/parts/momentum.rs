//! The momentum encoder: a slow copy of encoder and heads.

use std::sync::Arc;

use candle_core::Tensor;

use crate::learning::nn::{Group, NnError, Weights};
use crate::learning::objectives::{ObjectiveError, Parameters, State};

/// A second flat tensor for each trained group that follows it: twin = m twin + (1 - m) trained, for every parameter.
///
/// # Source
/// `he2020moco` eq. 2.
pub struct Twin {
    encoder: Tensor,
    heads: Tensor,
    momentum: f64,
}

impl Twin {
    /// An exact copy.
    ///
    /// # Errors
    /// When the device is full.
    pub fn new(of: &Parameters, momentum: f64) -> Result<Self, ObjectiveError> {
        let copy = |group: &Group| group.flat().as_detached_tensor().copy();
        Ok(Self { encoder: copy(&of.encoder)?, heads: copy(&of.heads)?, momentum })
    }

    /// One step after the trained weights.
    ///
    /// # Errors
    /// When the groups have another size.
    pub fn follow(&mut self, trained: &Parameters) -> Result<(), ObjectiveError> {
        let m = self.momentum;
        let towards = |twin: &Tensor, flat: &Tensor| (twin * m)? + (flat.detach() * (1.0 - m))?;
        self.encoder = towards(&self.encoder, trained.encoder.flat())?;
        self.heads = towards(&self.heads, trained.heads.flat())?;
        Ok(())
    }

    /// The copy's encoder; its running statistics are those of the trained one.
    ///
    /// # Errors
    /// When the trained group has another layout.
    pub fn encoder(&self, trained: &Parameters) -> Result<Weights, NnError> {
        with_numbers(&trained.encoder, &self.encoder)
    }

    /// The copy's heads.
    ///
    /// # Errors
    /// When the trained group has another layout.
    pub fn heads(&self, trained: &Parameters) -> Result<Weights, NnError> {
        with_numbers(&trained.heads, &self.heads)
    }

    /// Both flat tensors.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.put("encoder", &self.encoder)?;
        state.put("heads", &self.heads)?;
        Ok(state)
    }

    /// Puts back what [`Twin::state`] gave.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    pub fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        let like = |name, old: &Tensor| -> Result<Tensor, ObjectiveError> {
            Ok(state.tensor(name, old.dims())?.to_device(old.device())?.copy()?)
        };
        self.encoder = like("encoder", &self.encoder)?;
        self.heads = like("heads", &self.heads)?;
        Ok(())
    }
}

fn with_numbers(group: &Group, flat: &Tensor) -> Result<Weights, NnError> {
    Weights::new(Arc::clone(group.layout()), flat.clone(), group.running().clone())
}
