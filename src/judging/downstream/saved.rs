//! A finished classifier as a file: what `biossl predict` needs, and nothing of the corpus that it was fitted on.
//!
//! The file has the form of a checkpoint: the contract says what windows it reads and whom its encoder saw, the
//! `classifier` section of its settings holds the head. Nearest neighbours are not kept: they would be the embeddings of
//! all training rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::base::Watch;
use crate::data::store::Store;
use crate::learning::nn::{ENCODERS, Encoder, Group};
use crate::learning::train::{Checkpoint, Contract, Header, State, embed_all};
use crate::numerics::classify::{Logistic, Standardiser};

use super::error::DownstreamError;
use super::features::{RrChoice, RrScale, joined};
use super::fitted::{Fitted, Head, SoftmaxHead, probabilities, weights_hash};

/// The key of the head among a file's settings.
const CLASSIFIER: &str = "classifier";
/// The part of a file's state that holds the encoder.
const ENCODER: &str = "encoder";

/// Who had a part in a classifier, by the names of people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Teachers {
    /// Their labelled windows were learned from.
    pub train: Vec<String>,
    /// Choices were made on them.
    pub validation: Vec<String>,
}

/// What stands in the file beside the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedClassifier {
    /// All classes of the corpus; probabilities are in their order.
    classes: Vec<String>,
    head: SavedHead,
    rr: Option<SavedRr>,
    choice: String,
    teachers: Teachers,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedRr {
    sets: RrChoice,
    moments: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SavedHead {
    Logistic { moments: Vec<(f64, f64)>, layer: SavedLayer },
    Softmax { layer: SavedLayer },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedLayer {
    rows: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    /// Classes that occurred in training, ascending.
    present: Vec<u16>,
}

impl Fitted {
    /// Writes the classifier, whole or not at all; `contract` is that of the encoder it began with. Gives false for one
    /// that is not kept (the majority, nearest neighbours).
    ///
    /// # Errors
    /// A folder or disk that takes no file.
    pub fn save(
        &self,
        path: &Path,
        contract: &Contract,
        classes: &[String],
        teachers: Teachers,
    ) -> Result<bool, DownstreamError> {
        let (Some(body), Some(head)) = (&self.body, SavedHead::of(&self.head)) else { return Ok(false) };
        let rr =
            self.rr.as_ref().map(|scale| SavedRr { sets: scale.choice().clone(), moments: scale.moments().collect() });
        let choice = self.selected.choice().to_owned();
        let saved = SavedClassifier { classes: classes.to_vec(), head, rr, choice, teachers };
        let mut contract = contract.clone();
        let saved = serde_json::to_value(saved).expect("a classifier is plain data");
        contract.settings.insert(CLASSIFIER.to_owned(), saved);
        let mut state = State::new();
        state.nest(ENCODER, State::of_group(body).map_err(crate::learning::train::TrainError::from)?);
        Checkpoint { header: Header::new(self.effort.updates, contract), state }.write(path)?;
        Ok(true)
    }
}

impl SavedHead {
    fn of(head: &Head) -> Option<Self> {
        match head {
            Head::Logistic { standardiser, model } => {
                let rows = model.coefficients().rows().into_iter().map(|row| row.to_vec()).collect();
                let layer =
                    SavedLayer { rows, intercepts: model.intercepts().to_vec(), present: model.present().to_vec() };
                Some(Self::Logistic { moments: standardiser.moments().collect(), layer })
            }
            Head::Softmax(head) => {
                let rows = head.weight.rows().into_iter().map(|row| row.to_vec()).collect();
                let layer = SavedLayer { rows, intercepts: head.bias.to_vec(), present: head.present.clone() };
                Some(Self::Softmax { layer })
            }
            Head::Constant(_) | Head::Knn { .. } => None,
        }
    }

    fn head(&self, n_classes: usize) -> Option<Head> {
        Some(match self {
            Self::Logistic { moments, layer } => {
                let (rows, intercepts) = layer.numbers()?;
                let model = Logistic::from_parts((rows, intercepts), &layer.present, n_classes);
                Head::Logistic { standardiser: Standardiser::from_moments(moments), model }
            }
            Self::Softmax { layer } => {
                let (weight, bias) = layer.numbers()?;
                Head::Softmax(SoftmaxHead { weight, bias, present: layer.present.clone() })
            }
        })
    }
}

impl SavedLayer {
    fn numbers(&self) -> Option<(Array2<f64>, Array1<f64>)> {
        let width = self.rows.first().map_or(0, Vec::len);
        let rows = Array2::from_shape_vec((self.rows.len(), width), self.rows.concat()).ok()?;
        (self.intercepts.len() == self.rows.len()).then(|| (rows, Array1::from(self.intercepts.clone())))
    }
}

/// A classifier out of a file.
pub struct Classifier {
    /// What windows it reads, and whom its encoder saw.
    pub contract: Contract,
    /// All classes of its corpus, in the order of its probabilities.
    pub classes: Vec<String>,
    /// What was chosen, in words.
    pub choice: String,
    /// Whose windows it learned from.
    pub teachers: Teachers,
    encoder: Arc<dyn Encoder>,
    body: Group,
    head: Head,
    rr: Option<RrScale>,
}

impl Classifier {
    /// Reads what [`Fitted::save`] wrote.
    ///
    /// # Errors
    /// A file that is not there, is damaged, or is no classifier.
    pub fn read(path: &Path, device: &Device) -> Result<Self, DownstreamError> {
        let Checkpoint { header, state } = Checkpoint::read(path)?;
        let mut contract = header.contract;
        let damaged =
            |reason: &str| DownstreamError::NoClassifier { path: PathBuf::from(path), reason: reason.to_owned() };
        let saved = contract.settings.remove(CLASSIFIER).ok_or_else(|| damaged("it holds no classifier"))?;
        let saved: SavedClassifier = serde_json::from_value(saved).map_err(|error| damaged(&error.to_string()))?;
        let settings = contract.settings.get(ENCODER).ok_or_else(|| damaged("it names no encoder"))?;
        let chosen = ENCODERS.restore(contract.kind, settings).map_err(|error| damaged(&error.to_string()))?;
        let encoder: Arc<dyn Encoder> =
            Arc::from(chosen.choice.build(contract.channels.len(), contract.window as usize)?);
        let mut body = Group::new(Arc::clone(encoder.layout()), contract.seed, 0, device, DType::F32)?;
        state.part(ENCODER).to_group(&mut body).map_err(crate::learning::train::TrainError::from)?;
        let head =
            saved.head.head(saved.classes.len()).ok_or_else(|| damaged("its head has rows of several lengths"))?;
        let rr = saved.rr.map(|rr| RrScale::from_parts(rr.sets, Standardiser::from_moments(&rr.moments)));
        let SavedClassifier { classes, choice, teachers, .. } = saved;
        Ok(Self { contract, classes, choice, teachers, encoder, body, head, rr })
    }

    /// The RR features that it reads beside the embedding, where it does.
    pub fn rr_sets(&self) -> Option<&RrChoice> {
        self.rr.as_ref().map(RrScale::choice)
    }

    /// SHA-256 of all numbers that its answers hang on, as its reading of the test was written down with.
    pub fn weights_hash(&self) -> String {
        weights_hash(Some(&self.body), &self.head, self.rr.as_ref())
    }

    /// Probabilities of all classes for every row of a store that a network can read: the rows, and `[n, classes]`.
    ///
    /// # Errors
    /// A row without the RR features that the classifier asks for; as [`embed_all`].
    pub fn probabilities(&self, store: &Store, watch: &Watch) -> Result<(Vec<u32>, Array2<f32>), DownstreamError> {
        let (rows, mut values) = embed_all(&*self.encoder, &self.body.weights(), store, watch)?;
        if let Some(scale) = &self.rr {
            values = joined(values.view(), scale.of_rows(store, &rows)?.view());
        }
        let probability = probabilities(&self.head, values.view(), self.classes.len());
        Ok((rows, probability))
    }
}
