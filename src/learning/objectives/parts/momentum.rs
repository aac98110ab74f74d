//! The momentum encoder: a slow copy of encoder and heads.

use std::sync::Arc;

use candle_core::Tensor;

use crate::learning::nn::{Group, NnError, Weights};
use crate::learning::objectives::{ObjectiveError, Parameters, State};

/// A second flat tensor for each trained group that follows it: twin = m twin + (1 - m) trained, for every parameter.
///
/// # Source
/// `he2020moco` eq. 2.
pub struct Twin {
    encoder: Tensor,
    heads: Tensor,
    momentum: f64,
}

impl Twin {
    /// An exact copy.
    ///
    /// # Errors
    /// When the device is full.
    pub fn new(of: &Parameters, momentum: f64) -> Result<Self, ObjectiveError> {
        let copy = |group: &Group| group.flat().as_detached_tensor().copy();
        Ok(Self { encoder: copy(&of.encoder)?, heads: copy(&of.heads)?, momentum })
    }

    /// One step after the trained weights.
    ///
    /// # Errors
    /// When the groups have another size.
    pub fn follow(&mut self, trained: &Parameters) -> Result<(), ObjectiveError> {
        let m = self.momentum;
        let towards = |twin: &Tensor, flat: &Tensor| (twin * m)? + (flat.detach() * (1.0 - m))?;
        self.encoder = towards(&self.encoder, trained.encoder.flat())?;
        self.heads = towards(&self.heads, trained.heads.flat())?;
        Ok(())
    }

    /// The copy's encoder; its running statistics are those of the trained one.
    ///
    /// # Errors
    /// When the trained group has another layout.
    pub fn encoder(&self, trained: &Parameters) -> Result<Weights, NnError> {
        with_numbers(&trained.encoder, &self.encoder)
    }

    /// The copy's heads.
    ///
    /// # Errors
    /// When the trained group has another layout.
    pub fn heads(&self, trained: &Parameters) -> Result<Weights, NnError> {
        with_numbers(&trained.heads, &self.heads)
    }

    /// Both flat tensors.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.put("encoder", &self.encoder)?;
        state.put("heads", &self.heads)?;
        Ok(state)
    }

    /// Puts back what [`Twin::state`] gave.
    ///
    /// # Errors
    /// A missing entry or one of another shape.
    pub fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        let like = |name, old: &Tensor| -> Result<Tensor, ObjectiveError> {
            Ok(state.tensor(name, old.dims())?.to_device(old.device())?.copy()?)
        };
        self.encoder = like("encoder", &self.encoder)?;
        self.heads = like("heads", &self.heads)?;
        Ok(())
    }
}

fn with_numbers(group: &Group, flat: &Tensor) -> Result<Weights, NnError> {
    Weights::new(Arc::clone(group.layout()), flat.clone(), group.running().clone())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::base::SignalKind;
    use crate::learning::nn::{ENCODERS, Mlp};
    use crate::learning::objectives::{RunSize, Workshop};

    fn parameters() -> Parameters {
        let text = crate::base::parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
        let encoder = ENCODERS.choose(SignalKind::Eeg, &text, 0..0).unwrap().choice.build(3, 32).unwrap();
        let dim = encoder.dim();
        let (device, dtype) = (Device::Cpu, DType::F32);
        let run = RunSize { seed: 1, pool: (0..64).collect(), batch: 16, steps: 10, device, dtype };
        let mut shop = Workshop::new(Arc::from(encoder), run).unwrap();
        shop.make_heads(Arc::clone(Mlp::projector(dim).layout())).unwrap();
        shop.finish().0
    }

    #[test]
    fn twin_starts_as_a_copy_and_follows_in_every_parameter() {
        let trained = parameters();
        let mut twin = Twin::new(&trained, 0.9).unwrap();
        let before: Vec<Vec<f32>> = trained.groups().map(|(_, group)| group.to_vec().unwrap()).collect();
        let copies = |twin: &Twin| [&twin.encoder, &twin.heads].map(|flat| flat.to_vec1::<f32>().unwrap());
        assert_eq!(copies(&twin).to_vec(), before);
        for ((_, group), values) in trained.groups().zip(&before) {
            group.set_flat(&values.iter().map(|value| value + 1.0).collect::<Vec<_>>()).unwrap();
        }
        twin.follow(&trained).unwrap();
        for (copy, before) in copies(&twin).iter().zip(&before) {
            assert!(copy.len() == before.len() && !copy.is_empty());
            for (copy, before) in copy.iter().zip(before) {
                assert!((copy - before - 0.1).abs() < 1e-5, "{copy} {before}");
            }
        }
    }

    #[test]
    fn twin_reads_the_running_statistics_of_the_trained_encoder() {
        let mut trained = parameters();
        let twin = Twin::new(&trained, 0.9).unwrap();
        let (mean, var, batches) = trained.encoder.running_to_vec().unwrap();
        let moved: Vec<f32> = mean.iter().map(|mean| mean + 3.0).collect();
        trained.encoder.set_running_vec(&moved, &var, &batches).unwrap();
        let seen = twin.encoder(&trained).unwrap().running().mean.to_vec1::<f32>().unwrap();
        assert_eq!(seen, moved);
    }
}
