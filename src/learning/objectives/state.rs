//! What outlives a step, as named tensors and whole numbers: the content of a checkpoint.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::learning::nn::{Group, RunningStatistics};

use super::error::ObjectiveError;

/// Named tensors and whole numbers. Fractions are kept as tensors, so that every bit returns.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// Whole numbers by name.
    pub numbers: BTreeMap<String, u64>,
}

impl State {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty() && self.numbers.is_empty()
    }

    /// Adds a tensor: a copy, as the original may be changed in place.
    ///
    /// # Errors
    /// When the device is full.
    pub fn put(&mut self, name: &str, tensor: &Tensor) -> Result<(), ObjectiveError> {
        self.tensors.insert(name.to_owned(), tensor.detach().copy()?);
        Ok(())
    }

    /// Adds a whole number.
    pub fn put_number(&mut self, name: &str, number: u64) {
        self.numbers.insert(name.to_owned(), number);
    }

    /// A group's weights and running statistics.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub fn of_group(group: &Group) -> Result<Self, ObjectiveError> {
        let running = group.running();
        let mut state = Self::new();
        state.put("flat", group.flat())?;
        state.put("running_mean", &running.mean)?;
        state.put("running_var", &running.var)?;
        state.put("running_batches", &Tensor::from_slice(&running.batches, running.batches.len(), &Device::Cpu)?)?;
        Ok(state)
    }

    /// Puts [`State::of_group`] back into a group of the same layout.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    pub fn to_group(&self, group: &mut Group) -> Result<(), ObjectiveError> {
        let (device, dtype) = (group.flat().device().clone(), group.flat().dtype());
        let like = |name, shape: &[usize]| -> Result<Tensor, ObjectiveError> {
            Ok(self.tensor(name, shape)?.to_dtype(dtype)?.to_device(&device)?.copy()?)
        };
        group.flat().set(&like("flat", group.flat().dims())?)?;
        let running = group.running();
        let batches = self.tensor("running_batches", &[running.batches.len()])?.to_vec1()?;
        let (mean, var) = (like("running_mean", running.mean.dims())?, like("running_var", running.var.dims())?);
        group.set_running(RunningStatistics { mean, var, batches });
        Ok(())
    }

    /// Adds all of `part` under `name.`.
    pub fn nest(&mut self, name: &str, part: Self) {
        self.tensors.extend(part.tensors.into_iter().map(|(key, tensor)| (format!("{name}.{key}"), tensor)));
        self.numbers.extend(part.numbers.into_iter().map(|(key, number)| (format!("{name}.{key}"), number)));
    }

    /// What [`State::nest`] put under `name.`.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        let prefix = format!("{name}.");
        let inner = |key: &String| key.strip_prefix(&prefix).map(str::to_owned);
        Self {
            tensors: self.tensors.iter().filter_map(|(key, value)| Some((inner(key)?, value.clone()))).collect(),
            numbers: self.numbers.iter().filter_map(|(key, value)| Some((inner(key)?, *value))).collect(),
        }
    }

    /// The tensor called `name`, of the shape that the run needs.
    ///
    /// # Errors
    /// When it is missing or of another shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&Tensor, ObjectiveError> {
        let tensor = self.tensors.get(name).ok_or_else(|| ObjectiveError::Missing { name: name.to_owned() })?;
        if tensor.dims() != shape {
            return Err(ObjectiveError::Form {
                name: name.to_owned(),
                needed: format!("the shape {shape:?}"),
                found: format!("the shape {:?}", tensor.dims()),
            });
        }
        Ok(tensor)
    }

    /// The tensor called `name` if there is one, on the device and in the type of `like`.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn find(&self, name: &str, shape: &[usize], like: &Tensor) -> Result<Option<Tensor>, ObjectiveError> {
        if !self.tensors.contains_key(name) {
            return Ok(None);
        }
        Ok(Some(self.tensor(name, shape)?.to_dtype(like.dtype())?.to_device(like.device())?.copy()?))
    }

    /// The whole number called `name`.
    ///
    /// # Errors
    /// When it is missing.
    pub fn number(&self, name: &str) -> Result<u64, ObjectiveError> {
        self.numbers.get(name).copied().ok_or_else(|| ObjectiveError::Missing { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_parts_come_back_and_shapes_are_checked() {
        let mut inner = State::new();
        inner.put("keys", &Tensor::new(&[1.0_f32, 2.0], &Device::Cpu).unwrap()).unwrap();
        inner.put_number("position", 7);
        let mut outer = State::new();
        outer.nest("queue", inner);
        let back = outer.part("queue");
        assert_eq!(back.number("position").unwrap(), 7);
        assert_eq!(back.tensor("keys", &[2]).unwrap().to_vec1::<f32>().unwrap(), [1.0, 2.0]);
        assert!(matches!(back.tensor("keys", &[3]), Err(ObjectiveError::Form { .. })));
        assert!(matches!(outer.number("position"), Err(ObjectiveError::Missing { .. })));
    }
}
