//! Many recordings through the real program: failures are listed whole, dry runs write nothing, a killed run leaves no
//! store with wrong content.

#![expect(clippy::disallowed_methods, reason = "damaged files are made in temporary folders")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use biossl::base::{Purpose, StreamKey, sha256_hex};
use biossl::data::store::Store;
use serde_json::Value;

use super::cli::{biossl, command, fixture, json, stderr, stdout, tiny_pipeline};

/// A copy of the excerpts of MIT-BIH in `folder`, and the setting that names it.
fn mitdb(folder: &Path) -> (PathBuf, String) {
    let root = folder.join("mitdb");
    fs::create_dir(&root).unwrap();
    for entry in fs::read_dir(fixture("mitdb")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), root.join(entry.file_name())).unwrap();
    }
    let setting = format!("corpus.root='{}'", root.display());
    (root, setting)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// A wrong checksum, a file cut short, a missing annotation file, a lead of no voltage.
fn spoil(root: &Path) {
    change(&root.join("208.dat"), |bytes| bytes[30_000] ^= 1);
    change(&root.join("100.dat"), |bytes| bytes.truncate(bytes.len() / 2));
    fs::remove_file(root.join("203.atr")).unwrap();
    change(&root.join("233.hea"), |text| {
        *text = String::from_utf8(text.clone()).unwrap().replacen(" 200 ", " 200/mmHg ", 1).into_bytes();
    });
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn all_bad_files_are_listed_with_reason_and_remedy_and_no_store_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (root, setting) = mitdb(folder.path());
    spoil(&root);
    let pipeline = tiny_pipeline(folder.path());
    for run in ["preprocess", "run"] {
        let output = biossl(&[run, &pipeline, "--set", &setting, "--quiet"]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        for part in [
            "4 of 7 recordings failed",
            "100.dat",
            "208: ",
            "checksum",
            "203: ",
            "put the annotation file beside the recording",
            "233: ",
            "mmHg",
            "--unit \"MLII=uV\"",
            "allow_failed = true",
        ] {
            assert!(told.contains(part), "`{part}` is missing: {told}");
        }
        assert_eq!(names(folder.path()), ["mitdb", "tiny.toml"]);
    }
}

#[test]
fn failures_that_are_allowed_are_named_by_the_summary_the_store_and_whoever_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let (root, setting) = mitdb(folder.path());
    spoil(&root);
    let pipeline = tiny_pipeline(folder.path());
    let arguments = ["preprocess", &pipeline, "--set", &setting, "--set", "preprocess.allow_failed=true"];
    let made = biossl(&arguments);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let page = stdout(&made);
    assert!(page.contains("3 subjects") && page.contains("failed, not in the store: 208: "), "{page}");
    let store = Store::open(&folder.path().join("tiny.h5")).unwrap();
    let failed: Vec<&str> = store.table().failed.iter().map(|failed| failed.id.as_str()).collect();
    assert_eq!(failed, ["100", "203", "208", "233"]);
    assert_eq!(store.table().recordings.len(), 3);
    let kept = biossl(&arguments);
    assert!(stderr(&kept).contains("missing in the store, failed: 208"), "{}", stderr(&kept));
    // However quiet: what is missing and what is mixed is said, of a store made now and of one that stands.
    for more in [&["--overwrite", "--set", "preprocess.order=2"][..], &["--set", "preprocess.order=2"]] {
        let output = biossl(&[&arguments[..], &["--quiet", "--json"], more].concat());
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(told.contains("caution: ") && told.contains("208: ") && told.contains("203: "), "{told}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["failed"].as_array().unwrap().len(), 4, "{json}");
        assert!(json["mixtures"].is_array(), "{json}");
        assert!(json["excluded"].as_array().unwrap().iter().all(|one| one["reason"].is_string()), "{json}");
    }
}

#[test]
fn lenient_reading_and_given_units_take_what_can_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (root, setting) = mitdb(folder.path());
    spoil(&root);
    fs::copy(fixture("mitdb/203.atr"), root.join("203.atr")).unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let arguments = ["preprocess", &pipeline, "--set", &setting, "--lenient", "--unit", "MLII=mV"];
    // Only one of the files lacks the unit; the others say the same as the setting.
    let summary = json(&[&arguments[..], &["--json"]].concat(), 0);
    assert_eq!(summary["recordings"], 7);
    let warnings = summary["warnings"].to_string();
    assert!(warnings.contains("100: ") && warnings.contains("208: "), "{warnings}");
    let other = biossl(&["preprocess", &pipeline, "--set", &setting, "--lenient", "--unit", "V7=mV", "--overwrite"]);
    let told = stderr(&other);
    assert_eq!(other.status.code(), Some(1), "{told}");
    assert!(told.contains("mmHg"), "{told}");
    fs::copy(fixture("mitdb/233.hea"), root.join("233.hea")).unwrap();
    let unused = biossl(&["preprocess", &pipeline, "--set", &setting, "--lenient", "--unit", "V7=mV", "--overwrite"]);
    assert!(stderr(&unused).contains("`V7` is no picked channel"), "{}", stderr(&unused));
    let nonsense = biossl(&["preprocess", &pipeline, "--unit", "MLII"]);
    assert_eq!(nonsense.status.code(), Some(2));
    let no_voltage = biossl(&["preprocess", &pipeline, "--unit", "MLII=mmHg"]);
    assert_eq!(no_voltage.status.code(), Some(2), "{}", stderr(&no_voltage));
}

#[test]
fn dry_run_foresees_the_store_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let outlook = json(&["preprocess", &pipeline, "--dry-run", "--json"], 0);
    assert_eq!(names(folder.path()), ["tiny.toml"]);
    assert_eq!(outlook["kept"], false);
    let page = stdout(&biossl(&["run", &pipeline, "--dry-run"]));
    for part in ["nothing was written", "disk: ", "free)", "memory: at most ", "can be had)", "time: about "] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(names(folder.path()), ["tiny.toml"]);

    let made = json(&["preprocess", &pipeline, "--json"], 0);
    let forecast = &outlook["forecast"];
    for key in ["windows", "recordings", "dropped", "excluded"] {
        assert_eq!(forecast[key], made[key], "{key}");
    }
    let counts = |value: &Value| -> Vec<(Value, Value)> {
        let classes = value["classes"].as_array().unwrap();
        classes.iter().map(|count| (count["class"].clone(), count["windows"].clone())).collect()
    };
    assert_eq!(counts(forecast), counts(&made));
    let (foreseen, real) = (forecast["bytes"].as_f64().unwrap(), made["bytes"].as_f64().unwrap());
    assert!(foreseen >= real && foreseen < 1.1 * real, "{foreseen} bytes foreseen, {real} written");
    assert_eq!(json(&["preprocess", &pipeline, "--dry-run", "--json"], 0)["kept"], true);
}

#[test]
fn killed_at_any_moment_it_leaves_no_store_with_wrong_content() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let store = folder.path().join("tiny.h5");
    let preprocess = ["preprocess", &pipeline, "--overwrite", "--quiet"];
    let whole = |more: &[&str]| {
        let begun = Instant::now();
        let output = biossl(&[&preprocess[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (sha256_hex(&fs::read(&store).unwrap()), begun.elapsed())
    };
    let (old, _) = whole(&["--set", "preprocess.order=2"]);
    let old_bytes = fs::read(&store).unwrap();
    let (new, lasts) = whole(&[]);
    let mut seen = BTreeMap::new();
    let mut moments = StreamKey::new(11, Purpose::Synthetic).stream();
    for turn in 0..10 {
        // Every other time over a store of another recipe.
        let _ = fs::remove_file(&store);
        if turn % 2 == 1 {
            fs::write(&store, &old_bytes).unwrap();
        }
        let mut child = command(&preprocess).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(lasts.as_secs_f64() * moments.uniform_f64()));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = fs::read(&store).ok().map(|bytes| sha256_hex(&bytes));
        let state = match &found {
            None if turn % 2 == 0 => "none",
            Some(hash) if *hash == old && turn % 2 == 1 => "old",
            Some(hash) if *hash == new => "new",
            _ => panic!("after kill {turn} a store is there that nobody made"),
        };
        *seen.entry(state).or_insert(0) += 1;
    }
    assert!(seen.keys().any(|state| *state != "new"), "nothing was killed in time: {seen:?}");
    assert_eq!(whole(&[]).0, new);
    assert_eq!(names(folder.path()), ["tiny.h5", "tiny.toml"], "something of a killed run is left");
}

#[test]
fn two_thousand_small_recordings_end_with_a_correct_list() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("many");
    fs::create_dir(&root).unwrap();
    let header = fs::read_to_string(fixture("formats/svdb/800.hea")).unwrap();
    fs::copy(fixture("formats/svdb/800.dat"), root.join("800.dat")).unwrap();
    let marks = root.join("r0000.atr");
    fs::copy(fixture("formats/svdb/800.atr"), &marks).unwrap();
    for i in 0..2000 {
        let text = header.replacen("800 2", &format!("r{i:04} 2"), 1);
        fs::write(root.join(format!("r{i:04}.hea")), text).unwrap();
        if i > 0 {
            fs::hard_link(&marks, root.join(format!("r{i:04}.atr"))).unwrap();
        }
    }
    // Three of them are bad, each in its own way.
    fs::remove_file(root.join("r0007.atr")).unwrap();
    fs::write(root.join("r1000.hea"), "r1000 2 128\n").unwrap();
    fs::write(root.join("r1999.hea"), "").unwrap();
    let text = format!(
        "store = '{0}/many.h5'\nfolder = '{0}/run'\nsplit = {{ name = \"shares\" }}\naugment = []\n\
         corpus = {{ name = \"mit-bih\", database = \"other\", rate_hz = 128, leads = [\"ECG1\"], root = '{1}' }}\n\
         preprocess = {{ allow_failed = true, margin_s = 0 }}\n",
        folder.path().display(),
        root.display()
    );
    let pipeline = folder.path().join("many.toml");
    fs::write(&pipeline, text).unwrap();
    let summary = json(&["preprocess", pipeline.to_str().unwrap(), "--json", "--quiet"], 0);
    assert_eq!(summary["recordings"], 1997);
    let failed: Vec<&str> = summary["failed"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(failed, ["r0007", "r1000", "r1999"]);
    let per_recording = summary["windows"].as_u64().unwrap() / 1997;
    assert_eq!(summary["windows"].as_u64().unwrap(), per_recording * 1997);
    let subjects = summary["subjects"].as_array().unwrap();
    assert!(
        subjects.len() == 1997
            && subjects.windows(2).all(|pair| pair[0]["subject"].as_str() < pair[1]["subject"].as_str())
    );
}

/// An EDF file of two channels and no samples but a hole of 3.2 GB.
fn huge_edf(path: &Path) {
    let names = format!("{:<8}{:<80}{:<80}", "0", "X", "X");
    let mut header = names + "01.01.2401.01.01" + &format!("{:<8}{:<44}{:<8}{:<8}{:<4}", 768, "", 5_000_000, 1, 2);
    for (width, words) in [
        (16, ["C3", "C4"]),
        (80, ["", ""]),
        (8, ["uV", "uV"]),
        (8, ["-100", "-100"]),
        (8, ["100", "100"]),
        (8, ["-100", "-100"]),
        (8, ["100", "100"]),
        (80, ["", ""]),
        (8, ["160", "160"]),
        (32, ["", ""]),
    ] {
        header.extend(words.map(|word| format!("{word:<width$}")));
    }
    fs::write(path, &header).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_len(header.len() as u64 + 5_000_000 * 640).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_recording_that_memory_cannot_hold_is_refused_by_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rest");
    fs::create_dir(&root).unwrap();
    huge_edf(&root.join("A.edf"));
    let pipeline = folder.path().join("huge.toml");
    let text = format!(
        "store = '{0}/huge.h5'\nfolder = '{0}/run'\nsplit = {{ name = \"shares\" }}\naugment = []\n\
         corpus = {{ name = \"folder\", signal = \"eeg\", rate_hz = 160, root = '{0}', pattern = \"{{class}}/{{subject}}.edf\", \
         labels = \"path\", channels = [\"C3\"], classes = [{{ name = \"rest\", marks = [\"rest\"] }}, \
         {{ name = \"x\", marks = [\"x\"] }}] }}\npreprocess = {{ reference = \"none\" }}\n",
        folder.path().display()
    );
    fs::write(&pipeline, text).unwrap();
    for more in [&[][..], &["--dry-run"]] {
        // Its whole address space is a gigabyte: whatever asks for more would abort.
        let mut limited = std::process::Command::new("bash");
        limited.args(["-c", "ulimit -v 1000000 && exec \"$@\"", "bash", env!("CARGO_BIN_EXE_biossl"), "preprocess"]);
        let begun = Instant::now();
        let output = limited.arg(&pipeline).args(more).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        for part in ["A.edf", "1 channels of 800000000 samples", "MB can be had", "fewer channels"] {
            assert!(told.contains(part), "`{part}` is missing: {told}");
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the file was read");
        assert_eq!(names(folder.path()), ["huge.toml", "rest"]);
    }
}

#[test]
fn a_store_of_other_recordings_is_refused_and_overwrite_makes_it_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (root, setting) = mitdb(folder.path());
    let pipeline = tiny_pipeline(folder.path());
    let preprocess = ["preprocess", &pipeline, "--set", &setting];
    let refused = |command: &[&str], parts: &[&str]| {
        let output = biossl(command);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {told}");
        for part in [&["was not made of the recordings in", "--overwrite"], parts].concat() {
            assert!(told.contains(part), "`{part}` is missing: {told}");
        }
    };
    assert_eq!(biossl(&preprocess).status.code(), Some(0));
    let kept = biossl(&preprocess);
    assert!(stdout(&kept).contains("kept") || stderr(&kept).contains("made by this recipe"), "{}", stderr(&kept));
    // One more, one of another person, one fewer, one file that is another: each is named.
    for ending in ["hea", "dat", "atr"] {
        fs::copy(fixture("mitdb").join(format!("100.{ending}")), root.join(format!("101.{ending}"))).unwrap();
    }
    change(&root.join("101.hea"), |text| {
        *text = String::from_utf8(text.clone()).unwrap().replace("100", "101").into_bytes();
    });
    for command in [&preprocess[..], &["split", &pipeline, "--set", &setting], &["run", &pipeline, "--set", &setting]] {
        refused(command, &["recording 101 is in the folder and not in the store"]);
    }
    for ending in ["hea", "dat", "atr"] {
        fs::remove_file(root.join(format!("101.{ending}"))).unwrap();
    }
    assert_eq!(biossl(&preprocess).status.code(), Some(0));
    change(&root.join("208.hea"), |text| text.extend(b"# looked at again\n"));
    refused(&preprocess, &["recording 208: 208.hea is not the file that the store was made of"]);
    fs::remove_file(root.join("203.atr")).unwrap();
    fs::remove_file(root.join("203.hea")).unwrap();
    refused(&preprocess, &["recording 203 is in the store and not in the folder"]);
    let again = biossl(&[&preprocess[..], &["--overwrite"]].concat());
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(stderr(&again).contains("made anew: "), "{}", stderr(&again));
    assert_eq!(Store::open(&folder.path().join("tiny.h5")).unwrap().table().recordings.len(), 6);
    // Without the folder nothing can be compared; the store is used all the same, and that is said.
    fs::rename(&root, folder.path().join("elsewhere")).unwrap();
    let away = biossl(&[&preprocess[..], &["--quiet"]].concat());
    assert_eq!(away.status.code(), Some(0), "{}", stderr(&away));
    assert!(stderr(&away).contains("the folder is not there"), "{}", stderr(&away));
}

#[test]
fn overwrite_makes_a_store_with_damaged_samples_anew_and_keeps_a_sound_one() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let path = folder.path().join("tiny.h5");
    let overwrite = ["preprocess", &pipeline, "--overwrite"];
    assert_eq!(biossl(&overwrite).status.code(), Some(0));
    let sound = fs::read(&path).unwrap();
    assert!(stderr(&biossl(&overwrite)).contains("made by this recipe"));
    change(&path, |bytes| bytes[20_000] ^= 1);
    let refused = biossl(&["preprocess", &pipeline]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("--overwrite"), "{}", stderr(&refused));
    let again = biossl(&overwrite);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(fs::read(&path).unwrap() == sound, "the store is made as it was");
}

#[test]
fn overwrite_never_replaces_what_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let path = folder.path().join("tiny.h5");
    fs::copy(fixture("mitdb/100").with_extension("dat"), &path).unwrap();
    let recording = fs::read(&path).unwrap();
    let refused = biossl(&["preprocess", &pipeline, "--overwrite"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("never a file that is none"), "{}", stderr(&refused));
    assert!(fs::read(&path).unwrap() == recording, "it is as it was");
}
