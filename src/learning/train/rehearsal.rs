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

/// Windows of a pool that is set up for counting alone.
const FEW: usize = 4096;

/// Builds encoder and objective for a pool of a size, on the CPU, and says what will pass the encoder.
///
/// # Errors
/// Whatever [`pretrain`](super::pretrain) would refuse before its first step: settings that make no sense for the pool or
/// together, an objective that keeps more than fits into memory.
pub fn rehearse(order: &PretrainOrder<'_>, size: PoolSize) -> Result<Passes, TrainError> {
    order.awareness.check(order.objective.name, &order.objective.choice.accepts())?;
    order.awareness.check_pool(size.n_subjects)?;
    let PretrainPlan { batch, .. } = order.settings.plan(size.n_windows)?;
    enough_memory(order.objective.choice.memory_bytes(size.n_windows, batch), available_memory())?;
    set_up(order, size, size.n_windows)
}

/// What passes the encoder in a pretraining that was possible. Memory for its pool is neither asked for nor taken: no
/// objective's passes hang on how many windows its bank or queue holds.
///
/// # Errors
/// As [`rehearse`], but for memory.
pub fn passes(order: &PretrainOrder<'_>, size: PoolSize) -> Result<Passes, TrainError> {
    // An objective that draws more negatives than these windows is set up as it was trained.
    set_up(order, size, size.n_windows.min(FEW)).or_else(|_| set_up(order, size, size.n_windows))
}

/// Builds what a pretraining over the pool would build, over its first `n_pool` windows.
fn set_up(order: &PretrainOrder<'_>, size: PoolSize, n_pool: usize) -> Result<Passes, TrainError> {
    let PretrainPlan { batch, course } = order.settings.plan(size.n_windows)?;
    let encoder: Arc<dyn Encoder> = Arc::from(order.encoder.choice.build(size.channels, size.samples)?);
    let (seed, device, dtype) = (order.seed, Device::Cpu, DType::F32);
    // Which rows of the store they are makes no difference to what is possible.
    let pool = (0..n_pool as u32).collect();
    let run = RunSize { seed, pool, batch, steps: course.steps, device, dtype };
    Ok(order.objective.choice.build(&mut Workshop::new(encoder, run)?)?.passes(size.samples))
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

    type Counting = fn(&PretrainOrder<'_>, PoolSize) -> Result<Passes, TrainError>;

    fn rehearsed(objective: &str, preset: Preset, size: PoolSize) -> Result<Passes, TrainError> {
        by(rehearse, objective, preset, size)
    }

    fn by(count: Counting, objective: &str, preset: Preset, size: PoolSize) -> Result<Passes, TrainError> {
        let encoder = parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
        let encoder = ENCODERS.choose(KIND, &encoder, 0..0).unwrap();
        let objective = OBJECTIVES.choose(KIND, &parse_table(objective).unwrap(), 0..0).unwrap();
        let augment = AugmentationConfig::defaults(KIND);
        let settings = PretrainSettings { steps: Some(10), ..PretrainSettings::defaults(KIND) };
        let awareness = preset.awareness(KIND);
        let order =
            PretrainOrder { encoder: &encoder, objective: &objective, awareness, augment: &augment, settings, seed: 1 };
        count(&order, size)
    }

    #[test]
    fn what_passed_is_counted_where_its_bank_would_not_fit() {
        let huge = PoolSize { n_windows: 1 << 40, ..POOL };
        for entry in OBJECTIVES.entries {
            let settings = format!("name = \"{}\"", entry.name);
            let known = rehearsed(&settings, Preset::Base, POOL).unwrap();
            assert_eq!(by(passes, &settings, Preset::Base, POOL).unwrap(), known, "{settings}");
            assert_eq!(by(passes, &settings, Preset::Base, huge).unwrap(), known, "{settings}");
        }
        let bank = rehearsed("name = \"npid\"", Preset::Base, huge);
        assert!(matches!(bank, Err(TrainError::Memory { .. })), "{bank:?}");
        // More negatives than are set up for counting.
        let many = PoolSize { n_windows: 6000, ..POOL };
        let noise = "name = \"npid\"\nform = \"nce\"\nn_noise = 5000";
        assert_eq!(by(passes, noise, Preset::Base, many).unwrap(), rehearsed(noise, Preset::Base, many).unwrap());
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
