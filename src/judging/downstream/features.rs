//! What stands beside an embedding: RR features, on the scale of the training rows.

use std::fmt;

use ndarray::{Array2, ArrayView2, s};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data::splits::{Role, Subset};
use crate::data::store::Store;
use crate::numerics::classify::Standardiser;
use crate::signal::RrSet;

use super::data::Data;
use super::error::DownstreamError;

/// Which RR features stand beside the embedding: `none`, a set, or sets joined by `+` (`rr+rr-seconds`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RrChoice {
    sets: Vec<RrSet>,
}

impl RrChoice {
    /// The embedding alone.
    pub const NONE: Self = Self { sets: Vec::new() };
    const NONE_WORD: &'static str = "none";

    /// Whether the embedding stands alone.
    pub fn is_none(&self) -> bool {
        self.sets.is_empty()
    }

    /// Whether the same sets stand beside the embedding, in whatever order.
    pub fn is_same(&self, other: &Self) -> bool {
        self.sets.len() == other.sets.len() && self.sets.iter().all(|set| other.sets.contains(set))
    }

    /// The first set among them that hangs on later beats.
    pub fn looking_ahead(&self) -> Option<RrSet> {
        self.sets.iter().copied().find(|set| set.looks_ahead())
    }

    /// An arm's name with these features: none change it not.
    pub fn name(&self, arm: &str) -> String {
        self.sets.iter().fold(arm.to_owned(), |name, set| format!("{name}-{}", set.name()))
    }

    /// The name of these features alone, judged by `way`.
    pub fn alone(&self, way: &str) -> String {
        self.sets.iter().rev().fold(way.to_owned(), |name, set| format!("{}-{name}", set.name()))
    }

    /// The features of a role's rows, unscaled.
    ///
    /// # Shapes
    /// `[n, features]`
    fn of<R: Role>(&self, data: &Data<'_>, subset: &Subset<R>) -> Result<Array2<f32>, DownstreamError> {
        self.of_rows(data.store, subset.rows())
    }

    fn of_rows(&self, store: &Store, rows: &[u32]) -> Result<Array2<f32>, DownstreamError> {
        let width = self.sets.iter().map(|set| set.columns().len()).sum();
        let mut values = Vec::with_capacity(width * rows.len());
        for &row in rows {
            let Some(features) = store.table().rows[row as usize].rr else {
                let recording = store.table().recording_of(row).id.clone();
                return Err(DownstreamError::NoRr { sets: self.to_string(), row, recording });
            };
            self.sets.iter().for_each(|set| values.extend_from_slice(features.of(*set)));
        }
        Ok(Array2::from_shape_vec((rows.len(), width), values).expect("every set has its width"))
    }
}

impl fmt::Display for RrChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.sets.iter().map(|set| set.name()).collect();
        f.write_str(if names.is_empty() { Self::NONE_WORD.to_owned() } else { names.join("+") }.as_str())
    }
}

impl Serialize for RrChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RrChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?.replace('_', "-");
        if text == Self::NONE_WORD {
            return Ok(Self::NONE);
        }
        let mut sets = Vec::new();
        for word in text.split('+').map(str::trim) {
            let set = RrSet::ALL.into_iter().find(|set| set.name() == word);
            match set {
                Some(set) if !sets.contains(&set) => sets.push(set),
                _ => {
                    let known = RrSet::ALL.map(RrSet::name).join(", ");
                    let fault = if set.is_some() { "stands twice" } else { "is no set of RR features" };
                    return Err(serde::de::Error::custom(format!(
                        "`{word}` {fault}: write none, or some of {known} joined by +"
                    )));
                }
            }
        }
        Ok(Self { sets })
    }
}

/// RR features on the scale of the training rows.
#[derive(Debug, Clone)]
pub(super) struct RrScale {
    choice: RrChoice,
    standardiser: Standardiser,
}

impl RrScale {
    /// The scale of the training rows; `None` where the embedding stands alone.
    ///
    /// # Errors
    /// A row without RR features.
    pub(super) fn of(data: &Data<'_>) -> Result<Option<Self>, DownstreamError> {
        if data.rr.is_none() {
            return Ok(None);
        }
        let standardiser = Standardiser::of(data.rr.of(data, data.split.train())?.view());
        Ok(Some(Self { choice: data.rr.clone(), standardiser }))
    }

    /// A scale that was saved.
    pub(super) fn from_parts(choice: RrChoice, standardiser: Standardiser) -> Self {
        Self { choice, standardiser }
    }

    /// Which features it scales.
    pub(super) fn choice(&self) -> &RrChoice {
        &self.choice
    }

    /// Mean and sd of each feature.
    pub(super) fn moments(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.standardiser.moments()
    }

    /// The scaled features of a role's rows.
    pub(super) fn rows<R: Role>(&self, data: &Data<'_>, subset: &Subset<R>) -> Result<Array2<f32>, DownstreamError> {
        self.of_rows(data.store, subset.rows())
    }

    /// The scaled features of any rows.
    pub(super) fn of_rows(&self, store: &Store, rows: &[u32]) -> Result<Array2<f32>, DownstreamError> {
        let features = self.choice.of_rows(store, rows)?;
        Ok(self.standardiser.apply(features.view()).mapv(|x| x as f32))
    }
}

/// Embeddings of a role's rows with the features behind them.
///
/// # Shapes
/// `[n, dim]` to `[n, dim + features]`
pub(super) fn beside<R: Role>(
    embeddings: Array2<f32>,
    scale: Option<&RrScale>,
    data: &Data<'_>,
    subset: &Subset<R>,
) -> Result<Array2<f32>, DownstreamError> {
    let Some(scale) = scale else { return Ok(embeddings) };
    Ok(joined(embeddings.view(), scale.rows(data, subset)?.view()))
}

/// Rows of both, one behind the other.
pub(super) fn joined(left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>) -> Array2<f32> {
    // By hand: `concatenate` along columns gives an array whose columns lie together, and sums hang on the order.
    let mut both = Array2::zeros((left.nrows(), left.ncols() + right.ncols()));
    both.slice_mut(s![.., ..left.ncols()]).assign(&left);
    both.slice_mut(s![.., left.ncols()..]).assign(&right);
    both
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn read(text: &str) -> Result<RrChoice, String> {
        serde_json::from_value(text.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn features_stand_behind_the_embedding_and_rows_lie_together() {
        let both = joined(array![[1.0, 2.0], [3.0, 4.0]].view(), array![[5.0], [6.0]].view());
        assert_eq!(both, array![[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]);
        assert!(both.is_standard_layout());
    }

    #[test]
    fn words_are_read_and_written_back() {
        for word in ["none", "rr", "rr-causal", "rr+rr-seconds"] {
            let choice = read(word).unwrap();
            assert_eq!(serde_json::to_value(&choice).unwrap(), word);
        }
        assert_eq!(read("rr + rr_causal").unwrap().name("base-linear"), "base-linear-rr-rr-causal");
        assert_eq!(read("none").unwrap().name("base-linear"), "base-linear");
        assert!(read("rr+rr").unwrap_err().contains("stands twice"));
        assert!(read("heart").unwrap_err().contains("rr-seconds"));
    }
}
