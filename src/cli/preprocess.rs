//! `biossl preprocess`: recordings to a store.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::base::Watch;
use crate::data::preprocess::{Dropped, Failure as FailedFile, Forecast, Mixture, Resampled, Summary};
use crate::pipeline::{LabelCount, Means, Pipeline, Stale, label_counts, outlook, prepare};
use crate::signal::{ExcludedRecording, FailedRecording};

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};
use super::request::{self, Request};

/// Make the store of windows that a pipeline asks for.
///
/// One HDF5 file (docs/store.md): windows in physical units with their labels. A store that
/// the same recipe made of the same recordings is kept; any other is refused.
#[derive(Debug, Args)]
pub(super) struct Preprocess {
    #[command(flatten)]
    request: Request,
    /// Make the store anew when another recipe or other recordings made it, or when it is damaged.
    #[arg(long)]
    overwrite: bool,
    /// Read and check every file, tell windows, size, memory and time, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What became of the store.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Made(Box<Summary>),
    Kept(Standing),
}

#[derive(Serialize)]
struct Standing {
    store: std::path::PathBuf,
    recipe_hash: String,
    windows: usize,
    classes: Vec<LabelCount>,
    mixtures: Vec<Mixture>,
    /// Recordings that the corpus's settings left out of it.
    excluded: Vec<ExcludedRecording>,
    /// Recordings that are missing in it.
    failed: Vec<FailedRecording>,
    /// True: the store was there already.
    kept: bool,
}

impl Preprocess {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        let stale = if self.overwrite { Stale::Overwrite } else { Stale::Refuse };
        if self.dry_run {
            output::print(global.form(), &Outlook::of(&pipeline, stale, &means)?).map_err(Failure::stdout)?;
            return Ok(exit::DONE);
        }
        let prepared = prepare(&pipeline, stale, &means)?;
        let result = match prepared.made {
            Some(summary) => Outcome::Made(Box::new(summary)),
            None => Outcome::Kept(Standing {
                store: pipeline.store,
                recipe_hash: prepared.store.recipe_hash().to_owned(),
                windows: prepared.store.table().rows.len(),
                classes: label_counts(&prepared.store),
                mixtures: Mixture::in_store(&prepared.store),
                excluded: prepared.store.table().excluded.clone(),
                failed: prepared.store.table().failed.clone(),
                kept: true,
            }),
        };
        output::print(global.form(), &result).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

impl Page for Outcome {
    fn page(&self) -> String {
        match self {
            Self::Made(summary) => made_page(summary),
            Self::Kept(kept) => {
                let mut columns = Columns::new(&["class", "windows"]);
                for count in &kept.classes {
                    columns.row([class_word(count.class.as_deref()), count.windows.to_string()]);
                }
                let Standing { store, windows, recipe_hash, .. } = kept;
                let head = format!("{}: {windows} windows, recipe {recipe_hash} (was there)\n", store.display());
                let failed = kept.failed.iter().map(|one| (&one.id, &one.reason));
                head + &columns.text(2) + &mixed(&kept.mixtures) + &failed_lines(failed)
            }
        }
    }
}

fn class_word(class: Option<&str>) -> String {
    class.unwrap_or("(no class)").to_owned()
}

fn made_page(summary: &Summary) -> String {
    let mut text = format!(
        "{}: {} windows of {} recordings, {} subjects, {:.1} MB, recipe {}\n",
        summary.store.display(),
        summary.windows,
        summary.recordings,
        summary.subjects.len(),
        summary.bytes as f64 / 1e6,
        summary.recipe_hash,
    );
    let mut classes = Columns::new(&["class", "windows", "rejected"]);
    for count in &summary.classes {
        classes.row([class_word(count.class.as_deref()), count.windows.to_string(), count.rejected.to_string()]);
    }
    text += &classes.text(2);
    let head: Vec<String> = std::iter::once("subject".to_owned())
        .chain(summary.classes.iter().map(|count| class_word(count.class.as_deref())))
        .collect();
    let mut subjects = Columns::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for subject in &summary.subjects {
        subjects.row(std::iter::once(subject.subject.clone()).chain(subject.windows.iter().map(usize::to_string)));
    }
    text += &subjects.text(2);
    let excluded = summary.excluded.iter().map(|one| format!("  left out: {} ({})\n", one.id, one.reason));
    let rejected = summary.rejected.iter().map(|one| {
        let (class, reason) = (class_word(one.class.as_deref()), one.reason.name());
        format!("  rejected: {} windows of {} {class}, {reason}\n", one.windows, one.subject)
    });
    text.extend(excluded.chain(rejected));
    text += &mixed(&summary.mixtures);
    text += &remarks(&summary.resampled, summary.dropped, &summary.warnings);
    text += &failed_lines(files(&summary.failed));
    text
}

/// What was done to recordings, what gave no window, what was odd.
fn remarks(resampled: &[Resampled], dropped: Dropped, warnings: &[String]) -> String {
    let mut text = String::new();
    text.extend(resampled.iter().map(|Resampled { recorded_hz, rate_hz, recordings }| {
        format!("  resampled: {recordings} recordings from {recorded_hz} Hz to {rate_hz} Hz\n")
    }));
    let dropped = [
        (dropped.short, "stretches shorter than what evaluation reads (`eval_offset_s` and `window_s`)"),
        (dropped.partial, "ends of slid stretches shorter than a window"),
        (dropped.edge, "windows that cross an end of the recording"),
        (dropped.outside, "marks outside the recording"),
    ];
    let dropped = dropped.into_iter().filter(|(count, _)| *count > 0);
    text.extend(dropped.map(|(count, what)| format!("  no window: {count} {what}\n")));
    text.extend(grouped(warnings).into_iter().map(|warning| format!("  warning: {warning}\n")));
    text
}

fn mixed(mixtures: &[Mixture]) -> String {
    mixtures.iter().map(|mixture| format!("  mixed: {mixture}\n")).collect::<Vec<_>>().concat()
}

fn files(failed: &[FailedFile]) -> impl Iterator<Item = (&String, &String)> {
    failed.iter().map(|one| (&one.id, &one.reason))
}

/// Recordings that a line on many of them names.
const NAMED: usize = 3;

/// Warnings `ID: what`; what many recordings have alike stands in one line, where the first of them has it.
fn grouped(warnings: &[String]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for warning in warnings {
        let (id, what) = warning.split_once(": ").unwrap_or(("", warning));
        match groups.iter_mut().find(|(other, _)| *other == what) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((what, vec![id])),
        }
    }
    let line = |(what, ids): (&str, Vec<&str>)| match ids[..] {
        [""] => what.to_owned(),
        [id] => format!("{id}: {what}"),
        _ => {
            let more = if ids.len() > NAMED { ", .." } else { "" };
            format!("{} recordings ({}{more}): {what}", ids.len(), ids[..ids.len().min(NAMED)].join(", "))
        }
    };
    groups.into_iter().map(line).collect()
}

/// At the very end, where they cannot be missed.
fn failed_lines<'a>(failed: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    failed.map(|(id, reason)| format!("  failed, not in the store: {id}: {reason}\n")).collect::<Vec<_>>().concat()
}

/// What making the store would take.
#[derive(Serialize)]
pub(super) struct Outlook {
    /// Always true: nothing was written.
    dry_run: bool,
    /// Whether the store stands already; then there is nothing to foresee.
    kept: bool,
    store: std::path::PathBuf,
    forecast: Option<Forecast>,
}

impl Outlook {
    /// Whether the store stands already.
    pub(super) fn kept(&self) -> bool {
        self.kept
    }

    pub(super) fn of(pipeline: &Pipeline, stale: Stale, means: &Means) -> Result<Self, Failure> {
        let forecast = outlook(pipeline, stale, means)?;
        Ok(Self { dry_run: true, kept: forecast.is_none(), store: pipeline.store.clone(), forecast })
    }
}

impl Page for Outlook {
    fn page(&self) -> String {
        let Some(forecast) = &self.forecast else {
            return format!("{}: the store stands, nothing would be made\n", self.store.display());
        };
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let left = |bytes: Option<u64>, word: &str| {
            bytes.map_or_else(String::new, |it| format!(" ({} {word})", megabytes(it)))
        };
        let short =
            |needed: u64, left: Option<u64>| if left.is_some_and(|left| left < needed) { " TOO LITTLE" } else { "" };
        let Forecast { bytes, free_disk_bytes, memory_bytes, available_memory_bytes, .. } = *forecast;
        let mut text = format!(
            "{}: would hold {} windows of {} recordings, {} subjects; nothing was written\n",
            self.store.display(),
            forecast.windows,
            forecast.recordings,
            forecast.subjects,
        );
        let mut classes = Columns::new(&["class", "windows"]);
        for count in &forecast.classes {
            classes.row([class_word(count.class.as_deref()), count.windows.to_string()]);
        }
        text += &classes.text(2);
        let _ = write!(
            text,
            "  disk: {}{}{}\n  memory: at most {}{}{}\n  time: about {:.0} s, the disk's apart\n",
            megabytes(bytes),
            left(free_disk_bytes, "free"),
            short(bytes, free_disk_bytes),
            megabytes(memory_bytes),
            left(available_memory_bytes, "can be had"),
            short(memory_bytes, available_memory_bytes),
            forecast.expected_s.ceil(),
        );
        text.extend(forecast.excluded.iter().map(|one| format!("  left out: {} ({})\n", one.id, one.reason)));
        text += &mixed(&forecast.mixtures);
        text += &remarks(&forecast.resampled, forecast.dropped, &forecast.warnings);
        text + &failed_lines(files(&forecast.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_recordings_have_alike_is_one_line() {
        let warnings =
            ["sheet lacks x", "800: line 2: a", "801: line 2: a", "802: b", "803: line 2: a", "804: line 2: a"];
        let warnings = warnings.map(str::to_owned);
        let expected = ["sheet lacks x", "4 recordings (800, 801, 803, ..): line 2: a", "802: b"];
        assert_eq!(grouped(&warnings), expected);
    }
}
