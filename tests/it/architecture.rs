//! The house, checked by code: which room may name which, where outside crates live, how long files are, that every
//! member of a family is registered and every source is cited.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Room, and the rooms it may name besides itself. docs/architecture.md shows the same table.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("signal", &["base"]),
    ("numerics::dsp", &["base"]),
    ("numerics::metrics", &["base"]),
    ("numerics::classify", &["base"]),
    ("runs", &["base"]),
    ("data::formats", &["base", "signal"]),
    ("data::store", &["base", "signal"]),
    ("data::splits", &["base", "signal", "runs"]),
    ("data::corpora", &["base", "signal", "data::formats"]),
    ("data::preprocess", &["base", "signal", "data::formats", "numerics::dsp", "data::corpora", "data::store"]),
    ("learning::augment", &["base", "signal", "numerics::dsp"]),
    ("learning::nn", &["base"]),
    ("learning::awareness", &["base", "signal", "learning::nn"]),
    ("learning::objectives", &["base", "signal", "learning::augment", "learning::nn", "learning::awareness"]),
    (
        "learning::train",
        &[
            "base",
            "signal",
            "numerics::dsp",
            "runs",
            "data::store",
            "data::splits",
            "learning::augment",
            "learning::nn",
            "learning::awareness",
            "learning::objectives",
            "numerics::metrics",
            "numerics::classify",
        ],
    ),
    (
        "judging::downstream",
        &[
            "base",
            "signal",
            "numerics::dsp",
            "runs",
            "data::store",
            "data::splits",
            "learning::nn",
            "learning::train",
            "numerics::metrics",
            "numerics::classify",
        ],
    ),
    (
        "judging::evaluate",
        &[
            "base",
            "signal",
            "runs",
            "data::store",
            "data::splits",
            "learning::nn",
            "learning::train",
            "judging::downstream",
            "numerics::metrics",
            "numerics::classify",
        ],
    ),
];

/// Rooms above the table: they may name every room in it; the second also the first.
const ABOVE: &[&str] = &["pipeline", "cli"];

/// Outside crates that are kept to some rooms.
const CRATES: &[(&str, &[&str])] = &[
    ("sha2", &["base"]),
    ("rustix", &["base"]),
    ("toml", &["base", "pipeline"]),
    ("rustfft", &["numerics::dsp", "learning::nn"]),
    ("hdf5", &["data::store"]),
    ("memmap2", &["data::store"]),
    ("miniz_oxide", &["data::store"]),
    ("gemm", &["learning::nn"]),
    ("safetensors", &["learning::nn", "learning::train"]),
    (
        "candle_core",
        &[
            "learning::nn",
            "learning::awareness",
            "learning::objectives",
            "learning::train",
            "judging::downstream",
            "judging::evaluate",
            "pipeline",
        ],
    ),
    ("candle_nn", &["learning::nn", "learning::awareness", "learning::objectives", "learning::train"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
];

/// Folders in which each file is a member of a family and has its line in the registry of the door.
const FAMILIES: &[(&str, &str, &[&str])] = &[
    (
        "src/learning/objectives",
        "OBJECTIVES",
        &["mod.rs", "error.rs", "loss.rs", "state.rs", "testkit.rs", "views.rs", "workshop.rs"],
    ),
    (
        "src/learning/augment",
        "TRANSFORMS",
        &["mod.rs", "compose.rs", "error.rs", "source.rs", "spline.rs", "testkit.rs", "tests.rs"],
    ),
    (
        "src/data/splits",
        "PLANS",
        &[
            "mod.rs",
            "build.rs",
            "error.rs",
            "labels.rs",
            "ledger.rs",
            "order.rs",
            "pieces.rs",
            "spans.rs",
            "proof.rs",
            "role.rs",
            "tests.rs",
            "within_tests.rs",
        ],
    ),
];

const LONGEST_FILE: usize = 600;
const LONGEST_DOOR: usize = 200;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// `src/data/formats/edf/header.rs` -> `data::formats`; a file directly in a folder of rooms (its signpost) has none.
fn room_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
    match parts.as_slice() {
        ["base" | "signal" | "runs" | "pipeline" | "cli", _, ..] => Some(parts[0].to_owned()),
        [folder, room, _, ..] => Some(format!("{folder}::{room}")),
        _ => None,
    }
}

/// A path as written, from its first word, and the line it begins on.
#[derive(Debug)]
struct Named {
    path: Vec<String>,
    line: usize,
}

/// Every path of a file that starts at `crate`, `super` or a plain word: in `use` groups, bodies and macros alike.
fn paths_of(tokens: TokenStream, prefix: &[String], found: &mut Vec<Named>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                let mut path: Vec<String> = prefix.to_vec();
                path.push(word.to_string());
                at += 1;
                let is_colon =
                    |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':');
                while is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1)) {
                    match tokens.get(at + 2) {
                        Some(TokenTree::Ident(word)) => path.push(word.to_string()),
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                            paths_of(group.stream(), &path, found);
                            at += 3;
                            break;
                        }
                        _ => break,
                    }
                    at += 3;
                }
                found.push(Named { path, line });
            }
            TokenTree::Group(group) => {
                // A group after a path prefix belongs to it; any other starts afresh.
                paths_of(group.stream(), &[], found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn named_in(file: &Path) -> Vec<Named> {
    let text = fs::read_to_string(file).unwrap();
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut found = Vec::new();
    paths_of(tokens, &[], &mut found);
    found
}

fn may_use(room: &str, other: &str) -> bool {
    if room == other || room == "cli" {
        return true;
    }
    if room == "pipeline" {
        return other != "cli";
    }
    let allowed = LAYERS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
    allowed.unwrap_or_else(|| panic!("room {room} is missing from the table")).contains(&other)
}

#[test]
fn rooms_look_only_downwards() {
    let mut faults = Vec::new();
    for file in rust_files(&root().join("src")) {
        let Some(room) = room_of(&file) else { continue };
        for named in named_in(&file) {
            let words: Vec<&str> = named.path.iter().map(String::as_str).collect();
            let place = format!("{}:{}", file.display(), named.line);
            match words.as_slice() {
                ["crate", single @ ("base" | "signal" | "runs" | "pipeline" | "cli"), ..]
                    if !may_use(&room, single) =>
                {
                    faults.push(format!("{place}: {room} names {single}"));
                }
                ["crate", folder @ ("numerics" | "data" | "learning" | "judging" | "tools"), inner, ..]
                    if !may_use(&room, &format!("{folder}::{inner}")) =>
                {
                    faults.push(format!("{place}: {room} names {folder}::{inner}"));
                }
                ["super", "super", ..] => faults.push(format!("{place}: super::super")),
                [outside, _, ..] => {
                    let kept = CRATES.iter().find(|(name, _)| name == outside);
                    if let Some((name, rooms)) = kept
                        && !rooms.contains(&room.as_str())
                    {
                        faults.push(format!("{place}: {name} is kept to {rooms:?}"));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_is_in_the_table() {
    let rooms: BTreeSet<String> = rust_files(&root().join("src")).iter().filter_map(|file| room_of(file)).collect();
    let known: BTreeSet<String> =
        LAYERS.iter().map(|(room, _)| (*room).to_owned()).chain(ABOVE.iter().map(|room| (*room).to_owned())).collect();
    assert_eq!(rooms, known);
}

#[test]
fn files_are_short_documented_and_well_named() {
    let mut faults = Vec::new();
    for file in rust_files(&root().join("src")).into_iter().chain(rust_files(&root().join("tests"))) {
        let text = fs::read_to_string(&file).unwrap();
        let length = text.lines().count();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let limit = if name == "mod" { LONGEST_DOOR } else { LONGEST_FILE };
        if length > limit {
            faults.push(format!("{}: {length} lines, at most {limit}", file.display()));
        }
        if !text.starts_with("//!") {
            faults.push(format!("{}: does not open with //!", file.display()));
        }
        if ["utils", "util", "helpers", "helper", "common", "misc", "types"].contains(&name) {
            faults.push(format!("{}: a name that says nothing", file.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn capitalised(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

#[test]
fn every_member_of_a_family_is_registered() {
    for (folder, registry, others) in FAMILIES {
        let folder = root().join(folder);
        let door = fs::read_to_string(folder.join("mod.rs")).unwrap();
        assert!(door.contains(registry), "{} has no {registry}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() || others.contains(&name.as_str()) {
                continue;
            }
            // temporal_delay.rs holds TemporalDelay, dechazal.rs DechazalStrict
            let member: String = name.trim_end_matches(".rs").split('_').map(capitalised).collect();
            let registered =
                door.split("entry::<").skip(1).any(|rest| rest.split('>').next().unwrap().contains(&member));
            // eegmmidb.rs holds several plans: the door names the file.
            let registered = registered || door.contains(&format!("entry::<{}::", name.trim_end_matches(".rs")));
            assert!(registered, "{} is not in {registry}", path.display());
        }
    }
}

/// The keys in `const SOURCES: .. = &["a", "b"];` and `sources: &["a"]` of all rooms.
fn cited_sources() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        for opening in ["SOURCES: &'static [&'static str] = &[", "sources: &["] {
            for (at, _) in text.match_indices(opening) {
                let inside = &text[at + opening.len()..];
                let inside = &inside[..inside.find(']').unwrap()];
                keys.extend(inside.split('"').skip(1).step_by(2).map(str::to_owned));
            }
        }
    }
    keys
}

#[test]
fn every_cited_source_stands_in_the_bibliography() {
    let bibliography = fs::read_to_string(root().join("docs/sources.bib")).unwrap();
    let missing: Vec<String> =
        cited_sources().into_iter().filter(|key| !bibliography.contains(&format!("{{{key},"))).collect();
    assert!(missing.is_empty(), "not in docs/sources.bib: {missing:?}");
}

#[test]
fn paths_in_groups_and_macros_are_seen() {
    let mut found = Vec::new();
    let text =
        "use crate::{data::{store::Store, formats}, base};\nfn f() { vec![crate::cli::main()]; hdf5::File::open(); }";
    paths_of(text.parse().unwrap(), &[], &mut found);
    let seen: Vec<String> = found.iter().map(|named| named.path.join("::")).collect();
    for path in
        ["crate::data::store::Store", "crate::data::formats", "crate::base", "crate::cli::main", "hdf5::File::open"]
    {
        assert!(seen.iter().any(|one| one == path), "{path} not in {seen:?}");
    }
    assert_eq!(found.iter().find(|named| named.path[0] == "hdf5").unwrap().line, 2);
}

#[test]
fn forbidden_edges_are_recognised() {
    assert!(!may_use("data::formats", "data::store"));
    assert!(!may_use("learning::nn", "signal"));
    assert!(!may_use("pipeline", "cli"));
    assert!(may_use("learning::train", "data::splits"));
}
