//! A classifier that is finished: encoder weights, a head, and what was chosen on the way.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::base::Digest;
use crate::data::splits::{Role, Selected, Subset};
use crate::learning::nn::{Encoder, Group, Mlp};
use crate::learning::train::embed;
use crate::numerics::classify::{Knn, Logistic, Standardiser};

use super::data::{Data, Start};
use super::error::DownstreamError;
use super::features::{RrScale, beside};
use super::finetune::Configuration;

/// What stands on the embedding.
pub(super) enum Head {
    /// The same answer for every window.
    Constant(Vec<f32>),
    /// A logistic regression on standardised embeddings.
    Logistic { standardiser: Standardiser, model: Logistic },
    /// The nearest of the training rows.
    Knn { knn: Knn, k: usize },
    /// A linear layer and a softmax over the classes that training had.
    Softmax(SoftmaxHead),
}

/// A trained linear layer in plain numbers.
pub(super) struct SoftmaxHead {
    pub(super) weight: Array2<f64>,
    pub(super) bias: Array1<f64>,
    pub(super) present: Vec<u16>,
}

impl SoftmaxHead {
    /// Reads the layer out of its group; `present` are the classes of its rows.
    pub(super) fn of(head: &Mlp, group: &Group, present: &[u16]) -> Result<Self, DownstreamError> {
        let values = group.to_vec()?;
        let range = |name| Ok::<_, DownstreamError>(group.layout().find(name)?.range());
        let numbers = |range: std::ops::Range<usize>| values[range].iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let shape = (head.output(), head.input());
        let weight = Array2::from_shape_vec(shape, numbers(range("0.weight")?)).expect("the layout has this shape");
        Ok(Self { weight, bias: Array1::from(numbers(range("0.bias")?)), present: present.to_vec() })
    }

    pub(super) fn probabilities(&self, embeddings: ArrayView2<'_, f32>, n_classes: usize) -> Array2<f32> {
        let mut out = Array2::zeros((embeddings.nrows(), n_classes));
        let logits = embeddings.mapv(f64::from).dot(&self.weight.t()) + &self.bias;
        for (mut out, logits) in out.axis_iter_mut(Axis(0)).zip(logits.axis_iter(Axis(0))) {
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
            for (&class, logit) in self.present.iter().zip(logits) {
                out[class as usize] = ((logit - top).exp() / sum) as f32;
            }
        }
        out
    }
}

/// What a classifier cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Effort {
    /// Updates of all weights or of the head by an optimiser; pretraining not counted.
    pub updates: u64,
    /// Windows in these updates.
    pub windows: u64,
    /// Settings that were tried on the validation people.
    pub tried: u64,
}

/// A finished classifier.
pub struct Fitted {
    pub(super) body: Option<Group>,
    pub(super) head: Head,
    pub(super) rr: Option<RrScale>,
    pub(super) selected: Selected,
    pub(super) validation: f64,
    pub(super) configuration: Option<Configuration>,
    pub(super) effort: Effort,
}

impl Fitted {
    /// Always answers with the most frequent class of the training rows; its probabilities are their shares.
    pub fn majority(data: &Data<'_>, arm: &str) -> Self {
        let labels = data.labels(data.split.train());
        let mut share = vec![0.0; data.classes.len()];
        for &label in &labels {
            share[label as usize] += 1.0 / labels.len() as f64;
        }
        let share: Vec<f32> = share.into_iter().map(|share| share as f32).collect();
        let head = Head::Constant(share);
        let rows = data.split.validation().len();
        let validation = data.criterion_of(probabilities(&head, Array2::zeros((rows, 0)).view(), data.classes.len()));
        let choice = format!("{arm}, {}: shares of the training labels", data.split.label());
        let (hash, recipe) = (weights_hash(None, &head, None), data.store.recipe_hash());
        let selected = Selected::new(data.split.hash(), recipe, &hash, choice);
        let effort = Effort::default();
        Self { body: None, head, rr: None, selected, validation, configuration: None, effort }
    }

    /// A classifier whose choice is made: `choice` says in words what was chosen.
    pub(super) fn new(
        start: &Start<'_>,
        data: &Data<'_>,
        (body, head, rr): (Option<Group>, Head, Option<RrScale>),
        validation: f64,
        choice: &str,
    ) -> Self {
        let hash = weights_hash(body.as_ref(), &head, rr.as_ref());
        let choice = format!("{}, seed {}, {}: {choice}", start.arm, start.seed, data.split.label());
        let selected = Selected::new(data.split.hash(), data.store.recipe_hash(), &hash, choice);
        let effort = Effort::default();
        Self { body, head, rr, selected, validation, configuration: None, effort }
    }

    /// What opens the test.
    pub fn selected(&self) -> &Selected {
        &self.selected
    }

    /// The criterion on the validation people at the choice.
    pub fn validation(&self) -> f64 {
        self.validation
    }

    /// How its weights were trained, where there was a choice.
    pub fn configuration(&self) -> Option<Configuration> {
        self.configuration
    }

    /// What it cost.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The encoder's weights, where there is an encoder.
    pub fn body(&self) -> Option<&Group> {
        self.body.as_ref()
    }

    /// Probabilities of all classes for a role's rows.
    ///
    /// # Shapes
    /// `[n, classes]`
    ///
    /// # Errors
    /// As [`embed`].
    pub fn probabilities<R: Role>(
        &self,
        encoder: &dyn Encoder,
        data: &Data<'_>,
        subset: &Subset<R>,
    ) -> Result<Array2<f32>, DownstreamError> {
        let embeddings = match &self.body {
            Some(body) => embed(encoder, &body.weights(), data.store, subset)?.values,
            None => Array2::zeros((subset.len(), 0)),
        };
        let embeddings = beside(embeddings, self.rr.as_ref(), data, subset)?;
        Ok(probabilities(&self.head, embeddings.view(), data.classes.len()))
    }
}

impl Fitted {
    /// The same for embeddings that are at hand, without RR features.
    ///
    /// # Shapes
    /// `[n, dim]`; the answers `[n, classes]`
    pub fn answers(&self, embeddings: ArrayView2<'_, f32>, data: &Data<'_>) -> Array2<f32> {
        probabilities(&self.head, embeddings, data.classes.len())
    }
}

pub(super) fn probabilities(head: &Head, embeddings: ArrayView2<'_, f32>, n_classes: usize) -> Array2<f32> {
    match head {
        Head::Constant(share) => Array2::from_shape_fn((embeddings.nrows(), n_classes), |(_, class)| share[class]),
        Head::Logistic { standardiser, model } => model.probabilities(standardiser.apply(embeddings).view()),
        Head::Knn { knn, k } => knn.neighbours(embeddings, *k).probabilities(*k),
        Head::Softmax(head) => head.probabilities(embeddings, n_classes),
    }
}

/// SHA-256 of all numbers that the answers hang on.
pub(super) fn weights_hash(body: Option<&Group>, head: &Head, rr: Option<&RrScale>) -> String {
    let mut digest = Digest::new();
    let mut take = |numbers: &mut dyn Iterator<Item = f64>| numbers.for_each(|x| digest.update(&x.to_le_bytes()));
    if let Some(body) = body {
        // A group that cannot be read could not have been evaluated either; its hash is then that of the head alone.
        let flat = body.to_vec().unwrap_or_default();
        let (mean, var, _) = body.running_to_vec().unwrap_or_default();
        take(&mut flat.into_iter().chain(mean).chain(var).map(f64::from));
    }
    if let Some(rr) = rr {
        take(&mut rr.moments().flat_map(|(mean, sd)| [mean, sd]));
    }
    match head {
        Head::Constant(share) => take(&mut share.iter().map(|&x| f64::from(x))),
        Head::Logistic { standardiser, model } => {
            take(&mut standardiser.moments().flat_map(|(mean, sd)| [mean, sd]));
            take(&mut model.coefficients().iter().chain(model.intercepts()).copied());
        }
        Head::Knn { knn, k } => {
            let (rows, labels) = knn.memory();
            take(&mut rows.iter().map(|&x| f64::from(x)).chain(labels.iter().map(|&label| f64::from(label))));
            take(&mut std::iter::once(*k as f64));
        }
        Head::Softmax(head) => take(&mut head.weight.iter().chain(&head.bias).copied()),
    }
    digest.finish()
}
