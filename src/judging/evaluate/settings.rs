//! What a pipeline says about judging.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::SignalKind;
use crate::numerics::metrics::{Classes, Formula, IntervalForm, METRICS, Metric, metric};

use super::EvaluateError;
use crate::data::splits::LabelBudget;
use crate::judging::downstream::RrChoice;

/// Record 232 of MIT-BIH.
const S_HOLDER: &str = "232";

/// Settings of judging; the section `evaluate` of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSettings {
    /// The metric of the validation people by which everything is chosen.
    criterion: String,
    /// The score whose differences between arms are tested.
    paired: String,
    /// Which quantiles of resampled people are the ends of an interval.
    interval: IntervalForm,
    /// Seconds at the beginning of each recording that are in no score.
    skip_s: f64,
    /// People without whom the scores of S are given a second time; absent: 232, where it is tested, because this person
    /// of MIT-BIH has three quarters of the test's S beats.
    s_without: Option<Vec<String>>,
    /// RR features beside the embedding, in all arms alike; each entry is judged.
    rr: Vec<RrChoice>,
    /// Which of the training labels a classifier may see; pretraining is not concerned.
    labels: LabelBudget,
    /// Whether end-to-end training is also tuned, with as many configurations as the pretrained side tries.
    tune: bool,
    /// Whether every encoder is asked how much of the person is left in its embeddings.
    identity: bool,
}

impl EvaluateSettings {
    /// Macro F1 over N, S, V for heartbeats (of F the validation people have nine), balanced accuracy for EEG.
    pub fn defaults(kind: SignalKind) -> Self {
        let (criterion, paired) = match kind {
            SignalKind::Ecg => ("macro-f1-nsv", "macro-f1-nsv"),
            SignalKind::Eeg => ("balanced-accuracy", "accuracy-subject-mean"),
        };
        Self {
            criterion: criterion.to_owned(),
            paired: paired.to_owned(),
            interval: IntervalForm::Percentile,
            skip_s: 0.0,
            s_without: None,
            rr: vec![RrChoice::NONE],
            labels: LabelBudget::default(),
            tune: false,
            identity: true,
        }
    }

    /// [`Self::defaults`] where the classes bear them, else balanced accuracy for both: heartbeats need not be N, S and V.
    pub fn for_classes(kind: SignalKind, classes: &Classes) -> Self {
        let defaults = Self::defaults(kind);
        if defaults.criterion(classes).is_ok() && defaults.paired(classes).is_ok() {
            return defaults;
        }
        let word = "balanced-accuracy".to_owned();
        Self { criterion: word.clone(), paired: word, ..defaults }
    }

    /// All keys; the question of identity only where it is not asked, so that a pipeline of before there was one is the
    /// same pipeline.
    pub fn resolved(&self) -> Value {
        let mut keys = serde_json::to_value(self).expect("settings are plain data");
        if let (Value::Object(keys), true) = (&mut keys, self.identity) {
            keys.remove("identity");
        }
        keys
    }

    /// The metric that chooses.
    ///
    /// # Errors
    /// [`EvaluateError::Criterion`] for a word that is no metric of the whole matrix, or of other classes.
    pub fn criterion(&self, classes: &Classes) -> Result<&'static Metric, EvaluateError> {
        let whole = |metric: &Metric| matches!(metric.formula, Formula::Counts(_));
        known_metric(&self.criterion, classes, whole)
    }

    /// The metric whose differences between arms are tested.
    ///
    /// # Errors
    /// As [`Self::criterion`]; means over persons are allowed, too.
    pub fn paired(&self, classes: &Classes) -> Result<&'static Metric, EvaluateError> {
        let comparable = |metric: &Metric| matches!(metric.formula, Formula::Counts(_) | Formula::PeopleMean(_));
        known_metric(&self.paired, classes, comparable)
    }

    /// Which quantiles are the ends of an interval.
    pub(super) fn interval(&self) -> IntervalForm {
        self.interval
    }

    /// Seconds at the beginning of each recording that are in no score.
    pub(super) fn skip_s(&self) -> f64 {
        self.skip_s
    }

    /// Refuses people to be left out who are not among the test people.
    ///
    /// # Errors
    /// [`EvaluateError::NoSuchPerson`] with those who are.
    pub fn check_people<'p>(&self, test: impl Iterator<Item = &'p str> + Clone) -> Result<(), EvaluateError> {
        let missing = self.s_without.iter().flatten().find(|person| !test.clone().any(|known| known == *person));
        missing.map_or(Ok(()), |person| {
            let known = test.clone().collect::<Vec<_>>().join(", ");
            Err(EvaluateError::NoSuchPerson { person: person.clone(), known })
        })
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
        if self.rr.iter().enumerate().any(|(index, one)| self.rr[..index].iter().any(|other| other.is_same(one))) {
            return setting("rr", "an entry stands twice");
        }
        let left_out = self.s_without.as_deref().unwrap_or_default();
        if left_out.iter().enumerate().any(|(index, person)| left_out[..index].contains(person)) {
            return setting("s_without", "a person stands twice");
        }
        if !(self.skip_s >= 0.0 && self.skip_s.is_finite()) {
            return setting("skip_s", "a number of seconds is needed, 0 or more");
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

    /// Whether every encoder is asked how much of the person is left in its embeddings.
    pub fn identity(&self) -> bool {
        self.identity
    }

    /// Whether end-to-end training is also tuned.
    pub fn tune(&self) -> bool {
        self.tune
    }

    /// People left out of the second scores of S.
    pub(super) fn s_without(&self, test: &[String]) -> Vec<String> {
        match &self.s_without {
            Some(people) => people.clone(),
            None => test.iter().filter(|person| *person == S_HOLDER).cloned().collect(),
        }
    }
}

/// The metric called `word`, if `fits` it and the classes do.
fn known_metric(
    word: &str,
    classes: &Classes,
    fits: impl Fn(&Metric) -> bool,
) -> Result<&'static Metric, EvaluateError> {
    let chooses = |metric: &Metric| fits(metric) && metric.applies(classes);
    let found = metric(word);
    match found {
        Some(metric) if chooses(metric) => Ok(metric),
        _ => Err(EvaluateError::Criterion {
            criterion: word.to_owned(),
            reason: if found.is_some() { "it is of one class, of persons, or of other classes" } else { "unknown" },
            known: METRICS.iter().filter(|&metric| chooses(metric)).map(|m| m.name).collect::<Vec<_>>().join(", "),
        }),
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
        let other = EvaluateSettings::for_classes(SignalKind::Ecg, &fists);
        assert_eq!(other.criterion(&fists).unwrap().name, "balanced-accuracy");
        assert_eq!(other.paired(&fists).unwrap().name, "balanced-accuracy");
        assert_eq!(EvaluateSettings::for_classes(SignalKind::Ecg, &heart), ecg);
        let eeg = EvaluateSettings::defaults(SignalKind::Eeg);
        assert_eq!(EvaluateSettings::for_classes(SignalKind::Eeg, &fists), eeg);
        assert_eq!(EvaluateSettings::defaults(SignalKind::Eeg).criterion(&fists).unwrap().name, "balanced-accuracy");
        let wrong = EvaluateSettings { criterion: "se".to_owned(), ..EvaluateSettings::defaults(SignalKind::Ecg) };
        assert!(matches!(wrong.criterion(&heart), Err(EvaluateError::Criterion { .. })));
    }

    #[test]
    fn people_to_be_left_out_must_be_there() {
        let test = ["100", "232"].map(str::to_owned);
        let ecg = EvaluateSettings::defaults(SignalKind::Ecg);
        assert_eq!((ecg.s_without(&test), ecg.s_without(&test[..1])), (vec!["232".to_owned()], vec![]));
        let check = |people: &[&str]| {
            let s_without = Some(people.iter().map(|id| (*id).to_owned()).collect());
            EvaluateSettings { s_without, ..ecg.clone() }.check_people(test.iter().map(String::as_str))
        };
        check(&["100", "232"]).unwrap();
        let error = check(&["100", "233"]).unwrap_err();
        assert!(
            matches!(error, EvaluateError::NoSuchPerson { person, known } if person == "233" && known == "100, 232")
        );
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
            ("skip_s = -1", "skip_s"),
        ] {
            let error = with(text).check().unwrap_err();
            assert!(matches!(error, EvaluateError::Setting { key: found, .. } if found == key), "{text}");
        }
    }
}
