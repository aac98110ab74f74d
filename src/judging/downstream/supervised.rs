//! All weights in training for the classes: the task that fine-tuning and end-to-end training give to the loop.

use candle_core::{DType, Device, Tensor};
use ndarray::Array2;

use crate::learning::nn::{Batch, BatchStatistics, Encoder, Group, Mlp, Mode, NnError, cross_entropy};
use crate::learning::train::{LabelledLoader, LabelledRow, Loss, State, Task, TrainError, Trained, embed};

use super::data::{Data, Start};
use super::error::DownstreamError;
use super::features::{RrScale, joined};
use super::finetune::Balance;
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
    /// What is done about rare classes.
    pub(super) balance: Balance,
    /// How much of it.
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
    /// One a class of [`Self::present`].
    class_weights: Option<Vec<f64>>,
    /// Added to the logits in training, one a class.
    adjustment: Option<Tensor>,
    pub(super) rr: Option<RrScale>,
    /// Scaled RR features of the training rows, in the loader's order.
    train_rr: Option<Tensor>,
    validation_rr: Option<Array2<f32>>,
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
        let dtype = start.group.flat().dtype();
        let (class_weights, adjustment) = balanced(plan, &labels, &present, (&device, dtype))?;
        let rr = RrScale::of(data)?;
        let train_rr = rr.as_ref().map(|rr| rr.rows(data, data.split.train())).transpose()?;
        let validation_rr = rr.as_ref().map(|rr| rr.rows(data, data.split.validation())).transpose()?;
        let n_features = train_rr.as_ref().map_or(0, Array2::ncols);
        let train_rr = train_rr.map(|rows| on_device(rows, (&device, dtype))).transpose()?;
        let head = Mlp::linear_head(start.encoder.dim() + n_features, present.len());
        let first = start.group.layout().entries().len() as u32;
        let top = Group::new(std::sync::Arc::clone(head.layout()), start.seed, first, &device, dtype)?;
        let loader = LabelledLoader::new(data.store, rows.collect(), start.seed, plan.batch);
        let (encoder, data, body) = (start.encoder, *data, start.group.twin()?);
        Ok(Self {
            plan,
            encoder,
            data,
            device,
            loader,
            body,
            head,
            top,
            class_weights,
            adjustment,
            rr,
            train_rr,
            validation_rr,
            present,
            best: None,
        })
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
        let held_out = match &self.validation_rr {
            Some(features) => joined(validation.values.view(), features.view()),
            None => validation.values,
        };
        let score = self.data.criterion_of(head.probabilities(held_out.view(), self.data.classes.len()));
        // Of equals the earlier epoch: it has moved less from where it started.
        if self.best.as_ref().is_none_or(|best| score > best.validation) {
            let (body, top) = (self.body.twin()?, self.top.twin()?);
            self.best = Some(Best { step, validation: score, body, top });
        }
        Ok(())
    }
}

/// Weights of the classes in the error, or what is added to their logits: one a class of `present`.
fn balanced(
    plan: Plan,
    labels: &[u16],
    present: &[u16],
    on: (&Device, DType),
) -> Result<(Option<Vec<f64>>, Option<Tensor>), NnError> {
    let n = labels.len() as f64;
    let count = |class: &u16| labels.iter().filter(|label| *label == class).count() as f64;
    let counts: Vec<f64> = present.iter().map(count).collect();
    Ok(match plan.balance {
        Balance::ClassWeights => {
            let share = |count: &f64| n / (present.len() as f64 * count);
            (Some(counts.iter().map(|count| share(count).powf(plan.tau)).collect()), None)
        }
        Balance::LogitAdjusted => {
            let added: Vec<f32> = counts.iter().map(|count| (plan.tau * (count / n).ln()) as f32).collect();
            let added = Array2::from_shape_vec((1, present.len()), added).expect("one number a class");
            (None, Some(on_device(added, on)?))
        }
    })
}

fn on_device(rows: Array2<f32>, (device, dtype): (&Device, DType)) -> Result<Tensor, NnError> {
    let shape = rows.dim();
    Ok(Tensor::from_vec(rows.into_raw_vec_and_offset().0, shape, device)?.to_dtype(dtype)?)
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
        Ok(self.loader.batch(self.epoch(step) as u32, index)?.into_batch(&self.device)?)
    }

    fn loss(&mut self, batch: &Batch, step: u64) -> Result<Loss, TrainError> {
        let weights = self.body.weights();
        let windows = batch.views[0].to_dtype(self.body.flat().dtype())?;
        let (embedding, statistics) = if self.head_only(step) {
            self.encoder.embed(&windows, &weights.detached(), Mode::Eval)?
        } else {
            self.encoder.embed(&windows, &weights, Mode::TRAIN)?
        };
        let seen = match &self.train_rr {
            None => embedding.clone(),
            Some(features) => {
                let slots = Tensor::from_slice(&batch.slots, batch.slots.len(), &self.device)?;
                Tensor::cat(&[&embedding, &features.index_select(&slots, 0)?], 1)?
            }
        };
        let mut logits = self.head.forward(&seen, &self.top.weights())?;
        if let Some(adjustment) = &self.adjustment {
            logits = logits.broadcast_add(adjustment)?;
        }
        let targets = batch.target.as_deref().unwrap_or_default();
        let total = cross_entropy(&logits, targets, self.class_weights.as_deref())?;
        let statistics = vec![statistics];
        Ok(Loss {
            total,
            embedding,
            keys: None,
            terms: vec![],
            statistics,
            kept: batch.len(),
            dropped: 0,
            negatives: None,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(balance: Balance, tau: f64) -> Plan {
        Plan { name: "fine-tune", steps: 1, head_only_epochs: 0, batch: 1, head_factor: 1.0, balance, tau }
    }

    #[test]
    fn rare_classes_weigh_more_or_have_their_prior_in_the_logits() {
        let (labels, present) = ([0, 0, 0, 2, 0, 0, 2, 0], [0, 2]);
        let on = (&Device::Cpu, DType::F32);
        let (weights, none) = balanced(plan(Balance::ClassWeights, 0.5), &labels, &present, on).unwrap();
        // n / (K n_c): 8 / (2 * 6) and 8 / (2 * 2)
        assert_eq!(weights.unwrap(), [(8.0_f64 / 12.0).sqrt(), 2.0_f64.sqrt()]);
        assert!(none.is_none());
        let (none, added) = balanced(plan(Balance::LogitAdjusted, 1.0), &labels, &present, on).unwrap();
        let added = added.unwrap().to_vec2::<f32>().unwrap();
        assert!(
            none.is_none() && (added[0][0] - 0.75_f32.ln()).abs() < 1e-6 && (added[0][1] - 0.25_f32.ln()).abs() < 1e-6
        );
        // What the loss sees: a head of zeros already predicts the shares of the classes.
        let logits = Tensor::zeros((1, 2), DType::F32, &Device::Cpu).unwrap();
        let adjusted = logits.broadcast_add(&Tensor::new(added, &Device::Cpu).unwrap()).unwrap();
        let loss = cross_entropy(&adjusted, &[1], None).unwrap().to_scalar::<f32>().unwrap();
        assert!((loss + 0.25_f32.ln()).abs() < 1e-6);
    }
}
