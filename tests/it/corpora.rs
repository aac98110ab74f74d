//! The fixtures through `mit-bih` and `eegmmidb`.

#![expect(clippy::disallowed_methods, reason = "odd folders are made in temporary ones")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use biossl::base::{Choice, SignalKind, parse_table};
use biossl::data::corpora::{CORPORA, Corpus, CorpusError, Eegmmidb, Listing, MitBih, RecordingRef};
use biossl::data::formats::{Strictness, open, read};
use biossl::signal::Event;
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

fn events(corpus: &dyn Corpus, of: &RecordingRef) -> Vec<Event> {
    corpus.events(of, &read(&of.path, Strictness::Strict).unwrap()).unwrap()
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
