//! A trained run on new recordings.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::SignalKind;
use crate::data::corpora::{CORPORA, Corpus, CorpusError, Excluded, Lead, Listing, RecordingRef};
use crate::data::formats::{FormatError, Header, Reader};
use crate::data::preprocess::{Failure, PreprocessError, Summary, write_usable};
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::downstream::Classifier;
use crate::runs::RunFolder;
use crate::signal::{Annotation, Event, Onset, Recording, SubjectId};

use super::error::PipelineError;
use super::means::Means;
use super::outside::{Outsider, check_fit};
use super::parse::Pipeline;
use super::scope::Part;
use super::text::PipelineText;

/// Where windows are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cutting {
    /// At the marks that the corpus gives a class: beats, cues.
    Marks,
    /// One behind the other over the whole recording, at the recipe's hop.
    Sliding,
}

/// Which classifier of a run, on what.
#[derive(Debug, Clone)]
pub struct PredictRequest {
    /// The run folder.
    pub run: PathBuf,
    /// A recording, or a folder of them.
    pub recordings: PathBuf,
    /// Name of the classifier, as it stands in the run's table; may be left out where the run has only one.
    pub classifier: Option<String>,
    /// Its fold, or the person whose encoder it reads by.
    pub part: Part,
    /// Its training seed; the first of the run's where it is left out.
    pub seed: Option<u64>,
    /// Where windows are cut.
    pub cutting: Cutting,
    /// A file for the windows while they are used.
    pub scratch: PathBuf,
}

/// What a classifier says of new recordings.
#[derive(Debug, Clone, Serialize)]
pub struct Predicted {
    /// The file of the classifier.
    pub classifier: PathBuf,
    /// What was chosen when it was fitted.
    pub choice: String,
    /// Classes that it can answer with.
    pub classes: Vec<String>,
    /// One a window, in order of recording and time.
    pub windows: Vec<PredictedWindow>,
    /// Recordings that were not used, with the reason: nothing is said of them.
    pub left_out: Vec<Excluded>,
    /// Those of them that could not be read or do not fit the run's recipe, with their files.
    pub failed: Vec<Failure>,
}

/// What it says of one window.
#[derive(Debug, Clone, Serialize)]
pub struct PredictedWindow {
    /// Recording.
    pub recording: String,
    /// Person, by the corpus's rule for names; where that knows none, the recording's name.
    pub subject: String,
    /// The mark, or where the window begins, from the start of the recording.
    pub time_s: f64,
    /// The most probable class.
    pub class: String,
    /// One a class of [`Predicted::classes`].
    pub probabilities: Vec<f32>,
    /// What part the person had: `train`, `validation`, `pool`; null for people whom nothing has seen.
    pub seen: Option<&'static str>,
}

/// Reads the windows of new recordings with a classifier of a finished run.
///
/// # Errors
/// A run without such a classifier; recordings of which none fits what it was made for; whatever the folder, disk and
/// memory report. A recording that does not fit beside others that do is named in the result.
pub fn predict(request: &PredictRequest, means: &Means) -> Result<Predicted, Error> {
    let folder = RunFolder::open(&request.run)?;
    let text = PipelineText::new(request.run.join("pipeline.toml").display().to_string(), folder.read_pipeline()?);
    let pipeline = Pipeline::parse(&text, None)?;
    let mut corpus = NewRecordings::new(&pipeline, &request.recordings, request.cutting)?;
    let people = corpus.listing.recordings.iter().map(|recording| recording.subject.0.as_str()).collect();
    let fold = request.part.fold(&request.run, pipeline.scope, &people)?;
    let path = classifier_of(&folder, request, (&pipeline, fold))?;
    let classifier = Classifier::read(&path, &means.device)?;
    if let (Some(sets), Cutting::Sliding) = (classifier.rr_sets(), request.cutting) {
        return Err(PipelineError::NoBeats { path, sets: sets.to_string() }.into());
    }
    corpus.channels = classifier.contract.channels.iter().map(|channel| channel.label.clone()).collect();
    if corpus.foreign {
        means.watch.progress().caution(&format!(
            "{}: the names are not those of `{}`; each recording counts as a person of its own",
            request.recordings.display(),
            corpus.name()
        ));
    }
    let scratch = Scratch(request.scratch.clone());
    let summary = usable(&corpus, &pipeline, &scratch.0, (&request.recordings, means))?;
    let store = Store::open(&scratch.0)?;
    check_fit(&path, &classifier.contract, &store)?;
    let (rows, probability) = classifier.probabilities(&store, &means.watch)?;
    let excludes = store.pool_excludes();
    let classes = (0_u16..).zip(&classifier.classes).filter(|(class, _)| !excludes.contains(class));
    let classes: Vec<(usize, &String)> = classes.map(|(class, name)| (usize::from(class), name)).collect();
    let windows = windows(&classifier, &store, (&rows, &probability), (&classes, request.cutting));
    tell_seen(&windows, means);
    let failed = summary.failed.iter().map(|one| Excluded { id: one.id.clone(), reason: one.reason.clone() });
    Ok(Predicted {
        classes: classes.iter().map(|(_, name)| (*name).clone()).collect(),
        choice: classifier.choice.clone(),
        classifier: path,
        windows,
        left_out: summary.excluded.into_iter().chain(failed).collect(),
        // What a corpus would be told to change, a run that is finished cannot.
        failed: summary.failed.into_iter().map(|failure| Failure { remedy: None, ..failure }).collect(),
    })
}

/// A store of the recordings that the run's recipe can read; the others are told of. Nothing of that recipe can be
/// changed here, so remedies that would change it are not told.
fn usable(
    corpus: &NewRecordings,
    pipeline: &Pipeline,
    scratch: &Path,
    (at, means): (&Path, &Means),
) -> Result<Summary, Error> {
    let settings = &pipeline.corpus.resolved;
    let told = |failures: &[Failure]| -> String {
        failures.iter().fold(String::new(), |list, one| list + "\n  " + &one.told())
    };
    match write_usable(corpus, settings, &pipeline.recipe, scratch, means.threads, &means.watch) {
        Ok(made) => {
            if !made.failed.is_empty() {
                let (failed, all, list) = (made.failed.len(), made.failed.len() + made.recordings, told(&made.failed));
                means.watch.progress().caution(&format!("{failed} of {all} recordings cannot be used:{list}"));
            }
            Ok(made)
        }
        Err(PreprocessError::Failed { failures, recordings }) => {
            let (path, failed, faults) = (at.to_owned(), failures.len(), told(&failures));
            Err(PipelineError::NewRecordings { path, failed, recordings, faults }.into())
        }
        Err(other) => Err(other.into()),
    }
}

fn windows(
    classifier: &Classifier,
    store: &Store,
    (rows, probability): (&[u32], &Array2<f32>),
    (classes, cutting): (&[(usize, &String)], Cutting),
) -> Vec<PredictedWindow> {
    let (table, rate_hz) = (store.table(), store.spec().rate_hz);
    let mut windows = Vec::new();
    for (index, &row) in rows.iter().enumerate() {
        let entry = &table.rows[row as usize];
        // Rest between cues has no class that the classifier could answer with.
        if cutting == Cutting::Marks && entry.label.is_none() {
            continue;
        }
        let sample = entry.event.unwrap_or(entry.start + store.eval_cut(row).offset);
        let probabilities: Vec<f32> = classes.iter().map(|(class, _)| probability[(index, *class)]).collect();
        // Of equals the lower class.
        let top = (0..classes.len()).rev().max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        windows.push(PredictedWindow {
            recording: table.recording_of(row).id.clone(),
            subject: table.subject_of(row).0.clone(),
            time_s: sample as f64 / rate_hz,
            class: top.map_or_else(String::new, |top| classes[top].1.clone()),
            probabilities,
            seen: part_of(classifier, &table.subject_of(row).0, &table.recording_of(row).content_hash),
        });
    }
    windows
}

/// What part a person or a recording had in a classifier; the strongest of several.
fn part_of(classifier: &Classifier, subject: &String, content_hash: &String) -> Option<&'static str> {
    let (teachers, pool) = (&classifier.teachers, &classifier.contract.pool);
    if teachers.train.contains(subject) {
        Some("train")
    } else if teachers.validation.contains(subject) {
        Some("validation")
    } else if pool.subjects.contains(subject) || pool.recordings.binary_search(content_hash).is_ok() {
        Some("pool")
    } else {
        None
    }
}

fn tell_seen(windows: &[PredictedWindow], means: &Means) {
    let mut seen: Vec<&str> =
        windows.iter().filter(|window| window.seen.is_some()).map(|window| window.subject.as_str()).collect();
    seen.dedup();
    if !seen.is_empty() {
        let people = seen.join(", ");
        means.watch.progress().caution(&format!(
            "people whom the classifier has seen, marked in `seen`: {people}; what it says of them says nothing of new people"
        ));
    }
}

/// The file of the classifier that is meant.
fn classifier_of(
    folder: &RunFolder,
    request: &PredictRequest,
    (pipeline, fold): (&Pipeline, u16),
) -> Result<PathBuf, Error> {
    let known = folder.classifiers()?;
    let unknown = |fault: String| {
        let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
        PipelineError::UnknownClassifier { folder: folder.path().to_owned(), fault, known }
    };
    let name = match (&request.classifier, known.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => return Err(unknown(format!("it has {} classifiers, and none is named", known.len())).into()),
    };
    // A way has its own seeds; the first stands where none is named.
    let outsider = Outsider::of(&folder.read_journal()?);
    let arms = pipeline.judged_names(outsider.as_ref().map(|outsider| outsider.arm.as_str()));
    let own = arms.into_iter().find(|arm| arm.name == *name).map_or(pipeline.seeds.clone(), |arm| arm.seeds);
    let seed = request.seed.or(own.first().copied()).unwrap_or_default();
    let path = folder.finished_classifier(name, fold, seed)?;
    path.ok_or_else(|| unknown(format!("no classifier `{name}`, fold {fold}, seed {seed}")).into())
}

/// Windows of new recordings, for as long as they are used.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in a folder for such files.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A corpus's reading of recordings that are not the corpus's own.
struct NewRecordings {
    inner: Box<dyn Corpus>,
    listing: Listing,
    cutting: Cutting,
    /// Those that the classifier reads.
    channels: Vec<String>,
    /// Names say nothing of people.
    foreign: bool,
}

impl NewRecordings {
    fn new(pipeline: &Pipeline, at: &Path, cutting: Cutting) -> Result<Self, Error> {
        let one = at.is_file() || at.with_extension("hea").is_file();
        if !one && !at.is_dir() {
            return Err(PipelineError::NoSuchRecordings { path: at.to_owned() }.into());
        }
        let root = if one { at.parent().unwrap_or(Path::new(".")) } else { at };
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let inner = corpus_at(pipeline, root);
        let stem = at.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let known = inner.recordings().ok().map(|mut listing| {
            listing.recordings.retain(|recording| !one || recording.id == stem);
            listing
        });
        let known = known.filter(|listing| !listing.recordings.is_empty());
        let foreign = known.is_none();
        let listing = match known {
            Some(listing) => listing,
            None => by_files(at, one)?,
        };
        Ok(Self { inner, listing, cutting, channels: Vec::new(), foreign })
    }
}

/// The corpus of the pipeline in another folder; nobody is left out who was named on the command line.
fn corpus_at(pipeline: &Pipeline, root: &Path) -> Box<dyn Corpus> {
    let mut settings: Map<String, Value> = pipeline.corpus.resolved.as_object().cloned().unwrap_or_default();
    settings.insert("root".to_owned(), root.display().to_string().into());
    if let Some(exclude) = settings.get_mut("exclude") {
        *exclude = Value::Array(Vec::new());
    }
    let chosen = CORPORA.restore(pipeline.kind, &Value::Object(settings));
    chosen.expect("settings that were read before, with another folder").choice
}

/// Every file with the ending of a header, each a person of its own.
fn by_files(at: &Path, one: bool) -> Result<Listing, Error> {
    let mut paths = Vec::new();
    if one {
        paths.push(if at.is_file() { at.to_owned() } else { at.with_extension("hea") });
    } else {
        let fault = |source| PipelineError::Folder { path: at.to_owned(), source };
        for entry in std::fs::read_dir(at).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            if ["hea", "edf", "bdf"].contains(&ending.as_str()) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let recording = |path: PathBuf| {
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        RecordingRef { path, subject: SubjectId(id.clone()), id, session: 1, run_number: None, state: None }
    };
    let recordings: Vec<RecordingRef> = paths.into_iter().map(recording).collect();
    if recordings.is_empty() {
        return Err(PipelineError::NoRecordings { path: at.to_owned() }.into());
    }
    Ok(Listing { recordings, ..Listing::default() })
}

impl Corpus for NewRecordings {
    fn kind(&self) -> SignalKind {
        self.inner.kind()
    }
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn classes(&self) -> Vec<String> {
        self.inner.classes()
    }
    fn rate_hz(&self) -> f64 {
        self.inner.rate_hz()
    }
    fn check(&self) -> Result<(), CorpusError> {
        self.inner.check()
    }
    fn channels(&self) -> Option<Vec<String>> {
        self.inner.channels()
    }
    fn recordings(&self) -> Result<Listing, CorpusError> {
        Ok(self.listing.clone())
    }
    fn leads(&self, of: &RecordingRef, header: &Header) -> Result<Vec<Lead>, CorpusError> {
        let leads = self.inner.leads(of, header)?;
        let found: Vec<String> = leads.iter().map(|lead| lead.label.clone()).collect();
        if found == self.channels {
            return Ok(leads);
        }
        Err(CorpusError::OtherChannels { path: of.path.clone(), found, needed: self.channels.clone() })
    }
    fn events(&self, of: &RecordingRef, recording: &Recording) -> Result<Vec<Event>, CorpusError> {
        if self.cutting == Cutting::Marks {
            return self.inner.events(of, recording);
        }
        Ok(vec![Event { onset: Onset::Sample(0), duration_s: Some(recording.duration_s()), class: None }])
    }
    fn annotations(&self, of: &RecordingRef, reader: &mut dyn Reader) -> Result<Vec<Annotation>, FormatError> {
        match self.cutting {
            Cutting::Marks => self.inner.annotations(of, reader),
            Cutting::Sliding => reader.annotations(),
        }
    }
    fn side_files(&self, of: &RecordingRef) -> Vec<PathBuf> {
        self.inner.side_files(of)
    }
    fn pool_excludes(&self) -> Vec<u16> {
        self.inner.pool_excludes()
    }
}
