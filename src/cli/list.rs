//! `biossl list`: what a pipeline can choose from, and every default.

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{ConfigTable, Registry, SignalKind, nearest};
use crate::data::corpora::CORPORA;
use crate::data::formats::FORMATS;
use crate::data::preprocess::Recipe;
use crate::data::splits::PLANS;
use crate::judging::downstream::DOWNSTREAM;
use crate::judging::evaluate::EvaluateSettings;
use crate::learning::augment::TRANSFORMS;
use crate::learning::awareness::{AllowedWords, Awareness};
use crate::learning::nn::ENCODERS;
use crate::learning::objectives::OBJECTIVES;
use crate::learning::train::PretrainSettings;
use crate::numerics::metrics::{METRICS, Metric};
use crate::signal::{LABEL_RULES, LabelRule, Undoes};

use super::Global;
use super::cite::Bibliography;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};

/// Show what a pipeline can choose from: every member of every family, its keys and their defaults.
#[derive(Debug, Args)]
pub(super) struct List {
    /// One family only, with its defaults: corpus, transform, encoder, ...
    family: Option<String>,
    /// Print the sources instead, as BibTeX.
    #[arg(long)]
    cite: bool,
}

#[derive(Serialize)]
struct Catalogue {
    families: Vec<Family>,
    #[serde(skip)]
    with_defaults: bool,
}

#[derive(Serialize)]
struct Family {
    family: &'static str,
    members: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    name: String,
    summary: String,
    sources: Vec<&'static str>,
    /// Null for members without settings.
    defaults: Option<Defaults>,
    /// What of the section `awareness` an objective allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    allows: Option<AllowedWords>,
}

#[derive(Serialize)]
struct Defaults {
    ecg: Value,
    eeg: Value,
}

impl List {
    pub(super) fn run(&self, global: &Global) -> Result<u8, Failure> {
        let mut families = families();
        if let Some(wanted) = &self.family {
            let names: Vec<&str> = families.iter().map(|family| family.family).collect();
            // `transforms` is understood; `corpus` is no plural.
            let singular = wanted.strip_suffix('s').filter(|word| names.contains(word));
            let wanted = singular.unwrap_or(wanted);
            if !names.contains(&wanted) {
                let near = nearest(wanted, names.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                return Err(Failure::Usage(format!("unknown family `{wanted}`; {near}known: {}", names.join(", "))));
            }
            families.retain(|family| family.family == wanted);
        }
        if self.cite {
            let members = families.iter().flat_map(|family| &family.members);
            let cited = members.map(|member| (member.name.as_str(), member.sources.as_slice()));
            output::print(global.form(), &Bibliography::of(cited)).map_err(Failure::stdout)?;
            return Ok(exit::DONE);
        }
        let catalogue = Catalogue { families, with_defaults: self.family.is_some() };
        output::print(global.form(), &catalogue).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

fn families() -> Vec<Family> {
    vec![
        Family {
            family: "section",
            members: vec![
                section("preprocess", "how recordings become windows", Recipe::defaults),
                section(
                    "awareness",
                    "what pretraining knows of people; `arms` is a list of these",
                    Awareness::defaults,
                ),
                section("train", "how pretraining moves", PretrainSettings::defaults),
                section("evaluate", "by what classifiers are chosen and judged", EvaluateSettings::defaults),
            ],
        },
        Family {
            family: "format",
            members: FORMATS
                .iter()
                .map(|format| Member {
                    name: format.name().to_owned(),
                    summary: String::new(),
                    sources: Vec::new(),
                    defaults: None,
                    allows: None,
                })
                .collect(),
        },
        family(&CORPORA),
        family(&PLANS),
        family(&TRANSFORMS),
        family(&ENCODERS),
        objectives(),
        family(&DOWNSTREAM),
        Family { family: "channel", members: LABEL_RULES.iter().map(spelling).collect() },
        Family { family: "metric", members: METRICS.iter().map(metric).collect() },
    ]
}

/// A section of a pipeline that has keys but no `name`.
fn section<T: Serialize>(name: &str, summary: &str, defaults: fn(SignalKind) -> T) -> Member {
    let json = |kind| serde_json::to_value(defaults(kind)).expect("settings are plain data");
    Member {
        name: name.to_owned(),
        summary: summary.to_owned(),
        sources: Vec::new(),
        defaults: Some(Defaults { ecg: json(SignalKind::Ecg), eeg: json(SignalKind::Eeg) }),
        allows: None,
    }
}

/// A way in which names of channels are told to be the same, with examples.
fn spelling(rule: &LabelRule) -> Member {
    let undone = match rule.undoes {
        Undoes::Case => "small letters are large ones".to_owned(),
        Undoes::Prefixes(words) => format!("{} before a blank", words.join(", ")),
        Undoes::Suffixes(words) => format!("-{} at the end", words.join(", -")),
        Undoes::Signs(_) => "dots and blanks anywhere".to_owned(),
        Undoes::Renamed(names) => {
            names.iter().map(|(old, new)| format!("{old} is {new}")).collect::<Vec<_>>().join(", ")
        }
    };
    Member {
        name: rule.name.to_owned(),
        summary: format!("{undone} ({})", rule.examples.join(", ")),
        sources: Vec::new(),
        defaults: None,
        allows: None,
    }
}

fn metric(metric: &Metric) -> Member {
    Member {
        name: metric.name.to_owned(),
        summary: metric.summary.to_owned(),
        sources: metric.sources.to_vec(),
        defaults: None,
        allows: None,
    }
}

fn family<T: ?Sized>(registry: &'static Registry<T>) -> Family {
    let members = registry.entries.iter().map(|entry| Member {
        name: entry.name.to_owned(),
        summary: entry.summary.to_owned(),
        sources: entry.sources.to_vec(),
        defaults: Some(Defaults { ecg: (entry.defaults)(SignalKind::Ecg), eeg: (entry.defaults)(SignalKind::Eeg) }),
        allows: None,
    });
    Family { family: registry.family, members: members.collect() }
}

/// Objectives, each with the words of `awareness` that it allows.
fn objectives() -> Family {
    let mut family = family(&OBJECTIVES);
    for (member, entry) in family.members.iter_mut().zip(OBJECTIVES.entries) {
        let nothing = ConfigTable::new();
        let chosen = (entry.read)(SignalKind::Ecg, &nothing).expect("a member stands by its defaults");
        member.allows = Some(chosen.accepts().words());
    }
    family
}

impl Page for Catalogue {
    fn page(&self) -> String {
        let mut text = String::new();
        for family in &self.families {
            text += family.family;
            text.push('\n');
            let mut columns = Columns::default();
            for member in &family.members {
                columns.row([member.name.clone(), member.summary.clone()]);
            }
            text += &columns.text(2);
            if self.with_defaults {
                text += &family.members.iter().map(Member::keys).collect::<String>();
            }
            text.push('\n');
        }
        if !self.with_defaults {
            text += "`biossl list FAMILY` shows the keys and defaults of one family.\n";
        }
        text
    }
}

impl Member {
    /// Keys and defaults as a pipeline would write them; where EEG and ECG differ, both.
    fn keys(&self) -> String {
        let Some(defaults) = &self.defaults else { return String::new() };
        let nothing = Map::new();
        let (ecg, eeg) = (defaults.ecg.as_object().unwrap_or(&nothing), defaults.eeg.as_object().unwrap_or(&nothing));
        let mut columns = Columns::default();
        for (key, value) in ecg {
            let other = eeg.get(key).unwrap_or(&Value::Null);
            let comment = if other == value { String::new() } else { format!("# EEG: {}", toml_word(other)) };
            columns.row([format!("{key} ="), toml_word(value), comment]);
        }
        let allowed = self.allows.as_ref().map_or_else(String::new, |words| {
            let AllowedWords { negatives, positives, adversary } = words;
            let adversary = if *adversary { ", an adversary" } else { "" };
            let (negatives, positives) = (negatives.join(", "), positives.join(", "));
            format!("    # awareness: negatives {negatives}; positives {positives}{adversary}\n")
        });
        format!("\n  [{}]\n{}{allowed}", self.name, columns.text(4))
    }
}

/// A value as a pipeline would write it; what is off has no word in TOML.
fn toml_word(value: &Value) -> String {
    match value {
        Value::Null => "(left out)".to_owned(),
        Value::Object(keys) => {
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {}", toml_word(value))).collect();
            format!("{{ {} }}", keys.join(", "))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_that_differ_between_signals_are_shown_for_both() {
        let text = Catalogue { families: families(), with_defaults: true }.page();
        assert!(text.contains("# EEG:"), "{text}");
    }

    #[test]
    fn objectives_tell_what_awareness_they_allow() {
        let text = Catalogue { families: vec![objectives()], with_defaults: true }.page();
        for words in [
            "negatives all, same-subject, other-subjects; positives window, neighbour, subject, an adversary",
            "negatives all, same-subject, other-subjects; positives window, an adversary",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }
}
