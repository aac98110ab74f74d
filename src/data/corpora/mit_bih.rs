//! MIT-BIH Arrhythmia Database (48 half-hour two-lead ECGs of 47 people, every beat marked) and databases like it.
//!
//! 201 and 202 are one person, whose subject id is `201` (the plan `dechazal`, which parts them, says so itself).
//! Paced records are left out by default. The second lead differs between records (V1, V2, V4, V5): it is stored as
//! `other`, its true name beside the recording.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::beat_databases::{Database, OTHER};
use super::picking::{Aliases, Labels, Picked, twice};
use super::{Corpus, CorpusError, Excluded, Lead, Listing, RecordingRef, aami, listing};
use crate::base::{Choice, ConfigTable, SignalKind};
use crate::data::formats::Header;
use crate::signal::{Annotation, Event, Recording, SubjectId};

const NAME: &str = "mit-bih";

/// Settings of the corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MitBih {
    /// Folder of the `.hea`, `.dat` and `.atr` files.
    pub root: PathBuf,
    /// Which database it is; the defaults of the other keys hang on it.
    pub database: Database,
    /// Samples per second; for databases that are not `other` it is known.
    pub rate_hz: Option<f64>,
    /// Leads to store, by name; `other`: the first one that is not named.
    pub leads: Vec<String>,
    /// What a lead may be called where it is missing: `{ MLII = ["II"] }`.
    pub aliases: Aliases,
    /// Records to leave out.
    pub exclude: Vec<String>,
    /// Marks of no standard meaning (`[42]`, or a symbol that the file declares) that are to be passed over.
    pub ignore: Vec<String>,
}

impl MitBih {
    /// The settings of a database.
    pub fn of(database: Database) -> Self {
        let facts = database.facts();
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            root: PathBuf::from("data").join(facts.name),
            database,
            rate_hz: facts.rate_hz,
            leads: words(facts.leads),
            aliases: Aliases::new(),
            exclude: facts.exclude.iter().map(|(record, _)| (*record).to_owned()).collect(),
            ignore: Vec::new(),
        }
    }

    fn reason(&self, record: &str) -> String {
        let known = self.database.facts().exclude.iter().find(|(excluded, _)| *excluded == record);
        known.map_or("named in `exclude`", |(_, reason)| reason).to_owned()
    }

    fn subject(&self, record: &str) -> SubjectId {
        let same = self.database.facts().same_person.iter().find(|(other, _)| *other == record);
        SubjectId(same.map_or(record, |(_, person)| person).to_owned())
    }

    /// The event of a mark; `None`: it is no beat.
    fn beat(&self, of: &RecordingRef, mark: &Annotation) -> Result<Option<Event>, CorpusError> {
        let class = aami::class(&mark.text);
        if class.is_some() || aami::is_no_beat(&mark.text) || self.ignore.contains(&mark.text) {
            return Ok(class.map(|class| Event { onset: mark.onset, duration_s: None, class: Some(class) }));
        }
        Err(CorpusError::StrangeMark {
            path: of.path.clone(),
            text: mark.text.clone(),
            place: listing::place(mark.onset),
        })
    }
}

impl Choice for MitBih {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str =
        "MIT-BIH Arrhythmia (48 two-lead ECGs, 360 Hz) and databases like it; beats in five AAMI classes";
    const SOURCES: &'static [&'static str] =
        &["moody2001mitbih", "greenwald1990svdb", "goldberger2000physionet", "aami1998ec57"];

    fn defaults(_: SignalKind) -> Self {
        Self::of(Database::Mitdb)
    }

    fn defaults_beside(_: SignalKind, user: &ConfigTable<'_>) -> Self {
        let word = user.get("database").and_then(|value| value.get_ref().as_str());
        let known = [Database::Mitdb, Database::Svdb, Database::Other];
        // A word that is none of them is an error when it is read.
        Self::of(known.into_iter().find(|it| Some(it.facts().name) == word).unwrap_or(Database::Mitdb))
    }
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
        // A rate that is missing is refused by `check`.
        self.rate_hz.unwrap_or_default()
    }

    fn check(&self) -> Result<(), CorpusError> {
        let facts = self.database.facts();
        let wrong = |key, found: String, known: &str| {
            Err(CorpusError::Setting { corpus: NAME, key, found, known: known.to_owned() })
        };
        match (self.rate_hz, facts.rate_hz) {
            (None, _) => {
                return wrong(
                    "rate_hz",
                    "nothing".to_owned(),
                    "the rate of the recordings, as `biossl inspect` shows it",
                );
            }
            (Some(rate_hz), Some(known)) if rate_hz != known => {
                let known =
                    format!("{known}, the rate of `{}`; another rate to work at is `preprocess.rate_hz`", facts.name);
                return wrong("rate_hz", format!("{rate_hz}"), &known);
            }
            (Some(rate_hz), _) if !(rate_hz.is_finite() && rate_hz > 0.0) => {
                return wrong("rate_hz", format!("{rate_hz}"), "samples per second, more than 0");
            }
            _ => {}
        }
        if let Some(record) = self.exclude.iter().find(|record| !self.database.has(record)) {
            return wrong("exclude", format!("`{record}`"), facts.pattern);
        }
        if self.leads.is_empty() {
            return wrong("leads", "no name".to_owned(), "names such as MLII, and `other`");
        }
        match twice(&self.leads) {
            Some(lead) => wrong("leads", format!("`{lead}` twice"), "each name once"),
            None => Ok(()),
        }
    }

    fn channels(&self) -> Option<Vec<String>> {
        Some(self.leads.clone())
    }

    fn recordings(&self) -> Result<Listing, CorpusError> {
        self.check()?;
        let pattern = self.database.facts().pattern;
        let mut found = Listing::default();
        for (path, id) in listing::files(NAME, &self.root, "hea")? {
            if !self.database.has(&id) {
                return Err(CorpusError::UnknownSubject { corpus: NAME, path, pattern: pattern.to_owned() });
            }
            if self.exclude.contains(&id) {
                let reason = self.reason(&id);
                found.excluded.push(Excluded { id, reason });
                continue;
            }
            let subject = self.subject(&id);
            found.recordings.push(RecordingRef { path, id, subject, session: 1, run_number: None, state: None });
        }
        listing::sorted(NAME, &self.root, pattern, found)
    }

    fn leads(&self, of: &RecordingRef, header: &Header) -> Result<Vec<Lead>, CorpusError> {
        let labels = Labels { path: &of.path, header };
        let named = labels.pick_all(self.leads.iter().filter(|lead| *lead != OTHER), &self.aliases)?;
        let other = || {
            let first = (0..header.channels.len()).find(|channel| named.iter().all(|it| it.channel != *channel));
            let channel = first.ok_or_else(|| labels.missing(OTHER))?;
            Ok::<_, CorpusError>(Picked { channel, lead: header.channels[channel].label.clone() })
        };
        let mut in_order = named.iter().cloned();
        let lead = |label: &String| {
            let found = if label == OTHER { None } else { in_order.next() };
            let found = found.map_or_else(other, Ok)?;
            Ok(Lead { channel: found.channel, label: label.clone(), lead: found.lead, unit: None })
        };
        self.leads.iter().map(lead).collect()
    }

    fn events(&self, of: &RecordingRef, recording: &Recording) -> Result<Vec<Event>, CorpusError> {
        if recording.annotations.is_empty() {
            return Err(CorpusError::NoAnnotations { corpus: Self::NAME, path: of.path.clone(), id: of.id.clone() });
        }
        recording.annotations.iter().filter_map(|mark| self.beat(of, mark).transpose()).collect()
    }

    fn pool_excludes(&self) -> Vec<u16> {
        vec![aami::Q]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::parse_table;
    use crate::data::corpora::CORPORA;
    use crate::data::corpora::picking::tests::header;
    use crate::signal::{Onset, Origin};

    fn of() -> RecordingRef {
        let subject = SubjectId("114".to_owned());
        RecordingRef {
            path: "114.hea".into(),
            id: "114".to_owned(),
            subject,
            session: 1,
            run_number: None,
            state: None,
        }
    }

    fn leads_of(corpus: &MitBih, labels: &[&str]) -> Result<Vec<(usize, String, String)>, CorpusError> {
        let leads = corpus.leads(&of(), &header(labels))?;
        Ok(leads.into_iter().map(|lead| (lead.channel, lead.label, lead.lead)).collect())
    }

    fn leads(labels: &[&str]) -> Result<Vec<(usize, String, String)>, CorpusError> {
        leads_of(&MitBih::of(Database::Mitdb), labels)
    }

    fn words(channel: usize, label: &str, lead: &str) -> (usize, String, String) {
        (channel, label.to_owned(), lead.to_owned())
    }

    fn chosen(keys: &str) -> Result<MitBih, CorpusError> {
        let table = parse_table(keys).unwrap();
        let corpus: MitBih = crate::base::read_choice(SignalKind::Ecg, &table).unwrap();
        corpus.check().map(|()| corpus)
    }

    #[test]
    fn leads_are_found_by_name_wherever_they_stand() {
        assert_eq!(leads(&["MLII", "V1"]).unwrap(), [words(0, "MLII", "MLII"), words(1, "other", "V1")]);
        assert_eq!(leads(&["V5", "MLII"]).unwrap(), [words(1, "MLII", "MLII"), words(0, "other", "V5")]);
        assert!(matches!(leads(&["V5", "V2"]), Err(CorpusError::NoSuchLead { lead, .. }) if lead == "MLII"));
        assert!(matches!(leads(&["MLII"]), Err(CorpusError::NoSuchLead { lead, .. }) if lead == OTHER));
        let turned = MitBih { leads: vec![OTHER.to_owned(), "MLII".to_owned()], ..MitBih::of(Database::Mitdb) };
        assert_eq!(leads_of(&turned, &["MLII", "V1"]).unwrap(), [words(1, "other", "V1"), words(0, "MLII", "MLII")]);
    }

    #[test]
    fn an_alias_is_told_as_the_true_lead() {
        let aliases = Aliases::from([("MLII".to_owned(), vec!["II".to_owned()])]);
        let corpus = MitBih { aliases, ..MitBih::of(Database::Mitdb) };
        assert_eq!(leads_of(&corpus, &["II", "V1"]).unwrap(), [words(0, "MLII", "II"), words(1, "other", "V1")]);
        assert!(leads(&["II", "V1"]).is_err());
    }

    #[test]
    fn record_without_annotations_is_refused_by_name() {
        let found = MitBih::of(Database::Mitdb).events(&of(), &Recording::default());
        assert!(matches!(found, Err(CorpusError::NoAnnotations { id, .. }) if id == "114"));
    }

    #[test]
    fn marks_of_no_standard_meaning_are_never_guessed() {
        let mark = |text: &str| Annotation {
            onset: Onset::Sample(720),
            duration_s: None,
            text: text.to_owned(),
            origin: Origin::Wfdb { code: 42, subtype: 0, chan: 0, num: 0, aux: None },
        };
        let corpus = MitBih::of(Database::Mitdb);
        assert_eq!(corpus.beat(&of(), &mark("V")).unwrap().unwrap().class, Some(2));
        assert_eq!(corpus.beat(&of(), &mark("+")).unwrap(), None);
        let strange = corpus.beat(&of(), &mark("[42]"));
        assert!(matches!(strange, Err(CorpusError::StrangeMark { place, .. }) if place == "sample 720"));
        let told = MitBih { ignore: vec!["[42]".to_owned()], ..corpus };
        assert_eq!(told.beat(&of(), &mark("[42]")).unwrap(), None);
    }

    #[test]
    fn two_records_are_one_person() {
        let corpus = MitBih::of(Database::Mitdb);
        assert_eq!((corpus.subject("201").0, corpus.subject("202").0), ("201".to_owned(), "201".to_owned()));
    }

    #[test]
    fn defaults_hang_on_the_database() {
        assert_eq!(chosen("").unwrap(), MitBih::of(Database::Mitdb));
        let svdb = chosen("database = \"svdb\"").unwrap();
        assert_eq!((svdb.rate_hz, svdb.leads, svdb.exclude), (Some(128.0), vec!["ECG1".into(), "ECG2".into()], vec![]));
        let other = chosen("database = \"other\"\nrate_hz = 250\nleads = [\"II\"]\nexclude = [\"x1\"]").unwrap();
        assert_eq!(leads_of(&other, &["V1", "ii"]).unwrap(), [words(1, "II", "II")]);
        let table = parse_table("name = \"mit-bih\"\ndatabase = \"svdb\"").unwrap();
        let resolved = CORPORA.choose(SignalKind::Ecg, &table, 0..0).unwrap().resolved;
        assert_eq!((&resolved["rate_hz"], &resolved["root"]), (&128.0.into(), &"data/svdb".into()));
        assert_eq!(CORPORA.restore(SignalKind::Ecg, &resolved).unwrap().resolved, resolved);
    }

    #[test]
    fn senseless_settings_are_refused_at_their_key() {
        for (keys, at) in [
            ("leads = []", "leads"),
            ("leads = [\"MLII\", \"mlii\"]", "leads"),
            ("exclude = [\"800\"]", "exclude"),
            ("rate_hz = 128", "rate_hz"),
            ("database = \"other\"\nleads = [\"II\"]", "rate_hz"),
            ("database = \"other\"\nrate_hz = -1\nleads = [\"II\"]", "rate_hz"),
            ("database = \"other\"\nrate_hz = 250", "leads"),
            ("database = \"svdb\"\nexclude = [\"100\"]", "exclude"),
        ] {
            assert!(matches!(chosen(keys), Err(CorpusError::Setting { key, .. }) if key == at), "{keys}");
        }
    }
}
