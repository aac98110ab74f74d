//! A run says what its files say: `verify` finds every change, `compare` compares the same people only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use biossl::pipeline::{Verified, verify};
use biossl::runs::RunFolder;
use serde_json::Value;

use super::cli::{TINY, biossl, json, stderr, stdout, tiny_run};

/// A copy of a whole folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { std::fs::copy(&path, &target).map(drop).unwrap() }
    }
}

/// A copy of the tiny run, and the change that is made to it.
struct Changed {
    folder: tempfile::TempDir,
}

impl Changed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&tiny_run().join("run"), &folder.path().join("run"));
        Self { folder }
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Changes a file's text and seals the run anew: the manifest would tell of any change by itself.
    fn text(self, file: &str, change: impl Fn(&str) -> String) -> Self {
        let path = self.run().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "nothing was changed in {file}");
        biossl::base::write_atomically(&path, after.as_bytes()).unwrap();
        RunFolder::open(&self.run()).unwrap().seal().unwrap();
        self
    }

    fn json(self, file: &str, change: impl Fn(&mut Value)) -> Self {
        self.text(file, |text| {
            let mut value = serde_json::from_str(text).unwrap();
            change(&mut value);
            format!("{}\n", serde_json::to_string_pretty(&value).unwrap())
        })
    }

    /// Flips a bit in the last number of a file of weights, and seals the run anew.
    fn bit(self, file: &str) -> Self {
        let path = self.run().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        biossl::base::write_atomically(&path, &bytes).unwrap();
        RunFolder::open(&self.run()).unwrap().seal().unwrap();
        self
    }

    fn verified(&self) -> Verified {
        verify(&self.run(), None).unwrap()
    }

    /// Verifies, and expects a line about such a place.
    fn refused(&self, place: &str) {
        let found = self.verified().disagreements;
        assert!(found.iter().any(|one| one.place.contains(place)), "{place}: {found:?}");
    }
}

#[test]
fn an_untouched_run_agrees_with_itself() {
    let run = tiny_run().join("run");
    let found = json(&["verify", &run.display().to_string(), "--json"], 0);
    assert_eq!((&found["agrees"], &found["disagreements"]), (&Value::from(true), &Value::from(Vec::<Value>::new())));
    assert!(found["checked"].as_array().unwrap().len() >= 8, "{found}");
    let page = stdout(&biossl(&["verify", &run.display().to_string()]));
    assert!(page.ends_with("everything agrees\n"), "{page}");
}

#[test]
fn the_manifest_tells_a_changed_file() {
    let changed = Changed::new();
    let path = changed.run().join("scores.json");
    let text = std::fs::read_to_string(&path).unwrap();
    biossl::base::write_atomically(&path, format!("{text}\n").as_bytes()).unwrap();
    let output = biossl(&["verify", &changed.run().display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("scores.json: changed, added or lost") && stdout(&output).contains("1 disagreement")
    );
}

#[test]
fn a_run_that_has_not_ended_is_told_from_one_that_lost_a_file() {
    let without = |lost: &str, event: &str| {
        let changed = Changed::new().text("journal.jsonl", |text| {
            let stays = |line: &&str| !line.contains(&format!("\"event\":\"{event}\""));
            text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect()
        });
        std::fs::remove_file(changed.run().join(lost)).unwrap();
        let output = biossl(&["verify", &changed.run().display().to_string()]);
        assert_ne!(output.status.code(), Some(0));
        stderr(&output)
    };
    let message = without("predictions.csv", "end");
    assert!(message.contains("the run is not finished") && message.contains("--resume"), "{message}");
    let message = without("predictions.csv", "probe");
    assert!(!message.contains("not finished") && message.contains("predictions.csv"), "{message}");
}

#[test]
fn one_digit_is_found() {
    let digit = |value: &mut Value| *value = (value.as_f64().unwrap() + 0.001).into();
    Changed::new()
        .json("scores.json", |scores| digit(&mut scores[0]["value"]))
        .refused("scores.json: [0].value (majority, accuracy");
    let evaluation = |change: &dyn Fn(&mut Value)| Changed::new().json("evaluation.json", change);
    evaluation(&|all| digit(&mut all["scores"][3]["value"])).refused("evaluation.json: scores[3].value");
    evaluation(&|all| digit(&mut all["people"][0]["accuracy"])).refused("evaluation.json: people[0].accuracy");
    evaluation(&|all| digit(&mut all["comparisons"][0]["p"])).refused("evaluation.json: comparisons[0].p");
    evaluation(&|all| digit(&mut all["identity"][0]["accuracy"]))
        .refused("identity[0].accuracy (random, linear, pool)");
    evaluation(&|all| digit(&mut all["identity"][1]["task"]["value"])).refused("identity[1].task.value");
    let other = |count: &mut Value| *count = u64::from(*count == 0).into();
    evaluation(&|all| other(&mut all["identity_counts"][2]["two_layer"]))
        .refused("identity_counts[2].two_layer (random, pool,");
    evaluation(&|all| all["matrices"][0]["cells"][0][0] = 7.into()).refused("evaluation.json: matrices[0].cells");
    evaluation(&|all| digit(&mut all["efforts"][1]["validation"])).refused("validation");
    evaluation(&|all| all["efforts"][4]["updates"] = 3.into()).refused("evaluation.json: efforts[4].updates");
    evaluation(&|all| all["costs"][1]["windows"] = 3.into()).refused("evaluation.json: costs[1].windows");
}

/// A list of the evaluation, changed.
fn list(all: &mut Value, key: &str, change: impl FnOnce(&mut Vec<Value>)) {
    change(all[key].as_array_mut().unwrap());
}

#[test]
fn what_was_recorded_beside_the_predictions_is_not_believed_to_itself() {
    let evaluation = |change: &dyn Fn(&mut Value)| Changed::new().json("evaluation.json", change);
    let both = ["identity", "identity_counts"];
    evaluation(&|all| {
        for key in both {
            list(all, key, Vec::clear);
        }
    })
    .refused("evaluation.json: identity");
    evaluation(&|all| {
        for key in both {
            list(all, key, |rows| rows.retain(|row| row["crowd"] != "unseen"));
        }
    })
    .refused("evaluation.json: identity_counts");
    evaluation(&|all| {
        let other = |row: &mut Value| {
            let word = if row["crowd"] == "pool" { "unseen" } else { "pool" };
            row["crowd"] = word.into();
        };
        for key in both {
            list(all, key, |rows| rows.iter_mut().for_each(other));
        }
    })
    .refused("evaluation.json: identity_counts[0]");
    evaluation(&|all| list(all, "identity_left_out", |people| people.push("S001".into())))
        .refused("evaluation.json: identity_left_out");
    evaluation(&|all| list(all, "efforts", Vec::clear)).refused("evaluation.json: efforts");
    evaluation(&|all| {
        list(all, "efforts", |efforts| {
            for effort in efforts {
                (effort["updates"], effort["windows"]) = (0.into(), 0.into());
            }
        });
    })
    .refused("updates (base-fine-tune, seed 1, fold 0)");
    evaluation(&|all| all["efforts"][1]["tried"] = 999.into()).refused("evaluation.json: efforts[1].tried");
}

#[test]
fn what_the_journal_must_have_of_choices_and_identity_follows_from_pipeline_and_proofs() {
    let lines = |keep: &dyn Fn(&Value) -> bool, change: &dyn Fn(&mut Value)| {
        Changed::new().text("journal.jsonl", |text| {
            let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let entries = entries.filter(|entry| keep(entry)).map(|mut entry| {
                change(&mut entry);
                entry
            });
            entries.map(|entry| entry.to_string() + "\n").collect()
        })
    };
    let of = |entry: &Value, event: &str| entry["event"] == event;
    lines(&|entry| !of(entry, "identity"), &|_| {})
        .json("evaluation.json", |all| {
            for key in ["identity", "identity_counts"] {
                list(all, key, Vec::clear);
            }
        })
        .refused("journal.jsonl: identity of random, pool, seed 1, fold 0");
    lines(&|entry| !(of(entry, "identity") && entry["crowd"] == "unseen" && entry["arm"] == "base"), &|_| {})
        .refused("journal.jsonl: identity of base, unseen, seed 1, fold 0");
    lines(&|_| true, &|entry| {
        if of(entry, "identity") {
            list(entry, "known", |people| drop(people.pop()));
        }
    })
    .refused("journal.jsonl: identity of random, pool");
    lines(&|_| true, &|entry| {
        if of(entry, "identity") && entry["arm"] == "base" {
            let windows = entry["known"][0]["windows"].as_u64().unwrap();
            entry["known"][0]["windows"] = (windows + 1).into();
        }
    })
    .refused("journal.jsonl: identity of base, pool");
    lines(&|entry| !(of(entry, "test") && entry["arm"] == "base-linear"), &|_| {})
        .refused("journal.jsonl: `test` of base-linear, seed 1, fold 0");
    // A training that is said to have cost nothing.
    lines(&|_| true, &|entry| {
        if of(entry, "test") && entry["arm"] == "end-to-end" {
            (entry["updates"], entry["windows"]) = (0.into(), 0.into());
        }
    })
    .refused("journal.jsonl: end-to-end, seed 1, fold 0");
}

#[test]
fn an_evaluation_of_an_earlier_version_is_told_as_such() {
    let changed = Changed::new().json("evaluation.json", |all| drop(all.as_object_mut().unwrap().remove("schema")));
    let output = biossl(&["verify", &changed.run().display().to_string()]);
    let message = stderr(&output);
    assert!(message.contains("an earlier version judged this run") && message.contains("--resume"), "{message}");
}

#[test]
fn each_crowd_is_the_people_of_the_proof_and_random_stands_in_every_one() {
    let run = RunFolder::open(&tiny_run().join("run")).unwrap();
    let (proofs, evaluation): (Vec<Value>, Value) = (run.read_splits().unwrap(), run.read_evaluation().unwrap());
    let counts = evaluation["identity_counts"].as_array().unwrap();
    let left_out = &evaluation["identity_left_out"];
    let people = |role: &Value| -> Vec<String> {
        role["subjects"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let mut n = 0;
    for proof in &proofs {
        let unseen = [people(&proof["roles"]["validation"]), people(&proof["roles"]["test"])].concat();
        for (crowd, everybody) in [("pool", people(&proof["pool"])), ("unseen", unseen)] {
            let expected: BTreeSet<String> = everybody
                .into_iter()
                .filter(|id| !left_out.as_array().unwrap().contains(&id.as_str().into()))
                .collect();
            assert!(expected.len() > 1, "{crowd}");
            let mut windows = BTreeSet::new();
            for encoder in ["random", "base", "subject-invariant"] {
                let mine: Vec<&Value> = counts
                    .iter()
                    .filter(|count| {
                        (&count["encoder"], &count["crowd"], &count["fold"])
                            == (&encoder.into(), &crowd.into(), &proof["fold"])
                            && count["seed"] == 1
                    })
                    .collect();
                let asked: BTreeSet<String> =
                    mine.iter().map(|count| count["subject"].as_str().unwrap().to_owned()).collect();
                assert_eq!((&asked, mine.len()), (&expected, expected.len()), "{encoder}, {crowd}");
                windows.extend(mine.iter().map(|count| count["windows"].as_u64().unwrap()));
                n += mine.len();
            }
            assert_eq!(windows.len(), 1, "as many for everybody: {windows:?}");
        }
    }
    assert_eq!(n, counts.len(), "nobody else is asked about");
}

#[test]
fn one_prediction_is_found() {
    let line = |text: &str, change: &dyn Fn(Vec<&str>) -> String| -> String {
        let changed = |(index, line): (usize, &str)| {
            if index == 40 { change(line.split(',').collect()) } else { line.to_owned() + "\n" }
        };
        text.lines().enumerate().map(changed).collect()
    };
    let with = |column: usize, word: &'static str| {
        move |cells: Vec<&str>| {
            let mut cells = cells;
            cells[column] = word;
            cells.join(",") + "\n"
        }
    };
    let table =
        |change: &dyn Fn(Vec<&str>) -> String| Changed::new().text("predictions.csv", |text| line(text, change));
    table(&with(8, "0.4321")).refused("brier");
    table(&with(7, "V")).refused("predictions.csv");
    table(&with(6, "11")).refused("predictions.csv");
    table(&with(4, "nobody")).refused("predictions.csv");
    table(&|_| String::new()).refused("predictions.csv");
    table(&|cells| (cells.join(",") + "\n").repeat(2)).refused("predictions.csv");
}

#[test]
fn one_hash_is_found() {
    let wrong = |value: &mut Value| *value = value.as_str().unwrap().chars().rev().collect::<String>().into();
    Changed::new().json("split.json", |proofs| wrong(&mut proofs[0]["split_hash"])).refused("split");
    Changed::new().json("split.json", |proofs| wrong(&mut proofs[0]["recipe_hash"])).refused("recipe_hash");
    let journal = |key: &'static str| {
        Changed::new().text("journal.jsonl", move |text| {
            let change = |line: &str| {
                let mut entry: Value = serde_json::from_str(line).unwrap();
                if entry[key].is_string() {
                    wrong(&mut entry[key]);
                }
                format!("{entry}\n")
            };
            text.lines().map(change).collect()
        })
    };
    journal("pipeline_hash").refused("pipeline_hash");
    journal("weights_hash").refused("journal.jsonl: base-linear");
    journal("store_hash").refused("SHA-256");
    Changed::new()
        .text("pipeline.toml", |text| text.replace("weight_decay = 0.01", "weight_decay = 0.02"))
        .refused("pipeline_hash");
}

#[test]
fn one_bit_of_any_weights_is_found() {
    for file in ["checkpoints/base/0/seed-1/encoder.safetensors", "classifiers/base-linear/0/seed-1.safetensors"] {
        Changed::new().bit(file).refused(&format!("{file}: SHA-256"));
    }
    Changed::new()
        .bit("classifiers/base-linear/0/seed-1.safetensors")
        .refused("seed-1.safetensors: hash of its weights");
    let folder = tiny_run().join("run/checkpoints/base/0/seed-1");
    let newest = biossl::learning::train::Checkpoints::newest(&folder).unwrap().unwrap();
    let newest = newest.strip_prefix(tiny_run().join("run")).unwrap().to_str().unwrap();
    Changed::new().bit(newest).refused(&format!("{newest}: SHA-256"));
    // What a run of an earlier version did not write down is told, not passed over.
    let lost = Changed::new().text("journal.jsonl", |text| {
        let stays = |line: &&str| !line.contains("\"event\":\"weights\"");
        text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect()
    });
    let verified = lost.verified();
    assert!(verified.disagreements.is_empty(), "{:?}", verified.disagreements);
    assert!(verified.checked.iter().any(|line| line.contains("no hash of encoders")), "{:?}", verified.checked);
}

#[test]
fn one_role_is_found() {
    let other = |proofs: &Value, role: &str| proofs[0]["roles"][role]["subjects"][0].clone();
    let moved = |from: &'static str, to: &'static str| {
        Changed::new().json("split.json", move |proofs| {
            let person = other(proofs, from);
            proofs[0]["roles"][to]["subjects"].as_array_mut().unwrap().push(person);
        })
    };
    moved("train", "test").refused("train and test");
    moved("test", "train").refused("train and test");
    moved("validation", "test").refused("validation and test");
    Changed::new()
        .json("split.json", |proofs| {
            let person = other(proofs, "test");
            proofs[0]["pool"]["subjects"].as_array_mut().unwrap().push(person);
        })
        .refused("pool and test");
}

#[test]
fn a_reading_that_the_ledger_lacks_and_another_store_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("tiny.h5");
    std::fs::copy(tiny_run().join("tiny.h5"), &store).unwrap();
    let ledger = "tiny.h5.test-reads.jsonl";
    let text = std::fs::read_to_string(tiny_run().join(ledger)).unwrap();
    let run = tiny_run().join("run");
    let verified = |ledger_text: &str| {
        biossl::base::write_atomically(&folder.path().join(ledger), ledger_text.as_bytes()).unwrap();
        verify(&run, Some(&store)).unwrap().disagreements
    };
    assert_eq!(verified(&text), []);
    let found = verified(&text.lines().skip(1).flat_map(|line| [line, "\n"]).collect::<String>());
    assert!(
        matches!(&found[..], [one] if one.place.contains("majority") && one.expected.contains(ledger)),
        "{found:?}"
    );
    std::fs::remove_file(&store).unwrap();
    assert!(verified(&text).iter().any(|one| one.found == "no such file"));
}

#[test]
fn a_way_with_fewer_seeds_is_judged_told_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    // The store of the tiny run, so that nothing is preprocessed.
    std::fs::copy(tiny_run().join("tiny.h5"), folder.path().join("tiny.h5")).unwrap();
    let more = "[evaluate]\nidentity = false\nrr = [\"none\", \"rr\"]\n";
    let text = TINY
        .replace("seeds = [1]", "seeds = [1, 2]")
        .replace("name = \"fine-tune\",", "name = \"fine-tune\", seeds = [2],")
        .replace("[\"base\", \"subject-invariant\"]", "[\"base\"]")
        .replace("steps = 6", "steps = 2");
    let places = format!("store = '{0}/tiny.h5'\nfolder = '{0}/run'\n", folder.path().display());
    let pipeline = folder.path().join("seeds.toml").display().to_string();
    biossl::base::write_atomically(Path::new(&pipeline), format!("{places}{text}{more}").as_bytes()).unwrap();
    let outlook = json(&["run", &pipeline, "--dry-run", "--json", "--quiet"], 0);
    assert_eq!((&outlook["training"]["rounds"], &outlook["training"]["identity_s"]), (&2.into(), &0.0.into()));
    let found = json(&["run", &pipeline, "--json", "--quiet"], 0);
    let seeds = |arm: &str| -> Vec<u64> {
        let mine = found["matrices"].as_array().unwrap().iter().filter(|matrix| matrix["arm"] == arm);
        mine.map(|matrix| matrix["seed"].as_u64().unwrap()).collect()
    };
    for arm in ["majority", "random-linear", "base-linear", "rr-linear", "random-linear-rr", "base-linear-rr"] {
        assert_eq!(seeds(arm), [1, 2], "{arm}");
    }
    for arm in ["base-fine-tune", "end-to-end", "base-fine-tune-rr", "end-to-end-rr"] {
        assert_eq!(seeds(arm), [2], "{arm}");
    }
    let common = |first: &str, second: &str| {
        let comparisons = found["comparisons"].as_array().unwrap();
        let one = comparisons.iter().find(|one| one["first"] == first && one["second"] == second);
        one.unwrap_or_else(|| panic!("{first} - {second}"))["seeds"].as_u64().unwrap()
    };
    assert_eq!((common("base-linear", "end-to-end"), common("base-linear-rr", "rr-linear")), (1, 2));
    assert_eq!(found["identity"], Value::Array(vec![]));

    // Resumed it is told once more, from its files; the seeds stand in the table.
    let again = biossl(&["run", &pipeline, "--quiet", "--resume"]);
    let page = stdout(&again);
    let line = page.lines().find(|line| line.starts_with("base-fine-tune ")).unwrap_or_else(|| panic!("{page}"));
    assert_eq!(line.split_whitespace().nth(1), Some("2"), "{page}");
    assert!(page.contains("base-linear - end-to-end"), "{page}");
    let run = folder.path().join("run");
    assert_eq!(verify(&run, None).unwrap().disagreements, []);
    // A seed of one arm is cut out of the predictions.
    let path = run.join("predictions.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let cut: String =
        text.lines().filter(|line| !line.starts_with("base-linear,2,")).flat_map(|line| [line, "\n"]).collect();
    biossl::base::write_atomically(&path, cut.as_bytes()).unwrap();
    RunFolder::open(&run).unwrap().seal().unwrap();
    let found = verify(&run, None).unwrap().disagreements;
    assert!(found.iter().any(|one| one.found.contains("`base-linear` was judged with seeds [1]")), "{found:?}");
}

#[test]
fn runs_are_compared_on_the_same_people_or_refused() {
    let run = tiny_run().join("run").display().to_string();
    let found = json(&["compare", &run, &run, "--json"], 0);
    let comparisons = found["comparisons"].as_array().unwrap();
    // Each arm but the majority with itself, and the pretrained arms across.
    assert!(comparisons.len() >= 6, "{found}");
    let of = |one: &Value, key: &str| one[key].clone();
    assert!(comparisons.iter().all(|one| of(one, "winner").is_null()));
    let same = comparisons.iter().find(|one| of(one, "first").as_str().unwrap().ends_with(":end-to-end")).unwrap();
    assert_eq!((of(same, "value"), of(same, "p")), (0.0.into(), 1.0.into()));

    // The other run does not test one of the people.
    let person = found["people"][0].as_str().unwrap().to_owned();
    let fewer = Changed::new().text("predictions.csv", |text| {
        let stays = |line: &&str| line.split(',').nth(4) != Some(&person);
        text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect()
    });
    let other = fewer.run().display().to_string();
    let output = biossl(&["compare", &run, &other]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains(&format!("tests {person}")) && message.contains("--common"), "{message}");
    let page = biossl(&["compare", &run, &other, "--common"]);
    assert_eq!(page.status.code(), Some(0), "{}", stderr(&page));
    assert!(stdout(&page).contains(&format!("left out, not tested by all runs: {person}")), "{}", stdout(&page));
}
