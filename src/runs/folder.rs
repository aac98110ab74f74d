//! The only place that knows what the files of a run are called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::base::{AppendFile, Claim, Digest, LockFile, sweep_partials, write_atomically};

use super::RunError;
use super::events::Events;
use super::journal::Journal;
use super::manifest::Manifest;
use super::predictions::PredictionTable;
use super::stamp::stamp;

const PIPELINE: &str = "pipeline.toml";
const SUBJECTS: &str = "subjects";
const SPLIT: &str = "split.json";
const JOURNAL: &str = "journal.jsonl";
const CHECKPOINTS: &str = "checkpoints";
const ENCODER: &str = "encoder.safetensors";
const PREDICTIONS: &str = "predictions.csv";
const SCORES: &str = "scores.json";
const CLASSIFIERS: &str = "classifiers";
const EVALUATION: &str = "evaluation.json";
/// The ending of files with weights.
const WEIGHTS: &str = ".safetensors";
const EVENTS: &str = "tensorboard";
const MANIFEST: &str = "manifest.json";
const COMMANDS: &str = "commands.jsonl";
const LOCK: &str = ".lock";
/// What a manifest does not speak of: itself, and the lock, which says who writes now.
const NOT_SEALED: [&str; 2] = [MANIFEST, LOCK];

/// Written into every line of the list of commands; raised when its form changes.
const COMMANDS_SCHEMA: u32 = 1;

/// Stands in the evaluation; raised when its form changes.
const EVALUATION_SCHEMA: u32 = 2;

/// An evaluation with its version before its own keys.
#[derive(Serialize)]
struct Versioned<'a, T> {
    schema: u32,
    #[serde(flatten)]
    evaluation: &'a T,
}

/// The version of a file, before the rest is understood; those of the first versions have none.
#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    schema: u32,
}

/// What to do about a run that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// An error.
    Refuse,
    /// Go on with it; an error when there is none.
    Resume,
    /// Remove the files of the old run (and nothing else) first.
    Overwrite,
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Held by who writes; `None` for who only reads.
    lock: Option<Arc<LockFile>>,
}

impl RunFolder {
    /// Makes the folder, or takes an existing one as `existing` says, and claims it: until the value and its clones are
    /// gone no other process gets it. `command` is told to whoever asks meanwhile.
    ///
    /// # Errors
    /// A folder that is there and should not be, or the other way round; one that another process writes; one that
    /// cannot be made.
    pub fn create(path: &Path, existing: Existing, command: &str) -> Result<Self, RunError> {
        let mut run = Self { path: path.to_owned(), lock: None };
        // Before the lock: nothing is written into a folder that is somebody else's.
        match existing {
            Existing::Refuse => run.refuse_occupied()?,
            Existing::Overwrite if !run.is_occupied() => {}
            Existing::Resume | Existing::Overwrite => drop(Self::open(path)?),
        }
        std::fs::create_dir_all(path).map_err(RunError::io(path))?;
        run.lock = Some(Arc::new(run.claim(command)?));
        match existing {
            // What a killed process left half-written belongs to nobody.
            Existing::Resume => sweep_partials(path).map_err(RunError::io(path))?,
            // Again under the lock: another process may have written a whole run since.
            Existing::Refuse => run.refuse_occupied()?,
            Existing::Overwrite => run.clear()?,
        }
        let line = json!({ "schema": COMMANDS_SCHEMA, "time": stamp(), "tool_version": env!("CARGO_PKG_VERSION"), "command": command });
        let commands = run.path.join(COMMANDS);
        let mut file = AppendFile::open(&commands).map_err(RunError::io(&commands))?;
        file.append_line(&line.to_string()).map_err(RunError::io(&commands))?;
        Ok(run)
    }

    fn claim(&self, command: &str) -> Result<LockFile, RunError> {
        let lock = self.path.join(LOCK);
        let owner = format!("process {} since {}: {command}", std::process::id(), stamp());
        match LockFile::claim(&lock, &owner) {
            Ok(Claim::Taken(lock)) => Ok(lock),
            Ok(Claim::Held(holder)) => Err(RunError::Claimed { path: self.path.clone(), holder }),
            Err(source) => Err(RunError::Lock { path: lock, source }),
        }
    }

    /// Whether anything lies there but what a process leaves that was killed before its first file.
    fn is_occupied(&self) -> bool {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name != LOCK && name != COMMANDS && !name.ends_with(".partial")
        })
    }

    /// Whether something lies at `path` that a new run must not touch.
    pub fn occupied(path: &Path) -> bool {
        Self { path: path.to_owned(), lock: None }.is_occupied()
    }

    fn refuse_occupied(&self) -> Result<(), RunError> {
        if self.is_occupied() { Err(RunError::Exists { path: self.path.clone() }) } else { Ok(()) }
    }

    /// An existing run, to be read.
    ///
    /// # Errors
    /// A folder without the file that every run begins with.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        if path.join(PIPELINE).is_file() {
            Ok(Self { path: path.to_owned(), lock: None })
        } else {
            Err(RunError::NotARun { path: path.to_owned(), missing: PIPELINE })
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The part of one person, `subjects/ID`, in a run that has an encoder a person. The claim is the run's.
    ///
    /// # Errors
    /// A name that would lead out of the run folder.
    pub fn of_subject(&self, id: &str) -> Result<Self, RunError> {
        Ok(Self { path: self.path.join(SUBJECTS).join(plain(id)?), lock: self.lock.clone() })
    }

    /// Whether a person's id can be the name of their part.
    ///
    /// # Errors
    /// A name that would lead out of the run folder, or that not every file system takes.
    pub fn check_subject(id: &str) -> Result<(), RunError> {
        plain(id).map(drop)
    }

    /// The run itself, then the parts of its people in order.
    fn parts(&self) -> Result<Vec<Self>, RunError> {
        let people = self.path.join(SUBJECTS);
        let parts = names_in(&people)?.into_iter().map(|id| Self { path: people.join(id), lock: self.lock.clone() });
        Ok(std::iter::once(self.clone()).chain(parts).collect())
    }

    /// Writes the resolved pipeline.
    ///
    /// # Errors
    /// When the file cannot be written; so for all `write_` functions.
    pub fn write_pipeline(&self, toml: &str) -> Result<(), RunError> {
        self.write(PIPELINE, toml.as_bytes())
    }

    /// The resolved pipeline as it was written.
    ///
    /// # Errors
    /// When the file cannot be read; so for all `read_` functions.
    pub fn read_pipeline(&self) -> Result<String, RunError> {
        let path = self.path.join(PIPELINE);
        std::fs::read_to_string(&path).map_err(RunError::io(&path))
    }

    /// Writes the proofs, one a fold.
    ///
    /// # Errors
    /// As [`Self::write_pipeline`].
    pub fn write_splits<T: Serialize>(&self, proofs: &[T]) -> Result<(), RunError> {
        self.write_json(SPLIT, &proofs)
    }

    /// Reads the proofs back.
    ///
    /// # Errors
    /// As [`Self::read_pipeline`], or a file of another form.
    pub fn read_splits<T: DeserializeOwned>(&self) -> Result<Vec<T>, RunError> {
        self.read_json(SPLIT)
    }

    /// Opens the journal at its end. Who holds the run loses the line that a killed process left unfinished.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn journal(&self) -> Result<Journal, RunError> {
        let mut journal = Journal::open(&self.path.join(JOURNAL))?;
        if self.lock.is_some() {
            journal.mend()?;
        }
        Ok(journal)
    }

    /// The event file of one training, for TensorBoard: `tensorboard/ARM/FOLD/WORD/`, named as the folder of its
    /// checkpoints is.
    ///
    /// # Errors
    /// A name that would lead out of the run folder; a file that cannot be opened.
    pub fn events(&self, arm: &str, fold: u16, word: &str) -> Result<Events, RunError> {
        Events::open(&self.folder_of(EVENTS, arm, fold)?.join(word))
    }

    /// All entries of the journal.
    ///
    /// # Errors
    /// As [`Self::read_pipeline`], or a line that is no object.
    pub fn read_journal(&self) -> Result<Vec<serde_json::Map<String, serde_json::Value>>, RunError> {
        super::journal::entries(&self.path.join(JOURNAL))
    }

    /// Where the checkpoints of one arm and fold lie, if there are any.
    pub fn checkpoints(&self, arm: &str, fold: u16) -> PathBuf {
        self.path.join(CHECKPOINTS).join(arm).join(fold.to_string())
    }

    /// The folder for the checkpoints of one arm and fold, made where it is missing: `checkpoints/ARM/FOLD`.
    ///
    /// # Errors
    /// A name that would lead out of the run folder; a folder that cannot be made.
    pub fn checkpoint_folder(&self, arm: &str, fold: u16) -> Result<PathBuf, RunError> {
        self.folder_of(CHECKPOINTS, arm, fold)
    }

    /// The folder in which one training left its checkpoints, `checkpoints/ARM/FOLD/WORD`, in the part of the person
    /// whose fold it is where people have their own; it is not made.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn training_folder(&self, arm: &str, fold: u16, word: &str) -> Result<PathBuf, RunError> {
        let own = self.checkpoints(arm, fold).join(word);
        let mut places = self.parts()?.into_iter().map(|part| part.checkpoints(arm, fold).join(word));
        Ok(places.find(|place| place.is_dir()).unwrap_or(own))
    }

    /// Where a finished classifier lies: `classifiers/NAME/FOLD/seed-N.safetensors`.
    pub fn classifier_file(&self, name: &str, fold: u16, seed: u64) -> PathBuf {
        self.path.join(CLASSIFIERS).join(name).join(fold.to_string()).join(format!("seed-{seed}.safetensors"))
    }

    /// The file of a finished classifier, that of the person whose fold it is where people have their own.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn finished_classifier(&self, name: &str, fold: u16, seed: u64) -> Result<Option<PathBuf>, RunError> {
        let mut files = self.parts()?.into_iter().map(|part| part.classifier_file(name, fold, seed));
        Ok(files.find(|file| file.is_file()))
    }

    /// The names of finished classifiers, in order.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn classifiers(&self) -> Result<Vec<String>, RunError> {
        let mut names = Vec::new();
        for part in self.parts()? {
            names.extend(names_in(&part.path.join(CLASSIFIERS))?);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The files that hold what the trainings of a fold and seed came to, by their path in the run, with `/`, each with
    /// its SHA-256: finished encoders, the last checkpoint of every training, classifiers.
    ///
    /// # Errors
    /// A folder or file that cannot be read.
    pub fn weights(&self, fold: u16, seed: u64) -> Result<BTreeMap<String, String>, RunError> {
        let word = format!("seed-{seed}");
        let of_seed =
            |name: &String| name.strip_prefix(&word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        let mut paths = Vec::new();
        for part in self.parts()? {
            for arm in names_in(&part.path.join(CHECKPOINTS))? {
                let fold = part.checkpoints(&arm, fold);
                for training in names_in(&fold)?.into_iter().filter(of_seed).map(|name| fold.join(name)) {
                    let names = names_in(&training)?.into_iter().filter(|name| name.ends_with(WEIGHTS));
                    // An earlier checkpoint is what a killed process would go on from; which one is kept, its end decides.
                    let (finished, mut steps): (Vec<_>, Vec<_>) = names.partition(|name| name == ENCODER);
                    paths.extend(finished.into_iter().chain(steps.pop()).map(|name| training.join(name)));
                }
            }
            let classifiers = names_in(&part.path.join(CLASSIFIERS))?.into_iter();
            let classifiers = classifiers.map(|name| part.classifier_file(&name, fold, seed));
            paths.extend(classifiers.filter(|path| path.is_file()));
        }
        let hashed = |path: PathBuf| {
            let parts = path.strip_prefix(&self.path).unwrap_or(&path).components();
            let name: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
            Ok((name.join("/"), Digest::of_file(&path).map_err(RunError::io(&path))?))
        };
        paths.into_iter().map(hashed).collect()
    }

    fn folder_of(&self, kind: &str, arm: &str, fold: u16) -> Result<PathBuf, RunError> {
        let arm = plain(arm)?;
        let path = self.path.join(kind).join(arm).join(fold.to_string());
        std::fs::create_dir_all(&path).map_err(RunError::io(&path))?;
        Ok(path)
    }

    /// Where the weights of a finished encoder lie, in the folder of its checkpoints.
    pub fn encoder_file(checkpoints: &Path) -> PathBuf {
        checkpoints.join(ENCODER)
    }

    /// Writes all test predictions.
    ///
    /// # Errors
    /// As [`Self::write_pipeline`].
    pub fn write_predictions(&self, table: &PredictionTable) -> Result<(), RunError> {
        self.write(PREDICTIONS, &table.to_csv())
    }

    /// Reads the predictions back.
    ///
    /// # Errors
    /// As [`Self::read_pipeline`], or a table of another form.
    pub fn read_predictions(&self) -> Result<PredictionTable, RunError> {
        PredictionTable::read(&self.path.join(PREDICTIONS))
    }

    /// Writes the scores, a list.
    ///
    /// # Errors
    /// As [`Self::write_pipeline`].
    pub fn write_scores<T: Serialize>(&self, scores: &[T]) -> Result<(), RunError> {
        self.write_json(SCORES, &scores)
    }

    /// Reads the scores back.
    ///
    /// # Errors
    /// As [`Self::read_pipeline`], or a file of another form.
    pub fn read_scores<T: DeserializeOwned>(&self) -> Result<Vec<T>, RunError> {
        self.read_json(SCORES)
    }

    /// Writes everything that judging found.
    ///
    /// # Errors
    /// As [`Self::write_pipeline`].
    pub fn write_evaluation<T: Serialize>(&self, evaluation: &T) -> Result<(), RunError> {
        self.write_json(EVALUATION, &Versioned { schema: EVALUATION_SCHEMA, evaluation })
    }

    /// Reads back what judging found.
    ///
    /// # Errors
    /// As [`Self::read_pipeline`]; a file of another form, or of another version of this program.
    pub fn read_evaluation<T: DeserializeOwned>(&self) -> Result<T, RunError> {
        let Version { schema } = self.read_json(EVALUATION)?;
        if schema != EVALUATION_SCHEMA {
            let path = self.path.join(EVALUATION);
            return Err(RunError::OtherSchema { path, found: schema, expected: EVALUATION_SCHEMA });
        }
        self.read_json(EVALUATION)
    }

    /// Hashes every file of the run into the manifest: the last thing that a stage of a run does.
    ///
    /// # Errors
    /// A file that cannot be read; as [`Self::write_pipeline`].
    pub fn seal(&self) -> Result<Manifest, RunError> {
        let manifest = Manifest::of(&self.path, &NOT_SEALED)?;
        self.write_json(MANIFEST, &manifest)?;
        Ok(manifest)
    }

    /// Files that were changed, added or lost since [`Self::seal`].
    ///
    /// # Errors
    /// As [`Self::read_pipeline`]; a run that was never sealed.
    pub fn changed_files(&self) -> Result<Vec<String>, RunError> {
        let sealed: Manifest = self.read_json(MANIFEST)?;
        Ok(sealed.differences(&Manifest::of(&self.path, &NOT_SEALED)?))
    }

    fn clear(&self) -> Result<(), RunError> {
        for folder in [CHECKPOINTS, CLASSIFIERS, EVENTS, SUBJECTS].map(|name| self.path.join(name)) {
            if folder.is_dir() {
                std::fs::remove_dir_all(&folder).map_err(RunError::io(&folder))?;
            }
        }
        for name in [PIPELINE, SPLIT, JOURNAL, COMMANDS, PREDICTIONS, SCORES, EVALUATION, MANIFEST] {
            let path = self.path.join(name);
            if path.is_file() {
                std::fs::remove_file(&path).map_err(RunError::io(&path))?;
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.path.join(name);
        write_atomically(&path, bytes).map_err(RunError::io(&path))
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), RunError> {
        let text = serde_json::to_string_pretty(value).expect("records of a run are plain data");
        self.write(name, format!("{text}\n").as_bytes())
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, RunError> {
        let path = self.path.join(name);
        let text = std::fs::read_to_string(&path).map_err(RunError::io(&path))?;
        serde_json::from_str(&text).map_err(|error| RunError::Malformed {
            path,
            line: error.line(),
            message: error.to_string(),
        })
    }
}

/// What lies in a folder, in order; nothing where there is none.
fn names_in(folder: &Path) -> Result<Vec<String>, RunError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(RunError::io(folder))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<std::io::Result<Vec<_>>>().map_err(RunError::io(folder))?;
    names.sort();
    Ok(names)
}

/// A name that is one folder and no other place.
fn plain(name: &str) -> Result<&str, RunError> {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(RunError::BadName { name: name.to_owned() });
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(folder: &Path) -> RunFolder {
        let run = RunFolder::create(&folder.join("run"), Existing::Refuse, "biossl run").unwrap();
        run.write_pipeline("seeds = [1]\n").unwrap();
        run.write_scores(&[1.5]).unwrap();
        run.journal().unwrap().record("begin", &std::collections::BTreeMap::from([("n", 1)])).unwrap();
        run.checkpoint_folder("base", 0).unwrap();
        run
    }

    #[test]
    fn existing_run_is_refused_resumed_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let run = made(folder.path());
        let path = run.path().to_owned();
        let create = |existing| RunFolder::create(&path, existing, "biossl run --resume");
        assert!(matches!(create(Existing::Refuse), Err(RunError::Exists { .. })));
        drop(run);
        assert_eq!(create(Existing::Resume).unwrap().read_scores::<f64>().unwrap(), [1.5]);
        assert_eq!(std::fs::read_to_string(path.join(COMMANDS)).unwrap().lines().count(), 2);
        assert!(create(Existing::Overwrite).unwrap().read_scores::<f64>().is_err());
    }

    #[test]
    fn an_evaluation_of_an_earlier_version_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let run = made(folder.path());
        let evaluation = std::collections::BTreeMap::from([("n_windows".to_owned(), 7)]);
        run.write_evaluation(&evaluation).unwrap();
        let mut read: std::collections::BTreeMap<String, i32> = run.read_evaluation().unwrap();
        assert_eq!(read.remove("schema"), Some(EVALUATION_SCHEMA as i32));
        assert_eq!(read, evaluation);
        run.write_json(EVALUATION, &evaluation).unwrap();
        let error = run.read_evaluation::<std::collections::BTreeMap<String, i32>>().unwrap_err();
        assert!(matches!(error, RunError::OtherSchema { found: 0, expected: EVALUATION_SCHEMA, .. }), "{error}");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(error.to_string().contains("evaluation.json") && help.contains("--resume"), "{error}: {help}");
    }

    #[test]
    fn a_run_that_is_written_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let run = made(folder.path());
        for existing in [Existing::Resume, Existing::Overwrite] {
            let Err(error) = RunFolder::create(run.path(), existing, "another") else { panic!("written by two") };
            let RunError::Claimed { path, holder } = &error else { panic!("{error}") };
            assert_eq!(path, run.path());
            assert!(holder.contains("biossl run") && holder.contains(&std::process::id().to_string()), "{holder}");
        }
        assert_eq!(run.read_scores::<f64>().unwrap(), [1.5]);
        // Reading needs no claim.
        assert!(RunFolder::open(run.path()).is_ok());
        let path = run.path().to_owned();
        drop(run);
        assert!(RunFolder::create(&path, Existing::Resume, "another").is_ok());
    }

    #[test]
    fn a_folder_that_is_no_run_is_never_cleared() {
        let folder = tempfile::tempdir().unwrap();
        write_atomically(&folder.path().join("thesis.txt"), b"years").unwrap();
        let create = |existing| RunFolder::create(folder.path(), existing, "biossl run");
        assert!(matches!(create(Existing::Refuse), Err(RunError::Exists { .. })));
        assert!(!folder.path().join(LOCK).exists(), "a lock in somebody's folder");
        assert!(matches!(create(Existing::Overwrite), Err(RunError::NotARun { .. })));
        assert!(folder.path().join("thesis.txt").is_file());
    }

    #[test]
    fn manifest_tells_changed_added_and_lost_files() {
        let folder = tempfile::tempdir().unwrap();
        let run = made(folder.path());
        let manifest = run.seal().unwrap();
        assert_eq!(
            manifest.files.keys().map(String::as_str).collect::<Vec<_>>(),
            [COMMANDS, JOURNAL, PIPELINE, SCORES]
        );
        assert_eq!(run.changed_files().unwrap(), Vec::<String>::new());
        run.write_scores(&[1.6]).unwrap();
        write_atomically(&run.path().join("checkpoints/base/0/w"), b"x").unwrap();
        assert_eq!(run.changed_files().unwrap(), ["checkpoints/base/0/w", SCORES]);
    }

    #[test]
    fn the_parts_of_people_are_searched_with_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = made(folder.path());
        let person = run.of_subject("S001").unwrap();
        let (training, file) =
            (person.checkpoint_folder("base", 3).unwrap(), person.classifier_file("base-linear", 3, 1));
        std::fs::create_dir_all(training.join("seed-1")).unwrap();
        write_atomically(&file, b"weights").unwrap();
        assert_eq!(run.training_folder("base", 3, "seed-1").unwrap(), training.join("seed-1"));
        assert_eq!(run.training_folder("base", 0, "seed-1").unwrap(), run.path().join("checkpoints/base/0/seed-1"));
        assert_eq!(run.classifiers().unwrap(), ["base-linear"]);
        assert_eq!(run.finished_classifier("base-linear", 3, 1).unwrap(), Some(file));
        assert_eq!(run.finished_classifier("base-linear", 0, 1).unwrap(), None);
        assert!(RunFolder::check_subject("../S001").is_err());
    }

    #[test]
    fn arm_names_cannot_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let run = made(folder.path());
        for name in ["", "..", "a/b", ".hidden"] {
            assert!(matches!(run.checkpoint_folder(name, 0), Err(RunError::BadName { .. })));
        }
    }
}
