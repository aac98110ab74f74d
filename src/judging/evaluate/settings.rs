//! What a pipeline says about judging.

use serde::{Deserialize, Serialize};

use crate::base::SignalKind;
use crate::numerics::metrics::{Classes, Formula, METRICS, Metric, metric};

use super::EvaluateError;
use crate::data::splits::LabelBudget;
use crate::judging::downstream::RrChoice;

/// Settings of judging; the section `evaluate` of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSettings {
    /// The metric of the validation people by which everything is chosen.
    criterion: String,
    /// People without whom the scores of S are given a second time: one person of MIT-BIH has three quarters of the
    /// test's S beats.
    s_without: Vec<String>,
    /// RR features beside the embedding, in all arms alike; each entry is judged.
    rr: Vec<RrChoice>,
    /// Which of the training labels a classifier may see; pretraining is not concerned.
    labels: LabelBudget,
    /// Whether end-to-end training is also tuned, with as many configurations as the pretrained side tries.
    tune: bool,
}

impl EvaluateSettings {
    /// Macro F1 over N, S, V for heartbeats (of F the validation people have nine), balanced accuracy for EEG.
    pub fn defaults(kind: SignalKind) -> Self {
        let (criterion, s_without) = match kind {
            SignalKind::Ecg => ("macro-f1-nsv", vec!["232".to_owned()]),
            SignalKind::Eeg => ("balanced-accuracy", Vec::new()),
        };
        let (rr, labels) = (vec![RrChoice::NONE], LabelBudget::default());
        Self { criterion: criterion.to_owned(), s_without, rr, labels, tune: false }
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

    /// Refuses what cannot be judged.
    ///
    /// # Errors
    /// [`EvaluateError::Setting`] with the key.
    pub fn check(&self) -> Result<(), EvaluateError> {
        let setting = |key, reason: &str| Err(EvaluateError::Setting { key, reason: reason.to_owned() });
        if self.rr.is_empty() {
            return setting("rr", "the list is empty: nothing would be judged; `[\"none\"]` is the embedding alone");
        }
        if self.rr.iter().enumerate().any(|(index, one)| self.rr[..index].contains(one)) {
            return setting("rr", "an entry stands twice");
        }
        self.labels.fault().map_or(Ok(()), |reason| setting("labels", reason))
    }

    /// What stands beside embeddings, once an arm.
    pub fn rr(&self) -> &[RrChoice] {
        &self.rr
    }

    /// Which of the training labels a classifier may see.
    pub fn labels(&self) -> &LabelBudget {
        &self.labels
    }

    /// Whether end-to-end training is also tuned.
    pub(super) fn tune(&self) -> bool {
        self.tune
    }

    /// People left out of the second scores of S.
    pub(super) fn s_without(&self) -> &[String] {
        &self.s_without
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{overlay, parse_table};

    #[test]
    fn a_criterion_must_be_a_metric_of_these_classes() {
        let heart = Classes::new(&["N", "S", "V", "F", "Q"].map(str::to_owned), &[4]);
        let fists = Classes::new(&["left", "right"].map(str::to_owned), &[]);
        let ecg = EvaluateSettings::defaults(SignalKind::Ecg);
        assert_eq!(ecg.criterion(&heart).unwrap().name, "macro-f1-nsv");
        assert!(matches!(ecg.criterion(&fists), Err(EvaluateError::Criterion { .. })));
        assert_eq!(EvaluateSettings::defaults(SignalKind::Eeg).criterion(&fists).unwrap().name, "balanced-accuracy");
        let wrong = EvaluateSettings { criterion: "se".to_owned(), ..EvaluateSettings::defaults(SignalKind::Ecg) };
        assert!(matches!(wrong.criterion(&heart), Err(EvaluateError::Criterion { .. })));
    }

    #[test]
    fn senseless_settings_are_refused_by_key() {
        let with = |text: &str| -> EvaluateSettings {
            overlay(&EvaluateSettings::defaults(SignalKind::Ecg), &parse_table(text).unwrap(), &[]).unwrap()
        };
        with("rr = [\"none\", \"rr\"]\nlabels = { share = 0.1, draw = 3 }").check().unwrap();
        for (text, key) in [
            ("rr = []", "rr"),
            ("rr = [\"rr\", \"rr\"]", "rr"),
            ("labels = { share = 0 }", "labels"),
            ("labels = { people = 0 }", "labels"),
        ] {
            let error = with(text).check().unwrap_err();
            assert!(matches!(error, EvaluateError::Setting { key: found, .. } if found == key), "{text}");
        }
    }
}
