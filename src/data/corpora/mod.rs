//! Who is in a recording and what its marks mean: one file a published database, and `folder` for one's own.
//!
//! Invariant: a subject, a lead or a class is looked up in the corpus's tables, never guessed; what is left out is
//! counted and named with its reason. Corpora know nothing of windows. Start reading at [`Corpus`], then `mit_bih`.

mod aami;
mod beat_databases;
mod bids;
mod eegmmidb;
mod error;
mod folder;
mod listing;
mod marks;
mod mit_bih;
mod path_pattern;
mod picking;

use std::path::PathBuf;

use crate::base::{Choice, Entry, Registry, SignalKind, read_choice};
use crate::data::formats::{FormatError, Header, Reader};
use crate::signal::{Annotation, Event, Recording, SubjectId, Unit};

pub use beat_databases::Database;
pub use bids::{beside, marks_last};
pub use eegmmidb::Eegmmidb;
pub use error::CorpusError;
pub use folder::{BadChannels, Folder, LabelSource, UnitsFrom, Unmatched};
pub use listing::recordings_below;
pub use marks::{ClassMarks, Unknown};
pub use mit_bih::MitBih;

/// One recording of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingRef {
    /// The file that `formats::open` takes.
    pub path: PathBuf,
    /// Record name or file name without its ending; unique in the corpus.
    pub id: String,
    /// Whose it is.
    pub subject: SubjectId,
    /// Visit, from 1.
    pub session: u16,
    /// Run number, where the corpus has runs.
    pub run_number: Option<u16>,
    /// The word that its path or a table gives to the whole recording, where that is how a corpus tells classes.
    pub state: Option<String>,
}

/// A recording that is left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Excluded {
    /// As [`RecordingRef::id`].
    pub id: String,
    /// Why.
    pub reason: String,
}

/// What a corpus folder holds, in order of id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// To be used.
    pub recordings: Vec<RecordingRef>,
    /// Left out, each with its reason.
    pub excluded: Vec<Excluded>,
    /// What was odd but legal, a sentence each.
    pub warnings: Vec<String>,
}

/// A channel to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Index in the file.
    pub channel: usize,
    /// Name of the store's channel, the same in every recording: `MLII`, `other`, `FC5`.
    pub label: String,
    /// What it is in this recording: `MLII`, `V1`, `FC5`.
    pub lead: String,
    /// The unit that stands beside the recording (BIDS `channels.tsv`), where that counts instead of the file's own.
    pub unit: Option<Unit>,
}

/// Recordings in a folder.
pub trait Corpus: Send + Sync {
    /// Its body signal.
    fn kind(&self) -> SignalKind;

    /// The kebab-case word in pipelines and stores.
    fn name(&self) -> &'static str;

    /// Class names; labels index them.
    fn classes(&self) -> Vec<String>;

    /// The one sampling rate of its recordings.
    fn rate_hz(&self) -> f64;

    /// Holds the settings against each other and against what is known, before anything is read.
    ///
    /// # Errors
    /// [`CorpusError::Setting`] with its key.
    fn check(&self) -> Result<(), CorpusError>;

    /// The labels of the stored channels, where settings say them whatever the recordings hold.
    fn channels(&self) -> Option<Vec<String>> {
        None
    }

    /// What is in the folder, by names; no recording is opened. A rate that is not the corpus's is found, and refused or
    /// resampled, by preprocessing.
    ///
    /// # Errors
    /// A folder without recordings, an unknown subject.
    fn recordings(&self) -> Result<Listing, CorpusError>;

    /// Which channels are stored under which names.
    ///
    /// # Errors
    /// A lead that is not there.
    fn leads(&self, of: &RecordingRef, header: &Header) -> Result<Vec<Lead>, CorpusError>;

    /// The marks of a file that [`Self::events`] wants, which may be another annotator's than the format's own.
    ///
    /// # Errors
    /// As [`Reader::annotations`].
    fn annotations(&self, _of: &RecordingRef, reader: &mut dyn Reader) -> Result<Vec<Annotation>, FormatError> {
        reader.annotations()
    }

    /// The marks that mean something. Beats have no duration, trials have one; a run that is one state throughout is
    /// one long stretch.
    ///
    /// # Errors
    /// A mark that the corpus's tables do not know where they must.
    fn events(&self, of: &RecordingRef, recording: &Recording) -> Result<Vec<Event>, CorpusError>;

    /// Files beside a recording that its channels or marks were read from, the format's own apart.
    fn side_files(&self, _of: &RecordingRef) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Classes that stand in no training role and in no pool.
    fn pool_excludes(&self) -> Vec<u16> {
        Vec::new()
    }
}

/// Whether a mark of WFDB has a standard meaning, as a beat or as something else.
pub fn knows_beat_mark(symbol: &str) -> bool {
    aami::class(symbol).is_some() || aami::is_no_beat(symbol)
}

/// The subject that a pattern of corpus `folder` reads from a path (its parts joined by `/`); `None`: it does not fit,
/// or not in one way.
pub fn person_of(pattern: &str, path: &str) -> Option<String> {
    match path_pattern::Pattern::parse(pattern).ok()?.fit(path) {
        path_pattern::Fit::One(found) => found.get(path_pattern::Field::Subject).map(str::to_owned),
        _ => None,
    }
}

/// All corpora.
pub static CORPORA: Registry<dyn Corpus> = Registry {
    family: "corpus",
    entries: &[entry::<mit_bih::MitBih>(), entry::<eegmmidb::Eegmmidb>(), entry::<folder::Folder>()],
};

const fn entry<C: Choice + Corpus>() -> Entry<dyn Corpus> {
    Entry::of::<C>(|kind, user| Ok(Box::new(read_choice::<C>(kind, user)?)))
}
