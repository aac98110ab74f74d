//! What can be wrong with a pipeline itself; what goes wrong on the way is the error of the room where it happens.

use std::path::PathBuf;

use crate::base::Differences;
use crate::data::preprocess::DataDifference;
use crate::learning::train::TrainError;

use super::text::Place;

/// A pipeline that cannot be read or run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PipelineError {
    /// A fault of syntax, an unknown key, a wrong type, a value that makes no sense.
    #[error("{place}: {message}")]
    Setting {
        /// Where.
        place: Box<Place>,
        /// One lower-case sentence.
        message: String,
        /// The remedy.
        #[help]
        help: Option<String>,
    },
    /// The file cannot be read.
    #[error("cannot read the pipeline {}", path.display())]
    #[diagnostic(help("ready pipelines lie in pipelines/; `biossl demo` writes one beside its results"))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No store yet, and the command makes none.
    #[error("{}: there is no store yet", path.display())]
    #[diagnostic(help("make it with `biossl preprocess PIPELINE`"))]
    NoStore {
        /// Where it would lie.
        path: PathBuf,
    },
    /// Files of a run are not as it left them.
    #[error("{}: changed, added or lost since the run was sealed: {files}", run.display())]
    #[diagnostic(help("`biossl verify` tells what does not agree; the same command with --resume finishes a run"))]
    Changed {
        /// The run folder.
        run: PathBuf,
        /// The files.
        files: String,
    },
    /// A run that was interrupted, or of which only a stage was asked for.
    #[error("{}: the run is not finished: its journal has no end, there is nothing to verify yet", run.display())]
    #[diagnostic(help("{remedy}, then verify it"))]
    Unfinished {
        /// The run folder.
        run: PathBuf,
        /// How to come to one that is finished.
        remedy: &'static str,
    },
    /// A run of `evaluate --checkpoint`, in which the pipeline's own arms have no place.
    #[error("{}: in this run an encoder from outside ({}) is judged, not the pipeline's arms", run.display(), encoder.display())]
    #[diagnostic(help(
        "name another folder with --out for the pipeline's arms; an unfinished run of `evaluate --checkpoint` is not gone on \
         with: repeat the command with another --out, or delete the folder"
    ))]
    OutsideRun {
        /// The run folder.
        run: PathBuf,
        /// The file of the encoder.
        encoder: PathBuf,
    },
    /// A file whose name cannot be an arm's.
    #[error("{}: the arm is called as its file is, and {message}", path.display())]
    #[diagnostic(help("give the file another name: it stands in every table beside those of the controls"))]
    OutsideName {
        /// The file.
        path: PathBuf,
        /// What is wrong with its name.
        message: String,
    },
    /// A file cannot be hashed.
    #[error("{}: {source}", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A store that another recipe made.
    #[error("{}: the store was made by recipe {}, the pipeline asks for {}", path.display(), short(found), short(needed))]
    #[diagnostic(help("name another `store`, or make this one anew with `biossl preprocess PIPELINE --overwrite`"))]
    StaleStore {
        /// The store.
        path: PathBuf,
        /// Its recipe hash.
        found: String,
        /// The pipeline's.
        needed: String,
    },
    /// A store that was made of other recordings than those in the corpus's folder.
    #[error("{}: the store was not made of the recordings in {}: {difference}", path.display(), root.display())]
    #[diagnostic(help(
        "name another `store`, set `root` of the corpus to the recordings that it was made of, or make it anew with \
         `biossl preprocess PIPELINE --overwrite`"
    ))]
    OtherData {
        /// The store.
        path: PathBuf,
        /// The folder.
        root: PathBuf,
        /// The first difference.
        difference: Box<DataDifference>,
    },
    /// A checkpoint made for other windows.
    #[error("{}: the encoder (there) was made for other windows than these (here): {differences}", path.display())]
    #[diagnostic(help(
        "take a checkpoint that was pretrained on this recipe, or the pipeline that it was pretrained with"
    ))]
    ForeignCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What differs: the encoder's side and the store's.
        differences: Differences,
    },
    /// A checkpoint that saw people whom the split keeps from training.
    #[error("{}: pretraining saw people whom fold {fold} validates or tests on: {subjects} ({grounds})", path.display())]
    #[diagnostic(help(
        "pretrain on this split's pool: a score on people whom the encoder has seen says little. --transductive gives it all the same, with that word in the arm's name{remedy}"
    ))]
    Leak {
        /// The checkpoint.
        path: PathBuf,
        /// The people.
        subjects: String,
        /// The fold.
        fold: u16,
        /// How they were known, in words.
        grounds: String,
        /// What to do where the grounds do not hold; empty where they do.
        remedy: &'static str,
    },
    /// A checkpoint that saw windows by which a plan within a person judges, or that lie too near to one of its own.
    #[error(
        "{}: {windows} of the {of} windows that fold {fold} validates and tests on were read in pretraining, or lie within {gap_s} s of what was read ({subjects}); such as {example}", path.display()
    )]
    #[diagnostic(help(
        "pretrain on this split's pool: a score on windows that the encoder has seen says little. --transductive gives it all the same, with that word in the arm's name"
    ))]
    NearPool {
        /// The checkpoint.
        path: PathBuf,
        /// The fold.
        fold: u16,
        /// How many windows.
        windows: usize,
        /// Of how many of validation and test.
        of: usize,
        /// Seconds that the plan keeps between roles.
        gap_s: f64,
        /// One of them, with person, recording and times.
        example: String,
        /// Whose they are.
        subjects: String,
    },
    /// No arm of that name.
    #[error("the pipeline has no arm `{arm}`")]
    #[diagnostic(help("its arms: {known}"))]
    UnknownArm {
        /// The name.
        arm: String,
        /// Those it has.
        known: String,
    },
    /// It is not clear whose encoder is meant, or that person has none.
    #[error("{message}")]
    #[diagnostic(help("{help}"))]
    WhoseEncoder {
        /// What is wrong.
        message: String,
        /// The remedy.
        help: String,
    },
    /// An encoder a person, and no person to have one.
    #[error("scope `per-subject`: nobody has training windows of two classes")]
    #[diagnostic(help("take longer recordings, other classes, or scope = \"cross-subject\""))]
    NobodyLeft,
    /// An encoder a person, and a person with too little for one.
    #[error("scope `per-subject`, `{person}`: {source}")]
    #[diagnostic(help("leave the person out (`corpus.exclude`), or take longer recordings or shorter windows"))]
    OwnPool {
        /// Who.
        person: String,
        /// Why.
        source: TrainError,
    },
    /// A run without such a classifier.
    #[error("{}: {fault}", folder.display())]
    #[diagnostic(help(
        "name one with --classifier (and --fold, --seed): {known}. `biossl run` and `biossl evaluate` leave them; nearest neighbours, \
         random encoders and the majority are not kept"
    ))]
    UnknownClassifier {
        /// The run folder.
        folder: PathBuf,
        /// What was asked for and is not there.
        fault: String,
        /// Those it has.
        known: String,
    },
    /// Nothing to read.
    #[error("{}: no recording", path.display())]
    #[diagnostic(help("name a file, or a folder with .hea, .edf or .bdf files in it"))]
    NoRecordings {
        /// The folder.
        path: PathBuf,
    },
    /// Recordings that a run's classifier cannot read.
    #[error("{}: {failed} of {recordings} recordings cannot be used:{faults}", path.display())]
    #[diagnostic(help(
        "mend these files, or name a folder without them; their signals must be as the run's pipeline.toml asks (channels, \
         rate, units), and what a finished run asks stays as it is"
    ))]
    NewRecordings {
        /// The file or folder.
        path: PathBuf,
        /// How many failed.
        failed: usize,
        /// Of how many.
        recordings: usize,
        /// Which, and why, a line each.
        faults: String,
    },
    /// A path at which there is nothing.
    #[error("{}: there is no such recording or folder", path.display())]
    #[diagnostic(help("name a recording (.hea, .edf, .bdf), or a folder with such files in it"))]
    NoSuchRecordings {
        /// The path.
        path: PathBuf,
    },
    /// A folder of recordings that cannot be listed.
    #[error("cannot list the folder {}: {source}", path.display())]
    #[diagnostic(help("may the folder be read? One of its recordings can be named by itself"))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A classifier that reads heartbeats, on windows that have none.
    #[error("{}: the classifier reads RR features (`{sets}`), and windows that slide have no beats to take them from", path.display())]
    #[diagnostic(help("cut at the beats: `--windows marks`; or name a classifier without `-rr`"))]
    NoBeats {
        /// The classifier.
        path: PathBuf,
        /// Its features.
        sets: String,
    },
    /// Nothing was pretrained there.
    #[error("{}: no checkpoint", folder.display())]
    #[diagnostic(help(
        "`biossl pretrain PIPELINE` makes it; --arm, --fold and --seed say which, --out which run, --checkpoint FILE takes another"
    ))]
    NoCheckpoint {
        /// Where one should be.
        folder: PathBuf,
    },
    /// An arm that is not pretrained to the end.
    #[error("{}: arm `{arm}`, fold {fold}, seed {seed} is not pretrained to the end ({done} of {steps} steps)", folder.display())]
    #[diagnostic(help("`biossl pretrain PIPELINE` does that, with --resume where it was interrupted"))]
    NotPretrained {
        /// The run folder.
        folder: PathBuf,
        /// The arm.
        arm: String,
        /// The fold.
        fold: u16,
        /// The seed.
        seed: u64,
        /// Steps done.
        done: u64,
        /// Steps asked for.
        steps: u64,
    },
    /// A run that another pipeline began.
    #[error("{}: the run was begun with another pipeline: {differences}", path.display())]
    #[diagnostic(help(
        "go on with the pipeline of the run (pipeline.toml in it), begin a new run with --out, or delete the folder"
    ))]
    OtherPipeline {
        /// The run folder.
        path: PathBuf,
        /// All keys that differ.
        differences: Differences,
    },
}

/// Enough of a hash for a person.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
