//! `biossl inspect`: what is in a recording.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::data::formats::{FORMATS, Match, Strictness, Summary, summary};
use crate::error::Error;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};

/// Tell what is in recordings. Several files give an array, a folder always; a file that fails stands in it as
/// `{path, error}` and makes the exit code 1.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// EDF, EDF+ or BDF files; WFDB records by their .hea or without an ending; folders of such.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name the subject (formats do not know it).
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// WFDB annotator instead of `atr`.
    #[arg(long, value_name = "NAME")]
    annotator: Option<String>,
    /// Keep what is whole of a damaged file and say so in its warnings.
    #[arg(long)]
    lenient: bool,
}

/// What became of one file.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Whole(Box<Summary>),
    Failed { path: String, error: String },
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
                let mut found = Vec::new();
                match collect(path, &mut found) {
                    Err(error) => seen.push(Seen { path: path.clone(), outcome: failed(path, error.to_string()) }),
                    Ok(()) if found.is_empty() => {
                        let error = "no file in it is of a format that is read here".to_owned();
                        seen.push(Seen { path: path.clone(), outcome: failed(path, error) });
                    }
                    Ok(()) => {}
                }
                seen.extend(found.iter().map(|path| self.look(path)));
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
                failed(path, error.to_string())
            }
        };
        Seen { path: path.to_owned(), outcome }
    }
}

fn failed(path: &Path, error: String) -> Outcome {
    Outcome::Failed { path: path.display().to_string(), error }
}

/// The recordings in a folder and below it, in order of name: files that a format knows by name or first bytes.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            let mut head = Vec::new();
            std::fs::File::open(&path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
            if head.is_empty() {
                // An empty file that is called a recording must fail by name, not vanish.
                head.push(0);
            }
            if FORMATS.iter().any(|format| format.matches(&path, &head) > Match::No) {
                found.push(path);
            }
        }
    }
    Ok(())
}

/// Enough to know a format by.
const HEAD_BYTES: u64 = 256;

impl Page for Many {
    fn page(&self) -> String {
        self.0.iter().map(Page::page).collect::<Vec<_>>().join("\n")
    }
}

impl Page for Seen {
    fn page(&self) -> String {
        let path = self.path.display();
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
                channel.label.clone(),
                channel.unit.clone(),
                channel.sample_rate_hz.to_string(),
                channel.samples.to_string(),
                number(channel.min),
                number(channel.max),
                number(channel.mean),
            ]);
        }
        text += &channels.text(2);
        let marks = &summary.annotations;
        let words: Vec<String> = marks.by_text.iter().map(|(word, count)| format!("{word} {count}")).collect();
        let warnings: Vec<String> = summary.warnings.iter().map(|warning| format!("\n  warning: {warning}")).collect();
        format!("{text}  annotations {}: {}{}\n", marks.count, words.join(", "), warnings.concat())
    }
}
