//! Encoders that a run did not train: what they must fit, whom they must not have seen.

use std::path::Path;
use std::process::Output;

use biossl::judging::downstream::Classifier;
use biossl::runs::RunFolder;
use candle_core::Device;
use serde_json::Value;

use super::cli::{biossl, json, stderr, tiny_run};
use super::verify::copy;

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
    // Whom pretraining saw and who is unseen follows from the encoder, not from this split's pool.
    let split: Value = serde_json::from_slice(&std::fs::read(run.join("run/split.json")).unwrap()).unwrap();
    let pretrained_on = split[0]["pool"]["subjects"].as_array().unwrap();
    let known = judged["identity_counts"].as_array().unwrap();
    let left_out = |one: &&Value| (one["crowd"] == "pool") != pretrained_on.contains(&one["subject"]);
    assert!(known.iter().any(|one| one["crowd"] == "pool") && known.iter().find(left_out).is_none(), "{known:?}");
    let here: Value = serde_json::from_slice(&std::fs::read(folder.path().join("run/split.json")).unwrap()).unwrap();
    assert_ne!(here[0]["pool"]["subjects"], split[0]["pool"]["subjects"]);

    // The run is checked like any other: its encoder lies in it, with what it has seen.
    assert_eq!(json(&["verify", &out, "--json"], 0)["disagreements"], Value::from(Vec::<Value>::new()));

    // The pipeline's own arms are not trained in it, and it is not gone on with.
    let resumed = [&["run", &pipeline, "--store", &store, "--out", &out][..], &evaluate[8..], &["--resume"]].concat();
    let resumed = biossl(&resumed);
    assert_eq!(resumed.status.code(), Some(1), "{}", stderr(&resumed));
    assert!(stderr(&resumed).contains("an encoder from outside (") && stderr(&resumed).contains("another --out"));
    let broken = folder.path().join("broken");
    copy(Path::new(&out), &broken);
    let lines = std::fs::read_to_string(broken.join("journal.jsonl")).unwrap();
    let lines: String =
        lines.lines().filter(|line| !line.contains("\"event\":\"end\"")).flat_map(|line| [line, "\n"]).collect();
    biossl::base::write_atomically(&broken.join("journal.jsonl"), lines.as_bytes()).unwrap();
    let unfinished = stderr(&biossl(&["verify", &broken.display().to_string()]));
    assert!(unfinished.contains("biossl evaluate") && !unfinished.contains("--resume"), "{unfinished}");

    // The copy is the encoder that was judged, number by number.
    let changed = folder.path().join("changed");
    copy(Path::new(&out), &changed);
    let weights = changed.join("checkpoints/encoder-transductive/0/outside/encoder.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    biossl::base::write_atomically(&weights, &bytes).unwrap();
    RunFolder::open(&changed).unwrap().seal().unwrap();
    let found = json(&["verify", &changed.display().to_string(), "--json"], 1)["disagreements"].clone();
    assert!(
        found.as_array().unwrap().len() == 1 && found[0]["place"].as_str().unwrap().ends_with("SHA-256"),
        "{found}"
    );
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
fn outside_encoders_stand_beside_controls_and_are_compared() {
    let run = tiny_run();
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| run.join(file).display().to_string();
    let (pipeline, store) = (path("tiny.toml"), path("tiny.h5"));
    let judge = |arm: &str, name: &str| {
        let file = folder.path().join(name).with_extension("safetensors");
        std::fs::copy(run.join(format!("run/checkpoints/{arm}/0/seed-1/encoder.safetensors")), &file).unwrap();
        let (file, out) = (file.display().to_string(), folder.path().join(format!("of-{name}")).display().to_string());
        let ways = "downstream=[{ name = \"linear\", c = [1.0], tau = [0.5] }]";
        let places = ["evaluate", &pipeline, "--store", &store, "--out", &out, "--checkpoint", &file];
        (biossl(&[&places[..], &["--quiet", "--set", ways, "--set", "evaluate.identity=false"]].concat()), out)
    };
    let ledger = std::fs::read_dir(run).unwrap().count();
    let (refused, out) = judge("base", "random");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("`random` is the name of a control"), "{}", stderr(&refused));
    assert!(!Path::new(&out).exists() && std::fs::read_dir(run).unwrap().count() == ledger);

    // An arm whose name begins a control's leaves the control what it is: trained from nobody's encoder.
    let ((first, end), (second, other)) = (judge("base", "end"), judge("subject-invariant", "other"));
    assert_eq!((first.status.code(), second.status.code()), (Some(0), Some(0)), "{}", stderr(&first));
    let pool = |name: &str| {
        let file = RunFolder::open(Path::new(&end)).unwrap().finished_classifier(name, 0, 1).unwrap().unwrap();
        Classifier::read(&file, &Device::Cpu).unwrap().contract.pool.subjects
    };
    assert!(pool("end-to-end").is_empty() && !pool("end-linear").is_empty());
    let found = json(&["compare", &end, &other, "--json"], 0).to_string();
    assert!(found.contains("end-linear") && found.contains("other-linear"), "{found}");
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
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("base, subject-invariant"), "{}", stderr(&unknown));
}
