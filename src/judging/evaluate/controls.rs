//! What stands beside every score: without it a number says nothing about pretraining.

use candle_core::{DType, Device};

use crate::base::Choice;
use crate::judging::downstream::{Bench, Data, Downstream, Fitted, Linear, Start, Way};
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

/// The way of RR features that are judged without an embedding; in tables they bear their sets' names and the probe's.
pub(super) const RR_ALONE: &str = "rr-alone";

/// The random encoder's probe where the pipeline names no way that leaves encoders as they are.
pub(super) const DEFAULT_PROBE: &str = Linear::NAME;

/// Random weights: the very numbers that pretraining with this seed starts from.
pub(super) fn random_group(encoder: &dyn Encoder, seed: u64, device: &Device) -> Result<Group, EvaluateError> {
    Ok(Group::new(std::sync::Arc::clone(encoder.layout()), seed, 0, device, DType::F32)?)
}

/// The probe of RR features alone: the pipeline's, or one with its defaults.
pub(super) fn rr_alone(
    start: &Start<'_>,
    data: &Data<'_>,
    ways: &[Way],
    bench: &mut Bench<'_>,
) -> Result<Option<(String, Fitted)>, EvaluateError> {
    let way = ways.iter().find(|way| way.name() == DEFAULT_PROBE);
    if data.rr.is_none() || way.is_some_and(|way| !way.has(start.seed)) {
        return Ok(None);
    }
    let default = Linear::defaults(data.store.kind());
    let probe = way.and_then(|way| way.chosen.choice.probe()).unwrap_or(&default);
    let arm = data.rr.alone(DEFAULT_PROBE);
    let fitted = probe.fit_alone(&Start { arm: &arm, ..*start }, data, bench)?;
    Ok(Some((arm, fitted)))
}

/// Every way that leaves the encoder as it is, on the random one, with the way's seeds. This control stands in every
/// table: where the pipeline has no such way, it is a linear probe with its defaults.
pub(super) fn random_frozen(
    start: &Start<'_>,
    data: &Data<'_>,
    ways: &[Way],
    bench: &mut Bench<'_>,
) -> Result<Vec<(String, Fitted)>, EvaluateError> {
    let probe = Linear::defaults(data.store.kind());
    let frozen = ways.iter().filter(|way| way.is_frozen());
    let mut frozen: Vec<(&str, &dyn Downstream)> =
        frozen.filter(|way| way.has(start.seed)).map(|way| (way.name(), &*way.chosen.choice)).collect();
    if !ways.iter().any(Way::is_frozen) {
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
