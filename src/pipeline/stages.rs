//! The road: store, split, pretraining of each arm, judging, the files of the run folder. Each room gets its own part
//! of the pipeline and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::{Differences, Digest};
use crate::data::splits::{DrawContext, Split, TestLedger};
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::downstream::{Bench, Fitted, PlaceMaker, Teachers};
use crate::judging::evaluate::{ArmCost, ArmName, Evaluated, Evaluation, PretrainedArm, Round, arm_names};
use crate::learning::nn::save_encoder;
use crate::learning::train::{Checkpoints, Contract, Monitored, PretrainData, Pretrained, Record, Resume, pretrain};
use crate::runs::{Events, Existing, Journal, RunError, RunFolder};

use super::admit::{Judged, admitted};
use super::arms::Arm;
use super::error::PipelineError;
use super::fit::{self, FittedLine, Place, fit_one};
use super::means::Means;
use super::outside::{self, Admitted, Outsider};
use super::parse::Pipeline;
use super::prepare::{Stale, prepare};
use super::scope::Drawn;
use super::verify::keep_hashes;
use super::views::check_store_windows;

/// Proofs of more folds than this are saved, not told.
const TOLD_FOLDS: usize = 3;

/// A run that has its store, its splits and its folder.
pub struct Run<'a> {
    pipeline: &'a Pipeline,
    means: &'a Means,
    store: Store,
    splits: Vec<Split>,
    /// Where each split's trainings lie: the run's folder, or the part of a person who has an encoder of their own.
    parts: Vec<RunFolder>,
    folder: RunFolder,
    journal: Journal,
    resume: Resume,
    /// What the arms cost to pretrain; nothing where none is trained.
    costs: Vec<ArmCost>,
}

/// Gives the encoders of a fold and seed, with the names of their arms.
type Encoders<'f, 'a> = dyn FnMut(&mut Run<'a>, usize, u64) -> Result<Rc<[(String, Pretrained)]>, Error> + 'f;

/// An encoder that pretraining left in the run folder.
#[derive(Debug, Clone, Serialize)]
pub struct PretrainedFile {
    /// Its arm.
    pub arm: String,
    /// Its fold.
    pub fold: u16,
    /// Its seed.
    pub seed: u64,
    /// Updates.
    pub steps: u64,
    /// Windows of the pool.
    pub windows: usize,
    /// The checkpoint that holds it.
    pub checkpoint: PathBuf,
}

/// What a journal begins with. It says what is run; the commands that did it stand in a file of their own.
#[derive(Serialize)]
struct Beginning<'a> {
    tool_version: &'static str,
    pipeline_hash: String,
    recipe_hash: &'a str,
    split_hashes: Vec<&'a str>,
}

impl<'a> Run<'a> {
    /// Prepares the store, draws the splits, and makes or takes up the run folder.
    ///
    /// # Errors
    /// A run folder that is there and should not be; one of another pipeline; whatever preprocessing, the store or the
    /// plan report. A folder that was not there is not made then.
    pub fn begin(pipeline: &'a Pipeline, existing: Existing, means: &'a Means) -> Result<Self, Error> {
        Self::begin_with(pipeline, existing, Judged::Arms, means)
    }

    /// The same for an encoder from outside: whether the arms could be trained does not matter.
    ///
    /// # Errors
    /// As [`Run::begin`].
    pub fn begin_outside(pipeline: &'a Pipeline, means: &'a Means) -> Result<Self, Error> {
        Self::begin_with(pipeline, Existing::Refuse, Judged::Outside, means)
    }

    fn begin_with(pipeline: &'a Pipeline, existing: Existing, judged: Judged, means: &'a Means) -> Result<Self, Error> {
        let occupied = RunFolder::occupied(&pipeline.folder);
        // Refusals and the claim come before the work; a new folder is made after it.
        let taken_up = match (existing, occupied) {
            (Existing::Refuse, true) => {
                return Err(RunError::Exists { path: pipeline.folder.clone() }.into());
            }
            (Existing::Resume, true) => {
                let folder = RunFolder::open(&pipeline.folder)?;
                same_pipeline(pipeline, &folder)?;
                Outsider::refuse(&folder)?;
                Some(RunFolder::create(&pipeline.folder, Existing::Resume, &means.command)?)
            }
            _ => None,
        };
        let store = prepare(pipeline, Stale::Refuse, means)?.store;
        check_store_windows(pipeline, &store)?;
        let drawn = Drawn::of(pipeline, &store)?;
        drawn.tell(means);
        let Drawn { people, splits, .. } = drawn;
        tell_splits(&splits, means);
        let costs = admitted(pipeline, (&store, &splits), judged, means)?;
        let resume = if taken_up.is_some() { Resume::FromLast } else { Resume::Anew };
        let folder = if let Some(folder) = taken_up {
            folder
        } else {
            let existing = if existing == Existing::Overwrite { existing } else { Existing::Refuse };
            let folder = RunFolder::create(&pipeline.folder, existing, &means.command)?;
            folder.write_pipeline(&pipeline.to_toml())?;
            folder
        };
        folder.write_splits(&splits.iter().map(Split::proof).collect::<Vec<_>>())?;
        let mut journal = folder.journal()?;
        journal.record_once(
            "begin",
            &Beginning {
                tool_version: env!("CARGO_PKG_VERSION"),
                pipeline_hash: pipeline.hash(),
                recipe_hash: store.recipe_hash(),
                split_hashes: splits.iter().map(Split::hash).collect(),
            },
        )?;
        for arm in &pipeline.arms {
            if let Some(reason) = arm.forced() {
                journal.record_once("forced", &json!({ "arm": arm.name, "reason": reason }))?;
            }
        }
        let whole = splits.iter().skip(people.len()).map(|_| Ok(folder.clone()));
        let parts = people.iter().map(|id| folder.of_subject(id)).chain(whole).collect::<Result<_, _>>()?;
        Ok(Self { pipeline, means, store, splits, parts, folder, journal, resume, costs })
    }

    /// Where its files lie.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Pretrains every arm in every fold with every seed.
    ///
    /// # Errors
    /// Whatever pretraining reports, a request to stop among it.
    pub fn pretrain(&mut self) -> Result<Vec<PretrainedFile>, Error> {
        let mut files = Vec::new();
        for (fold, seed) in self.rounds() {
            for arm in 0..self.pipeline.arms.len() {
                self.pretrain_arm(arm, fold, seed)?;
                files.push(self.pretrained_file(arm, fold, seed)?);
            }
        }
        self.folder.seal()?;
        Ok(files)
    }

    /// Takes up a run whose every arm is pretrained.
    ///
    /// # Errors
    /// No such run, an arm that is not finished, and as [`Run::begin`].
    pub fn pretrained(pipeline: &'a Pipeline, means: &'a Means) -> Result<Self, Error> {
        RunFolder::open(&pipeline.folder)?;
        let run = Self::begin(pipeline, Existing::Resume, means)?;
        for (fold, seed) in run.rounds() {
            for arm in 0..pipeline.arms.len() {
                run.finished(arm, fold, seed)?;
            }
        }
        Ok(run)
    }

    /// Fits one way on every arm; the test people are not read.
    ///
    /// # Errors
    /// Whatever fitting reports, a request to stop among it.
    pub fn fit(&mut self, way_name: &str) -> Result<Vec<FittedLine>, Error> {
        let way = fit::way(self.pipeline, way_name);
        let written = self.pipeline.downstream.iter().find(|way| way.name() == way_name);
        let rounds = self.rounds().into_iter();
        let rounds: Vec<_> = rounds.filter(|(_, seed)| written.is_none_or(|way| way.has(*seed))).collect();
        let mut lines: Vec<FittedLine> = Vec::new();
        for (fold, seed) in rounds {
            for (index, arm) in self.pipeline.arms.iter().enumerate() {
                let pretrained = self.finished(index, fold, seed)?;
                let places = self.places(&pretrained.contract, fold);
                let watch = &self.means.watch;
                let (journal, places) = (Some(&mut self.journal), Some(&places as &PlaceMaker<'_>));
                let mut bench = Bench { watch, journal, places, keeper: None };
                let split = &self.splits[fold];
                for rr in self.pipeline.evaluate.rr() {
                    let name = rr.name(&format!("{}-{way_name}", arm.name));
                    let before = lines.iter().find(|line| line.arm == name && line.fold == split.fold());
                    let kept = before.and_then(|line| line.configuration);
                    let place = Place { store: &self.store, split, settings: &self.pipeline.evaluate, rr, kept };
                    lines.push(fit_one(&*way.choice, (&name, &pretrained), &place, &mut bench)?);
                }
            }
        }
        // The journal has grown: a manifest of an earlier stage would call the run changed.
        self.folder.seal()?;
        Ok(lines)
    }

    /// The encoder of an arm, pretrained to the end.
    fn finished(&self, arm: usize, fold: usize, seed: u64) -> Result<Pretrained, Error> {
        let (settings, arm) = (&self.pipeline.train, &self.pipeline.arms[arm]);
        let steps = settings.plan(self.splits[fold].pool().len())?.course.steps;
        let newest = Checkpoints::newest(&self.checkpoint_folder(arm, fold, seed)?)?;
        let found = newest.map(|path| Pretrained::from_checkpoint(&path, &self.means.device)).transpose()?;
        let done = found.as_ref().map_or(0, |found| found.steps);
        found.filter(|found| found.steps == steps).ok_or_else(|| {
            let (folder, arm) = (self.folder.path().to_owned(), arm.name.clone());
            PipelineError::NotPretrained { folder, arm, fold: self.splits[fold].fold(), seed, done, steps }.into()
        })
    }

    /// Pretrains what is not pretrained yet, judges every fold and seed, and writes predictions, scores and manifest.
    ///
    /// # Errors
    /// Whatever pretraining or judging report, a request to stop among it.
    pub fn score(&mut self) -> Result<Evaluated, Error> {
        self.ledger().check()?;
        let costs = self.costs.clone();
        self.judge_all((costs, None), &mut |run, fold, seed| {
            let mut pretrained = Vec::new();
            for arm in 0..run.pipeline.arms.len() {
                pretrained.push((run.pipeline.arms[arm].name.clone(), run.pretrain_arm(arm, fold, seed)?));
            }
            Ok(pretrained.into())
        })
    }

    /// Judges one encoder from outside in place of the pipeline's arms, beside the same controls.
    ///
    /// # Errors
    /// As [`Run::score`].
    pub fn score_outside(&mut self, admitted: Admitted) -> Result<Evaluated, Error> {
        self.ledger().check()?;
        let seen = outside::people_seen(&admitted.pretrained.contract, &self.store);
        Outsider::keep((&admitted, &seen), &self.folder, &mut self.journal)?;
        // What was kept is what is judged, in every round.
        let encoders: Rc<[_]> = [(admitted.arm.name, admitted.pretrained)].into();
        self.judge_all((Vec::new(), Some(&seen)), &mut |_, _, _| Ok(Rc::clone(&encoders)))
    }

    fn ledger(&self) -> TestLedger {
        TestLedger::beside(self.store.path(), &self.means.command)
    }

    /// `seen` are the people whom pretraining saw, where it was not on the pools of the splits.
    fn judge_all(
        &mut self,
        (costs, seen): (Vec<ArmCost>, Option<&BTreeSet<String>>),
        encoders: &mut Encoders<'_, 'a>,
    ) -> Result<Evaluated, Error> {
        let pipeline = self.pipeline;
        // A second handle: the evaluation holds its store while the run's journal is written.
        let store = self.store.clone();
        let ledger = self.ledger();
        let seed = pipeline.split.choice.seed();
        let (ways, settings) = (&pipeline.downstream, &pipeline.evaluate);
        let mut evaluation = Evaluation::new(&store, &self.splits, ways, settings, (ledger, seed))?;
        for (fold, seed) in self.rounds() {
            let pretrained = encoders(self, fold, seed)?;
            self.judge(&mut evaluation, (&pretrained, seen), (fold, seed))?;
        }
        let evaluated = Evaluated { costs, ..evaluation.finish()? };
        self.folder.write_predictions(&evaluation.predictions())?;
        self.folder.write_scores(&evaluated.scores)?;
        self.folder.write_evaluation(&evaluated)?;
        let path = store.path();
        let hash = |source| PipelineError::Hash { path: path.to_owned(), source };
        let store_hash = Digest::of_file(path).map_err(hash)?;
        let end = json!({ "test_windows": evaluated.n_windows, "store_hash": store_hash });
        self.journal.record_once("end", &end)?;
        self.folder.seal()?;
        Ok(evaluated)
    }

    fn judge(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        (pretrained, seen): (&[(String, Pretrained)], Option<&BTreeSet<String>>),
        (fold, seed): (usize, u64),
    ) -> Result<(), Error> {
        let Some((_, first)) = pretrained.first() else { return Ok(()) };
        let arms = pretrained.iter().map(|(name, of)| PretrainedArm { name, group: &of.group, steps: of.steps });
        let arms: Vec<PretrainedArm<'_>> = arms.collect();
        let (split, store, folder) = (&self.splits[fold], &self.store, &self.parts[fold]);
        let round = Round { split, seed, encoder: &*first.encoder, arms: &arms, seen, device: &self.means.device };
        let places = self.places(&first.contract, fold);
        let names: Vec<&str> = pretrained.iter().map(|(name, _)| name.as_str()).collect();
        let lines = arm_names(&names, &self.pipeline.downstream, (&self.pipeline.evaluate, &self.pipeline.seeds));
        let keeper = |name: &str, fold: u16, seed: u64, fitted: &Fitted| {
            let line = lines.iter().find(|line| line.name == name);
            let contract = line.and_then(|line| contract_of(line, pretrained));
            let Some(contract) = contract else { return Ok(()) };
            let people = &split.proof().roles;
            let (train, validation) = (people.train.subjects.clone(), people.validation.subjects.clone());
            let (path, classes) = (folder.classifier_file(name, fold, seed), &store.table().classes);
            fitted.save(&path, &contract, classes, Teachers { train, validation }).map(drop)
        };
        let (watch, journal) = (&self.means.watch, Some(&mut self.journal));
        let mut bench = Bench { watch, journal, places: Some(&places), keeper: Some(&keeper) };
        evaluation.judge(&round, &mut bench)?;
        keep_hashes(&self.folder, &mut self.journal, (split.fold(), seed))
    }

    /// Where supervised trainings keep their state. They go on only under the very pipeline that they were begun with.
    fn places(
        &self,
        pretraining: &Contract,
        fold: usize,
    ) -> impl Fn(&str, u16, &str) -> Result<(Checkpoints, Events), RunError> + 'static {
        let settings = [("pipeline".to_owned(), Value::from(self.pipeline.hash()))].into_iter().collect();
        let contract = Contract { settings, ..pretraining.clone() };
        let (folder, resume, every) = (self.parts[fold].clone(), self.resume, self.pipeline.train.checkpoint_every);
        move |arm, fold, word| {
            let path = folder.checkpoint_folder(arm, fold)?.join(word);
            Ok((Checkpoints::new(path, contract.clone(), every, resume), folder.events(arm, fold, word)?))
        }
    }

    /// Every fold with every seed, folds outside: a fold's arms are judged together.
    fn rounds(&self) -> Vec<(usize, u64)> {
        let seeds = &self.pipeline.seeds;
        (0..self.splits.len()).flat_map(|fold| seeds.iter().map(move |&seed| (fold, seed))).collect()
    }

    fn checkpoint_folder(&self, arm: &Arm, fold: usize, seed: u64) -> Result<PathBuf, Error> {
        Ok(self.parts[fold].checkpoint_folder(&arm.name, self.splits[fold].fold())?.join(format!("seed-{seed}")))
    }

    fn pretrain_arm(&mut self, arm: usize, fold: usize, seed: u64) -> Result<Pretrained, Error> {
        let (pipeline, means) = (self.pipeline, self.means);
        let arm = &pipeline.arms[arm];
        let folder = self.checkpoint_folder(arm, fold, seed)?;
        let split = &self.splits[fold];
        means.watch.progress().say(&format!("{}, fold {}, seed {seed}", arm.name, split.fold()));
        let order = arm.order(pipeline, seed);
        let (train, validation) = (split.train(), split.validation());
        let monitored = Some(Monitored { train, validation, unscored: self.store.pool_excludes() });
        let data = PretrainData { store: &self.store, pool: split.pool(), split_hash: split.hash(), monitored };
        let labels = json!({ "arm": arm.name, "fold": split.fold(), "seed": seed });
        let record = Record {
            watch: &means.watch,
            journal: Some((&mut self.journal, labels)),
            checkpoints: Some((folder.clone(), self.resume)),
            events: Some(self.parts[fold].events(&arm.name, split.fold(), &format!("seed-{seed}"))?),
        };
        let pretrained = pretrain(&order, data, &means.device, record)?;
        // For PyTorch and others: a checkpoint holds flat tensors, these have state_dict names.
        save_encoder(&RunFolder::encoder_file(&folder), &pretrained.group, &outside::provenance(&pretrained.contract))?;
        Ok(pretrained)
    }

    fn pretrained_file(&self, arm: usize, fold: usize, seed: u64) -> Result<PretrainedFile, Error> {
        let arm = &self.pipeline.arms[arm];
        let folder = self.checkpoint_folder(arm, fold, seed)?;
        let checkpoint = Checkpoints::newest(&folder)?.unwrap_or(folder);
        let split = &self.splits[fold];
        let windows = split.pool().len();
        let steps = self.pipeline.train.plan(windows)?.course.steps;
        Ok(PretrainedFile { arm: arm.name.clone(), fold: split.fold(), seed, steps, windows, checkpoint })
    }
}

/// What a classifier's encoder was made for and from: the arm's that it began with; that of a training from a random
/// start, with nobody in its pool. None for controls that nobody predicts with.
fn contract_of(line: &ArmName, pretrained: &[(String, Pretrained)]) -> Option<Contract> {
    if let Some(encoder) = &line.encoder {
        return pretrained.iter().find(|(arm, _)| arm == encoder).map(|(_, began)| began.contract.clone());
    }
    let mut contract = pretrained.first().filter(|_| line.trains_from_scratch())?.1.contract.clone();
    contract.pool.clear();
    Some(contract)
}

/// The splits of a pipeline, one a fold, on its store.
///
/// # Errors
/// Whatever the plan reports.
pub fn draw(pipeline: &Pipeline, store: &Store) -> Result<Vec<Split>, Error> {
    let context = DrawContext {
        pool_excludes: store.pool_excludes(),
        spec: store.spec(),
        recipe_hash: store.recipe_hash(),
        rejects: pipeline.rejects,
    };
    let splits = pipeline.split.choice.draw(store.table(), &context)?;
    let with_labels = |split: &Split| Ok(split.with_labels(store.table(), pipeline.evaluate.labels())?);
    splits.iter().map(with_labels).collect()
}

fn tell_splits(splits: &[Split], means: &Means) {
    if splits.len() <= TOLD_FOLDS {
        for split in splits {
            means.watch.progress().say(split.proof().to_string().trim_end());
        }
    } else {
        means
            .watch
            .progress()
            .say(&format!("{} folds; split.json in the run folder holds the proof of each", splits.len()));
    }
}

/// What judging found in a run that came to its end under this pipeline; `None` when there is something left to do.
///
/// # Errors
/// A run of another pipeline; files that cannot be read.
pub fn finished(pipeline: &Pipeline) -> Result<Option<Evaluated>, Error> {
    let Ok(folder) = RunFolder::open(&pipeline.folder) else { return Ok(None) };
    same_pipeline(pipeline, &folder)?;
    Outsider::refuse(&folder)?;
    // The manifest is the last file of every stage; one that does not fit is of a stage before.
    match folder.changed_files() {
        Ok(changed) if changed.is_empty() => Ok(folder.read_evaluation().ok()),
        _ => Ok(None),
    }
}

/// A run goes on only under the pipeline that it was begun with.
fn same_pipeline(pipeline: &Pipeline, folder: &RunFolder) -> Result<(), Error> {
    let path = folder.path().join("pipeline.toml");
    let saved = super::PipelineText::new(path.display().to_string(), folder.read_pipeline()?);
    let saved = Pipeline::parse(&saved, None)?;
    let settings = |pipeline: &Pipeline| match pipeline.resolved() {
        Value::Object(keys) => {
            keys.into_iter().filter(|(key, _)| !super::parse::PLACES.contains(&key.as_str())).collect()
        }
        other => other,
    };
    let differences = Differences::between(&settings(&saved), &settings(pipeline));
    if differences.is_empty() {
        return Ok(());
    }
    Err(PipelineError::OtherPipeline { path: folder.path().to_owned(), differences }.into())
}
