//! The manifest: the SHA-256 of every file of a run, so that a later change is seen.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::Digest;

use super::RunError;
use super::stamp::stamp;

/// Written into every manifest; raised when its form changes.
const SCHEMA: u32 = 1;

/// What a finished run consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form.
    pub schema: u32,
    /// Version of the tool that ran.
    pub tool_version: String,
    /// When the run was sealed, in UTC.
    pub time: String,
    /// SHA-256 by path relative to the run folder, with `/`.
    pub files: BTreeMap<String, String>,
}

impl Manifest {
    /// Hashes every file below `folder` but those called as in `skip`.
    pub(super) fn of(folder: &Path, skip: &[&str]) -> Result<Self, RunError> {
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files)?;
        files.retain(|name, _| !skip.contains(&name.as_str()));
        Ok(Self { schema: SCHEMA, tool_version: env!("CARGO_PKG_VERSION").to_owned(), time: stamp(), files })
    }

    /// Files that were changed, added or lost since the run was sealed.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> = self.files.keys().chain(now.files.keys()).collect();
        names.into_iter().filter(|name| self.files.get(*name) != now.files.get(*name)).cloned().collect()
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<(), RunError> {
    for entry in std::fs::read_dir(folder).map_err(RunError::io(folder))? {
        let path = entry.map_err(RunError::io(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
        if path.is_dir() {
            collect(&path, &name, files)?;
        } else {
            files.insert(name, Digest::of_file(&path).map_err(RunError::io(&path))?);
        }
    }
    Ok(())
}
