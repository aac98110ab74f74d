//! One split by shares of the people.

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::signal::WindowTable;

use super::build::Assignment;
use super::order::{ClassesOf, Place, cut, people, share_of};
use super::{DrawContext, Plan, Split, SplitError};

/// Test people, then validation people, off the top of the order that the seed gives; the rest trains.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shares {
    /// Share of the people for validation, at least two of them.
    validation: f64,
    /// Share of the people for the test, at least two of them.
    test: f64,
    /// Seed of the order.
    seed: u64,
}

impl Choice for Shares {
    const NAME: &'static str = "shares";
    const SUMMARY: &'static str = "one split: shares of the people for test and validation, the rest trains";
    const SOURCES: &'static [&'static str] = &[];

    fn defaults(_kind: SignalKind) -> Self {
        Self { validation: 0.2, test: 0.2, seed: 0 }
    }
}

impl Plan for Shares {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let in_range = |share: f64| share > 0.0 && share < 1.0;
        for (key, share) in [("validation", self.validation), ("test", self.test)] {
            if !in_range(share) {
                return Err(SplitError::Setting {
                    plan: Self::NAME,
                    message: format!("{key} = {share} is no share of the people"),
                    help: format!("{key} lies between 0 and 1, such as 0.2: nothing is tuned or judged without people"),
                });
            }
        }
        if self.validation + self.test >= 1.0 {
            return Err(SplitError::Setting {
                plan: Self::NAME,
                message: format!("shares {} and {} leave nobody to train on", self.validation, self.test),
                help: "both lie between 0 and 1, and so does their sum".to_owned(),
            });
        }
        let all = people(table);
        let sizes = [share_of(all.len(), self.test), share_of(all.len(), self.validation)];
        let classes = ClassesOf::new(table, context);
        let place = Place { plan: Self::NAME, fold: 0 };
        let (pieces, used) = cut(table, &classes, &all, &sizes, (self.seed, place))?;
        let mut assignment = Assignment::new(Self::NAME, self.seed, 0);
        if let [test, validation, train] = &pieces[..] {
            (assignment.test, assignment.validation, assignment.train) =
                (test.clone(), validation.clone(), train.clone());
        }
        assignment.note_reseeding(self.seed, used);
        Ok(vec![Split::build(table, context, assignment)?])
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}
