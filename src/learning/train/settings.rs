//! The settings of pretraining's course.

use serde::{Deserialize, Serialize};

use crate::base::SignalKind;

use super::engine::Course;
use super::error::TrainError;
use super::monitor::MonitorSettings;
use super::optim::{OptimiserName, OptimiserSettings};
use super::schedule::{LEAST_BATCH, Schedule, Scope, pretraining_batch, pretraining_warm_up, scaled_rate};

/// The section `train` of a pipeline: how pretraining moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainSettings {
    /// Updates; left out: 100 passes over the pool.
    pub steps: Option<u64>,
    /// Windows of a batch, if the pool allows it; `batch_size` is the field's word for it.
    #[serde(rename = "batch_size")]
    pub batch: usize,
    /// Peak learning rate; left out: 1e-3 sqrt(batch/128).
    pub learning_rate: Option<f64>,
    /// Steps of linear warm-up; left out: a twentieth of all, at least 20, at most 500.
    pub warm_up: Option<u64>,
    /// What turns a gradient into a step.
    pub optimiser: OptimiserName,
    /// Decoupled decay of convolution and linear weights.
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Looks at the validation people on the way; left out: none.
    pub monitor: Option<MonitorSettings>,
    /// Whose windows an encoder sees; the pipeline's own key.
    #[serde(skip)]
    pub scope: Scope,
}

/// Passes over the pool when no number of steps is given.
const EPOCHS: u64 = 100;

impl PretrainSettings {
    /// AdamW, decay 1e-4, clip 5, warm-up and cosine; none of it is known of the paper.
    pub fn defaults(kind: SignalKind) -> Self {
        let batch = match kind {
            SignalKind::Ecg => 256,
            SignalKind::Eeg => 128,
        };
        Self {
            steps: None,
            batch,
            learning_rate: None,
            warm_up: None,
            optimiser: OptimiserName::Adamw,
            weight_decay: 1e-4,
            clip: 5.0,
            checkpoint_every: 200,
            monitor: None,
            scope: Scope::default(),
        }
    }

    /// Refuses numbers that cannot work.
    ///
    /// # Errors
    /// [`TrainError::Setting`] with key, value and reason.
    pub fn check(&self) -> Result<(), TrainError> {
        let fault =
            |key, value: String, reason: &str| Err(TrainError::Setting { key, value, reason: reason.to_owned() });
        if self.steps == Some(0) {
            return fault("steps", "0".to_owned(), "nothing would be trained");
        }
        if let (Some(warm_up), Some(steps)) = (self.warm_up, self.steps)
            && warm_up > steps
        {
            return fault("warm_up", warm_up.to_string(), &format!("the run has {steps} steps"));
        }
        if self.checkpoint_every == 0 {
            return fault("checkpoint_every", "0".to_owned(), "give the number of steps between two checkpoints");
        }
        self.monitor.map_or(Ok(()), |monitor| monitor.check())?;
        if self.batch < LEAST_BATCH {
            let reason =
                format!("pretraining needs at least {LEAST_BATCH} windows a batch: the others are its negatives");
            return fault("batch_size", self.batch.to_string(), &reason);
        }
        let positive = [("learning_rate", self.learning_rate.unwrap_or(1.0)), ("clip", self.clip)];
        if let Some((key, value)) = positive.into_iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            return fault(key, value.to_string(), "it is no number above 0");
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return fault("weight_decay", self.weight_decay.to_string(), "it is no number of at least 0");
        }
        Ok(())
    }

    /// Batch and steps for a pool.
    ///
    /// # Errors
    /// As [`PretrainSettings::check`]; a pool too small for any batch.
    pub fn plan(&self, n_windows: usize) -> Result<PretrainPlan, TrainError> {
        self.check()?;
        let batch = pretraining_batch(self.batch, n_windows, self.scope)?;
        let steps = self.steps.unwrap_or_else(|| EPOCHS * (n_windows / batch) as u64);
        let peak = self.learning_rate.unwrap_or_else(|| scaled_rate(batch));
        let warm_up = self.warm_up.unwrap_or_else(|| pretraining_warm_up(steps));
        // What the rule gives is cut to the steps; what was asked for is not.
        if self.warm_up.is_some_and(|asked| asked > steps) {
            let reason = format!("the run has {steps} steps");
            return Err(TrainError::Setting { key: "warm_up", value: warm_up.to_string(), reason });
        }
        let optimiser = OptimiserSettings { name: self.optimiser, weight_decay: self.weight_decay };
        let course = Course { steps, schedule: Schedule::new(peak, warm_up, steps), optimiser, clip: self.clip };
        Ok(PretrainPlan { batch, course })
    }
}

/// What the settings come to for a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PretrainPlan {
    /// Windows of a batch.
    pub batch: usize,
    /// The course.
    pub course: Course,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_follows_the_pool() {
        let plan = PretrainSettings::defaults(SignalKind::Ecg).plan(40_000).unwrap();
        assert_eq!((plan.batch, plan.course.steps), (256, 15_600));
        assert!((plan.course.schedule.rate(500) - 1e-3 * 2.0_f64.sqrt()).abs() < 1e-12);
        let plan = PretrainSettings::defaults(SignalKind::Ecg).plan(300).unwrap();
        assert_eq!((plan.batch, plan.course.steps), (64, 400));
    }

    #[test]
    fn senseless_numbers_are_refused_by_key() {
        let good = PretrainSettings::defaults(SignalKind::Eeg);
        let monitor: MonitorSettings = serde_json::from_str("{ \"every\": 5 }").unwrap();
        assert!(PretrainSettings { monitor: Some(monitor), ..good.clone() }.check().is_ok());
        let bad = [
            ("steps", PretrainSettings { steps: Some(0), ..good.clone() }),
            ("learning_rate", PretrainSettings { learning_rate: Some(-1.0), ..good.clone() }),
            ("clip", PretrainSettings { clip: f64::NAN, ..good.clone() }),
            ("weight_decay", PretrainSettings { weight_decay: -0.1, ..good.clone() }),
            ("batch_size", PretrainSettings { batch: 8, ..good.clone() }),
            ("checkpoint_every", PretrainSettings { checkpoint_every: 0, ..good.clone() }),
            ("monitor", PretrainSettings { monitor: Some(MonitorSettings { every: 0, ..monitor }), ..good.clone() }),
            ("monitor", PretrainSettings { monitor: Some(MonitorSettings { rows: 1, ..monitor }), ..good.clone() }),
        ];
        for (expected, settings) in bad {
            assert!(matches!(settings.check(), Err(TrainError::Setting { key, .. }) if key == expected));
        }
    }
}
