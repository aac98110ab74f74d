//! Warnings of one kind, told once: a damaged file may have millions of the same.

use crate::signal::Warning;

/// Warnings by kind: the first of each, and how many more there were.
#[derive(Debug, Default)]
pub(super) struct Tally {
    kinds: Vec<(&'static str, Warning, u64)>,
}

impl Tally {
    /// Adds one; `message` is asked for where it is the first of its kind.
    pub(super) fn add(&mut self, kind: &'static str, place: impl ToString, message: impl FnOnce() -> String) {
        match self.kinds.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, _, more)) => *more = more.saturating_add(1),
            None => self.kinds.push((kind, Warning { place: place.to_string(), message: message() }, 0)),
        }
    }

    /// One warning a kind, in order of first appearance.
    pub(super) fn into_warnings(self) -> impl Iterator<Item = Warning> {
        self.kinds.into_iter().map(|(_, warning, more)| match more {
            0 => warning,
            _ => Warning { message: format!("{} ({more} more of this kind)", warning.message), ..warning },
        })
    }
}
