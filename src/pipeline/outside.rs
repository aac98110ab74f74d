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

/// People of validation and test whom an encoder has seen.
struct Known {
    /// A recording of theirs has the very bytes of one in its pool.
    by_content: BTreeSet<String>,
    /// Their name is one of its pool, which is of a corpus of the same name, and no recording is the same.
    by_name: BTreeSet<String>,
}

impl Known {
    fn of(contract: &Contract, store: &Store, split: &Split) -> Self {
        let (pool, roles, table) = (&contract.pool, &split.proof().roles, store.table());
        let mut known = Self { by_content: BTreeSet::new(), by_name: BTreeSet::new() };
        // Within a person, who is in the pool is in the test too: only the pool of this very split keeps their windows
        // apart.
        if split.proof().scope.is_within() && pool.split_hash == split.hash() {
            return known;
        }
        let same_corpus = pool.corpus == store.corpus();
        for role in [&roles.validation, &roles.test] {
            let named = role.subjects.iter().filter(|subject| same_corpus && pool.subjects.contains(subject));
            known.by_name.extend(named.cloned());
            let recordings = table.recordings.iter().filter(|entry| role.recordings.contains(&entry.id));
            let shared = recordings.filter(|entry| pool.recordings.binary_search(&entry.content_hash).is_ok());
            known.by_content.extend(shared.map(|entry| table.subjects[entry.subject as usize].to_string()));
        }
        known.by_name.retain(|subject| !known.by_content.contains(subject));
        known
    }

    fn subjects(&self) -> String {
        let all: Vec<&str> = self.by_content.union(&self.by_name).map(String::as_str).collect();
        all.join(", ")
    }

    /// How they were known; names alone may be other people's.
    fn grounds(&self, corpus: &str) -> (String, &'static str) {
        let content = "by the content of a recording".to_owned();
        let name = format!("by name alone, in a pool of a corpus `{corpus}` too");
        let named: Vec<&str> = self.by_name.iter().map(String::as_str).collect();
        match (self.by_content.is_empty(), self.by_name.is_empty()) {
            (false, false) => (format!("{content}, but {} {name}", named.join(", ")), SAME_NAME),
            (true, _) => (name, SAME_NAME),
            (false, true) => (content, ""),
        }
    }
}

/// What to do where equal names are different people.
const SAME_NAME: &str = "; if people of the same name in two folders are different people, rename their files so that \
     no two share a name, and preprocess both again";

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
    let known = Known::of(&pretrained.contract, store, split);
    let subjects = known.subjects();
    match policy {
        _ if subjects.is_empty() => Ok(stem),
        Seen::Said => Ok(format!("{stem}-{TRANSDUCTIVE}")),
        Seen::Refused => {
            let (grounds, remedy) = known.grounds(store.corpus());
            Err(PipelineError::Leak { path: path.to_owned(), subjects, fold: split.fold(), grounds, remedy }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_people_were_known_stands_beside_them() {
        let set = |people: &[&str]| people.iter().map(|&person| person.to_owned()).collect::<BTreeSet<_>>();
        let known = |content, name| Known { by_content: set(content), by_name: set(name) };
        let both = known(&["02"], &["01", "03"]);
        assert_eq!(both.subjects(), "01, 02, 03");
        let (told, remedy) = both.grounds("folder");
        assert_eq!(told, "by the content of a recording, but 01, 03 by name alone, in a pool of a corpus `folder` too");
        assert!(remedy.contains("rename their files"));
        assert_eq!(known(&["02"], &[]).grounds("folder"), ("by the content of a recording".to_owned(), ""));
        let (told, remedy) = known(&[], &["01"]).grounds("folder");
        assert!(told == "by name alone, in a pool of a corpus `folder` too" && !remedy.is_empty(), "{told}");
    }
}
