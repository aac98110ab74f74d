//! What stands beside every score: without it a number says nothing about pretraining.

use candle_core::{DType, Device};

use crate::base::Choice;
use crate::judging::downstream::{Bench, Data, Downstream, Fitted, Linear, Start};
use crate::learning::nn::{Encoder, Group};

use super::error::EvaluateError;

/// Always the most frequent class.
pub const MAJORITY: &str = "majority";
/// The same network with random weights, frozen; the probe's name follows.
pub const RANDOM: &str = "random";
/// The same network from random weights, trained for the classes with as many updates as pretraining and fine-tuning.
pub const END_TO_END: &str = "end-to-end";

/// The same, tuned: as many configurations as the pretrained side tried.
pub const END_TO_END_TUNED: &str = "end-to-end-tuned";

/// The random encoder's probe where the pipeline names no way that leaves encoders as they are.
pub(super) const DEFAULT_PROBE: &str = Linear::NAME;

/// Random weights: the very numbers that pretraining with this seed starts from.
pub(super) fn random_group(encoder: &dyn Encoder, seed: u64, device: &Device) -> Result<Group, EvaluateError> {
    Ok(Group::new(std::sync::Arc::clone(encoder.layout()), seed, 0, device, DType::F32)?)
}

/// Every way that leaves the encoder as it is, on the random one. This control stands in every table: where the pipeline
/// has no such way, it is a linear probe with its defaults.
pub(super) fn random_frozen(
    start: &Start<'_>,
    data: &Data<'_>,
    ways: &[(&str, &dyn Downstream)],
    bench: &mut Bench<'_>,
) -> Result<Vec<(String, Fitted)>, EvaluateError> {
    let probe = Linear::defaults(data.store.kind());
    let mut frozen: Vec<(&str, &dyn Downstream)> =
        ways.iter().filter(|(_, way)| way.supervision().is_none()).copied().collect();
    if frozen.is_empty() {
        frozen.push((DEFAULT_PROBE, &probe));
    }
    let mut fitted = Vec::new();
    for (name, way) in frozen {
        let arm = data.rr.name(&format!("{RANDOM}-{name}"));
        let start = Start { arm: &arm, ..*start };
        fitted.push((arm.clone(), way.fit(&start, data, bench)?));
    }
    Ok(fitted)
}
