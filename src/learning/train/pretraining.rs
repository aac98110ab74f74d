//! Pretraining as a task for the loop: an objective, the awareness layer, batches of views.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use crate::base::{Chosen, Watch, available_memory};
use crate::data::splits::{Pool, Subset};
use crate::data::store::Store;
use crate::learning::augment::AugmentationConfig;
use crate::learning::awareness::{
    Adversary, AdversaryForm, AdversarySize, Awareness, NegativeRule, PositiveRule, Positives,
};
use crate::learning::nn::{Batch, BatchStatistics, ENCODERS, Encoder, EncoderConfig, Group, Weights};
use crate::learning::objectives::{Loss, Objective, ObjectiveConfig, Parameters, RunSize, State, Step, Workshop};
use crate::runs::{Events, Journal};

use super::checkpoint::{Checkpoint, Checkpoints, Resume};
use super::collapse::Diagnosis;
use super::contract::{Contract, PoolRecord};
use super::desk::Desk;
use super::embed::PoolEmbedding;
use super::engine::{Task, Trained, train};
use super::error::TrainError;
use super::loader::{PartnerScope, PoolLoader, PoolLoading, Prefetch};
use super::monitor::{Look, Monitor, Monitored};
use super::optim::{AdamW, Optimiser};
use super::schedule::Scope;
use super::settings::{PretrainPlan, PretrainSettings};

/// Rate and decay of the subject classifier: constant, its own.
///
/// Ours; the paper does not say.
const ADVERSARY_RATE: f64 = 1e-3;
const ADVERSARY_DECAY: f64 = 1e-4;

/// Bytes in a mebibyte.
const MIB: f64 = 1_048_576.0;

/// Queries by which the share of masked pairs is estimated before a run.
const SAMPLE: usize = 64;

/// What is to be pretrained, and how.
pub struct PretrainOrder<'a> {
    /// The network.
    pub encoder: &'a Chosen<dyn EncoderConfig>,
    /// What is minimised.
    pub objective: &'a Chosen<dyn ObjectiveConfig>,
    /// What is known of subjects.
    pub awareness: Awareness,
    /// What two views of a window differ in.
    pub augment: &'a AugmentationConfig,
    /// How training moves.
    pub settings: PretrainSettings,
    /// Seed of weights, order and views.
    pub seed: u64,
}

/// What it is pretrained on. Windows of validation or test people do not fit the type.
#[derive(Clone, Copy)]
pub struct PretrainData<'a> {
    /// The windows.
    pub store: &'a Store,
    /// Which of them may be seen.
    pub pool: &'a Subset<Pool>,
    /// The split that says so.
    pub split_hash: &'a str,
    /// Whom `monitor` looks at.
    pub monitored: Option<Monitored<'a>>,
}

/// Where it is written down.
pub struct Record<'a> {
    /// Progress out, stop requests in.
    pub watch: &'a Watch,
    /// The run's journal, and what its lines carry (arm, fold, seed).
    pub journal: Option<(&'a mut Journal, Value)>,
    /// Folder of the checkpoints, and whether to go on from the last of them.
    pub checkpoints: Option<(PathBuf, Resume)>,
    /// Scalars for TensorBoard.
    pub events: Option<Events>,
}

impl<'a> Record<'a> {
    /// Nowhere but to `watch`.
    pub fn nowhere(watch: &'a Watch) -> Self {
        Self { watch, journal: None, checkpoints: None, events: None }
    }
}

/// An encoder with the record of where it comes from.
pub struct Pretrained {
    /// The network.
    pub encoder: Arc<dyn Encoder>,
    /// Its numbers.
    pub group: Group,
    /// What it was made for and from.
    pub contract: Contract,
    /// Steps it was trained for.
    pub steps: u64,
}

impl Pretrained {
    /// Weights without a graph.
    pub fn weights(&self) -> Weights {
        self.group.weights().detached()
    }

    /// The encoder of a checkpoint.
    ///
    /// # Errors
    /// A damaged file, or one whose encoder this version does not know.
    pub fn from_checkpoint(path: &Path, device: &Device) -> Result<Self, TrainError> {
        let Checkpoint { header, state } = Checkpoint::read(path)?;
        let contract = header.contract;
        let damaged = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let saved = contract.settings.get("encoder").ok_or_else(|| damaged("it names no encoder".to_owned()))?;
        let chosen = ENCODERS.restore(contract.kind, saved).map_err(|error| damaged(error.to_string()))?;
        let encoder: Arc<dyn Encoder> =
            Arc::from(chosen.choice.build(contract.channels.len(), contract.window as usize)?);
        let mut group = Group::new(Arc::clone(encoder.layout()), contract.seed, 0, device, DType::F32)?;
        state.part("task").part("parameters").part("encoder").to_group(&mut group)?;
        Ok(Self { encoder, group, contract, steps: header.step })
    }
}

/// Pretrains an encoder on the pool.
///
/// # Errors
/// Settings that make no sense for the pool, a loss that is no number, a request to stop, and whatever files or device
/// report.
pub fn pretrain(
    order: &PretrainOrder<'_>,
    data: PretrainData<'_>,
    device: &Device,
    record: Record<'_>,
) -> Result<Pretrained, TrainError> {
    order.awareness.check(order.objective.name, &order.objective.choice.accepts())?;
    let PretrainPlan { batch, course } = order.settings.plan(data.pool.len())?;
    if batch < order.settings.batch {
        let (n, wished) = (data.pool.len(), order.settings.batch);
        record.watch.progress().caution(&format!("batch {batch} instead of {wished}: the pool has {n} windows"));
    }
    let (n_windows, dtype) = (data.pool.len(), DType::F32);
    let pool = data.pool.rows().into();
    let run = RunSize { seed: order.seed, pool, batch, steps: course.steps, device: device.clone(), dtype };
    let spec = data.store.spec();
    let encoder = Arc::from(order.encoder.choice.build(data.store.channels().len(), spec.length as usize)?);
    let Awareness { positives, neighbour_s, .. } = order.awareness;
    let positives = PositiveRule::new(positives, neighbour_s, spec.rate_hz);
    let negatives = NegativeRule::new(order.awareness.negatives, data.store.table(), spec.length);
    let negatives = negatives.with_positives(positives);
    if let Some(caution) = order.objective.choice.caution(n_windows, batch) {
        let rows = data.pool.rows();
        let share = negatives.mask(&rows[..rows.len().min(SAMPLE)], rows).made_of.masked_share();
        record.watch.progress().caution(&format!("{caution}; {:.1} % of the pairs are masked", 100.0 * share));
    }
    tell_memory(order.objective.choice.memory_bytes(n_windows, batch), record.watch)?;
    let n_subjects = data.pool.subjects().len();
    let learner = Learner::new(encoder, &*order.objective.choice, (order.awareness, negatives, n_subjects), run)?;

    let plan = learner.objective.views();
    let views = plan.augmented as u16;
    let loading = PoolLoading { seed: order.seed, batch, views, partners: PartnerScope::Pool, positives };
    let loader = PoolLoader::new(data.store, data.pool, order.augment, loading)?.with_pretext(plan.pretext);
    tell_alone(&loader, positives.positives(), record.watch);
    let contract = contract(order, data);
    let mut desk = Desk::new(record.watch);
    if let Some((journal, labels)) = record.journal {
        desk = desk.with_journal(journal, &labels);
    }
    if let Some(events) = record.events {
        desk = desk.with_events(events);
    }
    if let Some((folder, resume)) = record.checkpoints {
        let every = order.settings.checkpoint_every;
        desk = desk.with_checkpoints(Checkpoints::new(folder, contract.clone(), every, resume));
    }
    let monitor = monitor(order, data, course.steps)?;
    let learner = std::thread::scope(|scope| {
        let mut ahead = None;
        let (loader, steps) = (&loader, course.steps);
        let next = move |step: u64| {
            let ahead = ahead.get_or_insert_with(|| Prefetch::start(scope, loader, step - 1..steps));
            let batch = ahead.next().expect("the loop asks for the steps of its course, in order")?;
            Ok(batch.into_batch(device)?)
        };
        let encoder = Arc::clone(&learner.encoder);
        let pool = PoolEmbedding { encoder, store: data.store, pool: data.pool, fault: None };
        let batches_an_epoch = loader.n_batches() as u64;
        let feed = Feed { next: Box::new(next), pool: Some(pool), batches_an_epoch };
        let mut task = Pretraining { learner, feed, monitor };
        train(&mut task, &course, &mut desk).map(|()| task.learner)
    })?;
    let Learner { encoder, parameters, .. } = learner;
    Ok(Pretrained { encoder, group: parameters.encoder, contract, steps: course.steps })
}

/// The monitor that the settings ask for.
fn monitor<'a>(
    order: &PretrainOrder<'_>,
    data: PretrainData<'a>,
    steps: u64,
) -> Result<Option<Monitor<'a>>, TrainError> {
    let Some(settings) = order.settings.monitor else { return Ok(None) };
    let people = data.monitored.ok_or_else(|| TrainError::Setting {
        key: "monitor",
        value: settings.every.to_string(),
        reason: "nobody is given whom it could look at".to_owned(),
    })?;
    Ok(Some(Monitor::new(settings, data.store, people, steps)))
}

/// Says how many windows have nothing but themselves to match, where another window was asked for.
fn tell_alone(loader: &PoolLoader<'_>, positives: Positives, watch: &Watch) {
    let (alone, n) = (loader.n_alone(), loader.n_windows());
    if positives == Positives::Window || alone == 0 {
        return;
    }
    let line = format!("{alone} of {n} windows have no other as positive ({}) and match themselves", positives.name());
    let progress = watch.progress();
    if 2 * alone > n { progress.caution(&line) } else { progress.say(&line) }
}

/// Says what an objective keeps beside the weights, if it keeps something and it fits.
fn tell_memory(kept: u64, watch: &Watch) -> Result<(), TrainError> {
    enough_memory(kept, available_memory())?;
    if kept > 0 {
        watch.progress().say(&format!("the objective keeps {:.1} MiB beside the weights", kept as f64 / MIB));
    }
    Ok(())
}

/// Refuses an objective whose memory would not fit into what is free; a system that does not tell is believed.
pub(super) fn enough_memory(needed: u64, available: Option<u64>) -> Result<(), TrainError> {
    match available {
        Some(available) if needed > available => Err(TrainError::Memory { needed, available }),
        _ => Ok(()),
    }
}

fn contract(order: &PretrainOrder<'_>, data: PretrainData<'_>) -> Contract {
    let settings = [
        ("encoder", order.encoder.resolved.clone()),
        ("objective", order.objective.resolved.clone()),
        ("awareness", order.awareness.resolved()),
        ("augment", order.augment.resolved()),
        ("train", serde_json::to_value(&order.settings).expect("settings are plain data")),
    ];
    let scope = match order.settings.scope {
        Scope::CrossSubject => None,
        own @ Scope::PerSubject => Some(("scope", serde_json::to_value(own).expect("settings are plain data"))),
    };
    let settings = settings.into_iter().chain(scope).map(|(name, value)| (name.to_owned(), value)).collect();
    let pool = PoolRecord::new(data.pool, data.split_hash, data.store);
    Contract::of_store(data.store, pool, order.seed, settings)
}

/// Where the batches come from: any step's, asked for in order.
struct Feed<'a> {
    next: Box<dyn FnMut(u64) -> Result<Batch, TrainError> + 'a>,
    /// `None` where batches are made by hand: no epoch is announced then.
    pool: Option<PoolEmbedding<'a>>,
    batches_an_epoch: u64,
}

/// What learns: all numbers of a run, and how their loss is made.
struct Learner {
    encoder: Arc<dyn Encoder>,
    objective: Box<dyn Objective>,
    parameters: Parameters,
    negatives: NegativeRule,
    n_subjects: usize,
    opponent: Option<Opponent>,
}

/// The adversary and what trains it.
struct Opponent {
    adversary: Adversary,
    optimiser: AdamW,
}

impl Learner {
    fn new(
        encoder: Arc<dyn Encoder>,
        objective: &dyn ObjectiveConfig,
        (awareness, negatives, n_subjects): (Awareness, NegativeRule, usize),
        run: RunSize,
    ) -> Result<Self, TrainError> {
        let mut shop = Workshop::new(Arc::clone(&encoder), run.clone())?;
        let objective = objective.build(&mut shop)?;
        awareness.check_pool(n_subjects)?;
        let (parameters, first_tensor) = shop.finish();
        let opponent = match awareness.adversary.form {
            AdversaryForm::Off => None,
            AdversaryForm::Confusion | AdversaryForm::Reversal | AdversaryForm::Uniform => {
                let (dim, steps, seed) = (encoder.dim(), run.steps, run.seed);
                let size = AdversarySize { dim, n_subjects, steps, seed, first_tensor };
                let adversary = Adversary::new(awareness.adversary, &size, run.dtype, &run.device)?;
                let optimiser = AdamW::new(adversary.group(), ADVERSARY_DECAY)?;
                Some(Opponent { adversary, optimiser })
            }
        };
        Ok(Self { encoder, objective, parameters, negatives, n_subjects, opponent })
    }
}

impl Opponent {
    /// The classifier's own steps, on embeddings without gradient. Gives its last loss.
    fn learn(&mut self, loss: &Loss, subject: &[u32]) -> Result<Tensor, TrainError> {
        let mut last = None;
        for _ in 0..self.adversary.settings().steps {
            let own = self.adversary.classifier_loss(&loss.embedding, subject)?;
            if let Some(gradient) = own.backward()?.get(self.adversary.group().flat()) {
                self.optimiser.step(self.adversary.group(), &gradient.detach(), ADVERSARY_RATE)?;
            }
            last = Some(own.detach());
        }
        Ok(last.expect("the settings ask for at least one step"))
    }
}

/// The task: a learner and its batches.
struct Pretraining<'a> {
    learner: Learner,
    feed: Feed<'a>,
    monitor: Option<Monitor<'a>>,
}

impl Pretraining<'_> {
    /// What the objective does once an epoch, before its first step.
    fn announce_epoch(&mut self, epoch: u64) -> Result<(), TrainError> {
        let Some(pool) = &mut self.feed.pool else { return Ok(()) };
        let Learner { objective, parameters, .. } = &mut self.learner;
        let done = objective.before_epoch(epoch, pool, parameters);
        done.map_err(|error| pool.fault.take().unwrap_or(error.into()))
    }
}

impl Task for Pretraining<'_> {
    fn name(&self) -> &'static str {
        "pretrain"
    }

    fn epoch(&self, step: u64) -> u64 {
        (step - 1) / self.feed.batches_an_epoch
    }

    fn batch(&mut self, step: u64) -> Result<Batch, TrainError> {
        let batch = (self.feed.next)(step)?;
        if (step - 1).is_multiple_of(self.feed.batches_an_epoch) {
            self.announce_epoch(self.epoch(step))?;
        }
        Ok(batch)
    }

    fn loss(&mut self, batch: &Batch, step: u64) -> Result<Loss, TrainError> {
        let Learner { objective, parameters, negatives, opponent, .. } = &mut self.learner;
        let mut loss = objective.loss(batch, &Step { number: step, parameters, negatives })?;
        // How far embeddings spread: near 0, the encoder says the same of every window.
        loss.terms.push(("embedding_std", loss.embedding.detach().var(0)?.sqrt()?.mean_all()?));
        if negatives.positives().positives() != Positives::Window {
            let own = batch.positives.iter().zip(&batch.slots).filter(|(positive, own)| positive == own).count();
            let share = own as f64 / batch.len() as f64;
            loss.terms.push(("own_positive", Tensor::new(share, loss.total.device())?));
        }
        if let Some(opponent) = opponent {
            // View-major: an objective with two query views hands out two embeddings a window.
            let subject = batch.subject.repeat(loss.embedding.dim(0)? / batch.len());
            loss.terms.push(("subject_classifier", opponent.learn(&loss, &subject)?));
            let adversary = &opponent.adversary;
            let against = adversary.encoder_loss(&loss.embedding, &subject)?;
            loss.terms.push((adversary.settings().form.name(), against.detach()));
            loss.total = (loss.total + (against * adversary.weight(step))?)?;
        }
        Ok(loss)
    }

    fn trained(&mut self, _step: u64) -> Vec<Trained<'_>> {
        self.learner.parameters.groups().map(|(name, group)| Trained { name, group, rate_factor: 1.0 }).collect()
    }

    fn commit(&mut self, statistics: &BatchStatistics) -> Result<(), TrainError> {
        Ok(self.learner.parameters.encoder.commit(statistics)?)
    }

    fn after_step(&mut self, batch: &Batch, loss: &Loss, _step: u64) -> Result<(), TrainError> {
        Ok(self.learner.objective.after_step(batch, loss, &mut self.learner.parameters)?)
    }

    fn diagnose(&self, loss: &Loss) -> Result<Option<Diagnosis>, TrainError> {
        let Learner { negatives, n_subjects, .. } = &self.learner;
        Diagnosis::of(loss, (negatives.negatives(), *n_subjects)).map(Some)
    }

    fn look(&self, step: u64) -> Result<Option<(&'static str, Look)>, TrainError> {
        let Some(monitor) = &self.monitor else { return Ok(None) };
        let Learner { encoder, parameters, .. } = &self.learner;
        let look = monitor.look(&**encoder, &parameters.encoder.weights(), step)?;
        Ok(look.map(|look| (monitor.classifier(), look)))
    }

    fn state(&self) -> Result<State, TrainError> {
        let mut state = State::new();
        state.nest("parameters", self.learner.parameters.state()?);
        state.nest("objective", self.learner.objective.state()?);
        if let Some(Opponent { adversary, optimiser }) = &self.learner.opponent {
            state.nest("adversary", State::of_group(adversary.group())?);
            state.nest("adversary_optimiser", optimiser.state()?);
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), TrainError> {
        self.learner.parameters.restore(&state.part("parameters"))?;
        self.learner.objective.restore(&state.part("objective"))?;
        if let Some(Opponent { adversary, optimiser }) = &mut self.learner.opponent {
            state.part("adversary").to_group(adversary.group_mut())?;
            optimiser.restore(&state.part("adversary_optimiser"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
