//! Which other window of the pool may stand in for, or be mixed into, a window.

use serde::{Deserialize, Serialize};

use super::LoaderError;
use crate::base::Stream;
use crate::signal::{WindowRow, WindowTable};

/// Whose windows partners are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartnerScope {
    /// Anybody's in the pool.
    Pool,
    /// The same person's, for one encoder a person.
    SamePerson,
}

/// The candidates of each window: ranks in the pool, in groups.
pub(super) struct PartnerIndex {
    groups: Vec<Vec<u32>>,
    group_of: Vec<u32>,
}

impl PartnerIndex {
    /// Groups the pool by `scope`; `subject` is the person of each slot.
    pub(super) fn new(scope: PartnerScope, subject: &[u32]) -> Self {
        let group_of: Vec<u32> = match scope {
            PartnerScope::Pool => vec![0; subject.len()],
            PartnerScope::SamePerson => subject.to_vec(),
        };
        let n_groups = group_of.iter().max().map_or(0, |last| *last as usize + 1);
        let mut groups = vec![Vec::new(); n_groups];
        for (slot, group) in group_of.iter().enumerate() {
            groups[*group as usize].push(slot as u32);
        }
        Self { groups, group_of }
    }

    /// Checks that every window has a partner, without which a draw would never end.
    ///
    /// # Errors
    /// [`LoaderError::NoPartner`] with the first window that has none.
    pub(super) fn check(&self, scope: PartnerScope, table: &WindowTable, rows: &[u32]) -> Result<(), LoaderError> {
        let scope = match scope {
            PartnerScope::Pool => "the pool",
            PartnerScope::SamePerson => "the same person",
        };
        let row_of = |slot: &u32| &table.rows[rows[*slot as usize] as usize];
        for group in &self.groups {
            let members = || group.iter().map(row_of);
            if members().any(|row| Some(row.recording) != members().next().map(|first| first.recording)) {
                continue;
            }
            let last_start = members().map(|row| row.start).max();
            let first_end = members().map(end).min();
            let alone = |slot: &&u32| {
                let row = row_of(slot);
                last_start.is_some_and(|start| start < end(row)) && first_end.is_some_and(|first| first > row.start)
            };
            if let Some(slot) = group.iter().find(alone) {
                return Err(LoaderError::NoPartner { row: rows[*slot as usize], scope });
            }
        }
        Ok(())
    }

    /// A partner of `slot`, uniform over those that do not overlap it.
    pub(super) fn draw(&self, slot: u32, table: &WindowTable, rows: &[u32], stream: &mut Stream) -> u32 {
        let group = &self.groups[self.group_of[slot as usize] as usize];
        let own = &table.rows[rows[slot as usize] as usize];
        loop {
            let candidate = group[stream.below(group.len() as u32) as usize];
            if !overlap(own, &table.rows[rows[candidate as usize] as usize]) {
                return candidate;
            }
        }
    }
}

/// First sample after a row's stretch.
fn end(row: &WindowRow) -> i64 {
    row.start + i64::from(row.trial_samples)
}

/// Whether two rows share samples of a recording; a row overlaps itself.
pub(super) fn overlap(a: &WindowRow, b: &WindowRow) -> bool {
    a.recording == b.recording && a.start < end(b) && b.start < end(a)
}
