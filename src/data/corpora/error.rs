//! What can be wrong with a folder that should hold a corpus.

use std::path::PathBuf;

use crate::data::formats::FormatError;

/// What is wrong with a corpus.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum CorpusError {
    /// The folder cannot be listed.
    #[error("{}: the folder of corpus `{corpus}` cannot be listed: {source}", root.display())]
    #[diagnostic(help("set `root` of the corpus to the folder that holds its files"))]
    Folder {
        /// The corpus.
        corpus: &'static str,
        /// Its `root`.
        root: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder holds nothing of the corpus that is to be used.
    #[error("{}: no recording of corpus `{corpus}` to use ({pattern}, {n_excluded} excluded)", root.display())]
    #[diagnostic(help("set `root` of the corpus to the folder that holds its files, and look at its other settings"))]
    NoRecordings {
        /// The corpus.
        corpus: &'static str,
        /// Its `root`.
        root: PathBuf,
        /// How its files are named.
        pattern: &'static str,
        /// How many are there but excluded.
        n_excluded: usize,
    },
    /// A file whose subject the corpus does not know.
    #[error("{}: corpus `{corpus}` knows no subject for this file ({pattern})", path.display())]
    #[diagnostic(help("move the file out of the folder: a subject is never guessed from a name that does not fit"))]
    UnknownSubject {
        /// The corpus.
        corpus: &'static str,
        /// The file.
        path: PathBuf,
        /// How its files are named.
        pattern: &'static str,
    },
    /// A recording whose marks are missing: without them it would only be a row of zeros.
    #[error("{}: no annotations, corpus `{corpus}` needs them to find its events", path.display())]
    #[diagnostic(help("put the annotation file beside the recording, or add `{id}` to the corpus's `exclude`"))]
    NoAnnotations {
        /// The corpus.
        corpus: &'static str,
        /// The file.
        path: PathBuf,
        /// The recording.
        id: String,
    },
    /// A lead that is not in a recording.
    #[error("{}: there is no lead `{lead}` among {}", path.display(), found.join(", "))]
    #[diagnostic(help("exclude the recording, or choose other `leads`"))]
    NoSuchLead {
        /// The file.
        path: PathBuf,
        /// Asked for.
        lead: String,
        /// Those in the file.
        found: Vec<String>,
    },
    /// A mark that the corpus's table does not hold.
    #[error("{}: annotation `{text}` at {seconds} s means nothing in run {run_number} of corpus `{corpus}`", path.display())]
    #[diagnostic(help("the file is not as the database distributes it: fetch it again or exclude it"))]
    UnknownMark {
        /// The corpus.
        corpus: &'static str,
        /// The file.
        path: PathBuf,
        /// Its run.
        run_number: u16,
        /// The mark's text.
        text: String,
        /// Where it stands.
        seconds: f64,
    },
    /// A setting that asks for what the corpus does not have.
    #[error("corpus `{corpus}`: `{key}` holds {found}, known: {known}")]
    #[diagnostic(help("correct `{key}` of the corpus"))]
    Setting {
        /// The corpus.
        corpus: &'static str,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What may stand there.
        known: &'static str,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
}
