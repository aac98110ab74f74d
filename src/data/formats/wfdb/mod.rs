//! WFDB records: a text header, signal files beside it, annotation files beside it.
//!
//! One file a structure: `header`, `encoding` (one file a signal format), `annotation`, and the `reader` that puts them
//! together. Read single-segment records; multi-segment ones are refused by name.
//!
//! # Source
//! WFDB manual pages header(5), signal(5), annot(5).

mod annotation;
mod encoding;
mod header;
mod reader;
mod signals;

use std::path::Path;

use super::{Format, FormatError, Match, Reader, Strictness};

/// The format in the door's list.
pub(super) struct Wfdb;

impl Format for Wfdb {
    fn name(&self) -> &'static str {
        "wfdb"
    }

    fn matches(&self, path: &Path, head: &[u8]) -> Match {
        let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("hea"));
        // Without an ending the record is a set of files, none of which is called `path`.
        if named || (head.is_empty() && reader::header_path(path).is_file()) { Match::Name } else { Match::No }
    }

    fn open(&self, path: &Path, strictness: Strictness) -> Result<Box<dyn Reader>, FormatError> {
        Ok(Box::new(reader::WfdbReader::open(path, strictness)?))
    }
}
