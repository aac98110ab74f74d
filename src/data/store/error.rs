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
    #[diagnostic(help("see that the file is there and readable, and the disk not full"))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The HDF5 library refused.
    #[error("{doing}: {source}")]
    #[diagnostic(help(
        "the file is no HDF5 file or is damaged; make the store anew with `biossl preprocess PIPELINE --overwrite`"
    ))]
    Hdf5 {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: hdf5::Error,
    },
    /// A folder, a pipe or a device.
    #[error("no store: it is no regular file")]
    #[diagnostic(help("name a file as `store`, or with --store"))]
    NoFile,
    /// Another program's file.
    #[error("no store: it does not begin with `{0}`, nor is it HDF5 whose `format` is `{0}`", super::schema::FORMAT)]
    #[diagnostic(help("give `store` another path: `--overwrite` replaces stores, never a file that is none"))]
    NoStore,
    /// A store of another schema version.
    #[error("store of schema version {found}; this program reads version {known}")]
    #[diagnostic(help("make the store anew: `biossl preprocess PIPELINE --overwrite`"))]
    Schema {
        /// In the file.
        found: u32,
        /// Known here.
        known: u32,
    },
    /// The file was changed after it was finished.
    #[error("the file is not as it was written: its tables or attributes do not fit the SHA-256 in its first lines")]
    #[diagnostic(help(
        "copy the file again, or make the store anew: `biossl preprocess PIPELINE --overwrite`; a store is never edited"
    ))]
    Seal,
    /// Samples that were changed after the file was finished.
    #[error("the samples of {rows} windows are not as they were written; the first is row {first}")]
    #[diagnostic(help(
        "copy the file again, or make the store anew: `biossl preprocess PIPELINE --overwrite`; a store is never edited"
    ))]
    Samples {
        /// How many rows.
        rows: usize,
        /// The first of them.
        first: u32,
    },
    /// A chunk that does not inflate to a row.
    #[error("the compressed samples of row {row} are damaged")]
    #[diagnostic(help("copy the file again, or make the store anew: `biossl preprocess PIPELINE --overwrite`"))]
    Chunk {
        /// The row.
        row: usize,
    },
    /// Data that does not lie in the file as plain numbers.
    #[error("`{name}` is {how}")]
    #[diagnostic(help(
        "a store's data lie inside the file, contiguous or one deflated chunk a window; nothing else is opened. Make \
         the store anew: `biossl preprocess PIPELINE --overwrite`"
    ))]
    Foreign {
        /// Data set or group.
        name: String,
        /// What it is instead.
        how: String,
    },
    /// A data set of the wrong shape or type.
    #[error("`{name}` is {found}, expected {expected}")]
    #[diagnostic(help("the store is damaged or not ours: make it anew with `biossl preprocess PIPELINE --overwrite`"))]
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
    #[diagnostic(help("copy the file again, or make the store anew with `biossl preprocess PIPELINE --overwrite`"))]
    Truncated {
        /// Bytes that the shape asks for.
        needed: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// A value that cannot be.
    #[error("`{name}`: {message}")]
    #[diagnostic(help(
        "the store is damaged or its recipe cannot work: make it anew with `biossl preprocess PIPELINE --overwrite`"
    ))]
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
