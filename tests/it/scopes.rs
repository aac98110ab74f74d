//! One encoder a person: its own windows, its own folder, nobody else's numbers.

use std::path::Path;

use biossl::learning::train::{Checkpoint, Checkpoints, Pretrained};
use candle_core::Device;

use super::cli::{biossl, json, stderr};

const PIPELINE: &str = r#"
scope = "per-subject"
downstream = [{ name = "linear", c = [1.0], tau = [0.5] }]
corpus = { name = "mit-bih", root = "fixtures/mitdb", exclude = [EXCLUDE] }
split = { name = "within-time" }
encoder = { name = "ecg-sacl", width = 0.0625 }
train = { steps = 4, batch_size = 32, checkpoint_every = 2 }
"#;

const ALL: [&str; 21] = [
    "100", "102", "106", "114", "118", "119", "124", "200", "201", "202", "203", "207", "208", "209", "213", "220",
    "222", "223", "232", "233", "234",
];

/// A pipeline on the people that `keep` names.
fn pipeline(folder: &Path, keep: &[&str]) -> String {
    let exclude: Vec<String> = ALL.iter().filter(|id| !keep.contains(id)).map(|id| format!("\"{id}\"")).collect();
    let places = format!("store = '{0}/s.h5'\nfolder = '{0}/run'\n", folder.display());
    let path = folder.join("p.toml");
    let text = format!("{places}{}", PIPELINE.replace("EXCLUDE", &exclude.join(", ")));
    biossl::base::write_atomically(&path, text.as_bytes()).unwrap();
    path.display().to_string()
}

/// The newest checkpoint of a person.
fn encoder(run: &Path, person: &str) -> (Pretrained, Checkpoint) {
    let arm = run.join("subjects").join(person).join("checkpoints/base");
    let fold = std::fs::read_dir(&arm).unwrap().next().unwrap().unwrap().path();
    let path = Checkpoints::newest(&fold.join("seed-1")).unwrap().unwrap();
    (Pretrained::from_checkpoint(&path, &Device::Cpu).unwrap(), Checkpoint::read(&path).unwrap())
}

#[test]
fn an_encoder_a_person_never_sees_another_persons_window() {
    let people = ["200", "208", "233"];
    let folder = tempfile::tempdir().unwrap();
    let told = json(&["run", &pipeline(folder.path(), &people), "--json", "--quiet"], 0);
    let run = folder.path().join("run");
    for person in people {
        let (pretrained, checkpoint) = encoder(&run, person);
        assert_eq!(pretrained.contract.pool.subjects, [person]);
        assert_eq!(pretrained.contract.settings["scope"], "per-subject");
        assert_eq!(pretrained.contract.settings["objective"]["in_batch"], "always");
        assert_eq!(checkpoint.header.step, 4);
        assert!(run.join("subjects").join(person).join("classifiers/base-linear").is_dir());
    }
    // Alone in the store, the first person gets the very same encoder.
    let alone = tempfile::tempdir().unwrap();
    let output = biossl(&["pretrain", &pipeline(alone.path(), &people[..1]), "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let [together, alone] = [&run, &alone.path().join("run")].map(|run| encoder(run, people[0]).0);
    assert_eq!(together.group.to_vec().unwrap(), alone.group.to_vec().unwrap());
    assert_eq!(together.group.running_to_vec().unwrap(), alone.group.running_to_vec().unwrap());

    // Scores are means over people; every test window is predicted once an arm, by its own person's classifier.
    let scores = told["scores"].as_array().unwrap();
    let mean = scores.iter().find(|score| score["metric"] == "accuracy-subject-mean" && score["arm"] == "base-linear");
    assert_eq!(mean.unwrap()["n_subjects"], 3);
    let mut rows = std::collections::BTreeMap::new();
    for record in csv::Reader::from_path(run.join("predictions.csv")).unwrap().records() {
        let record = record.unwrap();
        assert!(rows.insert((record[0].to_owned(), record[3].to_owned()), record[4].to_owned()).is_none());
    }
    let tested: std::collections::BTreeSet<&String> = rows.values().collect();
    assert_eq!(tested.len(), 3);

    // The run is checked and used like any other; a fold is a person.
    let run = run.display().to_string();
    assert_eq!(json(&["verify", &run, "--json"], 0)["disagreements"], serde_json::json!([]));
    let predicted = ["predict", &run, "fixtures/mitdb/208", "--classifier", "base-linear", "--fold", "1", "--json"];
    let predicted = json(&predicted, 0);
    assert!(predicted["classifier"].as_str().unwrap().contains("subjects/208/classifiers"), "{predicted}");
    assert_eq!(predicted["windows"][0]["seen"], "train");
}

#[test]
fn people_with_one_class_are_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = biossl(&["pretrain", &pipeline(folder.path(), &["114", "208"])]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("no encoder for: 114 (one class in train (N))"), "{}", stderr(&output));
    let people: Vec<_> = std::fs::read_dir(folder.path().join("run/subjects")).unwrap().collect();
    assert_eq!(people.len(), 1);
}

#[test]
fn a_person_needs_a_plan_that_parts_their_own_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path(), &["200", "203", "208", "223", "233"]);
    let output = biossl(&["pretrain", &pipeline, "--quiet", "--set", "split.name=shares"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("within-time"), "{}", stderr(&output));
    assert!(!folder.path().join("run").exists());
}
