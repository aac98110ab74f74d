//! Fine-tuning, and the same training from a random start.

use std::fmt;

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
    /// What is done about rare classes.
    balance: Balance,
    /// How much of it: exponent of the class weights, factor of the logit adjustment.
    tau: f64,
}

/// What training does about classes that are rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Balance {
    /// The error of a window weighs `(n / (K n_c))^tau`.
    ClassWeights,
    /// `tau ln(n_c / n)` is added to the logits in training.
    ///
    /// # Source
    /// `menon2021logit`, eq. 10.
    LogitAdjusted,
}

/// One way to train all weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Configuration {
    /// Peak learning rate of the encoder.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// How much is done about rare classes.
    pub tau: f64,
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "learning rate {}", self.learning_rate)
    }
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
            balance: Balance::ClassWeights,
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

/// What tuning takes besides the settings' own values, in this order.
const TUNED_DECAYS: [f64; 4] = [0.1, 0.001, 1e-4, 0.0];
const TUNED_TAUS: [f64; 4] = [1.0, 0.0, 0.25, 0.75];

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
        if !(self.clip > 0.0 && self.clip.is_finite()) {
            return setting("clip", "a number above 0 is needed");
        }
        if !(self.head_factor > 0.0 && self.head_factor.is_finite()) {
            return setting("head_factor", "a number above 0 is needed");
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return setting("weight_decay", "a number of at least 0 is needed");
        }
        if !(0.0..=1.0).contains(&self.tau) {
            return setting("tau", "a number between 0 and 1 is needed");
        }
        Ok(())
    }

    fn fit(&self, start: &Start<'_>, data: &Data<'_>, bench: &mut Bench<'_>) -> Result<Fitted, DownstreamError> {
        self.best(Regime::FineTune, &self.own_configurations(), start, data, bench)
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
        let regime = Regime::EndToEnd { steps: pretraining_steps + self.updates(data) };
        self.best(regime, &self.own_configurations(), start, data, bench)
    }

    /// The same with `n` configurations: as many as the other side of the comparison tried.
    ///
    /// # Errors
    /// As [`Downstream::fit`]; more configurations than there are.
    pub fn end_to_end_tuned(
        &self,
        start: &Start<'_>,
        data: &Data<'_>,
        (pretraining_steps, n): (u64, usize),
        bench: &mut Bench<'_>,
    ) -> Result<Fitted, DownstreamError> {
        let regime = Regime::EndToEnd { steps: pretraining_steps + self.updates(data) };
        self.best(regime, &self.tuned_configurations(n)?, start, data, bench)
    }

    /// How many configurations an encoder is trained with.
    pub fn n_configurations(&self) -> usize {
        self.learning_rates.len()
    }

    fn own_configurations(&self) -> Vec<Configuration> {
        let (weight_decay, tau) = (self.weight_decay, self.tau);
        self.learning_rates.iter().map(|&learning_rate| Configuration { learning_rate, weight_decay, tau }).collect()
    }

    /// The first `n`: all learning rates with the settings' own decay, then with others, then with other taus.
    ///
    /// # Errors
    /// More than there are.
    pub fn tuned_configurations(&self, n: usize) -> Result<Vec<Configuration>, DownstreamError> {
        let others = |own: f64, more: &[f64]| -> Vec<f64> {
            std::iter::once(own).chain(more.iter().copied().filter(|value| *value != own)).collect()
        };
        let mut all = Vec::new();
        for tau in others(self.tau, &TUNED_TAUS) {
            for weight_decay in others(self.weight_decay, &TUNED_DECAYS) {
                let with = |&learning_rate: &f64| Configuration { learning_rate, weight_decay, tau };
                all.extend(self.learning_rates.iter().map(with));
            }
        }
        if n > all.len() {
            let reason = format!("the pretrained side tries {n} configurations, end-to-end knows {}", all.len());
            return Err(DownstreamError::Setting { key: "learning_rates", reason });
        }
        all.truncate(n);
        Ok(all)
    }

    /// Tries the configurations; of equals the earlier in the list wins.
    fn best(
        &self,
        regime: Regime,
        configurations: &[Configuration],
        start: &Start<'_>,
        data: &Data<'_>,
        bench: &mut Bench<'_>,
    ) -> Result<Fitted, DownstreamError> {
        self.check()?;
        let kept = start.kept.map(|kept| vec![kept]);
        let tried = kept.as_deref().unwrap_or(configurations);
        let mut best: Option<Fitted> = None;
        for &configuration in tried {
            bench.check(start.arm)?;
            let fitted = self.with_configuration(regime, configuration, start, data, bench)?;
            if best.as_ref().is_none_or(|best| fitted.validation > best.validation) {
                best = Some(fitted);
            }
        }
        let mut best = best.expect("the list has a configuration");
        best.effort.tried = tried.len() as u64;
        Ok(best)
    }

    fn with_configuration(
        &self,
        regime: Regime,
        configuration: Configuration,
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
        let Configuration { learning_rate: rate, weight_decay, tau } = configuration;
        let (head_factor, balance) = (self.head_factor, self.balance);
        let plan = Plan { name, steps, head_only_epochs, batch, head_factor, balance, tau };
        let warm_up = (self.warm_up * steps as f64).ceil() as u64;
        let course = Course {
            steps,
            schedule: Schedule::new(rate, warm_up, steps),
            optimiser: OptimiserSettings { name: OptimiserName::Adamw, weight_decay },
            clip: self.clip,
        };
        let mut task = Supervised::new(start, data, plan)?;
        let word = self.word(configuration);
        let labels = Labels { configuration: Some(configuration), word, ..Labels::of(start, data) };
        train(&mut task, &course, &mut bench.desk(&labels)?)?;

        let best = task.best.take().expect("the last step validates");
        let n_batches = rows.div_ceil(batch) as u64;
        let epoch = best.step.div_ceil(n_batches);
        let last = steps % n_batches;
        let windows = steps / n_batches * rows as u64 + (last * batch as u64).min(rows as u64);
        let criterion = data.criterion.name;
        let (validation, best_epoch) = (best.validation, epoch);
        bench.record(name, &Entry { labels, criterion, validation, best_epoch, updates: steps, windows })?;
        let own = (weight_decay, tau) == (self.weight_decay, self.tau);
        let more = if own { String::new() } else { format!(", weight decay {weight_decay}, tau {tau}") };
        let choice = format!(
            "learning rate {rate}{more}, epoch {epoch} of {}, validation {criterion} {validation:.4}",
            steps.div_ceil(n_batches)
        );
        let head = Head::Softmax(SoftmaxHead::of(&task.head, &best.top, &task.present)?);
        let mut fitted = Fitted::new(start, data, (Some(best.body), head, task.rr), validation, &choice);
        fitted.configuration = Some(configuration);
        fitted.effort = Effort { updates: steps, windows, tried: 1 };
        Ok(fitted)
    }

    /// Tells the checkpoints of configurations apart.
    fn word(&self, configuration: Configuration) -> String {
        let Configuration { learning_rate, weight_decay, tau } = configuration;
        if (weight_decay, tau) == (self.weight_decay, self.tau) {
            return format!("rate-{learning_rate}");
        }
        format!("rate-{learning_rate}-decay-{weight_decay}-tau-{tau}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuning_tries_as_many_as_asked_and_its_own_first() {
        let settings = FineTune::defaults(SignalKind::Ecg);
        assert_eq!(settings.tuned_configurations(3).unwrap(), settings.own_configurations());
        let nine = settings.tuned_configurations(9).unwrap();
        let decays: Vec<f64> = nine.iter().step_by(3).map(|configuration| configuration.weight_decay).collect();
        assert_eq!((nine.len(), decays), (9, vec![0.01, 0.1, 0.001]));
        let all = settings.tuned_configurations(75).unwrap();
        assert!(all.iter().enumerate().all(|(index, one)| !all[..index].contains(one)));
        let words: std::collections::BTreeSet<String> = all.iter().map(|one| settings.word(*one)).collect();
        assert_eq!(words.len(), 75);
        assert!(matches!(settings.tuned_configurations(76), Err(DownstreamError::Setting { .. })));
    }
}
