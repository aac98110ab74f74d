//! Which samples of which recordings a role may touch, in plans that part a person's own recordings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::signal::{WindowRow, WindowSpec, WindowTable};

/// What a plan parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// People: nobody has two roles.
    People,
    /// The runs of each person.
    Runs,
    /// The time of each recording.
    Time,
}

impl Scope {
    /// Whether every person is in every role.
    pub fn is_within(self) -> bool {
        self != Self::People
    }
}

/// A piece of a recording that one role has, in samples, half-open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its role.
    pub role: String,
    /// Whose recording.
    pub subject: String,
    /// Which recording.
    pub recording: String,
    /// First sample.
    pub first: i64,
    /// One past the last.
    pub last: i64,
}

/// The same by index, before it is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawPiece {
    pub(super) role: &'static str,
    pub(super) recording: u32,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Pieces by recording.
pub(super) struct RawPieces(BTreeMap<u32, Vec<RawPiece>>);

impl RawPieces {
    pub(super) fn new(pieces: &[RawPiece]) -> Self {
        let mut by_recording: BTreeMap<u32, Vec<RawPiece>> = BTreeMap::new();
        for piece in pieces {
            by_recording.entry(piece.recording).or_default().push(*piece);
        }
        Self(by_recording)
    }

    /// The piece in which everything lies that is read of a row.
    pub(super) fn of(&self, row: &WindowRow, table: &WindowTable, spec: &WindowSpec) -> Option<RawPiece> {
        let samples = table.recordings[row.recording as usize].samples as i64;
        let (first, last) = read_of(row, spec);
        // What repeats the ends of the recording is of the piece at that end.
        let (first, last) = (first.clamp(0, samples), last.clamp(0, samples));
        let inside = |piece: &&RawPiece| first < last && piece.first <= first && last <= piece.last;
        self.0.get(&row.recording)?.iter().find(inside).copied()
    }
}

/// What is read of a row at most, margins aside: pretraining reads its stretch, evaluation a window that may end later.
pub(crate) fn read_of(row: &WindowRow, spec: &WindowSpec) -> (i64, i64) {
    let evaluated = spec.eval_offset_of(row) + i64::from(spec.length);
    (row.start, row.start + i64::from(row.trial_samples).max(evaluated))
}

/// Samples between two roles: a window and two margins, and at least `gap_s` seconds.
pub(crate) fn gap_of(gap_s: f64, spec: &WindowSpec) -> i64 {
    let reach = i64::from(spec.length) + 2 * i64::from(spec.margin);
    reach.max((gap_s * spec.rate_hz).ceil() as i64)
}
