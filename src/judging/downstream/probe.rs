//! The linear probe: logistic regression on frozen embeddings.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::base::{Choice, SignalKind};
use crate::learning::nn::Group;
use crate::learning::train::embed;
use crate::numerics::classify::{Examples, Logistic, Standardiser, class_weights};

use super::data::{Bench, Data, Labels, Start};
use super::error::DownstreamError;
use super::features::{RrScale, beside};
use super::fitted::{Fitted, Head};
use super::{Downstream, DownstreamError as Error};

/// Logistic regression on standardised embeddings; the encoder stays as it is, in evaluation mode. Regularisation and
/// class weighting are chosen on the validation people.
///
/// # Source
/// `cheng2020subject` for the protocol (linear classifier on frozen embeddings); the grid is ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Inverse strengths of the penalty to try.
    c: Vec<f64>,
    /// Exponents of the class weights to try: 0 none, 1 balanced.
    tau: Vec<f64>,
}

impl Choice for Linear {
    const NAME: &'static str = "linear";
    const SUMMARY: &'static str = "logistic regression on frozen embeddings, penalty chosen on validation people";
    const SOURCES: &'static [&'static str] = &["cheng2020subject"];

    fn defaults(_kind: SignalKind) -> Self {
        Self { c: vec![1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0], tau: vec![0.0, 0.5, 1.0] }
    }
}

/// One point of the grid.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Tried {
    c: f64,
    tau: f64,
    validation: f64,
    steps: usize,
    converged: bool,
}

/// What a probe tried and took, for the journal.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    labels: Labels<'a>,
    criterion: &'static str,
    taken: &'a Tried,
    tried: &'a [Tried],
}

impl Downstream for Linear {
    fn check(&self) -> Result<(), DownstreamError> {
        let setting = |key, reason: &str| Err(DownstreamError::Setting { key, reason: reason.to_owned() });
        if self.c.is_empty() || self.c.iter().any(|c| !(*c > 0.0 && c.is_finite())) {
            return setting("c", "a list of numbers above 0 is needed");
        }
        if !self.c.is_sorted_by(|a, b| a < b) {
            return setting("c", "the list must rise: each fit starts from the one before");
        }
        if self.tau.is_empty() || self.tau.iter().any(|tau| !(0.0..=1.0).contains(tau)) {
            return setting("tau", "a list of numbers between 0 and 1 is needed");
        }
        Ok(())
    }

    fn probe(&self) -> Option<&Linear> {
        Some(self)
    }

    fn fit(&self, start: &Start<'_>, data: &Data<'_>, bench: &mut Bench<'_>) -> Result<Fitted, Error> {
        let weights = start.group.weights();
        let train = embed(start.encoder, &weights, data.store, data.split.train())?.values;
        bench.check(start.arm)?;
        let validation = embed(start.encoder, &weights, data.store, data.split.validation())?.values;
        self.fit_on(start, data, (Some(start.group.twin()?), [train, validation]), bench)
    }
}

impl Linear {
    /// The same probe on what stands beside embeddings, without an embedding: what an encoder adds is the difference.
    /// Of `start` arm and seed count only.
    ///
    /// # Errors
    /// As [`Downstream::fit`].
    pub fn fit_alone(&self, start: &Start<'_>, data: &Data<'_>, bench: &mut Bench<'_>) -> Result<Fitted, Error> {
        let rows = [data.split.train().len(), data.split.validation().len()];
        self.fit_on(start, data, (None, rows.map(|n| Array2::zeros((n, 0)))), bench)
    }

    /// Fits on embeddings of the training people, and chooses on those of the validation people.
    fn fit_on(
        &self,
        start: &Start<'_>,
        data: &Data<'_>,
        (body, [train, validation]): (Option<Group>, [Array2<f32>; 2]),
        bench: &mut Bench<'_>,
    ) -> Result<Fitted, Error> {
        self.check()?;
        let scale = RrScale::of(data)?;
        let train = beside(train, scale.as_ref(), data, data.split.train())?;
        let validation = beside(validation, scale.as_ref(), data, data.split.validation())?;
        let standardiser = Standardiser::of(train.view());
        let (x, held_out) = (standardiser.apply(train.view()), standardiser.apply(validation.view()));
        let labels = data.labels(data.split.train());
        let n_classes = data.classes.len();

        let mut tried: Vec<Tried> = Vec::new();
        let mut best: Option<(Tried, Logistic)> = None;
        let total = (self.c.len() * self.tau.len()) as u64;
        bench.watch.progress().begin(&format!("probe {}", start.arm), total, "fits");
        for &tau in &self.tau {
            let weights = class_weights(&labels, n_classes, tau);
            let examples = Examples { x: x.view(), labels: &labels, weights: &weights, n_classes };
            let mut warm: Option<Logistic> = None;
            for &c in &self.c {
                bench.check(start.arm)?;
                let fit = Logistic::fit(examples, c, warm.as_ref());
                let validation = data.criterion_of(fit.model.probabilities(held_out.view()));
                let point = Tried { c, tau, validation, steps: fit.steps, converged: fit.converged };
                tried.push(point.clone());
                bench.watch.progress().advance(tried.len() as u64, "");
                if best.as_ref().is_none_or(|(best, _)| beats(&point, best)) {
                    best = Some((point, fit.model.clone()));
                }
                warm = Some(fit.model);
            }
        }
        bench.watch.progress().end();
        let (taken, model) = best.expect("the grid has a point");
        if !taken.converged {
            let (arm, steps) = (start.arm, taken.steps);
            bench.watch.progress().caution(&format!("{arm}: the probe had not converged after {steps} steps"));
        }
        let labels = Labels::of(start, data);
        let criterion = data.criterion.name;
        bench.record("probe", &Entry { labels, criterion, taken: &taken, tried: &tried })?;
        // Beyond these, plain digits would fill lines.
        let c = if (1e-9..1e15).contains(&taken.c) { taken.c.to_string() } else { format!("{:e}", taken.c) };
        let choice = format!("C = {c}, tau = {}, validation {criterion} {:.4}", taken.tau, taken.validation);
        let parts = (body, Head::Logistic { standardiser, model }, scale);
        let mut fitted = Fitted::new(start, data, parts, taken.validation, &choice);
        fitted.effort.tried = total;
        Ok(fitted)
    }
}

/// Higher on the validation people; of equals the smaller C, then the smaller tau.
fn beats(new: &Tried, best: &Tried) -> bool {
    let by_score = new.validation.total_cmp(&best.validation);
    by_score.then(best.c.total_cmp(&new.c)).then(best.tau.total_cmp(&new.tau)).is_gt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(validation: f64, c: f64, tau: f64) -> Tried {
        Tried { c, tau, validation, steps: 1, converged: true }
    }

    #[test]
    fn score_decides_then_smaller_c_then_smaller_tau() {
        assert!(beats(&point(0.8, 10.0, 1.0), &point(0.7, 0.1, 0.0)));
        assert!(beats(&point(0.7, 0.1, 1.0), &point(0.7, 1.0, 0.0)));
        assert!(beats(&point(0.7, 0.1, 0.0), &point(0.7, 0.1, 0.5)));
        assert!(!beats(&point(0.7, 0.1, 0.5), &point(0.7, 0.1, 0.5)));
        assert!(!beats(&point(f64::NEG_INFINITY, 0.1, 0.0), &point(0.0, 100.0, 1.0)));
    }

    #[test]
    fn senseless_grids_are_refused() {
        for (c, tau, key) in [(vec![], vec![0.0], "c"), (vec![1.0, 0.1], vec![0.0], "c"), (vec![1.0], vec![2.0], "tau")]
        {
            let error = Linear { c, tau }.check().unwrap_err();
            assert!(matches!(error, DownstreamError::Setting { key: found, .. } if found == key));
        }
    }
}
