//! The settings of the awareness layer and the presets that stand for them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{ConfigError, ConfigTable, ConfigValue, SignalKind, overlay};

use super::negatives::Negatives;
use super::positives::Positives;

/// A day: no recording is longer by much, and every count of samples stays small.
const MOST_NEIGHBOUR_S: f64 = 86_400.0;

/// The section `awareness` of a pipeline. `preset = ".."` is read first, other keys are laid over what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awareness {
    /// Whose windows a query is compared with.
    pub negatives: Negatives,
    /// Which window a window is to match.
    pub positives: Positives,
    /// How far the start of a neighbour may lie, in seconds.
    pub neighbour_s: f64,
    /// The opponent that tries to tell subjects apart.
    pub adversary: AdversarySettings,
    /// Whether positives of the same person may stand beside an adversary, which unteaches what they teach.
    pub force: bool,
}

/// The adversary's settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversarySettings {
    /// What the encoder is asked to do to the subject classifier.
    pub form: AdversaryForm,
    /// Weight of the adversary's term in the encoder's loss (lambda).
    pub weight: f64,
    /// Steps of the subject classifier before each step of the encoder.
    pub steps: u32,
}

/// How the encoder is set against the subject classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdversaryForm {
    /// No adversary.
    Off,
    /// The paper's: -log(1 - p of the true subject).
    Confusion,
    /// The classifier's own loss, reversed; grows within the first tenth of the run.
    Reversal,
    /// The answer that names everybody alike.
    Uniform,
}

impl AdversaryForm {
    /// The word in pipelines and journals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Confusion => "confusion",
            Self::Reversal => "reversal",
            Self::Uniform => "uniform",
        }
    }
}

/// The paper's three variants by name, and the third as public code that follows the paper trains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Plain contrast: everybody's windows are negatives, no adversary.
    Base,
    /// Negatives of the same subject only.
    SubjectSpecific,
    /// An adversary against identity.
    SubjectInvariant,
    /// The same with one classifier step a step of the encoder.
    Paper,
}

impl Preset {
    /// All presets, in the order of tables.
    pub const ALL: [Self; 4] = [Self::Base, Self::SubjectSpecific, Self::SubjectInvariant, Self::Paper];

    /// The word in pipelines and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::SubjectSpecific => "subject-specific",
            Self::SubjectInvariant => "subject-invariant",
            Self::Paper => "paper",
        }
    }

    /// The preset called `name`; underscores count as hyphens.
    pub fn find(name: &str) -> Option<Self> {
        let name = name.replace('_', "-");
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// What the preset stands for.
    pub fn awareness(self, kind: SignalKind) -> Awareness {
        let base = Awareness::defaults(kind);
        let confused = AdversarySettings { form: AdversaryForm::Confusion, ..base.adversary };
        match self {
            Self::Base => base,
            Self::SubjectSpecific => Awareness { negatives: Negatives::SameSubject, ..base },
            Self::SubjectInvariant => Awareness { adversary: confused, ..base },
            Self::Paper => Awareness { adversary: AdversarySettings { steps: 1, ..confused }, ..base },
        }
    }
}

impl Awareness {
    /// The preset `base`. The weight is where the paper's grid had its best overall accuracy, for when the adversary
    /// is switched on. A neighbour lies as near as what relative positioning calls near: a few beats, or the next trial.
    ///
    /// # Source
    /// `cheng2020subject` Table B.1 (weight). Three classifier steps are ours: with one, a fresh probe still reads the
    /// subject. `neighbour_s` is ours (docs/decisions/0030).
    pub fn defaults(kind: SignalKind) -> Self {
        let (weight, neighbour_s) = match kind {
            SignalKind::Ecg => (0.1, 5.0),
            SignalKind::Eeg => (1.0, 10.0),
        };
        let adversary = AdversarySettings { form: AdversaryForm::Off, weight, steps: 3 };
        Self { negatives: Negatives::All, positives: Positives::Window, neighbour_s, adversary, force: false }
    }

    /// Reads the section: `preset`, when given, then the other keys over it.
    ///
    /// # Errors
    /// An unknown preset or key, a wrong type, a negative weight, zero steps: each with its place.
    pub fn read(kind: SignalKind, user: &ConfigTable<'_>) -> Result<Self, ConfigError> {
        let start = match user.get("preset") {
            None => Self::defaults(kind),
            Some(value) => {
                let Some(word) = value.get_ref().as_str() else {
                    return Err(ConfigError::at(value.span(), "the preset is not a string"));
                };
                let names = Preset::ALL.map(Preset::name);
                Preset::find(word)
                    .ok_or_else(|| ConfigError::unknown(value.span(), "preset", word, names))?
                    .awareness(kind)
            }
        };
        let read: Self = overlay(&start, user, &["preset"])?;
        let fault = |key: &str, message: &str| {
            let span = user.get(key).map(ConfigValue::span);
            ConfigError { message: message.to_owned(), help: None, span }
        };
        if !(read.neighbour_s > 0.0 && read.neighbour_s <= MOST_NEIGHBOUR_S) {
            return Err(fault("neighbour_s", "neighbour_s is not above 0 and at most 86400, a day"));
        }
        if !(read.adversary.weight >= 0.0 && read.adversary.weight.is_finite()) {
            return Err(fault("adversary", "the weight of the adversary is not a finite number of at least 0"));
        }
        if read.adversary.steps == 0 {
            return Err(fault("adversary", "an adversary of 0 steps never learns anything: give at least 1"));
        }
        read.check_effect(kind, user)?;
        Ok(read)
    }

    /// Refuses keys that nothing would come of. Beside a written `form = "off"` and beside positives of the person their
    /// defaults are no fault: that is how settings are saved.
    fn check_effect(&self, kind: SignalKind, user: &ConfigTable<'_>) -> Result<(), ConfigError> {
        let defaults = Self::defaults(kind);
        if let (AdversaryForm::Off, Some(table)) = (self.adversary.form, user.get("adversary")) {
            let table = table.get_ref();
            let written = table.get("form").is_some();
            let idle = [
                ("weight", self.adversary.weight == defaults.adversary.weight),
                ("steps", self.adversary.steps == defaults.adversary.steps),
            ];
            let acts = |(key, default): (&'static str, bool)| {
                table.get(key).filter(|_| !(written && default)).map(|value| (key, value))
            };
            if let Some((key, value)) = idle.into_iter().find_map(acts) {
                let message = format!("`{key}` of an adversary that is off: nothing would come of it");
                return Err(ConfigError::at(value.span(), message).with_help(
                    "name its `form`: adversary = { form = \"confusion\", .. }, or take preset = \"subject-invariant\"; \
                     without an adversary leave the key out",
                ));
            }
        }
        let saved = self.positives == Positives::Subject && self.neighbour_s == defaults.neighbour_s;
        match user.get("neighbour_s") {
            Some(value) if self.positives != Positives::Neighbour && !saved => {
                let message =
                    format!("`neighbour_s` beside positives = \"{}\": nothing would come of it", self.positives.name());
                Err(ConfigError::at(value.span(), message)
                    .with_help("say positives = \"neighbour\", or leave the key out"))
            }
            _ => Ok(()),
        }
    }

    /// The settings as saved and hashed. Where a window matches itself, the keys of other positives are left out: they
    /// change nothing, and a run from before there were any keeps its hash.
    pub fn resolved(&self) -> Value {
        let mut keys = serde_json::to_value(self).expect("settings are plain data");
        if let (Value::Object(keys), Positives::Window, false) = (&mut keys, self.positives, self.force) {
            keys.retain(|key, _| key == "negatives" || key == "adversary");
        }
        keys
    }

    /// The preset these settings are, or `custom`: what tables print.
    pub fn name(&self, kind: SignalKind) -> &'static str {
        Preset::ALL.into_iter().find(|preset| preset.awareness(kind) == *self).map_or("custom", Preset::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::parse_table;

    fn read(text: &str) -> Result<Awareness, ConfigError> {
        Awareness::read(SignalKind::Ecg, &parse_table(text).unwrap())
    }

    #[test]
    fn presets_expand_to_their_settings() {
        assert_eq!(read("").unwrap(), Preset::Base.awareness(SignalKind::Ecg));
        assert_eq!(read("preset = \"subject_specific\"").unwrap().negatives, Negatives::SameSubject);
        let invariant = read("preset = \"subject-invariant\"\nadversary = { weight = 0.5 }").unwrap();
        assert_eq!(invariant.adversary, AdversarySettings { form: AdversaryForm::Confusion, weight: 0.5, steps: 3 });
        assert_eq!(invariant.name(SignalKind::Ecg), "custom");
        let paper = read("preset = \"paper\"").unwrap();
        assert_eq!(paper.adversary, AdversarySettings { form: AdversaryForm::Confusion, weight: 0.1, steps: 1 });
        assert_eq!(paper.name(SignalKind::Ecg), "paper");
        assert_eq!(Preset::SubjectInvariant.awareness(SignalKind::Eeg).adversary.weight, 1.0);
    }

    #[test]
    fn misspelt_preset_and_unknown_form_are_named_at_their_place() {
        let text = "preset = \"subject-invarant\"";
        let error = read(text).unwrap_err();
        assert_eq!(&text[error.span.unwrap()], "\"subject-invarant\"");
        assert!(error.help.unwrap().contains("`subject-invariant`"));
        let text = "adversary = { form = \"reversed\" }";
        assert_eq!(&text[read(text).unwrap_err().span.unwrap()], "\"reversed\"");
    }

    #[test]
    fn senseless_numbers_are_refused() {
        assert!(read("adversary = { weight = -1.0 }").is_err());
        assert!(read("adversary = { steps = 0 }").is_err());
        let text = "positives = \"neighbour\"\nneighbour_s = 0";
        assert_eq!(&text[read(text).unwrap_err().span.unwrap()], "0");
    }

    #[test]
    fn every_positive_is_read_by_its_name() {
        for positives in Positives::ALL {
            assert_eq!(read(&format!("positives = \"{}\"", positives.name())).unwrap().positives, positives);
        }
        assert_eq!(read("").unwrap().positives, Positives::Window);
    }

    #[test]
    fn keys_of_positives_are_saved_where_they_act() {
        let saved = |text: &str| read(text).unwrap().resolved();
        let plain: Vec<String> = saved("").as_object().unwrap().keys().cloned().collect();
        assert_eq!(plain, ["adversary", "negatives"]);
        let near = saved("positives = \"neighbour\"");
        assert_eq!(
            (&near["positives"], &near["neighbour_s"], &near["force"]),
            (&"neighbour".into(), &5.0.into(), &false.into())
        );
        let forced = "positives = \"subject\"\nforce = true\nadversary = { form = \"confusion\" }";
        assert_eq!(saved(forced)["force"], true);
    }

    #[test]
    fn keys_that_nothing_would_come_of_are_refused_at_their_place() {
        for (text, place, help) in [
            ("adversary = { weight = 3.0, steps = 5 }", "3.0", "subject-invariant"),
            ("adversary = { weight = 0.1 }", "0.1", "`form`"),
            ("adversary = { steps = 5 }", "5", "`form`"),
            ("adversary = { form = \"off\", weight = 0.1, steps = 5 }", "5", "leave the key out"),
            ("preset = \"subject-invariant\"\nadversary = { form = \"off\", weight = 2 }", "2", "leave the key out"),
            ("neighbour_s = 5", "5", "positives = \"neighbour\""),
            ("positives = \"subject\"\nneighbour_s = 2.5", "2.5", "positives = \"neighbour\""),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(&text[error.span.clone().unwrap()], place, "{error:?}");
            assert!(error.message.contains("nothing would come of it") && error.help.unwrap().contains(help), "{text}");
        }
        // As settings are saved: with every key.
        for text in ["", "positives = \"subject\"", "positives = \"neighbour\"", "preset = \"paper\""] {
            let given = read(text).unwrap();
            let saved = crate::base::toml_text(&given.resolved()).unwrap();
            assert_eq!(read(&saved).unwrap(), given, "{saved}");
        }
    }

    #[test]
    fn every_form_is_read_by_its_name() {
        for form in [AdversaryForm::Off, AdversaryForm::Confusion, AdversaryForm::Reversal, AdversaryForm::Uniform] {
            assert_eq!(read(&format!("adversary = {{ form = \"{}\" }}", form.name())).unwrap().adversary.form, form);
        }
    }
}
