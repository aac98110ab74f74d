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
        pattern: String,
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
        pattern: String,
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
    #[error("{}: there is no channel `{lead}` among {}", path.display(), found.join(", "))]
    #[diagnostic(help(
        "{}exclude the recording, choose other channels, or say what stands in for it: aliases = {{ {lead} = [\"..\"] }}",
        nearest_of(near.as_deref())
    ))]
    NoSuchLead {
        /// The file.
        path: PathBuf,
        /// Asked for.
        lead: String,
        /// Those in the file.
        found: Vec<String>,
        /// The one among them that is spelt most like it.
        near: Option<String>,
    },
    /// A name that fits several channels.
    #[error("{}: `{lead}` is the name of channels {} of the file", path.display(), numbers(places))]
    #[diagnostic(help("say which: `{lead}#1` is the first of them, `{lead}#2` the second"))]
    LeadTwice {
        /// The file.
        path: PathBuf,
        /// Asked for.
        lead: String,
        /// Places in the file, from 1.
        places: Vec<usize>,
    },
    /// Two names that mean one channel.
    #[error("{}: `{}` and `{}` are the same channel, {label}", path.display(), leads[0], leads[1])]
    #[diagnostic(help("name one of them only, or correct `aliases`"))]
    SameChannel {
        /// The file.
        path: PathBuf,
        /// The names.
        leads: [String; 2],
        /// The channel's label.
        label: String,
    },
    /// A mark that no table of WFDB holds.
    #[error("{}: mark `{text}` at {place} has no standard meaning", path.display())]
    #[diagnostic(help(
        "if it is no beat, pass it over: ignore = [\"{text}\"] in the corpus; else use corpus `folder`, whose `classes` say what marks mean"
    ))]
    StrangeMark {
        /// The file.
        path: PathBuf,
        /// The mark's text.
        text: String,
        /// Where it stands.
        place: String,
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
        known: String,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
}

/// `did you mean ..? `, where there is something near.
fn nearest_of(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("did you mean `{near}`? "))
}

fn numbers(places: &[usize]) -> String {
    let words: Vec<String> = places.iter().map(usize::to_string).collect();
    words.join(" and ")
}
