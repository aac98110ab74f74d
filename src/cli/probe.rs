//! `biossl probe` and `biossl finetune`: one classifier on finished encoders, scored on validation people. They share
//! one file because they differ in a word.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::base::Watch;
use crate::pipeline::{FittedLine, Run, Seen, fit_checkpoint};

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};
use super::request::{self, Request};

/// Fit a classifier on every pretrained encoder of a run and score it on the validation people. The test people are
/// read by `biossl evaluate` only.
#[derive(Debug, Args)]
pub(super) struct Fit {
    #[command(flatten)]
    request: Request,
    /// One encoder instead of those in the run folder (a checkpoint, an `encoder.safetensors`, a state_dict from
    /// elsewhere); nothing is written then. One made for other windows, or pretrained on people whom the split keeps
    /// apart, is refused.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Take an encoder that has seen people who judge it, and say so in its name.
    #[arg(long, requires = "checkpoint")]
    transductive: bool,
}

#[derive(Serialize)]
struct Fitted {
    classifiers: Vec<FittedLine>,
}

impl Fit {
    /// `way` is the word of the classifier in `downstream`.
    pub(super) fn run(&self, way: &str, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        let classifiers = match &self.checkpoint {
            Some(checkpoint) => {
                let policy = if self.transductive { Seen::Said } else { Seen::Refused };
                fit_checkpoint(&pipeline, checkpoint, (way, policy), &means)?
            }
            None => Run::pretrained(&pipeline, &means)?.fit(way)?,
        };
        output::print(global.form(), &Fitted { classifiers }).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

impl Page for Fitted {
    fn page(&self) -> String {
        let criterion = self.classifiers.first().map_or("", |line| line.criterion.as_str());
        let mut columns = Columns::new(&["arm", "fold", "seed", criterion, "chosen"]);
        for line in &self.classifiers {
            columns.row([
                line.arm.clone(),
                line.fold.to_string(),
                line.seed.to_string(),
                line.validation.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}")),
                line.choice.clone(),
            ]);
        }
        format!("on the validation people; the test people were not read\n{}", columns.text(2))
    }
}
