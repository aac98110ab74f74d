//! Weights under PyTorch's state_dict names, as safetensors.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::DType;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::error::NnError;
use super::group::Group;
use super::layout::Layout;
use crate::base::write_atomically;

/// The one metadata key: safetensors writes several keys in no fixed order, and equal weights should be equal bytes.
const KEY: &str = "biossl";

/// What a file of weights holds.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedState {
    /// All parameters in the layout's order.
    pub flat: Vec<f32>,
    /// Running means of the norms, one behind the other.
    pub mean: Vec<f32>,
    /// Running variances.
    pub var: Vec<f32>,
    /// Batches seen, one count a norm.
    pub batches: Vec<i64>,
    /// What the writer noted.
    pub metadata: BTreeMap<String, String>,
}

impl SavedState {
    /// Puts the numbers into a group of the same layout.
    ///
    /// # Errors
    /// [`NnError::Length`].
    pub fn apply(&self, group: &mut Group) -> Result<(), NnError> {
        group.set_flat(&self.flat)?;
        group.set_running_vec(&self.mean, &self.var, &self.batches)
    }
}

/// A group as safetensors bytes: parameters f32, `running_mean`, `running_var` f32 and `num_batches_tracked` i64 a
/// norm. Equal groups and metadata give equal bytes.
///
/// # Errors
/// What candle or safetensors report.
pub fn state_to_bytes(group: &Group, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, NnError> {
    let flat = group.flat().as_detached_tensor().to_dtype(DType::F32)?.to_vec1::<f32>()?;
    let (mean, var, batches) = group.running_to_vec()?;
    let layout = group.layout();
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for entry in layout.entries() {
        tensors.push((entry.name.clone(), Dtype::F32, entry.shape.clone(), bytes_f32(&flat[entry.range()])));
    }
    for (norm, batches) in layout.norms().iter().zip(&batches) {
        let range = norm.offset..norm.offset + norm.channels;
        for (what, values) in [("running_mean", &mean), ("running_var", &var)] {
            let name = format!("{}.{what}", norm.name);
            tensors.push((name, Dtype::F32, vec![norm.channels], bytes_f32(&values[range.clone()])));
        }
        let name = format!("{}.num_batches_tracked", norm.name);
        tensors.push((name, Dtype::I64, Vec::new(), batches.to_le_bytes().to_vec()));
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, NnError>>()?;
    let note = serde_json::to_string(metadata).expect("a map of strings is plain data");
    Ok(safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), note)])))?)
}

/// Reads what [`state_to_bytes`] wrote, or a PyTorch state_dict saved as safetensors.
///
/// # Errors
/// [`NnError::Saved`], [`NnError::SavedTensor`] for a tensor that is missing or has another shape or type.
pub fn state_from_bytes(bytes: &[u8], layout: &Layout) -> Result<SavedState, NnError> {
    let file = SafeTensors::deserialize(bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let note = header.metadata().as_ref().and_then(|notes| notes.get(KEY));
    let metadata = note.and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
    let floats = |name: &str, shape: &[usize]| Ok::<_, NnError>(numbers_f32(tensor(&file, name, Dtype::F32, shape)?));
    let mut state = SavedState { flat: Vec::new(), mean: Vec::new(), var: Vec::new(), batches: Vec::new(), metadata };
    for entry in layout.entries() {
        state.flat.extend(floats(&entry.name, &entry.shape)?);
    }
    for norm in layout.norms() {
        state.mean.extend(floats(&format!("{}.running_mean", norm.name), &[norm.channels])?);
        state.var.extend(floats(&format!("{}.running_var", norm.name), &[norm.channels])?);
        let count = tensor(&file, &format!("{}.num_batches_tracked", norm.name), Dtype::I64, &[])?;
        state.batches.push(i64::from_le_bytes(count.try_into().expect("an i64 scalar has 8 bytes")));
    }
    Ok(state)
}

/// Writes a group's weights, whole or not at all.
///
/// # Errors
/// [`NnError::Io`], and as [`state_to_bytes`].
pub fn save_encoder(path: &Path, group: &Group, metadata: &BTreeMap<String, String>) -> Result<(), NnError> {
    let bytes = state_to_bytes(group, metadata)?;
    write_atomically(path, &bytes).map_err(|source| NnError::Io { path: path.to_owned(), source })
}

/// Reads weights for a layout.
///
/// # Errors
/// [`NnError::Io`], and as [`state_from_bytes`].
pub fn load_encoder(path: &Path, layout: &Layout) -> Result<SavedState, NnError> {
    let bytes = std::fs::read(path).map_err(|source| NnError::Io { path: path.to_owned(), source })?;
    state_from_bytes(&bytes, layout)
}

fn tensor<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], NnError> {
    let misfit =
        |found: String| NnError::SavedTensor { name: name.to_owned(), expected: format!("{dtype:?} {shape:?}"), found };
    let view = file.tensor(name).map_err(|_| misfit("none".to_owned()))?;
    if view.dtype() != dtype || view.shape() != shape {
        return Err(misfit(format!("{:?} {:?}", view.dtype(), view.shape())));
    }
    Ok(view.data())
}

fn bytes_f32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn numbers_f32(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle_core::Device;

    use super::*;

    fn group(seed: u64, outputs: usize) -> Group {
        let mut layout = Layout::new();
        layout.push_affine("stem", &[outputs, 2, 3]);
        layout.push_norm("bn", outputs);
        let mut group = Group::new(Arc::new(layout), seed, 0, &Device::Cpu, DType::F32).unwrap();
        let numbers: Vec<f32> = (0..outputs).map(|i| i as f32 + 0.5).collect();
        group.set_running_vec(&numbers, &numbers, &[17]).unwrap();
        group
    }

    fn notes() -> BTreeMap<String, String> {
        BTreeMap::from([("recipe".to_owned(), "abc".to_owned()), ("width".to_owned(), "0.25".to_owned())])
    }

    #[test]
    fn saved_group_comes_back_whole() {
        let saved = group(1, 4);
        let bytes = state_to_bytes(&saved, &notes()).unwrap();
        assert_eq!(bytes, state_to_bytes(&saved, &notes()).unwrap());
        let state = state_from_bytes(&bytes, saved.layout()).unwrap();
        assert_eq!(state.metadata, notes());
        let mut other = group(2, 4);
        state.apply(&mut other).unwrap();
        assert_eq!(other.to_vec().unwrap(), saved.to_vec().unwrap());
        assert_eq!(other.running_to_vec().unwrap(), saved.running_to_vec().unwrap());
    }

    #[test]
    fn names_and_types_are_those_of_a_state_dict() {
        let bytes = state_to_bytes(&group(1, 4), &notes()).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = file.names();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "bn.bias",
                "bn.num_batches_tracked",
                "bn.running_mean",
                "bn.running_var",
                "bn.weight",
                "stem.bias",
                "stem.weight"
            ]
        );
        assert_eq!(file.tensor("stem.weight").unwrap().shape(), [4, 2, 3]);
        let count = file.tensor("bn.num_batches_tracked").unwrap();
        assert_eq!((count.dtype(), count.shape().len()), (Dtype::I64, 0));
    }

    #[test]
    fn weights_of_another_network_are_refused_by_name() {
        let bytes = state_to_bytes(&group(1, 4), &notes()).unwrap();
        let error = state_from_bytes(&bytes, group(1, 8).layout()).unwrap_err();
        assert!(matches!(&error, NnError::SavedTensor { name, .. } if name == "stem.weight"), "{error}");
        let mut deeper = (**group(1, 4).layout()).clone();
        deeper.push_norm("blocks.0.bn1", 4);
        let error = state_from_bytes(&bytes, &deeper).unwrap_err();
        assert!(matches!(&error, NnError::SavedTensor { found, .. } if found == "none"), "{error}");
        assert!(matches!(state_from_bytes(&bytes[..bytes.len() / 2], group(1, 4).layout()), Err(NnError::Saved(_))));
    }
}
