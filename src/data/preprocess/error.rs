//! What can go wrong between a recording and a store.

use std::path::{Path, PathBuf};

use crate::base::Stopped;
use crate::data::corpora::CorpusError;
use crate::data::formats::FormatError;
use crate::data::store::StoreError;

/// What can go wrong between a recording and a store.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A setting that makes no sense.
    #[error("`{key}` of [preprocess]: {message}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        message: String,
    },
    /// A channel in no voltage.
    #[error("channel {label} is in `{unit}`, which is no voltage")]
    #[diagnostic(help("correct the unit in the file's header (V, mV, uV or nV)"))]
    Unit {
        /// Its label.
        label: String,
        /// Its unit.
        unit: String,
    },
    /// Channels that cannot be windows together.
    #[error("channel {label} has {samples} samples at {rate_hz} Hz, expected {expected}")]
    Channel {
        /// Its label.
        label: String,
        /// Its length.
        samples: usize,
        /// Its rate.
        rate_hz: f64,
        /// What the others, or the corpus, have.
        expected: String,
    },
    /// A recording whose rate is not the corpus's.
    #[error("sampled at {found_hz} Hz, corpus `{corpus}` has {expected_hz} Hz")]
    #[diagnostic(help(
        "add `{id}` or its subject to the corpus's `exclude`, or have everything resampled to one rate: \
         `rate_hz = {expected_hz}` in [preprocess]"
    ))]
    Rate {
        /// The recording.
        id: String,
        /// The corpus.
        corpus: String,
        /// Its rate.
        found_hz: f64,
        /// The corpus's rate.
        expected_hz: f64,
    },
    /// A recording too short for the filter.
    #[error("{samples} samples are too few for the filter, which needs more than {needed}")]
    #[diagnostic(help("leave the recording out with the corpus's `exclude`"))]
    TooShort {
        /// Its length.
        samples: usize,
        /// Samples of extension at each end.
        needed: usize,
    },
    /// A recording whose channels are not those of the first.
    #[error("channels {found:?}, but {expected:?} in the first recording")]
    Leads {
        /// Of this recording.
        found: Vec<String>,
        /// Of the first one.
        expected: Vec<String>,
    },
    /// Nothing to write.
    #[error("corpus {corpus}: no window in {recordings} recordings")]
    #[diagnostic(help("look at the corpus's `root`, `runs` and `exclude`"))]
    NoWindow {
        /// Its name.
        corpus: String,
        /// How many recordings were listed.
        recordings: usize,
    },
    /// A fault in one recording.
    #[error("{}: {fault}", path.display())]
    Recording {
        /// Its file.
        path: PathBuf,
        /// The fault.
        #[source]
        fault: Box<PreprocessError>,
        /// The fault's own.
        #[help]
        remedy: Option<String>,
    },
    /// A source file cannot be read for its hash.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// A recording that changed between the two passes.
    #[error("{planned} windows were planned, {found} found: the file changed while it was read")]
    Changed {
        /// First pass.
        planned: usize,
        /// Second pass.
        found: usize,
    },
    /// As the reader says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
    /// As the corpus says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Corpus(#[from] CorpusError),
    /// As the store says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl PreprocessError {
    /// Names the recording, unless the fault names its file itself.
    pub(super) fn in_recording(self, path: &Path) -> Self {
        match self {
            Self::Format(_) | Self::Corpus(_) | Self::Store(_) | Self::Io { .. } | Self::Stopped(_) => self,
            fault => {
                let remedy = miette::Diagnostic::help(&fault).map(|help| help.to_string());
                Self::Recording { path: path.to_owned(), fault: Box::new(fault), remedy }
            }
        }
    }
}
