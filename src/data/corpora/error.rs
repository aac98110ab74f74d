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
    /// A recording whose path does not fit the pattern.
    #[error("{}: the path does not fit the pattern `{pattern}`", path.display())]
    #[diagnostic(help(
        "correct `pattern` (a placeholder or `*` never reaches over a `/`), move the file away, or leave such files out: unmatched = \"leave-out\""
    ))]
    NoMatch {
        /// The file.
        path: PathBuf,
        /// The pattern.
        pattern: String,
    },
    /// A run number that no store can hold.
    #[error("{}: run `{word}` is no number up to {}", path.display(), u16::MAX)]
    #[diagnostic(help(
        "write `*` in place of `{{run}}` in `pattern` if nothing hangs on it (the recording keeps its own name), or `{{session}}` and list its words in `sessions`"
    ))]
    RunNumber {
        /// The file.
        path: PathBuf,
        /// What stands for `{run}`.
        word: String,
    },
    /// A placeholder that stands twice in a pattern and says two things.
    #[error("{}: {field} is `{}` and `{}`", path.display(), words[0], words[1])]
    #[diagnostic(help("rename the file or its folder: a subject is never guessed"))]
    PathConflict {
        /// The file.
        path: PathBuf,
        /// The placeholder.
        field: String,
        /// What it says.
        words: [String; 2],
    },
    /// A path that fits a pattern in several ways.
    #[error("{}: {field} may be `{}` or `{}`", path.display(), words[0], words[1])]
    #[diagnostic(help(
        "make `pattern` plainer: put fixed text between placeholders that the names themselves do not hold, or `{{run}}`, which is a number"
    ))]
    PathAmbiguous {
        /// The file.
        path: PathBuf,
        /// The placeholder.
        field: String,
        /// Two of its readings.
        words: [String; 2],
    },
    /// A session whose number nobody knows.
    #[error("{}: session `{session}` is no number and not in `sessions`", path.display())]
    #[diagnostic(help("list the sessions in their order: sessions = [\"pre\", \"post\"]"))]
    Session {
        /// The file.
        path: PathBuf,
        /// The word.
        session: String,
    },
    /// A file or folder whose name cannot be told.
    #[error("{}: the name is no UTF-8", path.display())]
    #[diagnostic(help("rename it: subjects are read from names"))]
    NameNoText {
        /// The file.
        path: PathBuf,
    },
    /// Two files that would be one recording.
    #[error("{} and {}: both would be recording `{id}`", paths[0].display(), paths[1].display())]
    #[diagnostic(help("rename or remove one of them"))]
    SameId {
        /// The recording.
        id: String,
        /// The files.
        paths: [PathBuf; 2],
    },
    /// A word that no list of the corpus holds.
    #[error("{}: `{text}` ({place}) is in no list of the corpus", path.display())]
    #[diagnostic(help(
        "{}give it to one of `classes`, to `unlabelled` or to `ignore` (there: {known}), or pass over all unknown ones: unknown = \"ignore\"",
        nearest_of(near.as_deref())
    ))]
    UnknownWord {
        /// The file.
        path: PathBuf,
        /// The word.
        text: String,
        /// Where it stands.
        place: String,
        /// The known one that is spelt most like it.
        near: Option<String>,
        /// All known ones.
        known: String,
    },
    /// A mark without a duration in an EEG, where it makes no trial.
    #[error("{}: `{text}` ({place}) has no duration", path.display())]
    #[diagnostic(help("say how long a trial is: duration_s = 4.0 in the corpus, or put `{text}` into `ignore`"))]
    NoDuration {
        /// The file.
        path: PathBuf,
        /// The mark.
        text: String,
        /// Where it stands.
        place: String,
    },
    /// One stretch of a recording in two classes.
    #[error("{}: lines {} and {} give two classes to the stretch from {onset_s} s", path.display(), lines[0], lines[1])]
    #[diagnostic(help("keep one of the lines, or put the other's word into `ignore`"))]
    TwoClasses {
        /// The table.
        path: PathBuf,
        /// Where they stand.
        lines: [usize; 2],
        /// Where the stretch begins.
        onset_s: f64,
    },
    /// Two tables of one folder that fit a recording equally.
    #[error("{}: {} and {} fit it equally", path.display(), tables[0].display(), tables[1].display())]
    #[diagnostic(help("name one of them like the recording, or remove it: BIDS allows one table a folder"))]
    TwoTables {
        /// The recording.
        path: PathBuf,
        /// The tables.
        tables: [PathBuf; 2],
    },
    /// A recording without its table of events.
    #[error("{}: no `_events.tsv` belongs to it", path.display())]
    #[diagnostic(help("put the table beside the recording, or add `{id}` to the corpus's `exclude`"))]
    NoEventsTable {
        /// The file.
        path: PathBuf,
        /// The recording.
        id: String,
    },
    /// A person who is not in `participants.tsv`, where the class should stand.
    #[error("{}: its person `{person}` is not in {}", path.display(), table.display())]
    #[diagnostic(help("add the person to the table, or `{person}` to the corpus's `exclude`"))]
    NotListed {
        /// The recording.
        path: PathBuf,
        /// The table.
        table: PathBuf,
        /// The person.
        person: String,
    },
    /// A person who stands twice in `participants.tsv`.
    #[error("{}: person `{person}` stands in lines {} and {}", path.display(), lines[0], lines[1])]
    #[diagnostic(help("keep one of the lines"))]
    PersonTwice {
        /// The table.
        path: PathBuf,
        /// The person.
        person: String,
        /// Lines, from 1.
        lines: [usize; 2],
    },
    /// A picked channel that is marked as bad.
    #[error("{}: line {line} of {} calls channel {label} bad", path.display(), table.display())]
    #[diagnostic(help(
        "exclude the recording, choose other `channels`, or use it all the same: bad_channels = \"keep\""
    ))]
    BadChannel {
        /// The recording.
        path: PathBuf,
        /// Its `channels.tsv`.
        table: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The channel.
        label: String,
    },
    /// A file and a table that state different units.
    #[error("{}: channel {label} is in `{}`, line {line} of {} says `{}`", path.display(), units[0], table.display(), units[1])]
    #[diagnostic(help(
        "find out which is right: units_from = \"file\" or \"channels-tsv\" in the corpus, or correct the table"
    ))]
    UnitsDisagree {
        /// The recording.
        path: PathBuf,
        /// Its `channels.tsv`.
        table: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The channel.
        label: String,
        /// Of the file and of the table.
        units: [String; 2],
    },
    /// A recording with other channels than those that something finished reads.
    #[error("{}: its channels are {}, needed are {}", path.display(), found.join(", "), needed.join(", "))]
    #[diagnostic(help("give recordings of these channels"))]
    OtherChannels {
        /// The recording.
        path: PathBuf,
        /// Its channels.
        found: Vec<String>,
        /// Those that are read.
        needed: Vec<String>,
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
