//! The loop. It trains whatever is a [`Task`]: pretraining, fine-tuning, training from a random start.

use candle_core::DType;

use crate::learning::nn::{Batch, BatchStatistics, Group};
use crate::learning::objectives::{Loss, State};

use super::collapse::Diagnosis;
use super::desk::{Desk, Taken};
use super::error::TrainError;
use super::monitor::Look;
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

    /// A look at how far the training has come, where one is due: by what, and what it came to. It changes nothing.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn look(&self, _step: u64) -> Result<Option<(&'static str, Look)>, TrainError> {
        Ok(None)
    }

    /// How a batch looks from outside, for a task whose embeddings could collapse. It changes nothing.
    ///
    /// # Errors
    /// When the device gives nothing back.
    fn diagnose(&self, _loss: &Loss) -> Result<Option<Diagnosis>, TrainError> {
        Ok(None)
    }

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
        desk.note_diagnosis(task, &loss, step)?; // collapse, every so often
        desk.note_look(task, step)?; // validation people, every so often
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::base::Watch;
    use crate::learning::nn::{Init, Layout, ParameterRole};
    use crate::learning::train::OptimiserName;

    /// Half the square of a vector; some steps keep no query, one can break.
    struct Bowl {
        moving: Group,
        resting: Group,
        skipped: u64,
        broken: u64,
        seen: Vec<u64>,
    }

    fn bowl() -> Bowl {
        let mut layout = Layout::new();
        layout.push("w", &[3], Init::Constant(2.0), ParameterRole::Bias);
        let layout = Arc::new(layout);
        let group = || Group::new(Arc::clone(&layout), 1, 0, &Device::Cpu, DType::F64).unwrap();
        Bowl { moving: group(), resting: group(), skipped: 0, broken: 0, seen: Vec::new() }
    }

    impl Task for Bowl {
        fn name(&self) -> &'static str {
            "bowl"
        }
        fn epoch(&self, step: u64) -> u64 {
            step
        }
        fn batch(&mut self, step: u64) -> Result<Batch, TrainError> {
            let rows = vec![step as u32, 7];
            Ok(Batch {
                views: vec![],
                rows: vec![rows],
                slots: vec![0, 1],
                positives: vec![0, 1],
                subject: vec![0, 0],
                target: None,
            })
        }
        fn loss(&mut self, _batch: &Batch, step: u64) -> Result<Loss, TrainError> {
            let both = (self.moving.flat().sqr()?.sum_all()? + self.resting.flat().sqr()?.sum_all()?)?;
            let total = if step == self.broken { (both * f64::NAN)? } else { (both / 2.0)? };
            let kept = if step == self.skipped { 0 } else { 2 };
            let embedding = Tensor::zeros((2, 1), DType::F64, &Device::Cpu)?;
            let (keys, terms, statistics, negatives) = (None, vec![], vec![], None);
            Ok(Loss { total, embedding, keys, terms, statistics, kept, dropped: 0, negatives })
        }
        fn trained(&mut self, _step: u64) -> Vec<Trained<'_>> {
            vec![Trained { name: "moving", group: &self.moving, rate_factor: 0.5 }]
        }
        fn commit(&mut self, _statistics: &BatchStatistics) -> Result<(), TrainError> {
            Ok(())
        }
        fn after_step(&mut self, _batch: &Batch, _loss: &Loss, step: u64) -> Result<(), TrainError> {
            self.seen.push(step);
            Ok(())
        }
        fn state(&self) -> Result<State, TrainError> {
            Ok(State::of_group(&self.moving)?)
        }
        fn restore(&mut self, state: &State) -> Result<(), TrainError> {
            Ok(state.to_group(&mut self.moving)?)
        }
    }

    fn course(steps: u64) -> Course {
        let optimiser = OptimiserSettings { name: OptimiserName::Sgd, weight_decay: 0.0 };
        Course { steps, schedule: Schedule::new(0.2, 0, 1_000_000), optimiser, clip: 1e9 }
    }

    fn run(task: &mut Bowl, steps: u64) -> Result<(), TrainError> {
        train(task, &course(steps), &mut Desk::new(&Watch::default()))
    }

    #[test]
    fn only_trained_groups_move_and_by_their_own_rate() {
        let mut task = bowl();
        run(&mut task, 1).unwrap();
        let moved = task.moving.to_vec().unwrap()[0];
        assert!((moved - (2.0 - 0.5 * 0.2 * 2.0)).abs() < 1e-6, "{moved}");
        assert_eq!(task.resting.to_vec().unwrap(), [2.0; 3]);
    }

    #[test]
    fn a_step_that_keeps_no_query_skips_the_optimiser_but_goes_on() {
        let mut task = Bowl { skipped: 1, ..bowl() };
        run(&mut task, 1).unwrap();
        assert_eq!(task.moving.to_vec().unwrap(), [2.0; 3]);
        run(&mut task, 3).unwrap();
        assert_eq!(task.seen, [1, 1, 2, 3]);
    }

    #[test]
    fn a_loss_that_is_no_number_stops_with_step_and_rows() {
        let mut task = Bowl { broken: 3, ..bowl() };
        let error = run(&mut task, 5).unwrap_err();
        let TrainError::NonFinite { what: "loss", step: 3, rows, .. } = &error else { panic!("{error}") };
        assert_eq!(rows, &[3, 7]);
        assert_eq!(task.seen, [1, 2]);
    }

    #[test]
    fn a_request_to_stop_ends_the_loop_before_the_next_step() {
        let watch = Watch::default();
        watch.stop_flag().store(true, std::sync::atomic::Ordering::Relaxed);
        let mut task = bowl();
        let error = train(&mut task, &course(5), &mut Desk::new(&watch)).unwrap_err();
        assert!(matches!(error, TrainError::Stopped { step: 0 }));
        assert!(task.seen.is_empty());
    }
}
