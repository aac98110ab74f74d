//! `biossl inspect`: what is in a recording.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::base::printable;
use crate::data::formats::{AnnotationSummary, FORMATS, Mark, Match, Strictness, Summary, summary};
use crate::error::Error;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};
use super::terminal;

/// Tell what is in recordings: channels, units, rates, samples, annotations.
#[derive(Debug, Args)]
#[command(after_help = "Every check is made: checksums, lengths, time keeping; what is odd but legal is a warning.\n\
    Several files give an array, a folder always; a file that fails stands in it as {path, error, help}\n\
    and makes the exit code 1. What is read and what is refused by name: docs/formats.md.")]
pub(super) struct Inspect {
    /// EDF, EDF+ or BDF files; WFDB records by their .hea or without an ending; folders of such, looked through to
    /// their depth.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name the subject in the output: names and codes inside files are never read.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Count the marks of another WFDB annotator than `atr`: the ending of its file.
    #[arg(long, value_name = "NAME")]
    annotator: Option<String>,
    /// Keep what is whole of a damaged file and say in its warnings what was kept and what passed over.
    #[arg(long)]
    lenient: bool,
}

/// What became of one file.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Whole(Box<Summary>),
    Failed { path: String, error: String, help: Option<String> },
}

/// One file, with its path for the table only.
struct Seen {
    path: PathBuf,
    outcome: Outcome,
}

impl Serialize for Seen {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.outcome.serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Many(Vec<Seen>);

impl Inspect {
    pub(super) fn run(&self, global: &Global) -> Result<u8, Failure> {
        let single = self.files.len() == 1 && !self.files.iter().any(|path| path.is_dir());
        if let (true, Some(path)) = (single, self.files.first()) {
            let summary = self.summary(path).map_err(Error::from)?;
            let seen = Seen { path: path.clone(), outcome: Outcome::Whole(Box::new(summary)) };
            output::print(global.form(), &seen).map_err(Failure::stdout)?;
            return Ok(exit::DONE);
        }
        let mut seen = Vec::new();
        for path in &self.files {
            if path.is_dir() {
                let mut search = Search::default();
                search.enter(path);
                if search.found.is_empty() {
                    seen.push(told(path, "no file in it is of a format that is read here".to_owned(), FORMATS_HELP));
                }
                seen.extend(search.found.into_iter().map(|found| match found {
                    Ok(path) => self.look(&path),
                    Err((path, error)) => {
                        told(&path, format!("the folder cannot be listed: {error}"), "check the rights on the folder")
                    }
                }));
            } else {
                seen.push(self.look(path));
            }
        }
        let whole = seen.iter().all(|one| matches!(one.outcome, Outcome::Whole(_)));
        output::print(global.form(), &Many(seen)).map_err(Failure::stdout)?;
        Ok(if whole { exit::DONE } else { exit::FAILED })
    }

    fn summary(&self, path: &Path) -> Result<Summary, crate::data::formats::FormatError> {
        let strictness = if self.lenient { Strictness::Lenient } else { Strictness::Strict };
        let read = summary(path, strictness, self.annotator.as_deref())?;
        Ok(Summary { subject: self.subject.clone(), ..read })
    }

    fn look(&self, path: &Path) -> Seen {
        let outcome = match self.summary(path) {
            Ok(summary) => Outcome::Whole(Box::new(summary)),
            Err(error) => {
                let error = Error::from(error);
                exit::tell_library(&error);
                failed(path, error.to_string(), exit::help(&error))
            }
        };
        Seen { path: path.to_owned(), outcome }
    }
}

const FORMATS_HELP: &str = "EDF and BDF files and WFDB records (.hea) are read: `biossl list format`";

fn failed(path: &Path, error: String, help: Option<String>) -> Outcome {
    Outcome::Failed { path: path.display().to_string(), error, help }
}

/// A folder that failed, told on stderr too.
fn told(path: &Path, error: String, help: &str) -> Seen {
    terminal::line(&format!("error: {}: {error}\n  help: {help}", shown(path)));
    Seen { path: path.to_owned(), outcome: failed(path, error, Some(help.to_owned())) }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// What a look through folders finds: files that a format knows by name or first bytes, and folders that cannot be read.
#[derive(Default)]
struct Search {
    entered: BTreeSet<PathBuf>,
    found: Vec<Result<PathBuf, (PathBuf, io::Error)>>,
}

impl Search {
    /// Goes through a folder and below it, in order of name. A link that leads back is not followed twice.
    fn enter(&mut self, folder: &Path) {
        if folder.canonicalize().is_ok_and(|real| !self.entered.insert(real)) {
            return;
        }
        let listed = std::fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>());
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => return self.found.push(Err((folder.to_owned(), error))),
        };
        entries.sort();
        for path in entries {
            if path.is_dir() {
                self.enter(&path);
            } else if is_recording(&path) {
                self.found.push(Ok(path));
            }
        }
    }
}

/// Whether a format knows the file. One that is empty, cannot be opened or leads nowhere is judged by its name: called
/// like a recording it must fail by name, not vanish. Pipes and devices are never opened.
fn is_recording(path: &Path) -> bool {
    let mut head = Vec::new();
    match path.metadata() {
        Ok(about) if !about.is_file() => return false,
        Ok(_) => {
            let read = std::fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
            if read.is_err() {
                head.clear();
            }
        }
        Err(_) => {}
    }
    if head.is_empty() {
        head.push(0);
    }
    FORMATS.iter().any(|format| format.matches(path, &head) > Match::No)
}

/// Words of annotations, and lines of info, in the table.
const WORDS: usize = 20;

/// Enough to know a format by.
const HEAD_BYTES: u64 = 256;

impl Page for Many {
    fn page(&self) -> String {
        self.0.iter().map(Page::page).collect::<Vec<_>>().join("\n")
    }
}

impl Page for Seen {
    fn page(&self) -> String {
        let path = shown(&self.path);
        let summary = match &self.outcome {
            Outcome::Failed { error, .. } => return format!("{path}\n  failed: {error}\n"),
            Outcome::Whole(summary) => summary,
        };
        let mut text = format!(
            "{path}\n  format {}, {:.3} s, subject {}, start {}\n",
            summary.format,
            summary.duration_s,
            summary.subject.as_deref().unwrap_or("not named"),
            summary.start.as_deref().unwrap_or("not given"),
        );
        let mut channels = Columns::new(&["channel", "unit", "rate_hz", "samples", "min", "max", "mean"]);
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
        for channel in &summary.channels {
            channels.row([
                printable(&channel.label).into_owned(),
                printable(&channel.unit).into_owned(),
                channel.sample_rate_hz.to_string(),
                channel.samples.to_string(),
                number(channel.min),
                number(channel.max),
                number(channel.mean),
            ]);
        }
        if summary.channels.is_empty() {
            text += "  no channels\n";
        } else {
            text += &channels.text(2);
        }
        text += &marks(&summary.annotations);
        for line in summary.info.iter().take(WORDS) {
            let _ = writeln!(text, "  info: {}", printable(line));
        }
        if summary.info.len() > WORDS {
            let _ = writeln!(text, "  info: {} more lines (all with --json)", summary.info.len() - WORDS);
        }
        for warning in &summary.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        text
    }
}

/// How many marks there are and of what; the most frequent words first, of many only those.
fn marks(annotations: &AnnotationSummary) -> String {
    let mut words: Vec<(&String, &usize)> = annotations.by_text.iter().collect();
    words.sort_by_key(|(word, count)| (Reverse(**count), *word));
    let mut named: Vec<String> =
        words.iter().take(WORDS).map(|(word, count)| format!("{} {count}", quoted(word))).collect();
    if words.len() > WORDS {
        named.push(format!("and {} more words (all with --json)", words.len() - WORDS));
    }
    match annotations.count {
        0 => "  annotations: none\n".to_owned(),
        count => {
            let at = |mark: Option<Mark>| mark.map_or(0.0, |mark| mark.seconds);
            let (first, last) = (at(annotations.first), at(annotations.last));
            format!("  annotations {count} ({first:.3} to {last:.3} s): {}\n", named.join(", "))
        }
    }
}

/// A word as it stands; one with blanks, commas or nothing in it between quotes.
fn quoted(word: &str) -> String {
    let fit = printable(word);
    if fit.is_empty() || fit.contains([' ', ',']) { format!("\"{fit}\"") } else { fit.into_owned() }
}
