//! Weights against what the run wrote down when it made them: the hash of each file, and of each kept classifier the
//! numbers that its reading of the test was made with.

use std::collections::BTreeMap;

use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::judging::downstream::Classifier;
use crate::runs::{Journal, RunFolder};

use super::{Entry, Verifier, whose, word};

/// The event of the journal.
const EVENT: &str = "weights";

/// What a fold and seed left, when it was judged.
#[derive(Serialize, Deserialize)]
struct Weights {
    fold: u16,
    seed: u64,
    /// SHA-256 by path in the run, with `/`.
    files: BTreeMap<String, String>,
}

/// Writes down the hashes of all files of weights that a fold and seed left.
///
/// # Errors
/// A file that cannot be read; a journal that cannot be written.
pub(in crate::pipeline) fn keep_hashes(
    folder: &RunFolder,
    journal: &mut Journal,
    (fold, seed): (u16, u64),
) -> Result<(), Error> {
    let files = folder.weights(fold, seed)?;
    Ok(journal.record_once(EVENT, &Weights { fold, seed, files })?)
}

impl Verifier {
    /// Files of weights have the hashes that the journal has; kept classifiers are those that read the test.
    pub(super) fn weights(&mut self, journal: &[Entry]) -> Result<(), Error> {
        let entries = journal.iter().filter(|entry| word(entry, "event") == EVENT);
        let written: Vec<Weights> =
            entries.filter_map(|entry| serde_json::from_value(Value::Object(entry.clone())).ok()).collect();
        let (mut n, mut kept) = (0, 0);
        for Weights { fold, seed, files } in &written {
            n += files.len();
            let now = self.folder.weights(*fold, *seed)?;
            let stray = now.keys().filter(|name| !files.contains_key(*name));
            for name in files.keys().chain(stray) {
                let said = |hashes: &BTreeMap<String, String>, or: &str| {
                    hashes.get(name).map_or(or, String::as_str).to_owned()
                };
                let (found, expected) = (said(&now, "no such file"), said(files, "no such file"));
                self.same(&format!("{name}: SHA-256"), &found, &expected);
            }
        }
        for entry in journal.iter().filter(|entry| word(entry, "event") == "test") {
            let Some((arm, seed, fold)) = whose(entry) else { continue };
            let Some(path) = self.folder.finished_classifier(&arm, fold, seed)? else { continue };
            let place = path.strip_prefix(self.folder.path()).unwrap_or(&path).display().to_string();
            match Classifier::read(&path, &Device::Cpu) {
                Ok(read) => {
                    let place = format!("{place}: hash of its weights");
                    self.same(&place, &read.weights_hash(), word(entry, "weights_hash"));
                }
                Err(error) => self.note(place, error.to_string(), "the classifier that read the test"),
            }
            kept += 1;
        }
        self.looked_at(if written.is_empty() {
            format!("classifiers: the weights of {kept} against the journal; it has no hash of encoders (a run of an earlier version)")
        } else {
            format!("checkpoints, classifiers: {n} files of weights and the numbers of {kept} classifiers as the journal has them")
        });
        Ok(())
    }
}
