//! What is left of the test when the beginning of each recording is in no score: known before anything is trained.

use std::collections::BTreeMap;

use crate::data::splits::Split;
use crate::data::store::Store;

use super::error::EvaluateError;
use super::settings::EvaluateSettings;

/// The sample by which a window's time counts: its event, else the first that evaluation reads.
pub(super) fn event_of(store: &Store, row: u32) -> i64 {
    let entry = &store.table().rows[row as usize];
    entry.event.unwrap_or_else(|| entry.start + store.eval_cut(row).offset)
}

impl EvaluateSettings {
    /// Test people none of whose windows is in a score, because all lie before `skip_s`. Only times are looked at.
    ///
    /// # Errors
    /// [`EvaluateError::NothingLeft`] where that is so of everybody.
    pub fn people_skipped(&self, store: &Store, splits: &[Split]) -> Result<Vec<String>, EvaluateError> {
        let first = self.skip_s() * store.spec().rate_hz;
        let mut left: BTreeMap<u32, usize> = BTreeMap::new();
        for split in splits {
            for (person, windows) in split.count_test(store.table(), |row| event_of(store, row) as f64 >= first) {
                *left.entry(person).or_default() += windows;
            }
        }
        if left.values().all(|windows| *windows == 0) {
            return Err(EvaluateError::NothingLeft { skip_s: self.skip_s() });
        }
        let nothing = left.into_iter().filter(|(_, windows)| *windows == 0);
        Ok(nothing.map(|(person, _)| store.table().subjects[person as usize].0.clone()).collect())
    }
}
