//! One optimiser a trained group, stepped together.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;

use crate::learning::objectives::State;
use crate::learning::train::{TrainError, Trained};

use super::{Clipped, Optimiser, OptimiserSettings, clip};

/// The optimisers of a run by the names of their groups. Moments appear when a group is first trained.
pub struct Optimisers {
    settings: OptimiserSettings,
    limit: f64,
    by_group: BTreeMap<&'static str, Box<dyn Optimiser>>,
    /// Of a checkpoint, for groups not yet seen.
    saved: State,
}

impl Optimisers {
    /// No moments yet; gradients will be clipped to a common norm of `limit`.
    pub fn new(settings: OptimiserSettings, limit: f64) -> Self {
        Self { settings, limit, by_group: BTreeMap::new(), saved: State::new() }
    }

    /// Clips the gradients of the groups together and moves each group. A group without a gradient stays.
    ///
    /// Gives the norm before clipping.
    ///
    /// # Errors
    /// When a tensor operation fails, or saved moments have another shape.
    pub fn step(&mut self, trained: &[Trained<'_>], gradients: &GradStore, rate: f64) -> Result<f64, TrainError> {
        // Detached: a gradient can hold on to the graph it came from, and moments would keep that alive.
        let with_gradient = |part: &&Trained<'_>| gradients.get(part.group.flat()).is_some();
        let parts: Vec<&Trained<'_>> = trained.iter().filter(with_gradient).collect();
        let own = parts.iter().filter_map(|part| {
            gradients.get(part.group.flat()).map(|gradient| (&**part.group.layout(), gradient.detach()))
        });
        let Clipped { gradients, norm } = clip(own.collect(), self.limit)?;
        for (part, gradient) in parts.iter().zip(&gradients) {
            if !self.by_group.contains_key(part.name) {
                let made = self.made(part)?;
                self.by_group.insert(part.name, made);
            }
            if let Some(optimiser) = self.by_group.get_mut(part.name) {
                optimiser.step(part.group, gradient, rate * part.rate_factor)?;
            }
        }
        Ok(norm)
    }

    fn made(&self, part: &Trained<'_>) -> Result<Box<dyn Optimiser>, TrainError> {
        let mut optimiser = self.settings.build(part.group)?;
        let saved = self.saved.part(part.name);
        if !saved.is_empty() {
            optimiser.restore(&saved)?;
        }
        Ok(optimiser)
    }

    /// All moments.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub fn state(&self) -> Result<State, TrainError> {
        let mut state = self.saved.clone();
        for (name, optimiser) in &self.by_group {
            state.nest(name, optimiser.state()?);
        }
        Ok(state)
    }

    /// Takes up the moments of a checkpoint.
    pub fn restore(&mut self, state: State) {
        self.by_group.clear();
        self.saved = state;
    }
}
