//! What an encoder was made for and from: the windows that it reads, the pool that it has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::{Differences, SignalKind};
use crate::data::splits::{Pool, PoolSpan, Subset};
use crate::data::store::Store;
use crate::signal::WindowChannel;

/// What an encoder was made for and from. Data that do not fit it are refused; a run resumes only under the same one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// The body signal.
    pub kind: SignalKind,
    /// Samples a second.
    pub rate_hz: f64,
    /// Labels and units, in order.
    pub channels: Vec<WindowChannel>,
    /// Samples of a window.
    pub window: u32,
    /// Hash of the recipe that made the store.
    pub recipe_hash: String,
    /// The people and windows of the pool.
    pub pool: PoolRecord,
    /// Seed of the run.
    pub seed: u64,
    /// All settings that decide what is trained, resolved, by section (`encoder`, `objective`, ..).
    pub settings: BTreeMap<String, Value>,
}

/// Whose windows pretraining saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// Name of the corpus.
    pub corpus: String,
    /// Hash of the split.
    pub split_hash: String,
    /// Names of the subjects.
    pub subjects: Vec<String>,
    /// SHA-256 of the signal files of their recordings, ascending: the same recording under another name is known again.
    #[serde(default)]
    pub recordings: Vec<String>,
    /// Windows.
    pub n_windows: usize,
    /// Where in which recordings pretraining read; `None` where nobody has said so (files of earlier versions, weights
    /// from elsewhere).
    #[serde(default)]
    pub spans: Option<Vec<PoolSpan>>,
}

impl PoolRecord {
    /// The record of a pool that a split gave out.
    pub(super) fn new(pool: &Subset<Pool>, split_hash: &str, store: &Store) -> Self {
        let table = store.table();
        let spans = pool.spans(table, store.spec());
        let mut recordings: Vec<String> = spans.iter().map(|span| span.content_hash.clone()).collect();
        recordings.retain(|hash| !hash.is_empty());
        recordings.sort_unstable();
        recordings.dedup();
        Self {
            corpus: store.corpus().to_owned(),
            split_hash: split_hash.to_owned(),
            subjects: pool.subjects().iter().map(|&s| table.subjects[s as usize].to_string()).collect(),
            recordings,
            n_windows: pool.len(),
            spans: Some(spans),
        }
    }

    /// The pool of a training from a random start: nobody.
    pub fn clear(&mut self) {
        (self.subjects, self.recordings, self.n_windows) = (Vec::new(), Vec::new(), 0);
        self.spans = Some(Vec::new());
    }
}

impl Contract {
    /// What an encoder for the windows of a store was made for.
    pub(super) fn of_store(store: &Store, pool: PoolRecord, seed: u64, settings: BTreeMap<String, Value>) -> Self {
        Self {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            kind: store.kind(),
            rate_hz: store.spec().rate_hz,
            channels: store.channels().to_vec(),
            window: store.spec().length,
            recipe_hash: store.recipe_hash().to_owned(),
            pool,
            seed,
            settings,
        }
    }

    /// What of a store's windows is not as the encoder needs it: its side, then the store's.
    pub fn misfits(&self, store: &Store) -> Differences {
        let words = |kind, rate_hz: f64, window: u32, channels: &[WindowChannel], recipe: &str| {
            let channel = |of: &WindowChannel| format!("{} ({})", of.label, of.unit);
            let channels: Vec<String> = channels.iter().map(channel).collect();
            // Enough of a hash for a person.
            let recipe = recipe.get(..12).unwrap_or(recipe);
            json!({
                "signal": kind, "rate_hz": rate_hz, "window in samples": window, "channels": channels, "recipe": recipe,
            })
        };
        let spec = store.spec();
        Differences::between(
            &words(self.kind, self.rate_hz, self.window, &self.channels, &self.recipe_hash),
            &words(store.kind(), spec.rate_hz, spec.length, store.channels(), store.recipe_hash()),
        )
    }

    /// All in which two runs differ: this one's side, then that of `needed`.
    pub(super) fn differs_from(&self, needed: &Self) -> Differences {
        let plain = |contract: &Self| serde_json::to_value(contract).expect("a contract is plain data");
        let (mut found, mut needed) = (plain(self), plain(needed));
        // Where windows lie follows from store and split, whose hashes are compared, and is too long to be shown; a file
        // of an earlier version does not say it.
        for side in [&mut found, &mut needed] {
            side["pool"]["spans"] = Value::Null;
        }
        Differences::between(&found, &needed)
    }
}
