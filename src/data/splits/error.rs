//! What can be wrong with a split.

use std::path::PathBuf;

/// Why no split was drawn, or its test rows were not handed out.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum SplitError {
    /// A role has no usable row.
    #[error("plan `{plan}`, fold {fold}: role `{role}` is empty; people at hand: {people}")]
    #[diagnostic(help("choose a plan that fits these people, or add recordings"))]
    EmptyRole {
        /// Name of the plan.
        plan: String,
        /// Which fold.
        fold: u16,
        /// The empty role.
        role: &'static str,
        /// The people of the table, comma-separated.
        people: String,
    },
    /// A person was given two roles.
    #[error("subject `{subject}` would be in two roles: `{first}` and `{second}`")]
    #[diagnostic(help("a person has one role; this is a fault of the plan"))]
    TwoRoles {
        /// The person.
        subject: String,
        /// One role.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Two roles share something that no two roles may share.
    #[error("roles `{first}` and `{second}` share {what}: {items}")]
    #[diagnostic(help("the same data under two names? take one of them out with the corpus's `exclude`"))]
    Leak {
        /// One role.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Subjects, recordings, contents or windows.
        what: &'static str,
        /// Which, comma-separated.
        items: String,
    },
    /// No seed gives every role every class.
    #[error("plan `{plan}`, fold {fold}: no draw among {attempts} gives every role a `{class}`")]
    #[diagnostic(help("too few people have this class; use fewer folds, other shares, or leave the class out"))]
    ClassMissing {
        /// Name of the plan.
        plan: &'static str,
        /// Which fold.
        fold: u16,
        /// The class that was missing at the last draw.
        class: String,
        /// How many seeds were tried.
        attempts: u64,
    },
    /// A setting that makes no sense for these people.
    #[error("plan `{plan}`: {message}")]
    #[diagnostic(help("{help}"))]
    Setting {
        /// Name of the plan.
        plan: &'static str,
        /// What is wrong.
        message: String,
        /// The remedy.
        help: String,
    },
    /// A plan that declares an overlap was given a table that hides it.
    #[error("plan `{plan}`: recording {recording} still carries the id `{subject}`")]
    #[diagnostic(help("open the store with the plan's declaration: `store.redeclared(recording, subject)`"))]
    NotDeclared {
        /// Name of the plan.
        plan: &'static str,
        /// The recording.
        recording: &'static str,
        /// Whose it is in the table.
        subject: String,
    },
    /// One person's split was asked of a plan that gives each person one role.
    #[error("plan `{plan}` gives `{subject}` one role: there is no split of one person")]
    #[diagnostic(help("`scope = \"per-subject\"` needs `split = {{ name = \"within-run\" }}` or `within-time`"))]
    NotWithin {
        /// Name of the plan.
        plan: String,
        /// The person.
        subject: String,
    },
    /// A person whom the plan left out.
    #[error("plan `{plan}`: `{subject}` is left out: {reason}")]
    #[diagnostic(help("take the people who are in `roles` of the split; `biossl split` names those left out"))]
    LeftOut {
        /// Name of the plan.
        plan: String,
        /// The person.
        subject: String,
        /// Why.
        reason: String,
    },
    /// The selection was made on another split.
    #[error("the selection was made on split {selected}, this is split {split}")]
    #[diagnostic(help("select on the validation people of the very fold whose test people are read"))]
    ForeignSelection {
        /// Hash of this split.
        split: String,
        /// Hash in the selection.
        selected: String,
    },
    /// The ledger of test reads cannot be kept; without it no test row is handed out.
    #[error("cannot keep the ledger of test reads {}: {source}", path.display())]
    #[diagnostic(help("the folder of the store must be writable: each reading of test people is recorded there"))]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of the ledger cannot be read.
    #[error("{}, line {line}: not a ledger entry: {message}", path.display())]
    #[diagnostic(help("the ledger is only ever appended to; restore the file"))]
    BadLedger {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
}
