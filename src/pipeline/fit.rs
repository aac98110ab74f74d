//! One classifier on finished encoders, judged on validation people only: the stage between pretraining and the test.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::base::Chosen;
use crate::data::splits::Split;
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::downstream::{Bench, Configuration, DOWNSTREAM, Data, Downstream, Effort, RrChoice, Start};
use crate::judging::evaluate::EvaluateSettings;
use crate::learning::train::Pretrained;
use crate::numerics::metrics::Classes;

use super::means::Means;
use super::outside::{self, Seen};
use super::parse::Pipeline;
use super::prepare::{Stale, prepare};
use super::scope::Drawn;

/// A classifier whose choices are made; the test people were not read.
#[derive(Debug, Clone, Serialize)]
pub struct FittedLine {
    /// The encoder's arm, and the way.
    pub arm: String,
    /// Fold.
    pub fold: u16,
    /// Seed.
    pub seed: u64,
    /// What was chosen, in words.
    pub choice: String,
    /// The metric that chose.
    pub criterion: String,
    /// Its value on the validation people; null where undefined.
    pub validation: Option<f64>,
    /// What fitting cost.
    #[serde(flatten)]
    pub effort: Effort,
    /// What was chosen of how to train, where there was a choice: the next seeds keep it.
    #[serde(skip)]
    pub configuration: Option<Configuration>,
}

/// Where a classifier is fitted.
pub(super) struct Place<'a> {
    pub(super) store: &'a Store,
    pub(super) split: &'a Split,
    pub(super) settings: &'a EvaluateSettings,
    pub(super) rr: &'a RrChoice,
    /// What an earlier seed chose of how to train.
    pub(super) kept: Option<Configuration>,
}

/// Fits one way on one encoder.
pub(super) fn fit_one(
    way: &dyn Downstream,
    (name, pretrained): (&str, &Pretrained),
    place: &Place<'_>,
    bench: &mut Bench<'_>,
) -> Result<FittedLine, Error> {
    let classes = Arc::new(Classes::new(&place.store.table().classes, place.store.pool_excludes()));
    let criterion = place.settings.criterion(&classes)?;
    let data = Data { store: place.store, split: place.split, classes: &classes, criterion, rr: place.rr };
    let seed = pretrained.contract.seed;
    let start = Start { encoder: &*pretrained.encoder, group: &pretrained.group, arm: name, seed, kept: place.kept };
    let fitted = way.fit(&start, &data, bench)?;
    Ok(FittedLine {
        arm: name.to_owned(),
        fold: place.split.fold(),
        seed,
        choice: fitted.selected().choice().to_owned(),
        criterion: criterion.name.to_owned(),
        validation: Some(fitted.validation()).filter(|value| value.is_finite()),
        effort: fitted.effort(),
        configuration: fitted.configuration(),
    })
}

/// The way of that name as the pipeline has it, or with its defaults.
pub(super) fn way(pipeline: &Pipeline, name: &str) -> Chosen<dyn Downstream> {
    let written = pipeline.downstream.iter().find(|way| way.name() == name).map(|way| way.chosen.resolved.clone());
    let settings = written.unwrap_or_else(|| Value::from_iter([("name", name)]));
    DOWNSTREAM.restore(pipeline.kind, &settings).expect("a way that was read before, or its defaults")
}

/// Fits a way on the encoder of any checkpoint, in every fold of the pipeline's split.
///
/// # Errors
/// A checkpoint that is damaged, made for other windows, or pretrained on people whom the split judges by, unless that
/// is to be said.
pub fn fit_checkpoint(
    pipeline: &Pipeline,
    checkpoint: &Path,
    (way_name, policy): (&str, Seen),
    means: &Means,
) -> Result<Vec<FittedLine>, Error> {
    outside::plain_name(pipeline, checkpoint)?;
    let store = prepare(pipeline, Stale::Refuse, means)?.store;
    let drawn = Drawn::of(pipeline, &store)?;
    drawn.tell(means);
    let pretrained = outside::take(pipeline, checkpoint, &store, means)?;
    let way = way(pipeline, way_name);
    let arm = outside::arm_of((pipeline, checkpoint), &pretrained, (&store, &drawn.splits), policy)?.name;
    let mut lines = Vec::new();
    for split in &drawn.splits {
        for rr in pipeline.evaluate.rr() {
            let place = Place { store: &store, split, settings: &pipeline.evaluate, rr, kept: None };
            let name = rr.name(&format!("{arm}-{way_name}"));
            lines.push(fit_one(&*way.choice, (&name, &pretrained), &place, &mut Bench::silent(&means.watch))?);
        }
    }
    Ok(lines)
}
