//! Encoders that this run did not train: do they fit the windows, and whom have they seen?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::Digest;

use crate::data::splits::{Corpora, NearWindow, Nearness, PoolSpan, Split};
use crate::data::store::Store;
use crate::error::Error;
use crate::learning::nn::save_encoder;
use crate::learning::train::{Assumed, Contract, Pretrained};
use crate::runs::{Journal, RunFolder};

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

/// Reads an encoder that is to work on the windows of a store, and says what it does not say of itself.
///
/// # Errors
/// A file that cannot be read; one made for other windows, with both sides.
pub(super) fn take(pipeline: &Pipeline, path: &Path, store: &Store, means: &Means) -> Result<Pretrained, Error> {
    let pretrained = read(pipeline, path, store, means)?;
    let (path, contract) = (path.display(), &pretrained.contract);
    if contract.recipe_hash.is_empty() || contract.pool.split_hash.is_empty() {
        means.watch.progress().caution(&format!(
            "{path} says nothing of rate, channels and units: the store's are taken for its own; its pool is as declared"
        ));
    }
    Ok(pretrained)
}

/// The same without a word.
///
/// # Errors
/// As [`take`].
pub(super) fn read(pipeline: &Pipeline, path: &Path, store: &Store, means: &Means) -> Result<Pretrained, Error> {
    let assumed = Assumed { encoder: &pipeline.encoder, store, pool: pipeline.outside.as_ref() };
    let pretrained = Pretrained::from_file(path, assumed, &means.device)?;
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
    arm_name(path, &pretrained, (&store, &drawn.splits), policy).map(drop)
}

/// An encoder reads only windows like those it was made for.
///
/// # Errors
/// All that differs, with both sides.
pub(super) fn check_fit(path: &Path, contract: &Contract, store: &Store) -> Result<(), Error> {
    let differences = contract.misfits(store);
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

/// An encoder that a run judged in place of its arms: an entry of the journal. A copy lies in the run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outsider {
    /// Its name in the table.
    pub(super) arm: String,
    /// Whether it has seen those who judged it.
    pub(super) transductive: bool,
    /// The file that was named.
    file: PathBuf,
    /// Its SHA-256.
    file_hash: String,
}

impl Outsider {
    /// The event of the journal.
    const EVENT: &'static str = "outside";

    /// Copies the encoder into a run and writes down where it came from.
    pub(super) fn keep(
        (arm, file): (&str, &Path),
        pretrained: &Pretrained,
        folder: &RunFolder,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let fault = |source| PipelineError::Hash { path: file.to_owned(), source };
        let outsider = Self {
            arm: arm.to_owned(),
            transductive: arm.ends_with(&format!("-{TRANSDUCTIVE}")),
            file: file.to_owned(),
            file_hash: Digest::of_file(file).map_err(fault)?,
        };
        let copy = RunFolder::encoder_file(&folder.checkpoint_folder(arm, 0)?.join(Self::EVENT));
        save_encoder(&copy, &pretrained.group, &provenance(&pretrained.contract))?;
        Ok(journal.record_once(Self::EVENT, &outsider)?)
    }

    /// The one that a run judged; none where it judged its own arms.
    pub(super) fn of(journal: &[Map<String, Value>]) -> Option<Self> {
        let entry = journal.iter().rfind(|entry| entry.get("event").is_some_and(|event| event == Self::EVENT))?;
        serde_json::from_value(Value::Object(entry.clone())).ok()
    }

    /// Where its copy lies in a run folder.
    pub(super) fn copy(&self, folder: &RunFolder) -> PathBuf {
        RunFolder::encoder_file(&folder.checkpoints(&self.arm, 0).join(Self::EVENT))
    }

    /// Whether its copy has seen those who judge in these splits.
    ///
    /// # Errors
    /// A copy that cannot be read.
    pub(super) fn has_seen(&self, folder: &RunFolder, store: &Store, splits: &[Split]) -> Result<bool, Error> {
        let copy = self.copy(folder);
        let contract = Contract::of_file(&copy)?;
        Ok(splits.iter().any(|split| seen(&copy, &contract, (store, split)).is_some()))
    }
}

/// What a file of weights says of itself: what it was made for and from, each part as JSON.
pub(super) fn provenance(contract: &Contract) -> BTreeMap<String, String> {
    match serde_json::to_value(contract) {
        Ok(Value::Object(keys)) => keys.into_iter().map(|(key, value)| (key, value.to_string())).collect(),
        _ => BTreeMap::new(),
    }
}

/// The people of a store whom an encoder has seen, by the content of a recording or by name in the same corpus.
pub(super) fn people_seen(contract: &Contract, store: &Store) -> Vec<String> {
    let (pool, table) = (&contract.pool, store.table());
    let same_corpus = pool.corpus == store.corpus();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for entry in &table.recordings {
        let subject = &table.subjects[entry.subject as usize].0;
        let known = pool.recordings.binary_search(&entry.content_hash).is_ok();
        if known || (same_corpus && pool.subjects.contains(subject)) {
            seen.insert(subject);
        }
    }
    seen.into_iter().map(str::to_owned).collect()
}

/// What an encoder has seen of a fold, as the refusal that it would be.
fn seen(path: &Path, contract: &Contract, (store, split): (&Store, &Split)) -> Option<PipelineError> {
    if split.proof().scope.is_within() {
        // Within a person, who is in the pool is in the test too: what counts is where the windows lie.
        if let Some(spans) = &contract.pool.spans {
            return near(path, (contract, spans), (store, split));
        }
        // The pool of this very split keeps them apart, wherever they lie.
        if contract.pool.split_hash == split.hash() {
            return None;
        }
    }
    let known = Known::of(contract, store, split);
    let subjects = known.subjects();
    if subjects.is_empty() {
        return None;
    }
    let (mut grounds, remedy) = known.grounds(store.corpus());
    if split.proof().scope.is_within() {
        grounds.push_str(UNPLACED);
    }
    Some(PipelineError::Leak { path: path.to_owned(), subjects, fold: split.fold(), grounds, remedy })
}

/// What is added where a plan within a person could have been judged by window.
const UNPLACED: &str = "; the file does not say which of their windows, as those of earlier versions and from elsewhere \
     do not, so all count";

/// The windows of a fold that pretraining read, or that lie within the gap of one that it read.
fn near(
    path: &Path,
    (contract, spans): (&Contract, &[PoolSpan]),
    (store, split): (&Store, &Split),
) -> Option<PipelineError> {
    let corpora = if contract.pool.corpus == store.corpus() { Corpora::Same } else { Corpora::Different };
    let Nearness { windows, of, subjects, example } = split.near(store.table(), spans, corpora);
    let rate_hz = store.spec().rate_hz;
    let seconds = |[first, end]: [i64; 2]| {
        // What lies before a recording repeats its first sample.
        format!("{:.2} to {:.2} s", first.max(0) as f64 / rate_hz, end as f64 / rate_hz)
    };
    let NearWindow { role, subject, recording, window, read } = example?;
    Some(PipelineError::NearPool {
        path: path.to_owned(),
        fold: split.fold(),
        windows,
        of,
        gap_s: split.proof().gap_samples as f64 / rate_hz,
        example: format!(
            "`{subject}`, recording {recording}, {role} window at {}; pretraining read {} of it",
            seconds(window),
            seconds(read)
        ),
        subjects: subjects.into_iter().collect::<Vec<_>>().join(", "),
    })
}

/// The name of an arm on an encoder from outside, the same in all folds.
///
/// # Errors
/// An encoder that has seen people who judge it in any of them, in plans within a person their windows or what lies near
/// these, unless that is to be said.
pub(super) fn arm_name(
    path: &Path,
    pretrained: &Pretrained,
    (store, splits): (&Store, &[Split]),
    policy: Seen,
) -> Result<String, Error> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    // It names folders of the run.
    let plain = |sign: char| if sign.is_ascii_alphanumeric() || "-_.".contains(sign) { sign } else { '_' };
    let stem: String = stem.trim_start_matches('.').chars().map(plain).collect();
    let found = splits.iter().find_map(|split| seen(path, &pretrained.contract, (store, split)));
    match (found, policy) {
        (None, _) => Ok(stem),
        (Some(_), Seen::Said) => Ok(format!("{stem}-{TRANSDUCTIVE}")),
        (Some(error), Seen::Refused) => Err(error.into()),
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
