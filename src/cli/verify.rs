//! `biossl verify`: whether a run says what its files say.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::pipeline::{self, Verified};

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};

/// Check a finished run: every number again, every hash, every role.
///
/// Recompute every printed number from its predictions, compare hashes of files, store, splits and
/// weights, the roles of people, the pools of encoders and the ledger of test reads. What does not agree is listed, and
/// the exit code is 1.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The run folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The store, where it does not lie where the run's pipeline says.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(&self, global: &Global) -> Result<u8, Failure> {
        let verified = pipeline::verify(&self.run, self.store.as_deref())?;
        let agrees = verified.disagreements.is_empty();
        output::print(global.form(), &Report { agrees, verified }).map_err(Failure::stdout)?;
        Ok(if agrees { exit::DONE } else { exit::FAILED })
    }
}

/// What verifying came to.
#[derive(Serialize)]
struct Report {
    agrees: bool,
    #[serde(flatten)]
    verified: Verified,
}

/// More than so many lines tell a person nothing new; `--json` has all.
const TOLD: usize = 40;

impl Page for Report {
    fn page(&self) -> String {
        let Verified { run, checked, disagreements } = &self.verified;
        let mut lines: Vec<String> = checked.iter().map(|what| format!("  looked at {what}")).collect();
        for one in disagreements.iter().take(TOLD) {
            lines.push(format!("  {}: {}, expected {}", one.place, one.found, one.expected));
        }
        if disagreements.len() > TOLD {
            lines.push(format!("  .. and {} more (--json lists all)", disagreements.len() - TOLD));
        }
        let end = match disagreements.len() {
            0 => "everything agrees".to_owned(),
            1 => "1 disagreement".to_owned(),
            n => format!("{n} disagreements"),
        };
        format!("{}\n{}\n{end}\n", run.display(), lines.join("\n"))
    }
}
