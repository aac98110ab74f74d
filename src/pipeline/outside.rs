//! Encoders that this run did not train: do they fit the windows, and whom have they seen?

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::base::Differences;
use crate::data::splits::Split;
use crate::data::store::Store;
use crate::error::Error;
use crate::learning::train::{Assumed, Contract, Pretrained};

use super::error::PipelineError;
use super::means::Means;
use super::parse::Pipeline;
use super::prepare::{Stale, prepare};
use super::scope::Drawn;

/// What to do about an encoder that has seen people who judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// An error.
    Refused,
    /// Judge it all the same; its arm is called transductive, so that the word stands beside every number.
    Said,
}

/// The word behind the name of an arm whose encoder has seen people who judge it.
pub(super) const TRANSDUCTIVE: &str = "transductive";

/// Reads an encoder that is to work on the windows of a store.
///
/// # Errors
/// A file that cannot be read; one made for other windows, with both sides.
pub(super) fn take(pipeline: &Pipeline, path: &Path, store: &Store, means: &Means) -> Result<Pretrained, Error> {
    let assumed = Assumed { encoder: &pipeline.encoder, store, pool: pipeline.outside.as_ref() };
    let pretrained = Pretrained::from_file(path, assumed, &means.device)?;
    if pretrained.contract.recipe_hash.is_empty() || pretrained.contract.pool.split_hash.is_empty() {
        let path = path.display();
        means.watch.progress().caution(&format!(
            "{path} says nothing of rate, channels and units: the store's are taken for its own; its pool is as declared"
        ));
    }
    check_fit(path, &pretrained.contract, store)?;
    Ok(pretrained)
}

/// Holds an encoder against every fold of a pipeline before a run begins, so that a refusal leaves nothing behind.
///
/// # Errors
/// A file that cannot be read, an encoder made for other windows, one that has seen people who judge it, unless
/// `policy` is to say so.
pub fn admit(pipeline: &Pipeline, path: &Path, policy: Seen, means: &Means) -> Result<(), Error> {
    let store = prepare(pipeline, Stale::Refuse, means)?.store;
    let pretrained = take(pipeline, path, &store, means)?;
    let drawn = Drawn::of(pipeline, &store)?;
    drawn.splits.iter().try_for_each(|split| arm_name(path, &pretrained, (&store, split), policy).map(drop))
}

/// An encoder reads only windows like those it was made for.
///
/// # Errors
/// All that differs, with both sides.
pub(super) fn check_fit(path: &Path, contract: &Contract, store: &Store) -> Result<(), Error> {
    let spec = store.spec();
    let made_for = json!({
        "signal": contract.kind, "rate_hz": contract.rate_hz, "window in samples": contract.window,
        "channels": contract.channels, "recipe": contract.recipe_hash,
    });
    let given = json!({
        "signal": store.kind(), "rate_hz": spec.rate_hz, "window in samples": spec.length,
        "channels": store.channels(), "recipe": store.recipe_hash(),
    });
    let differences = Differences::between(&made_for, &given);
    if differences.is_empty() {
        return Ok(());
    }
    Err(PipelineError::ForeignCheckpoint { path: path.to_owned(), differences }.into())
}

/// The people of validation and test whom an encoder has seen: by name, or because a recording of theirs has the very
/// bytes of one in its pool.
pub(super) fn seen(contract: &Contract, store: &Store, split: &Split) -> Vec<String> {
    let (pool, roles, table) = (&contract.pool, &split.proof().roles, store.table());
    // Within a person, who is in the pool is in the test too: only the pool of this very split keeps their windows apart.
    if split.proof().scope.is_within() && pool.split_hash == split.hash() {
        return Vec::new();
    }
    let same_corpus = pool.corpus == store.corpus();
    let judges = [&roles.validation, &roles.test];
    let known = |hash: &String| pool.recordings.binary_search(hash).is_ok();
    let mut seen = BTreeSet::new();
    for role in judges {
        seen.extend(role.subjects.iter().filter(|subject| same_corpus && pool.subjects.contains(subject)).cloned());
        let recordings = table.recordings.iter().filter(|entry| role.recordings.contains(&entry.id));
        let shared = recordings.filter(|entry| known(&entry.content_hash));
        seen.extend(shared.map(|entry| table.subjects[entry.subject as usize].to_string()));
    }
    seen.into_iter().collect()
}

/// The name of an arm on an encoder from outside.
///
/// # Errors
/// An encoder that has seen people who judge it, unless that is to be said.
pub(super) fn arm_name(
    path: &Path,
    pretrained: &Pretrained,
    (store, split): (&Store, &Split),
    policy: Seen,
) -> Result<String, Error> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let subjects = seen(&pretrained.contract, store, split);
    match policy {
        _ if subjects.is_empty() => Ok(stem),
        Seen::Said => Ok(format!("{stem}-{TRANSDUCTIVE}")),
        Seen::Refused => {
            let subjects = subjects.join(", ");
            Err(PipelineError::Leak { path: path.to_owned(), subjects, fold: split.fold() }.into())
        }
    }
}
