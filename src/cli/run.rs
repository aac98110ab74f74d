//! `biossl run`: a whole pipeline, from recordings to scores.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::base::Watch;
use crate::judging::evaluate::Evaluated;
use crate::pipeline::{Means, Pipeline, Run, Stale, finished};
use crate::runs::Existing;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};
use super::preprocess::Outlook;
use super::request::{self, Request};

/// Run a whole pipeline: store, split, pretraining of every arm, classifiers, controls, scores. Everything lies in one
/// run folder; an existing one is refused unless --resume goes on with it.
#[derive(Debug, Args)]
pub(super) struct RunCommand {
    #[command(flatten)]
    request: Request,
    /// Go on with the run in the folder, from its last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Tell what making the store would take, and write nothing.
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
            let outlook = Outlook::of(&pipeline, Stale::Refuse, &means)?;
            output::print(global.form(), &outlook).map_err(Failure::stdout)?;
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

impl Report {
    /// Runs a pipeline to its scores.
    pub(super) fn of(pipeline: &Pipeline, existing: Existing, means: &Means) -> Result<Self, Failure> {
        Ok(Self::new(pipeline, Run::begin(pipeline, existing, means)?.score()?))
    }

    /// What judging found, and where it lies.
    pub(super) fn new(pipeline: &Pipeline, evaluated: Evaluated) -> Self {
        let (name, note) = (pipeline.name.clone(), pipeline.note.clone());
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
