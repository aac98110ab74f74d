//! The loop. It trains whatever is a [`Task`]: pretraining, fine-tuning, training from a random start.

use candle_core::DType;

use crate::learning::nn::{Batch, BatchStatistics, Group};
use crate::learning::objectives::{Loss, State};

use super::desk::{Desk, Taken};
use super::error::TrainError;
use super::optim::{OptimiserSettings, Optimisers};
use super::schedule::Schedule;

/// Something to be trained, step by step.
pub trait Task {
    /// What it is, for journal and progress (`pretrain`, `fine-tune`).
    fn name(&self) -> &str;

    /// The pass over the data that a step belongs to, from 0.
    fn epoch(&self, step: u64) -> u64;

    /// The windows of a step, from 1. Depends on the step only, so that a resumed run sees the same ones.
    ///
    /// # Errors
    /// When the data cannot be read.
    fn batch(&mut self, step: u64) -> Result<Batch, TrainError>;

    /// The loss of a batch; whatever is trained beside the loop (an adversary) takes its steps here.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn loss(&mut self, batch: &Batch, step: u64) -> Result<Loss, TrainError>;

    /// The groups that this step trains.
    fn trained(&mut self, step: u64) -> Vec<Trained<'_>>;

    /// Takes batch statistics into the running ones.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn commit(&mut self, statistics: &BatchStatistics) -> Result<(), TrainError>;

    /// What follows the optimiser's step: momentum encoder, queue, validation at the end of an epoch.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn after_step(&mut self, batch: &Batch, loss: &Loss, step: u64) -> Result<(), TrainError>;

    /// Everything that the task needs to go on.
    ///
    /// # Errors
    /// When the device gives nothing back.
    fn state(&self) -> Result<State, TrainError>;

    /// Puts back what [`Task::state`] gave.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    fn restore(&mut self, state: &State) -> Result<(), TrainError>;
}

/// A group in training.
pub struct Trained<'a> {
    /// Its name; the optimiser's moments hang on it.
    pub name: &'static str,
    /// Its numbers.
    pub group: &'a Group,
    /// Its learning rate over the schedule's.
    pub rate_factor: f64,
}

/// How long and how to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Updates.
    pub steps: u64,
    /// The learning rate.
    pub schedule: Schedule,
    /// What turns a gradient into a step.
    pub optimiser: OptimiserSettings,
    /// Largest global norm of the gradient.
    pub clip: f64,
}

/// Trains a task to the end of its course, from the last checkpoint when the desk has one.
///
/// # Errors
/// A loss or gradient that is no number, with step and rows; a request to stop, after a checkpoint was written; whatever
/// the task, the files or the device report.
pub fn train(task: &mut dyn Task, course: &Course, desk: &mut Desk<'_>) -> Result<(), TrainError> {
    let mut optimisers = Optimisers::new(course.optimiser, course.clip);
    let done = desk.begin(task, &mut optimisers, course.steps)?;
    for step in done + 1..=course.steps {
        desk.stop_if_asked(task, &optimisers, step - 1)?;
        let rate = course.schedule.rate(step);
        let batch = task.batch(step)?; // windows in their views
        let loss = task.loss(&batch, step)?; // keys, queries, adversary, loss
        let mut taken = Taken { step, rate, loss: None, gradient_norm: None };
        if loss.kept > 0 {
            taken.loss = Some(finite("loss", loss.total.to_dtype(DType::F64)?.to_scalar()?, step, &batch)?);
            let gradients = loss.total.backward()?;
            let norm = optimisers.step(&task.trained(step), &gradients, rate)?; // clip, step
            taken.gradient_norm = Some(finite("gradient norm", norm, step, &batch)?);
        }
        for statistics in &loss.statistics {
            task.commit(statistics)?;
        }
        task.after_step(&batch, &loss, step)?; // clamps, momentum encoder, queue
        desk.note(task, &loss, &taken, batch.len())?;
        desk.keep_if_due(task, &optimisers, step)?;
    }
    desk.end();
    Ok(())
}

fn finite(what: &'static str, value: f64, step: u64, batch: &Batch) -> Result<f64, TrainError> {
    if value.is_finite() {
        return Ok(value);
    }
    let rows = batch.rows.first().cloned().unwrap_or_default();
    Err(TrainError::NonFinite { what, step, value, rows })
}
