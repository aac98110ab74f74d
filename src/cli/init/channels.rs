//! Which channels a pipeline takes: voltages of one rate that all recordings have; for EEG, electrodes where there are.

use super::look::{Found, is_electrode};
use super::propose::{Proposal, list, some};
use crate::base::SignalKind;
use crate::signal::{CanonicalLabel, Unit};

/// A channel that every recording has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Common {
    /// As the first recording spells it, dots that only fill a label apart.
    pub(super) label: String,
    /// The label without the accidents of its spelling.
    pub(super) name: CanonicalLabel,
    /// How many channels have the name in the recording that has most of them, and its path.
    pub(super) most: (usize, String),
}

impl Common {
    /// As a pipeline names it.
    pub(super) fn key(&self) -> String {
        if self.most.0 > 1 { format!("{}#1", self.label) } else { self.label.clone() }
    }
}

/// Common channels, by what becomes of them.
#[derive(Debug, PartialEq)]
struct Choice {
    taken: Vec<Common>,
    no_voltage: Vec<Common>,
    no_electrode: Vec<Common>,
    other_rate: Vec<Common>,
}

impl Choice {
    fn of(found: &Found, kind: Option<SignalKind>) -> Self {
        let voltage = |one: &Common| {
            let units = found.units(&one.name);
            units.iter().all(|(unit, _)| unit.microvolts().is_some() || *unit == Unit::Other(String::new()))
        };
        let (mut taken, no_voltage): (Vec<_>, Vec<_>) = found.common().into_iter().partition(voltage);
        let mut no_electrode = Vec::new();
        if kind == Some(SignalKind::Eeg) && taken.iter().filter(|one| is_electrode(&one.name)).count() >= 2 {
            (taken, no_electrode) = taken.into_iter().partition(|one| is_electrode(&one.name));
        }
        // Channels of one group have one rate within each recording; recordings may differ.
        let mut groups: Vec<(Vec<Option<f64>>, usize)> = Vec::new();
        for one in &taken {
            let rates = found.rates_of(&one.name);
            match groups.iter_mut().find(|(known, _)| *known == rates) {
                Some((_, count)) => *count += 1,
                None => groups.push((rates, 1)),
            }
        }
        let most = groups.iter().map(|(_, count)| *count).max();
        let largest = groups.into_iter().find(|(_, count)| Some(*count) == most).map(|(rates, _)| rates);
        let (taken, other_rate) = taken.into_iter().partition(|one| Some(found.rates_of(&one.name)) == largest);
        Self { taken, no_voltage, no_electrode, other_rate }
    }
}

/// Writes which channels are taken, under `key`, and why others are not.
pub(super) fn channels(to: &mut Proposal, found: &Found, key: &str, kind: Option<SignalKind>) -> Vec<Common> {
    let Choice { taken, no_voltage, no_electrode, other_rate } = Choice::of(found, kind);
    let n_common = taken.len() + no_voltage.len() + no_electrode.len() + other_rate.len();
    if taken.is_empty() {
        to.ask(&format!(
            "not known: no voltage is in all recordings under one name. {key} = [..], see `biossl inspect`"
        ));
        return taken;
    }
    let first = found.seen.first().map_or(0, |one| one.channels.len());
    let word = if n_common == 1 { "channel is" } else { "channels are" };
    to.comment(&format!("{n_common} {word} in all recordings; the first has {first}"));
    if !no_voltage.is_empty() {
        to.comment(&format!("in no voltage, so left out: {}", some(&keys(&no_voltage))));
    }
    if !no_electrode.is_empty() {
        to.comment(&format!("no electrodes of the head by name, so left out: {}", some(&keys(&no_electrode))));
    }
    if !other_rate.is_empty() {
        let rate = |one: &Common| found.rates_of(&one.name).first().copied().flatten().unwrap_or_default();
        let others: Vec<String> = other_rate.iter().map(|one| format!("{} ({} Hz)", one.key(), rate(one))).collect();
        let ours = taken.first().map(rate).unwrap_or_default();
        to.ask(&format!(
            "channels of a store have one rate: those of {ours} Hz are taken, left out are {}",
            some(&others)
        ));
    }
    let foreign: Vec<Common> = taken.iter().filter(|one| !is_electrode(&one.name)).cloned().collect();
    if kind == Some(SignalKind::Eeg) && !foreign.is_empty() {
        to.ask(&format!("names that are no electrodes: take out what is no EEG: {}", some(&keys(&foreign))));
    }
    for one in taken.iter().filter(|one| one.most.0 > 1) {
        let (times, path) = &one.most;
        to.ask(&format!(
            "{} stands {times} times in {path}: {} is the first; look which is meant",
            one.label,
            one.key()
        ));
    }
    to.line(&format!("{key} = {}", list(keys(&taken))));
    taken
}

/// The names that a pipeline gives channels.
pub(super) fn keys(channels: &[Common]) -> Vec<String> {
    channels.iter().map(Common::key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init::look::tests::{found, seen};

    fn written(recordings: &[&[(&str, &str, f64)]], kind: SignalKind) -> (String, Vec<String>) {
        let all = recordings.iter().enumerate().map(|(i, channels)| seen(&format!("p{i}.edf"), channels));
        let mut to = Proposal::default();
        let taken = channels(&mut to, &found(all.collect()), "channels", Some(kind));
        (to.text, keys(&taken))
    }

    #[test]
    fn one_rate_is_taken_and_the_rest_is_named() {
        let mixed: &[_] = &[("EMG x", "uV", 1000.0), ("I", "uV", 250.0), ("II", "mV", 250.0)];
        let (text, taken) = written(&[mixed, mixed], SignalKind::Ecg);
        assert_eq!(taken, ["I", "II"]);
        assert!(text.contains(
            "# ? channels of a store have one rate: those of 250 Hz are taken, left out are EMG x (1000 Hz)"
        ));
        // One rate a recording is one group, whatever other recordings have.
        let other: &[_] = &[("EMG x", "uV", 500.0), ("I", "uV", 500.0), ("II", "mV", 500.0)];
        assert_eq!(written(&[other, mixed], SignalKind::Ecg).1, ["I", "II"]);
        assert_eq!(written(&[other], SignalKind::Ecg).1, ["EMG x", "I", "II"]);
    }

    #[test]
    fn electrodes_come_before_other_voltages_of_an_eeg() {
        let all: &[_] = &[
            ("EMG", "uV", 500.0),
            ("EEG C3-REF", "uV", 250.0),
            ("EOG", "uV", 500.0),
            ("Status", "", 500.0),
            ("Cz", "uV", 250.0),
            ("A1", "uV", 250.0),
            ("SpO2", "%", 1.0),
        ];
        let (text, taken) = written(&[all], SignalKind::Eeg);
        assert_eq!(taken, ["EEG C3-REF", "Cz"]);
        assert!(text.contains("# no electrodes of the head by name, so left out: EMG, EOG, Status, A1\n"), "{text}");
        assert!(text.contains("# in no voltage, so left out: SpO2\n") && !text.contains("# ?"), "{text}");
        assert!(text.starts_with("# 7 channels are in all recordings; the first has 7\n"), "{text}");
        let (text, taken) = written(&[&[("Cz", "uV", 250.0), ("left ear", "uV", 250.0)]], SignalKind::Eeg);
        assert_eq!(taken, ["Cz", "left ear"]);
        assert!(text.contains("# ? names that are no electrodes: take out what is no EEG: left ear\n"), "{text}");
    }

    #[test]
    fn of_channels_with_one_name_the_first_is_proposed_and_asked_about() {
        let once: &[_] = &[("C3", "uV", 250.0), ("C4", "uV", 250.0)];
        let twice: &[_] = &[("c3", "uV", 250.0), ("C4", "uV", 250.0), ("EEG C3-REF", "uV", 250.0)];
        let (text, taken) = written(&[once, twice], SignalKind::Eeg);
        assert_eq!(taken, ["C3#1", "C4"]);
        assert!(text.contains("# ? C3 stands 2 times in p1.edf: C3#1 is the first; look which is meant\n"), "{text}");
        assert!(text.ends_with("channels = [\"C3#1\", \"C4\"]\n"), "{text}");
        assert_eq!(written(&[&[("MLII", "mV", 360.0)]], SignalKind::Ecg).0.lines().count(), 2);
    }
}
