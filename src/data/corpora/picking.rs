//! Channels by name: the one way from a name in a pipeline to a channel of a file.
//!
//! Names are compared without the accidents of spelling ([`canonical`]). A name that fits two channels is refused until
//! `NAME#2` says which; a name that fits none is looked up in the corpus's `aliases`, which only a person can fill:
//! that lead II stands in for MLII is a decision, no spelling.

use std::collections::BTreeMap;
use std::path::Path;

use super::CorpusError;
use crate::base::nearest;
use crate::data::formats::Header;
use crate::signal::canonical;

/// Other names by which a channel may be picked, in the order in which they are tried.
pub(super) type Aliases = BTreeMap<String, Vec<String>>;

/// A channel of a file that a name picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picked {
    /// Index in the file.
    pub(super) channel: usize,
    /// What it is: the name that was asked for, or the alias that stood in for it.
    pub(super) lead: String,
}

/// The channels of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    pub(super) path: &'a Path,
    pub(super) header: &'a Header,
}

impl<'a> Labels<'a> {
    fn all(self) -> impl Iterator<Item = &'a str> {
        self.header.channels.iter().map(|channel| channel.label.as_str())
    }

    fn owned(self) -> Vec<String> {
        self.all().map(|label| label.trim().to_owned()).collect()
    }

    /// The channels that a name fits.
    fn fitting(self, name: &str) -> Vec<usize> {
        let wanted = canonical(name);
        self.all().enumerate().filter(|(_, label)| canonical(label) == wanted).map(|(i, _)| i).collect()
    }

    /// The one channel that a name, or `NAME#2`, fits; `None`: there is none.
    fn one(self, name: &str) -> Result<Option<usize>, CorpusError> {
        match &self.fitting(name)[..] {
            [] => Ok(numbered(name).and_then(|(label, place)| self.fitting(label).get(place - 1).copied())),
            &[channel] => Ok(Some(channel)),
            several => Err(CorpusError::LeadTwice {
                path: self.path.to_owned(),
                lead: name.to_owned(),
                places: several.iter().map(|channel| channel + 1).collect(),
            }),
        }
    }

    /// The channel that a name picks, through `aliases` where the file does not have it.
    ///
    /// # Errors
    /// A name that fits two channels, or none.
    pub(super) fn pick(self, name: &str, aliases: &Aliases) -> Result<Picked, CorpusError> {
        let others = aliases.iter().filter(|(of, _)| canonical(of) == canonical(name)).flat_map(|(_, others)| others);
        for lead in std::iter::once(name).chain(others.map(String::as_str)) {
            if let Some(channel) = self.one(lead)? {
                return Ok(Picked { channel, lead: lead.to_owned() });
            }
        }
        Err(self.missing(name))
    }

    /// As [`Self::pick`] for a list of names, each another channel.
    ///
    /// # Errors
    /// As [`Self::pick`]; two names that pick the same channel.
    pub(super) fn pick_all<'n>(
        self,
        names: impl IntoIterator<Item = &'n String>,
        aliases: &Aliases,
    ) -> Result<Vec<Picked>, CorpusError> {
        let mut picked: Vec<(Picked, &String)> = Vec::new();
        for name in names {
            let found = self.pick(name, aliases)?;
            if let Some((_, earlier)) = picked.iter().find(|(earlier, _)| earlier.channel == found.channel) {
                let leads = [(*earlier).clone(), name.clone()];
                let label = self.owned().swap_remove(found.channel);
                return Err(CorpusError::SameChannel { path: self.path.to_owned(), leads, label });
            }
            picked.push((found, name));
        }
        Ok(picked.into_iter().map(|(found, _)| found).collect())
    }

    /// The error that says that no channel has this name.
    pub(super) fn missing(self, name: &str) -> CorpusError {
        let found = self.owned();
        let near = nearest(name, found.iter().map(String::as_str)).map(str::to_owned);
        CorpusError::NoSuchLead { path: self.path.to_owned(), lead: name.to_owned(), found, near }
    }

    /// Every channel of the file under its name without the accidents of spelling.
    ///
    /// # Errors
    /// A name that stands twice.
    pub(super) fn every(self) -> Result<Vec<Picked>, CorpusError> {
        let names = self.all().map(|label| canonical(label).to_string());
        names.map(|name| self.pick(&name, &Aliases::new())).collect()
    }
}

/// `C3#2` as the name `C3` and the place 2 among the channels that have it.
fn numbered(name: &str) -> Option<(&str, usize)> {
    let (label, place) = name.rsplit_once('#')?;
    let place = place.trim().parse().ok().filter(|&place| place >= 1)?;
    (!label.trim().is_empty()).then_some((label, place))
}

/// The first name that stands twice in a list, spelling aside: two channels of a store cannot share one.
pub(super) fn twice(names: &[String]) -> Option<&String> {
    names
        .iter()
        .enumerate()
        .find(|(i, name)| names[..*i].iter().any(|other| canonical(other) == canonical(name)))
        .map(|(_, name)| name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::formats::ChannelHeader;
    use crate::signal::Unit;

    /// A header of channels with these labels.
    pub(in crate::data::corpora) fn header(labels: &[&str]) -> Header {
        let channel = |label: &&str| ChannelHeader {
            label: (*label).to_owned(),
            unit: Unit::Millivolt,
            unit_text: "mV".to_owned(),
            rate_hz: 360.0,
            samples: 1,
        };
        Header {
            format: "wfdb",
            start: None,
            duration_s: 1.0,
            annotation_rate_hz: Some(360.0),
            channels: labels.iter().map(channel).collect(),
            signal_files: Vec::new(),
            signal_offset: 0,
            side_files: Vec::new(),
            info: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn pick(labels: &[&str], name: &str, aliases: &Aliases) -> Result<(usize, String), CorpusError> {
        let header = header(labels);
        let labels = Labels { path: Path::new("a.edf"), header: &header };
        labels.pick(name, aliases).map(|picked| (picked.channel, picked.lead))
    }

    #[test]
    fn spelling_does_not_matter() {
        let labels = ["EEG Fp1-REF", "Fc5.", "EEG T3-LE"];
        for (name, channel) in [("FP1", 0), ("fc5", 1), ("T7", 2), ("T3", 2)] {
            assert_eq!(pick(&labels, name, &Aliases::new()).unwrap(), (channel, name.to_owned()));
        }
    }

    #[test]
    fn another_lead_stands_in_only_by_key() {
        let missing = pick(&["II", "V1"], "MLII", &Aliases::new()).unwrap_err();
        assert!(
            matches!(missing, CorpusError::NoSuchLead { lead, near, .. } if lead == "MLII" && near.as_deref() == Some("II"))
        );
        let aliases = Aliases::from([("MLII".to_owned(), vec!["V9".to_owned(), "ii".to_owned()])]);
        assert_eq!(pick(&["V1", "II"], "MLII", &aliases).unwrap(), (1, "ii".to_owned()));
        assert_eq!(pick(&["II", "MLII"], "MLII", &aliases).unwrap(), (1, "MLII".to_owned()));
    }

    #[test]
    fn label_that_stands_twice_needs_its_number() {
        let labels = ["C3", "EEG C3-REF", "C4"];
        let twice = pick(&labels, "C3", &Aliases::new()).unwrap_err();
        assert!(matches!(&twice, CorpusError::LeadTwice { places, .. } if places == &[1, 2]), "{twice}");
        assert_eq!(pick(&labels, "C3#1", &Aliases::new()).unwrap().0, 0);
        assert_eq!(pick(&labels, "C3#2", &Aliases::new()).unwrap().0, 1);
        for name in ["C3#3", "C3#0", "C3#", "#1", "C3#-1"] {
            assert!(matches!(pick(&labels, name, &Aliases::new()), Err(CorpusError::NoSuchLead { .. })), "{name}");
        }
        // A number that is part of a label is no place.
        assert_eq!(pick(&["EMG#2", "EMG#1"], "EMG#1", &Aliases::new()).unwrap().0, 1);
    }

    #[test]
    fn two_names_never_pick_one_channel() {
        let header = header(&["II", "V1"]);
        let labels = Labels { path: Path::new("a.hea"), header: &header };
        let aliases = Aliases::from([("MLII".to_owned(), vec!["II".to_owned()])]);
        let both = labels.pick_all(&["MLII".to_owned(), "II".to_owned()], &aliases);
        assert!(matches!(both, Err(CorpusError::SameChannel { label, .. }) if label == "II"));
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(twice(&names(&["C3", "C4", "c3."])).map(String::as_str), Some("c3."));
        assert_eq!(twice(&names(&["C3#1", "C3#2"])), None);
    }

    #[test]
    fn every_channel_goes_by_its_plain_name() {
        let names = |labels: &[&str]| {
            let header = header(labels);
            let picked = Labels { path: Path::new("a.edf"), header: &header }.every()?;
            Ok::<_, CorpusError>(picked.into_iter().map(|picked| picked.lead).collect::<Vec<_>>())
        };
        assert_eq!(names(&["Fc5.", "EEG Cz-REF"]).unwrap(), ["FC5", "CZ"]);
        assert!(matches!(names(&["C3", "c3"]), Err(CorpusError::LeadTwice { .. })));
    }
}
