//! Sets a pretraining up and throws it away: what cannot work is refused before the first of many trainings, and what
//! the objective will cost is known.

use std::sync::Arc;

use candle_core::{DType, Device};

use crate::base::available_memory;
use crate::learning::nn::Encoder;
use crate::learning::objectives::{Passes, RunSize, Workshop};

use super::error::TrainError;
use super::pretraining::{PretrainOrder, enough_memory};
use super::settings::PretrainPlan;

/// The pool that a pretraining would see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    /// Channels of a window.
    pub channels: usize,
    /// Samples of a window.
    pub samples: usize,
    /// Windows.
    pub n_windows: usize,
    /// People.
    pub n_subjects: usize,
}

/// Builds encoder and objective for a pool of a size, on the CPU, and says what will pass the encoder.
///
/// # Errors
/// Whatever [`pretrain`](super::pretrain) would refuse before its first step: settings that make no sense for the pool or
/// together, an objective that keeps more than fits into memory.
pub fn rehearse(order: &PretrainOrder<'_>, size: PoolSize) -> Result<Passes, TrainError> {
    order.awareness.check(order.objective.name, &order.objective.choice.accepts())?;
    order.awareness.check_pool(size.n_subjects)?;
    let PretrainPlan { batch, course } = order.settings.plan(size.n_windows)?;
    let objective = &order.objective.choice;
    enough_memory(objective.memory_bytes(size.n_windows, batch), available_memory())?;
    let encoder: Arc<dyn Encoder> = Arc::from(order.encoder.choice.build(size.channels, size.samples)?);
    let (seed, device, dtype) = (order.seed, Device::Cpu, DType::F32);
    // Which rows of the store they are makes no difference to what is possible.
    let pool = (0..size.n_windows as u32).collect();
    let run = RunSize { seed, pool, batch, steps: course.steps, device, dtype };
    Ok(objective.build(&mut Workshop::new(encoder, run)?)?.passes(size.samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SignalKind, parse_table};
    use crate::learning::augment::AugmentationConfig;
    use crate::learning::awareness::{AwarenessError, Preset};
    use crate::learning::nn::ENCODERS;
    use crate::learning::objectives::{OBJECTIVES, ObjectiveError};
    use crate::learning::train::PretrainSettings;

    const KIND: SignalKind = SignalKind::Eeg;
    const POOL: PoolSize = PoolSize { channels: 2, samples: 90, n_windows: 512, n_subjects: 4 };

    fn rehearsed(objective: &str, preset: Preset, size: PoolSize) -> Result<Passes, TrainError> {
        let encoder = parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
        let encoder = ENCODERS.choose(KIND, &encoder, 0..0).unwrap();
        let objective = OBJECTIVES.choose(KIND, &parse_table(objective).unwrap(), 0..0).unwrap();
        let augment = AugmentationConfig::defaults(KIND);
        let settings = PretrainSettings { steps: Some(10), ..PretrainSettings::defaults(KIND) };
        let awareness = preset.awareness(KIND);
        let order =
            PretrainOrder { encoder: &encoder, objective: &objective, awareness, augment: &augment, settings, seed: 1 };
        rehearse(&order, size)
    }

    #[test]
    fn what_passes_the_encoder_is_known_before_a_step() {
        let passes = |with_gradient, without_gradient| Passes { with_gradient, without_gradient, of_pool: 0 };
        assert_eq!(rehearsed("name = \"moco\"", Preset::Base, POOL).unwrap(), passes(90, 90));
        assert_eq!(rehearsed("name = \"simclr\"", Preset::SubjectInvariant, POOL).unwrap(), passes(180, 0));
    }

    #[test]
    fn what_cannot_work_with_the_pool_is_refused_before_a_step() {
        let groups = rehearsed("name = \"moco\"\nnorm_groups = 3", Preset::Base, POOL);
        let Err(TrainError::Objective(ObjectiveError::Setting { key, .. })) = groups else { panic!("{groups:?}") };
        assert_eq!(key, "norm_groups");
        let alone = rehearsed("name = \"sacl\"", Preset::SubjectInvariant, PoolSize { n_subjects: 1, ..POOL });
        assert!(matches!(alone, Err(TrainError::Awareness(AwarenessError::Senseless { .. }))), "{alone:?}");
        let small = rehearsed("name = \"sacl\"", Preset::Base, PoolSize { n_windows: 20, ..POOL });
        assert!(matches!(small, Err(TrainError::PoolTooSmall { .. })), "{small:?}");
    }
}
