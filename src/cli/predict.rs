//! `biossl predict`: a trained run on new recordings.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::base::{Watch, write_atomically};
use crate::pipeline::{Cutting, PredictRequest, Predicted, predict};
use crate::runs::RunError;

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};
use super::request;

/// Let a classifier of a finished run say what is in new recordings.
///
/// One line a window with time, class and
/// probabilities. People whom the classifier has seen are marked. Recordings that cannot be read, or that have other
/// channels, units or rates than the run's, are named on stderr and make the exit code 1; the others are predicted.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// The run folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// A recording, or a folder of them.
    #[arg(value_name = "RECORDINGS")]
    recordings: PathBuf,
    /// The classifier, by its name in the run's table [default: the only one].
    #[arg(long, value_name = "NAME")]
    classifier: Option<String>,
    /// The fold whose classifier it is [default: the first]; with an encoder a person, the person's number.
    #[arg(long, value_name = "N", conflicts_with = "subject")]
    fold: Option<u16>,
    /// With an encoder a person, whose it is [default: that of the person whose recordings these are].
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Where windows are cut.
    #[arg(long, value_enum, default_value_t = Windows::Marks)]
    windows: Windows,
    /// Write the lines into this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Windows {
    /// At annotations or cues, as the run's corpus reads them.
    Marks,
    /// One behind the other over the whole recording.
    Sliding,
}

impl Predict {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let means = request::means(global, watch)?;
        let scratch = std::env::temp_dir().join(format!("biossl-predict-{}.h5", std::process::id()));
        let asked = PredictRequest {
            run: self.run.clone(),
            recordings: self.recordings.clone(),
            classifier: self.classifier.clone(),
            part: request::part(self.fold, self.subject.as_ref()),
            seed: global.seed,
            cutting: match self.windows {
                Windows::Marks => Cutting::Marks,
                Windows::Sliding => Cutting::Sliding,
            },
            scratch,
        };
        let predicted = predict(&asked, &means)?;
        match &self.to {
            None => output::print(global.form(), &predicted).map_err(Failure::stdout)?,
            Some(path) => {
                let text = output::shown(global.form(), &predicted).map_err(Failure::stdout)?;
                let fault = |source| RunError::Io { path: path.clone(), source };
                write_atomically(path, text.as_bytes()).map_err(fault)?;
            }
        }
        Ok(if predicted.failed.is_empty() { exit::DONE } else { exit::FAILED })
    }
}

impl Page for Predicted {
    /// CSV: what a person would do with so many lines is open them in another program.
    fn page(&self) -> String {
        let mut text = String::from("recording,subject,time_s,class");
        for class in &self.classes {
            let _ = write!(text, ",p_{}", field(class));
        }
        text.push_str(",seen\n");
        for window in &self.windows {
            let (recording, subject, class) = (field(&window.recording), field(&window.subject), field(&window.class));
            let _ = write!(text, "{recording},{subject},{},{class}", window.time_s);
            for probability in &window.probabilities {
                let _ = write!(text, ",{probability}");
            }
            let _ = writeln!(text, ",{}", window.seen.unwrap_or_default());
        }
        text
    }
}

/// A field of CSV; quoted where it has to be.
fn field(word: &str) -> String {
    if word.contains([',', '"', '\n', '\r']) { format!("\"{}\"", word.replace('"', "\"\"")) } else { word.to_owned() }
}
