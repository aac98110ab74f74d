//! The inter-patient division of MIT-BIH by de Chazal, in the form without a person on both sides.

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::signal::WindowTable;

use super::build::Assignment;
use super::{DrawContext, Plan, Split, SplitError};

const TRAIN: [&str; 17] = [
    "101", "106", "108", "109", "112", "115", "116", "118", "122", "201", "203", "205", "208", "209", "215", "223",
    "230",
];
const VALIDATION: [&str; 5] = ["114", "119", "124", "207", "220"];
const TEST: [&str; 21] = [
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "210", "212", "213", "214", "219", "221", "222",
    "228", "231", "232", "233", "234",
];

/// DS1 to learn from, DS2 to test on. Record 202 (of DS2) is left out: it is of the same person as 201 (of DS1). Five
/// people of DS1 are for validation.
///
/// # Source
/// `dechazal2004automatic`, table I, for DS1 and DS2; the validation people are ours, chosen so that every class is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DechazalStrict {
    /// Seed of the resamples; the lists are fixed.
    seed: u64,
}

impl Choice for DechazalStrict {
    const NAME: &'static str = "dechazal-strict";
    const SUMMARY: &'static str =
        "MIT-BIH, 17 + 5 people of DS1 against 21 of DS2; record 202 out (its person is in DS1)";
    const SOURCES: &'static [&'static str] = &["dechazal2004automatic"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { seed: 0 }
    }
}

impl Plan for DechazalStrict {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let mut assignment = Assignment::new(Self::NAME, self.seed, 0);
        for (subject, id) in (0..).zip(&table.subjects) {
            let id = id.0.as_str();
            if TRAIN.contains(&id) {
                assignment.train.push(subject);
            } else if VALIDATION.contains(&id) {
                assignment.validation.push(subject);
            } else if TEST.contains(&id) {
                assignment.test.push(subject);
            }
        }
        for (recording, entry) in (0..).zip(&table.recordings) {
            let id = entry.id.as_str();
            if id == "202" {
                assignment.exclude(recording, "of the person of 201, who is in the training role");
            } else if !TRAIN.contains(&id) && !VALIDATION.contains(&id) && !TEST.contains(&id) {
                assignment.exclude(recording, "in no list of the plan");
            }
        }
        Ok(vec![Split::build(table, context, assignment)?])
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}
