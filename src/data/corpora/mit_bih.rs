//! MIT-BIH Arrhythmia Database: 48 half-hour two-lead ECGs of 47 people, every beat marked.
//!
//! 201 and 202 are one person, whose subject id is `201` (the plan `dechazal`, which parts them, says so itself).
//! Paced records are left out by default. The second lead differs between records (V1, V2, V4, V5): it is stored as
//! `other`, its true name beside the recording.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Corpus, CorpusError, Excluded, Lead, Listing, RecordingRef, aami, listing};
use crate::base::{Choice, SignalKind};
use crate::data::formats::Header;
use crate::signal::{Event, Recording, SubjectId};

const NAME: &str = "mit-bih";
const PATTERN: &str = "100.hea to 234.hea, the names of its 48 records";
const RATE_HZ: f64 = 360.0;
/// Stands in `leads` for the channel that is not named there.
const OTHER: &str = "other";

/// Records and whose they are.
const RECORDS: [&str; 48] = [
    "100", "101", "102", "103", "104", "105", "106", "107", "108", "109", "111", "112", "113", "114", "115", "116",
    "117", "118", "119", "121", "122", "123", "124", "200", "201", "202", "203", "205", "207", "208", "209", "210",
    "212", "213", "214", "215", "217", "219", "220", "221", "222", "223", "228", "230", "231", "232", "233", "234",
];
const PACED: [&str; 4] = ["102", "104", "107", "217"];

/// Settings of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MitBih {
    /// Folder of the `.hea`, `.dat` and `.atr` files.
    pub root: PathBuf,
    /// Leads to store, by name; `other`: the first one that is not named.
    pub leads: Vec<String>,
    /// Records to leave out.
    pub exclude: Vec<String>,
}

impl Choice for MitBih {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str = "MIT-BIH Arrhythmia Database: 48 two-lead ECGs, 360 Hz, beats in five AAMI classes";
    const SOURCES: &'static [&'static str] = &["moody2001mitbih", "goldberger2000physionet", "aami1998ec57"];

    fn defaults(_: SignalKind) -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self { root: "data/mitdb".into(), leads: words(&["MLII", OTHER]), exclude: words(&PACED) }
    }
}

impl MitBih {
    fn reason(record: &str) -> String {
        if PACED.contains(&record) { "paced".to_owned() } else { "named in `exclude`".to_owned() }
    }

    fn check_settings(&self) -> Result<(), CorpusError> {
        let unknown = self.exclude.iter().find(|record| !RECORDS.contains(&record.as_str()));
        let wrong = |key, found: &str, known| {
            Err(CorpusError::Setting { corpus: NAME, key, found: format!("`{found}`"), known })
        };
        match unknown {
            Some(record) => wrong("exclude", record, "the names of its 48 records"),
            None if self.leads.is_empty() => wrong("leads", "", "names such as MLII, and `other`"),
            None => Ok(()),
        }
    }
}

/// 201 and 202 were recorded from one person.
fn subject(record: &str) -> SubjectId {
    SubjectId(if record == "202" { "201" } else { record }.to_owned())
}

impl Corpus for MitBih {
    fn kind(&self) -> SignalKind {
        SignalKind::Ecg
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn classes(&self) -> Vec<String> {
        aami::CLASSES.map(str::to_owned).to_vec()
    }

    fn rate_hz(&self) -> f64 {
        RATE_HZ
    }

    fn recordings(&self) -> Result<Listing, CorpusError> {
        self.check_settings()?;
        let mut found = Listing::default();
        for (path, id) in listing::files(NAME, &self.root, "hea")? {
            if !RECORDS.contains(&id.as_str()) {
                return Err(CorpusError::UnknownSubject { corpus: NAME, path, pattern: PATTERN });
            }
            if self.exclude.contains(&id) {
                let reason = Self::reason(&id);
                found.excluded.push(Excluded { id, reason });
                continue;
            }
            let subject = subject(&id);
            found.recordings.push(RecordingRef { path, id, subject, session: 1, run_number: None });
        }
        listing::sorted(NAME, &self.root, PATTERN, found)
    }

    fn leads(&self, of: &RecordingRef, header: &Header) -> Result<Vec<Lead>, CorpusError> {
        let labels = || header.channels.iter().map(|channel| channel.label.as_str());
        let named = |label: &str| self.leads.iter().any(|lead| lead == label);
        let find = |lead: &String| {
            let found = match lead.as_str() {
                OTHER => labels().position(|label| !named(label)),
                name => labels().position(|label| label == name),
            };
            let found = found.and_then(|channel| Some((channel, labels().nth(channel)?)));
            let (channel, label) = found.ok_or_else(|| CorpusError::NoSuchLead {
                path: of.path.clone(),
                lead: lead.clone(),
                found: labels().map(str::to_owned).collect(),
            })?;
            Ok(Lead { channel, label: lead.clone(), lead: label.to_owned() })
        };
        self.leads.iter().map(find).collect()
    }

    fn events(&self, of: &RecordingRef, recording: &Recording) -> Result<Vec<Event>, CorpusError> {
        if recording.annotations.is_empty() {
            return Err(CorpusError::NoAnnotations { corpus: Self::NAME, path: of.path.clone(), id: of.id.clone() });
        }
        let beat = |mark: &crate::signal::Annotation| {
            let class = aami::class(&mark.text)?;
            Some(Event { onset: mark.onset, duration_s: None, class: Some(class) })
        };
        Ok(recording.annotations.iter().filter_map(beat).collect())
    }

    fn pool_excludes(&self) -> Vec<u16> {
        vec![aami::Q]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::formats::ChannelHeader;
    use crate::signal::Unit;

    fn header(labels: &[&str]) -> Header {
        let channel = |label: &&str| ChannelHeader {
            label: (*label).to_owned(),
            unit: Unit::Millivolt,
            unit_text: "mV".to_owned(),
            rate_hz: RATE_HZ,
            samples: 1,
        };
        Header {
            format: "wfdb",
            start: None,
            duration_s: 1.0,
            annotation_rate_hz: Some(RATE_HZ),
            channels: labels.iter().map(channel).collect(),
            signal_files: Vec::new(),
            side_files: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn leads(labels: &[&str]) -> Result<Vec<(usize, String, String)>, CorpusError> {
        let of = RecordingRef {
            path: "114.hea".into(),
            id: "114".to_owned(),
            subject: subject("114"),
            session: 1,
            run_number: None,
        };
        let leads = MitBih::defaults(SignalKind::Ecg).leads(&of, &header(labels))?;
        Ok(leads.into_iter().map(|lead| (lead.channel, lead.label, lead.lead)).collect())
    }

    #[test]
    fn leads_are_found_by_name_wherever_they_stand() {
        let words = |channel, label: &str, lead: &str| (channel, label.to_owned(), lead.to_owned());
        assert_eq!(leads(&["MLII", "V1"]).unwrap(), [words(0, "MLII", "MLII"), words(1, "other", "V1")]);
        assert_eq!(leads(&["V5", "MLII"]).unwrap(), [words(1, "MLII", "MLII"), words(0, "other", "V5")]);
        assert!(matches!(leads(&["V5", "V2"]), Err(CorpusError::NoSuchLead { lead, .. }) if lead == "MLII"));
        assert!(matches!(leads(&["MLII"]), Err(CorpusError::NoSuchLead { lead, .. }) if lead == OTHER));
    }

    #[test]
    fn record_without_annotations_is_refused_by_name() {
        let (path, id, subject) = ("100.hea".into(), "100".to_owned(), subject("100"));
        let of = RecordingRef { path, id, subject, session: 1, run_number: None };
        let found = MitBih::defaults(SignalKind::Ecg).events(&of, &Recording::default());
        assert!(matches!(found, Err(CorpusError::NoAnnotations { id, .. }) if id == "100"));
    }

    #[test]
    fn two_records_are_one_person() {
        assert_eq!((subject("201"), subject("202")), (SubjectId("201".to_owned()), SubjectId("201".to_owned())));
    }
}
