//! What pretraining minimises: one file an objective, each a pure loss and what it remembers between steps.
//!
//! Invariant: `loss` changes nothing (twice the same value, twice the same bits); memory moves in `after_step` only; no
//! objective touches a file, the clock or a subject (that is `step.negatives`). Start reading at [`Objective`], then
//! `sacl.rs`; what several objectives share lies in `parts`.

mod error;
mod moco;
mod npid;
mod parts;
mod sacl;
mod simclr;
mod state;
#[cfg(test)]
mod testkit;
mod workshop;

use candle_core::Tensor;

use crate::base::{Choice, Entry, Registry, read_choice};
use crate::learning::awareness::{Accepts, Composition, NegativeRule};
use crate::learning::nn::{Batch, BatchStatistics};

pub use error::ObjectiveError;
use error::fault;
pub use moco::{Moco, MocoVersion};
pub use npid::{Npid, NpidForm};
pub use parts::{Head, InBatch, InfoNce, KeyQueue, Twin, info_nce};
pub use sacl::{KeyNorms, Sacl};
pub use simclr::Simclr;
pub use state::State;
pub use workshop::{Parameters, RunSize, Workshop};

/// Every objective that a pipeline can name.
pub static OBJECTIVES: Registry<dyn ObjectiveConfig> = Registry {
    family: "objective",
    entries: &[entry::<moco::Moco>(), entry::<npid::Npid>(), entry::<sacl::Sacl>(), entry::<simclr::Simclr>()],
};

const fn entry<C: Choice + ObjectiveConfig>() -> Entry<dyn ObjectiveConfig> {
    Entry::of::<C>(|kind, user| Ok(Box::new(read_choice::<C>(kind, user)?)))
}

/// The settings of an objective.
pub trait ObjectiveConfig: Send + Sync {
    /// Refuses numbers that work with no pool, before anything is read.
    ///
    /// # Errors
    /// [`ObjectiveError::Setting`] with key, value and reason.
    fn check(&self) -> Result<(), ObjectiveError>;

    /// Makes the objective; trained numbers and twins come from the workshop.
    ///
    /// # Errors
    /// Settings that cannot work with this pool, or a device that is full.
    fn build(&self, shop: &mut Workshop) -> Result<Box<dyn Objective>, ObjectiveError>;

    /// What a person should know before a run over a pool of `n_windows` starts, if anything.
    fn caution(&self, n_windows: usize, batch: usize) -> Option<String>;

    /// Bytes that the objective keeps beside the weights, for a pool of `n_windows`.
    fn memory_bytes(&self, n_windows: usize, batch: usize) -> u64;
}

/// A loss over views of windows, and what it remembers between steps.
pub trait Objective: Send {
    /// Which views of each window a batch must hold.
    fn views(&self) -> ViewPlan;

    /// What of the awareness layer can act on it.
    fn accepts(&self) -> Accepts;

    /// Encodes and scores a batch. Pure: called twice, it gives the same bits.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError>;

    /// Scores projections, however they were made: golden values and laws hang here. Pure, as [`Objective::loss`].
    ///
    /// # Errors
    /// Another number of projections than the objective compares; a tensor operation that fails.
    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError>;

    /// Moves what is remembered (clamps, momentum encoder, queue, bank), after the optimiser's step.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn after_step(&mut self, batch: &Batch, loss: &Loss, parameters: &mut Parameters) -> Result<(), ObjectiveError>;

    /// What it remembers, for a checkpoint.
    ///
    /// # Errors
    /// When the device gives nothing back.
    fn state(&self) -> Result<State, ObjectiveError>;

    /// Puts back what [`Objective::state`] gave.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    fn restore(&mut self, state: &State) -> Result<(), ObjectiveError>;
}

/// Which views of each window a batch must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewPlan {
    /// Views by the augmentation, drawn apart.
    pub augmented: usize,
}

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
}

/// What [`Objective::score`] gives.
pub struct Score {
    /// The scalar whose gradient is taken.
    pub total: Tensor,
    /// Scalars for the journal.
    pub terms: Vec<(&'static str, Tensor)>,
    /// Queries that entered the mean.
    pub kept: usize,
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
        Ok(Self { total: (self.total + other.total)?, kept: self.kept + other.kept, negatives, ..self })
    }

    /// The loss of a batch: the score with what came beside the projections.
    pub fn with(self, embedding: Tensor, keys: Option<Tensor>, statistics: Vec<BatchStatistics>) -> Loss {
        let Self { total, terms, kept, negatives } = self;
        Loss { total, embedding, keys, terms, statistics, kept, negatives }
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
    /// What the negatives were made of.
    pub negatives: Option<Composition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_knows_its_members_by_name() {
        assert!(OBJECTIVES.find("sacl").is_some());
        assert!(OBJECTIVES.entries.iter().all(|entry| !entry.sources.is_empty()));
    }
}
