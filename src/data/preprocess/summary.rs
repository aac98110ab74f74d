//! What a person sees of a store that was made.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::failure::Failure;
use super::windows::Dropped;
use crate::data::corpora::Excluded;
use crate::data::store::Store;
use crate::signal::{Reject, WindowTable};

/// Windows of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Its name; `None`: stretches without a class, for pretraining only.
    pub class: Option<String>,
    /// Rows of it, rejected ones included.
    pub windows: usize,
    /// Rejected ones.
    pub rejected: usize,
}

/// Windows of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubjectCount {
    /// Who.
    pub subject: String,
    /// By class, in the order of [`Summary::classes`].
    pub windows: Vec<usize>,
}

/// Windows rejected for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Whose.
    pub subject: String,
    /// Of which class.
    pub class: Option<String>,
    /// Why.
    pub reason: Reject,
    /// How many.
    pub windows: usize,
}

/// Recordings that were brought to the store's rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resampled {
    /// Rate at which they were recorded.
    pub recorded_hz: f64,
    /// The store's.
    pub rate_hz: f64,
    /// How many.
    pub recordings: usize,
}

/// A channel of a store that is one lead in some recordings and another in others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mixture {
    /// Its name in the store.
    pub channel: String,
    /// Recordings by what it is in them.
    pub recordings: BTreeMap<String, usize>,
}

impl fmt::Display for Mixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.recordings.iter().map(|(lead, n)| format!("{lead} in {n}")).collect();
        write!(f, "channel {} is {} recordings", self.channel, parts.join(", "))
    }
}

impl Mixture {
    /// Those of a store.
    pub fn in_store(store: &Store) -> Vec<Self> {
        let recordings = &store.table().recordings;
        let of_channel = |(place, channel): (usize, &crate::signal::WindowChannel)| {
            let leads = recordings.iter().filter_map(|entry| entry.leads.get(place));
            Self::of(&channel.label, leads.map(String::as_str))
        };
        store.channels().iter().enumerate().filter_map(of_channel).collect()
    }

    /// `None`: the channel is the same lead everywhere.
    pub(super) fn of<'a>(channel: &str, leads: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut recordings = BTreeMap::new();
        for lead in leads {
            *recordings.entry(lead.to_owned()).or_default() += 1;
        }
        (recordings.len() > 1).then(|| Self { channel: channel.to_owned(), recordings })
    }
}

/// What a store holds and what was left out of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Where it lies.
    pub store: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Corpus.
    pub corpus: String,
    /// SHA-256 of the resolved recipe.
    pub recipe_hash: String,
    /// Number of recordings.
    pub recordings: usize,
    /// Number of rows.
    pub windows: usize,
    /// Rows by class, in the corpus's order, those without a class last.
    pub classes: Vec<ClassCount>,
    /// Rows by subject.
    pub subjects: Vec<SubjectCount>,
    /// Recordings left out, each with its reason.
    pub excluded: Vec<Excluded>,
    /// Rows marked as rejected, by subject, class and reason.
    pub rejected: Vec<Rejected>,
    /// Marks that gave no row.
    pub dropped: Dropped,
    /// Recordings that were resampled, by their rate.
    pub resampled: Vec<Resampled>,
    /// Channels that are not the same lead in all recordings.
    pub mixtures: Vec<Mixture>,
    /// Recordings that failed and are missing, because the recipe allowed it.
    pub failed: Vec<Failure>,
    /// What was odd in the files, each with its recording.
    pub warnings: Vec<String>,
}

/// Rows by class (the last place for those without one), for any iterator of labels.
pub(super) fn by_class(labels: impl Iterator<Item = Option<u16>>, n_classes: usize) -> Vec<usize> {
    let mut counts = vec![0; n_classes + 1];
    for label in labels {
        counts[label.map_or(n_classes, |label| usize::from(label).min(n_classes))] += 1;
    }
    counts
}

fn class_name(table: &WindowTable, place: usize) -> Option<String> {
    table.classes.get(place).cloned()
}

/// Rows by class, the place for those without one only when there are some.
pub(super) fn class_counts(table: &WindowTable) -> Vec<ClassCount> {
    let n = table.classes.len();
    let windows = by_class(table.rows.iter().map(|row| row.label), n);
    let rejected = by_class(table.rows.iter().filter(|row| row.reject.is_some()).map(|row| row.label), n);
    let counts = windows.into_iter().zip(rejected).enumerate();
    counts
        .map(|(i, (windows, rejected))| ClassCount { class: class_name(table, i), windows, rejected })
        .filter(|count| count.class.is_some() || count.windows > 0)
        .collect()
}

/// Rows by subject and class.
pub(super) fn subject_counts(table: &WindowTable) -> Vec<SubjectCount> {
    let n = table.classes.len();
    let mut counts = vec![vec![0; n + 1]; table.subjects.len()];
    for row in &table.rows {
        counts[row.subject as usize][row.label.map_or(n, usize::from)] += 1;
    }
    let unlabelled = table.rows.iter().any(|row| row.label.is_none());
    let named = table.subjects.iter().zip(counts);
    named
        .map(|(subject, mut windows)| {
            windows.truncate(n + usize::from(unlabelled));
            SubjectCount { subject: subject.to_string(), windows }
        })
        .collect()
}

/// Rejected rows by subject, class and reason.
pub(super) fn rejections(table: &WindowTable) -> Vec<Rejected> {
    let mut counts: BTreeMap<(u32, usize, Reject), usize> = BTreeMap::new();
    for row in &table.rows {
        if let Some(reason) = row.reject {
            *counts.entry((row.subject, row.label.map_or(table.classes.len(), usize::from), reason)).or_default() += 1;
        }
    }
    let rejected = |((subject, class, reason), windows): ((u32, usize, Reject), usize)| Rejected {
        subject: table.subjects[subject as usize].to_string(),
        class: class_name(table, class),
        reason,
        windows,
    };
    counts.into_iter().map(rejected).collect()
}
