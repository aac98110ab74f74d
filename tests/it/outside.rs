//! Encoders that a run did not train: what they must fit, whom they must not have seen.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::cli::{biossl, json, stderr, tiny_run};

#[test]
fn an_encoder_from_outside_is_judged_only_where_it_fits_and_has_not_seen_the_judges() {
    let run = tiny_run();
    let pipeline = run.join("tiny.toml").display().to_string();
    let weights = run.join("run/checkpoints/base/0/seed-1/encoder.safetensors").display().to_string();
    let probe = |more: &[&str]| biossl(&[&["probe", &pipeline, "--json", "--quiet", "--checkpoint"], more].concat());
    let lines = |output: &Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };

    // The weights for others and the checkpoint are the same encoder.
    let checkpoint = run.join("run/checkpoints/base/0/seed-1/step-00000006.safetensors").display().to_string();
    let [one, other] = [&weights, &checkpoint].map(|file| lines(&probe(&[file]))["classifiers"][0].clone());
    assert_eq!((&one["arm"], &one["validation"]), (&Value::from("encoder-linear"), &other["validation"]));

    // Other windows: both sides are told.
    let store = run.join("other.h5").display().to_string();
    let other = probe(&[&weights, "--set", "preprocess.window_s=1.5", "--store", &store]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("window in samples is 704 there and 540 here"), "{}", stderr(&other));

    // Another split makes people of the pool judges.
    let leak = probe(&[&weights, "--set", "split.seed=3"]);
    assert_eq!(leak.status.code(), Some(1));
    assert!(stderr(&leak).contains("pretraining saw people") && stderr(&leak).contains("--transductive"));
    assert!(stderr(&leak).contains("(by the content of a recording)"), "{}", stderr(&leak));
    let said = lines(&probe(&[&weights, "--set", "split.seed=3", "--transductive"]));
    assert_eq!(said["classifiers"][0]["arm"], "encoder-transductive-linear");

    // Weights from elsewhere say nothing: the pool is declared, or they are refused.
    let bytes = std::fs::read(&weights).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let bare = run.join("bare.safetensors");
    biossl::base::write_atomically(&bare, &safetensors::serialize(file.tensors(), None).unwrap()).unwrap();
    let bare = bare.display().to_string();
    let unsaid = probe(&[&bare]);
    assert_eq!(unsaid.status.code(), Some(1));
    assert!(stderr(&unsaid).contains("outside = { pool"), "{}", stderr(&unsaid));
    let declared = probe(&[&bare, "--set", "outside.pool=[]"]);
    assert!(stderr(&declared).contains("caution: "), "{}", stderr(&declared));
    assert_eq!(lines(&declared)["classifiers"][0]["validation"], one["validation"]);
    let everybody =
        probe(&[&bare, "--set", "outside.pool=[\"100\", \"200\", \"203\", \"208\", \"223\", \"232\", \"233\"]"]);
    assert!(stderr(&everybody).contains("pretraining saw people"), "{}", stderr(&everybody));
}

#[test]
fn an_outside_encoder_has_its_word_beside_every_number() {
    let run = tiny_run();
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| run.join(file).display().to_string();
    let (pipeline, store) = (path("tiny.toml"), path("tiny.h5"));
    let weights = path("run/checkpoints/base/0/seed-1/encoder.safetensors");
    let out = folder.path().join("run").display().to_string();
    let places = ["evaluate", &pipeline, "--store", &store, "--out", &out, "--checkpoint", &weights];
    let ways = "downstream=[{ name = \"linear\", c = [1.0], tau = [0.5] }]";
    let evaluate = [&places[..], &["--quiet", "--json", "--set", ways, "--set", "split.seed=3"]].concat();
    let refused = biossl(&evaluate);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(!folder.path().join("run").exists(), "a refusal leaves nothing behind");
    let judged = json(&[&evaluate[..], &["--transductive"]].concat(), 0);
    let arms: std::collections::BTreeSet<&str> =
        judged["scores"].as_array().unwrap().iter().map(|score| score["arm"].as_str().unwrap()).collect();
    assert!(arms.contains("encoder-transductive-linear") && arms.contains("random-linear"), "{arms:?}");
    assert!(!arms.contains("encoder-linear"));

    // The run is checked like any other: its encoder lies in it, with what it has seen.
    assert_eq!(json(&["verify", &out, "--json"], 0)["disagreements"], Value::from(Vec::<Value>::new()));
    let journal = folder.path().join("run/journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let told = text.replace("\"transductive\":true", "\"transductive\":false");
    assert_ne!(told, text);
    biossl::base::write_atomically(&journal, told.as_bytes()).unwrap();
    biossl::runs::RunFolder::open(Path::new(&out)).unwrap().seal().unwrap();
    let found = json(&["verify", &out, "--json"], 1)["disagreements"].clone();
    assert_eq!(found[0]["expected"], "has seen those who judged it", "{found}");
}

#[test]
fn embeddings_of_a_run_load_as_an_array_with_a_line_a_row() {
    let run = tiny_run();
    let folder = tempfile::tempdir().unwrap();
    let (pipeline, to) = (run.join("tiny.toml").display().to_string(), folder.path().display().to_string());
    let told = json(&["embed", &pipeline, "--arm", "subject-invariant", "--to", &to, "--json", "--quiet"], 0);
    let bytes = std::fs::read(folder.path().join("embeddings.npy")).unwrap();
    let (n, dim) = (told["n"].as_u64().unwrap() as usize, told["dim"].as_u64().unwrap() as usize);
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    assert_eq!(bytes.len(), 128 + 4 * n * dim);
    assert!(bytes[128..].chunks(4).all(|x| f32::from_le_bytes(x.try_into().unwrap()).is_finite()));
    let mut reader = csv::Reader::from_path(folder.path().join("rows.csv")).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["row", "subject", "recording", "session", "start", "label"]);
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), n);
    assert_eq!((&records[0][0], &records[0][1], &records[0][2], &records[0][3]), ("0", "100", "100", "1"));

    // The same encoder from its file, window by window the same numbers.
    let weights = run.join("run/checkpoints/subject-invariant/0/seed-1/encoder.safetensors").display().to_string();
    let again = folder.path().join("again").display().to_string();
    json(&["embed", &pipeline, "--checkpoint", &weights, "--to", &again, "--json", "--quiet"], 0);
    assert!(std::fs::read(folder.path().join("again/embeddings.npy")).unwrap() == bytes);

    let unknown = biossl(&["embed", &pipeline, "--arm", "bass", "--to", &to]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("base, subject-invariant"), "{}", stderr(&unknown));
}
