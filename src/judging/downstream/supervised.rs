//! All weights in training for the classes: the task that fine-tuning and end-to-end training give to the loop.

use candle_core::{DType, Device, Tensor};

use crate::learning::nn::{Batch, BatchStatistics, Encoder, Group, Mlp, Mode, cross_entropy};
use crate::learning::train::{LabelledLoader, LabelledRow, Loss, State, Task, TrainError, Trained, embed};

use super::data::{Data, Start};
use super::error::DownstreamError;
use super::fitted::SoftmaxHead;

/// The head gets its own name in optimiser and checkpoint.
const HEAD: &str = "head";
const ENCODER: &str = "encoder";

/// How long what is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    /// For journal and progress.
    pub(super) name: &'static str,
    /// Updates in all.
    pub(super) steps: u64,
    /// Epochs at the beginning that train the head alone.
    pub(super) head_only_epochs: u64,
    /// Windows of a batch.
    pub(super) batch: usize,
    /// The head's learning rate over the encoder's.
    pub(super) head_factor: f64,
    /// Exponent of the class weights.
    pub(super) tau: f64,
}

/// The weights of the epoch that was best on the validation people.
pub(super) struct Best {
    pub(super) step: u64,
    pub(super) validation: f64,
    pub(super) body: Group,
    pub(super) top: Group,
}

/// Encoder and linear head in training; after every epoch the validation people decide whether it is the best so far.
pub(super) struct Supervised<'a> {
    plan: Plan,
    encoder: &'a dyn Encoder,
    data: Data<'a>,
    device: Device,
    loader: LabelledLoader<'a>,
    body: Group,
    pub(super) head: Mlp,
    top: Group,
    class_weights: Vec<f64>,
    pub(super) present: Vec<u16>,
    pub(super) best: Option<Best>,
}

impl<'a> Supervised<'a> {
    /// A copy of the start's weights and a head of zeros.
    pub(super) fn new(start: &Start<'a>, data: &Data<'a>, plan: Plan) -> Result<Self, DownstreamError> {
        let device = start.device();
        let present = data.present();
        let labels = data.labels(data.split.train());
        let rank = |label: &u16| present.partition_point(|class| class < label) as u32;
        let table = data.store.table();
        let rows = data.split.train().rows().iter().zip(&labels).map(|(&row, label)| {
            let person = table.rows[row as usize].subject;
            let subject = data.split.train().subjects().partition_point(|other| *other < person) as u32;
            LabelledRow { row, subject, target: rank(label) }
        });
        let mut counts = vec![0_u32; present.len()];
        for label in &labels {
            counts[rank(label) as usize] += 1;
        }
        let share = |count: &u32| labels.len() as f64 / (present.len() as f64 * f64::from(*count));
        let class_weights = counts.iter().map(|count| share(count).powf(plan.tau)).collect();
        let head = Mlp::linear_head(start.encoder.dim(), present.len());
        let first = start.group.layout().entries().len() as u32;
        let dtype = start.group.flat().dtype();
        let top = Group::new(std::sync::Arc::clone(head.layout()), start.seed, first, &device, dtype)?;
        let loader = LabelledLoader::new(data.store, rows.collect(), start.seed, plan.batch);
        let (encoder, data, body) = (start.encoder, *data, start.group.twin()?);
        Ok(Self { plan, encoder, data, device, loader, body, head, top, class_weights, present, best: None })
    }

    fn n_batches(&self) -> u64 {
        self.loader.n_batches() as u64
    }

    fn head_only(&self, step: u64) -> bool {
        self.epoch(step) < self.plan.head_only_epochs
    }

    fn validate(&mut self, step: u64) -> Result<(), TrainError> {
        let validation = embed(self.encoder, &self.body.weights(), self.data.store, self.data.split.validation())?;
        let head = SoftmaxHead::of(&self.head, &self.top, &self.present).map_err(|error| match error {
            DownstreamError::Nn(error) => TrainError::Nn(error),
            other => unreachable!("reading a head only touches the network: {other}"),
        })?;
        let score = self.data.criterion_of(head.probabilities(validation.values.view(), self.data.classes.len()));
        // Of equals the earlier epoch: it has moved less from where it started.
        if self.best.as_ref().is_none_or(|best| score > best.validation) {
            let (body, top) = (self.body.twin()?, self.top.twin()?);
            self.best = Some(Best { step, validation: score, body, top });
        }
        Ok(())
    }
}

impl Task for Supervised<'_> {
    fn name(&self) -> &str {
        self.plan.name
    }

    fn epoch(&self, step: u64) -> u64 {
        (step - 1) / self.n_batches()
    }

    fn batch(&mut self, step: u64) -> Result<Batch, TrainError> {
        let index = ((step - 1) % self.n_batches()) as usize;
        Ok(self.loader.batch(self.epoch(step) as u32, index).into_batch(&self.device)?)
    }

    fn loss(&mut self, batch: &Batch, step: u64) -> Result<Loss, TrainError> {
        let weights = self.body.weights();
        let windows = batch.views[0].to_dtype(self.body.flat().dtype())?;
        let (embedding, statistics) = if self.head_only(step) {
            self.encoder.embed(&windows, &weights.detached(), Mode::Eval)?
        } else {
            self.encoder.embed(&windows, &weights, Mode::TRAIN)?
        };
        let logits = self.head.forward(&embedding, &self.top.weights())?;
        let targets = batch.target.as_deref().unwrap_or_default();
        let total = cross_entropy(&logits, targets, Some(&self.class_weights))?;
        let statistics = vec![statistics];
        Ok(Loss { total, embedding, keys: None, terms: vec![], statistics, kept: batch.len(), negatives: None })
    }

    fn trained(&mut self, step: u64) -> Vec<Trained<'_>> {
        let mut trained = Vec::with_capacity(2);
        if !self.head_only(step) {
            trained.push(Trained { name: ENCODER, group: &self.body, rate_factor: 1.0 });
        }
        trained.push(Trained { name: HEAD, group: &self.top, rate_factor: self.plan.head_factor });
        trained
    }

    fn commit(&mut self, statistics: &BatchStatistics) -> Result<(), TrainError> {
        Ok(self.body.commit(statistics)?)
    }

    fn after_step(&mut self, _batch: &Batch, _loss: &Loss, step: u64) -> Result<(), TrainError> {
        if step.is_multiple_of(self.n_batches()) || step == self.plan.steps { self.validate(step) } else { Ok(()) }
    }

    fn state(&self) -> Result<State, TrainError> {
        let mut state = State::new();
        state.nest(ENCODER, State::of_group(&self.body)?);
        state.nest(HEAD, State::of_group(&self.top)?);
        if let Some(best) = &self.best {
            let mut kept = State::new();
            kept.nest(ENCODER, State::of_group(&best.body)?);
            kept.nest(HEAD, State::of_group(&best.top)?);
            kept.put("validation", &Tensor::new(&[best.validation], &Device::Cpu)?)?;
            kept.put_number("step", best.step);
            state.nest("best", kept);
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), TrainError> {
        state.part(ENCODER).to_group(&mut self.body)?;
        state.part(HEAD).to_group(&mut self.top)?;
        let kept = state.part("best");
        if !kept.is_empty() {
            let (mut body, mut top) = (self.body.twin()?, self.top.twin()?);
            kept.part(ENCODER).to_group(&mut body)?;
            kept.part(HEAD).to_group(&mut top)?;
            let validation = kept.tensor("validation", &[1])?.to_dtype(DType::F64)?.to_vec1::<f64>()?[0];
            self.best = Some(Best { step: kept.number("step")?, validation, body, top });
        }
        Ok(())
    }
}
