//! A finished run on new recordings: the very numbers that its test gave, and marks at people who were seen.

use std::collections::BTreeMap;

use super::cli::{biossl, fixture, json, stderr, stdout, tiny_run};

/// Lines of a CSV by its columns.
fn lines(text: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[test]
fn predictions_of_test_people_are_those_of_the_test() {
    let run = tiny_run().join("run");
    let folder = run.display().to_string();
    let tested = lines(&std::fs::read_to_string(run.join("predictions.csv")).unwrap());
    let recording = tested[0]["recording"].clone();
    let path = fixture("mitdb").join(&recording).display().to_string();
    for classifier in ["base-linear", "subject-invariant-fine-tune", "end-to-end"] {
        let output = biossl(&["predict", &folder, &path, "--classifier", classifier, "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output), "", "nobody was seen");
        let found = lines(&stdout(&output));
        let expected = tested.iter().filter(|row| row["arm"] == classifier && row["recording"] == recording);
        let expected: Vec<&BTreeMap<String, String>> = expected.collect();
        assert!(!found.is_empty() && found.len() == expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let event: f64 = expected["event"].parse().unwrap();
            assert_eq!(found["time_s"].parse::<f64>().unwrap(), event / 360.0);
            for (key, value) in expected.iter().filter(|(key, _)| key.starts_with("p_")) {
                assert_eq!(&found[key], value, "{classifier} {key}");
            }
            assert_eq!(found["seen"], "");
        }
    }
}

#[test]
fn people_who_were_seen_are_marked_and_new_ones_are_not() {
    let run = tiny_run().join("run");
    let folder = run.display().to_string();
    let split: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("split.json")).unwrap()).unwrap();
    let person = |role: &str| split[0]["roles"][role]["subjects"][0].as_str().unwrap().to_owned();
    let seen = |recording: &str, classifier: &str| {
        let path = fixture("mitdb").join(recording).with_extension("hea").display().to_string();
        let output = biossl(&["predict", &folder, &path, "--classifier", classifier, "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let seen = lines(&stdout(&output))[0]["seen"].clone();
        assert_eq!(seen.is_empty(), !stderr(&output).contains("caution: people whom the classifier has seen"));
        seen
    };
    assert_eq!(seen(&person("train"), "base-linear"), "train");
    assert_eq!(seen(&person("validation"), "end-to-end"), "validation");
    // Left out of the run, so nobody has seen it.
    assert_eq!(seen("106", "base-linear"), "");

    // The same signals under another name are known by their content; the names say nothing of people then.
    let renamed = tempfile::tempdir().unwrap();
    let record = person("train");
    for ending in ["dat", "atr", "hea"] {
        let bytes = std::fs::read(fixture("mitdb").join(format!("{record}.{ending}"))).unwrap();
        let bytes = if ending == "hea" {
            let text = String::from_utf8(bytes).unwrap();
            text.replacen(&record, "anna", 1).replace(&format!("{record}.dat"), "anna.dat").into_bytes()
        } else {
            bytes
        };
        biossl::base::write_atomically(&renamed.path().join(format!("anna.{ending}")), &bytes).unwrap();
    }
    let at = renamed.path().display().to_string();
    let output = biossl(&["predict", &folder, &at, "--classifier", "base-linear", "--quiet"]);
    assert!(stderr(&output).contains("a person of its own"), "{}", stderr(&output));
    let first = lines(&stdout(&output))[0].clone();
    assert_eq!((first["subject"].as_str(), first["seen"].as_str()), ("anna", "pool"));
}

#[test]
fn windows_slide_over_a_whole_recording_where_asked() {
    let folder = tiny_run().join("run").display().to_string();
    let path = fixture("mitdb/106.hea").display().to_string();
    let to = tempfile::tempdir().unwrap();
    let file = to.path().join("p.json").display().to_string();
    let sliding =
        ["predict", &folder, &path, "--classifier", "base-linear", "--windows", "sliding", "--json", "--quiet"];
    let found = json(&sliding, 0);
    let windows = found["windows"].as_array().unwrap();
    // Two minutes at 360 Hz in windows of 704 samples.
    assert_eq!(windows.len(), 120 * 360 / 704);
    assert_eq!((windows[1]["time_s"].as_f64(), windows[0]["seen"].is_null()), (Some(704.0 / 360.0), true));
    assert_eq!(windows[0]["probabilities"].as_array().unwrap().len(), found["classes"].as_array().unwrap().len());
    assert_eq!(biossl(&[&sliding[..], &["--to", &file]].concat()).status.code(), Some(0));
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, found);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tiny_run().join("run").display().to_string();
    let eeg = fixture("eegmmidb/S001/S001R04.edf").display().to_string();
    let output = biossl(&["predict", &folder, &eeg, "--classifier", "base-linear", "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("MLII") && told.contains("S001R04") && told.contains("a folder without them"), "{told}");
    assert!(!told.contains("aliases") && !told.contains("exclude"), "keys of a run that is finished: {told}");
    let ecg = fixture("mitdb/100.hea").display().to_string();
    for more in [&["--classifier", "base-knn"][..], &[], &["--classifier", "base-linear", "--fold", "3"]] {
        let output = biossl(&[&["predict", &folder, &ecg][..], more].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("base-linear, end-to-end"), "{}", stderr(&output));
    }
    let output = biossl(&["predict", &folder, "/nonexistent/dir", "--classifier", "base-linear"]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("/nonexistent/dir: there is no such recording or folder") && told.contains(".edf"), "{told}");
    let nothing = tempfile::tempdir().unwrap();
    let output = biossl(&["predict", &folder, nothing.path().to_str().unwrap(), "--classifier", "base-linear"]);
    assert!(stderr(&output).contains("no recording"), "{}", stderr(&output));
}

#[test]
fn recordings_that_fail_are_named_and_the_exit_code_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new");
    for name in ["100.hea", "100.dat", "100.atr", "106.hea", "106.dat", "106.atr", "119.hea", "119.dat", "119.atr"] {
        let bytes = std::fs::read(fixture("mitdb").join(name)).unwrap();
        let bytes = match name {
            "100.dat" => bytes[..999].to_vec(),
            "119.hea" => String::from_utf8(bytes).unwrap().replace("MLII", "aVR").into_bytes(),
            _ => bytes,
        };
        biossl::base::write_atomically(&new.join(name), &bytes).unwrap();
    }
    let (run, to) = (tiny_run().join("run").display().to_string(), folder.path().join("p.csv"));
    let at = new.display().to_string();
    let arguments = ["predict", &run, &at, "--classifier", "base-linear", "--quiet"];
    let output = biossl(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("caution: 2 of 3 recordings cannot be used"), "{told}");
    assert!(told.contains("100.dat") && told.contains("119.hea") && told.contains("MLII"), "{told}");
    // Nothing that the command line could not do.
    assert!(!told.contains("exclude") && !told.contains("allow_failed") && !told.contains("[preprocess]"), "{told}");
    assert!(lines(&stdout(&output)).iter().all(|line| line["recording"] == "106"));
    let found = json(&[&arguments[..], &["--json"]].concat(), 1);
    let named = |list: &str| -> Vec<String> {
        found[list].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (named("left_out"), named("failed")),
        (vec!["100".into(), "119".into()], vec!["100".into(), "119".into()])
    );
    assert!(!found["windows"].as_array().unwrap().is_empty());

    // None that can be used: an error, and no file.
    let bad = new.join("119.hea").display().to_string();
    let file = to.display().to_string();
    let output = biossl(&["predict", &run, &bad, "--classifier", "base-linear", "--quiet", "--to", &file]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("1 of 1 recordings cannot be used") && told.contains("MLII") && !to.exists(), "{told}");
    assert!(!told.contains("exclude") && told.contains("pipeline.toml"), "{told}");
}
