//! Embeddings of a whole store, for other programs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::write_atomically;
use crate::data::store::Store;
use crate::error::Error;
use crate::learning::train::{Checkpoints, Pretrained, embed_all};
use crate::runs::{RunError, RunFolder, npy};

use super::error::PipelineError;
use super::means::Means;
use super::outside;
use super::parse::Pipeline;
use super::prepare::{Stale, prepare};
use super::scope::Part;

/// One pretrained encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncoderSource {
    /// A file.
    File(PathBuf),
    /// Of a run: an arm (the first, where none is named) in a fold, pretrained with the first seed of the pipeline.
    Arm {
        /// Its name.
        arm: Option<String>,
        /// Its fold, or the person whose encoder it is.
        part: Part,
    },
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct Embedded {
    /// The array `[n, dim]`.
    pub embeddings: PathBuf,
    /// What its rows are.
    pub rows: PathBuf,
    /// Rows written.
    pub n: usize,
    /// Numbers a row.
    pub dim: usize,
    /// Rows of the store that no network can read (non-finite samples).
    pub left_out: usize,
    /// The file of the encoder.
    pub encoder: PathBuf,
    /// People of the store whom pretraining has seen: what these numbers tell of them says nothing of new people.
    pub seen: Vec<String>,
}

/// Embeds every window of the pipeline's store and writes `embeddings.npy` and `rows.csv` into `to`.
///
/// # Errors
/// No such encoder, one made for other windows, a folder that takes no file.
pub fn embed_store(pipeline: &Pipeline, source: &EncoderSource, to: &Path, means: &Means) -> Result<Embedded, Error> {
    let store = prepare(pipeline, Stale::Refuse, means)?.store;
    let (encoder, pretrained) = encoder_of(pipeline, source, &store, means)?;
    let weights = pretrained.weights();
    let (rows, values) = embed_all(&*pretrained.encoder, &weights, &store, &means.watch)?;
    let (embeddings, list) = (to.join("embeddings.npy"), to.join("rows.csv"));
    write(&embeddings, &npy(&values))?;
    write(&list, &rows_csv(&store, &rows))?;
    let left_out = store.table().rows.len() - rows.len();
    let seen = outside::people_seen(&pretrained.contract, &store).into_iter().collect();
    Ok(Embedded { embeddings, rows: list, n: rows.len(), dim: values.ncols(), left_out, encoder, seen })
}

/// The encoder that is meant, and its file.
pub(super) fn encoder_of(
    pipeline: &Pipeline,
    source: &EncoderSource,
    store: &Store,
    means: &Means,
) -> Result<(PathBuf, Pretrained), Error> {
    match source {
        EncoderSource::File(path) => Ok((path.clone(), outside::take(pipeline, path, store, means)?)),
        EncoderSource::Arm { arm, part } => {
            let people = store.table().subjects.iter().map(|id| id.0.as_str()).collect();
            let fold = part.fold(&pipeline.folder, pipeline.scope, &people)?;
            let path = checkpoint_of(pipeline, arm.as_deref(), fold)?;
            let pretrained = Pretrained::from_checkpoint(&path, &means.device)?;
            outside::check_fit(&path, &pretrained.contract, store)?;
            Ok((path, pretrained))
        }
    }
}

/// The newest checkpoint of an arm of the pipeline's run.
fn checkpoint_of(pipeline: &Pipeline, arm: Option<&str>, fold: u16) -> Result<PathBuf, Error> {
    let known = || pipeline.arms.iter().map(|arm| arm.name.as_str());
    let name = arm.or_else(|| known().next()).unwrap_or_default();
    if !known().any(|known| known == name) {
        let known = known().collect::<Vec<_>>().join(", ");
        return Err(PipelineError::UnknownArm { arm: name.to_owned(), known }.into());
    }
    let folder = RunFolder::open(&pipeline.folder)?;
    let seed = pipeline.seeds.first().copied().unwrap_or_default();
    let place = folder.training_folder(name, fold, &format!("seed-{seed}"))?;
    Checkpoints::newest(&place)?.ok_or_else(|| PipelineError::NoCheckpoint { folder: place }.into())
}

/// What each row of the array is.
fn rows_csv(store: &Store, rows: &[u32]) -> Vec<u8> {
    let table = store.table();
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["row", "subject", "recording", "session", "start", "label"]).expect("memory takes every write");
    for &row in rows {
        let (entry, recording) = (&table.rows[row as usize], table.recording_of(row));
        let label = entry.label.map_or("", |label| table.classes[usize::from(label)].as_str());
        let start = entry.start + store.eval_cut(row).offset;
        let numbers = [row.to_string(), recording.session.to_string(), start.to_string()];
        let [row_number, session, start] = numbers.each_ref().map(String::as_str);
        let fields = [row_number, table.subject_of(row).0.as_str(), recording.id.as_str(), session, start, label];
        csv.write_record(fields).expect("memory takes every write");
    }
    csv.into_inner().expect("memory takes every write")
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically(path, bytes).map_err(|source| RunError::Io { path: path.to_owned(), source }.into())
}
