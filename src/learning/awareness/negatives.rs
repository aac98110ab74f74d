//! Which candidate may be a negative of which query.

use serde::{Deserialize, Serialize};

use crate::signal::{WindowRow, WindowTable};

use super::positives::{PositiveRule, Positives};

/// Whose windows a query is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Negatives {
    /// Everybody's.
    All,
    /// Only those of the query's own subject: subjects cannot be told apart to lower the loss.
    SameSubject,
    /// Only those of other subjects.
    OtherSubjects,
}

impl Negatives {
    /// All words, in the order of tables.
    pub const ALL: [Self; 3] = [Self::All, Self::SameSubject, Self::OtherSubjects];

    /// The word in pipelines and journals.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::SameSubject => "same-subject",
            Self::OtherSubjects => "other-subjects",
        }
    }
}

/// Where a window comes from: all that the rule knows of it besides its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the subject.
    pub subject: u32,
    /// Index of the recording.
    pub recording: u32,
    /// First sample of the nominal window, in samples of the recording.
    pub start: i64,
}

impl From<&WindowRow> for Place {
    fn from(row: &WindowRow) -> Self {
        Self { subject: row.subject, recording: row.recording, start: row.start }
    }
}

/// The rule over (subject, recording, start, row) of a query and a candidate. [`NegativeRule::allowed`] is its
/// definition, a [`NegativeMask`] is made from it.
#[derive(Debug, Clone)]
pub struct NegativeRule {
    negatives: Negatives,
    positives: PositiveRule,
    places: Vec<Place>,
    length: i64,
}

/// What the negatives of a batch were made of, for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Composition {
    /// Allowed pairs of one subject.
    pub same_subject: u64,
    /// Those of them that are of one recording.
    pub same_recording: u64,
    /// Allowed pairs of two subjects.
    pub other_subject: u64,
    /// Pairs masked because they are the same window or overlap in time.
    pub masked_overlap: u64,
    /// Further pairs masked because the candidate could be the query's positive.
    pub masked_positive: u64,
    /// Further pairs masked because of their subjects.
    pub masked_subject: u64,
}

impl Composition {
    /// Masked pairs as a share of all pairs; 0 when there were none.
    pub fn masked_share(&self) -> f64 {
        let masked = self.masked_overlap + self.masked_positive + self.masked_subject;
        let all = masked + self.same_subject + self.other_subject;
        if all == 0 { 0.0 } else { masked as f64 / all as f64 }
    }
}

impl std::ops::Add for Composition {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            same_subject: self.same_subject + other.same_subject,
            same_recording: self.same_recording + other.same_recording,
            other_subject: self.other_subject + other.other_subject,
            masked_overlap: self.masked_overlap + other.masked_overlap,
            masked_positive: self.masked_positive + other.masked_positive,
            masked_subject: self.masked_subject + other.masked_subject,
        }
    }
}

/// Which candidates of a batch are negatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegativeMask {
    /// `[n_query, n_candidate]` laid out row by row: 1 allowed, 0 not.
    pub allowed: Vec<u8>,
    /// What the pairs are made of.
    pub made_of: Composition,
}

impl NegativeRule {
    /// The rule for the rows of a store whose windows are `length` samples long.
    pub fn new(negatives: Negatives, table: &WindowTable, length: u32) -> Self {
        Self::from_places(negatives, table.rows.iter().map(Place::from).collect(), length)
    }

    /// The rule for windows named by their places; the index is the row.
    pub fn from_places(negatives: Negatives, places: Vec<Place>, length: u32) -> Self {
        Self { negatives, positives: PositiveRule::WINDOW, places, length: i64::from(length) }
    }

    /// The same without whatever could be a query's positive.
    #[must_use]
    pub fn with_positives(self, positives: PositiveRule) -> Self {
        Self { positives, ..self }
    }

    /// The closed word behind the rule.
    pub fn negatives(&self) -> Negatives {
        self.negatives
    }

    /// The rule for positives that is left out.
    pub fn positives(&self) -> PositiveRule {
        self.positives
    }

    /// Fewer candidates than this and a query is left out of the mean. With one subject's windows only, a handful of
    /// candidates makes the task trivial, so more are asked for.
    pub fn min_negatives(&self) -> usize {
        match self.negatives {
            Negatives::All | Negatives::OtherSubjects => 1,
            Negatives::SameSubject => 8,
        }
    }

    /// Whether the window `candidate` may be a negative of the window `query` (rows of the store): not the same
    /// window, not overlapping it in time within the recording, not one that could be its positive, and of a subject
    /// that the word allows.
    ///
    /// # Panics
    /// When a row is not in the table.
    pub fn allowed(&self, query: u32, candidate: u32) -> bool {
        let (i, j) = (self.places[query as usize], self.places[candidate as usize]);
        let overlap = i.recording == j.recording && (i.start - j.start).abs() < self.length;
        let subject = match self.negatives {
            Negatives::All => true,
            Negatives::SameSubject => i.subject == j.subject,
            Negatives::OtherSubjects => i.subject != j.subject,
        };
        query != candidate && !overlap && !self.positives.covers(i, j) && subject
    }

    /// [`NegativeRule::allowed`] for every pair, and what the candidates are made of.
    ///
    /// # Panics
    /// When a row is not in the table.
    #[expect(clippy::needless_bitwise_bool, reason = "branches would cost a multiple here")]
    pub fn mask(&self, queries: &[u32], candidates: &[u32]) -> NegativeMask {
        // One pass without branches: at 256 queries and 16,384 candidates this is the costliest part outside the network.
        let places: Vec<Place> = candidates.iter().map(|&row| self.places[row as usize]).collect();
        let (same_allowed, other_allowed) = match self.negatives {
            Negatives::All => (true, true),
            Negatives::SameSubject => (true, false),
            Negatives::OtherSubjects => (false, true),
        };
        let (reach, own_subject) = (self.positives.reach(), self.positives.positives() == Positives::Subject);
        let mut allowed = Vec::with_capacity(queries.len() * candidates.len());
        let mut made_of = Composition::default();
        for &query in queries {
            let own = self.places[query as usize];
            for (place, &row) in places.iter().zip(candidates) {
                let apart = (own.start - place.start).abs();
                let together = own.recording == place.recording;
                let overlap = (row == query) | (together & (apart < self.length));
                let same = own.subject == place.subject;
                let covered = !overlap & ((together & (apart <= reach)) | (same & own_subject));
                let counts = !overlap & !covered & ((same & same_allowed) | (!same & other_allowed));
                made_of.same_subject += u64::from(counts & same);
                made_of.same_recording += u64::from(counts & together);
                made_of.other_subject += u64::from(counts & !same);
                made_of.masked_overlap += u64::from(overlap);
                made_of.masked_positive += u64::from(covered);
                allowed.push(u8::from(counts));
            }
        }
        let all = (queries.len() * candidates.len()) as u64;
        let told = made_of.same_subject + made_of.other_subject + made_of.masked_overlap + made_of.masked_positive;
        made_of.masked_subject = all - told;
        NegativeMask { allowed, made_of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u32 = 100;

    /// Subjects 0 0 0 1 1; rows 0 and 1 overlap by one sample, row 2 touches row 0 without overlap.
    fn rule(negatives: Negatives) -> NegativeRule {
        let place = |subject, recording, start| Place { subject, recording, start };
        let places = vec![place(0, 0, 0), place(0, 0, 99), place(0, 0, 100), place(1, 1, 0), place(1, 2, 0)];
        NegativeRule::from_places(negatives, places, LENGTH)
    }

    fn allowed(negatives: Negatives, query: u32) -> Vec<u32> {
        let rule = rule(negatives);
        (0..5).filter(|&candidate| rule.allowed(query, candidate)).collect()
    }

    #[test]
    fn a_window_is_never_its_own_negative_nor_what_overlaps_it() {
        assert_eq!(allowed(Negatives::All, 0), [2, 3, 4]);
        assert_eq!(allowed(Negatives::All, 1), [3, 4]);
    }

    #[test]
    fn same_start_in_another_recording_is_no_overlap() {
        assert_eq!(allowed(Negatives::All, 3), [0, 1, 2, 4]);
    }

    #[test]
    fn word_masks_by_subject() {
        assert_eq!(allowed(Negatives::SameSubject, 0), [2]);
        assert_eq!(allowed(Negatives::OtherSubjects, 0), [3, 4]);
        assert_eq!(allowed(Negatives::SameSubject, 3), [4]);
    }

    #[test]
    fn rule_is_symmetric_and_the_mask_is_the_rule() {
        let rows: Vec<u32> = (0..5).collect();
        for negatives in [Negatives::All, Negatives::SameSubject, Negatives::OtherSubjects] {
            let rule = rule(negatives);
            let mask = rule.mask(&rows, &rows).allowed;
            for i in 0..5 {
                for j in 0..5 {
                    assert_eq!(mask[i * 5 + j] == 1, rule.allowed(i as u32, j as u32));
                    assert_eq!(mask[i * 5 + j], mask[j * 5 + i]);
                }
            }
        }
    }

    #[test]
    fn composition_counts_every_pair_once() {
        let rows: Vec<u32> = (0..5).collect();
        let count = rule(Negatives::SameSubject).mask(&rows, &rows).made_of;
        // same window 5, overlaps 0-1 and 1-2 both ways; allowed 0-2 and 3-4 both ways; 3 x 2 pairs of two people twice
        let expected = Composition {
            same_subject: 4,
            same_recording: 2,
            masked_overlap: 9,
            masked_subject: 12,
            ..Composition::default()
        };
        assert_eq!(count, expected);
        assert!((count.masked_share() - 21.0 / 25.0).abs() < 1e-12);
    }

    #[test]
    fn what_could_be_a_positive_is_no_negative() {
        let rows: Vec<u32> = (0..5).collect();
        let allowed = |positives| {
            let rule = rule(Negatives::All).with_positives(PositiveRule::new(positives, 10.0, 10.0));
            let made_of = rule.mask(&rows, &rows).made_of;
            let of = |query| rows.iter().copied().filter(|row| rule.allowed(query, *row)).collect::<Vec<u32>>();
            ([of(0), of(3)], made_of.masked_positive)
        };
        assert_eq!(allowed(Positives::Window), ([vec![2, 3, 4], vec![0, 1, 2, 4]], 0));
        // 10 s are 100 samples: row 2 begins at the very end of row 0's reach, and overlaps it nowhere.
        assert_eq!(allowed(Positives::Neighbour), ([vec![3, 4], vec![0, 1, 2, 4]], 2));
        assert_eq!(allowed(Positives::Subject), ([vec![3, 4], vec![0, 1, 2]], 4));
    }
}
