//! A group owns its numbers: one flat Var that an optimiser changes, and the running statistics beside it.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};

use super::error::NnError;
use super::layout::{Init, Layout};
use super::weights::{BatchStatistics, RunningStatistics, Weights};
use crate::base::{Purpose, StreamKey};

/// Trained numbers of one kind (`encoder`, `heads`, `scalars`) as one flat Var, with their layout and running
/// statistics.
#[derive(Debug)]
pub struct Group {
    layout: Arc<Layout>,
    flat: Var,
    running: RunningStatistics,
}

impl Group {
    /// Fresh weights. Tensor `i` of the layout draws from its own stream: purpose `Weights`, row `first_tensor + i`,
    /// so that groups of one run that count on from each other share no draw.
    ///
    /// # Errors
    /// What candle reports.
    pub fn new(
        layout: Arc<Layout>,
        seed: u64,
        first_tensor: u32,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, NnError> {
        let values = initial(&layout, seed, first_tensor);
        let flat = Tensor::from_vec(values, layout.len(), device)?.to_dtype(dtype)?;
        let running = RunningStatistics::fresh(&layout, device, dtype)?;
        Ok(Self { layout, flat: Var::from_tensor(&flat)?, running })
    }

    /// A second group with the same numbers: a momentum twin, or a copy to fine-tune.
    ///
    /// # Errors
    /// What candle reports.
    pub fn twin(&self) -> Result<Self, NnError> {
        let flat = Var::from_tensor(&self.flat.as_detached_tensor().copy()?)?;
        Ok(Self { layout: Arc::clone(&self.layout), flat, running: self.running.clone() })
    }

    /// Where each parameter lies.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The numbers as a Var: `backward` gives its gradient, an optimiser sets it.
    pub fn flat(&self) -> &Var {
        &self.flat
    }

    /// Weights for a pass with gradient; [`Weights::detached`] of them for one without.
    ///
    /// # Panics
    /// Never: the Var has the layout's length from the start and `set` keeps shapes.
    pub fn weights(&self) -> Weights {
        Weights::new(Arc::clone(&self.layout), self.flat.as_tensor().clone(), self.running.clone())
            .expect("the flat Var has the layout's length")
    }

    /// Overwrites all parameters.
    ///
    /// # Errors
    /// [`NnError::Length`].
    pub fn set_flat(&self, values: &[f32]) -> Result<(), NnError> {
        if values.len() != self.layout.len() {
            return Err(NnError::Length { expected: self.layout.len(), found: values.len() });
        }
        let values = Tensor::from_slice(values, values.len(), self.flat.device())?.to_dtype(self.flat.dtype())?;
        Ok(self.flat.set(&values)?)
    }

    /// A copy of all parameters.
    ///
    /// # Errors
    /// What candle reports.
    pub fn to_vec(&self) -> Result<Vec<f32>, NnError> {
        Ok(self.flat.as_detached_tensor().to_dtype(DType::F32)?.to_vec1()?)
    }

    /// The norms' running statistics.
    pub fn running(&self) -> &RunningStatistics {
        &self.running
    }

    /// Replaces the running statistics, for instance a twin's by its model's.
    pub fn set_running(&mut self, running: RunningStatistics) {
        self.running = running;
    }

    /// Takes one batch into the running statistics: 0.9 of the old, 0.1 of the batch's.
    ///
    /// # Errors
    /// What candle reports.
    pub fn commit(&mut self, batch: &BatchStatistics) -> Result<(), NnError> {
        self.running = self.running.updated(batch)?;
        Ok(())
    }

    /// Running mean, variance and counts, for a checkpoint.
    ///
    /// # Errors
    /// What candle reports.
    #[expect(clippy::type_complexity, reason = "three lists, taken apart on the spot")]
    pub fn running_to_vec(&self) -> Result<(Vec<f32>, Vec<f32>, Vec<i64>), NnError> {
        let numbers = |tensor: &Tensor| tensor.to_dtype(DType::F32)?.to_vec1::<f32>();
        Ok((numbers(&self.running.mean)?, numbers(&self.running.var)?, self.running.batches.clone()))
    }

    /// Sets what [`Group::running_to_vec`] gave.
    ///
    /// # Errors
    /// [`NnError::Length`].
    pub fn set_running_vec(&mut self, mean: &[f32], var: &[f32], batches: &[i64]) -> Result<(), NnError> {
        let (channels, norms) = (self.layout.norm_channels(), self.layout.norms().len());
        for (found, expected) in [(mean.len(), channels), (var.len(), channels), (batches.len(), norms)] {
            if found != expected {
                return Err(NnError::Length { expected, found });
            }
        }
        let tensor =
            |values: &[f32]| Tensor::from_slice(values, values.len(), self.flat.device())?.to_dtype(self.flat.dtype());
        self.running = RunningStatistics { mean: tensor(mean)?, var: tensor(var)?, batches: batches.to_vec() };
        Ok(())
    }
}

fn initial(layout: &Layout, seed: u64, first_tensor: u32) -> Vec<f32> {
    let mut values = Vec::with_capacity(layout.len());
    for (row, entry) in (first_tensor..).zip(layout.entries()) {
        match entry.init {
            Init::Constant(value) => values.extend(std::iter::repeat_n(value as f32, entry.len())),
            Init::Uniform { bound } => {
                let mut stream = StreamKey::new(seed, Purpose::Weights).row(row).stream();
                values.extend((0..entry.len()).map(|_| stream.between(-bound, bound) as f32));
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Arc<Layout> {
        let mut layout = Layout::new();
        layout.push_affine("conv", &[4, 2, 3]);
        layout.push_norm("bn", 4);
        Arc::new(layout)
    }

    #[test]
    fn weights_start_as_torch_starts_them() {
        let group = Group::new(layout(), 7, 0, &Device::Cpu, DType::F32).unwrap();
        let values = group.to_vec().unwrap();
        let bound = (1.0_f32 / 6.0).sqrt();
        assert!(values[..28].iter().all(|value| value.abs() <= bound));
        assert!(values[..28].iter().any(|value| value.abs() > 0.7 * bound));
        assert_eq!(values[28..], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let mut stream = StreamKey::new(7, Purpose::Weights).row(1).stream();
        let bound = 1.0 / 6.0_f64.sqrt();
        assert_eq!(values[24], stream.between(-bound, bound) as f32);
    }

    #[test]
    fn same_seed_gives_same_bits_and_another_tensor_index_others() {
        let make = |seed, first| Group::new(layout(), seed, first, &Device::Cpu, DType::F32).unwrap().to_vec().unwrap();
        assert_eq!(make(7, 0), make(7, 0));
        assert_ne!(make(7, 0)[..24], make(8, 0)[..24]);
        assert_ne!(make(7, 0)[..24], make(7, 2)[..24]);
    }

    #[test]
    fn commit_blends_as_torch_does() {
        let mut group = Group::new(layout(), 7, 0, &Device::Cpu, DType::F64).unwrap();
        let new = |value: f64| Tensor::full(value, 4, &Device::Cpu).unwrap();
        group.commit(&BatchStatistics::new(new(2.0), new(5.0))).unwrap();
        group.commit(&BatchStatistics::new(new(-1.0), new(0.0))).unwrap();
        group.commit(&BatchStatistics::default()).unwrap();
        let (mean, var, batches) = group.running_to_vec().unwrap();
        assert!(mean.iter().all(|mean| (mean - (0.9 * 0.2 - 0.1)).abs() < 1e-7), "{mean:?}");
        assert!(var.iter().all(|var| (var - 0.9 * 1.4).abs() < 1e-6), "{var:?}");
        assert_eq!(batches, [2]);
    }

    #[test]
    fn twin_does_not_follow_its_model() {
        let group = Group::new(layout(), 7, 0, &Device::Cpu, DType::F32).unwrap();
        let twin = group.twin().unwrap();
        let before = twin.to_vec().unwrap();
        group.set_flat(&vec![3.0; group.layout().len()]).unwrap();
        assert_eq!(twin.to_vec().unwrap(), before);
        assert!(matches!(group.set_flat(&[1.0]), Err(NnError::Length { expected: 36, found: 1 })));
    }
}
