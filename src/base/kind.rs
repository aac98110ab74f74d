//! The one word of the domain that defaults depend on.

use serde::{Deserialize, Serialize};

/// Which body signal a corpus holds. Matched in `Choice::defaults` and in corpora only: everywhere else a difference
/// between EEG and ECG is data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalKind {
    /// Electrocardiogram.
    Ecg,
    /// Electroencephalogram.
    Eeg,
}

impl SignalKind {
    /// The word as it stands in pipelines and stores: `ecg` or `eeg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecg => "ecg",
            Self::Eeg => "eeg",
        }
    }
}
