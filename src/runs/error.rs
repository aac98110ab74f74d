//! What can be wrong with a run folder.

use std::path::{Path, PathBuf};

/// Why a run folder could not be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum RunError {
    /// There is something at that place.
    #[error("{} exists already", path.display())]
    #[diagnostic(help("go on with it by --resume, give another folder with --out, or delete it"))]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes there.
    #[error("{}: another process writes this run ({holder})", path.display())]
    #[diagnostic(help("wait until it has ended or end it, or give this run another folder with --out"))]
    Claimed {
        /// The folder.
        path: PathBuf,
        /// The process, as it told itself.
        holder: String,
    },
    /// The file system gives no locks, so two processes could write one run.
    #[error("{}: the run folder cannot be claimed: {source}", path.display())]
    #[diagnostic(help(
        "is the folder writable? A file system without locks holds no run folder: name one on a local disk with --out"
    ))]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no run to go on with.
    #[error("{} is no run folder: it has no {missing}", path.display())]
    #[diagnostic(help("name the folder that `biossl run` wrote"))]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that every run has.
        missing: &'static str,
    },
    /// A name that cannot be a folder.
    #[error("`{name}` cannot name a folder of the run")]
    #[diagnostic(help("use letters, digits, `-`, `_` and `.`"))]
    BadName {
        /// The name of an arm.
        name: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    #[diagnostic(help(
        "is the folder writable, and is there room on the disk? What was written before is whole: --resume goes on from it"
    ))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the run that another version of this program wrote.
    #[error("{}: form {found}, this version reads {expected}", path.display())]
    #[diagnostic(help(
        "an earlier version judged this run (those of the first say form 0): judge it again with `biossl run` and \
         --resume, the encoders stay as they are; a later one reads its own"
    ))]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// A file of the run is not what it should be.
    #[error("{}, line {line}: {message}", path.display())]
    #[diagnostic(help("the file was changed or cut after the run wrote it"))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl RunError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
