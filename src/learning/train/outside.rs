//! Encoders from files: a checkpoint of a run, the weights that a run left for others, weights from elsewhere.

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::Chosen;
use crate::data::store::Store;
use crate::learning::nn::{ENCODERS, Encoder, EncoderConfig, Group, load_encoder};

use super::contract::{Contract, PoolRecord};
use super::error::TrainError;
use super::pretraining::Pretrained;

/// What a person says of an encoder whose file does not: whom it was pretrained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredPool {
    /// Names of the people as the store has them; none: nobody of the corpus.
    pub pool: Vec<String>,
}

/// What stands in for a contract where the file has none.
#[derive(Clone, Copy)]
pub struct Assumed<'a> {
    /// The network that the weights should fit.
    pub encoder: &'a Chosen<dyn EncoderConfig>,
    /// The windows that it should read.
    pub store: &'a Store,
    /// Whom it saw; `None`: nobody has said so.
    pub pool: Option<&'a DeclaredPool>,
}

impl Pretrained {
    /// The encoder of a file: a checkpoint, `encoder.safetensors` of a run, or a PyTorch state_dict from elsewhere as
    /// safetensors. What the last does not say is taken as `assumed`.
    ///
    /// # Errors
    /// A file that cannot be read, weights of another network, a file from elsewhere whose pool nobody declared.
    pub fn from_file(path: &Path, assumed: Assumed<'_>, device: &Device) -> Result<Self, TrainError> {
        let notes = notes(path)?;
        if notes.contains_key("contract") {
            return Self::from_checkpoint(path, device);
        }
        let contract = match contract_of(&notes) {
            Some(contract) => contract.map_err(|reason| TrainError::Checkpoint { path: path.to_owned(), reason })?,
            None => assumed.contract(path)?,
        };
        let saved = contract.settings.get("encoder").cloned().unwrap_or_default();
        let chosen = ENCODERS
            .restore(contract.kind, &saved)
            .map_err(|error| TrainError::Checkpoint { path: path.to_owned(), reason: error.to_string() })?;
        let encoder: Arc<dyn Encoder> =
            Arc::from(chosen.choice.build(contract.channels.len(), contract.window as usize)?);
        let mut group = Group::new(Arc::clone(encoder.layout()), contract.seed, 0, device, DType::F32)?;
        load_encoder(path, encoder.layout())?.apply(&mut group)?;
        Ok(Self { encoder, group, contract, steps: 0 })
    }
}

impl Contract {
    /// What the weights that a run left for others say of themselves.
    ///
    /// # Errors
    /// A file that cannot be read, or that says nothing.
    pub fn of_file(path: &Path) -> Result<Self, TrainError> {
        let damaged = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let contract = contract_of(&notes(path)?).ok_or_else(|| damaged("it has no contract".to_owned()))?;
        contract.map_err(damaged)
    }
}

impl Assumed<'_> {
    fn contract(&self, path: &Path) -> Result<Contract, TrainError> {
        let Some(declared) = self.pool else { return Err(TrainError::UndeclaredPool { path: path.to_owned() }) };
        let pool = PoolRecord {
            corpus: self.store.corpus().to_owned(),
            split_hash: String::new(),
            subjects: declared.pool.clone(),
            recordings: Vec::new(),
            n_windows: 0,
            spans: None,
        };
        let settings = [("encoder".to_owned(), self.encoder.resolved.clone())].into_iter().collect();
        let contract = Contract::of_store(self.store, pool, 0, settings);
        Ok(Contract { tool_version: "unknown".to_owned(), ..contract })
    }
}

/// What the writer noted in a safetensors file; nothing in one from elsewhere.
fn notes(path: &Path) -> Result<Map<String, Value>, TrainError> {
    let bytes = std::fs::read(path).map_err(|source| TrainError::File { path: path.to_owned(), source })?;
    let (_, head) = SafeTensors::read_metadata(&bytes)
        .map_err(|error| TrainError::Checkpoint { path: path.to_owned(), reason: error.to_string() })?;
    let notes = head.metadata().as_ref().and_then(|notes| notes.get("biossl"));
    Ok(notes.and_then(|notes| serde_json::from_str(notes).ok()).unwrap_or_default())
}

/// The contract in the notes of `encoder.safetensors`, each part of which is JSON in a string.
fn contract_of(notes: &Map<String, Value>) -> Option<Result<Contract, String>> {
    notes.contains_key("recipe_hash").then(|| {
        let part = |value: &Value| serde_json::from_str(value.as_str().unwrap_or_default());
        let parts = notes.iter().map(|(key, value)| Ok((key.clone(), part(value)?)));
        let parts: Map<String, Value> = parts.collect::<Result<_, serde_json::Error>>().map_err(|e| e.to_string())?;
        serde_json::from_value(Value::Object(parts)).map_err(|error| error.to_string())
    })
}
