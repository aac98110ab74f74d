//! Folders of one's own: tables, patterns, channels and settings that are wrong.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::cli::fixture;
use super::refused_leaving;

/// One recording laid out as BIDS and a pipeline on it, to be spoilt.
struct Own {
    folder: TempDir,
}

const EVENTS: &str = "onset\tduration\ttrial_type\n4.2\t4.1\tleft\n12.5\t4.1\tright\n";

impl Own {
    fn new() -> Self {
        let own = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(own.beside("")).unwrap();
        fs::copy(fixture("eegmmidb/S001/S001R04.edf"), own.beside("sub-01_task-x_eeg.edf")).unwrap();
        own.write("sub-01_task-x_events.tsv", EVENTS);
        own
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.root().join("sub-01/eeg").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.beside(name), text).unwrap();
    }

    /// `preprocess` is refused; `keys` stand in for those of the same name.
    fn refused(&self, keys: &[(&str, &str)], code: i32, words: &[&str]) {
        let mut corpus = vec![
            ("signal", "\"eeg\""),
            ("rate_hz", "160"),
            ("pattern", "\"sub-{subject}/eeg/sub-{subject}_task-x_eeg.edf\""),
            ("channels", "[\"C3\", \"C4\"]"),
            ("labels", "\"events-tsv\""),
            ("classes", "[{ name = \"l\", marks = [\"left\"] }, { name = \"r\", marks = [\"right\"] }]"),
        ];
        corpus.retain(|(key, _)| keys.iter().all(|(other, _)| other != key));
        let lines: Vec<String> = corpus.iter().chain(keys).map(|(key, value)| format!("{key} = {value}")).collect();
        let pipeline = self.folder.path().join("own.toml");
        let text = format!(
            "store = '{}'\nsplit = {{ name = \"loso\" }}\n[corpus]\nname = \"folder\"\nroot = '{}'\n{}\n",
            self.folder.path().join("own.h5").display(),
            self.root().display(),
            lines.join("\n"),
        );
        fs::write(&pipeline, text).unwrap();
        let arguments = ["preprocess", pipeline.to_str().unwrap(), "--quiet"];
        refused_leaving(self.folder.path(), &arguments, code, words);
    }
}

#[test]
fn damaged_tables_of_events_are_refused_with_line_and_column() {
    let own = Own::new();
    for (text, words) in [
        ("", "is empty"),
        ("onset\tduration\ttrial_type\n4.2\t4.1\n", "line 2 has 2 cells"),
        ("onset\tduration\ttrial_type\nsoon\t4.1\tleft\n", "line 2, column 1 (`onset`): `soon` is no finite number"),
        ("onset\tduration\ttrial_type\nn/a\t4.1\tleft\n", "`n/a` is no onset"),
        ("onset\tduration\ttrial_type\n4.2\t-1\tleft\n", "line 2, column 2 (`duration`): `-1`"),
        ("onset\tduration\tvalue\n4.2\t4.1\tleft\n", "no column `trial_type`"),
        ("onset\tonset\ttrial_type\n", "column `onset` stands twice"),
        ("onset\tduration\ttrial_type\n4.2\t4.1\tlefd\n", "`lefd` (line 2) is in no list"),
        ("onset\tduration\ttrial_type\n4.2\tn/a\tleft\n", "`left` (line 2) has no duration"),
    ] {
        own.write("sub-01_task-x_events.tsv", text);
        own.refused(&[], 1, &["sub-01_task-x_events.tsv", words]);
    }
    fs::write(own.beside("sub-01_task-x_events.tsv"), b"onset\ttrial_type\n1\t\xff\n").unwrap();
    own.refused(&[], 1, &["line 2: byte 19 is no UTF-8"]);
    fs::remove_file(own.beside("sub-01_task-x_events.tsv")).unwrap();
    own.refused(&[], 1, &["no `_events.tsv` belongs to it"]);
}

#[test]
fn patterns_that_tell_no_people_are_refused() {
    let own = Own::new();
    for (pattern, words) in [
        ("\"*/eeg/*_eeg.edf\"", "no `{subject}`"),
        ("\"sub-{subjct}/eeg/*_eeg.edf\"", "did you mean `{subject}`"),
        ("\"sub-{subject/eeg/*_eeg.edf\"", "no `}`"),
        ("\"\"", "no `{subject}`"),
    ] {
        own.refused(&[("pattern", pattern)], 2, &["own.toml:", words]);
    }
    own.refused(&[("pattern", "\"{subject}.edf\"")], 1, &["sub-01_task-x_eeg.edf", "does not fit"]);
    own.refused(&[("pattern", "\"*/eeg/{subject}-*_eeg.edf\"")], 1, &["{subject} may be `sub` or"]);
}

#[test]
fn paths_that_contradict_themselves_are_refused() {
    let own = Own::new();
    let other = own.beside("sub-02_task-x_eeg.edf");
    fs::copy(own.beside("sub-01_task-x_eeg.edf"), &other).unwrap();
    own.refused(&[], 1, &["sub-02_task-x_eeg.edf", "{subject} is `01` and `02`"]);
    fs::remove_file(other).unwrap();
    fs::copy(own.beside("sub-01_task-x_eeg.edf"), own.beside("sub-01_task-x_eeg.bdf")).unwrap();
    let pattern = "\"sub-{subject}/eeg/sub-{subject}_task-x_eeg.*\"";
    own.refused(&[("pattern", pattern)], 1, &["both would be recording `sub-01/eeg/sub-01_task-x_eeg`"]);
    let misspelt = [("pattern", pattern), ("exclude", "[\"sub-1\"]")];
    own.refused(&misspelt, 2, &["`sub-1`, which names no person"]);
}

#[test]
fn channels_that_are_not_there_or_not_one_are_refused() {
    let own = Own::new();
    own.refused(&[("channels", "[\"C3\", \"C33\"]")], 1, &["no channel `C33`", "did you mean `C3..`"]);
    own.refused(&[("channels", "[\"C3\", \"c3.\"]")], 2, &["`c3.` twice"]);
    let aliases = [("channels", "[\"C3\", \"left\"]"), ("aliases", "{ left = [\"C3\"] }")];
    own.refused(&aliases, 1, &["`C3` and `left` are the same channel"]);
    own.write("sub-01_task-x_channels.tsv", "name\tunits\tstatus\nC3\tmV\tgood\nC4\tuV\tbad\n");
    own.refused(&[], 1, &["channel C3.. is in `uV`, line 2", "says `mV`"]);
    own.refused(&[("units_from", "\"file\"")], 1, &["line 3", "calls channel C4.. bad"]);
    own.write("sub-01_task-x_channels.tsv", "name\tstatus\nC3\tso-so\n");
    own.refused(&[], 1, &["line 2, column 2 (`status`): `so-so`"]);
}

/// Overwrites header bytes of the recording.
fn patch(path: &Path, at: usize, text: &str) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn label_that_stands_twice_unit_that_is_missing_and_wrong_rate_are_refused() {
    let own = Own::new();
    let recording = own.beside("sub-01_task-x_eeg.edf");
    own.refused(&[("rate_hz", "250")], 1, &["sampled at 160 Hz", "250 Hz", "rate_hz = 250"]);
    // The first label becomes that of the ninth.
    patch(&recording, 256, "C3.. ");
    own.refused(&[], 1, &["`C3` is the name of channels 1 and 9", "`C3#2`"]);
    // Units stand after 65 labels of 16 bytes and as many transducers of 80; C4 is the thirteenth channel.
    patch(&recording, 256 + 65 * 96 + 12 * 8, "        ");
    own.refused(&[("channels", "[\"C3#2\", \"C4\"]")], 1, &["C4", "--unit"]);
}

#[test]
fn settings_that_are_missing_or_twofold_are_refused_at_their_key() {
    let own = Own::new();
    own.refused(&[("classes", "[]")], 2, &["own.toml:", "`classes` holds no class"]);
    let twice = "[{ name = \"l\", marks = [\"left\"] }, { name = \"r\", marks = [\"left\"] }]";
    own.refused(&[("classes", twice)], 2, &["the mark `left` twice (`l` and `r`)"]);
    own.refused(&[("rate_hz", "0")], 2, &["`rate_hz` holds 0"]);
    own.refused(&[("labels", "\"participants\"")], 2, &["`column` holds nothing"]);
    let people = [("labels", "\"participants\""), ("column", "\"group\"")];
    fs::write(own.root().join("participants.tsv"), "participant_id\tgroup\nsub-02\tx\n").unwrap();
    own.refused(&people, 1, &["person `01` is not in", "participants.tsv"]);
    fs::write(own.root().join("participants.tsv"), "participant_id\tgroup\nsub-01\tx\n01\ty\n").unwrap();
    own.refused(&people, 1, &["person `01` stands in lines 2 and 3"]);
}
