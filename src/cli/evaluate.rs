//! `biossl evaluate`: the test, once everything is pretrained.

use clap::Args;

use crate::base::Watch;
use crate::pipeline::Run;

use super::Global;
use super::exit::{self, Failure};
use super::output;
use super::request::{self, Request};
use super::run::Report;

/// Judge the pretrained encoders of a run beside the controls: fit, choose on validation people, read the test people
/// once an arm, write predictions and scores.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    #[command(flatten)]
    request: Request,
}

impl Evaluate {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        let evaluated = Run::pretrained(&pipeline, &means)?.score()?;
        output::print(global.form(), &Report::new(&pipeline, evaluated)).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}
