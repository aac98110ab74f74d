//! The only place that knows what the files of a run are called.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::{sweep_partials, write_atomically};

use super::RunError;
use super::journal::Journal;
use super::manifest::Manifest;
use super::predictions::PredictionTable;

const PIPELINE: &str = "pipeline.toml";
const SPLIT: &str = "split.json";
const JOURNAL: &str = "journal.jsonl";
const CHECKPOINTS: &str = "checkpoints";
const ENCODER: &str = "encoder.safetensors";
const PREDICTIONS: &str = "predictions.csv";
const SCORES: &str = "scores.json";
const MANIFEST: &str = "manifest.json";

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
}

impl RunFolder {
    /// Makes the folder, or takes an existing one as `existing` says.
    ///
    /// # Errors
    /// A folder that is there and should not be, or the other way round; one that cannot be made.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, RunError> {
        let run = Self { path: path.to_owned() };
        let occupied = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        match existing {
            Existing::Refuse if occupied => return Err(RunError::Exists { path: path.to_owned() }),
            Existing::Resume => {
                // What a killed process left half-written belongs to nobody.
                sweep_partials(path).map_err(RunError::io(path))?;
                return Self::open(path);
            }
            Existing::Overwrite if occupied => run.clear()?,
            Existing::Refuse | Existing::Overwrite => {}
        }
        std::fs::create_dir_all(path).map_err(RunError::io(path))?;
        Ok(run)
    }

    /// An existing run.
    ///
    /// # Errors
    /// A folder without the file that every run begins with.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        if path.join(PIPELINE).is_file() {
            Ok(Self { path: path.to_owned() })
        } else {
            Err(RunError::NotARun { path: path.to_owned(), missing: PIPELINE })
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
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

    /// Opens the journal at its end.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn journal(&self) -> Result<Journal, RunError> {
        Journal::open(&self.path.join(JOURNAL))
    }

    /// The folder for the checkpoints of one arm and fold, made where it is missing: `checkpoints/ARM/FOLD`.
    ///
    /// # Errors
    /// A name that would lead out of the run folder; a folder that cannot be made.
    pub fn checkpoint_folder(&self, arm: &str, fold: u16) -> Result<PathBuf, RunError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if arm.is_empty() || arm.starts_with('.') || !arm.chars().all(plain) {
            return Err(RunError::BadName { name: arm.to_owned() });
        }
        let path = self.path.join(CHECKPOINTS).join(arm).join(fold.to_string());
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

    /// Hashes every file of the run into the manifest: the last thing that a stage of a run does.
    ///
    /// # Errors
    /// A file that cannot be read; as [`Self::write_pipeline`].
    pub fn seal(&self) -> Result<Manifest, RunError> {
        let manifest = Manifest::of(&self.path, MANIFEST)?;
        self.write_json(MANIFEST, &manifest)?;
        Ok(manifest)
    }

    /// Files that were changed, added or lost since [`Self::seal`].
    ///
    /// # Errors
    /// As [`Self::read_pipeline`]; a run that was never sealed.
    pub fn changed_files(&self) -> Result<Vec<String>, RunError> {
        let sealed: Manifest = self.read_json(MANIFEST)?;
        Ok(sealed.differences(&Manifest::of(&self.path, MANIFEST)?))
    }

    fn clear(&self) -> Result<(), RunError> {
        if !self.path.join(PIPELINE).is_file() {
            // Not ours: whatever lies there stays.
            return Err(RunError::NotARun { path: self.path.clone(), missing: PIPELINE });
        }
        let checkpoints = self.path.join(CHECKPOINTS);
        if checkpoints.is_dir() {
            std::fs::remove_dir_all(&checkpoints).map_err(RunError::io(&checkpoints))?;
        }
        for name in [PIPELINE, SPLIT, JOURNAL, PREDICTIONS, SCORES, MANIFEST] {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn made(folder: &Path) -> RunFolder {
        let run = RunFolder::create(&folder.join("run"), Existing::Refuse).unwrap();
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
        assert!(matches!(RunFolder::create(run.path(), Existing::Refuse), Err(RunError::Exists { .. })));
        assert_eq!(RunFolder::create(run.path(), Existing::Resume).unwrap().read_scores::<f64>().unwrap(), [1.5]);
        let replaced = RunFolder::create(run.path(), Existing::Overwrite).unwrap();
        assert!(replaced.read_scores::<f64>().is_err());
    }

    #[test]
    fn a_folder_that_is_no_run_is_never_cleared() {
        let folder = tempfile::tempdir().unwrap();
        write_atomically(&folder.path().join("thesis.txt"), b"years").unwrap();
        assert!(matches!(RunFolder::create(folder.path(), Existing::Overwrite), Err(RunError::NotARun { .. })));
        assert!(folder.path().join("thesis.txt").is_file());
    }

    #[test]
    fn manifest_tells_changed_added_and_lost_files() {
        let folder = tempfile::tempdir().unwrap();
        let run = made(folder.path());
        let manifest = run.seal().unwrap();
        assert_eq!(manifest.files.keys().map(String::as_str).collect::<Vec<_>>(), [JOURNAL, PIPELINE, SCORES]);
        assert_eq!(run.changed_files().unwrap(), Vec::<String>::new());
        run.write_scores(&[1.6]).unwrap();
        write_atomically(&run.path().join("checkpoints/base/0/w"), b"x").unwrap();
        assert_eq!(run.changed_files().unwrap(), ["checkpoints/base/0/w", SCORES]);
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
