//! The divisions of EEGMMIDB's 109 people that large EEG models are compared on: ranges of subject numbers.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::signal::WindowTable;

use super::build::Assignment;
use super::{DrawContext, Plan, Split, SplitError};

/// Subject numbers of the three roles.
struct Ranges {
    train: RangeInclusive<u32>,
    validation: RangeInclusive<u32>,
    test: RangeInclusive<u32>,
}

/// The number in `S001`.
fn number_of(id: &str) -> Option<u32> {
    let digits = id.strip_prefix('S')?;
    (digits.len() == 3).then(|| digits.parse().ok()).flatten()
}

fn draw(
    (name, seed): (&'static str, u64),
    ranges: &Ranges,
    table: &WindowTable,
    context: &DrawContext<'_>,
) -> Result<Vec<Split>, SplitError> {
    let mut assignment = Assignment::new(name, seed, 0);
    for (subject, id) in (0..).zip(&table.subjects) {
        match number_of(&id.0) {
            Some(number) if ranges.train.contains(&number) => assignment.train.push(subject),
            Some(number) if ranges.validation.contains(&number) => assignment.validation.push(subject),
            Some(number) if ranges.test.contains(&number) => assignment.test.push(subject),
            _ => {
                let theirs = (0..).zip(&table.recordings).filter(|(_, entry)| entry.subject == subject);
                theirs.for_each(|(recording, _)| assignment.exclude(recording, "of nobody in the lists of the plan"));
            }
        }
    }
    if [&assignment.train, &assignment.validation, &assignment.test].iter().all(|people| people.is_empty()) {
        let message = "nobody of these recordings is in its lists, which are of EEGMMIDB".to_owned();
        let help = "take another plan: `biossl list splits`".to_owned();
        return Err(SplitError::Setting { plan: name, message, help });
    }
    Ok(vec![Split::build(table, context, assignment)?])
}

/// People 1 to 70 train, 71 to 89 validate, 90 to 109 test.
///
/// # Source
/// `wang2024cbramod`, its split of PhysioNet-MI.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EegmmidbCbramod {
    /// Seed of the resamples; the lists are fixed.
    seed: u64,
}

impl Choice for EegmmidbCbramod {
    const NAME: &'static str = "eegmmidb-cbramod";
    const SUMMARY: &'static str = "EEGMMIDB, people 1-70 train, 71-89 validation, 90-109 test";
    const SOURCES: &'static [&'static str] = &["wang2024cbramod"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { seed: 0 }
    }
}

impl Plan for EegmmidbCbramod {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let ranges = Ranges { train: 1..=70, validation: 71..=89, test: 90..=109 };
        draw((Self::NAME, self.seed), &ranges, table, context)
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

/// People 1 to 69 train, 70 to 88 validate, 89 to 109 test.
///
/// # Source
/// `eegfmbench`, its split of PhysioNet-MI.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EegmmidbFmBench {
    /// Seed of the resamples; the lists are fixed.
    seed: u64,
}

impl Choice for EegmmidbFmBench {
    const NAME: &'static str = "eegmmidb-fmbench";
    const SUMMARY: &'static str = "EEGMMIDB, people 1-69 train, 70-88 validation, 89-109 test";
    const SOURCES: &'static [&'static str] = &["eegfmbench"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { seed: 0 }
    }
}

impl Plan for EegmmidbFmBench {
    fn draw(&self, table: &WindowTable, context: &DrawContext<'_>) -> Result<Vec<Split>, SplitError> {
        let ranges = Ranges { train: 1..=69, validation: 70..=88, test: 89..=109 };
        draw((Self::NAME, self.seed), &ranges, table, context)
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}
