//! `biossl list`: what a pipeline can choose from, and every default.

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Registry, SignalKind, nearest};
use crate::data::corpora::CORPORA;
use crate::data::formats::FORMATS;
use crate::data::splits::PLANS;
use crate::judging::downstream::DOWNSTREAM;
use crate::learning::augment::TRANSFORMS;
use crate::learning::nn::ENCODERS;
use crate::learning::objectives::OBJECTIVES;
use crate::numerics::metrics::{METRICS, Metric};

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};

/// Show what a pipeline can choose from: every member of every family, its keys and their defaults.
#[derive(Debug, Args)]
pub(super) struct List {
    /// One family only, with its defaults: corpus, transform, encoder, ...
    family: Option<String>,
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
            let wanted = wanted.trim_end_matches('s');
            if !names.contains(&wanted) {
                let near = nearest(wanted, names.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                return Err(Failure::Usage(format!("unknown family `{wanted}`; {near}known: {}", names.join(", "))));
            }
            families.retain(|family| family.family == wanted);
        }
        let catalogue = Catalogue { families, with_defaults: self.family.is_some() };
        output::print(global.form(), &catalogue).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

fn families() -> Vec<Family> {
    vec![
        Family {
            family: "format",
            members: FORMATS
                .iter()
                .map(|format| Member {
                    name: format.name().to_owned(),
                    summary: String::new(),
                    sources: Vec::new(),
                    defaults: None,
                })
                .collect(),
        },
        family(&CORPORA),
        family(&PLANS),
        family(&TRANSFORMS),
        family(&ENCODERS),
        family(&OBJECTIVES),
        family(&DOWNSTREAM),
        Family { family: "metric", members: METRICS.iter().map(metric).collect() },
    ]
}

fn metric(metric: &Metric) -> Member {
    Member {
        name: metric.name.to_owned(),
        summary: metric.summary.to_owned(),
        sources: metric.sources.to_vec(),
        defaults: None,
    }
}

fn family<T: ?Sized>(registry: &'static Registry<T>) -> Family {
    let members = registry.entries.iter().map(|entry| Member {
        name: entry.name.to_owned(),
        summary: entry.summary.to_owned(),
        sources: entry.sources.to_vec(),
        defaults: Some(Defaults { ecg: (entry.defaults)(SignalKind::Ecg), eeg: (entry.defaults)(SignalKind::Eeg) }),
    });
    Family { family: registry.family, members: members.collect() }
}

impl Page for Catalogue {
    fn page(&self) -> String {
        let mut text = String::new();
        for family in &self.families {
            text += &format!("{}\n", family.family);
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
            let comment = if other == value { String::new() } else { format!("# EEG: {other}") };
            columns.row([format!("{key} ="), value.to_string(), comment]);
        }
        format!("\n  [{}]\n{}", self.name, columns.text(4))
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
}
