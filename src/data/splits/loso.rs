//! Leave one subject out.

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::signal::WindowTable;

use super::kfold::draw_folds;
use super::order::{by_id, people};
use super::{DrawContext, Plan, Split, SplitError};

/// One fold a person, in order of id; validation people are cut from the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Loso {
    /// Seed of the validation people.
    seed: u64,
}

impl Choice for Loso {
    const NAME: &'static str = "loso";
    const SUMMARY: &'static str = "leave one subject out: as many folds as people";
    const SOURCES: &'static [&'static str] = &[];

    fn defaults(_kind: SignalKind) -> Self {
        Self { seed: 0 }
    }
}

impl Plan for Loso {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let ordered = by_id(table, &people(table));
        let tests = ordered.iter().map(|&subject| vec![subject]);
        draw_folds(table, context, &ordered, (Self::NAME, self.seed), tests)
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}
