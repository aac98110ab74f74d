//! What pretraining minimises: one file an objective, each a pure loss and what it remembers between steps.
//!
//! Invariant: `loss` changes nothing (twice the same value, twice the same bits); memory moves in `after_step` only; no
//! objective touches a file, the clock or a subject (that is `step.negatives`). Start reading at [`Objective`], then
//! `sacl.rs`; what several objectives share lies in `parts`.

mod error;
#[cfg(test)]
#[path = "../../../docs/adding/inbatch.rs"]
mod inbatch;
mod loss;
mod moco;
mod npid;
mod parts;
mod pirl;
mod sacl;
mod simclr;
mod state;
#[cfg(test)]
mod testkit;
mod views;
mod wapirl;
mod workshop;

use crate::base::{Choice, Entry, Registry, read_choice};
use crate::learning::awareness::Accepts;
use crate::learning::nn::Batch;

pub use error::ObjectiveError;
use error::fault;
#[cfg(test)]
pub use inbatch::Inbatch;
pub use loss::{Expectation, Loss, Projections, Score, Start, Step};
pub use moco::{Moco, MocoVersion};
pub use npid::{Npid, NpidForm};
pub use parts::{Head, InBatch, InfoNce, InvarianceForm, KeyQueue, Twin, info_nce};
pub use pirl::{Pirl, PirlTransform};
pub use sacl::{KeyNorms, Sacl};
pub use simclr::Simclr;
pub use state::State;
pub use views::{EmbedPool, Passes, ViewPlan};
pub use wapirl::Wapirl;
pub use workshop::{Parameters, RunSize, Workshop};

/// Every objective that a pipeline can name.
pub static OBJECTIVES: Registry<dyn ObjectiveConfig> = Registry {
    family: "objective",
    entries: &[
        entry::<moco::Moco>(),
        entry::<npid::Npid>(),
        entry::<pirl::Pirl>(),
        entry::<sacl::Sacl>(),
        entry::<simclr::Simclr>(),
        entry::<wapirl::Wapirl>(),
    ],
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

    /// What of the awareness layer can act on it: its row of the table.
    fn accepts(&self) -> Accepts;

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

    /// Encodes and scores a batch. Pure: called twice, it gives the same bits.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn loss(&self, batch: &Batch, step: &Step<'_>) -> Result<Loss, ObjectiveError>;

    /// What [`Objective::score`] takes, and what it gives for random rows.
    fn expects(&self) -> Expectation;

    /// What passes the encoder, for windows of `samples`. As it stands: each projection is of one whole window.
    fn passes(&self, samples: usize) -> Passes {
        let Expectation { queries, keys, .. } = self.expects();
        Passes { with_gradient: queries * samples, without_gradient: keys * samples, of_pool: 0 }
    }

    /// Scores projections, however they were made: golden values and laws hang here. Pure, as [`Objective::loss`].
    ///
    /// # Errors
    /// Another number of projections than the objective compares; a tensor operation that fails.
    fn score(&self, given: &Projections<'_>, step: &Step<'_>) -> Result<Score, ObjectiveError>;

    /// What precedes the first step of an epoch (from 0): a bank's first rows.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn before_epoch(
        &mut self,
        _epoch: u64,
        _pool: &mut dyn EmbedPool,
        _parameters: &Parameters,
    ) -> Result<(), ObjectiveError> {
        Ok(())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_knows_its_members_by_name() {
        assert!(OBJECTIVES.find("sacl").is_some());
        assert!(OBJECTIVES.entries.iter().all(|entry| !entry.sources.is_empty()));
    }
}
