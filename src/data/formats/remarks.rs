//! What somebody who is about to pick channels should know of them: units that are no voltage, labels that stand twice.

use std::collections::BTreeMap;

use super::ChannelHeader;
use crate::base::printable;
use crate::signal::{CanonicalLabel, Unit, Warning, canonical};

/// Labels that a remark names; of more it tells how many.
const NAMED: usize = 4;
/// Words of channels that hold marks, not a signal.
const MARKS: [&str; 5] = ["status", "trigger", "marker", "event", "annotations"];

/// Remarks on the channels of a file.
pub(super) fn remarks(channels: &[ChannelHeader]) -> Vec<Warning> {
    let mut by_unit: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut by_name: BTreeMap<CanonicalLabel, Vec<&str>> = BTreeMap::new();
    for channel in channels {
        if let (Unit::Other(unit), true) = (&channel.unit, is_signal(&channel.label)) {
            by_unit.entry(unit).or_default().push(&channel.label);
        }
        by_name.entry(canonical(&channel.label)).or_default().push(&channel.label);
    }
    let units = by_unit.into_iter().map(|(unit, labels)| {
        let remedy = "to pick one, name its unit: `--unit LABEL=uV`";
        match unit {
            "" => format!("no unit is stated for {}; {remedy}", named(&labels)),
            _ => format!("the unit `{}` of {} is no voltage that is known; {remedy}", printable(unit), named(&labels)),
        }
    });
    let labels = by_name.iter().filter(|(_, labels)| labels.len() > 1).map(|(name, labels)| twice(name, labels));
    units.chain(labels).map(|message| Warning { place: "channels".to_owned(), message }).collect()
}

/// The remark on labels that mean the same, as whoever picks channels by name will find them.
fn twice(name: &CanonicalLabel, labels: &[&str]) -> String {
    let alike = labels.first().filter(|first| labels.iter().all(|label| label == *first));
    let name = printable(alike.map_or(name.as_str(), |label| *label));
    let told = match alike {
        Some(_) => format!("{} channels are called `{name}`", labels.len()),
        None => format!("{} are spellings of one name, `{name}`", named(labels)),
    };
    format!("{told}; `{name}#1` is the first of them, `{name}#2` the second")
}

fn is_signal(label: &str) -> bool {
    let label = label.to_lowercase();
    !MARKS.iter().any(|word| label.contains(word)) && !label.starts_with("sti ")
}

fn named(labels: &[&str]) -> String {
    let mut text: Vec<String> = labels.iter().take(NAMED).map(|label| format!("`{}`", printable(label))).collect();
    if labels.len() > NAMED {
        text.push(format!("{} more", labels.len().saturating_sub(NAMED)));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(label: &str, unit: &str) -> ChannelHeader {
        let (label, unit_text) = (label.to_owned(), unit.to_owned());
        ChannelHeader { label, unit: Unit::parse(unit), unit_text, rate_hz: 1.0, samples: 1 }
    }

    fn told(channels: &[ChannelHeader]) -> Vec<String> {
        remarks(channels).into_iter().map(|remark| remark.message).collect()
    }

    #[test]
    fn units_that_are_no_voltage_are_told_once_each() {
        let channels: Vec<_> =
            [("C3", "uV"), ("Temp", "degC"), ("A", ""), ("B", ""), ("C", ""), ("D", ""), ("E", ""), ("Status", "")]
                .map(|(label, unit)| channel(label, unit))
                .into();
        let [blank, other] = &told(&channels)[..] else { panic!("{:?}", told(&channels)) };
        assert!(blank.contains("`A`, `B`, `C`, `D`, 1 more") && blank.contains("--unit LABEL=uV"), "{blank}");
        assert!(other.contains("`degC` of `Temp`"), "{other}");
    }

    #[test]
    fn labels_that_stand_twice_are_told() {
        let channels = [channel("EEG", "uV"), channel("EEG", "uV"), channel("Fp1\n", "mV")];
        assert_eq!(told(&channels), ["2 channels are called `EEG`; `EEG#1` is the first of them, `EEG#2` the second"]);
    }

    #[test]
    fn labels_that_only_spelling_tells_apart_are_told() {
        let channels = [channel("Fc5.", "uV"), channel("C3", "uV"), channel("EEG FC5-REF", "uV")];
        assert_eq!(
            told(&channels),
            [
                "`Fc5.`, `EEG FC5-REF` are spellings of one name, `FC5`; `FC5#1` is the first of them, `FC5#2` the second"
            ]
        );
    }
}
