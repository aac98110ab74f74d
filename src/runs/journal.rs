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
        self.append(line(event, entry))
    }

    /// The same for an entry that a resumed run makes again, told by its event and its arm, fold, seed, crowd and rate: it
    /// takes the place of the one that the interrupted run made, so that both journals have the same lines. One that
    /// says the same stays as it is, with its time.
    ///
    /// # Errors
    /// As [`Journal::record`]; a journal that cannot be read.
    ///
    /// # Panics
    /// As [`Journal::record`].
    pub fn record_once<T: Serialize>(&mut self, event: &str, entry: &T) -> Result<(), RunError> {
        let new = line(event, entry);
        let text = std::fs::read_to_string(&self.path).map_err(RunError::io(&self.path))?;
        let same = |line: &str| {
            // Most lines are steps: a look at the text spares reading them.
            let event = Value::from(event).to_string();
            let old = line.contains(&event).then(|| serde_json::from_str::<Map<String, Value>>(line).ok()).flatten()?;
            (identity(&old) == identity(&new)).then_some(old)
        };
        let Some((index, old)) = text.lines().enumerate().find_map(|(index, line)| Some((index, same(line)?))) else {
            return self.append(new);
        };
        let says = |entry: &Map<String, Value>| -> Map<String, Value> {
            entry.clone().into_iter().filter(|(key, _)| key != "time").collect()
        };
        if says(&old) == says(&new) {
            return Ok(());
        }
        let new = Value::Object(new).to_string();
        let lines = text.lines().enumerate().map(|(at, line)| if at == index { new.as_str() } else { line });
        self.replace(&lines.flat_map(|line| [line, "\n"]).collect::<String>())
    }

    /// Cuts off a last line that a killed process left unfinished.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub(super) fn mend(&mut self) -> Result<(), RunError> {
        let bytes = std::fs::read(&self.path).map_err(RunError::io(&self.path))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        if whole == bytes.len() {
            return Ok(());
        }
        self.replace(&String::from_utf8_lossy(&bytes[..whole]))
    }

    /// Waits until the disk has all lines.
    ///
    /// # Errors
    /// When syncing fails.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync().map_err(RunError::io(&self.path))
    }

    fn append(&mut self, line: Map<String, Value>) -> Result<(), RunError> {
        self.file.append_line(&Value::Object(line).to_string()).map_err(RunError::io(&self.path))
    }

    fn replace(&mut self, text: &str) -> Result<(), RunError> {
        write_atomically(&self.path, text.as_bytes()).map_err(RunError::io(&self.path))?;
        self.file = AppendFile::open(&self.path).map_err(RunError::io(&self.path))?;
        Ok(())
    }

    /// All entries so far.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no object.
    pub fn entries(&self) -> Result<Vec<Map<String, Value>>, RunError> {
        entries(&self.path)
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
        self.replace(&kept)
    }
}

fn line<T: Serialize>(event: &str, entry: &T) -> Map<String, Value> {
    let value = serde_json::to_value(entry).expect("a journal entry is plain data");
    let Value::Object(own) = value else { panic!("a journal entry has keys") };
    let mut line = Map::new();
    line.insert("schema".to_owned(), SCHEMA.into());
    line.insert("time".to_owned(), stamp().into());
    line.insert("event".to_owned(), event.into());
    line.extend(own);
    line
}

/// All entries of a journal.
pub(super) fn entries(path: &Path) -> Result<Vec<Map<String, Value>>, RunError> {
    let text = std::fs::read_to_string(path).map_err(RunError::io(path))?;
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| RunError::Malformed {
                path: path.to_owned(),
                line: index + 1,
                message: error.to_string(),
            })
        })
        .collect()
}

/// What tells one entry of a run from another.
fn identity(entry: &Map<String, Value>) -> [Option<&Value>; 9] {
    ["event", "arm", "fold", "seed", "crowd", "learning_rate", "weight_decay", "tau", "step"].map(|key| entry.get(key))
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

    #[derive(Serialize)]
    struct Probe {
        arm: &'static str,
        value: f64,
    }

    #[test]
    fn what_a_resumed_run_makes_again_takes_the_place_of_what_it_made_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path).unwrap();
        journal.record_once("probe", &Probe { arm: "a", value: 0.5 }).unwrap();
        journal.record("step", &Step { step: 1, loss: 0.0 }).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        journal.record_once("probe", &Probe { arm: "a", value: 0.5 }).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        journal.record_once("probe", &Probe { arm: "a", value: 0.75 }).unwrap();
        journal.record_once("probe", &Probe { arm: "b", value: 1.0 }).unwrap();
        let entries = journal.entries().unwrap();
        assert_eq!((entries[0]["value"].as_f64(), entries[2]["arm"].as_str()), (Some(0.75), Some("b")));
        assert_eq!((entries.len(), entries[1]["event"].as_str()), (3, Some("step")));
    }

    #[test]
    fn an_unfinished_last_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path).unwrap();
        journal.record("step", &Step { step: 1, loss: 0.0 }).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        write_atomically(&path, format!("{whole}{{\"step\": 2").as_bytes()).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        journal.mend().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
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
