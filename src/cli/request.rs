//! What every command on a pipeline asks for: the file, where results go, and the means to carry it out.

use std::path::PathBuf;

use clap::Args;

use crate::base::Watch;
use crate::learning::nn::{DeviceChoice, device, taken};
use crate::pipeline::{Means, Part, Pipeline, PipelineText};

use super::Global;
use super::exit::Failure;
use super::terminal;

/// The pipeline and where its results go.
#[derive(Debug, Args)]
pub(super) struct Request {
    /// The pipeline's TOML.
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,
    /// The run folder instead of the pipeline's `folder` [default: runs/NAME].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The store instead of the pipeline's `store` [default: stores/NAME.h5].
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Keep what is whole of files that contradict themselves, and say so (`preprocess.strictness`).
    #[arg(long)]
    lenient: bool,
    /// The unit of a picked channel whose file gives none or an unknown one (`preprocess.units`): --unit "ECG 1=uV".
    #[arg(long, value_name = "LABEL=UNIT")]
    unit: Vec<String>,
}

impl Request {
    /// Reads the pipeline with the overrides of the command line laid over it.
    pub(super) fn read(&self, global: &Global) -> Result<Pipeline, Failure> {
        let mut text = PipelineText::read(&self.pipeline)?;
        if self.lenient {
            text.set("preprocess.strictness=\"lenient\"")?;
        }
        for given in &self.unit {
            text.set(&unit_setting(given)?)?;
        }
        let mut pipeline = understand(text, global)?;
        for caution in &pipeline.cautions {
            terminal::line(&format!("caution: {caution}"));
        }
        if let Some(out) = &self.out {
            pipeline.folder.clone_from(out);
        }
        if let Some(store) = &self.store {
            pipeline.store.clone_from(store);
        }
        Ok(pipeline)
    }
}

/// `LABEL=UNIT` as the setting that it stands for. A label may hold anything, `=` too.
fn unit_setting(given: &str) -> Result<String, Failure> {
    match given.rsplit_once('=') {
        Some((label, unit)) if !label.is_empty() => {
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            Ok(format!("preprocess.units.{}={}", quoted(label), quoted(unit)))
        }
        _ => Err(Failure::Usage(format!("`--unit {given}`: write LABEL=UNIT, such as --unit \"ECG 1=uV\""))),
    }
}

/// Lays `--set` and `--seed` over a text and understands it. The file's note speaks of the file's own keys, and it stands
/// in the head of every table: what was laid over them is said behind it.
pub(super) fn understand(mut text: PipelineText, global: &Global) -> Result<Pipeline, Failure> {
    for assignment in &global.set {
        text.set(assignment)?;
    }
    let mut pipeline = Pipeline::parse(&text, global.seed)?;
    pipeline.note = noted(&pipeline.note, &global.set, global.seed);
    Ok(pipeline)
}

/// A note with the keys that were laid over the file, unless one of them is the note. Places change no result.
fn noted(note: &str, set: &[String], seed: Option<u64>) -> String {
    let key = |assignment: &&String| assignment.split('=').next().unwrap_or_default().trim().to_owned();
    if note.is_empty() || set.iter().any(|assignment| key(&assignment) == "note") {
        return note.to_owned();
    }
    let place = |assignment: &&String| ["store", "folder", "corpus.root"].contains(&key(assignment).as_str());
    let set = set.iter().filter(|assignment| !place(assignment)).map(|assignment| format!("--set {assignment}"));
    let all: Vec<String> = set.chain(seed.map(|seed| format!("--seed {seed}"))).collect();
    if all.is_empty() { note.to_owned() } else { format!("{note}; but {}", all.join(" ")) }
}

/// Which split of a run `--fold` and `--subject` mean, of which one at most is given.
pub(super) fn part(fold: Option<u16>, subject: Option<&String>) -> Part {
    match (fold, subject) {
        (Some(fold), _) => Part::Fold(fold),
        (None, Some(id)) => Part::Subject(id.clone()),
        (None, None) => Part::Unsaid,
    }
}

/// Threads, device, watch: a device that is not there is an error before anything is read or written.
pub(super) fn means(global: &Global, watch: &Watch) -> Result<Means, Failure> {
    let choice: DeviceChoice = global.device.parse().map_err(crate::error::Error::from)?;
    let device = device(choice).map_err(crate::error::Error::from)?;
    if choice == DeviceChoice::Auto {
        // Told however quiet: results of two devices differ in the last bits.
        terminal::line(&format!("device auto: {}", taken(&device)));
    }
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    Ok(Means {
        threads: global.threads.map_or_else(rayon::current_num_threads, usize::from),
        device,
        command: format!("biossl {command}"),
        watch: watch.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_says_what_was_laid_over_the_file() {
        let set = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
        let note = "600 steps, seed 1";
        assert_eq!(noted(note, &set(&["corpus.root=data", "store = x.h5"]), None), note);
        let changed = noted(note, &set(&["corpus.root=data", "train.steps=6"]), Some(2));
        assert_eq!(changed, "600 steps, seed 1; but --set train.steps=6 --seed 2");
        assert_eq!(noted("new", &set(&["note=new", "train.steps=6"]), None), "new");
        assert_eq!(noted("", &set(&["train.steps=6"]), Some(2)), "");
    }
}
