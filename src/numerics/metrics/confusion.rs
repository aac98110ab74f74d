//! Predictions and the matrix that they are counted into.

use std::ops::AddAssign;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1};

/// The classes of a corpus and which of them a classifier can answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    names: Vec<String>,
    scored: Vec<bool>,
}

impl Classes {
    /// `unscored`: classes that no classifier learns (AAMI's Q); rows of them are counted, but in no score except
    /// those that ask for them.
    pub fn new(names: &[String], unscored: &[u16]) -> Self {
        let scored = (0..names.len()).map(|class| !unscored.contains(&(class as u16))).collect();
        Self { names: names.to_vec(), scored }
    }

    /// Number of classes, unscored ones included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of a class.
    pub fn name(&self, class: usize) -> &str {
        &self.names[class]
    }

    /// The class called `name`.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// The classes that can be answered, ascending.
    pub fn scored(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&class| self.scored[class])
    }

    /// Whether a class can be answered.
    pub fn is_scored(&self, class: usize) -> bool {
        self.scored[class]
    }
}

/// What a classifier said about some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// True class of each row.
    pub truth: Vec<u16>,
    /// `[n, classes]`; columns of unscored classes are 0.
    pub probability: Array2<f32>,
    /// Person of each row.
    pub subject: Vec<u32>,
}

impl Predictions {
    /// The answer for a row: the most probable scored class, the lowest of equals.
    pub fn answer(&self, row: usize, classes: &Classes) -> usize {
        most_probable(self.probability.row(row), classes)
    }

    /// The matrix of all rows.
    pub fn confusion(&self, classes: &Arc<Classes>) -> Confusion {
        let mut confusion = Confusion::new(classes);
        for (row, &truth) in self.truth.iter().enumerate() {
            confusion.count(truth as usize, self.answer(row, classes));
        }
        confusion
    }

    /// One matrix a person, in ascending order of person.
    pub fn confusion_by_subject(&self, classes: &Arc<Classes>) -> Vec<(u32, Confusion)> {
        let mut by_subject = std::collections::BTreeMap::new();
        for (row, (&truth, &subject)) in self.truth.iter().zip(&self.subject).enumerate() {
            let confusion = by_subject.entry(subject).or_insert_with(|| Confusion::new(classes));
            confusion.count(truth as usize, self.answer(row, classes));
        }
        by_subject.into_iter().collect()
    }
}

fn most_probable(probability: ArrayView1<'_, f32>, classes: &Classes) -> usize {
    let mut best = None;
    for class in classes.scored() {
        if best.is_none_or(|best: usize| probability[class] > probability[best]) {
            best = Some(class);
        }
    }
    best.expect("a corpus has a class that can be answered")
}

/// Counts of rows by true class and answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: Arc<Classes>,
    cells: Vec<u64>,
}

impl Confusion {
    /// No rows yet.
    pub fn new(classes: &Arc<Classes>) -> Self {
        Self { classes: Arc::clone(classes), cells: vec![0; classes.len() * classes.len()] }
    }

    /// The classes it counts.
    pub fn classes(&self) -> &Arc<Classes> {
        &self.classes
    }

    /// Counts one row.
    pub fn count(&mut self, truth: usize, answer: usize) {
        self.count_times(truth, answer, 1);
    }

    /// Counts `times` rows.
    pub fn count_times(&mut self, truth: usize, answer: usize, times: u64) {
        self.cells[truth * self.classes.len() + answer] += times;
    }

    /// Rows of class `truth` that were answered `answer`.
    pub fn cell(&self, truth: usize, answer: usize) -> u64 {
        self.cells[truth * self.classes.len() + answer]
    }

    /// All counts, row by row.
    pub(super) fn cells(&self) -> &[u64] {
        &self.cells
    }

    /// The counts less those of a matrix that is among them.
    pub(super) fn without(&self, part: &Self) -> Self {
        let cells = self.cells.iter().zip(&part.cells).map(|(all, part)| all - part).collect();
        Self { classes: Arc::clone(&self.classes), cells }
    }

    /// Adds `sign` times `by`; no count may fall below 0.
    pub(super) fn shift(&mut self, by: &[i64], sign: i64) {
        for (cell, by) in self.cells.iter_mut().zip(by) {
            *cell = cell.checked_add_signed(sign * by).expect("a matrix is taken from the sum that holds it");
        }
    }

    /// Adds another matrix `times` times.
    pub(super) fn add_times(&mut self, other: &Self, times: u64) {
        for (cell, more) in self.cells.iter_mut().zip(&other.cells) {
            *cell += times * more;
        }
    }

    /// Makes all counts 0.
    pub(super) fn clear(&mut self) {
        self.cells.fill(0);
    }

    /// The sum over the scored true classes of what `cell` gives for (truth, answer).
    pub(super) fn sum(&self, mut wanted: impl FnMut(usize, usize) -> bool) -> u64 {
        let mut sum = 0;
        for truth in self.classes.scored() {
            for answer in self.classes.scored() {
                if wanted(truth, answer) {
                    sum += self.cell(truth, answer);
                }
            }
        }
        sum
    }
}

impl AddAssign<&Confusion> for Confusion {
    fn add_assign(&mut self, other: &Confusion) {
        self.add_times(other, 1);
    }
}
