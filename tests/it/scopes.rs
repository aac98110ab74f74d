//! One encoder a person: its own windows, its own folder, nobody else's numbers.

use std::path::Path;
use std::sync::OnceLock;

use biossl::learning::train::{Checkpoint, Checkpoints, Pretrained};
use candle_core::Device;
use tempfile::TempDir;

use super::cli::{biossl, fixture, json, stderr};

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

/// A finished run on three people with the pipeline beside it, shared by the tests that only read it.
fn three_people() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    let folder = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let told = json(&["run", &pipeline(folder.path(), &THREE), "--json", "--quiet"], 0);
        biossl::base::write_atomically(&folder.path().join("stdout.json"), told.to_string().as_bytes()).unwrap();
        folder
    });
    folder.path()
}

const THREE: [&str; 3] = ["200", "208", "233"];

#[test]
fn an_encoder_a_person_never_sees_another_persons_window() {
    let people = THREE;
    let run = three_people().join("run");
    let told = std::fs::read(three_people().join("stdout.json")).unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    for person in people {
        let (pretrained, checkpoint) = encoder(&run, person);
        assert_eq!(pretrained.contract.pool.subjects, [person]);
        let spans = pretrained.contract.pool.spans.unwrap();
        assert!(spans.len() == 1 && spans[0].subject == person, "{spans:?}");
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
    let choices: Vec<&str> =
        told["efforts"].as_array().unwrap().iter().map(|effort| effort["choice"].as_str().unwrap()).collect();
    assert!(choices.iter().any(|choice| choice.starts_with("base-linear, seed 1, fold 1 (208): ")), "{choices:?}");
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
    // Somebody without a label to learn from has no encoder, and is named too.
    let other = tempfile::tempdir().unwrap();
    let few = pipeline(other.path(), &["200", "208"]);
    let output = biossl(&["pretrain", &few, "--set", "evaluate.labels={ people = 1 }"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("(not among the `people` of `evaluate.labels`)"), "{told}");
}

#[test]
fn a_person_needs_a_plan_that_parts_their_own_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path(), &["200", "203", "208", "223", "233"]);
    let output = biossl(&["pretrain", &pipeline, "--quiet", "--set", "split.name=shares"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("within-time"), "{}", stderr(&output));
    assert!(!folder.path().join("run").exists());
}

#[test]
fn the_persons_own_encoder_is_found_or_asked_for() {
    let run = three_people().join("run").display().to_string();
    let predict = |more: &[&'static str]| -> Vec<&str> {
        [&["predict", &run], more, &["--classifier", "base-linear", "--quiet"]].concat()
    };
    // By the recording's person, by name, by number: the same classifier.
    for more in [
        &["fixtures/mitdb/208"][..],
        &["fixtures/mitdb/208", "--subject", "208"],
        &["fixtures/mitdb/208", "--fold", "1"],
    ] {
        let found = json(&[&predict(more)[..], &["--json"]].concat(), 0);
        assert!(found["classifier"].as_str().unwrap().contains("subjects/208/classifiers"), "{found}");
        assert_eq!(found["windows"][0]["seen"], "train");
    }
    // Another person's encoder is a wish that is granted; it has not seen whom it reads.
    let other = json(&[&predict(&["fixtures/mitdb/208", "--subject", "200"])[..], &["--json"]].concat(), 0);
    assert!(other["classifier"].as_str().unwrap().contains("subjects/200/classifiers"), "{other}");
    assert!(other["windows"][0]["seen"].is_null());

    let refused = |arguments: &[&str], words: &[&str]| {
        let output = biossl(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let told = stderr(&output);
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    };
    refused(&predict(&["fixtures/mitdb/100"]), &["`100` has no encoder", "--subject", "200, 208, 233"]);
    refused(&predict(&["fixtures/mitdb/208", "--subject", "100"]), &["`100` has no encoder", "200, 208, 233"]);
    refused(&predict(&["fixtures/mitdb"]), &["20 people", "--subject", "200, 208, 233"]);

    let pipeline = three_people().join("p.toml").display().to_string();
    let to = tempfile::tempdir().unwrap();
    let to = to.path().display().to_string();
    let embed = ["embed", &pipeline, "--to", &to, "--quiet"];
    refused(&embed, &["3 people: 200, 208, 233", "--subject"]);
    let told = json(&[&embed[..], &["--subject", "233", "--json"]].concat(), 0);
    assert!(told["encoder"].as_str().unwrap().contains("subjects/233/checkpoints"), "{told}");
    assert_eq!(told["seen"], serde_json::json!(["233"]));
    let tiny = super::cli::tiny_run().join("run").display().to_string();
    let whole = ["predict", &tiny, "fixtures/mitdb/100", "--classifier", "base-linear", "--subject", "100"];
    refused(&whole, &["nobody has an encoder of their own", "--fold"]);
}

#[test]
fn an_outside_encoder_is_judged_by_windows_and_gaps_within_people() {
    let folder = tempfile::tempdir().unwrap();
    let file = |folder: &Path, name: &str| folder.join(name).display().to_string();
    let pipeline = file(three_people(), "p.toml");
    let weights = three_people().join("run/subjects/200/checkpoints/base/0/seed-1/encoder.safetensors");
    let probe = |weights: &Path, more: &[&str]| {
        let weights = weights.display().to_string();
        biossl(&[&["probe", &pipeline, "--json", "--quiet", "--checkpoint", &weights], more].concat())
    };
    let arms = |output: &std::process::Output| -> Vec<String> {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        told["classifiers"].as_array().unwrap().iter().map(|one| one["arm"].as_str().unwrap().to_owned()).collect()
    };
    // The windows of 200's own pool are a gap away from what judges; the others are in no pool of it.
    assert_eq!(arms(&probe(&weights, &[])), ["encoder-linear"; 3]);
    // One encoder for all under the same cut: the same.
    assert_eq!(arms(&probe(&weights, &["--set", "scope=cross-subject"])), ["encoder-linear"]);
    // Later windows judge: what trained there tests here.
    let later = ["--set", "split.test=0.5"];
    let refused = probe(&weights, &later);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    for word in
        ["encoder.safetensors", "were read in pretraining", "within 10 s", "recording 200", "(200)", "--transductive"]
    {
        assert!(told.contains(word), "{word}: {told}");
    }
    // Said beside every number, in the folds of the others too: it is one encoder.
    let said = [&later[..], &["--transductive"]].concat();
    assert_eq!(arms(&probe(&weights, &said)), ["encoder-transductive-linear"; 3]);

    // A file that does not say where its pool lies is judged by person, and that is said.
    let bytes = std::fs::read(&weights).unwrap();
    let (_, head) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let mut notes: serde_json::Value = serde_json::from_str(&head.metadata().as_ref().unwrap()["biossl"]).unwrap();
    let mut pool: serde_json::Value = serde_json::from_str(notes["pool"].as_str().unwrap()).unwrap();
    assert!(pool.as_object_mut().unwrap().remove("spans").is_some());
    notes["pool"] = pool.to_string().into();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let notes = std::collections::HashMap::from([("biossl".to_owned(), notes.to_string())]);
    let old = folder.path().join("old.safetensors");
    biossl::base::write_atomically(&old, &safetensors::serialize(tensors.tensors(), Some(notes)).unwrap()).unwrap();
    let refused = probe(&old, &["--set", "split.test=0.15"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("does not say which of their windows"), "{}", stderr(&refused));
    assert_eq!(arms(&probe(&weights, &["--set", "split.test=0.15"])), ["encoder-linear"; 3]);
}

/// A recording of the fixture over and over, with other samples for every person and run: times of marks go on.
fn long_recording(to: &Path, person: u8, run: u8) {
    const COPIES: usize = 4;
    let bytes = std::fs::read(fixture("eegmmidb/S001/S001R04.edf")).unwrap();
    let number = |at: usize, length: usize| -> usize {
        std::str::from_utf8(&bytes[at..at + length]).unwrap().trim().parse().unwrap()
    };
    let (header, records, signals) = (number(184, 8), number(236, 8), number(252, 4));
    // 64 signals of 160 samples, then 80 words of annotations.
    let (signal, record) = ((signals - 1) * 160 * 2, (signals - 1) * 160 * 2 + 80 * 2);
    let mut long = bytes[..header].to_vec();
    long[236..244].copy_from_slice(format!("{:<8}", records * COPIES).as_bytes());
    for copy in 0..COPIES {
        for own in bytes[header..].chunks(record).take(records) {
            let other = |(index, byte): (usize, &u8)| {
                if index.is_multiple_of(2) {
                    byte ^ (copy as u8 + 4 * run + 64 * person) & 0x3f ^ person
                } else {
                    *byte
                }
            };
            long.extend(own[..signal].iter().enumerate().map(other));
            let marks = String::from_utf8(own[signal..].to_vec()).unwrap();
            let later = |mark: &str| {
                let (onset, rest) = mark.split_at(mark.find(['\u{14}', '\u{15}']).unwrap());
                format!("+{}{rest}\0", onset[1..].parse::<f64>().unwrap() + (copy * records) as f64)
            };
            let mut marks: String = marks.split('\0').filter(|mark| !mark.is_empty()).map(later).collect();
            marks.push_str(&"\0".repeat(160 - marks.len()));
            long.extend(marks.into_bytes());
        }
    }
    let name = format!("S00{person}R{run:02}.edf");
    biossl::base::write_atomically(&to.join(format!("S00{person}")).join(name), &long).unwrap();
}

#[test]
fn eeg_by_run_goes_from_recordings_to_verified_scores_person_by_person() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (person, run) in [(1, 4), (1, 8), (1, 12), (2, 4), (2, 8), (2, 12)] {
        long_recording(&data, person, run);
    }
    let text = format!(
        "scope = 'per-subject'\nstore = '{0}/s.h5'\nfolder = '{0}/run'\nsplit = {{ name = 'within-run' }}\n\
         downstream = [{{ name = 'linear', c = [1.0], tau = [0.5] }}]\n\
         corpus = {{ name = 'eegmmidb', root = '{0}/data', runs = [4, 8, 12] }}\n\
         encoder = {{ name = 'eeg-sacl', width = 0.0625 }}\ntrain = {{ steps = 2, batch_size = 16 }}\n",
        folder.path().display()
    );
    let path = folder.path().join("p.toml");
    biossl::base::write_atomically(&path, text.as_bytes()).unwrap();
    let told = json(&["run", &path.display().to_string(), "--json", "--quiet"], 0);
    let run = folder.path().join("run");
    for person in ["S001", "S002"] {
        let pool = encoder(&run, person).0.contract.pool;
        let read: Vec<String> = pool.spans.unwrap().into_iter().map(|span| span.recording).collect();
        assert_eq!(read, [format!("{person}R04"), format!("{person}R08")]);
        assert_eq!(pool.subjects, [person]);
    }
    let proofs: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("split.json")).unwrap()).unwrap();
    for (proof, person) in proofs.as_array().unwrap().iter().zip(["S001", "S002"]) {
        assert_eq!(proof["roles"]["test"]["recordings"], serde_json::json!([format!("{person}R12")]));
        assert_eq!(proof["roles"]["validation"]["recordings"], serde_json::json!([format!("{person}R08")]));
        assert_eq!(proof["roles"]["validation"]["windows"], 4, "a third of twelve trials");
    }
    let scores = told["scores"].as_array().unwrap();
    let mean = scores.iter().find(|score| score["metric"] == "accuracy-subject-mean" && score["arm"] == "base-linear");
    assert_eq!(mean.unwrap()["n_subjects"], 2);
    let run = run.display().to_string();
    assert_eq!(json(&["verify", &run, "--json"], 0)["disagreements"], serde_json::json!([]));
    let recording = data.join("S002/S002R12.edf").display().to_string();
    let predicted = json(&["predict", &run, &recording, "--classifier", "base-linear", "--json", "--quiet"], 0);
    assert!(predicted["classifier"].as_str().unwrap().contains("subjects/S002/"), "{predicted}");
    assert_eq!(predicted["windows"].as_array().unwrap().len(), 12);
}
