//! `biossl evaluate`: the test, once everything is pretrained.

use std::path::PathBuf;

use clap::Args;

use crate::base::Watch;
use crate::pipeline::{Run, Seen, admit};

use super::Global;
use super::exit::{self, Failure};
use super::output;
use super::request::{self, Request};
use super::run::Report;

/// Judge pretrained encoders on the test people, beside controls.
///
/// Fit, choose on validation people, read the test people
/// once an arm, write predictions and scores.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    #[command(flatten)]
    request: Request,
    /// Judge this encoder (a checkpoint, an `encoder.safetensors`, a state_dict from elsewhere) in place of the
    /// pipeline's arms, in a run folder of its own. One made for other windows, or pretrained on people whom the split
    /// keeps apart, is refused.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Take an encoder that has seen people who judge it, and say so in its name.
    #[arg(long, requires = "checkpoint")]
    transductive: bool,
}

impl Evaluate {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        let evaluated = match &self.checkpoint {
            None => Run::pretrained(&pipeline, &means)?.score()?,
            Some(checkpoint) => {
                let policy = if self.transductive { Seen::Said } else { Seen::Refused };
                let admitted = admit(&pipeline, checkpoint, policy, &means)?;
                Run::begin_outside(&pipeline, &means)?.score_outside(admitted)?
            }
        };
        output::print(global.form(), &Report::new(&pipeline, evaluated)).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}
