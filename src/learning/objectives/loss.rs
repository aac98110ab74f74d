//! What goes into a loss and what comes out of it.

use candle_core::Tensor;

use crate::learning::awareness::{Composition, NegativeRule};
use crate::learning::nn::BatchStatistics;

use super::error::ObjectiveError;
use super::workshop::Parameters;

/// What a loss may look at besides the batch.
pub struct Step<'a> {
    /// From 1.
    pub number: u64,
    /// The trained numbers as they stand.
    pub parameters: &'a Parameters,
    /// Which candidates are negatives of which queries.
    pub negatives: &'a NegativeRule,
}

/// Projections of a batch as the heads give them, of any length.
pub struct Projections<'a> {
    /// `[n, d]` each: queries first, keys (no gradient) after them.
    pub views: &'a [Tensor],
    /// Rows of the store, one list a view.
    pub rows: &'a [Vec<u32>],
    /// Rank of each window in the pool.
    pub slots: &'a [u32],
    /// Rank in the pool of the window that each one is to match.
    pub positives: &'a [u32],
}

/// What [`Objective::score`](super::Objective::score) gives.
pub struct Score {
    /// The scalar whose gradient is taken.
    pub total: Tensor,
    /// Scalars for the journal.
    pub terms: Vec<(&'static str, Tensor)>,
    /// Queries that entered the mean.
    pub kept: usize,
    /// Queries that did not: they had too few negatives.
    pub dropped: usize,
    /// What the negatives were made of.
    pub negatives: Option<Composition>,
}

impl Score {
    /// Two scores that are summed; terms of one name are averaged.
    pub(crate) fn and(mut self, other: Self) -> Result<Self, ObjectiveError> {
        for (name, value) in other.terms {
            match self.terms.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = ((&*known + value)? / 2.0)?,
                None => self.terms.push((name, value)),
            }
        }
        let negatives = match (self.negatives, other.negatives) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        let (kept, dropped) = (self.kept + other.kept, self.dropped + other.dropped);
        Ok(Self { total: (self.total + other.total)?, kept, dropped, negatives, ..self })
    }

    /// The loss of a batch: the score with what came beside the projections.
    pub fn with(self, embedding: Tensor, keys: Option<Tensor>, statistics: Vec<BatchStatistics>) -> Loss {
        let Self { total, terms, kept, dropped, negatives } = self;
        Loss { total, embedding, keys, terms, statistics, kept, dropped, negatives }
    }
}

impl Loss {
    /// The scalar for the journal called `name`.
    pub fn term(&self, name: &str) -> Option<&Tensor> {
        self.terms.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// What a task hands to the engine.
pub struct Loss {
    /// The scalar whose gradient is taken.
    pub total: Tensor,
    /// Embeddings of the queries with gradient, view-major: row i is window i mod n. `[n, dim]`.
    pub embedding: Tensor,
    /// Keys without gradient, for queue or bank. `[n, d]`.
    pub keys: Option<Tensor>,
    /// Scalars for the journal.
    pub terms: Vec<(&'static str, Tensor)>,
    /// Batch statistics of passes over whole windows, to be committed once, after the step.
    pub statistics: Vec<BatchStatistics>,
    /// Queries that entered the mean. 0: the optimiser is skipped.
    pub kept: usize,
    /// Queries that had too few negatives to enter it.
    pub dropped: usize,
    /// What the negatives were made of.
    pub negatives: Option<Composition>,
}

/// What is known of an objective's score before anything is learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// Projections that get a gradient; they come first.
    pub queries: usize,
    /// Projections that get none; the last projection is the one that is remembered.
    pub keys: usize,
    /// Length of a projection.
    pub dim: usize,
    /// Temperature.
    pub temperature: f64,
    /// How rows are told apart.
    pub start: Start,
}

/// How a score tells a window's own row from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Cross entropy over all candidates at once.
    Candidates,
    /// A decision for each of so many rows: noise, or not; Z is taken from the very batch.
    Noise(usize),
}

impl Expectation {
    /// The score of independent random rows, each with `candidates` negatives, in nats.
    ///
    /// ln E e^(s/tau) of two random directions is 1/(2 d tau^2) - 1/(4 d^2 (d+2) tau^4) up to higher powers.
    pub fn at_random(&self, candidates: f64) -> f64 {
        let (d, tau) = (self.dim as f64, self.temperature);
        let spread = 1.0 / (2.0 * d * tau.powi(2)) - 1.0 / (4.0 * d.powi(2) * (d + 2.0) * tau.powi(4));
        spread
            + match self.start {
                Start::Candidates => (1.0 + candidates).ln(),
                Start::Noise(m) => (1.0 + m as f64).ln() + 1.0,
            }
    }
}
