//! A query against its key, a queue of older keys and the batch's other keys, with a momentum encoder: what SACL and
//! MoCo have in common.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::learning::objectives::{ObjectiveError, Parameters, Score, State, Step, Workshop, fault};

use super::anchors::{Pick, column_std, rows_with_enough};
use super::{KeyQueue, Twin, info_nce};

/// Longest queue that the rule gives by itself.
const LONGEST_QUEUE: usize = 16_384;
/// Longest queue that a person may ask for: 256 MiB of keys.
const MOST_KEYS: usize = 1 << 20;

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

/// The settings of a queue and of the momentum encoder that fills it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueSettings {
    /// Keys in the queue; `None`: min(16,384, floor(N/B) B), about an epoch.
    pub(crate) queue: Option<usize>,
    /// Keys that a step puts in for each window.
    pub(crate) keys_a_window: usize,
    /// Whether the batch's other keys are candidates too.
    pub(crate) in_batch: InBatch,
    /// A query with fewer candidates is left out of the mean; `None`: as the rule for negatives says.
    pub(crate) min_negatives: Option<usize>,
    /// Share of itself that the momentum encoder keeps at each step; `None`: clamp(1 - 10/T, 0.99, 0.999).
    pub(crate) momentum: Option<f64>,
}

impl QueueSettings {
    /// Keys in the queue for a pool of `n_windows` in batches of `batch`: an epoch at most.
    pub(crate) fn capacity(&self, n_windows: usize, batch: usize) -> usize {
        self.queue.unwrap_or_else(|| LONGEST_QUEUE.min(n_windows / batch.max(1) * batch))
    }

    /// The momentum encoder's factor for a run of `steps`.
    pub(crate) fn momentum_of(&self, steps: u64) -> f64 {
        self.momentum.unwrap_or_else(|| (1.0 - 10.0 / steps.max(1) as f64).clamp(0.99, 0.999))
    }

    /// Refuses numbers that work with no pool.
    ///
    /// # Errors
    /// [`ObjectiveError::Setting`].
    pub(crate) fn check(&self) -> Result<(), ObjectiveError> {
        if let Some(queue) = self.queue.filter(|queue| *queue > MOST_KEYS) {
            return fault("queue", queue.to_string(), &format!("it holds more than {MOST_KEYS} keys"));
        }
        if self.queue == Some(0) {
            return fault("queue", "0".to_owned(), "it holds less than a batch");
        }
        match self.momentum {
            Some(m) if !(0.0..1.0).contains(&m) => {
                fault("momentum", m.to_string(), "it lies outside 0 to 1 (without 1)")
            }
            _ => Ok(()),
        }
    }

    /// [`QueueSettings::capacity`], refused where nothing could be learnt with it.
    ///
    /// # Errors
    /// [`ObjectiveError::Setting`].
    pub(crate) fn capacity_for(&self, n_windows: usize, batch: usize) -> Result<usize, ObjectiveError> {
        let (capacity, keys) = (self.capacity(n_windows, batch), batch * self.keys_a_window);
        if capacity < keys {
            let reason = match self.keys_a_window {
                1 => format!("it holds less than a batch of {batch}"),
                n => format!("it holds less than the {keys} keys of a batch of {batch} in {n} views"),
            };
            return fault("queue", capacity.to_string(), &reason);
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

    /// A word about a queue that holds windows more than once.
    pub(crate) fn caution(&self, n_windows: usize, batch: usize) -> Option<String> {
        let epoch = n_windows / batch.max(1) * batch;
        let queue = self.queue.filter(|queue| *queue > epoch)?;
        Some(format!("a queue of {queue} keys is longer than an epoch of {epoch}: it holds windows more than once"))
    }

    /// Bytes of keys of length `dim` and their rows.
    pub(crate) fn memory_bytes(&self, n_windows: usize, batch: usize, dim: usize) -> u64 {
        (self.capacity(n_windows, batch) * (dim + 1) * 4) as u64
    }
}

/// The queue and the momentum encoder of a run.
pub(crate) struct Contrast {
    settings: QueueSettings,
    twin: Twin,
    queue: KeyQueue,
}

/// Queries with their own keys, row by row.
pub(crate) struct Pairs<'a> {
    /// `[n, d]`, unit rows.
    pub(crate) query: &'a Tensor,
    /// Rows of the store that the queries are from.
    pub(crate) query_rows: &'a [u32],
    /// `[n, d]`, unit rows, no gradient.
    pub(crate) key: &'a Tensor,
    /// Rows of the store that the keys are from.
    pub(crate) key_rows: &'a [u32],
}

/// What a batch of queries is compared with.
struct Candidates {
    keys: Tensor,
    rows: Vec<u32>,
}

impl Contrast {
    /// An empty queue of keys of length `dim`, and a copy of the numbers that the workshop has made.
    ///
    /// # Errors
    /// A queue that cannot work for the run; a device that is full.
    pub(crate) fn new(settings: QueueSettings, dim: usize, shop: &Workshop) -> Result<Self, ObjectiveError> {
        let run = shop.run();
        let capacity = settings.capacity_for(run.n_windows(), run.batch)?;
        let queue = KeyQueue::new(capacity, dim, run.dtype, &run.device)?;
        let twin = Twin::new(shop.parameters(), settings.momentum_of(run.steps))?;
        Ok(Self { settings, twin, queue })
    }

    /// The momentum encoder.
    pub(crate) fn twin(&self) -> &Twin {
        &self.twin
    }

    /// InfoNCE over queue and batch under the rule for negatives; queries with too few candidates are left out.
    ///
    /// # Errors
    /// When the shapes do not fit.
    ///
    /// # Source
    /// `he2020moco` eq. 1.
    pub(crate) fn score(&self, pairs: &Pairs<'_>, scale: &Tensor, step: &Step<'_>) -> Result<Score, ObjectiveError> {
        let Pairs { query, query_rows, key, key_rows } = *pairs;
        let candidates = self.candidates(key, key_rows)?;
        let mask = step.negatives.mask(query_rows, &candidates.rows);
        let least = self.settings.min_negatives.unwrap_or_else(|| step.negatives.min_negatives()).max(1);
        let kept = rows_with_enough(&mask.allowed, candidates.rows.len(), query_rows.len(), least);
        let mut terms = vec![("query_std", column_std(query)?)];
        let total = if kept.is_empty() {
            query.detach().zeros_like()?.sum_all()?
        } else {
            let pick = Pick::new(&kept, query_rows.len(), query)?;
            let allowed = Tensor::from_vec(mask.allowed, (query_rows.len(), candidates.rows.len()), query.device())?;
            let (query, own, allowed) = (pick.of(query)?, pick.of(key)?, pick.of(&allowed)?);
            let given = info_nce(&query, &own, &candidates.keys, Some(&allowed), scale)?;
            terms.push(("info_nce", given.loss.detach()));
            terms.push(("key_accuracy", given.key_accuracy));
            given.loss
        };
        let (kept, dropped) = (kept.len(), query_rows.len() - kept.len());
        Ok(Score { total, terms, kept, dropped, negatives: Some(mask.made_of) })
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

    /// After the optimiser's step: the twin follows, the keys enter the queue.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(crate) fn after_step(
        &mut self,
        keys: Option<&Tensor>,
        rows: &[u32],
        trained: &Parameters,
    ) -> Result<(), ObjectiveError> {
        self.twin.follow(trained)?;
        match keys {
            Some(keys) => self.queue.push(keys, rows),
            None => Ok(()),
        }
    }

    /// Queue and twin.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub(crate) fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.nest("twin", self.twin.state()?);
        state.nest("queue", self.queue.state()?);
        Ok(state)
    }

    /// Puts back what [`Contrast::state`] gave.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    pub(crate) fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        self.twin.restore(&state.part("twin"))?;
        self.queue.restore(&state.part("queue"))
    }
}
