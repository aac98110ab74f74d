//! Windows: what a row of a store is, without its samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::recording::{SubjectId, Unit};
use super::rr::RrFeatures;

/// How the samples of a window are scaled before anything else sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// As stored, in physical units.
    None,
    /// Per channel (x - mean) / population sd of the nominal window; applied by the loader.
    Window,
    /// By mean and sd of the whole filtered recording; applied when the store is written.
    Record,
    /// By running mean and variance (looks back only); applied when the store is written.
    Causal,
}

/// Why a window is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reject {
    /// A value is NaN or infinite.
    NonFinite,
    /// A channel's range is below the least that a living signal has.
    Flat,
    /// A value lies beyond the limit of the recipe.
    Amplitude,
}

impl Reject {
    /// All reasons, in the order in which they are tested.
    pub const ALL: [Self; 3] = [Self::NonFinite, Self::Flat, Self::Amplitude];

    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::NonFinite => "non-finite",
            Self::Flat => "flat",
            Self::Amplitude => "amplitude",
        }
    }
}

/// One recording that rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingEntry {
    /// Record name or file name without its ending; unique in a store.
    pub id: String,
    /// Index into [`WindowTable::subjects`].
    pub subject: u32,
    /// Visit, from 1.
    pub session: u16,
    /// Run number of the corpus, where it has runs.
    pub run_number: Option<u16>,
    /// Length in samples at the store's rate, after padding was cut.
    pub samples: u64,
    /// SHA-256 of the signal file, without the header where one stands in it (EDF, BDF).
    pub content_hash: String,
    /// SHA-256 of every file that the recording was read from (signals, header, annotations), by its name.
    pub sources: BTreeMap<String, String>,
    /// True labels of the stored channels in this recording (a store's second ECG channel is `other`: V1, V5, ..).
    pub leads: Vec<String>,
}

/// One row: a nominal window or stretch and what is known of it. Samples are counted at the store's rate.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRow {
    /// Index into [`WindowTable::subjects`].
    pub subject: u32,
    /// Index into [`WindowTable::recordings`].
    pub recording: u32,
    /// First sample of the nominal window (beat: R - 352; trial: cue; sliding: slide start). May be negative.
    pub start: i64,
    /// Sample of the mark that made the row; `None` for sliding windows.
    pub event: Option<i64>,
    /// Class of the row; `None` for stretches without one.
    pub label: Option<u16>,
    /// Length of the stretch in which a pretraining window may lie; at least the window length.
    pub trial_samples: u32,
    /// Samples inside [start, start + `trial_samples`) that repeat the end of the recording.
    pub padding: u32,
    /// Real samples of the same recording stored before `start`, at most the margin.
    pub left: u32,
    /// Real samples of the same recording stored after `start + trial_samples`, at most the margin and what the span
    /// holds beyond the trial.
    pub right: u32,
    /// Why the row is not used, if so.
    pub reject: Option<Reject>,
    /// Whether the stretch lies in the first second of a causally normalised recording, in which mean and deviation
    /// are not yet running.
    pub warm_up: bool,
    /// RR features; `None` for rows that no beat made.
    pub rr: Option<RrFeatures>,
}

/// A recording that could not be read and is missing in a store, because the recipe's `allow_failed` said to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRecording {
    /// As [`RecordingEntry::id`].
    pub id: String,
    /// Why, with the file and the place.
    pub reason: String,
}

/// A recording that the corpus's settings leave out of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedRecording {
    /// As [`RecordingEntry::id`].
    pub id: String,
    /// Why.
    pub reason: String,
}

/// All rows of a store and the lists they point into.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WindowTable {
    /// Subjects, in order of first appearance.
    pub subjects: Vec<SubjectId>,
    /// Recordings, in the order in which their rows lie.
    pub recordings: Vec<RecordingEntry>,
    /// Class names; labels index them.
    pub classes: Vec<String>,
    /// One entry a row of the store.
    pub rows: Vec<WindowRow>,
    /// Recordings that failed and are missing; every table made from the store names them.
    pub failed: Vec<FailedRecording>,
    /// Recordings that the corpus's settings leave out, in order of id; the proof of every split has them.
    pub excluded: Vec<ExcludedRecording>,
}

impl WindowTable {
    /// The subject of a row.
    pub fn subject_of(&self, row: u32) -> &SubjectId {
        &self.subjects[self.rows[row as usize].subject as usize]
    }

    /// Gives a recording and its rows to another person, who is added where the table does not know them.
    pub fn redeclare(&mut self, recording: &str, subject: &SubjectId) {
        let Some(index) = self.recordings.iter().position(|entry| entry.id == recording) else { return };
        let known = self.subjects.iter().position(|known| known == subject);
        let person = known.unwrap_or_else(|| {
            self.subjects.push(subject.clone());
            self.subjects.len() - 1
        }) as u32;
        self.recordings[index].subject = person;
        for row in self.rows.iter_mut().filter(|row| row.recording as usize == index) {
            row.subject = person;
        }
    }

    /// The recording of a row.
    pub fn recording_of(&self, row: u32) -> &RecordingEntry {
        &self.recordings[self.rows[row as usize].recording as usize]
    }
}

/// A channel of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowChannel {
    /// Canonical label (`MLII`, `other`, `FC5`).
    pub label: String,
    /// Unit of the stored samples.
    pub unit: Unit,
}

/// What the loader needs to know of a recipe.
///
/// A stored row holds `margin + span + margin` samples a channel; sample `j` of it is sample
/// `start - margin + j` of the recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// Samples per second.
    pub rate_hz: f64,
    /// Samples of the window that an encoder sees.
    pub length: u32,
    /// Longest stretch of the store, at least `length`.
    pub span: u32,
    /// Samples kept on each side of the stretch.
    pub margin: u32,
    /// Where evaluation, probes and fine-tuning read rows made by a mark: samples after `start`.
    pub eval_offset: u32,
    /// Applied by the loader (`window`), or already in the samples (`record`, `causal`).
    pub normalisation: Normalisation,
}

impl WindowSpec {
    /// Where evaluation reads a row, in samples after its `start`: [`eval_offset`](Self::eval_offset) for rows that a
    /// mark made, 0 for sliding windows.
    pub fn eval_offset_of(&self, row: &WindowRow) -> i64 {
        if row.event.is_some() { i64::from(self.eval_offset) } else { 0 }
    }

    /// Whether evaluation reads within the stored row.
    pub fn reads_inside(&self) -> bool {
        u64::from(self.eval_offset) + u64::from(self.length) <= u64::from(self.span) + u64::from(self.margin)
    }

    /// Samples a channel of a stored row.
    pub fn stored(&self) -> usize {
        (self.span + 2 * self.margin) as usize
    }
}
