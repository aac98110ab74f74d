//! `biossl demo`: the whole road on the small real recordings, ECG then EEG.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::base::Watch;
use crate::pipeline::PipelineText;
use crate::runs::Existing;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};
use super::request;
use super::run::Report;
use super::terminal;

/// The pipelines are part of the program, so that a demonstration needs nothing but the recordings.
const PIPELINES: [(&str, &str); 2] = [
    ("demo-ecg", include_str!("../../pipelines/demo-ecg.toml")),
    ("demo-eeg", include_str!("../../pipelines/demo-eeg.toml")),
];

/// Run the whole road on small real recordings.
///
/// ECG, then EEG: preprocess, pretrain base, subject-specific and subject-invariant, probe, fine-tune, evaluate beside
/// controls. Minutes on two cores. Nothing that is there is replaced: a second demo has run folders of its own.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The project's folder of small recordings.
    #[arg(long, value_name = "FOLDER", default_value = "fixtures")]
    fixtures: PathBuf,
    /// Where the run folders go.
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Shown {
    runs: Vec<Report>,
}

impl Demo {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        if !self.fixtures.join("mitdb").is_dir() {
            let fixtures = self.fixtures.display();
            return Err(Failure::Usage(format!(
                "no recordings in {fixtures}: run `biossl demo` in the project's folder, or name its fixtures with --fixtures"
            )));
        }
        let means = request::means(global, watch)?;
        let mut runs = Vec::new();
        for (name, text) in PIPELINES {
            let mut text = PipelineText::new(format!("{name}.toml"), text);
            let places = self.places(name);
            for (key, path) in places {
                text.set(&format!("{key}={}", toml_string(&path)))?;
            }
            let pipeline = request::understand(text, global)?;
            if !global.quiet {
                terminal::line(&format!("\n{name}: {} into {}", pipeline.corpus.name, pipeline.folder.display()));
            }
            runs.push(Report::of(&pipeline, Existing::Refuse, &means)?);
        }
        output::print(global.form(), &Shown { runs }).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }

    /// Recordings, store and run folder: the first number that is free, so that nothing is ever replaced.
    fn places(&self, name: &str) -> [(&'static str, PathBuf); 3] {
        let corpus = if name.ends_with("ecg") { "mitdb" } else { "eegmmidb" };
        let folders = (1..=u32::MAX).map(|number| self.out.join(format!("{name}-{number}")));
        let folder = folders.into_iter().find(|path| !path.exists()).expect("no disk holds 2^32 folders");
        let store = self.out.join(format!("{name}.h5"));
        [("corpus.root", self.fixtures.join(corpus)), ("store", store), ("folder", folder)]
    }
}

/// A path as TOML writes it: JSON's escapes are TOML's.
fn toml_string(path: &Path) -> String {
    serde_json::Value::from(path.display().to_string()).to_string()
}

impl Page for Shown {
    fn page(&self) -> String {
        let tables: Vec<String> = self.runs.iter().map(Page::page).collect();
        let tables = tables.join("\n");
        format!(
            "{tables}\nThese people are few: the tables show the road, not a result. On your own data:\n  \
             biossl inspect FILE                                          what is in a recording\n  \
             biossl run pipelines/mitdb-sacl.toml --set corpus.root=DIR   MIT-BIH, whole\n  \
             biossl list                                                  what a pipeline can choose from\n"
        )
    }
}
