//! SACL's contrastive objective: a query against its key in another view, a queue of older keys, a momentum encoder
//! and a learnable temperature.
//!
//! Source: `cheng2020subject`; the queue and the momentum encoder are `he2020moco`'s. What subjects have to do with it is
//! not here: the negatives come as a rule, the adversary acts on the embedding.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::awareness::Accepts;
use crate::learning::nn::{Batch, Encoder, Init, Layout, Mlp, Mode, ParameterRole, normalise_rows};

use super::parts::{Contrast, InBatch, Pairs, QueueSettings};
use super::{
    Expectation, Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, Projections, Score, Start, State, Step,
    ViewPlan, Workshop, fault,
};

/// Length of a projection.
const PROJECTION: usize = 64;
/// 1/temperature stays within [1, 100].
const HIGHEST_SCALE: f64 = 100.0;

/// Settings of SACL's objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sacl {
    /// Temperature at the start.
    pub temperature: f64,
    /// Whether the temperature is learnt.
    pub learn_temperature: bool,
    /// Keys in the queue; left out: min(16,384, floor(N/B) B).
    pub queue: Option<usize>,
    /// Whether the batch's other keys are candidates too.
    pub in_batch: InBatch,
    /// A query with fewer candidates is left out of the mean; left out: 1, with negatives of one subject 8.
    pub min_negatives: Option<usize>,
    /// Share of itself that the momentum encoder keeps at each step; left out: clamp(1 - 10/T, 0.99, 0.999).
    pub momentum: Option<f64>,
    /// Which statistics the key encoder's norms use.
    pub key_bn: KeyNorms,
}

/// Which statistics the key encoder's norms use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyNorms {
    /// Those of the key batch.
    Train,
    /// The running ones of the query encoder.
    Running,
}

impl Choice for Sacl {
    const NAME: &'static str = "sacl";
    const SUMMARY: &'static str = "subject-aware contrast: queue, momentum encoder, learnable temperature";
    const SOURCES: &'static [&'static str] = &["cheng2020subject", "he2020moco", "oord2018cpc"];

    fn defaults(_kind: SignalKind) -> Self {
        Self {
            temperature: 0.1,
            learn_temperature: true,
            queue: None,
            in_batch: InBatch::WhileFilling,
            min_negatives: None,
            momentum: None,
            key_bn: KeyNorms::Train,
        }
    }
}

impl Sacl {
    fn queue(&self) -> QueueSettings {
        let Self { queue, in_batch, min_negatives, momentum, .. } = *self;
        QueueSettings { queue, keys_a_window: 1, in_batch, min_negatives, momentum }
    }
}

impl ObjectiveConfig for Sacl {
    fn check(&self) -> Result<(), ObjectiveError> {
        if !(1.0 / HIGHEST_SCALE..=1.0).contains(&self.temperature) {
            return fault("temperature", self.temperature.to_string(), "it lies outside 0.01 to 1");
        }
        self.queue().check()
    }

    fn accepts(&self) -> Accepts {
        Accepts::ALL
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let run = shop.run();
        self.queue().capacity_for(run.n_windows(), run.batch)?;
        let encoder = shop.encoder();
        let projector = Mlp::projector(encoder.dim());
        shop.make_heads(Arc::clone(projector.layout()))?;
        let start = (1.0 / self.temperature).ln();
        if self.learn_temperature {
            shop.make_scalars(Arc::new(temperature_layout(start)))?;
        }
        let contrast = Contrast::new(self.queue(), PROJECTION, shop)?;
        Ok(Box::new(SaclObjective { settings: self.clone(), encoder, projector, contrast }))
    }

    fn caution(&self, n_windows: usize, batch: usize) -> Option<String> {
        self.queue().caution(n_windows, batch)
    }

    fn memory_bytes(&self, n_windows: usize, batch: usize) -> u64 {
        self.queue().memory_bytes(n_windows, batch, PROJECTION)
    }
}

/// One number, the logarithm of 1/temperature: no decay, outside the clipped norm.
fn temperature_layout(start: f64) -> Layout {
    let mut layout = Layout::new();
    layout.push("log_scale", &[], Init::Constant(start), ParameterRole::Scalar);
    layout
}

struct SaclObjective {
    settings: Sacl,
    encoder: Arc<dyn Encoder>,
    projector: Mlp,
    contrast: Contrast,
}

impl SaclObjective {
    fn scale(&self, parameters: &Parameters, like: &Tensor) -> Result<Tensor, ObjectiveError> {
        match &parameters.scalars {
            Some(scalars) => Ok(scalars.weights().view("log_scale")?.exp()?),
            None => Ok(Tensor::new(1.0 / self.settings.temperature, like.device())?.to_dtype(like.dtype())?),
        }
    }

    /// Keys of the second view by the momentum encoder, without a graph.
    fn keys(&self, windows: &Tensor, parameters: &Parameters) -> Result<Tensor, ObjectiveError> {
        let mode = match self.settings.key_bn {
            KeyNorms::Train => Mode::TRAIN,
            KeyNorms::Running => Mode::Eval,
        };
        let twin = self.contrast.twin();
        let (embedding, _) = self.encoder.embed(windows, &twin.encoder(parameters)?, mode)?;
        let projection = self.projector.forward(&embedding, &twin.heads(parameters)?)?;
        Ok(normalise_rows(&projection)?.detach())
    }

    fn compare(&self, pairs: &Pairs<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let scale = self.scale(step.parameters, pairs.query)?;
        let mut score = self.contrast.score(pairs, &scale, step)?;
        score.terms.push(("temperature", scale.detach().recip()?));
        Ok(score)
    }
}

impl Objective for SaclObjective {
    fn views(&self) -> ViewPlan {
        ViewPlan::augmented(2)
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        let ([first, second], [query_rows, key_rows]) = (batch.views.as_slice(), batch.rows.as_slice()) else {
            return Err(ObjectiveError::Views { needed: 2, found: batch.views.len() });
        };
        let key = self.keys(second, step.parameters)?;
        let weights = step.parameters.encoder.weights();
        let (embedding, statistics) = self.encoder.embed(first, &weights, Mode::TRAIN)?;
        let projection = self.projector.forward(&embedding, &step.parameters.heads.weights())?;
        let query = normalise_rows(&projection)?;
        let score = self.compare(&Pairs { query: &query, query_rows, key: &key, key_rows }, step)?;
        Ok(score.with(embedding, Some(key), vec![statistics]))
    }

    fn expects(&self) -> Expectation {
        let temperature = self.settings.temperature;
        Expectation { queries: 1, keys: 1, dim: PROJECTION, temperature, start: Start::Candidates }
    }

    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let ([query, key], [query_rows, key_rows]) = (given.views, given.rows) else {
            return Err(ObjectiveError::Views { needed: 2, found: given.views.len() });
        };
        let (query, key) = (normalise_rows(query)?, normalise_rows(&key.detach())?);
        self.compare(&Pairs { query: &query, query_rows, key: &key, key_rows }, step)
    }

    fn after_step(&mut self, batch: &Batch, loss: &Loss, parameters: &mut Parameters) -> Result<(), ObjectiveError> {
        if let Some(scalars) = &mut parameters.scalars {
            let flat = scalars.flat();
            flat.set(&flat.detach().clamp(0.0, HIGHEST_SCALE.ln())?)?;
        }
        let rows = batch.rows.last().ok_or(ObjectiveError::Views { needed: 2, found: 0 })?;
        self.contrast.after_step(loss.keys.as_ref(), rows, parameters)
    }

    fn state(&self) -> Result<State, ObjectiveError> {
        self.contrast.state()
    }

    fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.contrast.restore(state)
    }
}

#[cfg(test)]
mod tests;
