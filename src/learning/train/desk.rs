//! What stands around the loop: journal, progress, checkpoints, requests to stop.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use candle_core::DType;

use crate::base::{Stopwatch, Watch};
use crate::learning::objectives::{Loss, State};
use crate::runs::{Events, Journal};

use super::checkpoint::Checkpoints;
use super::collapse::{Symptom, is_due};
use super::engine::Task;
use super::error::TrainError;
use super::optim::Optimisers;

/// Where a run is written down. Nothing of it changes what is trained.
pub struct Desk<'a> {
    watch: &'a Watch,
    journal: Option<&'a mut Journal>,
    labels: Map<String, Value>,
    checkpoints: Option<Checkpoints>,
    events: Option<Events>,
    clock: Option<Stopwatch>,
    windows: u64,
    total: u64,
    last_loss: Option<f64>,
    told: BTreeSet<Symptom>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// From 1.
    pub step: u64,
    /// Its learning rate.
    pub rate: f64,
    /// The loss; `None` when no query was kept.
    pub loss: Option<f64>,
    /// Norm of the gradient before clipping.
    pub gradient_norm: Option<f64>,
}

impl<'a> Desk<'a> {
    /// A desk that reports to `watch` and keeps nothing.
    pub fn new(watch: &'a Watch) -> Self {
        Self {
            watch,
            journal: None,
            labels: Map::new(),
            checkpoints: None,
            events: None,
            clock: None,
            windows: 0,
            total: 0,
            last_loss: None,
            told: BTreeSet::new(),
        }
    }

    /// The same with a journal, each line of which carries `labels` (arm, fold, seed).
    #[must_use]
    pub fn with_journal<T: Serialize>(self, journal: &'a mut Journal, labels: &T) -> Self {
        let labels = match serde_json::to_value(labels) {
            Ok(Value::Object(labels)) => labels,
            _ => Map::new(),
        };
        Self { journal: Some(journal), labels, ..self }
    }

    /// The same with checkpoints.
    #[must_use]
    pub fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        Self { checkpoints: Some(checkpoints), ..self }
    }

    /// The same with an event file for TensorBoard.
    #[must_use]
    pub fn with_events(self, events: Events) -> Self {
        Self { events: Some(events), ..self }
    }

    /// Takes up the last checkpoint, if there is one and it is wanted; gives the steps that are done.
    pub(super) fn begin(
        &mut self,
        task: &mut dyn Task,
        optimisers: &mut Optimisers,
        total: u64,
    ) -> Result<u64, TrainError> {
        let mut done = 0;
        if let Some(saved) = self.checkpoints.as_ref().map(Checkpoints::take_up).transpose()?.flatten() {
            task.restore(&saved.state.part("task"))?;
            optimisers.restore(saved.state.part("optimiser"));
            done = saved.header.step;
        }
        if self.checkpoints.as_ref().is_some_and(Checkpoints::goes_on) {
            self.rewind_journal(task.name(), done)?;
            self.events.as_mut().map_or(Ok(()), |events| events.rewind(done))?;
        }
        self.total = total;
        self.clock = Some(self.watch.stopwatch());
        self.watch.progress().begin(task.name(), total, "steps");
        self.watch.progress().done_before(done);
        Ok(done)
    }

    /// Forgets what an interrupted run wrote after its last checkpoint, or before its first: those steps are taken again.
    fn rewind_journal(&mut self, task: &str, done: u64) -> Result<(), TrainError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let labels = &self.labels;
        journal.rewind(|entry| {
            let mine = entry
                .get("event")
                .is_some_and(|event| ["step", "collapse", "monitor"].iter().any(|name| event == name))
                && entry.get("task").is_some_and(|name| name == task)
                && labels.iter().all(|(key, value)| entry.get(key) == Some(value));
            !mine || entry.get("step").and_then(Value::as_u64).is_none_or(|step| step <= done)
        })?;
        Ok(())
    }

    /// Writes a checkpoint and stops, when somebody asked for it.
    pub(super) fn stop_if_asked(
        &mut self,
        task: &dyn Task,
        optimisers: &Optimisers,
        step: u64,
    ) -> Result<(), TrainError> {
        if self.watch.check().is_ok() {
            return Ok(());
        }
        if step > 0 {
            self.keep(task, optimisers, step)?;
        }
        self.watch.progress().end();
        Err(TrainError::Stopped { step })
    }

    /// One line in the journal, one move of the bar.
    pub(super) fn note(
        &mut self,
        task: &dyn Task,
        loss: &Loss,
        taken: &Taken,
        windows: usize,
    ) -> Result<(), TrainError> {
        self.windows += windows as u64;
        self.last_loss = taken.loss.or(self.last_loss);
        let seconds = self.clock.map_or(0.0, |clock| clock.elapsed().as_secs_f64());
        let windows_per_s = if seconds > 0.0 { self.windows as f64 / seconds } else { 0.0 };
        let shown = self.last_loss.map_or_else(|| "no loss yet".to_owned(), |loss| format!("loss {loss:.3}"));
        self.watch.progress().advance(taken.step, &format!("{shown}, {windows_per_s:.0} windows/s"));
        if self.journal.is_none() && self.events.is_none() {
            return Ok(());
        }
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
        put("task", task.name().into());
        put("step", taken.step.into());
        put("epoch", task.epoch(taken.step).into());
        put("loss", taken.loss.into());
        put("rate", taken.rate.into());
        put("gradient_norm", taken.gradient_norm.into());
        put("windows", windows.into());
        put("kept", loss.kept.into());
        for (name, term) in &loss.terms {
            put(name, term.to_dtype(DType::F64)?.to_scalar::<f64>()?.into());
        }
        if let Some(negatives) = &loss.negatives {
            put("dropped", loss.dropped.into());
            put("negatives", serde_json::to_value(negatives).expect("counts are plain data"));
        }
        put("windows_per_s", windows_per_s.into());
        if let Some(events) = &mut self.events {
            let mut scalars = Vec::new();
            line.iter()
                .for_each(|(key, value)| collect_scalars(&format!("{}/{key}", task.name()), value, &mut scalars));
            events.scalars(taken.step, &scalars)?;
        }
        if let Some(journal) = &mut self.journal {
            line.extend(self.labels.clone());
            journal.record("step", &line)?;
        }
        Ok(())
    }

    /// How the embeddings of a batch lie, every so often; what is wrong with them is said once.
    pub(super) fn note_diagnosis(&mut self, task: &dyn Task, loss: &Loss, step: u64) -> Result<(), TrainError> {
        if !is_due(step, self.total) {
            return Ok(());
        }
        let Some(diagnosis) = task.diagnose(loss)? else { return Ok(()) };
        for symptom in &diagnosis.warnings {
            if self.told.insert(*symptom) {
                self.watch.progress().caution(&format!("step {step}: {}", diagnosis.in_words(*symptom)));
            }
        }
        let numbers = serde_json::to_value(&diagnosis).expect("numbers are plain data");
        if let Some(events) = &mut self.events {
            let mut scalars = Vec::new();
            collect_scalars("collapse", &numbers, &mut scalars);
            events.scalars(step, &scalars)?;
        }
        if let (Some(journal), Value::Object(numbers)) = (&mut self.journal, numbers) {
            let mut line = self.labels.clone();
            line.insert("task".to_owned(), task.name().into());
            line.insert("step".to_owned(), step.into());
            line.extend(numbers);
            journal.record("collapse", &line)?;
        }
        Ok(())
    }

    /// A look at the validation people, where the task takes one at this step.
    pub(super) fn note_look(&mut self, task: &dyn Task, step: u64) -> Result<(), TrainError> {
        let Some((classifier, look)) = task.look(step)? else { return Ok(()) };
        if let Some(events) = &mut self.events {
            let scalar = |&(name, value): &(&str, Option<f64>)| Some((format!("monitor/{classifier}/{name}"), value?));
            events.scalars(step, &look.iter().filter_map(scalar).collect::<Vec<_>>())?;
        }
        if let Some(journal) = &mut self.journal {
            let mut line = self.labels.clone();
            line.insert("task".to_owned(), task.name().into());
            line.insert("step".to_owned(), step.into());
            line.insert("classifier".to_owned(), classifier.into());
            line.extend(look.iter().map(|&(name, value)| (name.to_owned(), value.into())));
            journal.record("monitor", &line)?;
        }
        Ok(())
    }

    /// Writes a checkpoint where the interval or the end asks for one.
    pub(super) fn keep_if_due(
        &mut self,
        task: &dyn Task,
        optimisers: &Optimisers,
        step: u64,
    ) -> Result<(), TrainError> {
        let due = self.checkpoints.as_ref().is_some_and(|keep| step.is_multiple_of(keep.every()));
        if due || step == self.total { self.keep(task, optimisers, step) } else { Ok(()) }
    }

    fn keep(&mut self, task: &dyn Task, optimisers: &Optimisers, step: u64) -> Result<(), TrainError> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        // Lines first: a checkpoint never stands on steps that the journal has lost.
        self.journal.as_ref().map_or(Ok(()), |journal| journal.sync())?;
        self.events.as_ref().map_or(Ok(()), Events::sync)?;
        let mut state = State::new();
        state.nest("task", task.state()?);
        state.nest("optimiser", optimisers.state()?);
        checkpoints.keep(step, &state)
    }

    pub(super) fn end(&self) {
        self.watch.progress().end();
    }
}

/// All numbers of a journal line as TensorBoard's scalars; those inside a table under its key.
fn collect_scalars(tag: &str, value: &Value, scalars: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => scalars.extend(number.as_f64().map(|number| (tag.to_owned(), number))),
        Value::Object(keys) => {
            keys.iter().for_each(|(key, value)| collect_scalars(&format!("{tag}/{key}"), value, scalars));
        }
        _ => {}
    }
}
