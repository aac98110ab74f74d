//! RR features: what the beats around a beat say of it, without a sample of the signal.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The RR features of one beat, in the order of [`RrFeatures::NAMES`].
///
/// # Source
/// Our own choice, after the RR features of `dechazal2004automatic`: ratios of intervals, which hang less on the person
/// than seconds do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RrFeatures(pub [f32; RrFeatures::COUNT]);

impl RrFeatures {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// Their names: nine of `rr`, three of `rr-causal`, four of `rr-seconds`.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "ln-pre-prev10",
        "ln-post-prev10",
        "ln-pre-cen",
        "ln-post-cen",
        "ln-pre-g",
        "ln-post-g",
        "ln-post-pre",
        "ln-prepre-cen",
        "ln-pre-prepre",
        "causal-ln-pre-prev10",
        "causal-ln-prepre-prev10",
        "causal-ln-pre-prepre",
        "pre-s",
        "post-s",
        "cen-s",
        "g-s",
    ];

    /// The features of a set.
    pub fn of(&self, set: RrSet) -> &[f32] {
        &self.0[set.columns()]
    }
}

/// Which of the features are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RrSet {
    /// Logarithms of ratios to the intervals around and to the whole record: they look ahead.
    Rr,
    /// Logarithms of ratios to earlier intervals only.
    RrCausal,
    /// The intervals themselves, in seconds: they look ahead.
    RrSeconds,
}

impl RrSet {
    /// All sets, in the order of their columns.
    pub const ALL: [Self; 3] = [Self::Rr, Self::RrCausal, Self::RrSeconds];

    /// Its columns among [`RrFeatures::NAMES`].
    pub fn columns(self) -> Range<usize> {
        match self {
            Self::Rr => 0..9,
            Self::RrCausal => 9..12,
            Self::RrSeconds => 12..16,
        }
    }

    /// Whether a beat's features hang on later beats.
    pub fn looks_ahead(self) -> bool {
        matches!(self, Self::Rr | Self::RrSeconds)
    }

    /// The word in pipelines and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::RrCausal => "rr-causal",
            Self::RrSeconds => "rr-seconds",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_part_the_columns_without_gap_or_overlap() {
        let columns: Vec<usize> = RrSet::ALL.into_iter().flat_map(RrSet::columns).collect();
        assert_eq!(columns, (0..RrFeatures::COUNT).collect::<Vec<_>>());
        assert!(RrFeatures::NAMES[RrSet::RrCausal.columns()].iter().all(|name| name.starts_with("causal-")));
        assert!(RrFeatures::NAMES[RrSet::RrSeconds.columns()].iter().all(|name| name.ends_with("-s")));
    }
}
