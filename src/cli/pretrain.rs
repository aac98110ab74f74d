//! `biossl pretrain`: the encoders of a pipeline, without a classifier.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::base::Watch;
use crate::pipeline::{PretrainedFile, Run};
use crate::runs::Existing;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};
use super::request::{self, Request};

/// Pretrain the encoders of a pipeline.
///
/// Every arm, on the training people's windows, without labels. The store is made when it is not
/// there. `biossl probe`, `finetune` and `evaluate` go on in the same run folder.
#[derive(Debug, Args)]
pub(super) struct Pretrain {
    #[command(flatten)]
    request: Request,
    /// Go on with the run in the folder, from its last checkpoint.
    #[arg(long)]
    resume: bool,
}

#[derive(Serialize)]
struct Trained {
    folder: PathBuf,
    encoders: Vec<PretrainedFile>,
}

impl Pretrain {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        let existing = if self.resume { Existing::Resume } else { Existing::Refuse };
        let encoders = Run::begin(&pipeline, existing, &means)?.pretrain()?;
        let trained = Trained { folder: pipeline.folder.clone(), encoders };
        output::print(global.form(), &trained).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

impl Page for Trained {
    fn page(&self) -> String {
        let mut columns = Columns::new(&["arm", "fold", "seed", "steps", "windows", "checkpoint"]);
        for file in &self.encoders {
            let numbers = [u64::from(file.fold), file.seed, file.steps, file.windows as u64].map(|n| n.to_string());
            let path = file.checkpoint.display().to_string();
            columns.row(std::iter::once(file.arm.clone()).chain(numbers).chain([path]));
        }
        format!("run folder: {}\n{}", self.folder.display(), columns.text(2))
    }
}
