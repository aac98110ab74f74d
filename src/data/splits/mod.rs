//! Who may see what: every person gets one role, or every stretch of a person's recordings does, and the proof of it is
//! computed from the rows themselves.
//!
//! A [`Plan`] draws one [`Split`] a fold. A split hands out rows by role: what pretraining may see ([`Pool`]), what a
//! classifier learns from ([`Train`]), what choices are made on ([`Validation`]); the rows of [`Test`] come out only
//! against a [`Selected`], and every reading is counted in a [`TestLedger`].
//!
//! Invariant: only this room makes a [`Subset`], and a split whose roles share a person, a recording, a file's content
//! or an overlapping window is an error, never a value (plans within a person share people by design, and the recordings
//! that they cut; what they read is a gap apart). Start reading at [`Split`], then `dechazal.rs`.

mod build;
mod dechazal;
mod eegmmidb;
mod error;
mod kfold;
mod labels;
mod ledger;
mod loso;
mod order;
mod pieces;
mod proof;
mod role;
mod shares;
mod spans;
mod within;

pub use build::Split;
pub use error::SplitError;
pub use kfold::Order;
pub use labels::LabelBudget;
pub use ledger::{OpenedTest, Reading, Selected, TestLedger};
pub use pieces::{Piece, Scope};
pub(crate) use pieces::{gap_of, read_of};
pub use proof::{Exclusion, Intersection, LeftOut, Proof, RoleProof, Roles};
pub use role::{Pool, Reach, Role, Subset, Test, Train, Validation};
pub use spans::{Corpora, NearWindow, Nearness, PoolSpan};

use crate::base::{Choice, Entry, Registry, read_choice};
use crate::signal::{WindowSpec, WindowTable};

/// Which roles a rejected window is taken out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectScope {
    /// Pool and train: a classifier is judged on bad windows too. Non-finite ones, which no network can read, are out
    /// everywhere.
    #[default]
    Training,
    /// Every role.
    Everywhere,
}

/// What a plan needs to know besides the table.
#[derive(Debug, Clone, Copy)]
pub struct DrawContext<'a> {
    /// Classes in no training role and not in the pool (AAMI's Q); their test rows stay.
    pub pool_excludes: &'a [u16],
    /// How rows lie in time: what a gap has to part, and whether scaling looked ahead.
    pub spec: &'a WindowSpec,
    /// The store's recipe, for the proof.
    pub recipe_hash: &'a str,
    /// Where rejected windows are left out.
    pub rejects: RejectScope,
}

/// Two ids of one person in two roles, by a plan's declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// The recording that gets an id of its own.
    pub recording: &'static str,
    /// That id.
    pub subject: &'static str,
    /// The id of the same person in another role.
    pub person: &'static str,
}

/// A way to give people roles.
pub trait Plan: Send + Sync {
    /// One split a fold.
    ///
    /// # Errors
    /// An empty role, a person in two roles, a class rule that no draw satisfies.
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError>;

    /// A recording that counts as a person of its own in this plan; the caller gives it that id before it draws.
    fn declares(&self) -> Option<Declared> {
        None
    }

    /// Whether roles share a recording, cut in time: what is computed from a whole recording would carry its test part
    /// into training.
    fn cuts_recordings(&self) -> bool {
        false
    }

    /// The split's own seed: folds, validation people and resamples hang on it, training does not.
    fn seed(&self) -> u64;
}

const fn entry<C: Choice + Plan>() -> Entry<dyn Plan> {
    Entry::of::<C>(|kind, user| Ok(Box::new(read_choice::<C>(kind, user)?)))
}

/// All plans.
pub static PLANS: Registry<dyn Plan> = Registry {
    family: "split",
    entries: &[
        entry::<dechazal::DechazalStrict>(),
        entry::<dechazal::Dechazal>(),
        entry::<eegmmidb::EegmmidbCbramod>(),
        entry::<eegmmidb::EegmmidbFmBench>(),
        entry::<shares::Shares>(),
        entry::<kfold::Kfold>(),
        entry::<loso::Loso>(),
        entry::<within::WithinRun>(),
        entry::<within::WithinTime>(),
    ],
};
