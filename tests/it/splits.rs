//! Roles, proofs and hashes through the public door.

#![expect(clippy::disallowed_methods, reason = "recordings are copied into temporary folders")]

use std::path::Path;

use biossl::base::{SignalKind, parse_table};
use biossl::data::splits::{DrawContext, PLANS, RejectScope, Split, SplitError, TestLedger};
use biossl::signal::{Normalisation, RecordingEntry, SubjectId, WindowRow, WindowSpec, WindowTable};

use super::cli::{biossl, fixture, json, stderr, stdout, tiny_pipeline, tiny_run};

const TEST: &str = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234";
const TRAIN: &str = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230";

/// One recording a record, a beat of each of N, S, V, F, Q and one stretch without a class in each.
fn mit_bih() -> WindowTable {
    let classes = ["N", "S", "V", "F", "Q"].map(str::to_owned).to_vec();
    let mut table = WindowTable { classes, ..WindowTable::default() };
    for (recording, id) in (0..).zip(TRAIN.split(' ').chain(TEST.split(' '))) {
        let person = SubjectId(if id == "202" { "201" } else { id }.to_owned());
        let subject = table.subjects.iter().position(|known| *known == person).unwrap_or_else(|| {
            table.subjects.push(person);
            table.subjects.len() - 1
        }) as u32;
        table.recordings.push(RecordingEntry {
            id: id.to_owned(),
            subject,
            session: 1,
            run_number: None,
            samples: 650_000,
            content_hash: format!("hash of {id}"),
            sources: [].into(),
            leads: vec!["MLII".to_owned(), "V1".to_owned()],
        });
        table.rows.extend((0..6).map(|i: u16| WindowRow {
            subject,
            recording,
            start: i64::from(i) * 704,
            event: Some(i64::from(i) * 704 + 352),
            label: (i < 5).then_some(i),
            trial_samples: 704,
            padding: 0,
            left: 0,
            right: 0,
            reject: None,
            warm_up: false,
            rr: None,
        }));
    }
    table
}

const SPEC: WindowSpec = WindowSpec {
    rate_hz: 360.0,
    length: 704,
    span: 704,
    margin: 36,
    eval_offset: 0,
    normalisation: Normalisation::Window,
};

fn draw(plan: &str, settings: &str, table: &WindowTable) -> Result<Vec<Split>, SplitError> {
    let settings = parse_table(settings).unwrap();
    let plan = (PLANS.find(plan).unwrap().read)(SignalKind::Ecg, &settings).unwrap();
    plan.draw(
        table,
        &DrawContext { pool_excludes: &[4], spec: &SPEC, recipe_hash: "r", rejects: RejectScope::Training },
    )
}

#[test]
fn strict_split_of_mit_bih_is_the_published_one_and_its_proof_says_so() {
    let table = mit_bih();
    let split = draw("dechazal-strict", "", &table).unwrap().remove(0);
    assert_eq!(split.hash(), "bd05fabfd39f148a0339f5186c29d991ee9a030904681c22c0a020a8bd080334");
    let proof = serde_json::to_value(split.proof()).unwrap();
    assert_eq!(proof["split_hash"], split.hash());
    assert_eq!(proof["roles"]["validation"]["subjects"], serde_json::json!(["114", "119", "124", "207", "220"]));
    assert_eq!(proof["roles"]["test"]["windows_per_class"]["Q"], 21);
    assert_eq!(proof["roles"]["train"]["windows_per_class"].get("Q"), None);
    assert_eq!(proof["pool"]["windows_per_class"]["-"], 17);
    assert_eq!(proof["exclusions"][0]["recording"], "202");
    assert_eq!(proof["known_overlap"], serde_json::json!([]));
    for pair in proof["intersections"].as_array().unwrap() {
        for what in ["subjects", "recordings", "content_hashes"] {
            assert_eq!(pair[what], serde_json::json!([]), "{pair}");
        }
        assert_eq!(pair["overlapping_windows"], 0);
    }
    let page = split.proof().to_string();
    assert!(page.contains("shared between roles: 0 subjects, 0 recordings"), "{page}");
    assert!(page.contains("left out: 202"), "{page}");
}

#[test]
fn every_plan_keeps_people_apart_and_tests_everyone_once_where_it_should() {
    let table = mit_bih();
    for (plan, settings, covers) in
        [("shares", "", false), ("kfold", "k = 7", true), ("kfold", "k = 3\norder = \"id\"", true), ("loso", "", true)]
    {
        let mut tested: Vec<String> = Vec::new();
        for split in draw(plan, settings, &table).unwrap() {
            let roles = &split.proof().roles;
            let everyone = [&roles.train.subjects[..], &roles.validation.subjects, &roles.test.subjects].concat();
            let mut distinct = everyone.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!((distinct.len(), everyone.len()), (43, 43), "{plan} {settings}");
            assert_eq!(split.pool().subjects(), split.train().subjects());
            tested.extend(roles.test.subjects.clone());
        }
        tested.sort();
        let all: Vec<String> = tested.iter().cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        assert_eq!(tested, all, "{plan}: a person is tested twice");
        assert!(!covers || tested.len() == 43, "{plan}");
    }
}

#[test]
fn a_copied_file_under_another_name_is_refused() {
    let mut table = mit_bih();
    let copied = table.recordings[0].content_hash.clone();
    let other = table.recordings.iter_mut().find(|entry| entry.id == "100").unwrap();
    other.content_hash = copied;
    let error = draw("dechazal-strict", "", &table).unwrap_err();
    assert!(matches!(error, SplitError::Leak { first: "train", second: "test", .. }), "{error}");
}

#[test]
fn a_misspelt_key_of_a_plan_is_named() {
    let settings = parse_table("name = \"kfold\"\nfolds = 3").unwrap();
    let error = PLANS.choose(SignalKind::Eeg, &settings, 0..0).err().unwrap();
    assert!(error.message.contains("`folds`"), "{error}");
}

#[test]
fn an_unread_ledger_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = TestLedger::beside(&folder.path().join("store.h5"), "none");
    assert_eq!(ledger.readings().unwrap(), []);
    assert!(ledger.path().ends_with("store.h5.test-reads.jsonl"));
}

#[test]
fn split_draws_from_the_store_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let output = biossl(&["split", &pipeline, "--json"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("no store yet") && told.contains("biossl preprocess PIPELINE"), "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was made");

    let (store, out) = (tiny_run().join("tiny.h5"), folder.path().join("split.json"));
    let arguments = ["split", &pipeline, "--store", store.to_str().unwrap()];
    let shown = json(&[&arguments[..], &["--json", "--out", out.to_str().unwrap()]].concat(), 0);
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(shown["folds"], saved);
    let of_run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(tiny_run().join("run/split.json")).unwrap()).unwrap();
    assert_eq!(saved, of_run, "the split of a run is another");
    let page = stdout(&biossl(&[&arguments[..], &["--set", "split.name=loso"]].concat()));
    assert_eq!(page.matches("shared between roles: 0 subjects").count(), 7, "{page}");

    let output = biossl(&[&arguments[..], &["--set", "split={name='within-tme'}"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `within-time`?"), "{}", stderr(&output));
    let output = biossl(&[&arguments[..], &["--set", "split={name='within-run'}"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no run numbers") && stderr(&output).contains("help:"), "{}", stderr(&output));
}

/// People of EEGMMIDB whose one run is the same recording, each under another patient's name.
fn namesakes(folder: &Path) -> String {
    let recording = std::fs::read(fixture("eegmmidb/S001/S001R04.edf")).unwrap();
    let root = folder.join("eegmmidb");
    for person in 1..=6_u8 {
        let name = format!("S00{person}");
        std::fs::create_dir_all(root.join(&name)).unwrap();
        let mut copy = recording.clone();
        copy[8] = b'0' + person;
        std::fs::write(root.join(&name).join(format!("{name}R04.edf")), copy).unwrap();
    }
    let path = folder.join("namesakes.toml");
    let text = format!(
        "store = '{0}/namesakes.h5'\ncorpus = {{ name = \"eegmmidb\", root = '{0}/eegmmidb', runs = [4] }}\n\
         split = {{ name = \"shares\" }}\n",
        folder.display()
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn an_anonymised_copy_in_another_role_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = namesakes(folder.path());
    let made = biossl(&["preprocess", &pipeline, "--quiet"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let split = biossl(&["split", &pipeline]);
    assert_eq!(split.status.code(), Some(1), "{}", stdout(&split));
    assert!(stderr(&split).contains("the content of files"), "{}", stderr(&split));
}
