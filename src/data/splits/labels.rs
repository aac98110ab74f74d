//! Fewer labels to learn from: how much a classifier needs is asked with the same people and pool.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Purpose, StreamKey};
use crate::signal::WindowTable;

use super::order::by_hash;
use super::{Split, SplitError};

/// Which of the training labels a classifier may see.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelBudget {
    /// Share of each person's windows of each class, above 0 and at most 1; at least one window of each.
    pub share: f64,
    /// Which draw of the windows: the same one for every arm; larger shares of a draw hold the smaller ones.
    pub draw: u32,
    /// So many training people, the first in the order of the split's seed; absent: all.
    pub people: Option<usize>,
}

impl Default for LabelBudget {
    fn default() -> Self {
        Self { share: 1.0, draw: 0, people: None }
    }
}

impl LabelBudget {
    /// Whether every label may be seen.
    pub fn is_whole(&self) -> bool {
        self.share >= 1.0 && self.people.is_none()
    }

    /// What a proof says of it.
    pub(super) fn note(&self, kept: usize, all: usize, people: usize) -> String {
        let Self { share, draw, .. } = self;
        format!("labels of {kept} of {all} training windows, {people} people (share {share}, draw {draw})")
    }

    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Some("`share` is above 0 and at most 1");
        }
        (self.people == Some(0)).then_some("`people` is at least 1")
    }
}

impl Split {
    /// The same people and pool with fewer labelled training windows; the proof counts them and says so.
    ///
    /// # Errors
    /// A budget that cannot be: see [`LabelBudget::fault`], or more people than train.
    pub fn with_labels(&self, table: &WindowTable, budget: &LabelBudget) -> Result<Self, SplitError> {
        if budget.is_whole() {
            return Ok(self.clone());
        }
        let seed = self.proof().seed;
        let mut people = by_hash(table, self.train().subjects(), seed);
        let wanted = budget.people.unwrap_or(people.len());
        let fault = budget.fault().map(str::to_owned);
        let too_many = || (wanted > people.len()).then(|| format!("only {} people train", people.len()));
        if let Some(message) = fault.or_else(too_many) {
            let help = "change `labels` of `evaluate`".to_owned();
            return Err(SplitError::Setting { plan: "labels", message, help });
        }
        people.truncate(wanted);

        let mut groups: BTreeMap<(u32, u16), Vec<u32>> = BTreeMap::new();
        for &row in self.train().rows() {
            let entry = &table.rows[row as usize];
            if let (true, Some(label)) = (people.contains(&entry.subject), entry.label) {
                groups.entry((entry.subject, label)).or_default().push(row);
            }
        }
        let mut kept = Vec::new();
        for ((subject, label), mut rows) in groups {
            let key = StreamKey::new(seed, Purpose::Labels).epoch(budget.draw).row(subject).view(label);
            key.stream().shuffle(&mut rows);
            // A tenth of 30 is 3, whatever 0.1 is in binary.
            rows.truncate((budget.share * rows.len() as f64 - 1e-9).ceil() as usize);
            kept.extend(rows);
        }
        let all = self.train().len();
        let note = budget.note(kept.len(), all, people.len());
        kept.sort_unstable();
        Ok(self.with_train(table, &kept, (*budget, note)))
    }
}
