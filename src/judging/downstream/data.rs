//! What a classifier is fitted from, and where the fitting is written down.

use std::sync::Arc;

use candle_core::Device;
use ndarray::Array2;
use serde::Serialize;

use crate::base::Watch;
use crate::data::splits::{Role, Split, Subset};
use crate::data::store::Store;
use crate::learning::nn::{Encoder, Group};
use crate::learning::train::{Checkpoints, Desk};
use crate::numerics::metrics::{Classes, Formula, Metric, Predictions};
use crate::runs::{Events, Journal, RunError};

use super::finetune::Configuration;
use super::fitted::Fitted;
use super::{DownstreamError, RrChoice};

/// Windows with their roles, and by what choices are made.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// The windows.
    pub store: &'a Store,
    /// Who may see what.
    pub split: &'a Split,
    /// The classes of the corpus.
    pub classes: &'a Arc<Classes>,
    /// The metric of the validation people that choices raise.
    pub criterion: &'static Metric,
    /// What stands beside every embedding.
    pub rr: &'a RrChoice,
}

impl Data<'_> {
    /// The labels of a role's rows.
    ///
    /// # Panics
    /// For the pool, whose rows may have none.
    pub fn labels<R: Role>(&self, subset: &Subset<R>) -> Vec<u16> {
        let labels = subset.labels(self.store.table());
        labels.into_iter().collect::<Option<_>>().expect("rows of train, validation and test have labels")
    }

    /// Predictions for a role's rows.
    pub fn predictions<R: Role>(&self, subset: &Subset<R>, probability: Array2<f32>) -> Predictions {
        let table = self.store.table();
        let subject = subset.rows().iter().map(|&row| table.rows[row as usize].subject).collect();
        Predictions { truth: self.labels(subset), probability, subject }
    }

    /// The criterion on the validation people; where it is undefined, less than any value.
    pub fn criterion_of(&self, probability: Array2<f32>) -> f64 {
        let predictions = self.predictions(self.split.validation(), probability);
        let value = match self.criterion.formula {
            Formula::Counts(of) => of(&predictions.confusion(self.classes)),
            _ => unreachable!("`criterion` admits formulas of the whole matrix only"),
        };
        value.unwrap_or(f64::NEG_INFINITY)
    }

    /// The classes that the training rows have, ascending.
    pub(super) fn present(&self) -> Vec<u16> {
        let mut present = self.labels(self.split.train());
        present.sort_unstable();
        present.dedup();
        present
    }
}

/// An encoder to start from.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The network.
    pub encoder: &'a dyn Encoder,
    /// Its weights. They are copied, never changed.
    pub group: &'a Group,
    /// Name of the arm, for journal, ledger and checkpoints.
    pub arm: &'a str,
    /// The training seed.
    pub seed: u64,
    /// What the first seed chose of how to train, which the other seeds keep.
    pub kept: Option<Configuration>,
}

impl Start<'_> {
    /// Where its weights are.
    pub(super) fn device(&self) -> Device {
        self.group.flat().device().clone()
    }
}

/// Makes the place of one supervised training, its checkpoints and its events: of an arm, in a fold; the word (seed and
/// rate) names it there.
pub type PlaceMaker<'a> = dyn Fn(&str, u16, &str) -> Result<(Checkpoints, Events), RunError> + 'a;

/// Keeps a classifier whose choice is made: its name, fold and seed, the classifier.
pub type Keeper<'a> = dyn Fn(&str, u16, u64, &Fitted) -> Result<(), DownstreamError> + 'a;

/// Where fitting is written down. Nothing of it changes a result.
pub struct Bench<'a> {
    /// Progress and requests to stop.
    pub watch: &'a Watch,
    /// The run's journal.
    pub journal: Option<&'a mut Journal>,
    /// Checkpoints and events of supervised training.
    pub places: Option<&'a PlaceMaker<'a>>,
    /// Finished classifiers.
    pub keeper: Option<&'a Keeper<'a>>,
}

/// The labels of a journal line.
#[derive(Serialize)]
pub(super) struct Labels<'a> {
    pub(super) arm: &'a str,
    pub(super) seed: u64,
    pub(super) fold: u16,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) configuration: Option<Configuration>,
    /// Names the checkpoints of one of many configurations.
    #[serde(skip)]
    pub(super) word: String,
}

impl<'a> Labels<'a> {
    /// Of something that trains no weights.
    pub(super) fn of(start: &Start<'a>, data: &Data<'_>) -> Self {
        let fold = data.split.fold();
        Self { arm: start.arm, seed: start.seed, fold, configuration: None, word: String::new() }
    }
}

impl<'a> Bench<'a> {
    /// Writes nothing down.
    pub fn silent(watch: &'a Watch) -> Self {
        Self { watch, journal: None, places: None, keeper: None }
    }

    /// Asks whether to go on.
    pub(super) fn check(&self, arm: &str) -> Result<(), DownstreamError> {
        self.watch.check().map_err(|_| DownstreamError::Stopped { arm: arm.to_owned() })
    }

    /// A line in the journal, where there is one; a resumed run's stands for the one it made before.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn record<T: Serialize>(&mut self, event: &str, entry: &T) -> Result<(), DownstreamError> {
        match &mut self.journal {
            Some(journal) => Ok(journal.record_once(event, entry)?),
            None => Ok(()),
        }
    }

    /// The desk of one supervised training.
    ///
    /// # Errors
    /// When its checkpoints have no place.
    pub(super) fn desk(&mut self, labels: &Labels<'_>) -> Result<Desk<'_>, DownstreamError> {
        let how = labels.configuration.map_or_else(String::new, |how| format!(", {how}"));
        self.watch.progress().say(&format!("{}, fold {}, seed {}{how}", labels.arm, labels.fold, labels.seed));
        let mut desk = Desk::new(self.watch);
        if let Some(journal) = &mut self.journal {
            desk = desk.with_journal(journal, labels);
        }
        if let Some(make) = self.places {
            let word = format!("seed-{}-{}", labels.seed, labels.word);
            let (checkpoints, events) = make(labels.arm, labels.fold, &word)?;
            desk = desk.with_checkpoints(checkpoints).with_events(events);
        }
        Ok(desk)
    }
}
