//! Predictions of all folds, put together: one sheet an arm and seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::{Array2, Axis};

use crate::numerics::metrics::{Classes, Confusion, Predictions};
use crate::runs::PredictionTable;
use crate::signal::WindowTable;

use super::error::EvaluateError;

/// The predictions of one arm, seed and fold.
pub(super) struct Judged {
    pub(super) arm: String,
    pub(super) seed: u64,
    pub(super) fold: u16,
    pub(super) ordinal: u64,
    pub(super) rows: Vec<u32>,
    pub(super) probability: Array2<f32>,
}

/// How often the test had been read when an arm, seed and fold was judged.
pub type Readings = BTreeMap<(String, u64, u16), u64>;

/// What one arm said with one seed.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub(super) arm: String,
    pub(super) seed: u64,
    pub(super) folds: BTreeSet<u16>,
    /// The highest ordinal of its folds.
    pub(super) reads: u64,
    /// Rows of the store, ascending.
    pub(super) rows: Vec<u32>,
    /// Sample of each row's mark.
    events: Vec<i64>,
    /// Subjects are indices into [`Ballots::subjects`].
    pub(super) predictions: Predictions,
}

/// Everything that was said about the test rows.
#[derive(Debug, Clone)]
pub struct Ballots {
    pub(super) classes: Arc<Classes>,
    /// Ids, ascending.
    pub(super) subjects: Vec<String>,
    pub(super) sheets: Vec<Sheet>,
}

/// One row of a sheet in the making.
struct Line {
    row: u32,
    event: i64,
    truth: u16,
    subject: u32,
    probability: Vec<f32>,
}

impl Ballots {
    /// From what was judged just now.
    pub(super) fn of(
        judged: &[Judged],
        table: &WindowTable,
        classes: &Arc<Classes>,
        event: impl Fn(u32) -> i64,
    ) -> Self {
        let rows = || judged.iter().flat_map(|judged| judged.rows.iter().copied());
        let subjects: BTreeSet<&str> = rows().map(|row| table.subject_of(row).0.as_str()).collect();
        let subjects: Vec<String> = subjects.into_iter().map(str::to_owned).collect();
        let mut making = Making::default();
        for judged in judged {
            let lines = judged.rows.iter().zip(judged.probability.axis_iter(Axis(0))).map(|(&row, probability)| Line {
                row,
                event: event(row),
                truth: table.rows[row as usize].label.expect("test rows have labels"),
                subject: place(&subjects, &table.subject_of(row).0),
                probability: probability.to_vec(),
            });
            making.add((&judged.arm, judged.seed, judged.fold), judged.ordinal, lines.collect());
        }
        Self { classes: Arc::clone(classes), subjects, sheets: making.finish(classes.len()) }
    }

    /// From the table that a run keeps.
    ///
    /// # Errors
    /// A class that the corpus does not have; a row that was never read by the journal.
    pub fn read(table: &PredictionTable, classes: &Arc<Classes>, readings: &Readings) -> Result<Self, EvaluateError> {
        let class =
            |name: &str| classes.index(name).ok_or_else(|| EvaluateError::UnknownClass { class: name.to_owned() });
        let columns: Vec<usize> = table.classes.iter().map(|name| class(name)).collect::<Result<_, _>>()?;
        let subjects: BTreeSet<&str> = table.rows.iter().map(|row| row.subject.as_str()).collect();
        let subjects: Vec<String> = subjects.into_iter().map(str::to_owned).collect();
        let mut making = Making::default();
        for same in table.rows.chunk_by(|a, b| (&a.arm, a.seed, a.fold) == (&b.arm, b.seed, b.fold)) {
            let first = &same[0];
            let mut lines = Vec::with_capacity(same.len());
            for row in same {
                let mut probability = vec![0.0; classes.len()];
                columns.iter().zip(&row.probability).for_each(|(&class, &share)| probability[class] = share);
                let (truth, subject) = (class(&row.truth)? as u16, place(&subjects, &row.subject));
                lines.push(Line { row: row.row, event: row.event, truth, subject, probability });
            }
            let read = readings.get(&(first.arm.clone(), first.seed, first.fold)).copied();
            let unread = || EvaluateError::Unread { arm: first.arm.clone(), seed: first.seed, fold: first.fold };
            making.add((&first.arm, first.seed, first.fold), read.ok_or_else(unread)?, lines);
        }
        Ok(Self { classes: Arc::clone(classes), subjects, sheets: making.finish(classes.len()) })
    }

    /// Every arm and seed predicts the rows of the first one, each once.
    ///
    /// # Errors
    /// The first row for which it is not so.
    pub(super) fn check_coverage(&self) -> Result<(), EvaluateError> {
        let expected = &self.sheets.first().ok_or(EvaluateError::Nothing)?.rows;
        self.sheets.iter().try_for_each(|sheet| covers(sheet, expected))
    }

    /// Leaves out what lies in the first seconds of a recording.
    #[must_use]
    pub(super) fn after(&self, skip_s: f64, rate_hz: f64) -> Self {
        if skip_s <= 0.0 {
            return self.clone();
        }
        let later = |sheet: &Sheet| {
            let kept: Vec<usize> =
                (0..sheet.rows.len()).filter(|&index| sheet.events[index] as f64 >= skip_s * rate_hz).collect();
            sheet.only(&kept)
        };
        Self { sheets: self.sheets.iter().map(later).collect(), ..self.clone() }
    }

    /// Keeps these people only.
    #[must_use]
    pub(super) fn of_people(&self, people: &BTreeSet<String>) -> Self {
        let subjects: Vec<String> = self.subjects.iter().filter(|id| people.contains(*id)).cloned().collect();
        let of_sheet = |sheet: &Sheet| {
            let id = |index: usize| &self.subjects[sheet.predictions.subject[index] as usize];
            let kept: Vec<usize> = (0..sheet.rows.len()).filter(|&index| people.contains(id(index))).collect();
            let mut fewer = sheet.only(&kept);
            fewer.predictions.subject = kept.iter().map(|&index| place(&subjects, id(index))).collect();
            fewer
        };
        Self { sheets: self.sheets.iter().map(of_sheet).collect(), classes: Arc::clone(&self.classes), subjects }
    }

    /// The sheets of an arm, in the order of its seeds.
    pub(super) fn of_arm<'a>(&'a self, arm: &'a str) -> impl Iterator<Item = &'a Sheet> + 'a {
        self.sheets.iter().filter(move |sheet| sheet.arm == arm)
    }

    /// One matrix a person of `subjects`, for people without rows an empty one.
    pub(super) fn people(&self, sheet: &Sheet) -> Vec<Confusion> {
        let mut people = vec![Confusion::new(&self.classes); self.subjects.len()];
        for (subject, confusion) in sheet.predictions.confusion_by_subject(&self.classes) {
            people[subject as usize] = confusion;
        }
        people
    }
}

impl Sheet {
    fn only(&self, kept: &[usize]) -> Self {
        let predictions = &self.predictions;
        Self {
            rows: kept.iter().map(|&index| self.rows[index]).collect(),
            events: kept.iter().map(|&index| self.events[index]).collect(),
            predictions: Predictions {
                truth: kept.iter().map(|&index| predictions.truth[index]).collect(),
                probability: predictions.probability.select(Axis(0), kept),
                subject: kept.iter().map(|&index| predictions.subject[index]).collect(),
            },
            arm: self.arm.clone(),
            folds: self.folds.clone(),
            ..*self
        }
    }
}

/// Folds are put together as they come.
#[derive(Default)]
struct Making {
    parts: Vec<Part>,
}

/// An arm and seed whose folds come one after the other.
struct Part {
    arm: String,
    seed: u64,
    folds: BTreeSet<u16>,
    reads: u64,
    lines: Vec<Line>,
}

impl Making {
    fn add(&mut self, (arm, seed, fold): (&str, u64, u16), ordinal: u64, lines: Vec<Line>) {
        let known = self.parts.iter().position(|part| part.arm == arm && part.seed == seed);
        let index = known.unwrap_or_else(|| {
            self.parts.push(Part { arm: arm.to_owned(), seed, folds: BTreeSet::new(), reads: 0, lines: Vec::new() });
            self.parts.len() - 1
        });
        let part = &mut self.parts[index];
        part.folds.insert(fold);
        part.reads = part.reads.max(ordinal);
        part.lines.extend(lines);
    }

    fn finish(self, n_classes: usize) -> Vec<Sheet> {
        let sheet = |mut part: Part| {
            part.lines.sort_by_key(|line| line.row);
            let flat: Vec<f32> = part.lines.iter().flat_map(|line| line.probability.iter().copied()).collect();
            let probability = Array2::from_shape_vec((part.lines.len(), n_classes), flat).expect("one column a class");
            Sheet {
                rows: part.lines.iter().map(|line| line.row).collect(),
                events: part.lines.iter().map(|line| line.event).collect(),
                predictions: Predictions {
                    truth: part.lines.iter().map(|line| line.truth).collect(),
                    probability,
                    subject: part.lines.iter().map(|line| line.subject).collect(),
                },
                arm: part.arm,
                seed: part.seed,
                folds: part.folds,
                reads: part.reads,
            }
        };
        self.parts.into_iter().map(sheet).collect()
    }
}

fn place(subjects: &[String], id: &str) -> u32 {
    subjects.partition_point(|known| known.as_str() < id) as u32
}

fn covers(sheet: &Sheet, expected: &[u32]) -> Result<(), EvaluateError> {
    let rows = &sheet.rows;
    let fault =
        |row: u32, times: usize| Err(EvaluateError::Coverage { arm: sheet.arm.clone(), seed: sheet.seed, row, times });
    let times = |row: u32| rows.partition_point(|other| *other <= row) - rows.partition_point(|other| *other < row);
    if let Some(pair) = rows.windows(2).find(|pair| pair[0] == pair[1]) {
        return fault(pair[0], times(pair[0]));
    }
    if let Some(&row) = expected.iter().find(|row| times(**row) != 1) {
        return fault(row, times(row));
    }
    match rows.iter().find(|row| expected.binary_search(row).is_err()) {
        Some(&row) => fault(row, times(row)),
        None => Ok(()),
    }
}
