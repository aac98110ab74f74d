//! `biossl compare`: several runs in one table.

use std::path::PathBuf;

use clap::Args;

use crate::judging::evaluate::{Compared, People};
use crate::pipeline;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};

/// Put the arms of several runs into one table, with paired tests.
///
/// The tests are between arms that are judged in the same way, on the same test people.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The run folders, two or more.
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    runs: Vec<PathBuf>,
    /// Compare on the people whom all runs test, where test people differ; the others are named.
    #[arg(long)]
    common: bool,
}

impl Compare {
    pub(super) fn run(&self, global: &Global) -> Result<u8, Failure> {
        let people = if self.common { People::Common } else { People::Same };
        output::print(global.form(), &pipeline::compare(&self.runs, people)?).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

impl Page for Compared {
    fn page(&self) -> String {
        self.to_string()
    }
}
