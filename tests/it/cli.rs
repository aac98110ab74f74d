//! The real program: what stands on stdout, what on stderr, how it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The program in the project's folder, ready to run.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_biossl"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env("NO_COLOR", "1");
    command
}

pub(crate) fn biossl(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the program starts")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The JSON on stdout of a program that ended with `code`.
pub(crate) fn json(arguments: &[&str], code: i32) -> Value {
    let output = biossl(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(&output)))
}

pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// Seven people of MIT-BIH, a narrow encoder and a few steps: a whole run in seconds.
pub(crate) const TINY: &str = r#"
seeds = [1]
downstream = [{ name = "linear", c = [1.0], tau = [0.5] }, { name = "fine-tune", epochs = 1, learning_rates = [3e-4] }]
corpus = { name = "mit-bih", root = "fixtures/mitdb", exclude = [
    "102", "106", "114", "118", "119", "124", "201", "202", "207", "209", "213", "220", "222", "234",
] }
split = { name = "shares" }
encoder = { name = "ecg-sacl", width = 0.0625 }
objective = { name = "sacl" }
awareness = { arms = ["base", "subject-invariant"] }
train = { steps = 6, batch_size = 32, checkpoint_every = 2, monitor = { every = 3, rows = 50 } }
"#;

/// Writes the tiny pipeline into a folder; its store and run folder lie there too.
pub(crate) fn tiny_pipeline(folder: &Path) -> String {
    let path = folder.join("tiny.toml");
    let places = format!("store = '{0}/tiny.h5'\nfolder = '{0}/run'\n", folder.display());
    biossl::base::write_atomically(&path, format!("{places}{TINY}").as_bytes()).unwrap();
    path.display().to_string()
}

/// One finished run of the tiny pipeline, shared by the tests that only read it.
pub(crate) fn tiny_run() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    let folder = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = tiny_pipeline(folder.path());
        let output = biossl(&["run", &pipeline, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        biossl::base::write_atomically(&folder.path().join("stdout.json"), &output.stdout).unwrap();
        folder
    });
    folder.path()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn alone_it_teaches() {
    let output = biossl(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for command in ["biossl demo", "biossl inspect", "biossl run", "biossl list"] {
        assert!(text.contains(command), "{text}");
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let text = stdout(&biossl(&["--help"]));
    let commands = [
        "inspect",
        "preprocess",
        "pretrain",
        "probe",
        "finetune",
        "evaluate",
        "run",
        "compare",
        "verify",
        "list",
        "demo",
    ];
    let flags = ["--json", "--threads", "--seed", "--device", "--quiet", "--set", "Exit codes"];
    for word in commands.iter().chain(&flags) {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
    // What a command does at length: with its --help, not among the others.
    for (command, words) in [("embed", "embeddings.npy"), ("verify", "ledger of test reads"), ("probe", "`biossl eval")]
    {
        let page = stdout(&biossl(&[command, "--help"])).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(words), "{command}: {page}");
    }
}

#[test]
fn shells_and_man_learn_every_command_from_the_parser() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = biossl(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for word in ["preprocess", "embed", "--device"] {
            assert!(stdout(&output).contains(word.trim_start_matches('-')), "{shell}: {word}");
        }
    }
    assert_eq!(biossl(&["completions", "tcsh"]).status.code(), Some(2));
    let page = stdout(&biossl(&["man"]));
    assert!(page.contains(".TH biossl") && page.contains("Exit codes"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(biossl(&["man", "--to", folder.path().to_str().unwrap()]).status.code(), Some(0));
    for name in ["biossl", "biossl-run", "biossl-embed", "biossl-completions"] {
        let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&name.replace('-', "\\-")), "{page}");
    }
}

#[test]
fn mistakes_on_the_command_line_end_with_2() {
    let cases: [&[&str]; 8] = [
        &["inspct"],
        &["inspect"],
        &["list", "--colour"],
        &["list", "objectivs"],
        &["--threads", "0", "list"],
        // No pipeline that a key or a seed could be laid over.
        &["verify", "runs/none", "--set", "evaluate.interval=bca"],
        &["compare", "runs/none", "runs/more", "--seed", "2"],
        &["predict", "runs/none", "fixtures/mitdb", "--set", "preprocess.rate_hz=128"],
    ];
    for arguments in cases {
        let output = biossl(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn absent_device_is_a_mistake_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let output = biossl(&["preprocess", &pipeline, "--device", "auto", "--quiet", "--set", "corpus.root=nowhere"]);
    assert!(stderr(&output).contains("device auto: "), "{}", stderr(&output));
    for device in ["cuda:4096", "gpu"] {
        let output = biossl(&["run", &pipeline, "--device", device]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(device) && stderr(&output).contains("help:"));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn list_cites_every_objective_as_bibtex() {
    let sources = json(&["list", "objective", "--cite", "--json"], 0)["sources"].clone();
    let sources = sources.as_array().unwrap();
    let objectives = json(&["list", "objective", "--json"], 0)["families"][0]["members"].clone();
    for objective in objectives.as_array().unwrap() {
        let cited = sources.iter().any(|source| source["cited_by"].as_array().unwrap().contains(&objective["name"]));
        assert!(cited, "{objective}");
    }
    // Everything that is cited anywhere stands in the bibliography: no family makes the command fail.
    let all = stdout(&biossl(&["list", "--cite"]));
    for key in ["@inproceedings{he2020moco,", "@inproceedings{wu2018npid,", "@article{moody2001mitbih,"] {
        assert_eq!(all.matches(key).count(), 1, "{key}");
    }
}

#[test]
fn list_gives_every_family_with_defaults() {
    let catalogue = json(&["list", "--json"], 0);
    let families: Vec<&str> =
        catalogue["families"].as_array().unwrap().iter().map(|family| family["family"].as_str().unwrap()).collect();
    for family in ["format", "corpus", "split", "transform", "encoder", "objective", "downstream", "metric"] {
        assert!(families.contains(&family), "{family} is missing: {families:?}");
    }
    let transforms = json(&["list", "transform", "--json"], 0);
    let first = &transforms["families"][0]["members"][0];
    assert_eq!(first["name"], "temporal-delay");
    assert!(first["defaults"]["eeg"].is_object());
    assert!(stdout(&biossl(&["list"])).contains("temporal-cutout"));
    assert_eq!(json(&["list", "transforms", "--json"], 0), transforms);
    for family in families {
        assert_eq!(json(&["list", family, "--json"], 0)["families"][0]["family"], family);
    }
}

#[test]
fn page_of_the_pipeline_has_every_member_and_key() {
    let page = std::fs::read_to_string(fixture("../docs/pipeline.md")).unwrap();
    let catalogue = json(&["list", "--json"], 0);
    for family in catalogue["families"].as_array().unwrap() {
        for member in family["members"].as_array().unwrap().iter().filter(|member| member["defaults"].is_object()) {
            let keys = member["defaults"]["ecg"].as_object().unwrap().keys().map(String::as_str);
            for word in keys.chain([member["name"].as_str().unwrap()]) {
                assert!(page.contains(&format!("`{word}`")), "docs/pipeline.md lacks `{word}` of {}", member["name"]);
            }
        }
    }
}

#[test]
fn ready_pipelines_are_understood_and_open_with_what_they_cost() {
    for name in [
        "demo-ecg",
        "demo-eeg",
        "mitdb-sacl",
        "mitdb-family",
        "eegmmidb-sacl",
        "eyes-sacl",
        "eyes-family",
        "svdb-own",
        "bids-motor",
        "edf-folder",
    ] {
        let path = fixture("../pipelines").join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["# What:", "Time:", "Memory:"] {
            assert!(text.contains(word), "{name} does not say `{word}`");
        }
        // A corpus that is not there is found only after the whole pipeline was understood.
        let store = std::env::temp_dir().join("biossl-absent.h5");
        let places = ["--set", "corpus.root=nowhere", "--store", store.to_str().unwrap()];
        let output = biossl(&[&["preprocess", path.to_str().unwrap()], &places[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("nowhere"));
    }
}

#[test]
fn inspect_tells_what_is_in_an_ecg() {
    let path = fixture("mitdb/100");
    let found = json(&["inspect", path.to_str().unwrap(), "--json", "--subject", "anna"], 0);
    let keys: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["annotations", "channels", "duration_s", "format", "info", "start", "subject", "warnings"]);
    assert_eq!((found["format"].as_str(), found["subject"].as_str()), (Some("wfdb"), Some("anna")));
    assert!(found["start"].is_null());
    let channel = &found["channels"][0];
    assert_eq!((channel["label"].as_str(), channel["unit"].as_str()), (Some("MLII"), Some("mV")));
    assert_eq!((channel["sample_rate_hz"].as_f64(), channel["samples"].as_u64()), (Some(360.0), Some(43_200)));
    assert_eq!(channel["first"].as_array().unwrap().len(), 5);
    let counts = found["annotations"]["by_text"].as_object().unwrap();
    let sum: u64 = counts.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(found["annotations"]["count"].as_u64(), Some(sum));
    assert!(found["annotations"]["first"]["sample"].is_u64());
    let by_header = path.with_extension("hea");
    assert_eq!(json(&["inspect", by_header.to_str().unwrap(), "--json", "--subject", "anna"], 0), found);
}

#[test]
fn inspect_tells_what_is_in_an_eeg() {
    let path = fixture("eegmmidb/S001/S001R04.edf");
    let found = json(&["inspect", path.to_str().unwrap(), "--json"], 0);
    assert_eq!((found["format"].as_str(), found["subject"].is_null()), (Some("edf+c"), true));
    assert_eq!(found["channels"].as_array().unwrap().len(), 64);
    assert_eq!(found["channels"][0]["sample_rate_hz"].as_f64(), Some(160.0));
    assert!(found["annotations"]["first"]["sample"].is_null());
    assert_eq!(found["annotations"]["first"]["seconds"].as_f64(), Some(0.0));
}

#[test]
fn several_files_give_an_array_and_one_failure_gives_1() {
    let good = fixture("mitdb/100.hea");
    let found = json(&["inspect", good.to_str().unwrap(), "nothing.edf", "--json"], 1);
    assert_eq!(found[0]["format"], "wfdb");
    assert_eq!(found[1]["path"], "nothing.edf");
    assert!(found[1]["error"].is_string() && found.as_array().unwrap().len() == 2);
    let folder = fixture("mitdb");
    let found = json(&["inspect", folder.to_str().unwrap(), "--json"], 0);
    assert_eq!(found.as_array().unwrap().len(), 21);
    let folder = fixture("eegmmidb");
    assert_eq!(json(&["inspect", folder.to_str().unwrap(), "--json"], 0).as_array().unwrap().len(), 19);
    let empty = tempfile::tempdir().unwrap();
    assert!(json(&["inspect", empty.path().to_str().unwrap(), "--json"], 1)[0]["error"].is_string());
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = fixture("mitdb");
    let mut child = command(&["inspect", folder.to_str().unwrap(), "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn a_run_leaves_the_documented_files_and_one_value_on_stdout() {
    let folder = tiny_run();
    let run = folder.join("run");
    for file in ["pipeline.toml", "split.json", "journal.jsonl", "predictions.csv", "scores.json", "manifest.json"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    for arm in ["base", "subject-invariant", "base-fine-tune", "subject-invariant-fine-tune", "end-to-end"] {
        assert!(run.join("checkpoints").join(arm).join("0").is_dir(), "{arm}");
    }
    let told = read_json(&folder.join("stdout.json"));
    assert_eq!(told["scores"], read_json(&run.join("scores.json")));
    let score = &told["scores"][0];
    for key in ["arm", "seed", "metric", "class", "value", "low", "high", "n_subjects", "test_reads"] {
        assert!(score.get(key).is_some(), "{key}");
    }
    let arms: std::collections::BTreeSet<&str> =
        told["scores"].as_array().unwrap().iter().map(|score| score["arm"].as_str().unwrap()).collect();
    for control in ["majority", "random-linear", "end-to-end"] {
        assert!(arms.contains(control), "{control} is missing: {arms:?}");
    }
}

/// Truth and answer of every row, by arm.
fn answers(run: &Path) -> BTreeMap<String, Vec<(String, String)>> {
    let mut reader = csv::Reader::from_path(run.join("predictions.csv")).unwrap();
    let head: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(head[..8], ["arm", "seed", "fold", "row", "subject", "recording", "event", "truth"]);
    let classes: Vec<&str> = head[8..].iter().map(|name| name.trim_start_matches("p_")).collect();
    let mut answers: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut rows = std::collections::BTreeSet::new();
    for record in reader.records() {
        let record = record.unwrap();
        assert!(rows.insert((record[0].to_owned(), record[3].to_owned())), "row {} twice", &record[3]);
        let probability: Vec<f32> = record.iter().skip(8).map(|cell| cell.parse().unwrap()).collect();
        assert!((probability.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let top = probability.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let answer = classes[probability.iter().position(|&p| p == top).unwrap()].to_owned();
        answers.entry(record[0].to_owned()).or_default().push((record[7].to_owned(), answer));
    }
    answers
}

#[test]
fn scores_can_be_computed_again_from_the_predictions() {
    let run = tiny_run().join("run");
    let scores = read_json(&run.join("scores.json"));
    let stored = |arm: &str, metric: &str, class: Value| {
        let same = |score: &&Value| {
            score["arm"] == arm && score["metric"] == metric && score["class"] == class && score["seed"] == 1
        };
        scores.as_array().unwrap().iter().find(same).unwrap()["value"].as_f64()
    };
    for (arm, rows) in answers(&run) {
        let scored: Vec<&(String, String)> = rows.iter().filter(|(truth, _)| truth != "Q").collect();
        let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        let close = |metric: &str, class: Value, value: Option<f64>| match (stored(&arm, metric, class), value) {
            (Some(stored), Some(value)) => assert!((stored - value).abs() < 1e-12, "{arm} {metric}: {stored} {value}"),
            (stored, value) => assert_eq!(stored, value, "{arm} {metric}"),
        };
        let right = scored.iter().filter(|(truth, answer)| truth == answer).count();
        close("accuracy", Value::Null, share(right, scored.len()));
        for class in ["N", "S", "V"] {
            let hits = scored.iter().filter(|(truth, answer)| truth == class && answer == class).count();
            let truths = scored.iter().filter(|(truth, _)| truth == class).count();
            let given = scored.iter().filter(|(_, answer)| answer == class).count();
            close("se", class.into(), share(hits, truths));
            close("+p", class.into(), share(hits, given));
            close("f1", class.into(), share(2 * hits, truths + given));
        }
    }
}

#[test]
fn an_existing_run_is_refused_and_goes_on_only_under_its_own_pipeline() {
    let folder = tiny_run();
    let pipeline = folder.join("tiny.toml").display().to_string();
    let before = std::fs::read(folder.join("run/scores.json")).unwrap();
    let output = biossl(&["run", &pipeline]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("exists already") && stderr(&output).contains("--resume"));
    let output = biossl(&["run", &pipeline, "--resume", "--set", "train.clip=4", "--set", "seeds=[2]"]);
    assert_eq!(output.status.code(), Some(1));
    for told in ["train.clip is 5.0 there and 4.0 here", "seeds[0] is 1 there and 2 here"] {
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read(folder.join("run/scores.json")).unwrap(), before);
}

#[test]
fn stages_one_by_one_take_the_same_road() {
    let whole = read_json(&tiny_run().join("run/scores.json"));
    let folder = tempfile::tempdir().unwrap();
    let pipeline = tiny_pipeline(folder.path());
    let made = json(&["preprocess", &pipeline, "--json", "--quiet"], 0);
    assert!(made["windows"].as_u64() > Some(500) && made["excluded"].as_array().unwrap().len() == 14);
    assert_eq!(json(&["preprocess", &pipeline, "--json", "--quiet"], 0)["kept"], true);
    let early = biossl(&["probe", &pipeline]);
    assert_eq!(early.status.code(), Some(1), "{}", stderr(&early));
    let trained = json(&["pretrain", &pipeline, "--json", "--quiet"], 0);
    assert_eq!(trained["encoders"].as_array().unwrap().len(), 2);
    let probed = json(&["probe", &pipeline, "--json", "--quiet"], 0);
    assert_eq!(probed["classifiers"][0]["arm"], "base-linear");
    let tuned = json(&["finetune", &pipeline, "--json", "--quiet"], 0);
    assert_eq!(tuned["classifiers"][1]["arm"], "subject-invariant-fine-tune");
    assert!(!folder.path().join("tiny.h5.test-reads.jsonl").exists(), "the test people were read too early");
    let judged = json(&["evaluate", &pipeline, "--json", "--quiet"], 0);
    assert_eq!(judged["scores"], whole);
}

/// A dead link, a pipe that nobody writes to and a link back neither hide the recording beside them nor hang.
#[cfg(unix)]
#[test]
fn inspect_passes_by_what_is_no_file() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    symlink(fixture("formats/edfio/short_psg.edf"), folder.path().join("z.edf")).unwrap();
    symlink("/nowhere.edf", folder.path().join("a.edf")).unwrap();
    symlink(folder.path(), folder.path().join("back")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("b.edf")).status().unwrap().success());
    let found = json(&["inspect", folder.path().to_str().unwrap(), "--json"], 1);
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0]["path"].as_str().unwrap().ends_with("a.edf") && found[0]["error"].is_string());
    assert_eq!(found[1]["format"], "edf");
}

/// An EDF file of one channel whose body of 60 GB is a hole: minutes of reading, no disk.
#[cfg(unix)]
fn endless_edf(path: &Path) {
    let fields: [(&str, usize); 20] = [
        ("0", 8),
        ("X X X X", 80),
        ("Startdate X X X X", 80),
        ("01.01.01", 8),
        ("00.00.00", 8),
        ("512", 8),
        ("", 44),
        ("1000000", 8),
        ("100", 8),
        ("1", 4),
        ("EEG Cz", 16),
        ("", 80),
        ("uV", 8),
        ("-100", 8),
        ("100", 8),
        ("-32768", 8),
        ("32767", 8),
        ("", 80),
        ("30000", 8),
        ("", 32),
    ];
    let header = fields.iter().map(|(text, width)| format!("{text:<0$}", *width)).collect::<Vec<_>>().concat();
    assert_eq!(header.len(), 512);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).unwrap();
    std::io::Write::write_all(&mut file, header.as_bytes()).unwrap();
    file.set_len(512 + 1_000_000 * 60_000).unwrap();
}

/// Whether whoever started the tests had them ignore a signal, as a shell does with SIGINT for what runs behind it;
/// programs inherit that.
#[cfg(unix)]
fn ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// `inspect` looks at no stop flag: the first SIGINT or SIGTERM ends it (130 and 143 in a shell), while it reads.
#[cfg(unix)]
#[test]
fn a_signal_ends_inspect_at_once() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let endless = folder.path().join("endless.edf");
    endless_edf(&endless);
    let (none, endless) = (folder.path().join("none.edf").display().to_string(), endless.display().to_string());
    for (signal, number) in [("-INT", 2), ("-TERM", 15)].into_iter().filter(|(_, number)| !ignored(*number)) {
        let mut child = command(&["inspect", &none, &endless])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // What ails the first file is told before the second is opened: the program is at work.
        let mut told = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut told).unwrap();
        assert!(told.contains("none.edf"), "{told}");
        assert!(child.try_wait().unwrap().is_none(), "the file was read or refused: {told}");
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let began = std::time::Instant::now();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(number), "{signal}: {status}");
        assert!(began.elapsed().as_secs() < 10, "{signal} was heeded after {:?}", began.elapsed());
    }
}

#[test]
fn init_writes_a_pipeline_that_preprocess_takes_and_never_over_a_file() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // A folder of WFDB records, of EEGMMIDB, and of files called NAME_NUMBER.edf.
    let own = folder.path().join("own");
    biossl::base::write_atomically(&own.join("notes.txt"), b"no recording").unwrap();
    for (person, file) in [("anna", "S001/S001R04"), ("ben", "S002/S002R01"), ("carla", "S003/S003R01")] {
        std::fs::copy(fixture(&format!("eegmmidb/{file}.edf")), own.join(format!("{person}_1.edf"))).unwrap();
    }
    for (root, corpus, people) in
        [(fixture("formats/svdb"), "mit-bih", 2), (fixture("eegmmidb"), "eegmmidb", 9), (own, "folder", 3)]
    {
        let out = path(&format!("{people}.toml"));
        let written = json(&["init", root.to_str().unwrap(), "--out", &out, "--json"], 0);
        assert_eq!((&written["corpus"], &written["people"]), (&corpus.into(), &people.into()), "{written}");
        assert_eq!(written["refused"], Value::Null, "{written}");
        let store = path(&format!("{people}.h5"));
        let output = biossl(&["preprocess", &out, "--store", &store, "--dry-run", "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let before = std::fs::read(&out).unwrap();
        let again = biossl(&["init", root.to_str().unwrap(), "--out", &out]);
        assert_eq!((again.status.code(), std::fs::read(&out).unwrap()), (Some(2), before));
    }
    let text = std::fs::read_to_string(path("3.toml")).unwrap();
    assert!(text.contains("# ? look whether these are the people that the names tell: anna, ben, carla"), "{text}");
    assert!(text.contains("pattern = \"{subject}_{run}.edf\"") && text.contains("marks = [\"T1\"]"), "{text}");
    for (given, words) in [("own/none", "there is no such folder"), ("own/notes.txt", "is no folder")] {
        let nothing = biossl(&["init", &path(given), "--out", &path("none.toml")]);
        assert_eq!(nothing.status.code(), Some(2));
        assert!(stderr(&nothing).contains(words) && !stderr(&nothing).contains("root"), "{}", stderr(&nothing));
    }
    assert!(!folder.path().join("none.toml").exists());
}
