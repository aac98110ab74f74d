//! How a classifier is judged: which arms stand side by side, when the test people are read, what is counted.
//!
//! An [`Evaluation`] takes one fold and seed after another. In each, controls and pretrained encoders become
//! classifiers, every choice is made on validation people, and only then the test people of that fold are read, once
//! an arm, through the ledger. At the end predictions of all folds are put together and scored.
//!
//! Invariant: the controls stand in every table; a score carries how many people it rests on and how often their data
//! have been read. Start reading at `protocol.rs`; docs/protocol.md says what a number means.

mod arms;
mod ballots;
mod comparison;
mod controls;
mod costs;
mod entrants;
mod error;
mod identity;
mod protocol;
mod scores;
mod settings;
mod skip;
mod table;

pub use arms::{ArmName, arm_names};
pub use ballots::{Ballots, Readings};
pub use comparison::Comparison;
pub use controls::{END_TO_END, END_TO_END_TUNED, MAJORITY, RANDOM};
pub use costs::ArmCost;
pub use entrants::{Compared, ComparedRun, Entrant, People};
pub use error::EvaluateError;
pub use identity::{
    Crowd, Embedded, IdentityCount, IdentityEntry, IdentityScore, KnownPerson, Parted, TaskScore, who_is_it,
};
pub use protocol::{Evaluation, PretrainedArm, Round};
pub use scores::{ArmEffort, ArmMatrix, Counting, Evaluated, PersonScore, Record, Score};
pub use settings::EvaluateSettings;
