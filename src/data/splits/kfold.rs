//! k folds: every person is tested once.

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::signal::WindowTable;

use super::build::Assignment;
use super::order::{ClassesOf, Place, by_hash, by_id, cut_validation, people};
use super::{DrawContext, Plan, Split, SplitError};

/// By what people are put in a row before they are dealt to folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// By SHA-256 of seed and id.
    Hash,
    /// By id.
    Id,
}

/// The i-th person of the order is tested in fold `i mod k`; validation people are cut from the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kfold {
    /// Number of folds.
    k: u16,
    /// The order of people.
    order: Order,
    /// Seed of the order and of the validation people.
    seed: u64,
}

impl Choice for Kfold {
    const NAME: &'static str = "kfold";
    const SUMMARY: &'static str = "k folds over people: each is tested once, validation people come from the others";
    const SOURCES: &'static [&'static str] = &[];

    fn defaults(_kind: SignalKind) -> Self {
        Self { k: 5, order: Order::Hash, seed: 0 }
    }
}

impl Plan for Kfold {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let all = people(table);
        let k = self.k as usize;
        if k < 2 || k > all.len() {
            return Err(SplitError::Setting {
                plan: Self::NAME,
                message: format!("k = {k} with {} people", all.len()),
                help: "k is at least 2 and at most the number of people".to_owned(),
            });
        }
        let ordered = match self.order {
            Order::Hash => by_hash(table, &all, self.seed),
            Order::Id => by_id(table, &all),
        };
        let folds = (0..k).map(|fold| ordered.iter().skip(fold).step_by(k).copied().collect::<Vec<u32>>());
        draw_folds(table, context, &ordered, (Self::NAME, self.seed), folds)
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

/// One split for each list of test people; validation people are cut from the others.
pub(super) fn draw_folds(
    table: &WindowTable,
    context: &DrawContext<'_>,
    everyone: &[u32],
    (plan, seed): (&'static str, u64),
    tests: impl Iterator<Item = Vec<u32>>,
) -> Result<Vec<Split>, SplitError> {
    let classes = ClassesOf::new(table, context);
    (0..)
        .zip(tests)
        .map(|(fold, test)| {
            let others: Vec<u32> = everyone.iter().copied().filter(|subject| !test.contains(subject)).collect();
            let (train, validation, used) = cut_validation(table, &classes, &others, (seed, Place { plan, fold }))?;
            let mut assignment = Assignment::new(plan, seed, fold);
            (assignment.train, assignment.validation, assignment.test) = (train, validation, test);
            assignment.note_reseeding(seed.wrapping_add(1), used);
            Split::build(table, context, assignment)
        })
        .collect()
}
