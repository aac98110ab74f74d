//! Encoders that this run did not train: do they fit the windows, and whom have they seen?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::Digest;

use crate::data::splits::{Corpora, NearWindow, Nearness, PoolSpan, RoleProof, Split};
use crate::data::store::Store;
use crate::error::Error;
use crate::learning::nn::save_encoder;
use crate::learning::train::{Assumed, Contract, Pretrained};
use crate::runs::{Journal, RunFolder};
use crate::signal::RecordingEntry;

use super::arms::{taken, twice};
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

/// The end of an arm's name whose encoder has seen people who judge it.
pub(super) const TRANSDUCTIVE: &str = "-transductive";

/// Reads an encoder that is to work on the windows of a store, and says what it does not say of itself.
///
/// # Errors
/// A file that cannot be read; one made for other windows, with both sides.
pub(super) fn take(pipeline: &Pipeline, path: &Path, store: &Store, means: &Means) -> Result<Pretrained, Error> {
    let assumed = Assumed { encoder: &pipeline.encoder, store, pool: pipeline.outside.as_ref() };
    let pretrained = Pretrained::from_file(path, assumed, &means.device)?;
    check_fit(path, &pretrained.contract, store)?;
    let (path, contract) = (path.display(), &pretrained.contract);
    if contract.recipe_hash.is_empty() || contract.pool.split_hash.is_empty() {
        means.watch.progress().caution(&format!(
            "{path} says nothing of rate, channels and units: the store's are taken for its own; its pool is as declared"
        ));
    }
    Ok(pretrained)
}

/// An encoder from outside that may be judged, read once.
pub struct Admitted {
    /// The file that was named.
    file: PathBuf,
    /// Its SHA-256.
    file_hash: String,
    /// What stood in it.
    pub(super) pretrained: Pretrained,
    /// What it is called, the same in all folds.
    pub(super) arm: OutsideArm,
}

/// What an encoder from outside is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutsideArm {
    /// The word in tables, which names folders of the run too.
    pub(super) name: String,
    /// Whether it has seen those who judge it.
    transductive: bool,
}

/// Holds an encoder against every fold of a pipeline before a run begins, so that a refusal leaves nothing behind.
///
/// # Errors
/// A file whose name cannot stand in the table, one that cannot be read, an encoder made for other windows, one that has
/// seen people who judge it, unless `policy` is to say so.
pub fn admit(pipeline: &Pipeline, path: &Path, policy: Seen, means: &Means) -> Result<Admitted, Error> {
    plain_name(pipeline, path)?;
    let store = prepare(pipeline, Stale::Refuse, means)?.store;
    let pretrained = take(pipeline, path, &store, means)?;
    let file_hash = hash_of(path)?;
    let drawn = Drawn::of(pipeline, &store)?;
    let arm = arm_of((pipeline, path), &pretrained, (&store, &drawn.splits), policy)?;
    Ok(Admitted { file: path.to_owned(), file_hash, pretrained, arm })
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

/// People of a store whom an encoder has seen.
struct Met {
    /// A recording of theirs has the very bytes of one in its pool.
    by_content: BTreeSet<String>,
    /// Their name is one of its pool, which is of a corpus of the same name, and no recording is the same.
    by_name: BTreeSet<String>,
}

impl Met {
    /// Of those whose recordings, by person and table entry, are `asked` about.
    fn of(contract: &Contract, store: &Store, asked: impl Fn(&String, &RecordingEntry) -> bool) -> Self {
        let (pool, table) = (&contract.pool, store.table());
        let same_corpus = pool.corpus == store.corpus();
        let mut met = Self { by_content: BTreeSet::new(), by_name: BTreeSet::new() };
        for entry in &table.recordings {
            let (subject, hash) = (&table.subjects[entry.subject as usize].0, &entry.content_hash);
            if !asked(subject, entry) {
                continue;
            }
            // A store without hashes (made in memory) is known by its names alone.
            if !hash.is_empty() && pool.recordings.binary_search(hash).is_ok() {
                met.by_content.insert(subject.clone());
            }
            if same_corpus && pool.subjects.contains(subject) {
                met.by_name.insert(subject.clone());
            }
        }
        met.by_name.retain(|subject| !met.by_content.contains(subject));
        met
    }

    /// Of those who judge in a fold.
    fn judges(contract: &Contract, store: &Store, split: &Split) -> Self {
        let roles = &split.proof().roles;
        Self::of(contract, store, |subject, entry| {
            let holds = |role: &RoleProof| role.subjects.contains(subject) && role.recordings.contains(&entry.id);
            holds(&roles.validation) || holds(&roles.test)
        })
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
    /// People of the store whom it has seen; absent in runs of earlier versions, which took the split's pool for them.
    pub(super) seen: Option<BTreeSet<String>>,
    /// SHA-256 of the copy in the run folder; absent in runs of earlier versions.
    pub(super) copy_hash: Option<String>,
}

impl Outsider {
    /// The event of the journal.
    const EVENT: &'static str = "outside";

    /// Copies the encoder into a run and writes down where it came from.
    pub(super) fn keep(
        (admitted, seen): (&Admitted, &BTreeSet<String>),
        folder: &RunFolder,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let Admitted { file, file_hash, pretrained, arm: OutsideArm { name, transductive } } = admitted;
        let copy = RunFolder::encoder_file(&folder.checkpoint_folder(name, 0)?.join(Self::EVENT));
        save_encoder(&copy, &pretrained.group, &provenance(&pretrained.contract))?;
        let outsider = Self {
            arm: name.clone(),
            transductive: *transductive,
            file: file.clone(),
            file_hash: file_hash.clone(),
            seen: Some(seen.clone()),
            copy_hash: Some(hash_of(&copy)?),
        };
        Ok(journal.record_once(Self::EVENT, &outsider)?)
    }

    /// Refuses to go on with the pipeline's own arms in the run of an encoder from outside.
    ///
    /// # Errors
    /// A run that judged one, or began to; a journal that cannot be read.
    pub(super) fn refuse(folder: &RunFolder) -> Result<(), Error> {
        match Self::of(&folder.read_journal()?) {
            Some(Self { file, .. }) => {
                Err(PipelineError::OutsideRun { run: folder.path().to_owned(), encoder: file }.into())
            }
            None => Ok(()),
        }
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

    /// SHA-256 of its copy as it lies in the run folder now.
    ///
    /// # Errors
    /// A copy that cannot be read.
    pub(super) fn hash_of_copy(&self, folder: &RunFolder) -> Result<String, Error> {
        hash_of(&self.copy(folder))
    }

    /// The people of a store whom its copy has seen.
    ///
    /// # Errors
    /// A copy that cannot be read.
    pub(super) fn people_of_copy(&self, folder: &RunFolder, store: &Store) -> Result<BTreeSet<String>, Error> {
        Ok(people_seen(&Contract::of_file(&self.copy(folder))?, store))
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

fn hash_of(path: &Path) -> Result<String, Error> {
    Ok(Digest::of_file(path).map_err(|source| PipelineError::Hash { path: path.to_owned(), source })?)
}

/// What a file of weights says of itself: what it was made for and from, each part as JSON.
pub(super) fn provenance(contract: &Contract) -> BTreeMap<String, String> {
    match serde_json::to_value(contract) {
        Ok(Value::Object(keys)) => keys.into_iter().map(|(key, value)| (key, value.to_string())).collect(),
        _ => BTreeMap::new(),
    }
}

/// The people of a store whom an encoder has seen, by the content of a recording or by name in the same corpus.
pub(super) fn people_seen(contract: &Contract, store: &Store) -> BTreeSet<String> {
    let Met { mut by_content, by_name } = Met::of(contract, store, |_, _| true);
    by_content.extend(by_name);
    by_content
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
    let met = Met::judges(contract, store, split);
    let subjects = met.subjects();
    if subjects.is_empty() {
        return None;
    }
    let (mut grounds, remedy) = met.grounds(store.corpus());
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

/// The name that a file gives its arm, if it can stand in the table beside the controls.
///
/// # Errors
/// A name that a control has, one that ends in a word which says something of an arm, one that makes two lines of the
/// table the same.
pub(super) fn plain_name(pipeline: &Pipeline, path: &Path) -> Result<String, Error> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    // It names folders of the run.
    let plain = |sign: char| if sign.is_ascii_alphanumeric() || "-_.".contains(sign) { sign } else { '_' };
    let stem: String = stem.trim_start_matches('.').chars().map(plain).collect();
    let fault = if stem.is_empty() {
        Some("nothing is left of the name of the file".to_owned())
    } else if let Some(taken) = taken(&stem) {
        Some(taken)
    } else {
        twice(&pipeline.judged_names(Some(&stem)))
            .map(|name| format!("with an arm `{stem}` two lines of the table would be called `{name}`"))
    };
    match fault {
        None => Ok(stem),
        Some(message) => Err(PipelineError::OutsideName { path: path.to_owned(), message }.into()),
    }
}

/// What an encoder from outside is called, the same in all folds.
///
/// # Errors
/// As [`plain_name`]; an encoder that has seen people who judge it in any of them, in plans within a person their windows or what lies near
/// these, unless that is to be said.
pub(super) fn arm_of(
    (pipeline, path): (&Pipeline, &Path),
    pretrained: &Pretrained,
    (store, splits): (&Store, &[Split]),
    policy: Seen,
) -> Result<OutsideArm, Error> {
    let name = plain_name(pipeline, path)?;
    let found = splits.iter().find_map(|split| seen(path, &pretrained.contract, (store, split)));
    match (found, policy) {
        (None, _) => Ok(OutsideArm { name, transductive: false }),
        (Some(_), Seen::Said) => Ok(OutsideArm { name: name + TRANSDUCTIVE, transductive: true }),
        (Some(error), Seen::Refused) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::PipelineText;

    #[test]
    fn how_people_were_known_stands_beside_them() {
        let set = |people: &[&str]| people.iter().map(|&person| person.to_owned()).collect::<BTreeSet<_>>();
        let known = |content, name| Met { by_content: set(content), by_name: set(name) };
        let both = known(&["02"], &["01", "03"]);
        assert_eq!(both.subjects(), "01, 02, 03");
        let (told, remedy) = both.grounds("folder");
        assert_eq!(told, "by the content of a recording, but 01, 03 by name alone, in a pool of a corpus `folder` too");
        assert!(remedy.contains("rename their files"));
        assert_eq!(known(&["02"], &[]).grounds("folder"), ("by the content of a recording".to_owned(), ""));
        let (told, remedy) = known(&[], &["01"]).grounds("folder");
        assert!(told == "by name alone, in a pool of a corpus `folder` too" && !remedy.is_empty(), "{told}");
    }

    #[test]
    fn a_file_whose_name_cannot_stand_in_the_table_is_refused() {
        let parse = |more: &str| {
            let text =
                format!("corpus = {{ name = \"mit-bih\", root = \"x\" }}\nsplit = {{ name = \"shares\" }}\n{more}");
            Pipeline::parse(&PipelineText::new("p.toml", text), None).unwrap()
        };
        let (plain, rr) = (parse(""), parse("evaluate = { rr = [\"none\", \"rr\"] }"));
        let name = |pipeline, file: &str| plain_name(pipeline, Path::new(file)).map_err(|error| error.to_string());
        for (file, word) in [
            ("majority.safetensors", "the name of a control"),
            ("dir/random.safetensors", "the name of a control"),
            ("end-to-end.pt", "the name of a control"),
            ("end-to-end-tuned.safetensors", "the name of a control"),
            ("x-transductive.safetensors", "ends in `-transductive`"),
            ("x-forced.safetensors", "ends in `-forced`"),
            ("...", "nothing is left"),
        ] {
            let told = name(&plain, file).unwrap_err();
            assert!(told.contains(word) && told.contains(file), "{file}: {told}");
        }
        assert_eq!(name(&plain, "dir/my encoder.v2.safetensors"), Ok("my_encoder.v2".to_owned()));
        // A line of the features alone is called so, where they are asked for.
        assert_eq!(name(&plain, "rr.safetensors"), Ok("rr".to_owned()));
        let told = name(&rr, "rr.safetensors").unwrap_err();
        assert!(told.contains("two lines of the table would be called `rr-linear`"), "{told}");
    }
}
