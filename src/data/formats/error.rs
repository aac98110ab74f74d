//! What can be wrong with a file of signals, with its place and the remedy.

use std::fmt;
use std::path::{Path, PathBuf};

use super::file::Part;
use crate::base::printable;
use crate::signal::Span;

/// A fault and the file it was found in.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}: {fault}", printable(&path.to_string_lossy()))]
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
    #[diagnostic(help("{}", remedy_of(.0)))]
    Io(#[source] std::io::Error),
    /// No such file.
    #[error("{}", match part {
        Part::Named => "there is no such file",
        Part::Signals => "the header names this signal file, but it is not there",
        Part::Annotations => "there is no such annotation file",
    })]
    #[diagnostic(help("{}", match part {
        Part::Named => "check the path; a WFDB record is named by its .hea file or without an ending",
        Part::Signals => "fetch it into the folder of the header: a WFDB record is its .hea and all files that it names",
        Part::Annotations => "an annotator is the ending of a file beside the .hea, `atr` where none is named",
    }))]
    Missing {
        /// What it was to be.
        part: Part,
    },
    /// A link to nothing.
    #[error("is a link to {}, where there is nothing", printable(&target.to_string_lossy()))]
    #[diagnostic(help("{}", if *annexed {
        "its content was not fetched yet: `datalad get FILE` or `git annex get FILE` in its repository"
    } else {
        "put the file where the link points, or name the file itself"
    }))]
    DeadLink {
        /// Where it points.
        target: PathBuf,
        /// Whether into git-annex's store.
        annexed: bool,
    },
    /// Something that is opened by nobody: a folder, a pipe.
    #[error("is {what}, not a file")]
    #[diagnostic(help("recordings are read from plain files: name the file, or copy it to one"))]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// A file without a byte.
    #[error("is empty (0 bytes)")]
    #[diagnostic(help("a download or a copy that broke off leaves such files: fetch it again"))]
    Empty,
    /// A header or annotation file that is longer than any real one.
    #[error("has {length} bytes, more than the {limit} that such a file can need")]
    #[diagnostic(help("it is damaged or something else: look into it, then fetch it again"))]
    TooLong {
        /// What it has.
        length: u64,
        /// What is read.
        limit: u64,
    },
    /// A file that is plainly something else.
    #[error("is no recording but {what}")]
    #[diagnostic(help("{remedy}"))]
    Foreign {
        /// What it is.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Neither name nor bytes belong to a format that is read.
    #[error("is in no format that is read here")]
    #[diagnostic(help(
        "name a WFDB record by its .hea file (or without an ending), EDF and BDF by their .edf or .bdf"
    ))]
    UnknownFormat,
    /// A header field that does not say what it must.
    #[error("{place}: {field} is `{}`, expected {expected}", printable(found))]
    #[diagnostic(help(
        "the header is damaged or not of this format: fetch the file again or correct that field; `--lenient` reads on where only a range or a count is wrong"
    ))]
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
    #[error("its header names record `{}`, the file is called `{}`", printable(stated), printable(file))]
    #[diagnostic(help("rename the file back, or read it leniently (`--lenient`)"))]
    RecordName {
        /// In the header.
        stated: String,
        /// By the file's name.
        file: String,
    },
    /// A signal file outside the record's folder.
    #[error("line {line}: signal file `{}` is no plain file name", printable(name))]
    #[diagnostic(help("signal files lie beside their header; headers that point elsewhere are refused"))]
    UnsafeFileName {
        /// Line of the header.
        line: usize,
        /// The name.
        name: String,
    },
    /// Signals of one file that are apart or differ in format or offset.
    #[error("line {line}: signals of `{}` must stand together and share format and byte offset", printable(name))]
    #[diagnostic(help("the header is damaged: fetch it again, or bring its signal lines in order"))]
    FileGroup {
        /// Line of the header.
        line: usize,
        /// The signal file.
        name: String,
    },
    /// A known construct that is not read.
    #[error("{} is not read", printable(what))]
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
    #[diagnostic(help("the file is cut: fetch it again, or read it leniently (`--lenient`) to keep what is whole"))]
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
    #[error(
        "signal {signal} (`{}`): the samples sum up to {computed}, the header's checksum is {stated}",
        printable(label)
    )]
    #[diagnostic(help(
        "header and samples do not belong together or one is damaged: fetch both again, or read leniently (`--lenient`)"
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
    /// More annotations than any recording has.
    #[error("has more than {limit} annotations")]
    #[diagnostic(help("it is damaged, or should be parted into several recordings"))]
    TooManyMarks {
        /// How many are read.
        limit: usize,
    },
    /// An annotation file that ends inside an entry.
    #[error("the annotation file ends inside the entry at byte {at}")]
    #[diagnostic(help(
        "the file is cut: fetch it again, or read it leniently (`--lenient`) to keep the annotations before"
    ))]
    AnnotationEnds {
        /// First byte of the entry.
        at: u64,
    },
    /// A time-stamped annotation list that breaks its grammar.
    #[error("data record {record}, byte {at} of its annotation signal: {reason}")]
    #[diagnostic(help(
        "the annotations are damaged: fetch the file again, or read it leniently (`--lenient`) to keep the others"
    ))]
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
    #[diagnostic(help(
        "the file is discontinuous though its header says otherwise: convert it, or read it leniently (`--lenient`)"
    ))]
    Gap {
        /// Data record, from 0.
        record: u64,
        /// Where the one before ends.
        expected_s: f64,
        /// Where it begins.
        found_s: f64,
    },
    /// Annotators asked of a format that has none.
    #[error("annotator `{}` was asked for, but this format keeps its annotations inside", printable(annotator))]
    #[diagnostic(help("leave the annotator out"))]
    NoAnnotators {
        /// The annotator.
        annotator: String,
    },
    /// A fault of a table of text.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Table(#[from] super::TableFault),
    /// A channel that is not there.
    #[error("there is no channel {channel} among {n_channels}")]
    #[diagnostic(help("`biossl inspect FILE` lists the channels; they are counted from 0"))]
    NoSuchChannel {
        /// Asked for, from 0.
        channel: usize,
        /// How many there are.
        n_channels: usize,
    },
    /// Samples that are not there.
    #[error("samples {}..{} of channel {channel} were asked for, it has {samples}", span.first, span.end)]
    #[diagnostic(help("ask for samples before the end that the header states"))]
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
    #[diagnostic(help("give one output for each channel"))]
    Outputs {
        /// Channels asked for.
        n_channels: usize,
        /// Vectors given.
        n_outputs: usize,
    },
}

fn remedy_of(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "you may not read it: have its owner allow it (`chmod u+r FILE`)",
        std::io::ErrorKind::OutOfMemory => "free memory, or read it on a machine with more",
        _ => "check the disk, the network share and the rights on the file",
    }
}
