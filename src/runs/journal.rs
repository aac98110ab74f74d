//! The journal: what happened in a run, one JSON object a line, flushed as it happens.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{AppendFile, write_atomically};

use super::RunError;
use super::stamp::stamp;

/// Written into every line; raised when its form changes.
const SCHEMA: u32 = 1;

/// Appends to a run's journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: AppendFile,
}

impl Journal {
    /// Opens the journal at its end.
    pub(super) fn open(path: &Path) -> Result<Self, RunError> {
        let file = AppendFile::open(path).map_err(RunError::io(path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes `entry` as one line, with `schema`, `time` and `event` (what kind of entry) before its own keys.
    ///
    /// # Errors
    /// When the line cannot be written.
    ///
    /// # Panics
    /// When `entry` is no struct or map of plain data.
    pub fn record<T: Serialize>(&mut self, event: &str, entry: &T) -> Result<(), RunError> {
        let value = serde_json::to_value(entry).expect("a journal entry is plain data");
        let Value::Object(own) = value else { panic!("a journal entry has keys") };
        let mut line = Map::new();
        line.insert("schema".to_owned(), SCHEMA.into());
        line.insert("time".to_owned(), stamp().into());
        line.insert("event".to_owned(), event.into());
        line.extend(own);
        self.file.append_line(&Value::Object(line).to_string()).map_err(RunError::io(&self.path))
    }

    /// All entries so far.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no object.
    pub fn entries(&self) -> Result<Vec<Map<String, Value>>, RunError> {
        let text = std::fs::read_to_string(&self.path).map_err(RunError::io(&self.path))?;
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| {
                serde_json::from_str(line).map_err(|error| RunError::Malformed {
                    path: self.path.clone(),
                    line: index + 1,
                    message: error.to_string(),
                })
            })
            .collect()
    }

    /// Cuts the journal back to the entries that `keep` keeps: a resumed run takes up at its checkpoint and writes the
    /// rest again. A last line that a killed process left unfinished goes too.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn rewind(&mut self, keep: impl Fn(&Map<String, Value>) -> bool) -> Result<(), RunError> {
        let text = std::fs::read_to_string(&self.path).map_err(RunError::io(&self.path))?;
        let kept = text.lines().filter(|line| serde_json::from_str(line).is_ok_and(|entry| keep(&entry)));
        let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
        write_atomically(&self.path, kept.as_bytes()).map_err(RunError::io(&self.path))?;
        self.file = AppendFile::open(&self.path).map_err(RunError::io(&self.path))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Step {
        step: u64,
        loss: f64,
    }

    #[test]
    fn entries_come_back_with_their_event() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&folder.path().join("j")).unwrap();
        journal.record("step", &Step { step: 1, loss: 0.5 }).unwrap();
        let entries = journal.entries().unwrap();
        assert_eq!(entries[0]["event"], "step");
        assert_eq!(entries[0]["loss"], 0.5);
    }

    #[test]
    fn rewound_journal_forgets_later_steps_and_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path).unwrap();
        for step in 1..=4 {
            journal.record("step", &Step { step, loss: 0.0 }).unwrap();
        }
        AppendFile::open(&path).unwrap().append_line("{\"step\":").unwrap();
        journal.rewind(|entry| entry["step"].as_u64().is_none_or(|step| step <= 2)).unwrap();
        journal.record("step", &Step { step: 9, loss: 0.0 }).unwrap();
        let steps: Vec<u64> = journal.entries().unwrap().iter().map(|entry| entry["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [1, 2, 9]);
    }
}
