//! Fine-tuning, and the same training from a random start.

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::train::{Course, OptimiserName, OptimiserSettings, Schedule, supervised_batch, train};

use super::Downstream;
use super::data::{Bench, Data, Labels, Start};
use super::error::DownstreamError;
use super::fitted::{Effort, Fitted, Head, SoftmaxHead};
use super::supervised::{Plan, Supervised};

/// All weights trained for the classes, from a pretrained encoder: a new linear head of zeros, alone in the first epoch
/// (encoder frozen, in evaluation mode), then everything. The epoch that is best on the validation people is kept.
///
/// # Source
/// `cheng2020subject`, table 3, for the comparison (all weights against the same network from a random start); the
/// settings are ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTune {
    /// Passes over the training rows.
    epochs: u64,
    /// Peak learning rates of the encoder to try, with the first seed; the other seeds keep the choice.
    learning_rates: Vec<f64>,
    /// The head's rate over the encoder's.
    head_factor: f64,
    /// Decoupled weight decay.
    weight_decay: f64,
    /// Share of the updates in which the rate rises.
    warm_up: f64,
    /// Largest norm of the gradient.
    clip: f64,
    /// Exponent of the class weights `(n / (K n_c))^tau`.
    tau: f64,
}

impl Choice for FineTune {
    const NAME: &'static str = "fine-tune";
    const SUMMARY: &'static str = "all weights trained for the classes, best epoch on validation people";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(kind: SignalKind) -> Self {
        let epochs = match kind {
            SignalKind::Ecg => 8,
            SignalKind::Eeg => 20,
        };
        Self {
            epochs,
            learning_rates: vec![1e-4, 3e-4, 1e-3],
            head_factor: 10.0,
            weight_decay: 0.01,
            warm_up: 0.05,
            clip: 1.0,
            tau: 0.5,
        }
    }
}

/// Which supervised training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Regime {
    FineTune,
    EndToEnd { steps: u64 },
}

/// What a training came to, for the journal.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    labels: Labels<'a>,
    criterion: &'static str,
    validation: f64,
    best_epoch: u64,
    updates: u64,
    windows: u64,
}

impl Downstream for FineTune {
    fn check(&self) -> Result<(), DownstreamError> {
        let setting = |key, reason: &str| Err(DownstreamError::Setting { key, reason: reason.to_owned() });
        if self.epochs == 0 {
            return setting("epochs", "at least one pass is needed");
        }
        if self.learning_rates.is_empty() || self.learning_rates.iter().any(|rate| !(*rate > 0.0 && rate.is_finite())) {
            return setting("learning_rates", "a list of numbers above 0 is needed");
        }
        if !(0.0..1.0).contains(&self.warm_up) {
            return setting("warm_up", "a share of the updates is needed, 0 to 1");
        }
        if !(self.clip > 0.0 && self.head_factor > 0.0 && self.weight_decay >= 0.0) {
            return setting("clip", "`clip` and `head_factor` are above 0, `weight_decay` is at least 0");
        }
        Ok(())
    }

    fn fit(&self, start: &Start<'_>, data: &Data<'_>, bench: &mut Bench<'_>) -> Result<Fitted, DownstreamError> {
        self.best_rate(Regime::FineTune, start, data, bench)
    }

    fn supervision(&self) -> Option<&Self> {
        Some(self)
    }
}

impl FineTune {
    /// Updates that fine-tuning makes on these training rows.
    pub fn updates(&self, data: &Data<'_>) -> u64 {
        let rows = data.split.train().len();
        self.epochs * rows.div_ceil(supervised_batch(rows)) as u64
    }

    /// Trains everything from the start's weights (which should be random ones) for as many updates as pretraining and
    /// fine-tuning together; no epoch is the head's alone. The same learning rates are tried.
    ///
    /// # Errors
    /// As [`Downstream::fit`].
    pub fn end_to_end(
        &self,
        start: &Start<'_>,
        data: &Data<'_>,
        pretraining_steps: u64,
        bench: &mut Bench<'_>,
    ) -> Result<Fitted, DownstreamError> {
        self.best_rate(Regime::EndToEnd { steps: pretraining_steps + self.updates(data) }, start, data, bench)
    }

    /// Tries the learning rates; of equals the earlier in the list wins.
    fn best_rate(
        &self,
        regime: Regime,
        start: &Start<'_>,
        data: &Data<'_>,
        bench: &mut Bench<'_>,
    ) -> Result<Fitted, DownstreamError> {
        self.check()?;
        let kept = start.learning_rate.map(|rate| vec![rate]);
        let mut best: Option<Fitted> = None;
        for &rate in kept.as_ref().unwrap_or(&self.learning_rates) {
            bench.check(start.arm)?;
            let fitted = self.with_rate(regime, rate, start, data, bench)?;
            if best.as_ref().is_none_or(|best| fitted.validation > best.validation) {
                best = Some(fitted);
            }
        }
        Ok(best.expect("the list has a rate"))
    }

    fn with_rate(
        &self,
        regime: Regime,
        rate: f64,
        start: &Start<'_>,
        data: &Data<'_>,
        bench: &mut Bench<'_>,
    ) -> Result<Fitted, DownstreamError> {
        let rows = data.split.train().len();
        let batch = supervised_batch(rows);
        let (name, steps, head_only_epochs) = match regime {
            // A single epoch is everybody's: the head alone would be a probe, not a fine-tuning.
            Regime::FineTune => ("fine-tune", self.updates(data), u64::from(self.epochs > 1)),
            Regime::EndToEnd { steps } => ("end-to-end", steps, 0),
        };
        let plan = Plan { name, steps, head_only_epochs, batch, head_factor: self.head_factor, tau: self.tau };
        let warm_up = (self.warm_up * steps as f64).ceil() as u64;
        let course = Course {
            steps,
            schedule: Schedule::new(rate, warm_up, steps),
            optimiser: OptimiserSettings { name: OptimiserName::Adamw, weight_decay: self.weight_decay },
            clip: self.clip,
        };
        let mut task = Supervised::new(start, data, plan)?;
        let labels = Labels { arm: start.arm, seed: start.seed, fold: data.split.fold(), learning_rate: Some(rate) };
        train(&mut task, &course, &mut bench.desk(&labels)?)?;

        let best = task.best.take().expect("the last step validates");
        let n_batches = rows.div_ceil(batch) as u64;
        let epoch = best.step.div_ceil(n_batches);
        let last = steps % n_batches;
        let windows = steps / n_batches * rows as u64 + (last * batch as u64).min(rows as u64);
        let criterion = data.criterion.name;
        let (validation, best_epoch) = (best.validation, epoch);
        bench.record(name, &Entry { labels, criterion, validation, best_epoch, updates: steps, windows })?;
        let choice = format!(
            "learning rate {rate}, epoch {epoch} of {}, validation {criterion} {validation:.4}",
            steps.div_ceil(n_batches)
        );
        let head = Head::Softmax(SoftmaxHead::of(&task.head, &best.top, &task.present)?);
        let mut fitted = Fitted::new(start, data, (best.body, head), validation, &choice);
        fitted.learning_rate = Some(rate);
        fitted.effort = Effort { updates: steps, windows };
        Ok(fitted)
    }
}
