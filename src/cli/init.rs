//! `biossl init`: a folder of recordings to a pipeline that fits it.

mod channels;
mod look;
mod pattern;
mod propose;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::base::{Watch, write_atomically};
use crate::data::preprocess::PreprocessError;
use crate::pipeline::{Pipeline, PipelineText};

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};

use propose::{MARK, propose};

/// Look at a folder of recordings and write a pipeline that fits it.
///
/// Known are MIT-BIH Arrhythmia and Supraventricular,
/// EEGMMIDB, BIDS, and plain EDF, BDF or WFDB files; what the files do not tell is marked in the pipeline with `# ?`.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The folder of the recordings.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Where to write the pipeline; a file that is there is never touched.
    #[arg(long, value_name = "FILE", default_value = "pipeline.toml")]
    out: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    pipeline: PathBuf,
    corpus: &'static str,
    recordings: usize,
    /// Null: the names do not tell.
    people: Option<usize>,
    /// What a person has to look at.
    open: Vec<String>,
    /// Why settings or names of files are refused as they stand; null: they are not. What lies in the files shows when
    /// they are read.
    refused: Option<String>,
    next: String,
}

impl Init {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        self.free()?;
        let found = look::look(&self.folder, watch)?;
        let proposal = propose(&self.folder, &found);
        let refused = refusal(&self.out, &proposal.text);
        self.free()?;
        let io = |source| PreprocessError::Io { path: self.out.clone(), source };
        write_atomically(&self.out, proposal.text.as_bytes()).map_err(io).map_err(crate::error::Error::from)?;
        let pipeline = self.out.display();
        let next = match refused {
            None => format!("biossl preprocess {pipeline} --dry-run"),
            Some(_) => format!(
                "fill in the lines with `{}` of {pipeline}, then: biossl preprocess {pipeline} --dry-run",
                MARK.trim()
            ),
        };
        let written = Written {
            pipeline: self.out.clone(),
            corpus: proposal.corpus,
            recordings: found.seen.len(),
            people: proposal.people,
            open: proposal.open,
            refused,
            next,
        };
        output::print(global.form(), &written).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }

    /// Refuses to write over a file.
    fn free(&self) -> Result<(), Failure> {
        if self.out.symlink_metadata().is_err() {
            return Ok(());
        }
        Err(Failure::Usage(format!("{} is there already: choose another file with --out", self.out.display())))
    }
}

/// Why the pipeline is not taken as it stands, by the very reader that will read it.
fn refusal(path: &Path, text: &str) -> Option<String> {
    let name = path.display().to_string();
    let read = Pipeline::parse(&PipelineText::new(name, text), None).map_err(crate::error::Error::from);
    let listed = read.and_then(|pipeline| Ok(pipeline.corpus.choice.recordings()?));
    listed.err().map(|error| error.to_string())
}

impl Page for Written {
    fn page(&self) -> String {
        let people = self.people.map_or_else(|| "people not known".to_owned(), |n| format!("{n} people"));
        let mut text =
            format!("{}: corpus {}, {} recordings, {people}\n", self.pipeline.display(), self.corpus, self.recordings);
        text.extend(self.open.iter().map(|words| format!("  ? {words}\n")));
        text.extend(self.refused.iter().map(|refused| format!("  not complete: {refused}\n")));
        text + &format!("next: {}\n", self.next)
    }
}
