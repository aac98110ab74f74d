//! One encoder for all people, or one a person: what the second asks of a pipeline, and the splits of each person.

use serde_json::Value;

use crate::base::{Chosen, ConfigError, SignalKind};
use crate::data::splits::Split;
use crate::data::store::Store;
use crate::error::Error;
use crate::learning::awareness::Preset;
use crate::learning::objectives::{OBJECTIVES, ObjectiveConfig};
use crate::learning::train::Scope;

use super::error::PipelineError;
use super::means::Means;
use super::parse::Arm;
use super::section::Sections;

/// The key of an objective that says whether the keys of a batch are candidates too.
const IN_BATCH: &str = "in_batch";
const ALWAYS: &str = "always";

/// Holds arms and objective against the scope. A person alone has no other people to be told from, and so few windows
/// that the batch's other keys are always candidates.
///
/// # Errors
/// Per person, an arm that is not `base`; an `in_batch` that is not `always`.
pub(super) fn fitted(
    sections: &Sections<'_, '_>,
    (scope, kind): (Scope, SignalKind),
    arms: &[Arm],
    objective: Chosen<dyn ObjectiveConfig>,
) -> Result<Chosen<dyn ObjectiveConfig>, ConfigError> {
    if scope == Scope::CrossSubject {
        return Ok(objective);
    }
    let base = Preset::Base.awareness(kind);
    if let Some(arm) = arms.iter().find(|arm| arm.awareness != base) {
        let message = format!("scope `per-subject` takes `base` only, and arm `{}` is another", arm.name);
        return Err(ConfigError::at(sections.place("awareness", "arms"), message)
            .with_help("an encoder of one person has nobody to tell that person from"));
    }
    let given = sections.value("objective").and_then(|section| section.get_ref().get(IN_BATCH));
    if let Some(word) = given.filter(|word| word.get_ref().as_str() != Some(ALWAYS)) {
        return Err(ConfigError::at(word.span(), "scope `per-subject` has in_batch = \"always\"")
            .with_help("one person's windows are too few to fill a queue first; leave the key out"));
    }
    let mut resolved = objective.resolved.clone();
    match resolved.get_mut(IN_BATCH) {
        None => Ok(objective),
        Some(word) => {
            *word = Value::from(ALWAYS);
            OBJECTIVES.restore(kind, &resolved)
        }
    }
}

/// The split of each person, numbered in the order of people; people whose training windows have one class are left out
/// and named.
///
/// # Errors
/// A plan that parts people; nobody is left.
pub(super) fn of_each_person(splits: &[Split], store: &Store, means: &Means) -> Result<Vec<(String, Split)>, Error> {
    let table = store.table();
    let (mut own, mut alike) = (Vec::new(), Vec::new());
    for split in splits {
        // A plan that parts people has a person whose split cannot be made; the error says so.
        let people = split.train().subjects();
        for &subject in people {
            let id = table.subjects[subject as usize].to_string();
            let split = split.of_subject(table, subject)?;
            let mut classes = split.train().labels(table);
            classes.sort_unstable();
            classes.dedup();
            if classes.len() < 2 {
                alike.push(id);
            } else {
                let number = own.len() as u16;
                own.push((id, split.numbered(number)));
            }
        }
    }
    if !alike.is_empty() {
        let people = alike.join(", ");
        means.watch.progress().caution(&format!("left out, one class only in their training windows: {people}"));
    }
    if own.is_empty() { Err(PipelineError::NobodyLeft.into()) } else { Ok(own) }
}
