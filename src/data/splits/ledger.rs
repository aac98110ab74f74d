//! The ledger of test reads: a file beside the store that says how often the test people have been looked at.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::AppendFile;
use crate::runs::stamp;

use super::SplitError;
use super::role::{Subset, Test};

/// Written into every line; raised when its form changes.
const SCHEMA: u32 = 1;

/// A finished choice: what opens a test. Made where a choice is finished, nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    split_hash: String,
    recipe_hash: String,
    weights_hash: String,
    choice: String,
}

impl Selected {
    /// `choice` says in words what was chosen (arm, regularisation, epoch).
    pub(crate) fn new(split_hash: &str, recipe_hash: &str, weights_hash: &str, choice: String) -> Self {
        Self {
            split_hash: split_hash.to_owned(),
            recipe_hash: recipe_hash.to_owned(),
            weights_hash: weights_hash.to_owned(),
            choice,
        }
    }

    /// The split whose validation people decided.
    pub fn split_hash(&self) -> &str {
        &self.split_hash
    }

    /// SHA-256 of all numbers that the classifier's answers hang on.
    pub fn weights_hash(&self) -> &str {
        &self.weights_hash
    }

    /// What was chosen.
    pub fn choice(&self) -> &str {
        &self.choice
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Version of this form.
    pub schema: u32,
    /// When, in UTC.
    pub time: String,
    /// How many times this split's test has been read, this time included.
    pub ordinal: u64,
    /// What was chosen before the reading.
    #[serde(flatten)]
    pub selected: Selected,
    /// The command that read.
    pub command: String,
}

/// Test rows, handed out.
#[derive(Debug)]
pub struct OpenedTest<'a> {
    /// The rows.
    pub subset: &'a Subset<Test>,
    /// How many times this split's test has been read, this time included.
    pub ordinal: u64,
}

/// Appends to and counts in a ledger.
#[derive(Debug)]
pub struct TestLedger {
    path: PathBuf,
    command: String,
    ordinals: Vec<u64>,
}

impl TestLedger {
    /// The ledger of the store at `store`: the same name with `.test-reads.jsonl` behind it.
    pub fn beside(store: &Path, command: &str) -> Self {
        let mut name = store.file_name().unwrap_or_default().to_owned();
        name.push(".test-reads.jsonl");
        Self { path: store.with_file_name(name), command: command.to_owned(), ordinals: Vec::new() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ordinals of the readings made through this value, in order.
    pub fn ordinals(&self) -> &[u64] {
        &self.ordinals
    }

    /// All readings ever made.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no reading.
    pub fn readings(&self) -> Result<Vec<Reading>, SplitError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => parse(&self.path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(SplitError::Ledger { path: self.path.clone(), source }),
        }
    }

    /// Whether a reading can be written down, before hours of work towards it. No entry is made.
    ///
    /// # Errors
    /// A file that cannot be made or opened to be appended to; as [`Self::readings`].
    pub fn check(&self) -> Result<(), SplitError> {
        AppendFile::open(&self.path).map_err(|source| SplitError::Ledger { path: self.path.clone(), source })?;
        self.readings().map(drop)
    }

    /// Writes a reading down, under a lock so that two runs cannot take the same ordinal, and gives its ordinal.
    pub(super) fn record(&mut self, selected: &Selected) -> Result<u64, SplitError> {
        let ledger = |source| SplitError::Ledger { path: self.path.clone(), source };
        let mut file = AppendFile::open(&self.path).map_err(ledger)?;
        file.lock().map_err(ledger)?;
        let before = self.readings()?;
        let same = before.iter().filter(|reading| reading.selected.split_hash == selected.split_hash);
        let ordinal = same.count() as u64 + 1;
        let (selected, command) = (selected.clone(), self.command.clone());
        let reading = Reading { schema: SCHEMA, time: stamp(), ordinal, selected, command };
        let line = serde_json::to_string(&reading).expect("a reading is plain data");
        file.append_line(&line).and_then(|()| file.sync()).map_err(ledger)?;
        self.ordinals.push(ordinal);
        Ok(ordinal)
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Reading>, SplitError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| SplitError::BadLedger {
                path: path.to_owned(),
                line: index + 1,
                message: error.to_string(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_counted_by_split_and_survive() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a.h5");
        let chosen = |split: &str| Selected::new(split, "recipe", "weights", "C = 1".to_owned());
        let mut ledger = TestLedger::beside(&store, "biossl run");
        assert_eq!(ledger.record(&chosen("one")).unwrap(), 1);
        assert_eq!(ledger.record(&chosen("two")).unwrap(), 1);
        let mut later = TestLedger::beside(&store, "biossl evaluate");
        assert_eq!(later.record(&chosen("one")).unwrap(), 2);
        assert_eq!(later.readings().unwrap().len(), 3);
        assert_eq!((ledger.ordinals(), later.ordinals()), (&[1, 1][..], &[2][..]));
    }

    #[test]
    fn a_ledger_that_takes_no_reading_is_found_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = TestLedger::beside(&folder.path().join("a.h5"), "x");
        ledger.check().unwrap();
        assert_eq!(ledger.readings().unwrap(), []);
        let barred = TestLedger::beside(&folder.path().join("b.h5"), "x");
        std::fs::create_dir_all(barred.path()).unwrap();
        assert!(matches!(barred.check(), Err(SplitError::Ledger { path, .. }) if path == barred.path()));
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = TestLedger::beside(&folder.path().join("a.h5"), "x");
        std::fs::OpenOptions::new().create(true).append(true).open(ledger.path()).unwrap();
        AppendFile::open(ledger.path()).unwrap().append_line("{}").unwrap();
        assert!(matches!(ledger.readings(), Err(SplitError::BadLedger { line: 1, .. })));
    }
}
