//! EDF and BDF, plain and with annotations (EDF+C, BDF+C): one text header, then data records of equal length.
//!
//! The two differ in the width of a sample and in two words of the header, which [`Width`] holds. One file a structure:
//! `header`, `samples`, `annotation_list`, `marks` (what lists say of time) and the `reader` that puts them together.
//! EDF+D and BDF+D have gaps and are refused by name, never read as continuous.
//!
//! # Source
//! `kemp1992edf`, `kemp2003edfplus`; BioSemi's description of BDF.

mod annotation_list;
mod header;
mod marks;
mod reader;
mod samples;

use std::path::Path;

use super::{Format, FormatError, Match, Reader, Strictness};
use samples::Width;

/// One of the two in the door's list.
pub(super) struct Edf {
    width: Width,
}

/// 16-bit samples.
pub(super) static EDF: Edf = Edf { width: Width::Two };
/// 24-bit samples.
pub(super) static BDF: Edf = Edf { width: Width::Three };

impl Format for Edf {
    fn name(&self) -> &'static str {
        self.width.names().plain
    }

    fn matches(&self, path: &Path, head: &[u8]) -> Match {
        if head.starts_with(self.width.names().magic) {
            Match::Bytes
        } else if !head.is_empty() && path.extension().is_some_and(|it| it.eq_ignore_ascii_case(self.name())) {
            Match::Name
        } else {
            Match::No
        }
    }

    fn open(&self, path: &Path, strictness: Strictness) -> Result<Box<dyn Reader>, FormatError> {
        Ok(Box::new(reader::EdfReader::open(path, self.width, strictness)?))
    }
}
