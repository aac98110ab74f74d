//! What can be wrong with a pipeline itself; what goes wrong on the way is the error of the room where it happens.

use std::path::PathBuf;

use super::text::Place;

/// A pipeline that cannot be read or run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PipelineError {
    /// A fault of syntax, an unknown key, a wrong type, a value that makes no sense.
    #[error("{place}: {message}")]
    Setting {
        /// Where.
        place: Box<Place>,
        /// One lower-case sentence.
        message: String,
        /// The remedy.
        #[help]
        help: Option<String>,
    },
    /// The file cannot be read.
    #[error("cannot read the pipeline {}", path.display())]
    #[diagnostic(help("ready pipelines lie in pipelines/; `biossl demo` writes one beside its results"))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A store that another recipe made.
    #[error("{}: the store was made by recipe {}, the pipeline asks for {}", path.display(), short(found), short(needed))]
    #[diagnostic(help("name another `store`, or make this one anew with `biossl preprocess PIPELINE --overwrite`"))]
    StaleStore {
        /// The store.
        path: PathBuf,
        /// Its recipe hash.
        found: String,
        /// The pipeline's.
        needed: String,
    },
    /// A run that another pipeline began.
    #[error("{}: the run was begun with {key} = {found}, this pipeline says {needed}", path.display())]
    #[diagnostic(help("go on with the pipeline of the run (pipeline.toml in it), or begin a new run with --out"))]
    OtherPipeline {
        /// The run folder.
        path: PathBuf,
        /// The first key that differs.
        key: String,
        /// Its value in the run.
        found: String,
        /// Its value in the pipeline.
        needed: String,
    },
}

/// Enough of a hash for a person.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
