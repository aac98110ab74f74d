//! Checkpoints: everything that a run needs to go on to the same bits, and what it was made for.
//!
//! A file is safetensors with one JSON header; equal states give equal bytes. It appears whole or not at all, and the
//! last two of a run are kept.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{canonical_json, write_atomically};
use crate::learning::objectives::State;

use super::contract::Contract;
use super::error::TrainError;

/// Written into every checkpoint; raised when its form changes.
const SCHEMA: u32 = 1;
/// The one metadata key: safetensors writes several keys in no fixed order, and equal states should be equal bytes.
const KEY: &str = "biossl";
/// How many checkpoints of a run stay.
const KEPT: usize = 2;

/// The head of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of this form.
    pub schema: u32,
    /// Steps done.
    pub step: u64,
    /// Whole numbers of the state.
    pub numbers: BTreeMap<String, u64>,
    /// What the run is.
    pub contract: Contract,
}

impl Header {
    /// The head of a file that is written now.
    pub fn new(step: u64, contract: Contract) -> Self {
        Self { schema: SCHEMA, step, numbers: BTreeMap::new(), contract }
    }
}

/// A checkpoint in memory.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What it is.
    pub header: Header,
    /// `task.` and `optimiser.` entries.
    pub state: State,
}

impl Checkpoint {
    /// Writes the checkpoint, whole or not at all.
    ///
    /// # Errors
    /// A folder or disk that takes no file.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let bytes = self.to_bytes(path)?;
        write_atomically(path, &bytes).map_err(|source| TrainError::File { path: path.to_owned(), source })
    }

    fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, TrainError> {
        let header = Header { numbers: self.state.numbers.clone(), ..self.header.clone() };
        let mut parts = Vec::with_capacity(self.state.tensors.len());
        for (name, tensor) in &self.state.tensors {
            let (dtype, bytes) = tensor_bytes(tensor)?;
            parts.push((name, dtype, tensor.dims().to_vec(), bytes));
        }
        let broken = |error: safetensors::SafeTensorError| TrainError::Checkpoint {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let views = parts
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken)?;
        let metadata = HashMap::from([(KEY.to_owned(), canonical_json(&header))]);
        safetensors::serialize(views, Some(metadata)).map_err(broken)
    }

    /// Reads a checkpoint onto the CPU.
    ///
    /// # Errors
    /// [`TrainError::File`] for one that is not there, [`TrainError::Checkpoint`] for one that is damaged or of a newer
    /// form.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(|source| TrainError::File { path: path.to_owned(), source })?;
        let damaged = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let header = metadata.metadata().as_ref().and_then(|notes| notes.get(KEY));
        let header = header.ok_or_else(|| damaged("it is no checkpoint of biossl: it has no header".to_owned()))?;
        let header: Value = serde_json::from_str(header).map_err(|error| damaged(error.to_string()))?;
        match header.get("schema").and_then(Value::as_u64) {
            Some(schema) if schema == u64::from(SCHEMA) => {}
            other => return Err(damaged(format!("its form is {other:?}, this version reads {SCHEMA}"))),
        }
        let header: Header = serde_json::from_value(header).map_err(|error| damaged(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let mut state = State { numbers: header.numbers.clone(), ..State::new() };
        for (name, view) in file.tensors() {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                Dtype::U32 => DType::U32,
                Dtype::I64 => DType::I64,
                other => return Err(damaged(format!("`{name}` is {other:?}, which no checkpoint holds"))),
            };
            let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
            state.tensors.insert(name, tensor);
        }
        Ok(Self { header, state })
    }
}

fn tensor_bytes(tensor: &Tensor) -> Result<(Dtype, Vec<u8>), TrainError> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F64 => (Dtype::F64, flat.to_vec1::<f64>()?.iter().flat_map(|x| x.to_le_bytes()).collect()),
        DType::U32 => (Dtype::U32, flat.to_vec1::<u32>()?.iter().flat_map(|x| x.to_le_bytes()).collect()),
        DType::I64 => (Dtype::I64, flat.to_vec1::<i64>()?.iter().flat_map(|x| x.to_le_bytes()).collect()),
        _ => {
            let values = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            (Dtype::F32, values.iter().flat_map(|x| x.to_le_bytes()).collect())
        }
    })
}

/// Whether a run begins anew or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// From step 1, whatever lies in the folder.
    Anew,
    /// From the last checkpoint, or from step 1 when there is none.
    FromLast,
}

/// The checkpoints of one run in their folder.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    contract: Contract,
    every: u64,
    resume: Resume,
}

impl Checkpoints {
    /// Checkpoints in `folder`, one each `every` steps and one at the end.
    pub fn new(folder: PathBuf, contract: Contract, every: u64, resume: Resume) -> Self {
        Self { folder, contract, every: every.max(1), resume }
    }

    /// Steps between two.
    pub fn every(&self) -> u64 {
        self.every
    }

    /// Whether the run goes on from what is there.
    pub fn goes_on(&self) -> bool {
        self.resume == Resume::FromLast
    }

    /// The file of a step.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}.safetensors"))
    }

    /// The newest checkpoint in a folder.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn newest(folder: &Path) -> Result<Option<PathBuf>, TrainError> {
        Ok(files(folder)?.pop())
    }

    /// The last checkpoint, when the run goes on from it. A run that begins anew removes what an earlier one left, which
    /// would pass for its own.
    ///
    /// # Errors
    /// A damaged file; one of a run with other settings, naming what differs.
    pub fn take_up(&self) -> Result<Option<Checkpoint>, TrainError> {
        if self.resume == Resume::Anew {
            remove(files(&self.folder)?)?;
        }
        let Some(path) = Self::newest(&self.folder)? else { return Ok(None) };
        let saved = Checkpoint::read(&path)?;
        refuse_difference(&path, &self.contract, &saved.header.contract)?;
        Ok(Some(saved))
    }

    /// Writes the checkpoint of a step and removes all but the last two.
    ///
    /// # Errors
    /// When the file cannot be written; older ones are then untouched.
    pub fn keep(&self, step: u64, state: &State) -> Result<(), TrainError> {
        let checkpoint = Checkpoint { header: Header::new(step, self.contract.clone()), state: state.clone() };
        checkpoint.write(&self.path(step))?;
        let mut old = files(&self.folder)?;
        old.truncate(old.len().saturating_sub(KEPT));
        remove(old)
    }
}

/// The checkpoints of a folder, oldest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let fault = |source| TrainError::File { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fault)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("step-") && name.ends_with(".safetensors") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn remove(files: Vec<PathBuf>) -> Result<(), TrainError> {
    for path in files {
        std::fs::remove_file(&path).map_err(|source| TrainError::File { path, source })?;
    }
    Ok(())
}

fn refuse_difference(path: &Path, needed: &Contract, found: &Contract) -> Result<(), TrainError> {
    let differences = found.differs_from(needed);
    if differences.is_empty() { Ok(()) } else { Err(TrainError::Contract { path: path.to_owned(), differences }) }
}

#[cfg(test)]
mod tests;
