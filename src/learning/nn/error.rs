//! What can go wrong with networks.

use miette::Diagnostic;
use thiserror::Error;

/// A fault of the nn room.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum NnError {
    /// A device that cannot be opened.
    #[error("device `{name}` is not there: {reason}")]
    #[diagnostic(help("{remedy}"))]
    Device {
        /// As the person wrote it.
        name: String,
        /// What was found.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// A word that names no device.
    #[error("`{word}` names no device")]
    #[diagnostic(help(
        "known: cpu, cuda, cuda:N (the N-th NVIDIA card, from 0), metal, auto (a card where there is one)"
    ))]
    UnknownDevice {
        /// The word.
        word: String,
    },
    /// Fewer samples than the encoder's pools leave room for.
    #[error("encoder `{encoder}` needs windows of at least {least} samples, these have {samples}")]
    #[diagnostic(help("prepare longer windows, or choose an encoder with fewer pools"))]
    WindowTooShort {
        /// Its name.
        encoder: &'static str,
        /// The shortest length it takes.
        least: usize,
        /// The length asked for.
        samples: usize,
    },
    /// No channel.
    #[error("encoder `{encoder}` was asked to read windows of 0 channels")]
    #[diagnostic(help("choose at least one channel in the recipe"))]
    NoChannels {
        /// Its name.
        encoder: &'static str,
    },
    /// A width that is no positive number, or a slip of the pen.
    #[error("encoder width {width} is not a number above 0, at most 16")]
    #[diagnostic(help("1 is the published size, 0.25 a small one"))]
    Width {
        /// As given.
        width: f64,
    },
    /// A batch of another shape than the encoder was built for.
    #[error("windows of shape {found:?} do not fit an encoder of [n, {channels}, {samples}]")]
    #[diagnostic(help("the encoder was built for another store or another recipe"))]
    WindowShape {
        /// The batch's shape.
        found: Vec<usize>,
        /// What the encoder reads.
        channels: usize,
        /// What the encoder reads.
        samples: usize,
    },
    /// Norm groups that do not divide the batch.
    #[error("{n} windows cannot be parted into {groups} norm groups of equal size")]
    #[diagnostic(help("take a batch that is a multiple of the number of groups"))]
    NormGroups {
        /// Windows in the batch.
        n: usize,
        /// Groups asked for.
        groups: usize,
    },
    /// Batch norm over one value.
    #[error("batch norm in training needs more than one value a channel, here {n} windows of {samples} samples")]
    #[diagnostic(help("take a larger batch"))]
    NormTooSmall {
        /// Windows in a group.
        n: usize,
        /// Samples at the shortest layer.
        samples: usize,
    },
    /// A parameter that the layout does not hold.
    #[error("no parameter is called `{name}`")]
    UnknownParameter {
        /// The name asked for.
        name: String,
    },
    /// A flat vector of another length than the layout.
    #[error("{found} numbers do not fit a layout of {expected}")]
    #[diagnostic(help("the checkpoint was written for another encoder, width or channel count"))]
    Length {
        /// Numbers the layout holds.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
    /// A saved tensor that is missing, has another shape or another type.
    #[error("saved weights do not fit this network: tensor `{name}` should be {expected}, the file has {found}")]
    #[diagnostic(help("the file was written for another encoder, width, channel count or tool"))]
    SavedTensor {
        /// The state_dict name.
        name: String,
        /// Type and shape wanted.
        expected: String,
        /// Type and shape found, or `none`.
        found: String,
    },
    /// Not a safetensors file.
    #[error("saved weights cannot be read: {0}")]
    #[diagnostic(help("the file is cut short or no safetensors file"))]
    Saved(#[from] safetensors::SafeTensorError),
    /// A file that cannot be read or written.
    #[error("cannot read or write {path}: {source}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A loss that got a target outside its classes.
    #[error("target {target} in row {row} is none of {classes} classes")]
    Target {
        /// Row of the batch.
        row: usize,
        /// The class asked for.
        target: u32,
        /// How many there are.
        classes: usize,
    },
    /// As many targets as rows are needed.
    #[error("{targets} targets for {rows} rows")]
    TargetCount {
        /// Rows of logits.
        rows: usize,
        /// Targets given.
        targets: usize,
    },
    /// What candle reports.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
