//! What a pipeline says about judging.

use serde::{Deserialize, Serialize};

use crate::base::SignalKind;
use crate::numerics::metrics::{Classes, Formula, METRICS, Metric, metric};

use super::EvaluateError;

/// Settings of judging; the section `evaluate` of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSettings {
    /// The metric of the validation people by which everything is chosen.
    criterion: String,
    /// People without whom the scores of S are given a second time: one person of MIT-BIH has three quarters of the
    /// test's S beats.
    s_without: Vec<String>,
}

impl EvaluateSettings {
    /// Macro F1 over N, S, V for heartbeats (of F the validation people have nine), balanced accuracy for EEG.
    pub fn defaults(kind: SignalKind) -> Self {
        let (criterion, s_without) = match kind {
            SignalKind::Ecg => ("macro-f1-nsv", vec!["232".to_owned()]),
            SignalKind::Eeg => ("balanced-accuracy", Vec::new()),
        };
        Self { criterion: criterion.to_owned(), s_without }
    }

    /// The metric that chooses.
    ///
    /// # Errors
    /// [`EvaluateError::Criterion`] for a word that is no metric of the whole matrix, or of other classes.
    pub fn criterion(&self, classes: &Classes) -> Result<&'static Metric, EvaluateError> {
        let chooses = |metric: &Metric| matches!(metric.formula, Formula::Counts(_)) && metric.applies(classes);
        let found = metric(&self.criterion);
        match found {
            Some(metric) if chooses(metric) => Ok(metric),
            _ => Err(EvaluateError::Criterion {
                criterion: self.criterion.clone(),
                reason: if found.is_some() { "it is of one class, of persons, or of other classes" } else { "unknown" },
                known: METRICS.iter().filter(|&metric| chooses(metric)).map(|m| m.name).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// People left out of the second scores of S.
    pub(super) fn s_without(&self) -> &[String] {
        &self.s_without
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_criterion_must_be_a_metric_of_these_classes() {
        let heart = Classes::new(&["N", "S", "V", "F", "Q"].map(str::to_owned), &[4]);
        let fists = Classes::new(&["left", "right"].map(str::to_owned), &[]);
        let ecg = EvaluateSettings::defaults(SignalKind::Ecg);
        assert_eq!(ecg.criterion(&heart).unwrap().name, "macro-f1-nsv");
        assert!(matches!(ecg.criterion(&fists), Err(EvaluateError::Criterion { .. })));
        assert_eq!(EvaluateSettings::defaults(SignalKind::Eeg).criterion(&fists).unwrap().name, "balanced-accuracy");
        let wrong = EvaluateSettings { criterion: "se".to_owned(), s_without: vec![] };
        assert!(matches!(wrong.criterion(&heart), Err(EvaluateError::Criterion { .. })));
    }
}
