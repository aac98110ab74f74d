//! A person's own recordings: who is in them by a path pattern, what their marks mean by lists in the pipeline.
//!
//! Nothing is assumed. A recording whose path does not fit, a mark that no list holds, a channel that is missing, a
//! unit on which file and table disagree: each is an error until a key says what to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bids::{self, EventRules, People};
use super::marks::{ClassMarks, Meaning, Meanings, Unknown};
use super::path_pattern::{Field, Fit, Found, Pattern};
use super::picking::{Aliases, Labels, Picked, twice};
use super::{Corpus, CorpusError, Excluded, Lead, Listing, RecordingRef, listing};
use crate::base::{Choice, SignalKind, nearest};
use crate::data::formats::{FormatError, Header, Reader};
use crate::signal::{Annotation, Event, Onset, Recording, SubjectId, Unit, canonical};

const NAME: &str = "folder";
/// Stands in `channels` for every channel of a file.
const ALL: &str = "all";
/// The annotator that the reader itself reads.
const REFERENCE: &str = "atr";

/// What to do with a recording whose path does not fit the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unmatched {
    /// An error.
    Refuse,
    /// Leave it out, counted and named.
    LeaveOut,
}

/// Which unit counts where a `channels.tsv` lies beside the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitsFrom {
    /// The file's; the table's where the file has no voltage; if both have one they must agree.
    Both,
    /// The file's alone.
    File,
    /// The table's, where it states one.
    ChannelsTsv,
}

/// What to do with a picked channel that `channels.tsv` calls bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BadChannels {
    /// An error.
    Refuse,
    /// Use it like any other.
    Keep,
}

/// Where classes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSource {
    /// Marks in the file (EDF+, BDF+) or in its annotation file (WFDB).
    Annotations,
    /// Marks in a BIDS `_events.tsv`.
    EventsTsv,
    /// `{class}` in the pattern: one state throughout a recording.
    Path,
    /// A column of `participants.tsv`: one state throughout a person's recordings.
    Participants,
}

/// Settings of the corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder.
    pub root: PathBuf,
    /// `eeg` or `ecg`. Needed.
    pub signal: Option<SignalKind>,
    /// Samples per second of the recordings. Needed.
    pub rate_hz: Option<f64>,
    /// Path of a recording below `root`, with `{subject}` and, where there are any, `{session}`, `{run}`, `{class}`; `*`
    /// for what does not matter. Needed.
    pub pattern: String,
    /// Recordings whose path does not fit.
    pub unmatched: Unmatched,
    /// Names of sessions that are no numbers, in their order.
    pub sessions: Vec<String>,
    /// Channels to store, by name; `["all"]`: every one, which must be the same in all files. Needed.
    pub channels: Vec<String>,
    /// What a channel may be called where it is missing: `{ MLII = ["II"] }`.
    pub aliases: Aliases,
    /// Which unit counts beside a `channels.tsv`.
    pub units_from: UnitsFrom,
    /// Picked channels that `channels.tsv` calls bad.
    pub bad_channels: BadChannels,
    /// Where classes come from.
    pub labels: LabelSource,
    /// Ending of WFDB annotation files.
    pub annotator: String,
    /// The column of words: of `events.tsv` (`trial_type` where left out), of `participants.tsv` (needed).
    pub column: Option<String>,
    /// Classes and the words that stand for them. Needed.
    pub classes: Vec<ClassMarks>,
    /// Words of stretches without a class: pretraining sees them, scores do not.
    pub unlabelled: Vec<String>,
    /// Words that mean nothing here.
    pub ignore: Vec<String>,
    /// Words that no list holds.
    pub unknown: Unknown,
    /// Duration of marks whose file gives none. An ECG's marks without one are beats.
    pub duration_s: Option<f64>,
    /// People or recordings (by id or file name) to leave out.
    pub exclude: Vec<String>,
}

impl Choice for Folder {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str =
        "recordings of one's own: people by a path pattern, classes by lists of marks; BIDS tables";
    const SOURCES: &'static [&'static str] = &["bids2024"];

    fn defaults(_: SignalKind) -> Self {
        Self {
            root: "recordings".into(),
            signal: None,
            rate_hz: None,
            pattern: String::new(),
            unmatched: Unmatched::Refuse,
            sessions: Vec::new(),
            channels: Vec::new(),
            aliases: Aliases::new(),
            units_from: UnitsFrom::Both,
            bad_channels: BadChannels::Refuse,
            labels: LabelSource::Annotations,
            annotator: REFERENCE.to_owned(),
            column: None,
            classes: Vec::new(),
            unlabelled: Vec::new(),
            ignore: Vec::new(),
            unknown: Unknown::Refuse,
            duration_s: None,
            exclude: Vec::new(),
        }
    }
}

impl Folder {
    fn meanings(&self) -> Meanings<'_> {
        let Self { classes, unlabelled, ignore, unknown, .. } = self;
        Meanings { classes, unlabelled, ignore, unknown: *unknown }
    }

    fn rules(&self) -> EventRules<'_> {
        EventRules {
            kind: self.kind(),
            column: self.column.as_deref().unwrap_or("trial_type"),
            meanings: self.meanings(),
            duration_s: self.duration_s,
        }
    }

    fn wrong(key: &'static str, found: impl Into<String>, known: impl Into<String>) -> CorpusError {
        CorpusError::Setting { corpus: NAME, key, found: found.into(), known: known.into() }
    }

    /// The pattern, and whether its placeholders go with the other keys.
    fn checked_pattern(&self) -> Result<Pattern, CorpusError> {
        let example = "such as \"{subject}_{run}.edf\" or \"sub-{subject}/eeg/sub-{subject}_task-*_eeg.edf\"";
        let wrong = |fault: String| Self::wrong("pattern", format!("`{}`: {fault}", self.pattern), example);
        let pattern = Pattern::parse(&self.pattern).map_err(wrong)?;
        if !self.sessions.is_empty() && !pattern.has(Field::Session) {
            return Err(Self::wrong(
                "sessions",
                "names, but no `{session}` in `pattern`",
                "`{session}` there, or no names",
            ));
        }
        match (self.labels == LabelSource::Path, pattern.has(Field::Class)) {
            (true, false) => Err(wrong("no `{class}`, but `labels` is \"path\"".to_owned())),
            (false, true) => {
                Err(wrong("`{class}` goes with labels = \"path\" only; `*` stands for any text".to_owned()))
            }
            _ => Ok(pattern),
        }
    }

    fn check_numbers(&self) -> Result<(), CorpusError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match (self.rate_hz, self.duration_s) {
            (None, _) => Err(Self::wrong("rate_hz", "nothing", "samples per second, as `biossl inspect` shows them")),
            (Some(rate), _) if !positive(rate) => {
                Err(Self::wrong("rate_hz", rate.to_string(), "samples per second, more than 0"))
            }
            (_, Some(seconds)) if !positive(seconds) => {
                Err(Self::wrong("duration_s", seconds.to_string(), "seconds, more than 0"))
            }
            _ => Ok(()),
        }
    }

    /// Whose a path is, or why it is not to be used.
    fn read_path(&self, pattern: &Pattern, path: &Path, relative: &str) -> Result<Option<Found>, CorpusError> {
        let field = |field: Field| format!("{{{}}}", field.name());
        match pattern.fit(relative) {
            Fit::One(found) => Ok(Some(found)),
            Fit::None if self.unmatched == Unmatched::LeaveOut => Ok(None),
            Fit::None => Err(CorpusError::NoMatch { path: path.to_owned(), pattern: self.pattern.clone() }),
            Fit::Conflict(of, one, other) => {
                Err(CorpusError::PathConflict { path: path.to_owned(), field: field(of), words: [one, other] })
            }
            Fit::Several(of, one, other) => {
                Err(CorpusError::PathAmbiguous { path: path.to_owned(), field: field(of), words: [one, other] })
            }
        }
    }

    fn session(&self, path: &Path, word: Option<&str>) -> Result<u16, CorpusError> {
        let Some(word) = word else { return Ok(1) };
        let listed = self.sessions.iter().position(|session| session == word).map(|place| place as u16 + 1);
        let number = || word.parse().ok().filter(|_| self.sessions.is_empty());
        listed.or_else(number).ok_or_else(|| CorpusError::Session { path: path.to_owned(), session: word.to_owned() })
    }

    /// The people of `participants.tsv`, if there is one; if classes come from it there must be.
    fn people(&self) -> Result<Option<People>, CorpusError> {
        let path = self.root.join("participants.tsv");
        let needed = self.labels == LabelSource::Participants;
        if !needed && !path.is_file() {
            return Ok(None);
        }
        bids::participants(&path, if needed { self.column.as_deref() } else { None }).map(Some)
    }

    /// The word that path or table gives to a whole recording, and where it stands.
    fn state(&self, found: &Found, person: Option<&(usize, String)>) -> Option<(String, String)> {
        match self.labels {
            LabelSource::Annotations | LabelSource::EventsTsv => None,
            LabelSource::Path => Some((found.get(Field::Class)?.to_owned(), "{class} of its path".to_owned())),
            LabelSource::Participants => {
                let (line, word) = person?;
                Some((word.clone(), format!("line {line} of participants.tsv")))
            }
        }
    }

    /// Why a recording is left out, if it is.
    fn reason(&self, of: &RecordingRef, place: &str) -> Result<Option<String>, CorpusError> {
        if self.exclude.iter().any(|word| names(word, of)) {
            return Ok(Some("named in `exclude`".to_owned()));
        }
        let Some(word) = &of.state else { return Ok(None) };
        match self.meanings().of(word) {
            None => Err(bids::unknown(&of.path, word, place.to_owned(), self.meanings())),
            Some(Meaning::Ignored) => Ok(Some(format!("`{word}`, {place}, is no class"))),
            Some(Meaning::Class(_) | Meaning::Unlabelled) => Ok(None),
        }
    }

    /// Every word of `exclude` must name somebody: one that does not is misspelt.
    fn check_excluded(&self, all: &[RecordingRef]) -> Result<(), CorpusError> {
        let Some(word) = self.exclude.iter().find(|word| !all.iter().any(|of| names(word, of))) else { return Ok(()) };
        let known = all.iter().flat_map(|of| [of.subject.0.as_str(), of.id.as_str()]);
        let near = nearest(word, known).map_or_else(String::new, |near| format!("; the nearest name is `{near}`"));
        Err(Self::wrong(
            "exclude",
            format!("`{word}`, which names no person and no recording"),
            format!("people by subject, recordings by id or file name{near}"),
        ))
    }

    /// What `channels.tsv` says of a picked channel: the unit that counts instead of the file's.
    fn unit(
        &self,
        of: &RecordingRef,
        header: &Header,
        picked: &Picked,
        table: &ChannelTable,
    ) -> Result<Option<Unit>, CorpusError> {
        let Some(channel) = header.channels.get(picked.channel) else { return Ok(None) };
        let name = canonical(&channel.label);
        // Of channels with one name the table's rows stand in the order of the file.
        let rank = header.channels[..picked.channel].iter().filter(|other| canonical(&other.label) == name).count();
        let Some(row) = table.rows.get(&name).and_then(|rows| rows.get(rank)) else { return Ok(None) };
        let (line, label) = (row.line, channel.label.trim().to_owned());
        if row.bad && self.bad_channels == BadChannels::Refuse {
            let (path, table) = (of.path.clone(), table.path.clone());
            return Err(CorpusError::BadChannel { path, table, line, label });
        }
        let voltage = |unit: &Unit| unit.microvolts().is_some();
        match (self.units_from, &row.unit) {
            (UnitsFrom::File, _) | (_, None) => Ok(None),
            (UnitsFrom::ChannelsTsv, Some(unit)) => Ok(Some(unit.clone())),
            (UnitsFrom::Both, Some(unit)) if voltage(&channel.unit) && *unit != channel.unit => {
                Err(CorpusError::UnitsDisagree {
                    path: of.path.clone(),
                    table: table.path.clone(),
                    line,
                    label,
                    units: [channel.unit_text.clone(), unit.to_string()],
                })
            }
            (UnitsFrom::Both, Some(unit)) => {
                Ok(Some(unit.clone()).filter(|unit| voltage(unit) && !voltage(&channel.unit)))
            }
        }
    }

    fn channels_tsv(&self, of: &RecordingRef) -> Result<Option<PathBuf>, CorpusError> {
        bids::beside(&self.root, &of.path, "channels")
    }

    fn marks(&self, of: &RecordingRef, recording: &Recording) -> Result<Vec<Event>, CorpusError> {
        let marks = &recording.annotations;
        if marks.is_empty() {
            return Err(CorpusError::NoAnnotations { corpus: NAME, path: of.path.clone(), id: of.id.clone() });
        }
        let rules = self.rules();
        let event = |mark: &Annotation| {
            let place = || listing::place(mark.onset);
            let meaning = self.meanings().of(&mark.text);
            let meaning = meaning.ok_or_else(|| bids::unknown(&of.path, &mark.text, place(), self.meanings()))?;
            rules.event((mark.onset, mark.duration_s), meaning, || CorpusError::NoDuration {
                path: of.path.clone(),
                text: mark.text.clone(),
                place: place(),
            })
        };
        marks.iter().filter_map(|mark| event(mark).transpose()).collect()
    }
}

/// A `channels.tsv`.
struct ChannelTable {
    path: PathBuf,
    rows: BTreeMap<crate::signal::CanonicalLabel, Vec<bids::ChannelRow>>,
}

/// Digits that a pattern gives, as a number that a store can hold.
fn run_number(path: &Path, word: Option<&str>) -> Result<Option<u16>, CorpusError> {
    let number =
        |word: &str| word.parse().map_err(|_| CorpusError::RunNumber { path: path.to_owned(), word: word.to_owned() });
    word.map(number).transpose()
}

/// Whether a word of `exclude` means this recording or its subject.
fn names(word: &str, of: &RecordingRef) -> bool {
    word == of.subject.0 || word == of.id || of.path.file_stem().is_some_and(|stem| stem == word)
}

impl Corpus for Folder {
    fn kind(&self) -> SignalKind {
        // A kind that is missing is refused by `check`.
        self.signal.unwrap_or(SignalKind::Eeg)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn classes(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.name.clone()).collect()
    }

    fn rate_hz(&self) -> f64 {
        self.rate_hz.unwrap_or_default()
    }

    fn channels(&self) -> Option<Vec<String>> {
        Some(self.channels.clone()).filter(|names| !names.iter().any(|name| name == ALL))
    }

    fn check(&self) -> Result<(), CorpusError> {
        if self.signal.is_none() {
            return Err(Self::wrong("signal", "nothing", "\"eeg\" or \"ecg\""));
        }
        self.check_numbers()?;
        self.checked_pattern()?;
        if self.channels.is_empty() {
            return Err(Self::wrong("channels", "no name", "names as `biossl inspect` shows them, or [\"all\"]"));
        }
        if let Some(name) = twice(&self.channels) {
            return Err(Self::wrong("channels", format!("`{name}` twice"), "each name once"));
        }
        if self.channels.len() > 1 && self.channels.iter().any(|name| name == ALL) {
            return Err(Self::wrong("channels", "`all` beside names", "[\"all\"] alone, or names"));
        }
        if self.labels == LabelSource::Participants && self.column.is_none() {
            return Err(Self::wrong("column", "nothing", "the column of participants.tsv that holds the classes"));
        }
        match self.meanings().fault() {
            Some((key, found, known)) => Err(Self::wrong(key, found, known)),
            None => Ok(()),
        }
    }

    fn recordings(&self) -> Result<Listing, CorpusError> {
        self.check()?;
        let pattern = self.checked_pattern()?;
        let people = self.people()?;
        let (mut found, mut all) = (Listing::default(), Vec::new());
        for (path, relative) in listing::recordings_below(&self.root)? {
            let id = relative.rsplit_once('.').map_or(&*relative, |(id, _)| id).to_owned();
            let Some(fields) = self.read_path(&pattern, &path, &relative)? else {
                found.excluded.push(Excluded { id, reason: "its path does not fit the pattern".to_owned() });
                continue;
            };
            let subject = SubjectId(fields.get(Field::Subject).unwrap_or_default().to_owned());
            let person = people.as_ref().and_then(|people| people.get(bids::bare(&subject.0)));
            let state = self.state(&fields, person);
            let session = self.session(&path, fields.get(Field::Session))?;
            let run_number = run_number(&path, fields.get(Field::Run))?;
            let (state, place) = state.unzip();
            let of = RecordingRef { path, id, subject, session, run_number, state };
            all.push(of.clone());
            match self.reason(&of, place.as_deref().unwrap_or_default())? {
                Some(reason) => found.excluded.push(Excluded { id: of.id, reason }),
                None => found.recordings.push(of),
            }
        }
        self.check_excluded(&all)?;
        if let Some(people) = people {
            self.check_listed(&people, &mut found)?;
        }
        listing::unique(&found.recordings)?;
        listing::sorted(NAME, &self.root, &self.pattern, found)
    }

    fn leads(&self, of: &RecordingRef, header: &Header) -> Result<Vec<Lead>, CorpusError> {
        let labels = Labels { path: &of.path, header };
        let all = self.channels.iter().any(|name| name == ALL);
        let picked = if all { labels.every()? } else { labels.pick_all(&self.channels, &self.aliases)? };
        let table = match self.channels_tsv(of)? {
            Some(path) => ChannelTable { rows: bids::channels(&path)?, path },
            None => ChannelTable { path: PathBuf::new(), rows: BTreeMap::new() },
        };
        let lead = |(i, picked): (usize, Picked)| {
            let unit = self.unit(of, header, &picked, &table)?;
            let label = if all { picked.lead.clone() } else { self.channels[i].clone() };
            Ok(Lead { channel: picked.channel, label, lead: picked.lead, unit })
        };
        picked.into_iter().enumerate().map(lead).collect()
    }

    fn events(&self, of: &RecordingRef, recording: &Recording) -> Result<Vec<Event>, CorpusError> {
        match (self.labels, &of.state) {
            (LabelSource::Annotations, _) => self.marks(of, recording),
            (LabelSource::EventsTsv, _) => match bids::beside(&self.root, &of.path, "events")? {
                Some(path) => self.rules().read(&path),
                None => Err(CorpusError::NoEventsTable { path: of.path.clone(), id: of.id.clone() }),
            },
            (LabelSource::Path | LabelSource::Participants, state) => {
                let word = state.as_deref().unwrap_or_default();
                let class = match self.meanings().of(word) {
                    Some(Meaning::Class(class)) => Some(class),
                    Some(Meaning::Unlabelled) => None,
                    Some(Meaning::Ignored) => return Ok(Vec::new()),
                    None => {
                        return Err(bids::unknown(&of.path, word, "its path or person".to_owned(), self.meanings()));
                    }
                };
                let duration_s = Some(recording.duration_s());
                Ok(vec![Event { onset: Onset::Sample(0), duration_s, class }])
            }
        }
    }

    fn annotations(&self, _of: &RecordingRef, reader: &mut dyn Reader) -> Result<Vec<Annotation>, FormatError> {
        match self.labels {
            LabelSource::Annotations if self.annotator != REFERENCE => reader.annotations_by(&self.annotator),
            _ => reader.annotations(),
        }
    }

    fn side_files(&self, of: &RecordingRef) -> Vec<PathBuf> {
        // Where two tables fit, `events` and `leads` say so.
        let marks = match self.labels {
            LabelSource::Annotations if self.annotator != REFERENCE => Some(of.path.with_extension(&self.annotator)),
            LabelSource::EventsTsv => bids::beside(&self.root, &of.path, "events").ok().flatten(),
            LabelSource::Participants => Some(self.root.join("participants.tsv")),
            LabelSource::Annotations | LabelSource::Path => None,
        };
        marks.into_iter().chain(self.channels_tsv(of).ok().flatten()).collect()
    }
}

impl Folder {
    /// People that `participants.tsv` does not list: an error where their class should stand there, else said.
    fn check_listed(&self, people: &People, found: &mut Listing) -> Result<(), CorpusError> {
        let mut missing: Vec<&RecordingRef> =
            found.recordings.iter().filter(|of| !people.contains_key(bids::bare(&of.subject.0))).collect();
        missing.dedup_by(|one, other| one.subject == other.subject);
        match missing[..] {
            [] => Ok(()),
            [of, ..] if self.labels == LabelSource::Participants => Err(CorpusError::NotListed {
                path: of.path.clone(),
                table: self.root.join("participants.tsv"),
                person: of.subject.0.clone(),
            }),
            _ => {
                let names: Vec<&str> = missing.iter().map(|of| of.subject.0.as_str()).collect();
                found.warnings.push(format!("participants.tsv does not list {}", names.join(", ")));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "records are copied into temporary folders")]

    use super::*;
    use crate::data::formats::{Strictness, open};

    fn corpus(root: &Path, pattern: &str) -> Folder {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        Folder {
            root: root.to_owned(),
            signal: Some(SignalKind::Ecg),
            rate_hz: Some(360.0),
            pattern: pattern.to_owned(),
            channels: words(&["MLII"]),
            annotator: "qrs".to_owned(),
            classes: vec![ClassMarks { name: "beat".to_owned(), marks: words(&["N", "A", "V"]) }],
            ignore: words(&["+"]),
            ..Folder::defaults(SignalKind::Ecg)
        }
    }

    #[test]
    fn marks_of_an_annotator_of_one_s_own_are_read_as_strictly_as_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let fixture =
            |ending: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mitdb/100").with_extension(ending);
        for (ending, other) in [("hea", "hea"), ("dat", "dat"), ("atr", "qrs")] {
            std::fs::copy(fixture(ending), folder.path().join("100").with_extension(other)).unwrap();
        }
        let corpus = corpus(folder.path(), "{subject}.hea");
        let of = corpus.recordings().unwrap().recordings.swap_remove(0);
        let read = |strictness| {
            let mut reader = open(&of.path, strictness)?;
            let annotations = corpus.annotations(&of, &mut *reader)?;
            let warnings = reader.header().warnings.clone();
            Ok::<_, FormatError>(Recording { annotations, warnings, ..Recording::default() })
        };
        let whole = read(Strictness::Strict).unwrap();
        let events = corpus.events(&of, &whole).unwrap();
        assert!(events.len() > 60 && whole.warnings.is_empty(), "{:?}", whole.warnings);
        // The end mark and half of the last entry are missing.
        let marks = folder.path().join("100.qrs");
        let bytes = std::fs::read(&marks).unwrap();
        std::fs::write(&marks, &bytes[..bytes.len() - 3]).unwrap();
        let told = read(Strictness::Strict).unwrap_err().to_string();
        assert!(told.contains("100.qrs"), "{told}");
        let kept = read(Strictness::Lenient).unwrap();
        assert_eq!(corpus.events(&of, &kept).unwrap(), events[..events.len() - 1]);
        assert!(!kept.warnings.is_empty());
    }

    #[test]
    fn run_number_beyond_a_store_is_told_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p800_20240101.hea"), "").unwrap();
        let told = corpus(folder.path(), "{subject}_{run}.hea").recordings().unwrap_err();
        assert!(told.to_string().contains("run `20240101` is no number up to 65535"), "{told}");
        assert!(miette::Diagnostic::help(&told).unwrap().to_string().contains("write `*` in place of `{run}`"));
        let listing = corpus(folder.path(), "{subject}_*.hea").recordings().unwrap();
        assert_eq!((&*listing.recordings[0].subject.0, &*listing.recordings[0].id), ("p800", "p800_20240101"));
    }
}
