//! EEG Motor Movement/Imagery Dataset: 109 people, 14 runs each, 64 channels.
//!
//! What a mark means hangs on the run: `T1` is a left fist in run 4 and both fists in run 6, so a class is looked up by
//! run number **and** code. Fists moved and fists imagined share a class name; choose `runs` to keep them apart. Runs 1
//! and 2 are one state throughout (eyes open, eyes closed) and become one long stretch.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::picking::{Aliases, Labels};
use super::{Corpus, CorpusError, Excluded, Lead, Listing, RecordingRef, listing};
use crate::base::{Choice, SignalKind};
use crate::data::formats::Header;
use crate::signal::{Annotation, Event, Onset, Recording, SubjectId};

const NAME: &str = "eegmmidb";
const PATTERN: &str = "S###R##.edf, people 001 to 109, runs 01 to 14";
const RATE_HZ: f64 = 160.0;
const N_PEOPLE: u16 = 109;
const N_RUNS: u16 = 14;

/// People left out by default, and why.
const UNUSUAL: [(&str, &str); 5] = [
    ("S088", "sampled at 128 Hz, other trial timing"),
    ("S089", "labels doubted in the literature"),
    ("S092", "sampled at 128 Hz, other trial timing"),
    ("S100", "sampled at 128 Hz, other trial timing"),
    ("S104", "trials missing according to the literature"),
];

/// Electrodes in the order of every file.
const ELECTRODES: [&str; 64] = [
    "FC5", "FC3", "FC1", "FCZ", "FC2", "FC4", "FC6", "C5", "C3", "C1", "CZ", "C2", "C4", "C6", "CP5", "CP3", "CP1",
    "CPZ", "CP2", "CP4", "CP6", "FP1", "FPZ", "FP2", "AF7", "AF3", "AFZ", "AF4", "AF8", "F7", "F5", "F3", "F1", "FZ",
    "F2", "F4", "F6", "F8", "FT7", "FT8", "T7", "T8", "T9", "T10", "TP7", "TP8", "P7", "P5", "P3", "P1", "PZ", "P2",
    "P4", "P6", "P8", "PO7", "PO3", "POZ", "PO4", "PO8", "O1", "OZ", "O2", "IZ",
];

/// What a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// One state throughout.
    Rest(&'static str),
    /// `T0` rest, `T1` and `T2` trials of these classes.
    Trials([&'static str; 2]),
}

/// Class names in the order in which a corpus lists those that its runs hold.
const CLASSES: [&str; 6] = ["eyes-open", "eyes-closed", "left-fist", "right-fist", "both-fists", "both-feet"];

fn task(run: u16) -> Option<Task> {
    match run {
        1 => Some(Task::Rest("eyes-open")),
        2 => Some(Task::Rest("eyes-closed")),
        3 | 4 | 7 | 8 | 11 | 12 => Some(Task::Trials(["left-fist", "right-fist"])),
        5 | 6 | 9 | 10 | 13 | 14 => Some(Task::Trials(["both-fists", "both-feet"])),
        _ => None,
    }
}

/// Settings of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eegmmidb {
    /// Folder of the people's folders (`S001/S001R01.edf`) or of the files themselves.
    pub root: PathBuf,
    /// Runs to use: 1 eyes open, 2 eyes closed; left or right fist moved 3 7 11, imagined 4 8 12; both fists or both
    /// feet moved 5 9 13, imagined 6 10 14.
    pub runs: Vec<u16>,
    /// People (`S088`) or recordings (`S021R08`) to leave out.
    pub exclude: Vec<String>,
}

impl Choice for Eegmmidb {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str =
        "EEG Motor Movement/Imagery Dataset: 109 people, 64 channels, 160 Hz, classes by run and code";
    const SOURCES: &'static [&'static str] = &["schalk2004bci2000", "goldberger2000physionet"];

    fn defaults(_: SignalKind) -> Self {
        let exclude = UNUSUAL.iter().map(|(person, _)| (*person).to_owned()).collect();
        Self { root: "data/eegmmidb".into(), runs: vec![4, 8, 12], exclude }
    }
}

/// `S001R04` as person and run.
fn person_and_run(stem: &str) -> Option<(&str, u16)> {
    let (person, run) = stem.split_once('R')?;
    let digits = |text: &str, length, most| {
        let number: u16 = text.parse().ok().filter(|number| (1..=most).contains(number))?;
        (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
    };
    digits(person.strip_prefix('S')?, 3, N_PEOPLE)?;
    Some((person, digits(run, 2, N_RUNS)?))
}

impl Eegmmidb {
    fn check_settings(&self) -> Result<(), CorpusError> {
        let wrong = |key, found: String, known: &str| {
            Err(CorpusError::Setting { corpus: NAME, key, found, known: known.to_owned() })
        };
        if self.runs.is_empty() {
            return wrong("runs", "no run".to_owned(), "1 to 14");
        }
        if let Some(run) = self.runs.iter().find(|run| task(**run).is_none()) {
            return wrong("runs", format!("`{run}`"), "1 to 14");
        }
        let known = |word: &String| {
            let person = format!("{word}R01");
            person_and_run(word).is_some() || person_and_run(&person).is_some()
        };
        match self.exclude.iter().find(|word| !known(word)) {
            Some(word) => wrong("exclude", format!("`{word}`"), "people such as S088, recordings such as S021R08"),
            None => Ok(()),
        }
    }

    fn reason(&self, person: &str, id: &str) -> Option<String> {
        self.exclude.iter().find(|word| *word == person || *word == id)?;
        let known = UNUSUAL.iter().find(|(unusual, _)| *unusual == person);
        Some(known.map_or("named in `exclude`", |(_, reason)| reason).to_owned())
    }

    fn class(&self, name: &str) -> Option<u16> {
        let classes = self.classes();
        classes.iter().position(|class| class == name).and_then(|index| u16::try_from(index).ok())
    }

    /// The event of one mark of a task run; `None`: it means nothing there.
    fn trial(&self, mark: &Annotation, names: [&str; 2]) -> Option<Event> {
        let [first, second] = names;
        let class = match mark.text.as_str() {
            "T0" => None,
            "T1" => Some(self.class(first)?),
            "T2" => Some(self.class(second)?),
            _ => return None,
        };
        Some(Event { onset: mark.onset, duration_s: Some(mark.duration_s?), class })
    }
}

impl Corpus for Eegmmidb {
    fn kind(&self) -> SignalKind {
        SignalKind::Eeg
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn classes(&self) -> Vec<String> {
        let holds = |name: &str, run: u16| match task(run) {
            Some(Task::Rest(state)) => state == name,
            Some(Task::Trials(names)) => names.contains(&name),
            None => false,
        };
        CLASSES
            .iter()
            .filter(|name| self.runs.iter().any(|&run| holds(name, run)))
            .map(|&name| name.to_owned())
            .collect()
    }

    fn rate_hz(&self) -> f64 {
        RATE_HZ
    }

    fn check(&self) -> Result<(), CorpusError> {
        self.check_settings()
    }

    fn recordings(&self) -> Result<Listing, CorpusError> {
        self.check()?;
        let mut files = listing::files(NAME, &self.root, "edf")?;
        for person in listing::folders(NAME, &self.root)? {
            files.extend(listing::files(NAME, &person, "edf")?);
        }
        let mut found = Listing::default();
        for (path, id) in files {
            let Some((person, run)) = person_and_run(&id) else {
                return Err(CorpusError::UnknownSubject { corpus: NAME, path, pattern: PATTERN.to_owned() });
            };
            if !self.runs.contains(&run) {
                continue;
            }
            if let Some(reason) = self.reason(person, &id) {
                found.excluded.push(Excluded { id, reason });
                continue;
            }
            let subject = SubjectId(person.to_owned());
            found.recordings.push(RecordingRef { path, id, subject, session: 1, run_number: Some(run), state: None });
        }
        listing::sorted(NAME, &self.root, PATTERN, found)
    }

    fn leads(&self, of: &RecordingRef, header: &Header) -> Result<Vec<Lead>, CorpusError> {
        // `Fc5.` is FC5: the dots fill the label, the case is the file's own.
        let labels = Labels { path: &of.path, header };
        let pick = |&name: &&str| {
            let channel = labels.pick(name, &Aliases::new())?.channel;
            Ok(Lead { channel, label: name.to_owned(), lead: name.to_owned(), unit: None })
        };
        ELECTRODES.iter().map(pick).collect()
    }

    fn events(&self, of: &RecordingRef, recording: &Recording) -> Result<Vec<Event>, CorpusError> {
        let run_number = of.run_number.unwrap_or_default();
        match task(run_number) {
            Some(Task::Rest(state)) => {
                // By the file's rate: three people were recorded at 128 Hz.
                let duration_s = Some(recording.duration_s());
                Ok(vec![Event { onset: Onset::Sample(0), duration_s, class: self.class(state) }])
            }
            Some(Task::Trials(names)) => {
                let event = |mark: &Annotation| {
                    self.trial(mark, names).ok_or_else(|| CorpusError::UnknownMark {
                        corpus: NAME,
                        path: of.path.clone(),
                        run_number,
                        text: mark.text.clone(),
                        seconds: mark.onset.seconds(RATE_HZ),
                    })
                };
                recording.annotations.iter().map(event).collect()
            }
            None => {
                Err(CorpusError::UnknownSubject { corpus: NAME, path: of.path.clone(), pattern: PATTERN.to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Channel, Unit};

    fn corpus(runs: &[u16]) -> Eegmmidb {
        Eegmmidb { runs: runs.to_vec(), ..Eegmmidb::defaults(SignalKind::Eeg) }
    }

    #[test]
    fn names_are_read_whole_or_not_at_all() {
        assert_eq!(person_and_run("S001R04"), Some(("S001", 4)));
        for stem in ["S1R4", "S001R4", "S110R01", "S000R01", "S001R15", "S001R00", "S+01R04", "X001R04", "S001"] {
            assert_eq!(person_and_run(stem), None, "{stem}");
        }
    }

    #[test]
    fn classes_are_those_of_the_runs() {
        assert_eq!(corpus(&[2, 1]).classes(), ["eyes-open", "eyes-closed"]);
        assert_eq!(corpus(&[4, 8, 12]).classes(), ["left-fist", "right-fist"]);
        assert_eq!(corpus(&[6, 4]).classes(), ["left-fist", "right-fist", "both-fists", "both-feet"]);
    }

    #[test]
    fn one_code_means_different_things_in_different_runs() {
        let mark = |text: &str| Annotation {
            onset: Onset::Seconds(4.2),
            duration_s: Some(4.1),
            text: text.to_owned(),
            origin: crate::signal::Origin::Edf { onset_text: "+4.2".to_owned(), duration_text: Some("4.1".to_owned()) },
        };
        let corpus = corpus(&[4, 6]);
        let class = |run, text| {
            let Some(Task::Trials(names)) = task(run) else { panic!("a task run") };
            corpus.trial(&mark(text), names).map(|event| event.class)
        };
        assert_eq!((class(4, "T1"), class(6, "T1")), (Some(Some(0)), Some(Some(2))));
        assert_eq!((class(4, "T2"), class(6, "T2")), (Some(Some(1)), Some(Some(3))));
        assert_eq!((class(4, "T0"), class(4, "T3")), (Some(None), None));
    }

    #[test]
    fn rest_lasts_as_long_as_the_file_whatever_its_rate() {
        let of = |run| RecordingRef {
            path: "S088R01.edf".into(),
            id: "S088R01".to_owned(),
            subject: SubjectId("S088".to_owned()),
            session: 1,
            run_number: Some(run),
            state: None,
        };
        for (rate_hz, samples) in [(128.0, 9728), (160.0, 12160)] {
            let channel =
                Channel { label: "FC5".to_owned(), unit: Unit::Microvolt, rate_hz, samples: vec![0.0; samples] };
            let recording = Recording { channels: vec![channel], ..Recording::default() };
            let events = corpus(&[1, 2]).events(&of(2), &recording).unwrap();
            assert_eq!(events, [Event { onset: Onset::Sample(0), duration_s: Some(76.0), class: Some(1) }]);
        }
    }

    #[test]
    fn senseless_settings_are_refused() {
        for corpus in [corpus(&[]), corpus(&[15]), Eegmmidb { exclude: vec!["S1".to_owned()], ..corpus(&[4]) }] {
            assert!(matches!(corpus.check_settings(), Err(CorpusError::Setting { .. })));
        }
        let recording = Eegmmidb { exclude: vec!["S021R08".to_owned()], ..corpus(&[8]) };
        assert!(recording.check_settings().is_ok());
        assert_eq!(recording.reason("S021", "S021R08").as_deref(), Some("named in `exclude`"));
        assert_eq!(recording.reason("S021", "S021R04"), None);
    }
}
