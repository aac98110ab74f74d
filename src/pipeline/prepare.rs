//! The first stage: the store that a pipeline asks for, made when it is not there, never replaced in silence.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::base::sha256_hex;
use crate::data::preprocess::{
    DataDifference, Forecast, PreprocessError, Summary, data_differ, forecast, listing_differs, resolved_json,
    write_store,
};
use crate::data::store::{Store, StoreError, StoreFault};
use crate::error::Error;
use crate::signal::SubjectId;

use super::error::PipelineError;
use super::means::Means;
use super::parse::Pipeline;

/// What to do about a store of another recipe or of other recordings, or one that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// An error.
    Refuse,
    /// Make it anew.
    Overwrite,
}

/// A store that fits the pipeline.
pub struct Prepared {
    /// The store.
    pub store: Store,
    /// How it was made, when it was made now.
    pub made: Option<Summary>,
}

/// Rows of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelCount {
    /// Its name; `None`: stretches without a class, for pretraining only.
    pub class: Option<String>,
    /// Rows, rejected ones included.
    pub windows: usize,
}

/// The store of a pipeline. One that is there already is held against the recipe, the files in the corpus's folder and
/// the checksums of its samples. Label counts are told before anything is trained on it.
///
/// # Errors
/// A store of another recipe or of other recordings; whatever preprocessing or opening reports.
pub fn prepare(pipeline: &Pipeline, stale: Stale, means: &Means) -> Result<Prepared, Error> {
    let (corpus, path) = (&pipeline.corpus, pipeline.store.as_path());
    if let Some(store) = standing(pipeline, stale, means)? {
        let counts = label_counts(&store)
            .into_iter()
            .map(|count| format!("{} {}", count.class.as_deref().unwrap_or("(no class)"), count.windows));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let progress = means.watch.progress();
        progress.say(&format!("store {}: made by this recipe; windows: {counts}", path.display()));
        for failed in &store.table().failed {
            progress.caution(&format!("missing in the store, failed: {}: {}", failed.id, failed.reason));
        }
        return Ok(Prepared { store, made: None });
    }
    let corpus_room = corpus.choice.as_ref();
    let made = write_store(corpus_room, &corpus.resolved, &pipeline.recipe, path, means.threads, &means.watch)?;
    Ok(Prepared { store: declared(pipeline, Store::open(path)?), made: Some(made) })
}

/// What [`prepare`] would make, without making it; `None`: the store stands.
///
/// # Errors
/// As [`prepare`]; short disk and memory are told instead.
pub fn outlook(pipeline: &Pipeline, stale: Stale, means: &Means) -> Result<Option<Forecast>, Error> {
    if standing(pipeline, stale, means)?.is_some() {
        return Ok(None);
    }
    let corpus = pipeline.corpus.choice.as_ref();
    Ok(Some(forecast(corpus, &pipeline.recipe, &pipeline.store, means.threads, &means.watch)?))
}

/// The store, if it is there and nothing has to be made.
fn standing(pipeline: &Pipeline, stale: Stale, means: &Means) -> Result<Option<Store>, Error> {
    if !pipeline.store.exists() {
        return Ok(None);
    }
    let found = of_recipe(pipeline).and_then(|store| {
        check_data(pipeline, &store, stale, means)?;
        check_samples(&store, means)?;
        Ok(store)
    });
    match (found, stale) {
        (Ok(store), _) => Ok(Some(declared(pipeline, store))),
        (Err(error), Stale::Refuse) => Err(error),
        // Whatever it is, nobody asked for it to be lost: it may be a recording.
        (Err(error), Stale::Overwrite) if is_no_store(&error) => Err(error),
        (Err(error), Stale::Overwrite) => {
            // A request to stop is no fault of the store.
            means.watch.check().map_err(PreprocessError::from)?;
            means.watch.progress().say(&format!("made anew: {error}"));
            Ok(None)
        }
    }
}

fn is_no_store(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError { fault: StoreFault::NoStore | StoreFault::NoFile, .. }))
}

/// The store that is there, when the pipeline's recipe made it.
fn of_recipe(pipeline: &Pipeline) -> Result<Store, Error> {
    let (corpus, path) = (&pipeline.corpus, pipeline.store.as_path());
    let needed = sha256_hex(resolved_json(corpus.name, &corpus.resolved, &pipeline.recipe).as_bytes());
    let store = Store::open(path)?;
    if store.recipe_hash() == needed {
        return Ok(store);
    }
    let found = store.recipe_hash().to_owned();
    Err(PipelineError::StaleStore { path: path.to_owned(), found, needed }.into())
}

/// Holds the store against the files in the corpus's folder. Where there is no such folder, because the store was
/// copied to another machine or the recordings were put away, nothing can be compared, and that is said.
fn check_data(pipeline: &Pipeline, store: &Store, stale: Stale, means: &Means) -> Result<(), Error> {
    let corpus = &pipeline.corpus;
    if stale == Stale::Refuse && is_away(pipeline) {
        means.watch.progress().caution(&format!(
            "{}: the folder is not there, so nobody compared the store {} with the recordings that it was made of",
            root(pipeline).display(),
            store.path().display()
        ));
        return Ok(());
    }
    let (choice, recipe) = (corpus.choice.as_ref(), &pipeline.recipe);
    let differ = data_differ(choice, recipe, store.table(), means.threads, &means.watch)?;
    refuse_other_data(pipeline, differ)
}

fn refuse_other_data(pipeline: &Pipeline, difference: Option<DataDifference>) -> Result<(), Error> {
    match difference {
        None => Ok(()),
        Some(difference) => {
            let (path, root) = (pipeline.store.clone(), root(pipeline).to_owned());
            Err(PipelineError::OtherData { path, root, difference: Box::new(difference) }.into())
        }
    }
}

/// The folder of the corpus.
fn root(pipeline: &Pipeline) -> &Path {
    Path::new(pipeline.corpus.resolved.get("root").and_then(Value::as_str).unwrap_or_default())
}

fn is_away(pipeline: &Pipeline) -> bool {
    !root(pipeline).exists()
}

/// The store of a pipeline as it lies there; nothing is made. Of the recordings only the list is compared.
///
/// # Errors
/// No store; one of another recipe or of other recordings; whatever opening reports.
pub fn existing(pipeline: &Pipeline) -> Result<Store, Error> {
    if !pipeline.store.exists() {
        return Err(PipelineError::NoStore { path: pipeline.store.clone() }.into());
    }
    let store = of_recipe(pipeline)?;
    if !is_away(pipeline) {
        refuse_other_data(pipeline, listing_differs(pipeline.corpus.choice.as_ref(), store.table())?)?;
    }
    Ok(declared(pipeline, store))
}

/// A recording that the plan declares a person of its own gets that id.
fn declared(pipeline: &Pipeline, store: Store) -> Store {
    match pipeline.split.choice.declares() {
        Some(declared) => store.redeclared(declared.recording, &SubjectId(declared.subject.to_owned())),
        None => store,
    }
}

/// Windows compared with their checksums between two looks at the stop flag.
const CHECKED_AT_ONCE: usize = 4096;

/// Reads every sample of a store that was there already: what trains on it does not find out that one was changed.
fn check_samples(store: &Store, means: &Means) -> Result<(), Error> {
    let n = store.table().rows.len() as u32;
    means.watch.progress().begin("checking the store", u64::from(n), "windows");
    for first in (0..n).step_by(CHECKED_AT_ONCE) {
        means.watch.check().map_err(PreprocessError::from)?;
        let end = n.min(first + CHECKED_AT_ONCE as u32);
        store.check_samples(first..end)?;
        means.watch.progress().advance(u64::from(end), "");
    }
    means.watch.progress().end();
    Ok(())
}

/// Rows by class, in the corpus's order, those without one last.
pub fn label_counts(store: &Store) -> Vec<LabelCount> {
    let table = store.table();
    let count = |label: Option<u16>| table.rows.iter().filter(|row| row.label == label).count();
    let classes = (0_u16..).zip(&table.classes);
    let mut counts: Vec<LabelCount> =
        classes.map(|(label, class)| LabelCount { class: Some(class.clone()), windows: count(Some(label)) }).collect();
    match count(None) {
        0 => {}
        windows => counts.push(LabelCount { class: None, windows }),
    }
    counts
}
