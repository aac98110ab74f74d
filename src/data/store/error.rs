//! What can be wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

/// A fault of a store and the file it is in.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}: {fault}", path.display())]
pub struct StoreError {
    /// The store.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    #[diagnostic_source]
    pub fault: StoreFault,
}

impl StoreError {
    /// Adds the path to a fault.
    pub(super) fn at(path: &Path) -> impl FnOnce(StoreFault) -> Self + '_ {
        move |fault| Self { path: path.to_owned(), fault }
    }
}

/// What is wrong with a store.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum StoreFault {
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The HDF5 library refused.
    #[error("{doing}: {source}")]
    #[diagnostic(help("the file is no HDF5 file or is damaged; make the store again with `biossl preprocess`"))]
    Hdf5 {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: hdf5::Error,
    },
    /// HDF5, but not ours.
    #[error("an HDF5 file, but no store: the attribute `format` is not `{}`", super::schema::FORMAT)]
    #[diagnostic(help("make a store with `biossl preprocess`"))]
    NoStore,
    /// A store of another schema version.
    #[error("store of schema version {found}; this program reads version {known}")]
    #[diagnostic(help("make the store again with this version's `biossl preprocess`"))]
    Schema {
        /// In the file.
        found: u32,
        /// Known here.
        known: u32,
    },
    /// Data that does not lie in the file as plain numbers.
    #[error("`{name}` is {how}")]
    #[diagnostic(help("a store's data are contiguous, unfiltered and inside the file; other files are not opened"))]
    Foreign {
        /// Data set or group.
        name: String,
        /// What it is instead.
        how: &'static str,
    },
    /// A data set of the wrong shape or type.
    #[error("`{name}` is {found}, expected {expected}")]
    Shape {
        /// Data set.
        name: String,
        /// In the file.
        found: String,
        /// By the other parts of the file.
        expected: String,
    },
    /// The file ends before its data.
    #[error("the samples end at byte {needed}, the file at byte {found}: it was cut")]
    #[diagnostic(help("copy the file again, or make the store again with `biossl preprocess`"))]
    Truncated {
        /// Bytes that the shape asks for.
        needed: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// A value that cannot be.
    #[error("`{name}`: {message}")]
    #[diagnostic(help("the store is damaged or its recipe cannot work: make it again with `biossl preprocess`"))]
    Value {
        /// Attribute or data set.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// A cut beyond what the row holds.
    #[error(
        "row {row}: samples {offset}..{end} asked for, stored are {}..{} (margin {margin})",
        -i64::from(*margin), stored - i64::from(*margin)
    )]
    #[diagnostic(help("prepare the store with a larger `margin_s`, or ask for smaller delays"))]
    Cut {
        /// Row.
        row: u32,
        /// First sample asked for, relative to the row's start.
        offset: i64,
        /// One past the last.
        end: i64,
        /// Margin of the store.
        margin: u32,
        /// Stored samples of a row.
        stored: i64,
    },
    /// The writer was used wrongly.
    #[error("{message}")]
    Writer {
        /// How.
        message: String,
    },
}

impl StoreFault {
    /// Adds what was being done to an error of HDF5.
    pub(super) fn hdf5(doing: impl Into<String>) -> impl FnOnce(hdf5::Error) -> Self {
        move |source| Self::Hdf5 { doing: doing.into(), source }
    }

    /// Adds what was being done to an error of the operating system.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// A value that cannot be.
    pub(super) fn value(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Value { name: name.into(), message: message.into() }
    }
}
