//! Makes the trained numbers of an objective, and holds them.

use std::sync::Arc;

use candle_core::{DType, Device};

use crate::learning::nn::{Encoder, Group, Layout};

use super::error::ObjectiveError;
use super::state::State;

/// All trained numbers of a pretraining run, one flat group a kind.
pub struct Parameters {
    /// The encoder's.
    pub encoder: Group,
    /// Projector and further heads.
    pub heads: Group,
    /// Single numbers such as the temperature; `None` when nothing of the kind is learnt.
    pub scalars: Option<Group>,
}

impl Parameters {
    /// The groups with their names, in order.
    pub fn groups(&self) -> impl Iterator<Item = (&'static str, &Group)> {
        [("encoder", &self.encoder), ("heads", &self.heads)]
            .into_iter()
            .chain(self.scalars.as_ref().map(|scalars| ("scalars", scalars)))
    }

    /// Weights and running statistics.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        for (name, group) in self.groups() {
            state.nest(name, State::of_group(group)?);
        }
        Ok(state)
    }

    /// Puts back what [`Parameters::state`] gave.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    pub fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        state.part("encoder").to_group(&mut self.encoder)?;
        state.part("heads").to_group(&mut self.heads)?;
        match &mut self.scalars {
            Some(scalars) => state.part("scalars").to_group(scalars),
            None => Ok(()),
        }
    }
}

/// What an objective is built from: the encoder, the size of the run, and the makers of trained numbers.
pub struct Workshop {
    encoder: Arc<dyn Encoder>,
    parameters: Parameters,
    next_tensor: u32,
    run: RunSize,
}

/// What initial numbers and derived defaults depend on.
#[derive(Debug, Clone)]
pub struct RunSize {
    /// Seed of the run.
    pub seed: u64,
    /// Rows of the pool in the store's order; the place in this list is the slot.
    pub pool: Arc<[u32]>,
    /// Windows in a batch.
    pub batch: usize,
    /// Steps of the run.
    pub steps: u64,
    /// Where tensors live.
    pub device: Device,
    /// f32; f64 in tests of gradients.
    pub dtype: DType,
}

impl RunSize {
    /// Windows in the pool.
    pub fn n_windows(&self) -> usize {
        self.pool.len()
    }
}

impl Workshop {
    /// A workshop with the encoder's weights made and no heads yet.
    ///
    /// # Errors
    /// When the device is full.
    pub fn new(encoder: Arc<dyn Encoder>, run: RunSize) -> Result<Self, ObjectiveError> {
        let layout = Arc::clone(encoder.layout());
        let next_tensor = layout.entries().len() as u32;
        let group = |layout, first| Group::new(layout, run.seed, first, &run.device, run.dtype);
        let parameters = Parameters {
            encoder: group(layout, 0)?,
            heads: group(Arc::new(Layout::new()), next_tensor)?,
            scalars: None,
        };
        Ok(Self { encoder, parameters, next_tensor, run })
    }

    /// The encoder.
    pub fn encoder(&self) -> Arc<dyn Encoder> {
        Arc::clone(&self.encoder)
    }

    /// The size of the run.
    pub fn run(&self) -> &RunSize {
        &self.run
    }

    /// The numbers made so far: a twin copies them.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Makes the heads. Called once by an objective, with all its heads in one layout.
    ///
    /// # Errors
    /// When the device is full.
    pub fn make_heads(&mut self, layout: Arc<Layout>) -> Result<(), ObjectiveError> {
        self.parameters.heads = self.make(layout)?;
        Ok(())
    }

    /// Makes the single learnt numbers. Called at most once by an objective, after the heads.
    ///
    /// # Errors
    /// When the device is full.
    pub fn make_scalars(&mut self, layout: Arc<Layout>) -> Result<(), ObjectiveError> {
        self.parameters.scalars = Some(self.make(layout)?);
        Ok(())
    }

    fn make(&mut self, layout: Arc<Layout>) -> Result<Group, ObjectiveError> {
        let first = self.next_tensor;
        self.next_tensor += layout.entries().len() as u32;
        Ok(Group::new(layout, self.run.seed, first, &self.run.device, self.run.dtype)?)
    }

    /// The trained numbers, and the index of the next tensor for whatever is made beside the objective.
    pub fn finish(self) -> (Parameters, u32) {
        (self.parameters, self.next_tensor)
    }
}
