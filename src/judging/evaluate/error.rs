//! What can go wrong in judging.

use crate::data::splits::SplitError;
use crate::judging::downstream::DownstreamError;
use crate::learning::nn::NnError;
use crate::learning::train::TrainError;
use crate::runs::RunError;

/// A fault of judging.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A criterion that is no metric of a matrix, or whose classes the corpus lacks.
    #[error("`{criterion}` cannot choose: {reason}")]
    #[diagnostic(help("known for this corpus: {known}"))]
    Criterion {
        /// The word.
        criterion: String,
        /// Why not.
        reason: &'static str,
        /// What can, comma-separated.
        known: String,
    },
    /// A setting cannot work.
    #[error("{key} cannot work: {reason}")]
    #[diagnostic(help("change `{key}` of `evaluate`"))]
    Setting {
        /// The key.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// A fold was judged twice, or not by all arms.
    #[error("arm `{arm}`, seed {seed}: row {row} of the store was predicted {times} times, once is right")]
    Coverage {
        /// The arm.
        arm: String,
        /// Its seed.
        seed: u64,
        /// A row.
        row: u32,
        /// How often.
        times: usize,
    },
    /// An arm of the table has no predictions.
    #[error("arm `{arm}` has no predictions")]
    #[diagnostic(help("the predictions are of another pipeline, or were cut"))]
    MissingArm {
        /// The arm.
        arm: String,
    },
    /// An arm whose predictions are of other training seeds than the pipeline gives it.
    #[error("arm `{arm}` was judged with seeds {found:?}, its pipeline says {expected:?}")]
    #[diagnostic(help("the predictions are of another pipeline, or were cut"))]
    OtherSeeds {
        /// The arm.
        arm: String,
        /// Seeds of its predictions.
        found: Vec<u64>,
        /// Its seeds.
        expected: Vec<u64>,
    },
    /// A prediction speaks of a class that the corpus does not have.
    #[error("the predictions name class `{class}`, which the corpus does not have")]
    UnknownClass {
        /// The class.
        class: String,
    },
    /// Predictions whose reading of the test was not written down.
    #[error("arm `{arm}`, seed {seed}, fold {fold}: the journal has no reading of the test people")]
    Unread {
        /// The arm.
        arm: String,
        /// Its seed.
        seed: u64,
        /// Its fold.
        fold: u16,
    },
    /// A person to be left out is not there.
    #[error("`s_without` names {person}, who is no test person")]
    #[diagnostic(help("test people: {known}"))]
    NoSuchPerson {
        /// Who.
        person: String,
        /// Who is there, comma-separated.
        known: String,
    },
    /// Embeddings that hold no person and no class.
    #[error("{rows} of {of} embeddings are not finite, row {first} of the store first: nobody is known by them")]
    #[diagnostic(help(
        "pretraining has diverged: lower `train.learning_rate`; or `evaluate.identity = false` leaves the question out"
    ))]
    NotFinite {
        /// How many.
        rows: usize,
        /// Of how many.
        of: usize,
        /// A row of the store.
        first: u32,
    },
    /// No test window is late enough to count.
    #[error("skip_s = {skip_s:?} leaves no test window that is in a score")]
    #[diagnostic(help("take fewer seconds: every recording of the test people has ended by then"))]
    NothingLeft {
        /// Seconds at the beginning of each recording that are in no score.
        skip_s: f64,
    },
    /// Runs that tell other classes apart.
    #[error("{first} and {second} have other classes: {}; {}", classes[0], classes[1])]
    OtherClasses {
        /// One run.
        first: String,
        /// The other.
        second: String,
        /// Their classes.
        classes: [String; 2],
    },
    /// Runs that test other people.
    #[error("the test people differ: only {first} tests {only_first}; only {second} tests {only_second}")]
    #[diagnostic(help("people differ more than methods: with --common only those whom all runs test are compared"))]
    OtherPeople {
        /// One run.
        first: String,
        /// The other.
        second: String,
        /// People of the first alone.
        only_first: String,
        /// People of the other alone.
        only_second: String,
    },
    /// Runs without a common test person.
    #[error("no test person is common to all runs")]
    NobodyInCommon,
    /// Nothing was judged.
    #[error("no fold was judged")]
    Nothing,
    /// Fitting failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Downstream(#[from] DownstreamError),
    /// The split or its ledger failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Split(#[from] SplitError),
    /// Embedding failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Train(#[from] TrainError),
    /// A network failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nn(#[from] NnError),
    /// The run folder failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] RunError),
}
