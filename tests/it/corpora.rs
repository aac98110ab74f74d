//! The fixtures through `mit-bih`, `eegmmidb` and, laid out anew, `folder`.

#![expect(clippy::disallowed_methods, reason = "odd folders are made in temporary ones")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use biossl::base::{Choice, SignalKind, parse_table};
use biossl::data::corpora::{CORPORA, Corpus, CorpusError, Database, Eegmmidb, Listing, MitBih, RecordingRef};
use biossl::data::formats::{Strictness, open, read};
use biossl::signal::{Event, Recording, Unit};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn mit_bih() -> MitBih {
    MitBih { root: fixture("mitdb"), ..MitBih::defaults(SignalKind::Ecg) }
}

fn eegmmidb(runs: &[u16]) -> Eegmmidb {
    Eegmmidb { root: fixture("eegmmidb"), runs: runs.to_vec(), ..Eegmmidb::defaults(SignalKind::Eeg) }
}

fn marked(corpus: &dyn Corpus, of: &RecordingRef) -> Recording {
    let annotations = corpus.annotations(of, &mut *open(&of.path, Strictness::Strict).unwrap()).unwrap();
    Recording { annotations, ..read(&of.path, Strictness::Strict).unwrap() }
}

fn events(corpus: &dyn Corpus, of: &RecordingRef) -> Vec<Event> {
    corpus.events(of, &marked(corpus, of)).unwrap()
}

fn find<'a>(listing: &'a Listing, id: &str) -> &'a RecordingRef {
    listing.recordings.iter().find(|recording| recording.id == id).unwrap()
}

#[test]
fn beats_are_counted_by_class() {
    let corpus = mit_bih();
    let listing = corpus.recordings().unwrap();
    // Counted by another program when the excerpts were chosen.
    for (id, expected) in [
        ("106", [81, 0, 81, 0, 0]),
        ("208", [91, 2, 80, 15, 0]),
        ("209", [104, 139, 0, 0, 0]),
        ("124", [64, 29, 20, 2, 0]),
        ("213", [137, 3, 31, 48, 0]),
        ("232", [21, 114, 0, 0, 0]),
    ] {
        let mut counts = [0; 5];
        for event in events(&corpus, find(&listing, id)) {
            assert!(event.duration_s.is_none());
            counts[usize::from(event.class.unwrap())] += 1;
        }
        assert_eq!(counts, expected, "{id}");
    }
    assert_eq!(corpus.classes(), ["N", "S", "V", "F", "Q"]);
    assert_eq!(corpus.pool_excludes(), [4]);
}

#[test]
fn paced_records_are_named_and_one_person_is_one_subject() {
    let listing = mit_bih().recordings().unwrap();
    assert_eq!(listing.recordings.len(), 20);
    assert!(listing.recordings.windows(2).all(|pair| pair[0].id < pair[1].id));
    let excluded: Vec<_> = listing.excluded.iter().map(|it| (it.id.as_str(), it.reason.as_str())).collect();
    assert_eq!(excluded, [("102", "paced")]);
    assert_eq!(find(&listing, "201").subject, find(&listing, "202").subject);
    let subjects: std::collections::BTreeSet<_> = listing.recordings.iter().map(|it| &it.subject).collect();
    assert_eq!(subjects.len(), 19);
}

#[test]
fn without_an_exclusion_a_missing_lead_is_an_error() {
    let corpus = MitBih { exclude: Vec::new(), ..mit_bih() };
    let listing = corpus.recordings().unwrap();
    let leads = |id| {
        let of = find(&listing, id);
        corpus.leads(of, open(&of.path, Strictness::Strict).unwrap().header())
    };
    let labels = |id| leads(id).unwrap().into_iter().map(|it| (it.channel, it.lead)).collect::<Vec<_>>();
    assert_eq!(labels("114"), [(1, "MLII".to_owned()), (0, "V5".to_owned())]);
    assert_eq!(labels("124"), [(0, "MLII".to_owned()), (1, "V4".to_owned())]);
    assert!(matches!(leads("102"), Err(CorpusError::NoSuchLead { lead, .. }) if lead == "MLII"));
}

#[test]
fn rest_runs_are_one_long_stretch_with_a_class() {
    let corpus = eegmmidb(&[1, 2]);
    let listing = corpus.recordings().unwrap();
    assert_eq!(listing.recordings.len(), 18);
    for of in &listing.recordings {
        let [event] = events(&corpus, of)[..] else { panic!("one stretch") };
        assert_eq!((event.onset.sample(160.0), event.duration_s), (0, Some(18.0)));
        assert_eq!(event.class, of.run_number.map(|run| run - 1));
    }
    let of = find(&listing, "S001R01");
    let leads = corpus.leads(of, open(&of.path, Strictness::Strict).unwrap().header()).unwrap();
    let labels: Vec<_> = leads.iter().map(|lead| lead.label.as_str()).collect();
    assert_eq!((labels.len(), labels[0], labels[3], labels[63]), (64, "FC5", "FCZ", "IZ"));
}

#[test]
fn trials_have_their_run_s_classes_and_rest_has_none() {
    let corpus = eegmmidb(&[4]);
    let listing = corpus.recordings().unwrap();
    let [of] = &listing.recordings[..] else { panic!("one imagery run") };
    let mut by_class = BTreeMap::new();
    for event in events(&corpus, of) {
        assert!(event.duration_s.is_some());
        *by_class.entry(event.class).or_insert(0) += 1;
    }
    assert_eq!(by_class, BTreeMap::from([(None, 4), (Some(0), 2), (Some(1), 1)]));
    assert_eq!(corpus.classes(), ["left-fist", "right-fist"]);
}

#[test]
fn people_of_another_rate_are_left_out_by_default_and_listing_opens_no_file() {
    let folder = TempDir::new().unwrap();
    for name in ["S092R04.edf", "S001R04.edf"] {
        std::fs::write(folder.path().join(name), b"").unwrap();
    }
    let corpus = Eegmmidb { root: folder.path().to_owned(), ..eegmmidb(&[4]) };
    let listing = corpus.recordings().unwrap();
    assert_eq!((listing.recordings.len(), listing.excluded[0].id.as_str()), (1, "S092R04"));
    assert!(listing.excluded[0].reason.contains("128 Hz"));
    let all = Eegmmidb { exclude: Vec::new(), ..corpus }.recordings().unwrap();
    assert_eq!((all.recordings.len(), all.excluded.len()), (2, 0));
}

#[test]
fn unknown_people_and_empty_folders_are_refused() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().to_owned();
    let corpus = MitBih { root: root.clone(), ..mit_bih() };
    assert!(matches!(corpus.recordings(), Err(CorpusError::NoRecordings { n_excluded: 0, .. })));
    for ending in ["hea", "dat"] {
        std::fs::copy(fixture("mitdb/232").with_extension(ending), root.join("999").with_extension(ending)).unwrap();
    }
    assert!(matches!(corpus.recordings(), Err(CorpusError::UnknownSubject { path, .. }) if path.ends_with("999.hea")));
    std::fs::write(root.join("subject1.edf"), b"").unwrap();
    let eeg = Eegmmidb { root: root.clone(), ..eegmmidb(&[4]) };
    assert!(matches!(eeg.recordings(), Err(CorpusError::UnknownSubject { .. })));
    let nowhere = MitBih { root: root.join("nowhere"), ..mit_bih() };
    assert!(matches!(nowhere.recordings(), Err(CorpusError::Folder { .. })));
}

#[test]
fn corpora_are_chosen_by_name() {
    let table = parse_table("name = \"mit_bih\"\nroot = \"somewhere\"").unwrap();
    let chosen = CORPORA.choose(SignalKind::Ecg, &table, 0..0).unwrap();
    assert_eq!((chosen.name, chosen.choice.kind(), chosen.choice.rate_hz()), ("mit-bih", SignalKind::Ecg, 360.0));
    assert_eq!(chosen.resolved["exclude"], serde_json::json!(["102", "104", "107", "217"]));
}

/// A corpus by the keys of a pipeline.
fn chosen(root: &Path, keys: &str) -> Box<dyn Corpus> {
    let text = format!("root = '{}'\n{keys}", root.display());
    CORPORA.choose(SignalKind::Ecg, &parse_table(&text).unwrap(), 0..0).unwrap().choice
}

fn copy(from: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(fixture(from), to).unwrap();
}

/// Two people, a recording each, laid out as BIDS.
fn bids() -> TempDir {
    let folder = TempDir::new().unwrap();
    let events = "onset\tduration\ttrial_type\n0\t4.2\trest\n4.2\t4.1\tleft\n8.3\t4.2\trest\n12.5\tn/a\tright\n";
    for (person, file) in [("01", "eegmmidb/S001/S001R04.edf"), ("02", "eegmmidb/S002/S002R01.edf")] {
        let stem = folder.path().join(format!("sub-{person}/ses-2/eeg/sub-{person}_ses-2_task-x_run-7"));
        let beside = |ending: &str| PathBuf::from(format!("{}_{ending}", stem.display()));
        copy(file, &beside("eeg.edf"));
        std::fs::write(beside("events.tsv"), events).unwrap();
    }
    std::fs::write(folder.path().join("task-x_channels.tsv"), "name\tunits\tstatus\nC3\tuV\tgood\nCz\tuV\tbad\n")
        .unwrap();
    std::fs::write(folder.path().join("participants.tsv"), "participant_id\tgroup\nsub-01\tcontrol\n").unwrap();
    folder
}

const BIDS_KEYS: &str = r#"name = "folder"
signal = "eeg"
rate_hz = 160
pattern = "sub-{subject}/ses-{session}/eeg/sub-{subject}_ses-{session}_task-x_run-{run}_eeg.edf"
channels = ["C3", "FC5"]
labels = "events-tsv"
duration_s = 4
unlabelled = ["rest"]
classes = [{ name = "left", marks = ["left"] }, { name = "right", marks = ["right"] }]
"#;

fn header(of: &RecordingRef) -> biossl::data::formats::Header {
    open(&of.path, Strictness::Strict).unwrap().header().clone()
}

#[test]
fn a_bids_folder_tells_people_channels_and_trials() {
    let folder = bids();
    let corpus = chosen(folder.path(), BIDS_KEYS);
    corpus.check().unwrap();
    let listing = corpus.recordings().unwrap();
    let [of, second] = &listing.recordings[..] else { panic!("two recordings") };
    assert_eq!(of.id, "sub-01/ses-2/eeg/sub-01_ses-2_task-x_run-7_eeg");
    assert_eq!((of.subject.0.as_str(), of.session, of.run_number), ("01", 2, Some(7)));
    assert_eq!(second.subject.0, "02");
    assert_eq!(listing.warnings, ["participants.tsv does not list 02"]);
    let leads = corpus.leads(of, &header(of)).unwrap();
    let picked: Vec<_> = leads.iter().map(|lead| (lead.channel, lead.label.as_str(), lead.unit.clone())).collect();
    assert_eq!(picked, [(8, "C3", None), (0, "FC5", None)]);
    let found: Vec<_> = events(&*corpus, of).iter().map(|event| (event.class, event.duration_s)).collect();
    assert_eq!(found, [(None, Some(4.2)), (Some(0), Some(4.1)), (None, Some(4.2)), (Some(1), Some(4.0))]);
    let beside: Vec<_> = corpus.side_files(of).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(beside, ["sub-01_ses-2_task-x_run-7_events.tsv", "task-x_channels.tsv"]);
}

#[test]
fn bad_channels_and_other_units_are_refused_until_a_key_decides() {
    let folder = bids();
    let leads = |keys: &str| {
        let corpus = chosen(folder.path(), &format!("{BIDS_KEYS}{keys}").replace("\"FC5\"", "\"Cz\""));
        let of = corpus.recordings().unwrap().recordings.swap_remove(0);
        corpus.leads(&of, &header(&of))
    };
    assert!(matches!(leads(""), Err(CorpusError::BadChannel { line: 3, label, .. }) if label == "Cz.."));
    assert!(leads("bad_channels = \"keep\"").is_ok());
    std::fs::write(folder.path().join("task-x_channels.tsv"), "name\tunits\nC3\tmV\nCz\tn/a\n").unwrap();
    let Err(CorpusError::UnitsDisagree { line, units, .. }) = leads("") else { panic!("refused") };
    assert_eq!((line, units), (2, ["uV".to_owned(), "mV".to_owned()]));
    let units = |keys| leads(keys).unwrap().into_iter().map(|lead| lead.unit).collect::<Vec<_>>();
    assert_eq!(units("units_from = \"file\""), [None, None]);
    assert_eq!(units("units_from = \"channels-tsv\""), [Some(Unit::Millivolt), None]);
}

#[test]
fn a_state_throughout_is_told_by_path_or_table() {
    let folder = TempDir::new().unwrap();
    for (state, file) in [("open", "R01"), ("closed", "R02"), ("other", "R01")] {
        for person in ["S002", "S003"] {
            copy(
                &format!("eegmmidb/{person}/{person}{file}.edf"),
                &folder.path().join(format!("{state}/{person}.edf")),
            );
        }
    }
    let keys = r#"name = "folder"
signal = "eeg"
rate_hz = 160
channels = ["all"]
"#;
    let by_path = format!(
        "{keys}labels = \"path\"\npattern = \"{{class}}/{{subject}}.edf\"\nignore = [\"other\"]\n\
         classes = [{{ name = \"eyes-open\", marks = [\"open\"] }}, {{ name = \"eyes-closed\", marks = [\"closed\"] }}]"
    );
    let corpus = chosen(folder.path(), &by_path);
    let listing = corpus.recordings().unwrap();
    assert_eq!((listing.recordings.len(), listing.excluded.len()), (4, 2));
    let of = find(&listing, "closed/S002");
    let [event] = events(&*corpus, of)[..] else { panic!("one stretch") };
    assert_eq!((event.class, event.duration_s), (Some(1), Some(18.0)));
    let labels: Vec<_> = corpus.leads(of, &header(of)).unwrap().into_iter().map(|lead| lead.label).collect();
    assert_eq!((labels.len(), labels[0].as_str()), (64, "FC5"));

    let by_table = format!(
        "{keys}labels = \"participants\"\ncolumn = \"group\"\npattern = \"*/{{subject}}.edf\"\n\
         classes = [{{ name = \"ill\", marks = [\"p\"] }}, {{ name = \"well\", marks = [\"c\"] }}]"
    );
    let table = folder.path().join("participants.tsv");
    std::fs::write(&table, "participant_id\tgroup\nS002\tp\n").unwrap();
    let corpus = chosen(folder.path(), &by_table);
    assert!(matches!(corpus.recordings(), Err(CorpusError::NotListed { person, .. }) if person == "S003"));
    std::fs::write(&table, "participant_id\tgroup\nS002\tp\nS003\tc\n").unwrap();
    let listing = corpus.recordings().unwrap();
    assert_eq!(events(&*corpus, find(&listing, "open/S003"))[0].class, Some(1));
}

#[test]
fn paths_are_read_right_or_refused() {
    let folder = bids();
    let listed = |keys: &str| chosen(folder.path(), &format!("{BIDS_KEYS}{keys}")).recordings();
    let root = folder.path();
    let excluded = listed("exclude = [\"02\"]").unwrap();
    assert_eq!((excluded.recordings.len(), excluded.excluded[0].reason.as_str()), (1, "named in `exclude`"));
    let misspelt = listed("exclude = [\"sub-02\"]").unwrap_err();
    assert!(matches!(&misspelt, CorpusError::Setting { key: "exclude", .. }), "{misspelt}");
    copy("eegmmidb/S003/S003R01.edf", &root.join("rest.edf"));
    assert!(matches!(listed(""), Err(CorpusError::NoMatch { path, .. }) if path.ends_with("rest.edf")));
    assert_eq!(listed("unmatched = \"leave-out\"").unwrap().excluded.len(), 1);
    std::fs::remove_file(root.join("rest.edf")).unwrap();
    let conflict = root.join("sub-01/ses-2/eeg/sub-02_ses-2_task-x_run-7_eeg.edf");
    copy("eegmmidb/S003/S003R01.edf", &conflict);
    let Err(CorpusError::PathConflict { words, .. }) = listed("unmatched = \"leave-out\"") else { panic!("refused") };
    assert_eq!(words, ["01", "02"]);
    std::fs::remove_file(&conflict).unwrap();
    copy("eegmmidb/S003/S003R01.edf", &root.join("sub-03/ses-pre/eeg/sub-03_ses-pre_task-x_run-7_eeg.edf"));
    assert!(matches!(listed(""), Err(CorpusError::Session { session, .. }) if session == "pre"));
    let named = listed("sessions = [\"2\", \"pre\"]").unwrap();
    assert_eq!(named.recordings.iter().map(|of| of.session).collect::<Vec<_>>(), [1, 1, 2]);
}

#[test]
fn two_files_of_one_name_are_not_one_recording() {
    let folder = TempDir::new().unwrap();
    for ending in ["edf", "EDF"] {
        copy("eegmmidb/S003/S003R01.edf", &folder.path().join("anna").with_extension(ending));
    }
    let keys = BIDS_KEYS
        .replace("sub-{subject}/ses-{session}/eeg/sub-{subject}_ses-{session}_task-x_run-{run}_eeg.edf", "{subject}.*");
    assert!(matches!(chosen(folder.path(), &keys).recordings(), Err(CorpusError::SameId { id, .. }) if id == "anna"));
}

#[test]
fn ecg_marks_of_one_s_own_are_beats() {
    let folder = TempDir::new().unwrap();
    for (ending, other) in [("hea", "hea"), ("dat", "dat"), ("atr", "qrs")] {
        copy(&format!("mitdb/100.{ending}"), &folder.path().join("100").with_extension(other));
    }
    let keys = r#"name = "folder"
signal = "ecg"
rate_hz = 360
pattern = "{subject}.hea"
channels = ["mlii"]
annotator = "qrs"
ignore = ["+"]
classes = [{ name = "normal", marks = ["N"] }, { name = "early", marks = ["A", "V"] }]
"#;
    let corpus = chosen(folder.path(), keys);
    let listing = corpus.recordings().unwrap();
    let of = &listing.recordings[0];
    let by_class = |class| events(&*corpus, of).iter().filter(|event| event.class == Some(class)).count();
    assert!(by_class(0) > 60 && events(&*corpus, of).iter().all(|event| event.duration_s.is_none()));
    let leads = corpus.leads(of, &header(of)).unwrap();
    assert_eq!((leads[0].channel, leads[0].label.as_str()), (0, "mlii"));
    assert!(corpus.side_files(of)[0].ends_with("100.qrs"));
    let narrow = chosen(folder.path(), &keys.replace("\"A\", \"V\"", "\"V\""));
    let told = narrow.events(of, &marked(&*narrow, of)).unwrap_err();
    assert!(
        matches!(&told, CorpusError::UnknownWord { text, place, .. } if text == "A" && place.starts_with("sample "))
    );
}

#[test]
fn another_database_of_beats_needs_one_word() {
    let corpus = MitBih { root: fixture("formats/svdb"), ..MitBih::of(Database::Svdb) };
    let listing = corpus.recordings().unwrap();
    let of = find(&listing, "801");
    assert_eq!((of.subject.0.as_str(), corpus.rate_hz()), ("801", 128.0));
    let leads: Vec<_> = corpus.leads(of, &header(of)).unwrap().into_iter().map(|lead| lead.label).collect();
    assert_eq!(leads, ["ECG1", "ECG2"]);
    assert!(events(&corpus, of).len() > 20);
    let single =
        chosen(&fixture("formats/svdb"), "name = \"mit-bih\"\ndatabase = \"other\"\nrate_hz = 128\nleads = [\"ECG2\"]");
    assert_eq!(single.recordings().unwrap().recordings.len(), 2);
    assert_eq!(single.leads(of, &header(of)).unwrap()[0].channel, 1);
}

#[test]
fn thousands_of_files_are_listed_in_a_moment() {
    let folder = TempDir::new().unwrap();
    for person in 0..400 {
        let own = folder.path().join(format!("p{person}"));
        std::fs::create_dir(&own).unwrap();
        for run in 1..=5 {
            std::fs::write(own.join(format!("p{person}_{run}.edf")), b"").unwrap();
        }
    }
    let keys = BIDS_KEYS.replace(
        "sub-{subject}/ses-{session}/eeg/sub-{subject}_ses-{session}_task-x_run-{run}_eeg.edf",
        "{subject}/{subject}_{run}.edf",
    );
    let listing = chosen(folder.path(), &keys).recordings().unwrap();
    assert_eq!(listing.recordings.len(), 2000);
    assert!(listing.recordings.windows(2).all(|pair| pair[0].id < pair[1].id));
    let of = find(&listing, "p17/p17_3");
    assert_eq!((of.subject.0.as_str(), of.run_number), ("p17", Some(3)));
}
