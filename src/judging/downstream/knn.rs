//! Weighted nearest neighbours on frozen embeddings.

use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::train::embed;
use crate::numerics::classify::Knn;

use super::data::{Bench, Data, Labels, Start};
use super::features::{RrScale, beside};
use super::fitted::{Fitted, Head};
use super::{Downstream, DownstreamError};

/// The nearest training windows by cosine vote for their classes; how many is chosen on the validation people. Nothing is
/// fitted: it tells what the embedding's own distances are worth.
///
/// # Source
/// `wu2018npid`, section 3.4; the numbers of neighbours are ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedKnn {
    /// Numbers of neighbours to try.
    k: Vec<usize>,
}

impl Choice for WeightedKnn {
    const NAME: &'static str = "knn";
    const SUMMARY: &'static str =
        "weighted nearest neighbours of frozen embeddings, number chosen on validation people";
    const SOURCES: &'static [&'static str] = &["wu2018npid"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { k: vec![5, 20, 50, 200] }
    }
}

/// One number of neighbours.
#[derive(Serialize)]
struct Tried {
    k: usize,
    validation: f64,
}

/// What was tried, for the journal.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    labels: Labels<'a>,
    criterion: &'static str,
    taken: usize,
    tried: &'a [Tried],
}

impl Downstream for WeightedKnn {
    fn check(&self) -> Result<(), DownstreamError> {
        if self.k.is_empty() || self.k.contains(&0) || !self.k.is_sorted_by(|a, b| a < b) {
            let reason = "a rising list of numbers above 0 is needed".to_owned();
            return Err(DownstreamError::Setting { key: "k", reason });
        }
        Ok(())
    }

    fn fit(&self, start: &Start<'_>, data: &Data<'_>, bench: &mut Bench<'_>) -> Result<Fitted, DownstreamError> {
        self.check()?;
        let scale = RrScale::of(data)?;
        let weights = start.group.weights();
        let train = embed(start.encoder, &weights, data.store, data.split.train())?;
        bench.check(start.arm)?;
        let validation = embed(start.encoder, &weights, data.store, data.split.validation())?;
        let rows = beside(train.values, scale.as_ref(), data, data.split.train())?;
        let held_out = beside(validation.values, scale.as_ref(), data, data.split.validation())?;

        let knn = Knn::new(rows.view(), &data.labels(data.split.train()), data.classes.len());
        bench.check(start.arm)?;
        let most = *self.k.last().expect("the list has a number");
        let neighbours = knn.neighbours(held_out.view(), most);
        let judged = |&k: &usize| Tried { k, validation: data.criterion_of(neighbours.probabilities(k)) };
        let tried: Vec<Tried> = self.k.iter().map(judged).collect();
        // Of equals the fewest neighbours.
        let taken = tried.iter().reduce(|best, new| if new.validation > best.validation { new } else { best });
        let &Tried { k, validation } = taken.expect("the list has a number");

        let labels = Labels::of(start, data);
        let criterion = data.criterion.name;
        bench.record("knn", &Entry { labels, criterion, taken: k, tried: &tried })?;
        let choice = format!("k = {k}, validation {criterion} {validation:.4}");
        let head = Head::Knn { knn, k };
        let mut fitted = Fitted::new(start, data, (Some(start.group.twin()?), head, scale), validation, &choice);
        fitted.effort.tried = tried.len() as u64;
        Ok(fitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_numbers_of_neighbours_are_refused() {
        for k in [vec![], vec![0, 5], vec![5, 5], vec![20, 5]] {
            assert!(matches!(WeightedKnn { k }.check(), Err(DownstreamError::Setting { key: "k", .. })));
        }
        WeightedKnn::defaults(SignalKind::Ecg).check().unwrap();
    }
}
