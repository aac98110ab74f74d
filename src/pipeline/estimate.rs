//! How long a run would take: a few steps of each training are taken and timed, nothing is written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;

use crate::base::{Choice, Progress, Stopwatch, Watch};
use crate::data::splits::{LabelBudget, Split};
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::downstream::{Bench, Data, FineTune, RrChoice, Start};
use crate::learning::nn::Group;
use crate::learning::train::{
    Monitored, PretrainData, PretrainOrder, Record, Scope, TrainError, pretrain, supervised_batch,
};
use crate::numerics::metrics::Classes;

use super::error::PipelineError;
use super::means::Means;
use super::parse::{Arm, Pipeline};
use super::prepare::{Stale, prepare};
use super::scope;
use super::stages::draw;

/// A training is timed over so many steps at most, or so many seconds.
const STEPS: u64 = 30;
const SECONDS: f64 = 5.0;
/// Steps that warm up and are not counted.
const WARM_UP: u64 = 2;
/// A probe is timed on so many training rows at most; its time grows with their number.
const PROBED_ROWS: usize = 2000;

/// What a run would take, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// All of it, once the store stands.
    pub total_s: f64,
    /// Pretraining of every arm, fold and seed.
    pub pretrain_s: f64,
    /// Classifiers on frozen encoders.
    pub probe_s: f64,
    /// Fine-tuning.
    pub fine_tune_s: f64,
    /// Training from a random start at equal budget.
    pub end_to_end_s: f64,
    /// Updates of pretraining in all.
    pub pretrain_steps: u64,
    /// Folds (or people) times seeds.
    pub rounds: usize,
}

/// Times the trainings of a pipeline whose store stands. The first split stands for all; a pipeline's machine, threads and
/// device are those of the call.
///
/// # Errors
/// As preparing and training.
pub fn estimate(pipeline: &Pipeline, means: &Means) -> Result<Estimate, Error> {
    let store = prepare(pipeline, Stale::Refuse, means)?.store;
    let mut splits = draw(pipeline, &store)?;
    if pipeline.scope == Scope::PerSubject {
        splits = scope::of_each_person(&splits, &store, means)?.into_iter().map(|(_, split)| split).collect();
    }
    let first = splits.first().ok_or(PipelineError::NobodyLeft)?;
    let timed = Timed { pipeline, means, store: &store };
    let per_step = pipeline.arms.iter().map(|arm| timed.pretraining(arm, first)).collect::<Result<Vec<f64>, _>>()?;
    let supervised = timed.supervised(first)?;
    let probes_s = timed.probes(first)?;
    let mut all = Estimate {
        total_s: 0.0,
        pretrain_s: 0.0,
        probe_s: 0.0,
        fine_tune_s: 0.0,
        end_to_end_s: 0.0,
        pretrain_steps: 0,
        rounds: splits.len() * pipeline.seeds.len(),
    };
    for split in &splits {
        timed.add(&mut all, split, (&per_step, &supervised, probes_s))?;
    }
    all.total_s = all.pretrain_s + all.probe_s + all.fine_tune_s + all.end_to_end_s;
    Ok(all)
}

/// What supervised training costs.
struct Supervision {
    settings: FineTune,
    /// Seconds of a window in an update.
    window_s: f64,
    /// Whether the pipeline fine-tunes, and not only trains its control.
    fine_tunes: bool,
}

struct Timed<'a> {
    pipeline: &'a Pipeline,
    means: &'a Means,
    store: &'a Store,
}

impl Timed<'_> {
    /// Adds the seeds of one split.
    fn add(
        &self,
        all: &mut Estimate,
        split: &Split,
        (per_step, supervised, probes_s): (&[f64], &Supervision, f64),
    ) -> Result<(), Error> {
        let (seeds, arms) = (self.pipeline.seeds.len() as f64, self.pipeline.arms.len() as f64);
        let steps = self.pipeline.train.plan(split.pool().len())?.course.steps;
        let rr = self.pipeline.evaluate.rr().len() as f64;
        let (rows, held_out) = (split.train().len(), split.validation().len() as f64);
        all.pretrain_steps += steps * self.pipeline.arms.len() as u64 * self.pipeline.seeds.len() as u64;
        all.pretrain_s += seeds * steps as f64 * per_step.iter().sum::<f64>();
        // The random encoder is probed like every arm.
        all.probe_s += seeds * rr * (arms + 1.0) * probes_s * rows as f64;

        let classes = self.classes();
        let updates = supervised.settings.updates(&self.data(split, &classes)?);
        let batches = rows.div_ceil(supervised_batch(rows)) as u64;
        // The first seed tries every configuration, the others keep its choice.
        let trainings = (supervised.settings.n_configurations() - 1) as f64 + seeds;
        // An update is a pass forward and two backward; a look at the validation people is forward alone, and so is the
        // encoder's part of an epoch that trains the head alone.
        let (pass_s, batch) = (supervised.window_s / 3.0, supervised_batch(rows).min(rows) as f64);
        let cost = |updates: u64, frozen: u64| {
            let epochs = updates.div_ceil(batches) as f64;
            ((updates - frozen) as f64 * 3.0 + frozen as f64) * batch * pass_s + epochs * held_out * pass_s
        };
        let frozen = if updates > batches { batches } else { 0 };
        if supervised.fine_tunes {
            all.fine_tune_s += trainings * rr * arms * cost(updates, frozen);
        }
        all.end_to_end_s += trainings * rr * cost(steps + updates, 0);
        Ok(())
    }

    /// Seconds of a step of pretraining.
    fn pretraining(&self, arm: &Arm, split: &Split) -> Result<f64, Error> {
        let pipeline = self.pipeline;
        let order = PretrainOrder {
            encoder: &pipeline.encoder,
            objective: &pipeline.objective,
            awareness: arm.awareness,
            augment: &pipeline.augment,
            settings: pipeline.train.clone(),
            seed: pipeline.seeds.first().copied().unwrap_or_default(),
        };
        let (train, validation) = (split.train(), split.validation());
        let monitored = Some(Monitored { train, validation, unscored: self.store.pool_excludes() });
        let data = PretrainData { store: self.store, pool: split.pool(), split_hash: split.hash(), monitored };
        let pace = Pace::new();
        match pretrain(&order, data, &self.means.device, Record::nowhere(&pace.watch())) {
            Ok(_) | Err(TrainError::Stopped { .. }) => Ok(pace.per_step()),
            Err(error) => Err(error.into()),
        }
    }

    /// What supervised training costs: the control's, whose every update trains all weights.
    fn supervised(&self, split: &Split) -> Result<Supervision, Error> {
        let ways = &self.pipeline.downstream;
        let found = ways.iter().find_map(|way| way.choice.supervision());
        let settings = found.cloned().unwrap_or_else(|| FineTune::defaults(self.pipeline.kind));
        let encoder = self.encoder()?;
        let group = Group::new(Arc::clone(encoder.layout()), 1, 0, &self.means.device, candle_core::DType::F32)?;
        let (classes, pace) = (self.classes(), Pace::new());
        let start = Start { encoder: &*encoder, group: &group, arm: "estimate", seed: 1, kept: None };
        let watch = pace.watch();
        let fitted = settings.end_to_end(&start, &self.data(split, &classes)?, STEPS, &mut Bench::silent(&watch));
        if let Err(error) = fitted {
            let error = Error::from(error);
            if !error.is_stop() {
                return Err(error);
            }
        }
        let batch = supervised_batch(split.train().len()).min(split.train().len());
        Ok(Supervision { settings, window_s: pace.per_step() / batch as f64, fine_tunes: found.is_some() })
    }

    /// Seconds a training row of all classifiers on a frozen encoder.
    fn probes(&self, split: &Split) -> Result<f64, Error> {
        let share = (PROBED_ROWS as f64 / split.train().len() as f64).min(1.0);
        let budget = LabelBudget { share, ..LabelBudget::default() };
        let fewer = if share < 1.0 { split.with_labels(self.store.table(), &budget)? } else { split.clone() };
        let encoder = self.encoder()?;
        let group = Group::new(Arc::clone(encoder.layout()), 1, 0, &self.means.device, candle_core::DType::F32)?;
        let (classes, watch) = (self.classes(), Watch::default());
        let data = self.data(&fewer, &classes)?;
        let start = Start { encoder: &*encoder, group: &group, arm: "estimate", seed: 1, kept: None };
        let clock = watch.stopwatch();
        for way in self.pipeline.downstream.iter().filter(|way| way.choice.supervision().is_none()) {
            way.choice.fit(&start, &data, &mut Bench::silent(&watch))?;
        }
        Ok(clock.elapsed().as_secs_f64() / fewer.train().len() as f64)
    }

    fn encoder(&self) -> Result<Arc<dyn crate::learning::nn::Encoder>, Error> {
        let (channels, length) = (self.store.channels().len(), self.store.spec().length as usize);
        Ok(Arc::from(self.pipeline.encoder.choice.build(channels, length)?))
    }

    fn classes(&self) -> Arc<Classes> {
        Arc::new(Classes::new(&self.store.table().classes, self.store.pool_excludes()))
    }

    fn data<'d>(&'d self, split: &'d Split, classes: &'d Arc<Classes>) -> Result<Data<'d>, Error> {
        const ALONE: &RrChoice = &RrChoice::NONE;
        let criterion = self.pipeline.evaluate.criterion(classes)?;
        Ok(Data { store: self.store, split, classes, criterion, rr: ALONE })
    }
}

/// Times the steps of a training and asks it to stop when it has seen enough.
struct Pace(Arc<Marks>);

struct Marks {
    clock: Stopwatch,
    stop: OnceLock<Arc<AtomicBool>>,
    /// Step and time since the clock began.
    marks: Mutex<Vec<(u64, f64)>>,
}

impl Pace {
    fn new() -> Self {
        let clock = Watch::default().stopwatch();
        Self(Arc::new(Marks { clock, stop: OnceLock::new(), marks: Mutex::new(Vec::new()) }))
    }

    fn watch(&self) -> Watch {
        let watch = Watch::new(Arc::clone(&self.0) as Arc<dyn Progress>);
        // A pace is watched once.
        let _ = self.0.stop.set(watch.stop_flag());
        watch
    }

    /// Seconds a step, the first ones left out where there are others.
    fn per_step(&self) -> f64 {
        let marks = self.0.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(&last), Some(&first)) = (marks.last(), marks.get(WARM_UP as usize - 1).or(marks.first())) else {
            return 0.0;
        };
        if last.0 > first.0 { (last.1 - first.1) / (last.0 - first.0) as f64 } else { last.1 / last.0.max(1) as f64 }
    }
}

impl Progress for Marks {
    fn begin(&self, _what: &str, _total: u64, _unit: &str) {}
    fn advance(&self, done: u64, _note: &str) {
        let now = self.clock.elapsed().as_secs_f64();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((done, now));
        let since = marks.get(WARM_UP as usize - 1).map_or(0.0, |first| now - first.1);
        if let (true, Some(stop)) = (done >= STEPS || since > SECONDS, self.stop.get()) {
            stop.store(true, Ordering::Relaxed);
        }
    }
    fn end(&self) {}
    fn say(&self, _line: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_leaves_the_first_steps_out_and_stops() {
        let pace = Pace::new();
        let watch = pace.watch();
        *pace.0.marks.lock().unwrap() = vec![(1, 10.0), (2, 11.0), (3, 11.5), (4, 12.0)];
        assert_eq!(pace.per_step(), 0.5);
        assert!(watch.check().is_ok());
        watch.progress().advance(STEPS, "");
        assert!(watch.check().is_err());
    }
}
