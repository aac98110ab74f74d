//! MoCo, versions 1 and 2: a query against its key by a momentum encoder and a queue of older keys.
//!
//! Source: `he2020moco` (v1: linear head, temperature 0.07) and `chen2020mocov2` (v2: a hidden layer, 0.2). Queue,
//! candidates and momentum encoder are those of SACL's objective.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, Purpose, SignalKind, StreamKey};
use crate::learning::awareness::Accepts;
use crate::learning::nn::{Batch, BatchStatistics, Encoder, Mlp, Mode, normalise_rows};

use super::parts::{Contrast, Head, InBatch, Pairs, QueueSettings, check_dim, check_temperature, scale_of};
use super::{
    Expectation, Loss, Objective, ObjectiveConfig, ObjectiveError, Parameters, Projections, Score, Start, State, Step,
    ViewPlan, Workshop, fault,
};

/// Windows of a norm group by the rule.
const GROUP: usize = 32;
/// The view of the stream that a key batch is shuffled by; 0 and 1 are negatives and banks.
const SHUFFLE: u16 = 2;

/// Settings of MoCo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moco {
    /// What head and temperature are when they are left out.
    pub version: MocoVersion,
    /// Temperature, fixed; left out: 0.07 in v1, 0.2 in v2.
    pub temperature: Option<f64>,
    /// What turns an embedding into a projection; left out: `linear` in v1, `mlp` in v2.
    pub head: Option<Head>,
    /// Length of a projection.
    pub dim: usize,
    /// Whether each view is query once and key once; the losses are summed.
    pub symmetric: bool,
    /// Parts of a batch whose norms have statistics of their own; left out: one for 32 windows.
    pub norm_groups: Option<usize>,
    /// Whether the key batch is shuffled before it is parted, so that a query and its key share no statistics.
    pub shuffle: bool,
    /// Keys in the queue; left out: min(16,384, floor(N/B) B).
    pub queue: Option<usize>,
    /// Whether the batch's other keys are candidates too.
    pub in_batch: InBatch,
    /// A query with fewer candidates is left out of the mean; left out: 1, with negatives of one subject 8.
    pub min_negatives: Option<usize>,
    /// Share of itself that the momentum encoder keeps at each step; left out: clamp(1 - 10/T, 0.99, 0.999).
    pub momentum: Option<f64>,
}

/// The two published recipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MocoVersion {
    /// Linear head, temperature 0.07.
    V1,
    /// A hidden layer, temperature 0.2.
    V2,
}

impl MocoVersion {
    fn head(self) -> Head {
        match self {
            Self::V1 => Head::Linear,
            Self::V2 => Head::Mlp,
        }
    }

    fn temperature(self) -> f64 {
        match self {
            Self::V1 => 0.07,
            Self::V2 => 0.2,
        }
    }
}

impl Choice for Moco {
    const NAME: &'static str = "moco";
    const SUMMARY: &'static str = "momentum contrast, v1 or v2: queue, momentum encoder, split norm";
    const SOURCES: &'static [&'static str] = &["he2020moco", "chen2020mocov2", "oord2018cpc"];

    fn defaults(_kind: SignalKind) -> Self {
        Self {
            version: MocoVersion::V2,
            temperature: None,
            head: None,
            dim: 64,
            symmetric: false,
            norm_groups: None,
            shuffle: true,
            queue: None,
            in_batch: InBatch::WhileFilling,
            min_negatives: None,
            momentum: None,
        }
    }
}

impl Moco {
    fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(self.version.temperature())
    }

    fn queue(&self) -> QueueSettings {
        let Self { queue, in_batch, min_negatives, momentum, .. } = *self;
        let keys_a_window = if self.symmetric { 2 } else { 1 };
        QueueSettings { queue, keys_a_window, in_batch, min_negatives, momentum }
    }

    /// Norm groups of a batch: as asked for; else one for 32 windows, fewer where they would not be of equal size.
    fn groups(&self, batch: usize) -> Result<usize, ObjectiveError> {
        match self.norm_groups {
            None => Ok((1..=batch / GROUP).rev().find(|groups| batch.is_multiple_of(*groups)).unwrap_or(1)),
            Some(groups) if groups == 0 || !batch.is_multiple_of(groups) || batch / groups < 2 => {
                let reason =
                    format!("a batch of {batch} windows has no {groups} parts of equal size, two windows or more");
                fault("norm_groups", groups.to_string(), &reason)
            }
            Some(groups) => Ok(groups),
        }
    }
}

impl ObjectiveConfig for Moco {
    fn check(&self) -> Result<(), ObjectiveError> {
        check_temperature(self.temperature())?;
        check_dim(self.dim)?;
        if self.norm_groups == Some(0) {
            return fault("norm_groups", "0".to_owned(), "a batch has at least one part");
        }
        self.queue().check()
    }

    fn accepts(&self) -> Accepts {
        Accepts::ALL
    }

    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError> {
        self.check()?;
        let groups = self.groups(shop.run().batch)?;
        self.queue().capacity_for(shop.run().n_windows(), shop.run().batch)?;
        let encoder = shop.encoder();
        let head = self.head.unwrap_or(self.version.head()).layers(encoder.dim(), self.dim);
        shop.make_heads(Arc::clone(head.layout()))?;
        let contrast = Contrast::new(self.queue(), self.dim, shop)?;
        let seed = shop.run().seed;
        Ok(Box::new(MocoObjective { settings: self.clone(), seed, groups, encoder, head, contrast }))
    }

    fn caution(&self, n_windows: usize, batch: usize) -> Option<String> {
        self.queue().caution(n_windows, batch)
    }

    fn memory_bytes(&self, n_windows: usize, batch: usize) -> u64 {
        self.queue().memory_bytes(n_windows, batch, self.dim)
    }
}

struct MocoObjective {
    settings: Moco,
    seed: u64,
    groups: usize,
    encoder: Arc<dyn Encoder>,
    head: Mlp,
    contrast: Contrast,
}

/// The queries of one view.
struct Queries {
    embedding: Tensor,
    unit: Tensor,
    statistics: BatchStatistics,
}

impl MocoObjective {
    fn mode(&self) -> Mode {
        Mode::Train { norm_groups: self.groups }
    }

    fn queries(&self, windows: &Tensor, parameters: &Parameters) -> Result<Queries, ObjectiveError> {
        let (embedding, statistics) = self.encoder.embed(windows, &parameters.encoder.weights(), self.mode())?;
        let unit = normalise_rows(&self.head.forward(&embedding, &parameters.heads.weights())?)?;
        Ok(Queries { embedding, unit, statistics })
    }

    /// Keys of a view by the momentum encoder, without a graph. `view` names the shuffle.
    fn keys(&self, windows: &Tensor, view: u16, step: &Step<'_>) -> Result<Tensor, ObjectiveError> {
        let n = windows.dim(0)?;
        // With one norm group a shuffle changes nothing but the order of sums.
        let order = (self.settings.shuffle && self.groups > 1).then(|| self.order(n, view, step.number));
        let (twin, parameters) = (self.contrast.twin(), step.parameters);
        let index = |order: &[u32]| Tensor::from_slice(order, n, windows.device());
        let windows = match &order {
            Some(order) => windows.index_select(&index(order)?, 0)?,
            None => windows.clone(),
        };
        let (embedding, _) = self.encoder.embed(&windows, &twin.encoder(parameters)?, self.mode())?;
        let unit = normalise_rows(&self.head.forward(&embedding, &twin.heads(parameters)?)?)?.detach();
        match order {
            Some(order) => Ok(unit.index_select(&index(&inverse(&order))?, 0)?),
            None => Ok(unit),
        }
    }

    fn order(&self, n: usize, view: u16, step: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        let key = StreamKey::new(self.seed, Purpose::Negatives).epoch(step as u32).view(SHUFFLE + view);
        key.stream().shuffle(&mut order);
        order
    }

    fn compare(&self, pairs: &[Pairs<'_>], step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let mut sum: Option<Score> = None;
        for pairs in pairs {
            let scale = scale_of(self.settings.temperature(), pairs.query)?;
            let score = self.contrast.score(pairs, &scale, step)?;
            sum = Some(match sum {
                None => score,
                Some(first) => first.and(score)?,
            });
        }
        Ok(sum.expect("there is at least one view of queries"))
    }
}

/// Of a batch that has not two views of each window.
fn misfit(found: usize) -> ObjectiveError {
    ObjectiveError::Views { needed: 2, found }
}

impl Objective for MocoObjective {
    fn views(&self) -> ViewPlan {
        ViewPlan::augmented(2)
    }

    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError> {
        let ([first, second], [rows_1, rows_2]) = (batch.views.as_slice(), batch.rows.as_slice()) else {
            return Err(misfit(batch.views.len()));
        };
        let key_2 = self.keys(second, 1, step)?;
        let query_1 = self.queries(first, step.parameters)?;
        let pairs = Pairs { query: &query_1.unit, query_rows: rows_1, key: &key_2, key_rows: rows_2 };
        if !self.settings.symmetric {
            let score = self.compare(&[pairs], step)?;
            return Ok(score.with(query_1.embedding, Some(key_2), vec![query_1.statistics]));
        }
        let key_1 = self.keys(first, 0, step)?;
        let query_2 = self.queries(second, step.parameters)?;
        let back = Pairs { query: &query_2.unit, query_rows: rows_2, key: &key_1, key_rows: rows_1 };
        let score = self.compare(&[pairs, back], step)?;
        let embedding = Tensor::cat(&[query_1.embedding, query_2.embedding], 0)?;
        let keys = Tensor::cat(&[key_2, key_1], 0)?;
        Ok(score.with(embedding, Some(keys), vec![query_1.statistics, query_2.statistics]))
    }

    fn expects(&self) -> Expectation {
        let (each, dim) = (self.settings.queue().keys_a_window, self.settings.dim);
        let temperature = self.settings.temperature();
        Expectation { queries: each, keys: each, dim, temperature, start: Start::Candidates }
    }

    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let unit = given.views.iter().map(normalise_rows).collect::<Result<Vec<_>, _>>()?;
        let pair = |query: usize, key: usize| Pairs {
            query: &unit[query],
            query_rows: &given.rows[query],
            key: &unit[key],
            key_rows: &given.rows[key],
        };
        let key = |i: usize| unit[i].detach();
        match (self.settings.symmetric, unit.len()) {
            (false, 2) => self.compare(&[Pairs { key: &key(1), ..pair(0, 1) }], step),
            // Queries of both views, then keys of both views.
            (true, 4) => {
                self.compare(&[Pairs { key: &key(3), ..pair(0, 3) }, Pairs { key: &key(2), ..pair(1, 2) }], step)
            }
            _ => Err(misfit(unit.len())),
        }
    }

    fn after_step(&mut self, batch: &Batch, loss: &Loss, parameters: &mut Parameters) -> Result<(), ObjectiveError> {
        let [first, second] = batch.rows.as_slice() else { return Err(misfit(batch.rows.len())) };
        let rows = if self.settings.symmetric { [second.as_slice(), first].concat() } else { second.clone() };
        self.contrast.after_step(loss.keys.as_ref(), &rows, parameters)
    }

    fn state(&self) -> Result<State, ObjectiveError> {
        self.contrast.state()
    }

    fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.contrast.restore(state)
    }
}

/// Where each index went.
fn inverse(order: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; order.len()];
    for (to, from) in (0..).zip(order) {
        inverse[*from as usize] = to;
    }
    inverse
}

#[cfg(test)]
mod tests;
