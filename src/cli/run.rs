//! `biossl run`: a whole pipeline, from recordings to scores.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::base::Watch;
use crate::judging::evaluate::Evaluated;
use crate::pipeline::{Estimate, Means, Pipeline, Run, Stale, estimate, finished};
use crate::runs::Existing;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};
use super::preprocess::Outlook;
use super::request::{self, Request};
use super::terminal;

/// Run a whole pipeline, from recordings to scores.
///
/// Store, split, pretraining of every arm, classifiers, controls, scores. Everything lies in one
/// run folder; an existing one is refused unless --resume goes on with it.
#[derive(Debug, Args)]
pub(super) struct RunCommand {
    #[command(flatten)]
    request: Request,
    /// Go on with the run in the folder, from its last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Tell what making the store would take or, where it stands, how long training and judging would: a few steps of
    /// each are timed. Nothing is written.
    #[arg(long)]
    dry_run: bool,
}

/// What a run gives.
#[derive(Serialize)]
pub(super) struct Report {
    /// The pipeline's name.
    pub(super) name: String,
    /// The pipeline's note, empty when it has none.
    pub(super) note: String,
    /// The run folder.
    pub(super) folder: PathBuf,
    /// The store.
    pub(super) store: PathBuf,
    /// Everything that judging found.
    #[serde(flatten)]
    pub(super) evaluated: Evaluated,
}

impl RunCommand {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        if self.dry_run {
            let store = Outlook::of(&pipeline, Stale::Refuse, &means)?;
            let training = if store.kept() { Some(estimate(&pipeline, &means)?) } else { None };
            output::print(global.form(), &RunOutlook { store, training }).map_err(Failure::stdout)?;
            return Ok(exit::DONE);
        }
        if let (true, Some(evaluated)) = (self.resume, finished(&pipeline)?) {
            // Judging again would give the same and count another reading of the test people.
            watch.progress().say("finished before, not judged again");
            output::print(global.form(), &Report::new(&pipeline, evaluated)).map_err(Failure::stdout)?;
            return Ok(exit::DONE);
        }
        let existing = if self.resume { Existing::Resume } else { Existing::Refuse };
        let report = Report::of(&pipeline, existing, &means)?;
        output::print(global.form(), &report).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

/// Bytes in a mebibyte.
const MIB: f64 = 1_048_576.0;

/// What a run would take.
#[derive(Serialize)]
struct RunOutlook {
    #[serde(flatten)]
    store: Outlook,
    /// Null while there is no store to time it on.
    training: Option<Estimate>,
}

impl Page for RunOutlook {
    fn page(&self) -> String {
        let store = self.store.page();
        let Some(training) = &self.training else {
            return format!("{store}how long training takes is told once the store stands (`biossl preprocess`)\n");
        };
        let time = |seconds: f64| terminal::span(Duration::from_secs_f64(seconds));
        let mut arms = output::Columns::new(&["arm", "objective", "pretraining", "keeps"]);
        for arm in &training.arms {
            let kept = format!("{:.1} MiB", arm.memory_bytes as f64 / MIB);
            arms.row([arm.arm.clone(), arm.objective.clone(), time(arm.pretrain_s), kept]);
        }
        let mut columns = output::Columns::new(&["part", "time"]);
        for (part, seconds) in [
            ("pretraining", training.pretrain_s),
            ("classifiers on frozen encoders", training.probe_s),
            ("fine-tuning", training.fine_tune_s),
            ("end-to-end controls", training.end_to_end_s),
            ("identity probes", training.identity_s),
            ("in all", training.total_s),
        ] {
            columns.row([part.to_owned(), time(seconds)]);
        }
        let Estimate { rounds, pretrain_steps, .. } = training;
        format!(
            "{store}{}{}{rounds} folds times seeds, {pretrain_steps} steps of pretraining; nothing was written\n",
            arms.text(4),
            columns.text(2)
        )
    }
}

impl Report {
    /// Runs a pipeline to its scores.
    pub(super) fn of(pipeline: &Pipeline, existing: Existing, means: &Means) -> Result<Self, Failure> {
        Ok(Self::new(pipeline, Run::begin(pipeline, existing, means)?.score()?))
    }

    /// What judging found, and where it lies.
    pub(super) fn new(pipeline: &Pipeline, evaluated: Evaluated) -> Self {
        let (name, note) = (pipeline.name.clone(), pipeline.head_note());
        Self { name, note, folder: pipeline.folder.clone(), store: pipeline.store.clone(), evaluated }
    }
}

impl Page for Report {
    fn page(&self) -> String {
        let Self { name, note, folder, evaluated, .. } = self;
        let head = if note.is_empty() { name.clone() } else { format!("{name}: {note}") };
        format!("{head}\n{evaluated}\nrun folder: {} (predictions.csv holds every test window)\n", folder.display())
    }
}
