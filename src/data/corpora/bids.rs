//! The tables that lie beside recordings in a BIDS folder: `_events.tsv`, `_channels.tsv`, `participants.tsv`.
//!
//! # Source
//! `bids2024`, "Events", "Channels description", "Participants file", and for `events.tsv` and `channels.tsv` that lie
//! in a folder above, "The Inheritance Principle".

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::CorpusError;
use super::marks::{Meaning, Meanings};
use crate::base::SignalKind;
use crate::data::formats::{Row, Table};
use crate::signal::{CanonicalLabel, Event, Onset, Unit, canonical};

/// The table that belongs to a recording: beside it under its name, else, for names of BIDS, the nearest above whose
/// entities are all the recording's.
///
/// # Errors
/// [`CorpusError::TwoTables`]: two tables of one folder fit equally.
pub fn beside(root: &Path, recording: &Path, suffix: &str) -> Result<Option<PathBuf>, CorpusError> {
    let stem = recording.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let Some((entities, _)) = stem.rsplit_once('_') else { return Ok(None) };
    let own = recording.with_file_name(format!("{entities}_{suffix}.tsv"));
    if own.is_file() {
        return Ok(Some(own));
    }
    if !stem.starts_with("sub-") {
        return Ok(None);
    }
    let entities: Vec<&str> = entities.split('_').collect();
    let above = recording.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    let mut fitting = above.map(|folder| inherited(folder, &entities, suffix));
    match fitting.find(|fitting| !fitting.is_empty()).unwrap_or_default().as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        [one, other, ..] => {
            Err(CorpusError::TwoTables { path: recording.to_owned(), tables: [one, other].map(PathBuf::clone) })
        }
    }
}

/// Of the tables in a folder that speak of no other entity, those that speak of most, by name.
fn inherited(folder: &Path, entities: &[&str], suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let fits = |name: &String| {
        let stem = name.strip_suffix(".tsv")?.strip_suffix(suffix)?;
        let own: Vec<&str> = stem.split('_').filter(|entity| !entity.is_empty()).collect();
        own.iter().all(|entity| entities.contains(entity)).then_some(own.len())
    };
    let mut fitting: Vec<(usize, String)> = names.filter_map(|name| Some((fits(&name)?, name))).collect();
    let most = fitting.iter().map(|(entities, _)| *entities).max();
    fitting.retain(|(entities, _)| Some(*entities) == most);
    fitting.sort();
    fitting.into_iter().map(|(_, name)| folder.join(name)).collect()
}

/// Whether marks of a body signal are trials, which last; else one without a duration is a beat.
pub fn marks_last(kind: SignalKind) -> bool {
    kind == SignalKind::Eeg
}

/// How marks of an `events.tsv` are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventRules<'a> {
    pub(super) kind: SignalKind,
    pub(super) column: &'a str,
    pub(super) meanings: Meanings<'a>,
    /// Stands in for durations that are not given.
    pub(super) duration_s: Option<f64>,
}

impl EventRules<'_> {
    /// The event of a mark. Without a duration it is a beat, which only an ECG has.
    pub(super) fn event(
        &self,
        (onset, duration_s): (Onset, Option<f64>),
        meaning: Meaning,
        no_duration: impl FnOnce() -> CorpusError,
    ) -> Result<Option<Event>, CorpusError> {
        let class = match meaning {
            Meaning::Ignored => return Ok(None),
            Meaning::Unlabelled => None,
            Meaning::Class(class) => Some(class),
        };
        // BIDS: a duration of 0 is an impulse; EDF+ files write it for marks that have none.
        let duration_s = duration_s.filter(|&seconds| seconds > 0.0).or(self.duration_s);
        if marks_last(self.kind) && duration_s.is_none() {
            return Err(no_duration());
        }
        Ok(Some(Event { onset, duration_s, class }))
    }

    /// The events of a table: `onset` in seconds from the first sample, `duration`, and the column of words; `sample`
    /// is not read.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<Event>, CorpusError> {
        let table = Table::read(path)?;
        let (onset, word) = (table.needed("onset")?, table.needed(self.column)?);
        let duration = table.column("duration");
        let event = |row: Row<'_>| {
            let onset_s = row.number(onset)?.ok_or_else(|| row.wrong(onset, "onset in seconds"))?;
            let duration_s = duration.map_or(Ok(None), |column| row.number(column))?;
            if let (Some(column), Some(seconds)) = (duration, duration_s)
                && seconds < 0.0
            {
                return Err(row.wrong(column, "duration in seconds").into());
            }
            let (text, place) = (row.cell(word), || format!("line {}", row.line()));
            let meaning = self.meanings.of(text).ok_or_else(|| unknown(path, text, place(), self.meanings))?;
            let times = (Onset::Seconds(onset_s), duration_s);
            self.event(times, meaning, || CorpusError::NoDuration {
                path: path.to_owned(),
                text: text.to_owned(),
                place: place(),
            })
        };
        let read = |row: Row<'_>| Ok(event(row)?.map(|event| (row.line(), event)));
        let events: Vec<(usize, Event)> =
            table.rows().filter_map(|row| read(row).transpose()).collect::<Result<_, CorpusError>>()?;
        one_class_each(path, &events)?;
        Ok(events.into_iter().map(|(_, event)| event).collect())
    }
}

/// Refuses two classes for one stretch of a recording.
fn one_class_each(path: &Path, events: &[(usize, Event)]) -> Result<(), CorpusError> {
    let mut first: BTreeMap<[Option<u64>; 2], (usize, u16)> = BTreeMap::new();
    for &(line, Event { onset, duration_s, class }) in events {
        let (Onset::Seconds(onset_s), Some(class)) = (onset, class) else { continue };
        // Equal numbers have equal bits once minus zero is zero.
        let stretch = [Some(onset_s + 0.0), duration_s].map(|seconds| seconds.map(f64::to_bits));
        let &mut (before, other) = first.entry(stretch).or_insert((line, class));
        if other != class {
            return Err(CorpusError::TwoClasses { path: path.to_owned(), lines: [before, line], onset_s });
        }
    }
    Ok(())
}

/// The error that says that a word is in no list.
pub(super) fn unknown(path: &Path, text: &str, place: String, meanings: Meanings<'_>) -> CorpusError {
    CorpusError::UnknownWord {
        path: path.to_owned(),
        text: text.to_owned(),
        place,
        near: meanings.nearest(text),
        known: meanings.known(),
    }
}

/// What `channels.tsv` says of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChannelRow {
    pub(super) line: usize,
    /// `None`: `n/a`, or there is no such column.
    pub(super) unit: Option<Unit>,
    pub(super) bad: bool,
}

/// The channels of a `channels.tsv`, by name and in the order of the table.
pub(super) fn channels(path: &Path) -> Result<BTreeMap<CanonicalLabel, Vec<ChannelRow>>, CorpusError> {
    let table = Table::read(path)?;
    let (name, unit, status) = (table.needed("name")?, table.column("units"), table.column("status"));
    let mut channels: BTreeMap<CanonicalLabel, Vec<ChannelRow>> = BTreeMap::new();
    for row in table.rows() {
        let unit = unit.and_then(|column| row.text(column)).map(Unit::parse);
        let bad = match status.and_then(|column| Some((column, row.text(column)?))) {
            None => false,
            Some((_, text)) if text.eq_ignore_ascii_case("good") => false,
            Some((_, text)) if text.eq_ignore_ascii_case("bad") => true,
            Some((column, _)) => return Err(row.wrong(column, "`good` or `bad`").into()),
        };
        channels.entry(canonical(row.cell(name))).or_default().push(ChannelRow { line: row.line(), unit, bad });
    }
    Ok(channels)
}

/// People of a `participants.tsv`: the line of each and its word.
pub(super) type People = BTreeMap<String, (usize, String)>;

/// The people of a `participants.tsv`, without `sub-`: the line of each and, where a column is asked for, its word.
pub(super) fn participants(path: &Path, column: Option<&str>) -> Result<People, CorpusError> {
    let table = Table::read(path)?;
    let id = table.needed("participant_id")?;
    let column = column.map(|column| table.needed(column)).transpose()?;
    let mut people = People::new();
    for row in table.rows() {
        let person = bare(row.text(id).ok_or_else(|| row.wrong(id, "person's id"))?);
        let word = column.map_or("", |column| row.cell(column)).to_owned();
        if let Some((line, _)) = people.insert(person.to_owned(), (row.line(), word)) {
            let (path, person) = (path.to_owned(), person.to_owned());
            return Err(CorpusError::PersonTwice { path, person, lines: [line, row.line()] });
        }
    }
    Ok(people)
}

/// `01` of `sub-01` and of `01`.
pub(super) fn bare(person: &str) -> &str {
    person.strip_prefix("sub-").unwrap_or(person)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tables are written into temporary folders")]

    use super::*;
    use crate::data::corpora::marks::{ClassMarks, Unknown};

    #[test]
    fn nearest_table_that_speaks_of_nothing_else_counts() {
        let root = tempfile::tempdir().unwrap();
        let eeg = root.path().join("sub-01/eeg");
        std::fs::create_dir_all(&eeg).unwrap();
        let recording = eeg.join("sub-01_task-rest_run-1_eeg.edf");
        let find =
            || beside(root.path(), &recording, "channels").unwrap().map(|path| path.file_name().unwrap().to_owned());
        let write = |name: &str| std::fs::write(root.path().join(name), "name\n").unwrap();
        assert_eq!(find(), None);
        write("task-other_channels.tsv");
        write("channels.tsv");
        assert_eq!(find().unwrap(), "channels.tsv");
        write("task-rest_channels.tsv");
        assert_eq!(find().unwrap(), "task-rest_channels.tsv");
        write("run-1_channels.tsv");
        let told = beside(root.path(), &recording, "channels").unwrap_err().to_string();
        assert!(told.contains("run-1_channels.tsv and ") && told.contains("task-rest_channels.tsv"), "{told}");
        write("sub-01/eeg/sub-01_task-rest_channels.tsv");
        assert_eq!(find().unwrap(), "sub-01_task-rest_channels.tsv");
        write("sub-01/eeg/sub-01_task-rest_run-1_channels.tsv");
        assert_eq!(find().unwrap(), "sub-01_task-rest_run-1_channels.tsv");
        write("anna_channels.tsv");
        // Names that are not of BIDS inherit nothing.
        assert_eq!(beside(root.path(), &eeg.join("anna_2.edf"), "events").unwrap(), None);
        let own = beside(root.path(), &root.path().join("anna_2.edf"), "channels").unwrap().unwrap();
        assert!(own.ends_with("anna_channels.tsv"));
    }

    fn read(text: &str, duration_s: Option<f64>, kind: SignalKind) -> Result<Vec<Event>, CorpusError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let classes = [ClassMarks { name: "left".to_owned(), marks: vec!["T1".to_owned()] }];
        let (unlabelled, ignore) = (["T0".to_owned()], ["n/a".to_owned()]);
        let meanings =
            Meanings { classes: &classes, unlabelled: &unlabelled, ignore: &ignore, unknown: Unknown::Refuse };
        EventRules { kind, column: "trial_type", meanings, duration_s }.read(file.path())
    }

    #[test]
    fn events_are_seconds_and_words() {
        let text = "onset\tduration\tsample\ttrial_type\n1.5\t4\tx\tT1\n6\t2\t9\tT0\n9\t1\t0\tn/a\n";
        let events = read(text, None, SignalKind::Eeg).unwrap();
        let expected = [(1.5, 4.0, Some(0)), (6.0, 2.0, None)].map(|(onset, duration, class)| Event {
            onset: Onset::Seconds(onset),
            duration_s: Some(duration),
            class,
        });
        assert_eq!(events, expected);
    }

    #[test]
    fn duration_is_the_file_s_or_the_key_s_or_a_beat_s() {
        let text = "onset\tduration\ttrial_type\n1\tn/a\tT1\n2\t0\tT1\n3\t4\tT1\n";
        let durations = |events: Vec<Event>| events.iter().map(|event| event.duration_s).collect::<Vec<_>>();
        assert!(
            matches!(read(text, None, SignalKind::Eeg), Err(CorpusError::NoDuration { place, .. }) if place == "line 2")
        );
        let given = durations(read(text, Some(2.0), SignalKind::Eeg).unwrap());
        assert_eq!(given, [Some(2.0), Some(2.0), Some(4.0)]);
        assert_eq!(durations(read(text, None, SignalKind::Ecg).unwrap()), [None, None, Some(4.0)]);
        assert_eq!(durations(read("onset\ttrial_type\n1\tT1\n", None, SignalKind::Ecg).unwrap()), [None]);
    }

    #[test]
    fn one_stretch_has_one_class() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let classes = [("left", "T1"), ("right", "T2")]
            .map(|(name, mark)| ClassMarks { name: name.into(), marks: vec![mark.into()] });
        let meanings = Meanings { classes: &classes, unlabelled: &[], ignore: &[], unknown: Unknown::Ignore };
        let rules = EventRules { kind: SignalKind::Eeg, column: "trial_type", meanings, duration_s: None };
        let read = |rows: &str| {
            std::fs::write(file.path(), format!("onset\tduration\ttrial_type\n{rows}")).unwrap();
            rules.read(file.path())
        };
        let told = read("1\t4\tT1\n6\t4\tT1\n1.0\t4\tT2\n").unwrap_err().to_string();
        assert!(told.contains("lines 2 and 4") && told.contains("1 s"), "{told}");
        // What is ignored says nothing, and another stretch may begin at the same time.
        assert_eq!(read("1\t4\tT1\n1\t4\tcue\n1\t3\tT2\n").unwrap().len(), 2);
    }

    #[test]
    fn faults_of_events_have_their_line() {
        for (text, words) in [
            ("onset\tduration\tvalue\n1\t2\tT1\n", "no column `trial_type`"),
            ("duration\ttrial_type\n1\tT1\n", "no column `onset`"),
            ("onset\tduration\ttrial_type\n1\t2\tT1\nn/a\t2\tT1\n", "line 3, column 1 (`onset`): `n/a` is no onset"),
            ("onset\tduration\ttrial_type\n1\t-2\tT1\n", "line 2, column 2 (`duration`): `-2`"),
            ("onset\tduration\ttrial_type\n1\tinf\tT1\n", "`inf` is no finite number"),
            ("onset\tduration\ttrial_type\n1\t2\tT3\n", "`T3` (line 2) is in no list"),
            ("onset\tduration\ttrial_type\n1\t2\n", "line 2 has 2 cells"),
        ] {
            let told = read(text, None, SignalKind::Eeg).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
    }
}
