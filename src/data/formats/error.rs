//! What can be wrong with a file of signals, with its place and the remedy.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::signal::Span;

/// A fault and the file it was found in.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}: {fault}", path.display())]
pub struct FormatError {
    /// The file at fault.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    #[diagnostic_source]
    pub fault: FormatFault,
}

impl FormatFault {
    /// Adds the file.
    pub(super) fn of(self, path: &Path) -> FormatError {
        FormatError { path: path.to_owned(), fault: self }
    }
}

/// A place inside a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Line, from 1.
    Line(usize),
    /// Byte, from 0.
    Byte(u64),
    /// Header field of a signal, from 0.
    Signal(usize),
    /// Data record, from 0.
    Record(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Byte(byte) => write!(f, "byte {byte}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Record(record) => write!(f, "data record {record}"),
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum FormatFault {
    /// The operating system said no.
    #[error("cannot be read: {0}")]
    Io(#[source] std::io::Error),
    /// Neither name nor bytes belong to a format that is read.
    #[error("is in no format that is read here")]
    #[diagnostic(help(
        "name a WFDB record by its .hea file (or without an ending), EDF and BDF by their .edf or .bdf"
    ))]
    UnknownFormat,
    /// A header field that does not say what it must.
    #[error("{place}: {field} is `{found}`, expected {expected}")]
    #[diagnostic(help("the header is damaged or not of this format; fetch the file again or correct that field"))]
    Field {
        /// Where.
        place: Place,
        /// The field's name in the specification.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A header that says fewer signals, or shorter, than it promises.
    #[error("the header ends at {place}, before {missing}")]
    #[diagnostic(help("the header is cut; fetch the file again"))]
    HeaderEnds {
        /// Where it ends.
        place: Place,
        /// What is missing.
        missing: &'static str,
    },
    /// A record whose header names another one.
    #[error("line 1 names record `{stated}`, the file is called `{file}`")]
    #[diagnostic(help("rename the file back, or read it leniently"))]
    RecordName {
        /// In the header.
        stated: String,
        /// By the file's name.
        file: String,
    },
    /// A signal file outside the record's folder.
    #[error("line {line}: signal file `{name}` is no plain file name")]
    #[diagnostic(help("signal files lie beside their header; headers that point elsewhere are refused"))]
    UnsafeFileName {
        /// Line of the header.
        line: usize,
        /// The name.
        name: String,
    },
    /// Signals of one file that are apart or differ in format or offset.
    #[error("line {line}: signals of `{name}` must stand together and share format and byte offset")]
    FileGroup {
        /// Line of the header.
        line: usize,
        /// The signal file.
        name: String,
    },
    /// A known construct that is not read.
    #[error("{what} is not read")]
    #[diagnostic(help("{remedy}"))]
    Unsupported {
        /// Its name.
        what: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// Fewer bytes than the header promises.
    #[error(
        "ends at byte {at}, {needed} bytes are needed for what the header states ({whole} of {stated} {what} are whole)"
    )]
    #[diagnostic(help("the file is cut: fetch it again, or read it leniently to keep what is whole"))]
    Truncated {
        /// Bytes that are there.
        at: u64,
        /// Bytes that should be.
        needed: u64,
        /// Whole frames or data records.
        whole: u64,
        /// Stated frames or data records.
        stated: u64,
        /// `frames` or `data records`.
        what: &'static str,
    },
    /// Samples whose sum is not the one of the header.
    #[error("signal {signal} (`{label}`): the samples sum up to {computed}, the header's checksum is {stated}")]
    #[diagnostic(help(
        "header and samples do not belong together or one is damaged: fetch both again, or read leniently"
    ))]
    Checksum {
        /// Signal, from 0.
        signal: usize,
        /// Its label.
        label: String,
        /// In the header.
        stated: i16,
        /// Of the samples.
        computed: i16,
    },
    /// An annotation file without a byte.
    #[error("the annotation file is empty")]
    #[diagnostic(help("even a file without annotations has an end mark of two bytes: fetch it again or remove it"))]
    EmptyAnnotations,
    /// An annotation file that ends inside an entry.
    #[error("the annotation file ends inside the entry at byte {at}")]
    #[diagnostic(help("the file is cut: fetch it again, or read it leniently to keep the annotations before"))]
    AnnotationEnds {
        /// First byte of the entry.
        at: u64,
    },
    /// A time-stamped annotation list that breaks its grammar.
    #[error("data record {record}, byte {at} of its annotation signal: {reason}")]
    #[diagnostic(help("the annotations are damaged: fetch the file again, or read it leniently to keep the others"))]
    AnnotationList {
        /// Data record, from 0.
        record: u64,
        /// Byte within the annotation signal of that record.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file that states to have no gaps, with a data record that begins elsewhere than the one before ends.
    #[error("data record {record} begins at {found_s} s, without a gap it would at {expected_s} s")]
    #[diagnostic(help("the file is discontinuous though its header says otherwise: convert it, or read it leniently"))]
    Gap {
        /// Data record, from 0.
        record: u64,
        /// Where the one before ends.
        expected_s: f64,
        /// Where it begins.
        found_s: f64,
    },
    /// Annotators asked of a format that has none.
    #[error("annotator `{annotator}` was asked for, but this format keeps its annotations inside")]
    #[diagnostic(help("leave the annotator out"))]
    NoAnnotators {
        /// The annotator.
        annotator: String,
    },
    /// A channel that is not there.
    #[error("there is no channel {channel} among {n_channels}")]
    NoSuchChannel {
        /// Asked for, from 0.
        channel: usize,
        /// How many there are.
        n_channels: usize,
    },
    /// Samples that are not there.
    #[error("samples {}..{} of channel {channel} were asked for, it has {samples}", span.first, span.end)]
    SpanOutside {
        /// The channel.
        channel: usize,
        /// Asked for.
        span: Span,
        /// How many there are.
        samples: u64,
    },
    /// As many output vectors as channels are needed.
    #[error("{n_channels} channels were asked for with {n_outputs} outputs")]
    Outputs {
        /// Channels asked for.
        n_channels: usize,
        /// Vectors given.
        n_outputs: usize,
    },
}
