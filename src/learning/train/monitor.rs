//! A look at the validation people during pretraining: does the embedding tell the classes apart yet?
//!
//! The look changes nothing: no weight, no statistic, no random stream. It never sees a test row, because none of its
//! arguments can hold one, and its cost is bounded by [`MonitorSettings::rows`].

use std::sync::Arc;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::data::splits::{Role, Subset, Train, Validation};
use crate::data::store::Store;
use crate::learning::nn::{Encoder, Weights};
use crate::numerics::classify::{Examples, Knn, Logistic, Standardiser};
use crate::numerics::metrics::{Classes, Formula, METRICS, Predictions};

use super::embed::embed_rows;
use super::error::TrainError;

/// Neighbours that vote: one fixed number, because nothing is chosen here.
const NEIGHBOURS: usize = 20;
/// Penalty of the linear look.
const C: f64 = 1.0;
/// What is written down of a look.
const SHOWN: [&str; 2] = ["accuracy", "balanced-accuracy"];

/// What stands on the embedding for a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitorClassifier {
    /// Weighted nearest neighbours.
    Knn,
    /// Logistic regression, C = 1.
    Linear,
}

/// `train.monitor`: how often to look, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorSettings {
    /// Steps between two looks.
    pub every: u64,
    /// What stands on the embedding.
    #[serde(default = "knn")]
    pub classifier: MonitorClassifier,
    /// Windows of the training people, and of the validation people, that a look embeds at most; evenly spread.
    #[serde(default = "rows")]
    pub rows: usize,
}

fn knn() -> MonitorClassifier {
    MonitorClassifier::Knn
}

fn rows() -> usize {
    2000
}

impl MonitorSettings {
    /// Refuses numbers that cannot work.
    ///
    /// # Errors
    /// [`TrainError::Setting`].
    pub fn check(&self) -> Result<(), TrainError> {
        let fault = |reason: &str| {
            let value = serde_json::to_value(self).expect("settings are plain data").to_string();
            Err(TrainError::Setting { key: "monitor", value, reason: reason.to_owned() })
        };
        match (self.every, self.rows) {
            (0, _) => fault("`every` is the number of steps between two looks"),
            (_, 0..2) => fault("`rows` is the number of windows that a look embeds, at least 2"),
            _ => Ok(()),
        }
    }
}

/// Whom a monitor looks at.
#[derive(Clone, Copy)]
pub struct Monitored<'a> {
    /// Labelled windows of the training people.
    pub train: &'a Subset<Train>,
    /// Labelled windows of the validation people.
    pub validation: &'a Subset<Validation>,
    /// Classes that nobody learns.
    pub unscored: &'a [u16],
}

/// Looks at the validation people every so often.
pub(super) struct Monitor<'a> {
    settings: MonitorSettings,
    store: &'a Store,
    classes: Arc<Classes>,
    train: Vec<u32>,
    validation: Vec<u32>,
    steps: u64,
}

/// What a look came to, by name; `None` where a metric is undefined.
pub type Look = Vec<(&'static str, Option<f64>)>;

impl<'a> Monitor<'a> {
    pub(super) fn new(settings: MonitorSettings, store: &'a Store, people: Monitored<'_>, steps: u64) -> Self {
        let classes = Arc::new(Classes::new(&store.table().classes, people.unscored));
        let (train, validation) = (spread(people.train, settings.rows), spread(people.validation, settings.rows));
        Self { settings, store, classes, train, validation, steps }
    }

    /// The word for journal and TensorBoard.
    pub(super) fn classifier(&self) -> &'static str {
        match self.settings.classifier {
            MonitorClassifier::Knn => "knn",
            MonitorClassifier::Linear => "linear",
        }
    }

    /// Looks, when the step is one at which to look; the last always is.
    pub(super) fn look(&self, encoder: &dyn Encoder, weights: &Weights, step: u64) -> Result<Option<Look>, TrainError> {
        if !(step.is_multiple_of(self.settings.every) || step == self.steps) {
            return Ok(None);
        }
        let train = embed_rows(encoder, weights, self.store, &self.train)?;
        let validation = embed_rows(encoder, weights, self.store, &self.validation)?;
        let probability = self.probabilities(&train, &validation);
        let (truth, table) = (self.labels(&self.validation), self.store.table());
        let subject = self.validation.iter().map(|&row| table.rows[row as usize].subject).collect();
        let confusion = Predictions { truth, probability, subject }.confusion(&self.classes);
        let shown = METRICS.iter().filter(|metric| SHOWN.contains(&metric.name));
        let value = |formula| if let Formula::Counts(of) = formula { of(&confusion) } else { None };
        Ok(Some(shown.map(|metric| (metric.name, value(metric.formula))).collect()))
    }

    fn probabilities(&self, train: &Array2<f32>, validation: &Array2<f32>) -> Array2<f32> {
        let (labels, n_classes) = (self.labels(&self.train), self.classes.len());
        match self.settings.classifier {
            MonitorClassifier::Knn => {
                let memory = Knn::new(train.view(), &labels, n_classes);
                memory.neighbours(validation.view(), NEIGHBOURS).probabilities(NEIGHBOURS)
            }
            MonitorClassifier::Linear => {
                let standardiser = Standardiser::of(train.view());
                let (x, weights) = (standardiser.apply(train.view()), vec![1.0; labels.len()]);
                let examples = Examples { x: x.view(), labels: &labels, weights: &weights, n_classes };
                let fit = Logistic::fit(examples, C, None);
                fit.model.probabilities(standardiser.apply(validation.view()).view())
            }
        }
    }

    fn labels(&self, rows: &[u32]) -> Vec<u16> {
        let label = |&row: &u32| self.store.table().rows[row as usize].label;
        rows.iter().map(|row| label(row).expect("rows of train and validation have labels")).collect()
    }
}

/// At most `most` rows, evenly spread over all, so that every person stays in proportion.
fn spread<R: Role>(subset: &Subset<R>, most: usize) -> Vec<u32> {
    let rows = subset.rows();
    let count = rows.len().min(most);
    (0..count).map(|index| rows[index * rows.len() / count]).collect()
}
