//! What can go wrong between a recording and a store.

use std::path::{Path, PathBuf};

use super::failure::{Failure, listed};
use super::windows::Dropped;
use crate::base::Stopped;
use crate::data::corpora::CorpusError;
use crate::data::formats::FormatError;
use crate::data::store::StoreError;
use crate::signal::Unit;

/// What can go wrong between a recording and a store.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A setting that makes no sense.
    #[error("`{key}` of [preprocess]: {message}")]
    #[diagnostic(help(
        "give `{key}` another value in [preprocess] or with `--set preprocess.{key}=..`, or leave it out: docs/pipeline.md \
         has its default"
    ))]
    Setting {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        message: String,
    },
    /// A channel in no voltage.
    #[error("channel {label} is in `{unit}`, which is no voltage")]
    #[diagnostic(help(
        "if it is a voltage, say which: `--unit \"{label}=uV\"`, or `units` in [preprocess] (V, mV, uV and nV are known)"
    ))]
    Unit {
        /// Its label.
        label: String,
        /// Its unit.
        unit: String,
    },
    /// A unit that the recipe gives a channel and its file denies.
    #[error("channel {label} is in {unit}, but `units` of [preprocess] says {given}")]
    #[diagnostic(help("take it out of `units`: they stand only for units that are missing or unknown in the file"))]
    OtherUnit {
        /// Its label.
        label: String,
        /// Its unit in the file.
        unit: Unit,
        /// The recipe's.
        given: Unit,
    },
    /// Rates that cannot be changed into each other.
    #[error("{message}")]
    #[diagnostic(help("choose another `rate_hz` in [preprocess], or add the recording to the corpus's `exclude`"))]
    Resampling {
        /// What is wrong with them.
        message: String,
    },
    /// Channels that cannot be windows together.
    #[error("channel {label} has {samples} samples at {rate_hz} Hz, expected {expected}")]
    #[diagnostic(help("pick channels of one rate, or have all resampled to one: `rate_hz` in [preprocess]"))]
    Channel {
        /// Its label.
        label: String,
        /// Its length.
        samples: usize,
        /// Its rate.
        rate_hz: f64,
        /// What the others, or the corpus, have.
        expected: String,
    },
    /// A recording whose rate is not the corpus's.
    #[error("sampled at {found_hz} Hz, corpus `{corpus}` has {expected_hz} Hz")]
    #[diagnostic(help(
        "add `{id}` or its subject to the corpus's `exclude`, or have everything resampled to one rate: \
         `rate_hz = {expected_hz}` in [preprocess]"
    ))]
    Rate {
        /// The recording.
        id: String,
        /// The corpus.
        corpus: String,
        /// Its rate.
        found_hz: f64,
        /// The corpus's rate.
        expected_hz: f64,
    },
    /// A recording too short for the filter.
    #[error("{samples} samples are too few for the filter, which needs more than {needed}")]
    #[diagnostic(help("leave the recording out with the corpus's `exclude`"))]
    TooShort {
        /// Its length.
        samples: usize,
        /// Samples of extension at each end.
        needed: usize,
    },
    /// A recording whose channels are not those of most others.
    #[error("unlike {recordings} recordings {}", difference(found, expected))]
    #[diagnostic(help(
        "name channels that all recordings have in the corpus's `channels`, or add this recording to its `exclude`"
    ))]
    Leads {
        /// Of this recording.
        found: Vec<String>,
        /// Of the others.
        expected: Vec<String>,
        /// How many have those.
        recordings: usize,
    },
    /// A channel that a file does not have.
    #[error("channel {place} is asked for, there are {found}")]
    #[diagnostic(help(
        "the file changed while it was read: let whatever writes it finish, then run the same command again"
    ))]
    NoChannel {
        /// Its place, from 1.
        place: usize,
        /// Channels of the file.
        found: usize,
    },
    /// Nothing to write.
    #[error("corpus {corpus}: no window in {recordings} recordings{}", why_none(dropped, *needed_s))]
    #[diagnostic(help("{}", remedy_for_none(dropped)))]
    NoWindow {
        /// Its name.
        corpus: String,
        /// How many recordings were listed.
        recordings: usize,
        /// What their marks gave instead.
        dropped: Dropped,
        /// What a stretch needs to hold: `window_s` and `eval_offset_s`.
        needed_s: f64,
    },
    /// A fault in one recording.
    #[error("{}: {fault}", path.display())]
    Recording {
        /// Its file.
        path: PathBuf,
        /// The fault.
        #[source]
        fault: Box<PreprocessError>,
        /// The fault's own.
        #[help]
        remedy: Option<String>,
    },
    /// Recordings that cannot be used: all of them, so that they can be mended in one go.
    #[error("{} of {recordings} recordings failed, nothing was written:{}", failures.len(), listed(failures))]
    #[diagnostic(help(
        "mend these files or add them to the corpus's `exclude`; `allow_failed = true` in [preprocess] goes on without \
         them, and every later table names them"
    ))]
    Failed {
        /// Which, and why.
        failures: Vec<Failure>,
        /// How many there are in all.
        recordings: usize,
    },
    /// The disk has no room for the store.
    #[error("{}: the store needs {} MB, {} MB are free there", store.display(), needed.div_ceil(1_000_000), free / 1_000_000)]
    #[diagnostic(help("make room, or name another place: `store` of the pipeline or `--store`"))]
    Disk {
        /// Where it would lie.
        store: PathBuf,
        /// Its size in bytes.
        needed: u64,
        /// What is free.
        free: u64,
    },
    /// There is not enough memory for the longest recordings.
    #[error(
        "{threads} threads need about {} MB of memory, {} MB can be had",
        needed.div_ceil(1_000_000), available / 1_000_000
    )]
    #[diagnostic(help("take fewer `--threads`: each holds one recording"))]
    Memory {
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
        /// Workers.
        threads: usize,
    },
    /// There is not enough memory for one recording, by its header.
    #[error(
        "{}: {channels} channels of {samples} samples need about {} MB of memory with {workers} at once, {} MB can be had",
        path.display(), needed.div_ceil(1_000_000), available / 1_000_000
    )]
    #[diagnostic(help(
        "take fewer `--threads` (each holds one recording), pick fewer channels in the corpus, or cut the recording into \
         shorter files"
    ))]
    Long {
        /// The file.
        path: PathBuf,
        /// Picked channels.
        channels: usize,
        /// Samples of the longest of them.
        samples: u64,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
        /// Recordings in memory together.
        workers: u64,
    },
    /// A source file cannot be read for its hash.
    #[error("{}: {source}", path.display())]
    #[diagnostic(help("see that the file is still there and may be read, and that its disk is sound"))]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// A recording that changed between the two passes.
    #[error("{planned} samples at first, {found} when they were read again: the file changed while the store was made")]
    #[diagnostic(help("let whatever writes the file finish, then run the same command again"))]
    Changed {
        /// First pass.
        planned: usize,
        /// Second pass.
        found: usize,
    },
    /// A file that was written to between the two passes and kept its length.
    #[error("{file} was written to while the store was made: its contents are not those that were looked at first")]
    #[diagnostic(help("let whatever writes the file finish, then run the same command again"))]
    Rewritten {
        /// Its name.
        file: String,
    },
    /// As the reader says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
    /// As the corpus says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Corpus(#[from] CorpusError),
    /// As the store says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What became of the marks of a corpus that gave no window.
fn why_none(dropped: &Dropped, needed_s: f64) -> String {
    let Dropped { short, partial, edge, outside } = *dropped;
    let mut reasons = Vec::new();
    if short > 0 {
        reasons.push(format!("{short} stretches, all shorter than {needed_s} s (`window_s` and `eval_offset_s`)"));
    }
    let others = [
        (partial, "long stretches shorter than a window"),
        (edge, "windows that cross an end of the recording"),
        (outside, "marks outside the recording"),
    ];
    reasons.extend(others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    if reasons.is_empty() { ", nor a mark that could give one".to_owned() } else { format!(": {}", reasons.join(", ")) }
}

/// The key to look at when no window was made.
fn remedy_for_none(dropped: &Dropped) -> &'static str {
    if dropped.short + dropped.partial > 0 {
        "set a smaller `window_s` or `eval_offset_s` in [preprocess]: both must fit in a stretch together"
    } else if dropped.edge > 0 {
        "set `edge = \"replicate\"`, or a smaller `window_s`, in [preprocess]"
    } else if dropped.outside > 0 {
        "look whether the marks belong to these recordings, and at `cut_padding` of [preprocess]"
    } else {
        "look at the corpus's `root`, its choice of recordings and marks, and `exclude`"
    }
}

impl PreprocessError {
    /// Whether it is the fault of one recording, and others may be sound. Memory is none: what a store holds may not
    /// depend on the machine that made it.
    pub(super) fn is_of_recording(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Stopped(_) | Self::Long { .. })
    }

    /// Names the recording, unless the fault names its file itself.
    pub(super) fn in_recording(self, path: &Path) -> Self {
        match self {
            Self::Format(_)
            | Self::Corpus(_)
            | Self::Store(_)
            | Self::Io { .. }
            | Self::Long { .. }
            | Self::Stopped(_) => self,
            fault => {
                let remedy = miette::Diagnostic::help(&fault).map(|help| help.to_string());
                Self::Recording { path: path.to_owned(), fault: Box::new(fault), remedy }
            }
        }
    }
}

/// Names told of a difference: of hundreds nobody reads more.
const NAMES: usize = 8;

/// How the channels of one recording differ from those of the others.
fn difference(found: &[String], expected: &[String]) -> String {
    let only_in = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|label| !other.contains(label)).cloned().collect()
    };
    match (&only_in(expected, found)[..], &only_in(found, expected)[..]) {
        ([], []) => "it has the same channels in another order".to_owned(),
        (lacking, []) => format!("it lacks {}", some(lacking)),
        ([], more) => format!("it also has {}", some(more)),
        (lacking, more) => format!("it lacks {} and has {}", some(lacking), some(more)),
    }
}

/// The first few of many names.
fn some(names: &[String]) -> String {
    let (told, left) = names.split_at(names.len().min(NAMES));
    let more = if left.is_empty() { String::new() } else { format!(" and {} more", left.len()) };
    told.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use miette::Diagnostic;

    use super::*;

    #[test]
    fn of_other_channels_the_difference_is_told_and_what_to_do() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let told = |found: &str, expected: &str| {
            let (found, expected) = (names(found), names(expected));
            PreprocessError::Leads { found, expected, recordings: 9 }.to_string()
        };
        assert_eq!(told("C3 A1 A2", "C3 C4"), "unlike 9 recordings it lacks C4 and has A1, A2");
        assert_eq!(told("C3 C4", "C3"), "unlike 9 recordings it also has C4");
        assert_eq!(told("C4 C3", "C3 C4"), "unlike 9 recordings it has the same channels in another order");
        let long = told("C3", "C3 1 2 3 4 5 6 7 8 9 10");
        assert_eq!(long, "unlike 9 recordings it lacks 1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }

    #[test]
    fn faults_have_remedies() {
        let help = |error: PreprocessError| error.help().map(|help| help.to_string()).unwrap_or_default();
        let leads = PreprocessError::Leads { found: Vec::new(), expected: Vec::new(), recordings: 1 };
        assert!(help(leads).contains("`channels`"));
        let setting = PreprocessError::Setting { key: "order", message: String::new() };
        assert!(help(setting).contains("--set preprocess.order=.."));
        assert!(help(PreprocessError::Changed { planned: 1, found: 2 }).contains("run the same command again"));
        let io = PreprocessError::Io { path: "a".into(), source: std::io::ErrorKind::NotFound.into() };
        assert!(help(io).contains("may be read"));
    }
}
