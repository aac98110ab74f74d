//! Recordings that failed: one bad file neither stops the others nor vanishes.

use std::fmt::Write as _;
use std::path::PathBuf;

use miette::Diagnostic;
use serde::Serialize;

use super::error::PreprocessError;
use crate::base::Watch;
use crate::data::corpora::RecordingRef;
use crate::signal::FailedRecording;

/// A recording that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// As [`RecordingRef::id`].
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it, and where.
    pub reason: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Failure {
    pub(super) fn new(of: &RecordingRef, error: &PreprocessError) -> Self {
        Self { id: of.id.clone(), path: of.path.clone(), reason: reason(error), remedy: remedy(error) }
    }

    /// The file and what is wrong with it.
    pub fn told(&self) -> String {
        let path = self.path.display().to_string();
        // Most messages name their file themselves.
        if self.reason.contains(&path) { self.reason.clone() } else { format!("{path}: {}", self.reason) }
    }

    /// What a store says of it.
    pub(super) fn entry(&self) -> FailedRecording {
        FailedRecording { id: self.id.clone(), reason: self.reason.clone() }
    }
}

/// Names the recordings that failed beside `sound` others, at the end and however little a person asked to be told.
pub(super) fn warn_of_failures(failures: &[Failure], sound: usize, watch: &Watch) {
    if !failures.is_empty() {
        let (failed, all, list) = (failures.len(), failures.len() + sound, listed(failures));
        watch.progress().caution(&format!("{failed} of {all} recordings failed and are not in the store:{list}"));
    }
}

/// The message with those of its causes that it does not quote.
fn reason(error: &PreprocessError) -> String {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let text = next.to_string();
        if !reason.contains(&text) {
            let _ = write!(reason, ": {text}");
        }
        cause = next.source();
    }
    reason
}

/// The error's own remedy, or that of the nearest cause that has one.
fn remedy(error: &dyn Diagnostic) -> Option<String> {
    error.help().map(|help| help.to_string()).or_else(|| remedy(error.diagnostic_source()?))
}

/// All of them for a person, a file a line.
pub(super) fn listed(failures: &[Failure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let _ = write!(text, "\n  {}: {}", failure.id, failure.told());
        if let Some(remedy) = &failure.remedy {
            let _ = write!(text, "\n    remedy: {remedy}");
        }
    }
    text
}
