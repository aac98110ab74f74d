//! Several finished runs in one table.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::data::splits::Proof;
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::evaluate::{ArmName, Ballots, Compared, Counting, Entrant, People, Readings};
use crate::numerics::metrics::Classes;
use crate::runs::RunFolder;

use super::outside::Outsider;
use super::parse::Pipeline;
use super::{PipelineError, PipelineText};

/// A finished run, read.
struct Finished {
    path: PathBuf,
    pipeline: Pipeline,
    arms: Vec<ArmName>,
    ballots: Ballots,
    known_overlap: Vec<[String; 2]>,
}

/// Puts the arms of several runs into one table and tests their differences on the same people.
///
/// # Errors
/// A folder that is no finished run, or was changed since it was sealed; runs whose test people differ, unless the
/// common ones are asked for; whatever counting reports.
pub fn compare(runs: &[PathBuf], people: People) -> Result<Compared, Error> {
    let finished: Vec<Finished> = runs.iter().map(|run| read(run)).collect::<Result<_, _>>()?;
    let entrants: Vec<Entrant<'_>> = finished.iter().map(|run| entrant(run, &finished)).collect();
    Ok(Compared::of(&entrants, people)?)
}

fn read(path: &Path) -> Result<Finished, Error> {
    let folder = RunFolder::open(path)?;
    let changed = folder.changed_files()?;
    if !changed.is_empty() {
        return Err(PipelineError::Changed { run: path.to_owned(), files: changed.join(", ") }.into());
    }
    let text = PipelineText::new(path.join("pipeline.toml").display().to_string(), folder.read_pipeline()?);
    let pipeline = Pipeline::parse(&text, None)?;
    let corpus = &pipeline.corpus.choice;
    let classes = Arc::new(Classes::new(&corpus.classes(), &corpus.pool_excludes()));
    let ballots = Ballots::read(&folder.read_predictions()?, &classes, &readings(&folder)?)?;
    let journal = folder.read_journal()?;
    let arms = pipeline.judged_names(Outsider::of(&journal).as_ref().map(|outsider| outsider.arm.as_str()));
    let proofs: Vec<Proof> = folder.read_splits()?;
    let known_overlap = overlap_of(&proofs);
    Ok(Finished { path: path.to_owned(), pipeline, arms, ballots, known_overlap })
}

/// Who is one person in two roles, by declaration: the last fold's, as every fold declares the same.
pub(super) fn overlap_of(proofs: &[Proof]) -> Vec<[String; 2]> {
    proofs.last().map(|proof| proof.known_overlap.clone()).unwrap_or_default()
}

/// The ordinals of the test readings of a run, by arm, seed and fold.
pub(super) fn readings(folder: &RunFolder) -> Result<Readings, Error> {
    let entries = folder.read_journal()?;
    let of_test = entries.iter().filter(|entry| entry.get("event").and_then(Value::as_str) == Some("test"));
    let reading = |entry: &serde_json::Map<String, Value>| {
        let number = |key: &str| entry.get(key).and_then(Value::as_u64);
        let arm = entry.get("arm")?.as_str()?.to_owned();
        Some(((arm, number("seed")?, number("fold")? as u16), number("ordinal")?))
    };
    Ok(of_test.filter_map(reading).collect())
}

fn entrant<'a>(run: &'a Finished, all: &[Finished]) -> Entrant<'a> {
    let short = |run: &Finished| run.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let alone = all.iter().filter(|other| short(other) == short(run)).count() == 1;
    let name = short(run).filter(|_| alone).unwrap_or_else(|| run.path.display().to_string());
    let counting = Counting {
        settings: &run.pipeline.evaluate,
        arms: &run.arms,
        split_seed: run.pipeline.split.choice.seed(),
        rate_hz: rate_hz(&run.pipeline),
        known_overlap: &run.known_overlap,
        failed: &[],
    };
    Entrant { name, ballots: run.ballots.clone(), counting }
}

/// Samples a second of the marks in a run's predictions: the store's, or the corpus's where the store is gone.
pub(super) fn rate_hz(pipeline: &Pipeline) -> f64 {
    Store::open(&pipeline.store).map_or(pipeline.corpus.choice.rate_hz(), |store| store.spec().rate_hz)
}
