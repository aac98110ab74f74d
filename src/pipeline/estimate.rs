//! How long a run would take: a few steps of each training are taken and timed, nothing is written.

use std::sync::Arc;

use serde::Serialize;

use crate::base::Choice;
use crate::data::splits::{LabelBudget, Split};
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::downstream::{Bench, Data, Downstream, FineTune, Linear, RrChoice, Start, Way};
use crate::judging::evaluate::{Embedded, Parted, who_is_it};
use crate::learning::nn::{Encoder, Group};
use crate::learning::train::{PoolSize, PretrainData, Record, TrainError, embed, pretrain, rehearse, supervised_batch};
use crate::numerics::metrics::Classes;

use super::arms::Arm;
use super::error::PipelineError;
use super::means::Means;
use super::pace::{Counted, Pace, STEPS};
use super::parse::Pipeline;
use super::prepare::{Stale, prepare};
use super::scope::Drawn;

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
    /// The same by arm.
    pub arms: Vec<ArmEstimate>,
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

/// What pretraining one arm would take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmEstimate {
    /// The arm.
    pub arm: String,
    /// What it minimises.
    pub objective: String,
    /// Seconds, all folds and seeds.
    pub pretrain_s: f64,
    /// Bytes that the objective keeps beside the weights, for the largest pool.
    pub memory_bytes: u64,
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
    let read_s = timed.reading(first)?;
    let costs = Costs {
        read_s,
        arms: pipeline.arms.iter().map(|arm| timed.pretraining(arm, first)).collect::<Result<_, _>>()?,
        supervised: timed.supervised(first, read_s)?,
        probes: timed.probes(first, read_s)?,
        identity: timed.identity(first)?,
    };
    let mut all = Estimate {
        total_s: 0.0,
        pretrain_s: 0.0,
        arms: pipeline.arms.iter().map(ArmEstimate::of).collect(),
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
    all.pretrain_s = all.arms.iter().map(|arm| arm.pretrain_s).sum();
    all.total_s = all.pretrain_s + all.probe_s + all.fine_tune_s + all.end_to_end_s + all.identity_s;
    Ok(all)
}

/// What each training was found to cost.
struct Costs {
    /// Seconds of a window that a finished encoder reads.
    read_s: f64,
    arms: Vec<Pretraining>,
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

/// What pretraining one arm costs.
struct Pretraining {
    /// Seconds of a window in an update.
    window_s: f64,
    /// How often the whole pool is read before the first.
    of_pool: usize,
}

/// What one classifier on frozen encoders costs, passes of the encoder aside.
struct Probe {
    /// Seconds a training row.
    fit_s: f64,
    /// Seconds a window that is told and training row: neighbours are sought among all.
    tell_s: f64,
    /// With how many seeds it is fitted.
    seeds: usize,
    /// Whether the pipeline has it, and not only the random encoder.
    named: bool,
}

/// What supervised training costs.
struct Supervision {
    settings: FineTune,
    /// Seconds of a window in an update of all weights.
    update_s: f64,
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
        let (seeds, n_arms) = (self.pipeline.seeds.len() as f64, self.pipeline.arms.len() as f64);
        let plan = self.pipeline.train.plan(split.pool().len())?;
        let (steps, evaluate) = (plan.course.steps, &self.pipeline.evaluate);
        let (rr, tune) = (evaluate.rr().len() as f64, evaluate.tune());
        let &Costs { read_s, ref arms, ref supervised, ref probes, ref identity } = costs;
        all.pretrain_steps += steps * self.pipeline.arms.len() as u64 * self.pipeline.seeds.len() as u64;
        let looked_at = self.looked_at(split, steps);
        for ((arm, cost), given) in all.arms.iter_mut().zip(arms).zip(&self.pipeline.arms) {
            let before = cost.of_pool * split.pool().len();
            let steps_s = steps as f64 * plan.batch as f64 * cost.window_s;
            arm.pretrain_s += seeds * (steps_s + (before + looked_at) as f64 * read_s);
            let memory_bytes = given.objective.choice.memory_bytes(split.pool().len(), plan.batch);
            arm.memory_bytes = arm.memory_bytes.max(memory_bytes);
        }

        // Each classifier reads the test people once. The random encoder is probed like every arm.
        let test = split.proof().roles.test.windows as f64;
        let (train, reading) = (split.train().len() as f64, test * read_s);
        let chosen_on = (split.train().len() + split.validation().len()) as f64 * read_s;
        for probe in probes {
            let encoders = if probe.named { n_arms + 1.0 } else { 1.0 };
            let fitting = chosen_on + probe.fit_s * train;
            let telling = reading + probe.tell_s * train * test;
            all.probe_s += probe.seeds as f64 * rr * encoders * (fitting + telling);
        }

        let roles = &split.proof().roles;
        let unseen = if split.proof().scope.is_within() { 0 } else { roles.validation.windows + roles.test.windows };
        let asked = identity.share * (split.pool().len() + unseen) as f64;
        all.identity_s += seeds * (n_arms + 1.0) * asked * (identity.row_s + read_s);

        let classes = self.classes();
        let updates = supervised.settings.updates(&self.data(split, &classes)?);
        let configurations = supervised.settings.n_configurations();
        let seeds = supervised.seeds as f64;
        // The first seed tries every configuration, the others keep its choice.
        let trainings = |configurations: usize| (configurations - 1) as f64 + seeds;
        let shape = Epoch::of(split);
        let frozen = if updates > shape.batches { shape.batches } else { 0 };
        if supervised.fine_tunes {
            let training = trainings(configurations) * shape.seconds(updates, frozen, (supervised.update_s, read_s));
            all.fine_tune_s += rr * n_arms * (training + seeds * reading);
        }
        let tuned = if tune { Some(self.pipeline.arms.len().max(1) * configurations) } else { None };
        for configurations in std::iter::once(configurations).chain(tuned) {
            let training = trainings(configurations) * shape.seconds(steps + updates, 0, (supervised.update_s, read_s));
            all.end_to_end_s += rr * (training + seeds * reading);
        }
        Ok(())
    }

    /// Windows that the monitor of one pretraining reads.
    fn looked_at(&self, split: &Split, steps: u64) -> usize {
        self.pipeline.train.monitor.map_or(0, |monitor| {
            let rows = split.train().len().min(monitor.rows) + split.validation().len().min(monitor.rows);
            (steps / monitor.every) as usize * rows
        })
    }

    /// Seconds of a window that a finished encoder reads.
    fn reading(&self, split: &Split) -> Result<f64, Error> {
        let (fewer, encoder) = (self.fewer(split)?, self.encoder()?);
        let group = self.group(&*encoder)?;
        let clock = self.means.watch.stopwatch();
        embed(&*encoder, &group.weights(), self.store, fewer.train())?;
        Ok(clock.elapsed().as_secs_f64() / fewer.train().len() as f64)
    }

    /// A split with few training rows.
    fn fewer(&self, split: &Split) -> Result<Split, Error> {
        let share = PROBED_ROWS as f64 / split.train().len() as f64;
        if share >= 1.0 {
            return Ok(split.clone());
        }
        Ok(split.with_labels(self.store.table(), &LabelBudget { share, ..LabelBudget::default() })?)
    }

    fn group(&self, encoder: &dyn Encoder) -> Result<Group, Error> {
        Ok(Group::new(Arc::clone(encoder.layout()), 1, 0, &self.means.device, candle_core::DType::F32)?)
    }

    /// What pretraining an arm costs.
    fn pretraining(&self, arm: &Arm, split: &Split) -> Result<Pretraining, Error> {
        let pipeline = self.pipeline;
        let mut order = arm.order(pipeline, pipeline.seeds.first().copied().unwrap_or_default());
        let (channels, samples) = (self.store.channels().len(), self.store.spec().length as usize);
        let (n_windows, n_subjects) = (split.pool().len(), split.pool().subjects().len());
        let of_pool = rehearse(&order, PoolSize { channels, samples, n_windows, n_subjects })?.of_pool;
        // A look between the steps that are timed would count with each of them; looks are counted apart.
        order.settings.monitor = None;
        let data = PretrainData { store: self.store, pool: split.pool(), split_hash: split.hash(), monitored: None };
        let batch = pipeline.train.plan(split.pool().len())?.batch;
        let pace = Pace::new(&self.means.watch);
        match pretrain(&order, data, &self.means.device, Record::nowhere(&pace.watch())) {
            Ok(_) | Err(TrainError::Stopped { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.means.watch.check().map_err(TrainError::Interrupted)?;
        Ok(Pretraining { window_s: pace.counted().per_step() / batch as f64, of_pool })
    }

    /// What supervised training costs: the control's, whose every update trains all weights.
    fn supervised(&self, split: &Split, read_s: f64) -> Result<Supervision, Error> {
        let ways = &self.pipeline.downstream;
        let found = ways.iter().find(|way| !way.is_frozen());
        let seeds = found.map_or(self.pipeline.seeds.len(), |way| way.seeds_of(&self.pipeline.seeds).len());
        let settings =
            found.and_then(Way::supervision).cloned().unwrap_or_else(|| FineTune::defaults(self.pipeline.kind));
        let encoder = self.encoder()?;
        let group = self.group(&*encoder)?;
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
        let update_s = Epoch::of(split).update(first, last, (seconds, read_s));
        Ok(Supervision { settings, update_s, fine_tunes: found.is_some(), seeds })
    }

    /// What classifiers on a frozen encoder cost.
    fn probes(&self, split: &Split, read_s: f64) -> Result<Vec<Probe>, Error> {
        let (fewer, encoder) = (self.fewer(split)?, self.encoder()?);
        let group = self.group(&*encoder)?;
        let (classes, watch) = (self.classes(), &self.means.watch);
        let data = self.data(&fewer, &classes)?;
        let start = Start { encoder: &*encoder, group: &group, arm: "estimate", seed: 1, kept: None };
        let held_out = embed(&*encoder, &group.weights(), self.store, fewer.validation())?.values;
        let (rows, told) = (fewer.train().len() as f64, held_out.nrows() as f64);
        let time = |way: &dyn Downstream| -> Result<(f64, f64), Error> {
            let clock = watch.stopwatch();
            let fitted = way.fit(&start, &data, &mut Bench::silent(watch))?;
            let fit_s = (clock.elapsed().as_secs_f64() - (rows + told) * read_s).max(0.0) / rows;
            let clock = watch.stopwatch();
            fitted.answers(held_out.view(), &data);
            Ok((fit_s, clock.elapsed().as_secs_f64() / (rows * told)))
        };
        let all = &self.pipeline.seeds;
        let mut probes = Vec::new();
        for way in self.pipeline.downstream.iter().filter(|way| way.is_frozen()) {
            let seeds = way.seeds_of(all).len();
            let (fit_s, tell_s) = time(&*way.chosen.choice)?;
            probes.push(Probe { fit_s, tell_s, seeds, named: true });
        }
        if probes.is_empty() {
            let (fit_s, tell_s) = time(&Linear::defaults(self.pipeline.kind))?;
            probes.push(Probe { fit_s, tell_s, seeds: all.len(), named: false });
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
        let group = self.group(&*encoder)?;
        let mut embedded = Embedded::default();
        embedded.add((&*encoder, &group), self.store, (split.pool(), &asked))?;
        let clock = self.means.watch.stopwatch();
        who_is_it(&embedded, &fewer, 1)?;
        Ok(Asking { row_s: clock.elapsed().as_secs_f64() / asked.len() as f64, share })
    }

    fn encoder(&self) -> Result<Arc<dyn Encoder>, Error> {
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

impl ArmEstimate {
    fn of(arm: &Arm) -> Self {
        Self { arm: arm.name.clone(), objective: arm.objective.name.to_owned(), pretrain_s: 0.0, memory_bytes: 0 }
    }
}

/// What of supervised training takes time.
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

    /// Seconds of a training: updates of all weights, updates of the head alone, whose windows are read only, and a look
    /// at the validation people at the end of each epoch.
    fn seconds(&self, updates: u64, head_only: u64, (update_s, read_s): (f64, f64)) -> f64 {
        let trained = (updates - head_only) as f64 * self.windows * update_s;
        let looks = updates.div_ceil(self.batches) as f64 * self.held_out;
        trained + (head_only as f64 * self.windows + looks) * read_s
    }

    /// Seconds of a window in an update of all weights, from what passed between two updates.
    fn update(&self, first: u64, last: u64, (seconds, read_s): (f64, f64)) -> f64 {
        let looks = (last / self.batches - first / self.batches) as f64 * self.held_out * read_s;
        (seconds - looks).max(0.0) / ((last - first).max(1) as f64 * self.windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_with_a_look_at_the_validation_people() {
        let epoch = Epoch { batches: 4, windows: 8.0, held_out: 10.0 };
        // Eight updates of all weights in two epochs; the same where the first epoch is the head's.
        let costs = (3.0, 1.0);
        assert_eq!((epoch.seconds(8, 0, costs), epoch.seconds(8, 4, costs)), (212.0, 148.0));
        assert_eq!(epoch.seconds(9, 0, costs), 246.0);
        // One update without a look, and six with two.
        assert_eq!((epoch.update(2, 3, (24.0, 1.0)), epoch.update(2, 8, (164.0, 1.0))), (3.0, 3.0));
    }
}
