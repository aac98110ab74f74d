//! How the program ends: one table of exit codes, one form of error message.

use std::io;
use std::process::ExitCode;

use miette::Diagnostic;

use crate::error::Error;
use crate::pipeline::{PipelineError, Place};

use super::terminal;

/// Done.
pub(super) const DONE: u8 = 0;
/// Data, a file or training failed.
pub(super) const FAILED: u8 = 1;
/// The command line or the pipeline is wrong; clap's own code. A device that is not there counts as that.
pub(super) const WRONG: u8 = 2;
/// Stopped on request (SIGINT, SIGTERM, SIGUSR1) after the checkpoint was written: 128 and the signal's number.
pub(super) const STOPPED: u8 = 128;

/// Why a command did not give its result.
#[derive(Debug)]
pub(super) enum Failure {
    /// A room's error.
    Library(Box<Error>),
    /// Stdout cannot be written.
    Stdout(io::Error),
    /// The words of the command line do not fit together.
    Usage(String),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Library(Box::new(error.into()))
    }
}

impl Failure {
    /// A result that could not be written.
    pub(super) fn stdout(error: io::Error) -> Self {
        Self::Stdout(error)
    }
}

/// Tells a failure on stderr and gives its exit code. `after_stop`: what the command leaves when it is stopped.
pub(super) fn end(result: Result<u8, Failure>, signal: Option<u8>, after_stop: &str) -> ExitCode {
    ExitCode::from(match result {
        Ok(code) => code,
        // Whoever closed the pipe has read enough.
        Err(Failure::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(Failure::Stdout(error)) => {
            tell("cannot write the result", None, Some(&error), None);
            FAILED
        }
        Err(Failure::Usage(message)) => {
            tell(&message, None, None, Some("see `biossl --help`"));
            WRONG
        }
        Err(Failure::Library(error)) => {
            if let (true, Some(signal)) = (error.is_stop(), signal) {
                let after_stop = match *error {
                    _ if error.is_interrupted() => "nothing was written",
                    // A store is written whole or not at all, whoever needs it.
                    Error::Preprocess(_) => "nothing was written: the same command starts anew",
                    _ => after_stop,
                };
                terminal::line(&format!("stopped; {after_stop}"));
                return ExitCode::from(STOPPED + signal);
            }
            tell_library(&error);
            if error.is_wrong_request() { WRONG } else { FAILED }
        }
    })
}

/// Tells a room's error, with the line of the pipeline where there is one, its causes and the remedy.
pub(super) fn tell_library(error: &Error) {
    let place = match error {
        Error::Pipeline(PipelineError::Setting { place, .. }) => Some(place.as_ref()),
        _ => None,
    };
    let help = help(error);
    tell(&error.to_string(), place, std::error::Error::source(error), help.as_deref());
}

/// The remedy: the error's own, or that of the nearest cause that has one.
pub(super) fn help(error: &Error) -> Option<String> {
    let mut next: Option<&dyn Diagnostic> = Some(error);
    while let Some(diagnostic) = next {
        if let Some(help) = diagnostic.help() {
            return Some(help.to_string());
        }
        next = diagnostic.diagnostic_source();
    }
    None
}

fn tell(message: &str, place: Option<&Place>, cause: Option<&dyn std::error::Error>, help: Option<&str>) {
    let (red, bold, plain) = if terminal::colours() { ("\x1b[31;1m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    terminal::line(&format!("{red}error{plain}{bold}: {message}{plain}"));
    if let Some(place) = place {
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs keep their width when the line above them has them too.
        let before: String =
            place.excerpt.chars().take(place.column - 1).map(|sign| if sign == '\t' { '\t' } else { ' ' }).collect();
        terminal::line(&format!("{margin} |\n{number} | {}", place.excerpt));
        terminal::line(&format!("{margin} | {before}{red}{}{plain}", "^".repeat(place.width)));
    }
    let mut cause = cause;
    while let Some(reason) = cause {
        let text = reason.to_string();
        // Many messages quote their cause already.
        if !message.contains(&text) {
            terminal::line(&format!("  because: {text}"));
        }
        cause = reason.source();
    }
    if let Some(help) = help {
        terminal::line(&format!("  help: {help}"));
    }
}
