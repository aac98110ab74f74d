//! What can be held against store and splits before a run folder is made, so that a refusal leaves nothing behind.

use crate::base::ConfigTable;
use crate::data::splits::Split;
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::evaluate::ArmCost;
use crate::learning::objectives::ObjectiveError;
use crate::learning::train::{PoolSize, TrainError};

use super::arms::Arm;
use super::costs::costs;
use super::error::PipelineError;
use super::means::Means;
use super::parse::Pipeline;
use super::text::{PipelineText, Place};

/// Which encoders a run judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// Those that it trains.
    Arms,
    /// One from outside, in place of the arms.
    Outside,
}

/// Holds people and times of the test against `evaluate`, and sets every arm up once for the smallest and the largest
/// pool, so that the last is not refused after hours of the others. What the arms cost to pretrain comes of it.
///
/// # Errors
/// Whatever cannot work with these windows; a setting of an objective at its place.
pub(super) fn admitted(
    pipeline: &Pipeline,
    (store, splits): (&Store, &[Split]),
    judged: Judged,
    means: &Means,
) -> Result<Vec<ArmCost>, Error> {
    let settings = &pipeline.evaluate;
    settings.check_people(splits.iter().flat_map(|split| &split.proof().roles.test.subjects).map(String::as_str))?;
    let skipped = settings.people_skipped(store, splits)?;
    if !skipped.is_empty() {
        let who = skipped.join(", ");
        means.watch.progress().caution(&format!("evaluate.skip_s leaves no test window of {who}: in no score"));
    }
    if judged == Judged::Outside {
        let known = |name: &String| store.table().subjects.iter().any(|subject| subject.0 == **name);
        let declared = pipeline.outside.iter().flat_map(|outside| &outside.pool);
        let strangers: Vec<&str> = declared.filter(|name| !known(name)).map(String::as_str).collect();
        if !strangers.is_empty() {
            let line = format!("outside.pool names people who are not in the store: {}", strangers.join(", "));
            means.watch.progress().caution(&line);
        }
        return Ok(Vec::new());
    }
    if pipeline.outside.is_some() {
        let line = "`outside` says whom an encoder from elsewhere has seen; here none is judged, and it does nothing";
        means.watch.progress().caution(line);
    }
    let (channels, samples) = (store.channels().len(), store.spec().length as usize);
    let size = |split: &Split| PoolSize {
        channels,
        samples,
        n_windows: split.pool().len(),
        n_subjects: split.pool().subjects().len(),
    };
    costs(pipeline, &splits.iter().map(size).collect::<Vec<_>>())
}

/// Where each key of an arm's objective is written: its own, else the pipeline's.
pub(super) fn objective_places(table: &ConfigTable<'_>, text: &PipelineText, arms: &mut [Arm]) {
    let shared = table.get("objective");
    let list = table.get("awareness").and_then(|section| section.get_ref().get("arms"));
    for (index, arm) in arms.iter_mut().enumerate() {
        let own = list.and_then(|list| list.get_ref().get(index)).and_then(|arm| arm.get_ref().get("objective"));
        let keys = own.or(shared).and_then(|section| section.get_ref().as_table());
        arm.places = keys
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.get_ref().to_string(), text.place(value.span())))
            .collect();
    }
}

/// A setting of an objective that the pool does not bear, at its place where it is written.
pub(super) fn at_its_place(error: TrainError, arm: &Arm) -> Error {
    let TrainError::Objective(ObjectiveError::Setting { key, .. }) = &error else { return error.into() };
    let Some(place) = arm.places.get(*key) else { return error.into() };
    let (place, message): (Box<Place>, String) = (Box::new(place.clone()), error.to_string());
    let help = Some(format!("leave `{key}` out for what fits the pool, or take more recordings"));
    PipelineError::Setting { place, message, help }.into()
}
