//! `biossl split`: draws a split and shows its proof, without training.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::base::write_atomically;
use crate::data::splits::{Proof, Split};
use crate::pipeline::{PipelineText, draw, existing};
use crate::signal::FailedRecording;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};
use super::request;

/// Draw the split of a pipeline and show its proof, without training.
///
/// Who or what is in which role, windows a class, rejects and the proof that roles
/// share nothing. The store has to be there; nothing is trained and no test is read.
#[derive(Debug, Args)]
pub(super) struct SplitCommand {
    /// The pipeline's TOML.
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,
    /// The store instead of the pipeline's `store` [default: stores/NAME.h5].
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Save the proofs, in the form of a run folder's split.json.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The proofs of all folds.
#[derive(Serialize)]
struct Drawn {
    store: PathBuf,
    /// Recordings that are missing in the store, because they could not be read.
    failed: Vec<FailedRecording>,
    folds: Vec<Proof>,
}

impl SplitCommand {
    pub(super) fn run(&self, global: &Global) -> Result<u8, Failure> {
        let mut pipeline = request::understand(PipelineText::read(&self.pipeline)?, global)?;
        if let Some(store) = &self.store {
            pipeline.store.clone_from(store);
        }
        let store = existing(&pipeline)?;
        let splits = draw(&pipeline, &store)?;
        let folds: Vec<Proof> = splits.iter().map(Split::proof).cloned().collect();
        if let Some(out) = &self.out {
            let mut text = serde_json::to_vec_pretty(&folds).expect("proofs are plain data");
            text.push(b'\n');
            let saving = |source| crate::runs::RunError::Io { path: out.clone(), source };
            write_atomically(out, &text).map_err(saving).map_err(crate::error::Error::from)?;
        }
        let drawn = Drawn { store: pipeline.store, failed: store.table().failed.clone(), folds };
        output::print(global.form(), &drawn).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

impl Page for Drawn {
    fn page(&self) -> String {
        let failed =
            self.failed.iter().map(|failed| format!("missing in the store: {} ({})\n", failed.id, failed.reason));
        failed.chain(self.folds.iter().map(|proof| format!("{proof}{}", proof.rejected()))).collect()
    }
}
