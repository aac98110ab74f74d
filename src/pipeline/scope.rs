//! One encoder for all people, or one a person: what the second asks of a pipeline, and the splits of each person.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::base::{Chosen, ConfigError, ConfigValue, SignalKind};
use crate::data::splits::{Proof, Split};
use crate::data::store::Store;
use crate::error::Error;
use crate::learning::awareness::{Awareness, Positives, Preset};
use crate::learning::objectives::{OBJECTIVES, ObjectiveConfig};
use crate::learning::train::Scope;
use crate::runs::RunFolder;

use super::arms::Arm;
use super::error::PipelineError;
use super::means::Means;
use super::parse::Pipeline;
use super::section::Sections;
use super::stages::draw;

/// The key of an objective that says whether the keys of a batch are candidates too.
const IN_BATCH: &str = "in_batch";
const ALWAYS: &str = "always";

/// Refuses arms that the scope does not bear: a person alone has no other people to be told from.
///
/// # Errors
/// Per person, an arm that is not `base`.
pub(super) fn check_arms(
    sections: &Sections<'_, '_>,
    (scope, kind): (Scope, SignalKind),
    arms: &[Arm],
) -> Result<(), ConfigError> {
    let base = Preset::Base.awareness(kind);
    match arms.iter().find(|arm| arm.awareness != base) {
        Some(arm) if scope == Scope::PerSubject => {
            let message = format!("scope `per-subject` takes `base` only, and arm `{}` is another", arm.name);
            // With a neighbour as positive an arm is another one though nobody is told from anybody.
            let near = Awareness { positives: Positives::Neighbour, neighbour_s: arm.awareness.neighbour_s, ..base };
            let help = if arm.awareness == near {
                "here every window is its own positive, so that the scopes differ in nothing else: take positives = \
                 \"window\", or scope = \"cross-subject\""
            } else {
                "an encoder of one person has nobody to tell that person from"
            };
            Err(ConfigError::at(sections.place("awareness", "arms"), message).with_help(help))
        }
        _ => Ok(()),
    }
}

/// Fits an objective, `given` as written, to the scope: a person alone has so few windows that the batch's other keys
/// are always candidates.
///
/// # Errors
/// Per person, an `in_batch` that is not `always`.
pub(super) fn fitted(
    given: Option<&ConfigValue<'_>>,
    (scope, kind): (Scope, SignalKind),
    objective: Chosen<dyn ObjectiveConfig>,
) -> Result<Chosen<dyn ObjectiveConfig>, ConfigError> {
    if scope == Scope::CrossSubject {
        return Ok(objective);
    }
    let word = given.and_then(|section| section.get_ref().get(IN_BATCH));
    if let Some(word) = word.filter(|word| word.get_ref().as_str() != Some(ALWAYS)) {
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

/// Which split of a run is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part {
    /// The first; where everybody has an encoder of their own, that of the person whose recordings are given.
    #[default]
    Unsaid,
    /// By its number; where everybody has an encoder of their own, the person's.
    Fold(u16),
    /// Of the person who has an encoder of their own.
    Subject(String),
}

impl Part {
    /// The number of the split that is meant, in a run of this scope, for recordings or windows of `people`.
    ///
    /// # Errors
    /// A person in a run that has one encoder for all; with an encoder a person, somebody who has none, or recordings
    /// that are not all of one person; a folder that is no run.
    pub(super) fn fold(&self, run: &Path, scope: Scope, people: &BTreeSet<&str>) -> Result<u16, Error> {
        let fault = |message: String, help: String| Err(PipelineError::WhoseEncoder { message, help }.into());
        let id = match (self, scope) {
            (Self::Fold(fold), _) => return Ok(*fold),
            (Self::Unsaid, Scope::CrossSubject) => return Ok(0),
            (Self::Subject(id), Scope::CrossSubject) => {
                let message = format!("{}: nobody has an encoder of their own here, `{id}` neither", run.display());
                return fault(message, "leave --subject out; --fold says which fold of the run".to_owned());
            }
            (Self::Subject(id), Scope::PerSubject) => Some(id.as_str()),
            (Self::Unsaid, Scope::PerSubject) if people.len() == 1 => people.first().copied(),
            (Self::Unsaid, Scope::PerSubject) => None,
        };
        let proofs: Vec<Proof> = RunFolder::open(run)?.read_splits()?;
        let own = |proof: &Proof| proof.roles.train.subjects.first().cloned().unwrap_or_default();
        let known = proofs.iter().map(own).collect::<Vec<_>>().join(", ");
        let help = format!("name one with --subject; people who have an encoder in this run: {known}");
        let Some(id) = id else {
            let (n, first) = (people.len(), people.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "));
            let more = if n > NAMED { ", .." } else { "" };
            let message = format!(
                "{}: everybody has an encoder of their own, and these are {n} people: {first}{more}",
                run.display()
            );
            return fault(message, help);
        };
        let found = proofs.iter().find(|proof| own(proof) == id).map(|proof| proof.fold);
        found.map_or_else(|| fault(format!("{}: `{id}` has no encoder of their own", run.display()), help), Ok)
    }
}

/// How many people a message names.
const NAMED: usize = 5;

/// Why somebody has no encoder whose labels the budget does not show.
const FEW_LABELS: &str = "not among the `people` of `evaluate.labels`";

/// What a pipeline trains and judges on: the splits of its plan, or those of each person.
pub(super) struct Drawn {
    /// The person of each split, where everybody has an encoder of their own; else empty.
    pub(super) people: Vec<String>,
    /// One a fold; per person they are numbered in the order of people.
    pub(super) splits: Vec<Split>,
    /// Per person: who has no split of their own, and why.
    left_out: Vec<String>,
}

impl Drawn {
    /// Draws anew from the store.
    ///
    /// # Errors
    /// Whatever the plan reports; per person a plan that parts people, nobody who is left, and a person with a name that
    /// cannot be a folder or with too few windows for a batch.
    pub(super) fn of(pipeline: &Pipeline, store: &Store) -> Result<Self, Error> {
        let mut drawn = Self { people: Vec::new(), splits: draw(pipeline, store)?, left_out: Vec::new() };
        if pipeline.scope == Scope::PerSubject {
            drawn.part(pipeline, store)?;
        }
        Ok(drawn)
    }

    /// Each person's own split. People whose training windows have one class are left out.
    fn part(&mut self, pipeline: &Pipeline, store: &Store) -> Result<(), Error> {
        let (table, mut own) = (store.table(), Vec::new());
        for split in &self.splits {
            let plan_s = split.proof().left_out.iter().map(|out| format!("{} ({})", out.subject, out.reason));
            self.left_out.extend(plan_s);
            let unlabelled =
                split.pool().subjects().iter().filter(|subject| !split.train().subjects().contains(subject));
            let reason = if pipeline.evaluate.labels().people.is_some() { FEW_LABELS } else { "no label in train" };
            self.left_out
                .extend(unlabelled.map(|&subject| format!("{} ({reason})", table.subjects[subject as usize].0)));
            // A plan that parts people has a person whose split cannot be made; the error says so.
            for &subject in split.train().subjects() {
                let id = table.subjects[subject as usize].to_string();
                let split = split.of_subject(table, subject)?;
                let mut classes = split.train().labels(table);
                classes.sort_unstable();
                classes.dedup();
                if classes.len() < 2 {
                    self.left_out.push(format!("{id} (one class in train)"));
                    continue;
                }
                // Before the first hour of training, not after it.
                RunFolder::check_subject(&id)?;
                let n_windows = split.pool().len();
                if let Err(source) = pipeline.train.plan(n_windows) {
                    return Err(PipelineError::OwnPool { person: id, source }.into());
                }
                own.push(split.numbered(own.len() as u16));
                self.people.push(id);
            }
        }
        if own.is_empty() {
            return Err(PipelineError::NobodyLeft.into());
        }
        self.splits = own;
        Ok(())
    }

    /// Names whoever is left out.
    pub(super) fn tell(&self, means: &Means) {
        if !self.left_out.is_empty() {
            means.watch.progress().caution(&format!("no encoder for: {}", self.left_out.join(", ")));
        }
    }
}
