//! Bytes to recordings: WFDB and EDF, each with its relatives. Knows nothing of subjects or classes.
//!
//! Invariant: nothing is guessed and nothing is repaired in silence. What a file states and the bytes deny is an error
//! (strict) or a [`Warning`] in the result (lenient); what is not read yet is refused by its name. Bytes are foreign
//! here: no index, sum or cast in this room can panic. Start reading at [`Reader`], then `wfdb` and `edf`.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod edf;
mod error;
mod file;
mod foreign;
#[cfg(test)]
mod laws;
mod open;
mod physical;
mod remarks;
mod summary;
mod tally;
mod tsv;
mod wfdb;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::signal::{Annotation, DateTime, Span, Unit, Warning};

pub use error::{FormatError, FormatFault, Place};
pub use file::Part;
pub use open::{open, read};
pub use summary::{AnnotationSummary, ChannelSummary, Mark, Summary, summary};
pub use tsv::{Row, Table, TableFault};

/// More marks than that are damage: at a hundred beats a minute they are two weeks.
const MOST_MARKS: usize = 2_000_000;

/// What to do with a file that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// Refuse it.
    Strict,
    /// Keep what is whole and say so in the warnings.
    Lenient,
}

/// How sure a format is that a file is its own; the surest format opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// Not ours.
    No,
    /// The name says so.
    Name,
    /// The first bytes say so.
    Bytes,
}

/// One file format.
pub trait Format: Sync {
    /// The word in lists and documents.
    fn name(&self) -> &'static str;

    /// How sure it is that `path`, whose first bytes are `head` (empty: no such file), is its own.
    fn matches(&self, path: &Path, head: &[u8]) -> Match;

    /// Reads the header.
    ///
    /// # Errors
    /// As [`open`].
    fn open(&self, path: &Path, strictness: Strictness) -> Result<Box<dyn Reader>, FormatError>;
}

/// All formats that are read.
pub static FORMATS: &[&dyn Format] = &[&wfdb::Wfdb, &edf::EDF, &edf::BDF];

/// What a file says before any sample is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// `wfdb`, `edf`, `edf+c`, `bdf` or `bdf+c`.
    pub format: &'static str,
    /// Time of the first sample, where the file gives date and time.
    pub start: Option<DateTime>,
    /// Length in seconds.
    pub duration_s: f64,
    /// Counts per second of annotations that stand at samples (WFDB: frames); `None` where they stand at seconds.
    pub annotation_rate_hz: Option<f64>,
    /// Signals in the order of the file; annotation signals are none.
    pub channels: Vec<ChannelHeader>,
    /// Files that hold the samples, each once.
    pub signal_files: Vec<PathBuf>,
    /// Bytes of such a file before its samples: the header of EDF and BDF, which may name a person; 0 for WFDB.
    pub signal_offset: u64,
    /// Files beside them that the recording is read from: WFDB's header, and annotations where there are any.
    pub side_files: Vec<PathBuf>,
    /// Free text that the file holds beside its fields (WFDB's info strings), line by line; it may speak of the person.
    pub info: Vec<String>,
    /// What was odd so far; grows as samples and annotations are read.
    pub warnings: Vec<Warning>,
}

/// What a file says of one signal.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelHeader {
    /// As the file has it.
    pub label: String,
    /// Unit of the physical values.
    pub unit: Unit,
    /// The unit as the file spells it.
    pub unit_text: String,
    /// Samples per second.
    pub rate_hz: f64,
    /// Number of samples.
    pub samples: u64,
}

/// An open file: its header now, samples and annotations on request, of which never more than a page lies in memory.
pub trait Reader: Send {
    /// The header, with the warnings so far.
    fn header(&self) -> &Header;

    /// The marks in the order of the file; for WFDB those of annotator `atr`, none if there is no such file.
    ///
    /// # Errors
    /// A damaged annotation file or signal; lenient: what is whole, and a warning.
    fn annotations(&mut self) -> Result<Vec<Annotation>, FormatError>;

    /// The marks of another annotator, for WFDB the file ending.
    ///
    /// # Errors
    /// As [`Self::annotations`]; no such file; a format that knows no annotators.
    fn annotations_by(&mut self, annotator: &str) -> Result<Vec<Annotation>, FormatError>;

    /// The stored integers of several channels in one pass. `span` counts each channel's own samples; `into` holds one
    /// vector a channel, which is cleared first.
    ///
    /// # Errors
    /// No such channel, a span past the end, a file that cannot be read.
    fn digital(&mut self, channels: &[usize], span: Span, into: &mut [Vec<i32>]) -> Result<(), FormatError>;

    /// The same in physical units; NaN where the file marks a sample as missing.
    ///
    /// # Errors
    /// As [`Self::digital`].
    fn physical(&mut self, channels: &[usize], span: Span, into: &mut [Vec<f32>]) -> Result<(), FormatError>;

    /// Checks what needs every sample: checksums, initial values, stated ranges.
    ///
    /// # Errors
    /// Strict: a check that fails. Lenient: never for that reason, it becomes a warning.
    fn verify(&mut self) -> Result<(), FormatError>;
}
