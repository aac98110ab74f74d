//! What a folder of recordings shows by itself: headers of all, marks of some, tables of BIDS.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::{SignalKind, Watch};
use crate::data::corpora::{CorpusError, person_of, recordings_below};
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
    /// Of how many recordings marks were read.
    pub(super) marks_of: usize,
    /// Columns of `participants.tsv` beside the id.
    pub(super) columns: Vec<String>,
}

/// Looks at a folder.
///
/// # Errors
/// A folder that cannot be listed or holds no recording; a stop request.
pub(super) fn look(root: &Path, watch: &Watch) -> Result<Found, Error> {
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
        let (root, pattern) = (root.to_owned(), ".edf, .bdf, .hea".to_owned());
        return Err(CorpusError::NoRecordings { corpus: "folder", root, pattern, n_excluded: failed.len() }.into());
    }
    let bids = root.join("dataset_description.json").is_file()
        || seen.iter().all(|one| one.relative.starts_with("sub-") && one.relative.contains('/'));
    let columns =
        Table::read(&root.join("participants.tsv")).map_or_else(|_| Vec::new(), |table| table.columns().to_vec());
    let columns = columns.into_iter().filter(|column| column != "participant_id").collect();
    let mut found = Found { seen, failed, bids, marks: Marks::Nowhere, words: BTreeMap::new(), marks_of: 0, columns };
    found.read_marks(watch)?;
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

    /// The file's name without its ending.
    pub(super) fn stem(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    fn events_table(&self) -> Option<PathBuf> {
        let (entities, _) = self.stem().rsplit_once('_')?;
        Some(self.path.with_file_name(format!("{entities}_events.tsv"))).filter(|path| path.is_file())
    }

    /// A mark in the file, or a row of a table: its word and duration. What cannot be read has none here; preprocessing
    /// tells why.
    fn annotations(&self) -> MarkList {
        let marks = |path: &Path| open(path, Strictness::Strict)?.annotations();
        let marks = marks(&self.path).unwrap_or_default();
        marks.into_iter().map(|mark| (mark.text.trim().to_owned(), mark.duration_s)).collect()
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
    fn read_marks(&mut self, watch: &Watch) -> Result<(), Error> {
        let step = self.seen.len().div_ceil(MARKS_OF).max(1);
        let tables = self.seen.iter().any(|one| one.events_table().is_some());
        for one in self.seen.iter().step_by(step) {
            watch.check().map_err(PreprocessError::from)?;
            self.marks_of += 1;
            let marks = if tables {
                let read = one.events_table().and_then(|path| events(&path).ok().flatten());
                read.map_or_else(Vec::new, |(column, rows)| {
                    self.marks = Marks::EventsTsv(column);
                    rows
                })
            } else {
                one.annotations()
            };
            for (word, duration_s) in marks {
                self.words.entry(word).or_default().add(duration_s);
            }
        }
        if self.marks == Marks::Nowhere && !self.words.is_empty() {
            self.marks = Marks::Annotations;
        }
        Ok(())
    }

    /// Channels that every recording has once, as the first one spells them, dots that only fill a label apart.
    pub(super) fn common(&self) -> Vec<String> {
        let once = |one: &Seen| {
            let mut counts: BTreeMap<&CanonicalLabel, usize> = BTreeMap::new();
            one.channels.iter().for_each(|channel| *counts.entry(&channel.name).or_default() += 1);
            let single = counts.into_iter().filter(|(_, count)| *count == 1);
            single.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        let all = self.seen.iter().map(once).reduce(|one, other| &one & &other).unwrap_or_default();
        let first = self.seen.first().map_or(&[][..], |one| &one.channels);
        let shared = first.iter().filter(|channel| all.contains(&channel.name));
        shared.map(|channel| channel.label.trim_matches('.').to_owned()).collect()
    }

    /// Units that a channel has in the recordings, and in how many.
    pub(super) fn units(&self, label: &str) -> Vec<(Unit, usize)> {
        let name = canonical(label);
        let mut units: Vec<(Unit, usize)> = Vec::new();
        let of = self.seen.iter().flat_map(|one| one.channels.iter().filter(|channel| channel.name == name));
        for SeenChannel { unit, .. } in of {
            match units.iter_mut().find(|(known, _)| known == unit) {
                Some((_, count)) => *count += 1,
                None => units.push((unit.clone(), 1)),
            }
        }
        units
    }

    /// Rates of these channels, and in how many recordings each; the commonest first.
    pub(super) fn rates(&self, labels: &[String]) -> Vec<(f64, usize)> {
        let names: BTreeSet<_> = labels.iter().map(|label| canonical(label)).collect();
        let mut rates: Vec<(f64, usize)> = Vec::new();
        for one in &self.seen {
            let own = one.channels.iter().filter(|channel| names.contains(&channel.name));
            let Some(rate_hz) = own.map(|channel| channel.rate_hz).reduce(f64::max) else { continue };
            match rates.iter_mut().find(|(known, _)| *known == rate_hz) {
                Some((_, count)) => *count += 1,
                None => rates.push((rate_hz, 1)),
            }
        }
        rates.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        rates
    }

    /// The body signal that names of channels (or of files, in BIDS) tell; `None`: they do not.
    pub(super) fn kind(&self, labels: &[String]) -> Option<SignalKind> {
        let all = |suffix: &str| self.bids && self.seen.iter().all(|one| one.stem().ends_with(suffix));
        if all("_eeg") {
            return Some(SignalKind::Eeg);
        }
        if all("_ecg") {
            return Some(SignalKind::Ecg);
        }
        let share = |is: fn(&str) -> bool| labels.iter().filter(|label| is(label)).count() * 2 > labels.len();
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

/// Whether a label is an electrode of the head, or two of them (`Fpz-Cz`).
fn is_electrode(label: &str) -> bool {
    let name = canonical(label);
    name.as_str().split('-').all(|part| electrode_position(part).is_some() || part == "A1" || part == "A2")
}

/// Whether a label is a lead of the electrocardiogram.
fn is_lead(label: &str) -> bool {
    let name = canonical(label);
    let lead = name.as_str();
    let numbered =
        |prefix: &str| lead.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    ["I", "II", "III", "AVR", "AVL", "AVF", "MLI", "MLII", "MLIII"].contains(&lead)
        || ["ECG", "EKG", "V", "MV"].iter().any(|prefix| numbered(prefix))
}
