//! How long a run would take: a few steps of each training are taken and timed, nothing is written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;

use crate::base::{Choice, Progress, Stopwatch, Watch};
use crate::data::splits::{LabelBudget, Split};
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::downstream::{Bench, Data, Downstream, FineTune, Linear, RrChoice, Start, Way};
use crate::judging::evaluate::{Embedded, Parted, who_is_it};
use crate::learning::nn::Group;
use crate::learning::train::{Monitored, PretrainData, Record, TrainError, pretrain, supervised_batch};
use crate::numerics::metrics::Classes;

use super::arms::Arm;
use super::error::PipelineError;
use super::means::Means;
use super::parse::Pipeline;
use super::prepare::{Stale, prepare};
use super::scope::Drawn;

/// A training is timed over so many steps at most, or so many seconds.
const STEPS: u64 = 30;
const SECONDS: f64 = 5.0;
/// Steps that warm up and are not counted.
const WARM_UP: u64 = 2;
/// A probe is timed on so many training rows at most; its time grows with their number.
const PROBED_ROWS: usize = 2000;
/// The question who it is is timed on so many windows a person and half at most.
const ASKED_ROWS: usize = 60;

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
    /// Probes of identity.
    pub identity_s: f64,
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
    let drawn = Drawn::of(pipeline, &store)?;
    drawn.tell(means);
    let splits = drawn.splits;
    let first = splits.first().ok_or(PipelineError::NobodyLeft)?;
    let timed = Timed { pipeline, means, store: &store };
    let arms = pipeline.arms.iter().map(|arm| timed.pretraining(arm, first));
    let costs = Costs {
        pretrained_window_s: arms.sum::<Result<f64, _>>()?,
        supervised: timed.supervised(first)?,
        probes: timed.probes(first)?,
        identity: timed.identity(first)?,
    };
    let mut all = Estimate {
        total_s: 0.0,
        pretrain_s: 0.0,
        probe_s: 0.0,
        fine_tune_s: 0.0,
        end_to_end_s: 0.0,
        identity_s: 0.0,
        pretrain_steps: 0,
        rounds: splits.len() * pipeline.seeds.len(),
    };
    for split in &splits {
        timed.add(&mut all, split, &costs)?;
    }
    all.total_s = all.pretrain_s + all.probe_s + all.fine_tune_s + all.end_to_end_s + all.identity_s;
    Ok(all)
}

/// What each training was found to cost.
struct Costs {
    /// Seconds of a window in an update of pretraining, all arms together.
    pretrained_window_s: f64,
    supervised: Supervision,
    probes: Vec<Probe>,
    identity: Asking,
}

/// What it costs to ask an encoder who it is.
struct Asking {
    /// Seconds of a window that is asked about, its pass forward aside.
    row_s: f64,
    /// Share of the windows at hand that are asked about: everybody has as many.
    share: f64,
}

/// What one classifier on frozen encoders costs.
struct Probe {
    /// Seconds a training row, on one encoder.
    row_s: f64,
    /// With how many seeds it is fitted.
    seeds: usize,
    /// Whether the pipeline has it, and not only the random encoder.
    named: bool,
}

/// What supervised training costs.
struct Supervision {
    settings: FineTune,
    /// Seconds of a window on its way forward; the way back takes two of these.
    pass_s: f64,
    /// Whether the pipeline fine-tunes, and not only trains its control.
    fine_tunes: bool,
    /// With how many seeds.
    seeds: usize,
}

struct Timed<'a> {
    pipeline: &'a Pipeline,
    means: &'a Means,
    store: &'a Store,
}

impl Timed<'_> {
    /// Adds the seeds of one split.
    fn add(&self, all: &mut Estimate, split: &Split, costs: &Costs) -> Result<(), Error> {
        let (seeds, arms) = (self.pipeline.seeds.len() as f64, self.pipeline.arms.len() as f64);
        let plan = self.pipeline.train.plan(split.pool().len())?;
        let (steps, evaluate) = (plan.course.steps, &self.pipeline.evaluate);
        let (rr, tune) = (evaluate.rr().len() as f64, evaluate.tune());
        let Costs { pretrained_window_s, supervised, probes, identity } = costs;
        all.pretrain_steps += steps * self.pipeline.arms.len() as u64 * self.pipeline.seeds.len() as u64;
        all.pretrain_s += seeds * steps as f64 * plan.batch as f64 * pretrained_window_s;

        // Each classifier reads the test people once. The random encoder is probed like every arm.
        let reading = split.proof().roles.test.windows as f64 * supervised.pass_s;
        for probe in probes {
            let encoders = if probe.named { arms + 1.0 } else { 1.0 };
            let fitting = probe.row_s * split.train().len() as f64;
            all.probe_s += probe.seeds as f64 * rr * encoders * (fitting + reading);
        }

        let roles = &split.proof().roles;
        let unseen = if split.proof().scope.is_within() { 0 } else { roles.validation.windows + roles.test.windows };
        let asked = identity.share * (split.pool().len() + unseen) as f64;
        all.identity_s += seeds * (arms + 1.0) * asked * (identity.row_s + supervised.pass_s);

        let classes = self.classes();
        let updates = supervised.settings.updates(&self.data(split, &classes)?);
        let configurations = supervised.settings.n_configurations();
        let seeds = supervised.seeds as f64;
        // The first seed tries every configuration, the others keep its choice.
        let trainings = |configurations: usize| (configurations - 1) as f64 + seeds;
        let shape = Epoch::of(split);
        let frozen = if updates > shape.batches { shape.batches } else { 0 };
        if supervised.fine_tunes {
            let training = trainings(configurations) * shape.passes(updates, frozen) * supervised.pass_s;
            all.fine_tune_s += rr * arms * (training + seeds * reading);
        }
        let tuned = if tune { Some(self.pipeline.arms.len().max(1) * configurations) } else { None };
        for configurations in std::iter::once(configurations).chain(tuned) {
            let training = trainings(configurations) * shape.passes(steps + updates, 0) * supervised.pass_s;
            all.end_to_end_s += rr * (training + seeds * reading);
        }
        Ok(())
    }

    /// Seconds of a window in an update of pretraining.
    fn pretraining(&self, arm: &Arm, split: &Split) -> Result<f64, Error> {
        let pipeline = self.pipeline;
        let order = arm.order(pipeline, pipeline.seeds.first().copied().unwrap_or_default());
        let (train, validation) = (split.train(), split.validation());
        let monitored = Some(Monitored { train, validation, unscored: self.store.pool_excludes() });
        let data = PretrainData { store: self.store, pool: split.pool(), split_hash: split.hash(), monitored };
        let batch = pipeline.train.plan(split.pool().len())?.batch;
        let pace = Pace::new(&self.means.watch);
        match pretrain(&order, data, &self.means.device, Record::nowhere(&pace.watch())) {
            Ok(_) | Err(TrainError::Stopped { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.means.watch.check().map_err(TrainError::Interrupted)?;
        Ok(pace.counted().per_step() / batch as f64)
    }

    /// What supervised training costs: the control's, whose every update trains all weights.
    fn supervised(&self, split: &Split) -> Result<Supervision, Error> {
        let ways = &self.pipeline.downstream;
        let found = ways.iter().find(|way| !way.is_frozen());
        let seeds = found.map_or(self.pipeline.seeds.len(), |way| way.seeds_of(&self.pipeline.seeds).len());
        let settings =
            found.and_then(Way::supervision).cloned().unwrap_or_else(|| FineTune::defaults(self.pipeline.kind));
        let encoder = self.encoder()?;
        let group = Group::new(Arc::clone(encoder.layout()), 1, 0, &self.means.device, candle_core::DType::F32)?;
        let (classes, pace) = (self.classes(), Pace::new(&self.means.watch));
        let start = Start { encoder: &*encoder, group: &group, arm: "estimate", seed: 1, kept: None };
        let watch = pace.watch();
        let fitted = settings.end_to_end(&start, &self.data(split, &classes)?, STEPS, &mut Bench::silent(&watch));
        if let Err(error) = fitted {
            let error = Error::from(error);
            if !error.is_stop() {
                return Err(error);
            }
        }
        self.means.watch.check().map_err(TrainError::Interrupted)?;
        let Counted { first, last, seconds } = pace.counted();
        let passes = Epoch::of(split).between(first, last);
        let pass_s = if passes > 0.0 { seconds / passes } else { 0.0 };
        Ok(Supervision { settings, pass_s, fine_tunes: found.is_some(), seeds })
    }

    /// What classifiers on a frozen encoder cost.
    fn probes(&self, split: &Split) -> Result<Vec<Probe>, Error> {
        let share = (PROBED_ROWS as f64 / split.train().len() as f64).min(1.0);
        let budget = LabelBudget { share, ..LabelBudget::default() };
        let fewer = if share < 1.0 { split.with_labels(self.store.table(), &budget)? } else { split.clone() };
        let encoder = self.encoder()?;
        let group = Group::new(Arc::clone(encoder.layout()), 1, 0, &self.means.device, candle_core::DType::F32)?;
        let (classes, watch) = (self.classes(), &self.means.watch);
        let data = self.data(&fewer, &classes)?;
        let start = Start { encoder: &*encoder, group: &group, arm: "estimate", seed: 1, kept: None };
        let time = |way: &dyn Downstream| -> Result<f64, Error> {
            let clock = watch.stopwatch();
            way.fit(&start, &data, &mut Bench::silent(watch))?;
            Ok(clock.elapsed().as_secs_f64() / fewer.train().len() as f64)
        };
        let all = &self.pipeline.seeds;
        let mut probes = Vec::new();
        for way in self.pipeline.downstream.iter().filter(|way| way.is_frozen()) {
            let seeds = way.seeds_of(all).len();
            probes.push(Probe { row_s: time(&*way.chosen.choice)?, seeds, named: true });
        }
        if probes.is_empty() {
            let row_s = time(&Linear::defaults(self.pipeline.kind))?;
            probes.push(Probe { row_s, seeds: all.len(), named: false });
        }
        Ok(probes)
    }

    /// What it costs to ask who it is; nothing where the pipeline does not, or there are no two people.
    fn identity(&self, split: &Split) -> Result<Asking, Error> {
        let (rows, encoder) = (split.pool().rows(), self.encoder()?);
        let all = Parted::of(self.store, rows);
        if !self.pipeline.evaluate.identity() || !all.is_possible() {
            return Ok(Asking { row_s: 0.0, share: 0.0 });
        }
        let share = all.rows().len() as f64 / rows.len() as f64;
        let fewer = all.fewer(ASKED_ROWS);
        let asked = fewer.rows();
        let group = Group::new(Arc::clone(encoder.layout()), 1, 0, &self.means.device, candle_core::DType::F32)?;
        let mut embedded = Embedded::default();
        embedded.add((&*encoder, &group), self.store, (split.pool(), &asked))?;
        let clock = self.means.watch.stopwatch();
        who_is_it(&embedded, &fewer, 1)?;
        Ok(Asking { row_s: clock.elapsed().as_secs_f64() / asked.len() as f64, share })
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

/// The passes of windows in supervised training.
struct Epoch {
    /// Updates of an epoch.
    batches: u64,
    /// Windows of an update.
    windows: f64,
    /// Windows of the validation people, read at the end of each epoch.
    held_out: f64,
}

impl Epoch {
    fn of(split: &Split) -> Self {
        let rows = split.train().len();
        let batches = rows.div_ceil(supervised_batch(rows)).max(1) as u64;
        Self { batches, windows: rows as f64 / batches as f64, held_out: split.validation().len() as f64 }
    }

    /// Passes forward of one window that a training is worth: an update is a pass forward and two backward; a look at
    /// the validation people is forward alone, and so is the encoder's part of an update that trains the head alone.
    fn passes(&self, updates: u64, head_only: u64) -> f64 {
        let windows = ((updates - head_only) * 3 + head_only) as f64 * self.windows;
        windows + updates.div_ceil(self.batches) as f64 * self.held_out
    }

    /// The same from after one update to after another, all weights trained.
    fn between(&self, first: u64, last: u64) -> f64 {
        let looks = last / self.batches - first / self.batches;
        ((last - first) * 3) as f64 * self.windows + looks as f64 * self.held_out
    }
}

/// Times the steps of a training and asks it to stop when it has seen enough, or when the person who waits has.
struct Pace(Arc<Marks>);

struct Marks {
    outer: Watch,
    clock: Stopwatch,
    stop: OnceLock<Arc<AtomicBool>>,
    /// Step and time since the clock began.
    times: Mutex<Vec<(u64, f64)>>,
}

/// What was timed.
struct Counted {
    /// The step after which the clock counts.
    first: u64,
    /// The last step.
    last: u64,
    /// From the one to the other.
    seconds: f64,
}

impl Counted {
    fn per_step(&self) -> f64 {
        self.seconds / (self.last - self.first).max(1) as f64
    }
}

impl Pace {
    fn new(outer: &Watch) -> Self {
        let clock = outer.stopwatch();
        Self(Arc::new(Marks { outer: outer.clone(), clock, stop: OnceLock::new(), times: Mutex::new(Vec::new()) }))
    }

    fn watch(&self) -> Watch {
        let watch = Watch::new(Arc::clone(&self.0) as Arc<dyn Progress>);
        // A pace is watched once.
        let _ = self.0.stop.set(watch.stop_flag());
        watch
    }

    /// What was timed, the first steps left out where there are others.
    fn counted(&self) -> Counted {
        let marks = self.0.times.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(&last) = marks.last() else { return Counted { first: 0, last: 0, seconds: 0.0 } };
        let warm = marks.get(WARM_UP as usize - 1).filter(|warm| warm.0 < last.0);
        let first = warm.copied().unwrap_or((0, 0.0));
        Counted { first: first.0, last: last.0, seconds: last.1 - first.1 }
    }
}

impl Progress for Marks {
    fn begin(&self, _what: &str, _total: u64, _unit: &str) {}
    fn advance(&self, done: u64, _note: &str) {
        let now = self.clock.elapsed().as_secs_f64();
        let mut marks = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((done, now));
        let since = marks.get(WARM_UP as usize - 1).map_or(0.0, |first| now - first.1);
        let enough = done >= STEPS || since > SECONDS || self.outer.check().is_err();
        if let (true, Some(stop)) = (enough, self.stop.get()) {
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
        let outer = Watch::default();
        let pace = Pace::new(&outer);
        let watch = pace.watch();
        *pace.0.times.lock().unwrap() = vec![(1, 10.0), (2, 11.0), (3, 11.5), (4, 12.0)];
        assert_eq!(pace.counted().per_step(), 0.5);
        watch.progress().advance(5, "");
        assert!(watch.check().is_ok());
        watch.progress().advance(STEPS, "");
        assert!(watch.check().is_err());

        // Whoever waits can end it.
        let pace = Pace::new(&outer);
        let watch = pace.watch();
        outer.stop_flag().store(true, Ordering::Relaxed);
        watch.progress().advance(1, "");
        assert!(watch.check().is_err());
    }

    #[test]
    fn an_epoch_ends_with_a_look_at_the_validation_people() {
        let epoch = Epoch { batches: 4, windows: 8.0, held_out: 10.0 };
        // Eight updates of all weights in two epochs; the same where the first epoch is the head's.
        assert_eq!((epoch.passes(8, 0), epoch.passes(8, 4)), (212.0, 148.0));
        assert_eq!(epoch.passes(9, 0), 246.0);
        assert_eq!((epoch.between(2, 3), epoch.between(2, 8)), (24.0, 164.0));
    }
}
