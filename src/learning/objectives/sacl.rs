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

use super::parts::{KeyQueue, Twin, info_nce};
use super::{Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, State, Step, ViewPlan, Workshop};

/// Length of a projection.
const PROJECTION: usize = 64;
/// Longest queue that the rule gives by itself.
const LONGEST_QUEUE: usize = 16_384;
/// Longest queue that a person may ask for: 256 MiB of keys.
const MOST_KEYS: usize = 1 << 20;
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

/// When the batch's other keys are candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InBatch {
    /// Until the queue is full.
    WhileFilling,
    /// At every step.
    Always,
    /// At no step.
    Never,
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
    /// Keys in the queue for a pool of `n_windows` in batches of `batch`: an epoch at most.
    pub fn queue_capacity(&self, n_windows: usize, batch: usize) -> usize {
        self.queue.unwrap_or_else(|| LONGEST_QUEUE.min(n_windows / batch.max(1) * batch))
    }

    fn queue_for(&self, n_windows: usize, batch: usize) -> Result<usize, ObjectiveError> {
        let capacity = self.queue_capacity(n_windows, batch);
        if capacity < batch {
            return fault("queue", capacity.to_string(), &format!("it holds less than a batch of {batch}"));
        }
        let most = capacity + batch - 1;
        match self.min_negatives {
            Some(least) if least > most => {
                let reason = format!("a query never has more than {most} candidates, so nothing would be trained");
                fault("min_negatives", least.to_string(), &reason)
            }
            _ => Ok(capacity),
        }
    }

    /// The momentum encoder's factor for a run of `steps`.
    pub fn momentum_of(&self, steps: u64) -> f64 {
        self.momentum.unwrap_or_else(|| (1.0 - 10.0 / steps.max(1) as f64).clamp(0.99, 0.999))
    }
}

fn fault<T>(key: &'static str, value: String, reason: &str) -> Result<T, ObjectiveError> {
    Err(ObjectiveError::Setting { key, value, reason: reason.to_owned() })
}

impl ObjectiveConfig for Sacl {
    fn check(&self) -> Result<(), ObjectiveError> {
        if !(1.0 / HIGHEST_SCALE..=1.0).contains(&self.temperature) {
            return fault("temperature", self.temperature.to_string(), "it lies outside 0.01 to 1");
        }
        if let Some(queue) = self.queue.filter(|queue| *queue > MOST_KEYS) {
            return fault("queue", queue.to_string(), &format!("it holds more than {MOST_KEYS} keys"));
        }
        match self.momentum {
            Some(m) if !(0.0..1.0).contains(&m) => {
                fault("momentum", m.to_string(), "it lies outside 0 to 1 (without 1)")
            }
            _ => Ok(()),
        }
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let run = shop.run().clone();
        let capacity = self.queue_for(run.n_windows, run.batch)?;
        let encoder = shop.encoder();
        let projector = Mlp::projector(encoder.dim());
        shop.make_heads(Arc::clone(projector.layout()))?;
        let start = (1.0 / self.temperature).ln();
        if self.learn_temperature {
            shop.make_scalars(Arc::new(temperature_layout(start)))?;
        }
        Ok(Box::new(Contrast {
            queue: KeyQueue::new(capacity, PROJECTION, run.dtype, &run.device)?,
            twin: Twin::new(shop.parameters(), self.momentum_of(run.steps))?,
            settings: self.clone(),
            encoder,
            projector,
        }))
    }

    fn caution(&self, n_windows: usize, batch: usize) -> Option<String> {
        let epoch = n_windows / batch.max(1) * batch;
        let queue = self.queue.filter(|queue| *queue > epoch)?;
        Some(format!("a queue of {queue} keys is longer than an epoch of {epoch}: it holds windows more than once"))
    }

    fn memory_bytes(&self, n_windows: usize, batch: usize) -> u64 {
        (self.queue_capacity(n_windows, batch) * (PROJECTION + 1) * 4) as u64
    }
}

/// One number, the logarithm of 1/temperature: no decay, outside the clipped norm.
fn temperature_layout(start: f64) -> Layout {
    let mut layout = Layout::new();
    layout.push("log_scale", &[], Init::Constant(start), ParameterRole::Scalar);
    layout
}

struct Contrast {
    settings: Sacl,
    encoder: Arc<dyn Encoder>,
    projector: Mlp,
    twin: Twin,
    queue: KeyQueue,
}

/// What a batch of queries is compared with.
struct Candidates {
    keys: Tensor,
    rows: Vec<u32>,
}

impl Contrast {
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
        let (embedding, _) = self.encoder.embed(windows, &self.twin.encoder(parameters)?, mode)?;
        let projection = self.projector.forward(&embedding, &self.twin.heads(parameters)?)?;
        Ok(normalise_rows(&projection)?.detach())
    }

    fn candidates(&self, keys: &Tensor, rows: &[u32]) -> Result<Candidates, ObjectiveError> {
        let with_batch = match self.settings.in_batch {
            InBatch::WhileFilling => !self.queue.is_full(),
            InBatch::Always => true,
            InBatch::Never => false,
        };
        let queued = self.queue.keys()?;
        if !with_batch {
            return Ok(Candidates { keys: queued, rows: self.queue.rows().to_vec() });
        }
        let keys = if self.queue.is_empty() { keys.clone() } else { Tensor::cat(&[&queued, keys], 0)? };
        Ok(Candidates { keys, rows: [self.queue.rows(), rows].concat() })
    }
}

impl Objective for Contrast {
    fn views(&self) -> ViewPlan {
        ViewPlan { augmented: 2 }
    }

    fn accepts(&self) -> Accepts {
        Accepts::ALL
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        let ([first, second], [rows, ..]) = (batch.views.as_slice(), batch.rows.as_slice()) else {
            return Err(ObjectiveError::Views { needed: 2, found: batch.views.len() });
        };
        let keys = self.keys(second, step.parameters)?;
        let weights = step.parameters.encoder.weights();
        let (embedding, statistics) = self.encoder.embed(first, &weights, Mode::TRAIN)?;
        let projection = self.projector.forward(&embedding, &step.parameters.heads.weights())?;
        let query = normalise_rows(&projection)?;

        let candidates = self.candidates(&keys, rows)?;
        let mask = step.negatives.mask(rows, &candidates.rows);
        let least = self.settings.min_negatives.unwrap_or_else(|| step.negatives.min_negatives()).max(1);
        let kept = rows_with_enough(&mask.allowed, candidates.rows.len(), rows.len(), least);
        let scale = self.scale(step.parameters, &query)?;
        let mut terms = vec![("temperature", scale.detach().recip()?), ("query_std", column_std(&query)?)];
        let total = if kept.is_empty() {
            query.detach().zeros_like()?.sum_all()?
        } else {
            let pick = Pick::new(&kept, rows.len(), &query)?;
            let allowed = Tensor::from_vec(mask.allowed, (rows.len(), candidates.rows.len()), query.device())?;
            let (query, own, allowed) = (pick.of(&query)?, pick.of(&keys)?, pick.of(&allowed)?);
            let given = info_nce(&query, &own, &candidates.keys, Some(&allowed), &scale)?;
            terms.push(("info_nce", given.loss.detach()));
            terms.push(("key_accuracy", given.key_accuracy));
            given.loss
        };
        Ok(Loss {
            total,
            embedding,
            keys: Some(keys),
            terms,
            statistics: vec![statistics],
            kept: kept.len(),
            negatives: Some(mask.made_of),
        })
    }

    fn after_step(&mut self, batch: &Batch, loss: &Loss, parameters: &mut Parameters) -> Result<(), ObjectiveError> {
        if let Some(scalars) = &mut parameters.scalars {
            let flat = scalars.flat();
            flat.set(&flat.detach().clamp(0.0, HIGHEST_SCALE.ln())?)?;
        }
        self.twin.follow(parameters)?;
        let rows = batch.rows.first().ok_or(ObjectiveError::Views { needed: 2, found: 0 })?;
        match &loss.keys {
            Some(keys) => self.queue.push(keys, rows),
            None => Ok(()),
        }
    }

    fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.nest("twin", self.twin.state()?);
        state.nest("queue", self.queue.state()?);
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.twin.restore(&state.part("twin"))?;
        self.queue.restore(&state.part("queue"))
    }
}

/// Mean over the columns of their standard deviation: 1/sqrt(d) for spread unit rows, 0 for collapsed ones.
fn column_std(rows: &Tensor) -> Result<Tensor, ObjectiveError> {
    Ok(rows.detach().var(0)?.sqrt()?.mean_all()?)
}

/// Queries with at least `least` allowed candidates.
fn rows_with_enough(mask: &[u8], n_candidates: usize, n_queries: usize, least: usize) -> Vec<u32> {
    let enough = |i: &u32| {
        let row = &mask[*i as usize * n_candidates..(*i as usize + 1) * n_candidates];
        row.iter().map(|allowed| usize::from(*allowed)).sum::<usize>() >= least
    };
    (0..n_queries as u32).filter(enough).collect()
}

/// Takes the kept rows of a tensor; all rows cost nothing.
struct Pick(Option<Tensor>);

impl Pick {
    fn new(kept: &[u32], n: usize, like: &Tensor) -> Result<Self, ObjectiveError> {
        if kept.len() == n {
            return Ok(Self(None));
        }
        Ok(Self(Some(Tensor::from_slice(kept, kept.len(), like.device())?)))
    }

    fn of(&self, tensor: &Tensor) -> Result<Tensor, ObjectiveError> {
        match &self.0 {
            None => Ok(tensor.clone()),
            Some(kept) => Ok(tensor.contiguous()?.index_select(kept, 0)?),
        }
    }
}

#[cfg(test)]
mod tests;
