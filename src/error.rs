//! Everything that can go wrong: one transparent variant a room.

use crate::data::formats::FormatError;
use crate::pipeline::PipelineError;

/// An error of the library, from whichever room.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// A file of signals.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
    /// The pipeline itself.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pipeline(#[from] PipelineError),
}

impl Error {
    /// Whether the request is at fault, not the data: a wrong pipeline, a device that is not there.
    pub fn is_wrong_request(&self) -> bool {
        matches!(self, Self::Pipeline(_))
    }

    /// Whether somebody asked for the end.
    pub fn is_stop(&self) -> bool {
        false
    }
}
