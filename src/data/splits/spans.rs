//! Where pretraining read in each recording, kept beside an encoder, and which windows of another split lie there or
//! nearer than its gap: in plans within a person, names of people say nothing of that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::signal::{WindowSpec, WindowTable};

use super::build::Split;
use super::role::{Pool, Role, Subset};

/// What pretraining read of one recording.
///
/// # Units
/// Samples at the store's rate, from the start of the recording; stretches are half-open, ascending, and apart from each
/// other. Margins, from which a delayed view may be cut, are counted as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSpan {
    /// Whose recording.
    pub subject: String,
    /// Which recording.
    pub recording: String,
    /// SHA-256 of its signal file: the same recording under another name is known again.
    pub content_hash: String,
    /// First sample and end of each stretch.
    pub read: Vec<[i64; 2]>,
}

/// Whether a pool and a table are of one corpus, so that equal names are equal people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corpora {
    /// They are.
    Same,
    /// They are not, or nobody knows.
    Different,
}

/// A window by which a split judges, and the stretch of a pool that it lies in or too near to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearWindow {
    /// Its role.
    pub role: &'static str,
    /// Whose.
    pub subject: String,
    /// Of which recording.
    pub recording: String,
    /// First sample and end, margins included.
    pub window: [i64; 2],
    /// The stretch of the pool.
    pub read: [i64; 2],
}

/// The windows of validation and test that pretraining has read, or that lie within the split's gap of what it read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nearness {
    /// How many.
    pub windows: usize,
    /// Of how many of both roles.
    pub of: usize,
    /// Whose they are.
    pub subjects: BTreeSet<String>,
    /// One of them; `None` where there are none.
    pub example: Option<NearWindow>,
}

impl Subset<Pool> {
    /// What pretraining on this pool reads, by recording, in the order of the table.
    pub fn spans(&self, table: &WindowTable, spec: &WindowSpec) -> Vec<PoolSpan> {
        let mut read: BTreeMap<u32, Vec<[i64; 2]>> = BTreeMap::new();
        for (index, &row) in self.rows().iter().enumerate() {
            let ((first, end), recording) = (self.read(index, table, spec), table.rows[row as usize].recording);
            // What lies before or after a recording repeats its ends.
            let samples = table.recordings[recording as usize].samples as i64;
            read.entry(recording).or_default().push([first.clamp(0, samples), end.clamp(0, samples)]);
        }
        let span = |(recording, read): (u32, Vec<[i64; 2]>)| {
            let entry = &table.recordings[recording as usize];
            PoolSpan {
                subject: table.subjects[entry.subject as usize].0.clone(),
                recording: entry.id.clone(),
                content_hash: entry.content_hash.clone(),
                read: joined(read),
            }
        };
        read.into_iter().map(span).collect()
    }
}

/// The same samples as stretches that are ascending and apart.
fn joined(mut stretches: Vec<[i64; 2]>) -> Vec<[i64; 2]> {
    stretches.sort_unstable();
    let mut joined: Vec<[i64; 2]> = Vec::new();
    for [first, end] in stretches {
        match joined.last_mut() {
            Some(last) if first <= last[1] => last[1] = last[1].max(end),
            _ => joined.push([first, end]),
        }
    }
    joined
}

impl Split {
    /// Which windows of validation and test lie in what a pool read, or nearer to it than this split's gap. A recording
    /// is the pool's when its signals have the same content; in a pool of the same corpus, also when person and
    /// recording have the same names.
    pub fn near(&self, table: &WindowTable, pool: &[PoolSpan], corpus: Corpora) -> Nearness {
        let (before, gap) = (ReadBefore::new(table, pool, corpus), self.proof().gap_samples);
        let mut found = Nearness::default();
        before.count(&mut found, self.validation(), (table, self.spec()), gap);
        before.count(&mut found, self.test(), (table, self.spec()), gap);
        found
    }
}

/// What a pool read of the recordings of a table.
struct ReadBefore(BTreeMap<u32, Vec<[i64; 2]>>);

impl ReadBefore {
    fn new(table: &WindowTable, pool: &[PoolSpan], corpus: Corpora) -> Self {
        let mut by_content: BTreeMap<&str, Vec<&PoolSpan>> = BTreeMap::new();
        let mut by_name: BTreeMap<(&str, &str), Vec<&PoolSpan>> = BTreeMap::new();
        for span in pool {
            // A store without hashes (made in memory) is known by its names alone.
            if !span.content_hash.is_empty() {
                by_content.entry(&span.content_hash).or_default().push(span);
            }
            if corpus == Corpora::Same {
                by_name.entry((&span.subject, &span.recording)).or_default().push(span);
            }
        }
        let mut read = BTreeMap::new();
        for (index, entry) in (0..).zip(&table.recordings) {
            let names = (table.subjects[entry.subject as usize].0.as_str(), entry.id.as_str());
            let spans = by_content.get(entry.content_hash.as_str()).into_iter().chain(by_name.get(&names)).flatten();
            let stretches: Vec<[i64; 2]> = spans.flat_map(|span| span.read.iter().copied()).collect();
            if !stretches.is_empty() {
                read.insert(index, joined(stretches));
            }
        }
        Self(read)
    }

    fn count<R: Role>(
        &self,
        found: &mut Nearness,
        judges: &Subset<R>,
        (table, spec): (&WindowTable, &WindowSpec),
        gap: i64,
    ) {
        found.of += judges.len();
        for (index, &row) in judges.rows().iter().enumerate() {
            let Some(stretches) = self.0.get(&table.rows[row as usize].recording) else { continue };
            let (first, end) = judges.read(index, table, spec);
            // The first stretch that does not end a gap before the window; the later ones begin later still.
            let next = stretches.partition_point(|stretch| stretch[1] + gap <= first);
            let Some(read) = stretches.get(next).filter(|stretch| stretch[0] < end + gap) else { continue };
            found.windows += 1;
            let subject = table.subject_of(row).0.clone();
            found.example.get_or_insert_with(|| NearWindow {
                role: R::NAME,
                subject: subject.clone(),
                recording: table.recording_of(row).id.clone(),
                window: [first, end],
                read: *read,
            });
            found.subjects.insert(subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_touch_are_one() {
        assert_eq!(joined(vec![[40, 50], [0, 10], [10, 20], [5, 7], [21, 30]]), [[0, 20], [21, 30], [40, 50]]);
        assert!(joined(Vec::new()).is_empty());
    }
}
