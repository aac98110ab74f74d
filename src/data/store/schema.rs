//! The names and numbers of the file: what writer and reader agree on.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::StoreFault;
use crate::base::SignalKind;
use crate::signal::{Reject, WindowChannel, WindowSpec};

/// Raised whenever the layout or the meaning of a name changes.
pub const SCHEMA_VERSION: u32 = 2;

/// Value of the attribute `format`.
pub(super) const FORMAT: &str = "biossl-store";

/// Attributes of the root group.
pub(super) mod attribute {
    pub(in crate::data::store) const FORMAT: &str = "format";
    pub(in crate::data::store) const SCHEMA_VERSION: &str = "schema_version";
    pub(in crate::data::store) const TOOL_VERSION: &str = "tool_version";
    pub(in crate::data::store) const KIND: &str = "kind";
    pub(in crate::data::store) const CORPUS: &str = "corpus";
    pub(in crate::data::store) const RATE_HZ: &str = "rate_hz";
    pub(in crate::data::store) const WINDOW: &str = "window_samples";
    pub(in crate::data::store) const SPAN: &str = "span_samples";
    pub(in crate::data::store) const MARGIN: &str = "margin_samples";
    pub(in crate::data::store) const EVAL_OFFSET: &str = "eval_offset_samples";
    pub(in crate::data::store) const NORMALISATION: &str = "normalisation";
    pub(in crate::data::store) const RECIPE: &str = "recipe";
    pub(in crate::data::store) const RECIPE_SHA256: &str = "recipe_sha256";
    pub(in crate::data::store) const POOL_EXCLUDES: &str = "pool_excludes";
    pub(in crate::data::store) const FAILED: &str = "failed";
    pub(in crate::data::store) const EXCLUDED: &str = "excluded";
}

/// Data sets and groups.
pub(super) mod name {
    pub(in crate::data::store) const SAMPLES: &str = "samples";
    pub(in crate::data::store) const CHANNELS: &str = "channels";
    pub(in crate::data::store) const UNITS: &str = "units";
    pub(in crate::data::store) const ROWS: &str = "rows";
    pub(in crate::data::store) const SUBJECTS: &str = "subjects";
    pub(in crate::data::store) const CLASSES: &str = "classes";
    pub(in crate::data::store) const RECORDINGS: &str = "recordings";
}

/// `label` of a row without a class, `run_number` of a recording without one.
pub(super) const NO_NUMBER: i32 = -1;
/// `event` of a row that no mark made.
pub(super) const NO_EVENT: i64 = i64::MIN;

/// How the samples lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// One contiguous block, which is read in place.
    #[default]
    None,
    /// One chunk a row, its bytes shuffled and deflated at this level (1 to 9): smaller, and each read inflates a row.
    Deflate(u8),
}

/// What a store says of itself, beside its tables.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreHeader {
    /// Which signal.
    pub kind: SignalKind,
    /// Name of the corpus.
    pub corpus: String,
    /// Channels, in the order of the samples.
    pub channels: Vec<WindowChannel>,
    /// How rows are laid out and read.
    pub spec: WindowSpec,
    /// All settings that made the store, as canonical JSON.
    pub recipe_json: String,
    /// Classes that are in no training role and in no pool.
    pub pool_excludes: Vec<u16>,
    /// How the samples lie in the file.
    pub compression: Compression,
}

/// How a store's file is opened, without HDF5's lock: nobody writes to a finished store, and an unfinished one has a name
/// of its own. The lock only gets in the way: a network file system may not have it, and a process that was started
/// while the store was written keeps it, since it inherits the open file.
pub(super) fn unlocked() -> hdf5::FileBuilder {
    let mut options = hdf5::File::with_options();
    options.with_fapl(|fapl| fapl.file_locking(false));
    options
}

/// `reject` of a row: 0, or the place of its reason in [`Reject::ALL`], from 1.
pub(super) fn reject_number(reject: Option<Reject>) -> u8 {
    reject.map_or(0, |reject| Reject::ALL.iter().position(|other| *other == reject).map_or(0, |i| i as u8 + 1))
}

/// The inverse of [`reject_number`].
pub(super) fn reject_of(number: u8) -> Result<Option<Reject>, StoreFault> {
    match usize::from(number).checked_sub(1) {
        None => Ok(None),
        Some(i) => match Reject::ALL.get(i) {
            Some(reject) => Ok(Some(*reject)),
            None => Err(StoreFault::value("rows/reject", format!("{number} is no reason"))),
        },
    }
}

/// The word of a unit-like enum, as it stands in settings.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        // Anything but a plain word (a unit that is a text of its own) stands as JSON.
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// The inverse of [`word`].
pub(super) fn read_word<T: DeserializeOwned>(attribute: &str, text: &str) -> Result<T, StoreFault> {
    let value = serde_json::from_str(text).ok().filter(Value::is_object);
    T::deserialize(value.unwrap_or_else(|| Value::from(text)))
        .map_err(|_| StoreFault::value(attribute, format!("unknown word `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Normalisation, Unit};

    #[test]
    fn words_come_back() {
        for unit in [Unit::Millivolt, Unit::Other("adu".into())] {
            assert_eq!(read_word::<Unit>("units", &word(&unit)).unwrap(), unit);
        }
        assert_eq!(word(&Normalisation::Window), "window");
        assert!(read_word::<Normalisation>("normalisation", "windw").is_err());
    }
}
