//! What a folder of recordings shows by itself: headers of all, marks of some, tables of BIDS.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::channels::Common;
use crate::base::{SignalKind, Watch};
use crate::cli::exit::Failure;
use crate::data::corpora::{beside, person_of, recordings_below};
use crate::data::formats::{FormatError, Header, Strictness, Table, open};
use crate::data::preprocess::PreprocessError;
use crate::error::Error;
use crate::signal::{CanonicalLabel, Unit, canonical, electrode_position};

/// Marks of so many recordings are looked at: reading them all would take as long as preprocessing.
const MARKS_OF: usize = 40;

/// A recording whose header could be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// Path below the folder, parts joined by `/`.
    pub(super) relative: String,
    /// The file.
    pub(super) path: PathBuf,
    /// `edf+c`, `wfdb`, ..
    pub(super) format: &'static str,
    /// Length.
    pub(super) duration_s: f64,
    /// In the order of the file.
    pub(super) channels: Vec<SeenChannel>,
}

/// A channel of a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeenChannel {
    /// As the file has it.
    pub(super) label: String,
    /// The label without the accidents of its spelling, made once: folders have thousands of channels.
    pub(super) name: CanonicalLabel,
    /// Its unit.
    pub(super) unit: Unit,
    /// Its rate.
    pub(super) rate_hz: f64,
}

/// How often a mark was seen, and the durations that it had.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Word {
    pub(super) count: usize,
    pub(super) durations_s: Vec<f64>,
}

impl Word {
    fn add(&mut self, duration_s: Option<f64>) {
        self.count += 1;
        self.durations_s.extend(duration_s.filter(|&seconds| seconds > 0.0));
    }
}

/// Where marks were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// In the files or their annotation files.
    Annotations,
    /// In BIDS tables, in this column.
    EventsTsv(&'static str),
    /// Nowhere.
    Nowhere,
}

/// What was found in a folder.
#[derive(Debug)]
pub(super) struct Found {
    /// Recordings, in order of path.
    pub(super) seen: Vec<Seen>,
    /// Files that look like recordings and cannot be read.
    pub(super) failed: Vec<(String, String)>,
    /// Whether it is laid out as BIDS.
    pub(super) bids: bool,
    /// Where marks were found.
    pub(super) marks: Marks,
    /// Marks by word.
    pub(super) words: BTreeMap<String, Word>,
    /// Of how many recordings marks were looked for.
    pub(super) marks_of: usize,
    /// Those of them whose marks cannot be read, and why.
    pub(super) unread: Vec<(String, String)>,
    /// Those of them without any mark.
    pub(super) unmarked: Vec<String>,
    /// Columns of `participants.tsv` beside the id.
    pub(super) columns: Vec<String>,
}

/// Looks at a folder.
///
/// # Errors
/// A folder that cannot be listed or holds no recording; a stop request.
pub(super) fn look(root: &Path, watch: &Watch) -> Result<Found, Failure> {
    if !root.is_dir() {
        let is = if root.exists() { "is no folder; give the one it lies in" } else { "there is no such folder" };
        return Err(Failure::Usage(format!("{}: {is}: biossl init FOLDER", root.display())));
    }
    let files = recordings_below(root)?;
    let (mut seen, mut failed) = (Vec::new(), Vec::new());
    watch.progress().begin("looking", files.len() as u64, "recordings");
    for (done, (path, relative)) in (1..).zip(files) {
        watch.check().map_err(PreprocessError::from)?;
        match open(&path, Strictness::Strict) {
            Ok(reader) => seen.push(Seen::of(reader.header(), path, relative.clone())),
            Err(error) => failed.push((relative.clone(), error.fault.to_string())),
        }
        watch.progress().advance(done, &relative);
    }
    watch.progress().end();
    if seen.is_empty() {
        let read = failed.first().map_or_else(String::new, |(path, fault)| {
            format!("; of {} that look like one none can be read ({path}: {fault})", failed.len())
        });
        return Err(Failure::Usage(format!("{}: no recording (.edf, .bdf, .hea) lies here{read}", root.display())));
    }
    let bids = root.join("dataset_description.json").is_file()
        || seen.iter().all(|one| one.relative.starts_with("sub-") && one.relative.contains('/'));
    let columns =
        Table::read(&root.join("participants.tsv")).map_or_else(|_| Vec::new(), |table| table.columns().to_vec());
    let columns = columns.into_iter().filter(|column| column != "participant_id").collect();
    let (unread, unmarked) = (Vec::new(), Vec::new());
    let mut found = Found {
        seen,
        failed,
        bids,
        marks: Marks::Nowhere,
        words: BTreeMap::new(),
        marks_of: 0,
        unread,
        unmarked,
        columns,
    };
    found.read_marks(root, watch)?;
    Ok(found)
}

impl Seen {
    fn of(header: &Header, path: PathBuf, relative: String) -> Self {
        let channels = header.channels.iter().map(|it| SeenChannel {
            label: it.label.trim().to_owned(),
            name: canonical(&it.label),
            unit: it.unit.clone(),
            rate_hz: it.rate_hz,
        });
        Self { relative, path, format: header.format, duration_s: header.duration_s, channels: channels.collect() }
    }

    /// The channels of a name, in the order of the file.
    fn named(&self, name: &CanonicalLabel) -> impl Iterator<Item = &SeenChannel> {
        self.channels.iter().filter(move |channel| channel.name == *name)
    }

    /// The file's name without its ending.
    pub(super) fn stem(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// The marks in the file or its annotation file.
    fn annotations(&self) -> Result<MarkList, String> {
        let marks = open(&self.path, Strictness::Strict).and_then(|mut reader| reader.annotations());
        let marks = marks.map_err(|error| error.fault.to_string())?;
        Ok(marks.into_iter().map(|mark| (mark.text.trim().to_owned(), mark.duration_s)).collect())
    }
}

/// Marks: a word and a duration each.
type MarkList = Vec<(String, Option<f64>)>;

/// The column of words that a table of events has, and its rows.
fn events(path: &Path) -> Result<Option<(&'static str, MarkList)>, FormatError> {
    let table = Table::read(path)?;
    let Some(name) = ["trial_type", "value"].into_iter().find(|name| table.column(name).is_some()) else {
        return Ok(None);
    };
    let (word, duration) = (table.needed(name)?, table.column("duration"));
    let rows = table.rows().map(|row| {
        let duration_s = duration.map_or(Ok(None), |column| row.number(column))?;
        Ok((row.cell(word).to_owned(), duration_s))
    });
    Ok(Some((name, rows.collect::<Result<_, FormatError>>()?)))
}

impl Found {
    fn read_marks(&mut self, root: &Path, watch: &Watch) -> Result<(), Error> {
        let step = self.seen.len().div_ceil(MARKS_OF).max(1);
        let events_table = |one: &Seen| beside(root, &one.path, "events");
        let tables = self.seen.iter().any(|one| !matches!(events_table(one), Ok(None)));
        for one in self.seen.iter().step_by(step) {
            watch.check().map_err(PreprocessError::from)?;
            self.marks_of += 1;
            let read = match events_table(one) {
                Err(error) => Err(error.to_string()),
                Ok(Some(path)) => events(&path).map_err(|error| error.to_string()).and_then(|read| {
                    let (column, rows) =
                        read.ok_or_else(|| "its table has no column `trial_type` or `value`".to_owned())?;
                    self.marks = Marks::EventsTsv(column);
                    Ok(rows)
                }),
                Ok(None) if tables => Ok(Vec::new()),
                Ok(None) => one.annotations(),
            };
            let marks = read.unwrap_or_else(|fault| {
                self.unread.push((one.relative.clone(), fault));
                Vec::new()
            });
            if marks.is_empty() && self.unread.last().is_none_or(|(path, _)| *path != one.relative) {
                self.unmarked.push(one.relative.clone());
            }
            for (word, duration_s) in marks {
                self.words.entry(word).or_default().add(duration_s);
            }
        }
        if self.marks == Marks::Nowhere && !self.words.is_empty() {
            self.marks = Marks::Annotations;
        }
        Ok(())
    }

    /// Channels that every recording has, in the order of the first.
    pub(super) fn common(&self) -> Vec<Common> {
        let mut named = BTreeSet::new();
        let first = self.seen.first().map_or(&[][..], |one| &one.channels);
        let fresh = first.iter().filter(|channel| named.insert(&channel.name));
        let in_all = fresh.filter_map(|channel| {
            let counts = self.seen.iter().map(|one| (one.named(&channel.name).count(), &one.relative));
            let counts: Vec<_> = counts.collect();
            if counts.iter().any(|(count, _)| *count == 0) {
                return None;
            }
            let (most, path) = counts.into_iter().rev().max_by_key(|(count, _)| *count)?;
            let label = channel.label.trim_matches('.').to_owned();
            Some(Common { label, name: channel.name.clone(), most: (most, path.clone()) })
        });
        in_all.collect()
    }

    /// Units that a channel (of several with a name the first) has in the recordings, and in how many.
    pub(super) fn units(&self, name: &CanonicalLabel) -> Vec<(Unit, usize)> {
        let mut units: Vec<(Unit, usize)> = Vec::new();
        for SeenChannel { unit, .. } in self.seen.iter().filter_map(|one| one.named(name).next()) {
            match units.iter_mut().find(|(known, _)| known == unit) {
                Some((_, count)) => *count += 1,
                None => units.push((unit.clone(), 1)),
            }
        }
        units
    }

    /// The rate of a channel (of several with a name the first) in each recording.
    pub(super) fn rates_of(&self, name: &CanonicalLabel) -> Vec<Option<f64>> {
        self.seen.iter().map(|one| one.named(name).next().map(|channel| channel.rate_hz)).collect()
    }

    /// Rates of these channels, which have one in each recording, and in how many recordings each; the commonest first.
    pub(super) fn rates(&self, channels: &[Common]) -> Vec<(f64, usize)> {
        let mut rates: Vec<(f64, usize)> = Vec::new();
        let of_first = channels.first().map(|one| self.rates_of(&one.name)).unwrap_or_default();
        for rate_hz in of_first.into_iter().flatten() {
            match rates.iter_mut().find(|(known, _)| *known == rate_hz) {
                Some((_, count)) => *count += 1,
                None => rates.push((rate_hz, 1)),
            }
        }
        rates.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        rates
    }

    /// The body signal that names of channels (or of files, in BIDS) tell; `None`: they do not.
    pub(super) fn kind(&self, channels: &[Common]) -> Option<SignalKind> {
        let all = |suffix: &str| self.bids && self.seen.iter().all(|one| one.stem().ends_with(suffix));
        if all("_eeg") {
            return Some(SignalKind::Eeg);
        }
        if all("_ecg") {
            return Some(SignalKind::Ecg);
        }
        let share =
            |is: fn(&CanonicalLabel) -> bool| channels.iter().filter(|one| is(&one.name)).count() * 2 > channels.len();
        match (share(is_electrode), share(is_lead)) {
            (true, false) => Some(SignalKind::Eeg),
            (false, true) => Some(SignalKind::Ecg),
            _ => None,
        }
    }

    /// The people that a pattern tells apart; `None`: it does not fit every recording.
    pub(super) fn people(&self, pattern: &str) -> Option<BTreeSet<String>> {
        self.seen.iter().map(|one| person_of(pattern, &one.relative)).collect()
    }

    /// Hours of recording.
    pub(super) fn hours(&self) -> f64 {
        self.seen.iter().map(|one| one.duration_s).sum::<f64>() / 3600.0
    }

    /// The formats, each once.
    pub(super) fn formats(&self) -> String {
        let formats: BTreeSet<&str> = self.seen.iter().map(|one| one.format).collect();
        formats.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// Whether a name is an electrode of the head, or two of them (`Fpz-Cz`); an ear lobe only beside one.
pub(super) fn is_electrode(name: &CanonicalLabel) -> bool {
    let electrode = |part: &str| electrode_position(part).is_some();
    let mut parts = name.as_str().split('-');
    parts.clone().any(electrode) && parts.all(|part| electrode(part) || part == "A1" || part == "A2")
}

/// Whether a name is a lead of the electrocardiogram.
fn is_lead(name: &CanonicalLabel) -> bool {
    let lead = name.as_str();
    let numbered =
        |prefix: &str| lead.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    ["I", "II", "III", "AVR", "AVL", "AVF", "MLI", "MLII", "MLIII"].contains(&lead)
        || ["ECG", "EKG", "V", "MV"].iter().any(|prefix| numbered(prefix))
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::disallowed_methods, reason = "a folder is laid out in a temporary one")]

    use super::*;

    /// A recording of channels: label, unit, rate.
    pub(in crate::cli::init) fn seen(relative: &str, channels: &[(&str, &str, f64)]) -> Seen {
        let channels = channels.iter().map(|&(label, unit, rate_hz)| SeenChannel {
            label: label.to_owned(),
            name: canonical(label),
            unit: Unit::parse(unit),
            rate_hz,
        });
        let channels = channels.collect();
        Seen { relative: relative.to_owned(), path: relative.into(), format: "edf", duration_s: 1.0, channels }
    }

    /// A folder without marks.
    pub(in crate::cli::init) fn found(seen: Vec<Seen>) -> Found {
        Found {
            seen,
            failed: Vec::new(),
            bids: false,
            marks: Marks::Nowhere,
            words: BTreeMap::new(),
            marks_of: 0,
            unread: Vec::new(),
            unmarked: Vec::new(),
            columns: Vec::new(),
        }
    }

    #[test]
    fn tables_of_events_in_a_folder_above_are_found() {
        let root = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/eegmmidb/S003/S003R01.edf");
        for person in ["01", "02"] {
            let eeg = root.path().join(format!("sub-{person}/eeg"));
            std::fs::create_dir_all(&eeg).unwrap();
            std::fs::copy(&fixture, eeg.join(format!("sub-{person}_task-tap_eeg.edf"))).unwrap();
        }
        std::fs::write(root.path().join("task-tap_events.tsv"), "onset\tduration\ttrial_type\n1\t2\ttap\n").unwrap();
        let found = look(root.path(), &Watch::default()).unwrap();
        assert_eq!((found.bids, found.marks), (true, Marks::EventsTsv("trial_type")));
        assert_eq!(found.words["tap"], Word { count: 2, durations_s: vec![2.0, 2.0] });
    }
}
