//! The inter-patient division of MIT-BIH by de Chazal: as published, and without the person who is on both sides.

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::signal::WindowTable;

use super::build::Assignment;
use super::{Declared, DrawContext, Plan, Split, SplitError};

const TRAIN: [&str; 17] = [
    "101", "106", "108", "109", "112", "115", "116", "118", "122", "201", "203", "205", "208", "209", "215", "223",
    "230",
];
const VALIDATION: [&str; 5] = ["114", "119", "124", "207", "220"];
const TEST: [&str; 21] = [
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "210", "212", "213", "214", "219", "221", "222",
    "228", "231", "232", "233", "234",
];

/// Record 202 (of DS2) is of the person of 201 (of DS1).
const TWICE: Declared = Declared { recording: "202", subject: "202", person: "201" };

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
        deal(table, &mut assignment, &|id| TEST.contains(&id));
        if let Some(recording) = recording_of(table, TWICE.recording) {
            assignment.exclude(recording, "of the person of 201, who is in the training role");
        }
        Ok(vec![Split::build(table, context, assignment)?])
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

/// DS1 against DS2 as published, with 202 in the test though its person, 201, trains: a declared overlap.
///
/// # Source
/// `dechazal2004automatic`, table I; the validation people as in `dechazal-strict`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dechazal {
    /// Seed of the resamples; the lists are fixed.
    seed: u64,
}

impl Choice for Dechazal {
    const NAME: &'static str = "dechazal";
    const SUMMARY: &'static str =
        "MIT-BIH, 17 + 5 people of DS1 against DS2 as published; 201 and 202 are one person in two roles";
    const SOURCES: &'static [&'static str] = &["dechazal2004automatic"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { seed: 0 }
    }
}

impl Plan for Dechazal {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let mut assignment = Assignment::new(Self::NAME, self.seed, 0);
        deal(table, &mut assignment, &|id| TEST.contains(&id) || id == TWICE.subject);
        if let Some(recording) = recording_of(table, TWICE.recording) {
            let subject = &table.subjects[table.recordings[recording as usize].subject as usize];
            if subject.0 != TWICE.subject {
                return Err(SplitError::NotDeclared { plan: Self::NAME, recording: "202", subject: subject.0.clone() });
            }
            // Without 201 there is nobody in two roles.
            if table.subjects.iter().any(|subject| subject.0 == TWICE.person) {
                assignment.declare([TWICE.person.to_owned(), TWICE.subject.to_owned()]);
            }
        }
        Ok(vec![Split::build(table, context, assignment)?])
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn declares(&self) -> Option<Declared> {
        Some(TWICE)
    }
}

fn recording_of(table: &WindowTable, id: &str) -> Option<u32> {
    table.recordings.iter().position(|entry| entry.id == id).map(|index| index as u32)
}

/// People to their lists; recordings of others out.
fn deal(table: &WindowTable, assignment: &mut Assignment, test: &dyn Fn(&str) -> bool) {
    for (subject, id) in (0..).zip(&table.subjects) {
        let id = id.0.as_str();
        if TRAIN.contains(&id) {
            assignment.train.push(subject);
        } else if VALIDATION.contains(&id) {
            assignment.validation.push(subject);
        } else if test(id) {
            assignment.test.push(subject);
        }
    }
    for (recording, entry) in (0..).zip(&table.recordings) {
        let id = entry.id.as_str();
        if !TRAIN.contains(&id) && !VALIDATION.contains(&id) && !test(id) && id != TWICE.recording {
            assignment.exclude(recording, "in no list of the plan");
        }
    }
}
