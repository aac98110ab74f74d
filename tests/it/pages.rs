//! The pages of docs/ against the program: every key with its default, every command of the worked example.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::cli::{fixture, json, stderr, stdout, tiny_run};
use super::verify::copy;

/// A stretch of a page under one heading: its tables' rows, cell by cell, and what stands outside of tables.
#[derive(Default)]
struct Section {
    heading: String,
    rows: Vec<Vec<String>>,
    prose: String,
}

fn sections(page: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    for line in page.lines() {
        let last = sections.last_mut().unwrap();
        if line.starts_with('#') {
            sections.push(Section { heading: line.to_owned(), ..Section::default() });
        } else if let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')) {
            last.rows.push(row.split('|').map(|cell| cell.trim().to_owned()).collect());
        } else {
            last.prose += line;
            last.prose.push('\n');
        }
    }
    sections
}

/// What stands in backticks.
fn words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// A member of a family with its settings for both kinds, as `biossl list` tells them.
struct Member {
    name: String,
    ecg: Map<String, Value>,
    eeg: Map<String, Value>,
}

impl Member {
    fn all() -> Vec<Self> {
        let catalogue = json(&["list", "--json"], 0);
        let families = catalogue["families"].as_array().unwrap();
        let members = families.iter().flat_map(|family| family["members"].as_array().unwrap());
        let settings = |member: &Value, kind: &str| member["defaults"][kind].as_object().cloned();
        let read = |member: &Value| {
            let name = member["name"].as_str().unwrap().to_owned();
            Some(Self { name, ecg: settings(member, "ecg")?, eeg: settings(member, "eeg")? })
        };
        members.filter_map(read).collect()
    }

    fn has(&self, key: &str) -> bool {
        let inside = |value: &Value| value.as_object().is_some_and(|table| table.contains_key(key));
        self.ecg.contains_key(key) || self.ecg.values().any(inside)
    }
}

/// What a page says of one member.
#[derive(Default)]
struct Told<'a> {
    /// Rows that begin with its name, behind the name of its section or not: keys stand in their text.
    own: Vec<&'a Vec<String>>,
    /// Those below them that begin with none, under a heading that names it too: a key each, or several.
    keys: Vec<&'a Vec<String>>,
    /// What holds for all of a section.
    around: String,
}

impl<'a> Told<'a> {
    fn of(sections: &'a [Section], member: &str, known: &BTreeSet<String>, top: &BTreeSet<String>) -> Self {
        let mut told = Self::default();
        for section in sections {
            let mut inside = words(&section.heading).contains(&member);
            let (before, mut around) = (told.own.len() + told.keys.len(), section.prose.clone());
            for row in &section.rows {
                let first = words(&row[0]);
                let begins = match first.as_slice() {
                    [] | ["objective" | "encoder"] => words(&row[1]),
                    _ => first,
                };
                if begins.iter().any(|word| known.contains(*word)) {
                    inside = begins.contains(&member);
                    told.own.extend(inside.then_some(row));
                } else if inside {
                    told.keys.push(row);
                }
                if begins.iter().any(|word| top.contains(*word)) {
                    around += &row.join(" ");
                }
            }
            if told.own.len() + told.keys.len() > before {
                told.around += &around;
            }
        }
        told
    }

    /// All words that stand for keys.
    fn words(&self) -> BTreeSet<&str> {
        let rows = self.own.iter().chain(&self.keys).flat_map(|row| row.iter());
        rows.chain([&self.around]).flat_map(|text| words(text)).collect()
    }

    /// Keys, and what stands as their default.
    fn claims(&self, member: &Member) -> Vec<(&str, &str)> {
        let own = self.own.iter().flat_map(|row| row.iter().skip(1)).flat_map(|cell| with_defaults(cell));
        let mut claims: Vec<(&str, &str)> = own.collect();
        if member.ecg.contains_key("probability") {
            claims.extend(self.own.iter().map(|row| ("probability", row[1].as_str())));
        }
        for row in self.keys.iter().filter(|row| row.len() == 3) {
            match words(&row[0]).as_slice() {
                [key] => claims.push((key, &row[1])),
                several => claims.extend(several.iter().copied().zip(row[1].split(", "))),
            }
        }
        claims
    }
}

/// The words before ` (` in a text, each with what stands there.
fn with_defaults(text: &str) -> Vec<(&str, &str)> {
    let pieces: Vec<&str> = text.split('`').collect();
    let behind = |i: usize| text.split_at(pieces[..=i].iter().map(|piece| piece.len() + 1).sum()).1;
    let odd = (1..pieces.len()).step_by(2);
    odd.filter_map(|i| Some((pieces[i], behind(i).strip_prefix(" (")?))).collect()
}

/// Whether a text says a value; nothing where it does not name one (`chosen with the first seed`) or there is none.
fn says(text: &str, value: &Value) -> Option<bool> {
    let quoted = text.trim().strip_prefix('`').and_then(|text| text.split('`').next());
    let bare = text.trim().split([' ', ',', ';', ':', ')']).next().unwrap_or_default();
    let text = quoted.unwrap_or(bare);
    match value {
        Value::Number(number) => {
            let (over, under) = text.split_once('/').unwrap_or((text, "1"));
            let said = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
            Some((said - number.as_f64().unwrap()).abs() < 1e-9)
        }
        Value::Bool(_) | Value::Array(_) => Some(serde_json::from_str::<Value>(text).ok()? == *value),
        Value::String(word) => quoted.map(|quoted| quoted.trim_matches('"') == word),
        Value::Null | Value::Object(_) => None,
    }
}

/// The same for both kinds, `ECG / EEG`.
fn says_both(text: &str, member: &Member, key: &str) -> Option<bool> {
    let end = text.find([')', ';', ':']).unwrap_or(text.len());
    let (ecg, eeg) = text[..end].split_once(" / ").unwrap_or((text, text));
    Some(says(ecg, &member.ecg[key])? && says(eeg, &member.eeg[key])?)
}

/// Keys of tables that are left out by default, and of lists.
const INNER: [&str; 3] = ["monitor", "preset", "seeds"];

/// What a page says of a member that is not so, and how many defaults were compared.
fn faults(told: &Told<'_>, member: &Member) -> (Vec<String>, usize) {
    let words = told.words();
    let lacks = member.ecg.keys().filter(|key| !words.contains(key.as_str())).map(|key| format!("lacks `{key}`"));
    let (mut faults, mut compared): (Vec<String>, usize) = (lacks.collect(), 0);
    for (key, default) in told.claims(member) {
        if !member.has(key) {
            faults.extend((!INNER.contains(&key)).then(|| format!("knows no `{key}`")));
        } else if member.ecg.contains_key(key)
            && let Some(right) = says_both(default, member, key)
        {
            compared += 1;
            let found = [&member.ecg[key], &member.eeg[key]];
            faults.extend((!right).then(|| format!("`{key}` is {found:?}, not {default:.30}")));
        }
    }
    (faults, compared)
}

#[test]
fn page_of_the_pipeline_has_every_key_with_its_default_and_no_other() {
    let page = std::fs::read_to_string(fixture("../docs/pipeline.md")).unwrap();
    let (page, _) = page.split_once("\n## Stages").unwrap();
    let (sections, members) = (sections(page), Member::all());
    let run = std::fs::read_to_string(tiny_run().join("run/pipeline.toml")).unwrap();
    let top = toml::from_str::<toml::Table>(&run).unwrap();
    // The one that a run leaves out where it is not given.
    let top: BTreeSet<String> = top.keys().cloned().chain(["outside".to_owned()]).collect();
    let known: BTreeSet<String> = top.iter().chain(members.iter().map(|member| &member.name)).cloned().collect();
    let (mut all, mut compared) = (Vec::new(), 0);
    for member in &members {
        let (faults, defaults) = faults(&Told::of(&sections, &member.name, &known, &top), member);
        all.extend(faults.into_iter().map(|fault| format!("{}: {fault}", member.name)));
        compared += defaults;
    }
    let first: Vec<&str> = sections.iter().flat_map(|section| &section.rows).flat_map(|row| words(&row[0])).collect();
    let told = |key: &String| first.contains(&key.as_str()) || page.contains(&format!("## `{key}`"));
    all.extend(top.iter().filter(|key| !told(key)).map(|key| format!("lacks `{key}`")));
    assert_eq!(all, Vec::<String>::new());
    assert!(compared > 90, "only {compared} defaults were compared");
}

/// The worked example of docs/guide.md, word by word, by a shell; two copies of the tiny run stand in for the two that it
/// trains, whose commands are only rehearsed.
#[cfg(unix)]
#[test]
fn worked_example_of_the_guide_works() {
    use std::path::Path;
    use std::process::Command;

    let guide = std::fs::read_to_string(fixture("../docs/guide.md")).unwrap();
    let (_, example) = guide.split_once("\n## 7. ").unwrap();
    let (example, _) = example.split_once("\n## ").unwrap();
    let lines: Vec<&str> = example.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let commands = lines.iter().filter(|line| line.starts_with("biossl ")).count();
    assert_eq!((lines.len(), commands), (8, 8), "{lines:?}");

    let place = tempfile::tempdir().unwrap();
    for folder in ["fixtures", "pipelines"] {
        std::os::unix::fs::symlink(fixture("..").join(folder), place.path().join(folder)).unwrap();
    }
    for run in ["runs/first", "runs/longer"] {
        copy(&tiny_run().join("run"), &place.path().join(run));
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_biossl")).parent().unwrap();
    let mut told = String::new();
    for line in lines {
        let line =
            if line.starts_with("biossl run ") { line.replacen("run ", "run --dry-run ", 1) } else { line.into() };
        let line = format!("PATH=\"{}:$PATH\"; {line}", programs.display());
        let output = Command::new("sh").args(["-c", &line]).current_dir(place.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}\n{}", stderr(&output));
        told += &stdout(&output);
    }
    for words in ["would hold", "everything agrees", "first:base-linear", "longer:base-linear", "f32"] {
        assert!(told.contains(words), "{words} is missing: {told}");
    }
    let read = |file: &str| std::fs::read_to_string(place.path().join(file)).unwrap();
    assert!(read("beats.csv").lines().count() > 100 && read("beats.csv").starts_with("recording,subject,time_s,class"));
    let sliding: Value = serde_json::from_str(&read("windows.json")).unwrap();
    assert!(sliding["classifier"].as_str().unwrap().contains("end-to-end"), "{}", sliding["classifier"]);
    assert_eq!(read("embeddings/rows.csv").lines().next(), Some("row,subject,recording,session,start,label"));
}
