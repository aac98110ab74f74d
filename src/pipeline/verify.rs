//! A finished run, checked: every printed number once more from what the run keeps, every hash, every role.
//!
//! The manifest comes first; then each part is compared with what it came from: the proofs with splits drawn anew from
//! the store, predictions with the store's rows, scores with predictions, readings with the ledger, encoders with the
//! people of their pool. What does not agree becomes a line; nothing is repaired.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Differences, Digest};
use crate::data::splits::{PoolSpan, Proof, Reading, Role, Split, TestLedger, Train};
use crate::data::store::Store;
use crate::error::Error;
use crate::judging::evaluate::{ArmEffort, Ballots, Counting, Evaluated, Record, Score};
use crate::learning::train::{Checkpoint, Checkpoints, PoolRecord};
use crate::numerics::metrics::Classes;
use crate::runs::{PredictionTable, RunFolder};

use super::compare::{overlap_of, rate_hz, readings};
use super::costs::recounted;
use super::outside::Outsider;
use super::parse::Pipeline;
use super::recorded::{Expected, Recorded};
use super::scope::Drawn;
use super::{PipelineError, PipelineText};

mod weights;

pub(super) use weights::keep_hashes;

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The file, and the place in it.
    pub place: String,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
}

/// What verifying a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The run folder.
    pub run: PathBuf,
    /// What was looked at, in words, in order.
    pub checked: Vec<String>,
    /// What does not agree; empty: the run says what its files say.
    pub disagreements: Vec<Disagreement>,
}

/// Checks a run. `store` stands in for the place that the run's pipeline names.
///
/// # Errors
/// A folder that is no run or of one that is not finished; a journal, proofs, predictions or an evaluation that cannot be
/// read at all. What can be read and does not agree is no error, but a line of the result, and so is what cannot be
/// looked at further on.
pub fn verify(run: &Path, store: Option<&Path>) -> Result<Verified, Error> {
    let folder = RunFolder::open(run)?;
    // A lost file of a finished run is another matter: that is told as any change is.
    let journal = folder.read_journal()?;
    if !journal.iter().any(|entry| word(entry, "event") == "end") {
        let remedy = if Outsider::of(&journal).is_some() { JUDGE_ANEW } else { GO_ON };
        return Err(PipelineError::Unfinished { run: run.to_owned(), remedy }.into());
    }
    let mut verifier = Verifier { folder, outsider: None, checked: Vec::new(), disagreements: Vec::new() };
    verifier.manifest();
    let path = run.join("pipeline.toml");
    let text = PipelineText::new(path.display().to_string(), verifier.folder.read_pipeline()?);
    let mut pipeline = Pipeline::parse(&text, None)?;
    if let Some(store) = store {
        store.clone_into(&mut pipeline.store);
    }
    verifier.all(&pipeline)?;
    let Verifier { checked, disagreements, .. } = verifier;
    Ok(Verified { run: run.to_owned(), checked, disagreements })
}

/// How an interrupted run is finished.
const GO_ON: &str =
    "finish it with `biossl run PIPELINE --resume` (the pipeline it was begun with, which lies in it as pipeline.toml)";
/// The same where an encoder from outside is judged.
const JUDGE_ANEW: &str = "repeat the `biossl evaluate PIPELINE --checkpoint FILE` that began it, with another --out";

struct Verifier {
    folder: RunFolder,
    /// The encoder that was judged in place of the pipeline's arms.
    outsider: Option<Outsider>,
    checked: Vec<String>,
    disagreements: Vec<Disagreement>,
}

type Entry = Map<String, Value>;

/// Which training an entry of the journal is of.
fn whose(entry: &Entry) -> Option<(String, u64, u16)> {
    let arm = entry.get("arm")?.as_str()?.to_owned();
    Some((arm, entry.get("seed")?.as_u64()?, entry.get("fold")?.as_u64()? as u16))
}

fn word<'a>(entry: &'a Entry, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Verifier {
    fn note(&mut self, place: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) {
        self.disagreements.push(Disagreement { place: place.into(), found: found.into(), expected: expected.into() });
    }

    /// A line unless both are the same.
    fn same(&mut self, place: &str, found: &str, expected: &str) {
        if found != expected {
            self.note(place, found, expected);
        }
    }

    fn looked_at(&mut self, what: impl Into<String>) {
        self.checked.push(what.into());
    }

    fn manifest(&mut self) {
        match self.folder.changed_files() {
            Ok(changed) => {
                for name in &changed {
                    self.note(name, "changed, added or lost", "as the manifest says");
                }
                self.looked_at("manifest.json: SHA-256 of every file of the run");
            }
            Err(error) => self.note("manifest.json", error.to_string(), "the seal of a finished run"),
        }
    }

    fn all(&mut self, pipeline: &Pipeline) -> Result<(), Error> {
        let journal = self.folder.read_journal()?;
        let proofs: Vec<Proof> = self.folder.read_splits()?;
        let table = self.folder.read_predictions()?;
        let evaluated: Evaluated = self.folder.read_evaluation()?;
        let of = |event: &str| journal.iter().filter(|entry| word(entry, "event") == event).collect::<Vec<_>>();
        self.pipeline(pipeline, &of("begin"), &proofs);
        self.roles(&proofs);
        self.predictions(&table, &proofs);
        self.outsider = Outsider::of(&journal);
        let recorded = self.recorded(pipeline, &proofs, &journal);
        let done = self.numbers(pipeline, &proofs, (&table, &recorded), &evaluated);
        self.or_note("evaluation.json, scores.json", done);
        self.choices(&recorded.efforts, &journal);
        if self.outsider.is_none() {
            let done = self.pools(pipeline, &proofs);
            self.or_note("checkpoints", done);
        }
        let done = self.weights(&journal);
        self.or_note("files of weights", done);
        let done = self.ledger(pipeline, &proofs, &of("test"));
        self.or_note("the ledger of test readings", done);
        let done = self.store(pipeline, &proofs, &table, &of("end"));
        self.or_note(&pipeline.store.display().to_string(), done);
        Ok(())
    }

    /// What cannot be looked at is a line, too: what else was found is not lost by it.
    fn or_note(&mut self, place: &str, done: Result<(), Error>) {
        if let Err(error) = done {
            self.note(place, error.to_string(), "something that can be looked at");
        }
    }

    /// What the journal has of choices, costs and who was known, for all that pipeline and proofs make judging write.
    fn recorded(&mut self, pipeline: &Pipeline, proofs: &[Proof], journal: &[Entry]) -> Recorded {
        let outside = self.outsider.as_ref().map(|outsider| outsider.arm.as_str());
        let own = pipeline.arms.iter().map(|arm| arm.name.as_str());
        let encoders: Vec<&str> = outside.map_or_else(|| own.collect(), |arm| vec![arm]);
        let (arms, identity) = (pipeline.judged_names(outside), pipeline.evaluate.identity());
        let seen = self.outsider.as_ref().and_then(|outsider| outsider.seen.as_ref());
        let (arms, encoders, seeds) = (&arms[..], &encoders[..], &pipeline.seeds[..]);
        let mut found = Recorded::of(&Expected { journal, proofs, seeds, arms, encoders, seen, identity });
        self.disagreements.append(&mut found.disagreements);
        self.looked_at(format!(
            "journal.jsonl: {} readings of the test and {} counts of who was known, for every arm, seed and fold",
            found.efforts.len(),
            found.identity.len()
        ));
        found
    }

    fn pipeline(&mut self, pipeline: &Pipeline, begun: &[&Entry], proofs: &[Proof]) {
        let Some(begin) = begun.last() else {
            return self.note("journal.jsonl", "no beginning", "an entry `begin`");
        };
        self.same("journal.jsonl: pipeline_hash", word(begin, "pipeline_hash"), &pipeline.hash());
        let hashes: Vec<Value> = proofs.iter().map(|proof| proof.split_hash.clone().into()).collect();
        let written = begin.get("split_hashes").cloned().unwrap_or_default();
        self.same("journal.jsonl: split_hashes", &written.to_string(), &Value::from(hashes).to_string());
        for proof in proofs {
            let place = format!("split.json: fold {}, recipe_hash", proof.fold);
            self.same(&place, &proof.recipe_hash, word(begin, "recipe_hash"));
        }
        self.looked_at("pipeline.toml, split.json: hashes of pipeline, recipe and splits as the journal has them");
    }

    /// Roles share nothing, by their own lists.
    fn roles(&mut self, proofs: &[Proof]) {
        for proof in proofs {
            let sides = [
                ("train", &proof.roles.train),
                ("validation", &proof.roles.validation),
                ("test", &proof.roles.test),
                ("pool", &proof.pool),
            ];
            for (first, second) in [(0, 1), (0, 2), (1, 2), (3, 1), (3, 2)] {
                let ((one, a), (other, b)) = (sides[first], sides[second]);
                let shared = |a: &[String], b: &[String]| {
                    a.iter().filter(|id| b.contains(id)).cloned().collect::<Vec<_>>().join(", ")
                };
                let subjects = shared(&a.subjects, &b.subjects);
                // Plans within people part their recordings; the rows' own lists are compared below.
                if !subjects.is_empty() && !proof.scope.is_within() {
                    let place = format!("split.json: fold {}, {one} and {other}", proof.fold);
                    self.note(place, format!("share {subjects}"), "no person in two roles");
                }
            }
            let overlaps: usize = proof.intersections.iter().map(|pair| pair.overlapping_windows).sum();
            let contents: usize = proof.intersections.iter().map(|pair| pair.content_hashes.len()).sum();
            if overlaps + contents > 0 {
                let found = format!("{contents} file contents and {overlaps} overlapping windows");
                self.note(format!("split.json: fold {}, intersections", proof.fold), found, "nothing shared");
            }
        }
        self.looked_at(format!("split.json: roles and pool of {} folds share nothing", proofs.len()));
    }

    /// Every test row once an arm and seed, in the fold that tests its person.
    fn predictions(&mut self, table: &PredictionTable, proofs: &[Proof]) {
        let mut seen: BTreeMap<(&str, u64, u16), (usize, BTreeSet<u32>)> = BTreeMap::new();
        for row in &table.rows {
            let entry = seen.entry((&row.arm, row.seed, row.fold)).or_default();
            entry.0 += 1;
            entry.1.insert(row.row);
            let test = proofs.iter().find(|proof| proof.fold == row.fold).map(|proof| &proof.roles.test);
            if !test.is_some_and(|test| test.subjects.contains(&row.subject)) {
                let place = format!("predictions.csv: {}, seed {}, row {}", row.arm, row.seed, row.row);
                let expected = format!("a test person of fold {}", row.fold);
                self.note(place, row.subject.clone(), expected);
            }
        }
        let wrong = seen.into_iter().filter_map(|((arm, seed, fold), (n, rows))| {
            let test = proofs.iter().find(|proof| proof.fold == fold).map_or(0, |proof| proof.roles.test.windows);
            let place = format!("predictions.csv: {arm}, seed {seed}, fold {fold}");
            let found = format!("{n} predictions of {} windows", rows.len());
            (n != test || rows.len() != test).then(|| (place, found, format!("{test} windows, each once")))
        });
        let wrong: Vec<_> = wrong.collect();
        for (place, found, expected) in wrong {
            self.note(place, found, expected);
        }
        self.looked_at(format!(
            "predictions.csv: {} predictions, every test row once an arm and seed",
            table.rows.len()
        ));
    }

    /// Every number of the evaluation, counted anew.
    fn numbers(
        &mut self,
        pipeline: &Pipeline,
        proofs: &[Proof],
        (table, recorded): (&PredictionTable, &Recorded),
        stored: &Evaluated,
    ) -> Result<(), Error> {
        let readings = readings(&self.folder)?;
        let corpus = &pipeline.corpus.choice;
        let classes = Arc::new(Classes::new(&corpus.classes(), &corpus.pool_excludes()));
        let arms = pipeline.judged_names(self.outsider.as_ref().map(|outsider| outsider.arm.as_str()));
        let there = Store::open(&pipeline.store).map(|store| store.table().failed.clone());
        let failed = there.unwrap_or_else(|_| stored.failed.clone());
        let counting = Counting {
            settings: &pipeline.evaluate,
            arms: &arms,
            split_seed: pipeline.split.choice.seed(),
            rate_hz: rate_hz(pipeline),
            known_overlap: &overlap_of(proofs),
            // Of a store that is gone, which is told of below, the names cannot be checked.
            failed: &failed,
        };
        // Nothing that is checked is taken from where it is checked.
        let Recorded { efforts, identity, left_out: identity_left_out, .. } = recorded;
        let record = Record { efforts, identity, identity_left_out };
        let counted = Ballots::read(table, &classes, &readings)
            .and_then(|ballots| Evaluated::count(&ballots, &record, &counting));
        let counted = match counted {
            Ok(counted) => {
                let scope = proofs.last().map_or(counted.scope, |proof| proof.scope);
                let left_out = proofs.last().map_or_else(Vec::new, |proof| proof.left_out.clone());
                let costs = if self.outsider.is_some() { Ok(Vec::new()) } else { recounted(pipeline, proofs) };
                let costs = costs.unwrap_or_else(|error| {
                    self.note("evaluation.json: costs", error.to_string(), "costs that can be counted");
                    stored.costs.clone()
                });
                Evaluated { costs, scope, left_out, ..counted }
            }
            Err(error) => {
                self.note("predictions.csv", error.to_string(), "predictions that can be counted");
                return Ok(());
            }
        };
        let json = |evaluated: &Evaluated| serde_json::to_value(evaluated).expect("an evaluation is plain data");
        for found in Differences::between(&json(stored), &json(&counted)).0 {
            self.note(format!("evaluation.json: {}", named(stored, &found.key)), found.found, found.needed);
        }
        let scores: Vec<Score> = self.folder.read_scores()?;
        let scores = serde_json::to_value(scores).expect("scores are plain data");
        let expected = serde_json::to_value(&counted.scores).expect("scores are plain data");
        for found in Differences::between(&scores, &expected).0 {
            self.note(format!("scores.json: {}", named(stored, &found.key)), found.found, found.needed);
        }
        self.looked_at(format!(
            "evaluation.json, scores.json: {} scores, {} values of persons, {} comparisons counted anew from predictions",
            counted.scores.len(),
            counted.people.len(),
            counted.comparisons.len()
        ));
        self.looked_at(format!(
            "evaluation.json: {} answers to who it is counted anew from {} counts of persons in the journal",
            counted.identity.len(),
            counted.identity_counts.len()
        ));
        Ok(())
    }

    /// What was chosen on validation people is in the words of the choice, and was paid for by a training.
    fn choices(&mut self, efforts: &[ArmEffort], journal: &[Entry]) {
        for effort in efforts {
            let key = Some((effort.arm.clone(), effort.seed, effort.fold));
            let place = format!("journal.jsonl: {}, seed {}, fold {}", effort.arm, effort.seed, effort.fold);
            if let Some(validation) = effort.validation.filter(|_| effort.choice.contains(", validation ")) {
                let printed = format!("{validation:.4}");
                let said = effort.choice.rsplit(' ').next().unwrap_or_default();
                self.same(&format!("{place}, validation"), &printed, said);
            }
            let trained = |entry: &&Entry| ["fine-tune", "end-to-end"].contains(&word(entry, "event"));
            let trainings: Vec<&Entry> = journal.iter().filter(trained).filter(|entry| whose(entry) == key).collect();
            let number = |entry: &Entry, key: &str| entry.get(key).and_then(Value::as_u64);
            let (updates, windows) = (effort.effort.updates, effort.effort.windows);
            let cost = (Some(updates), Some(windows));
            let paid = trainings.iter().any(|entry| (number(entry, "updates"), number(entry, "windows")) == cost);
            let free = trainings.is_empty() && (updates, windows) == (0, 0);
            if !paid && !free {
                let found = format!("{updates} updates, {windows} windows");
                self.note(place, found, "a training in the journal with these");
            }
        }
        self.looked_at(format!("journal.jsonl: {} choices on validation people and their costs", efforts.len()));
    }

    /// No encoder saw a person of validation or test.
    fn pools(&mut self, pipeline: &Pipeline, proofs: &[Proof]) -> Result<(), Error> {
        let mut n = 0;
        for proof in proofs {
            for arm in &pipeline.arms {
                for seed in &pipeline.seeds {
                    let folder = self.folder.training_folder(&arm.name, proof.fold, &format!("seed-{seed}"))?;
                    let place = folder.strip_prefix(self.folder.path()).unwrap_or(&folder).display().to_string();
                    let Some(newest) = Checkpoints::newest(&folder)? else {
                        self.note(place, "no checkpoint", "the encoder that was judged");
                        continue;
                    };
                    let pool = Checkpoint::read(&newest)?.header.contract.pool;
                    self.same(&format!("{place}, split of the pool"), &pool.split_hash, &proof.split_hash);
                    let roles = [("validation", &proof.roles.validation), ("test", &proof.roles.test)];
                    for (role, people) in roles {
                        let seen: Vec<&str> = people
                            .subjects
                            .iter()
                            .filter(|id| pool.subjects.contains(id))
                            .map(String::as_str)
                            .collect();
                        if !seen.is_empty() && !proof.scope.is_within() {
                            let found = format!("pretrained on {}", seen.join(", "));
                            self.note(place.clone(), found, format!("no person of {role}"));
                        }
                    }
                    if let Some(stray) = stray_of(&pool, proof) {
                        self.note(place, format!("read {stray}"), "nothing but the split's train pieces");
                    }
                    n += 1;
                }
            }
        }
        self.looked_at(format!("checkpoints: pools of {n} encoders against validation and test people"));
        Ok(())
    }

    /// Every printed reading stands in the ledger, made by the very classifier.
    fn ledger(&mut self, pipeline: &Pipeline, proofs: &[Proof], tests: &[&Entry]) -> Result<(), Error> {
        let ledger = TestLedger::beside(&pipeline.store, "");
        let readings = ledger.readings()?;
        for entry in tests {
            let Some((arm, seed, fold)) = whose(entry) else { continue };
            let split = proofs.iter().find(|proof| proof.fold == fold).map_or("", |proof| proof.split_hash.as_str());
            let ordinal = entry.get("ordinal").and_then(Value::as_u64).unwrap_or(0);
            let written = |reading: &&Reading| {
                let selected = &reading.selected;
                reading.ordinal == ordinal
                    && selected.split_hash() == split
                    && selected.weights_hash() == word(entry, "weights_hash")
                    && selected.choice() == word(entry, "choice")
            };
            if !readings.iter().any(|reading| written(&reading)) {
                let place = format!("journal.jsonl: {arm}, seed {seed}, fold {fold}");
                let expected = format!("the same in {}", ledger.path().display());
                self.note(
                    place,
                    format!("reading {ordinal} of the test, weights {}", word(entry, "weights_hash")),
                    expected,
                );
            }
        }
        self.looked_at(format!("{}: {} readings of this run", ledger.path().display(), tests.len()));
        Ok(())
    }

    /// The store is the one that was judged, gives the same roles, and has the rows that predictions speak of.
    fn store(
        &mut self,
        pipeline: &Pipeline,
        proofs: &[Proof],
        table: &PredictionTable,
        ended: &[&Entry],
    ) -> Result<(), Error> {
        let path = &pipeline.store;
        if !path.exists() {
            self.note(path.display().to_string(), "no such file", "the store that was judged; name it with --store");
            return Ok(());
        }
        let hash = Digest::of_file(path).map_err(|source| PipelineError::Hash { path: path.clone(), source })?;
        let written = ended.last().map_or("", |entry| word(entry, "store_hash"));
        self.same(&format!("{}: SHA-256", path.display()), &hash, written);
        let store = Store::open(path)?;
        match Drawn::of(pipeline, &store) {
            Ok(Drawn { splits, .. }) => {
                self.outsider_seen(&store, &splits);
                let json = |proofs: Vec<&Proof>| serde_json::to_value(proofs).expect("proofs are plain data");
                let anew = json(splits.iter().map(Split::proof).collect());
                for found in Differences::between(&json(proofs.iter().collect()), &anew).0 {
                    self.note(format!("split.json: {}", found.key), found.found, found.needed);
                }
            }
            Err(error) => self.note("split.json", error.to_string(), "splits that the store allows"),
        }
        self.rows(&store, table);
        self.looked_at(format!("{}: its hash, its roles, its rows", path.display()));
        Ok(())
    }

    /// An encoder from outside says of itself, beside every number, whether it has seen those who judged it.
    fn outsider_seen(&mut self, store: &Store, splits: &[Split]) {
        let Some(outsider) = self.outsider.clone() else { return };
        let place = outsider.copy(&self.folder);
        let place = place.strip_prefix(self.folder.path()).unwrap_or(&place).display().to_string();
        let word = |seen: bool| if seen { "has seen those who judged it" } else { "has seen nobody who judged it" };
        match outsider.has_seen(&self.folder, store, splits) {
            Ok(seen) => self.same(&format!("journal.jsonl: {}", outsider.arm), word(outsider.transductive), word(seen)),
            Err(error) => self.note(place.clone(), error.to_string(), "the encoder that was judged"),
        }
        if let (Some(written), Ok(seen)) = (&outsider.seen, outsider.people_of_copy(&self.folder, store)) {
            let named = |people: &BTreeSet<String>| people.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            self.same(&format!("journal.jsonl: {}, people seen", outsider.arm), &named(written), &named(&seen));
        }
        match (outsider.hash_of_copy(&self.folder), &outsider.copy_hash) {
            (Ok(hash), Some(written)) => self.same(&format!("{place}: SHA-256"), &hash, written),
            (Ok(hash), None) => self.note(format!("{place}: SHA-256"), hash, "a hash in the journal (`copy_hash`)"),
            // That it cannot be read is told above.
            (Err(_), _) => {}
        }
        self.looked_at(format!("{place}: SHA-256, and its pool against validation and test people or windows"));
    }

    fn rows(&mut self, store: &Store, table: &PredictionTable) {
        let windows = store.table();
        for row in &table.rows {
            let place = || format!("predictions.csv: {}, seed {}, row {}", row.arm, row.seed, row.row);
            let Some(entry) = windows.rows.get(row.row as usize) else {
                self.note(place(), "no such row", format!("one of {} rows", windows.rows.len()));
                continue;
            };
            let event = entry.event.unwrap_or_else(|| entry.start + store.eval_cut(row.row).offset);
            let label = entry.label.map_or("-", |label| windows.classes[usize::from(label)].as_str());
            let expected = (&windows.subject_of(row.row).0, &windows.recording_of(row.row).id, event, label);
            let found = (&row.subject, &row.recording, row.event, row.truth.as_str());
            if found != expected {
                self.note(place(), format!("{found:?}"), format!("{expected:?}"));
            }
        }
    }
}

/// Of a plan within a person, something that a pool read and that lies in no piece of its training.
fn stray_of(pool: &PoolRecord, proof: &Proof) -> Option<String> {
    let stretches = pool.spans.as_ref().filter(|_| proof.scope.is_within())?;
    let stretches = stretches.iter().flat_map(|span| span.read.iter().map(move |read| (span, read)));
    let inside = |span: &PoolSpan, [first, end]: [i64; 2]| {
        proof.pieces.iter().any(|piece| {
            piece.role == Train::NAME
                && (&piece.subject, &piece.recording) == (&span.subject, &span.recording)
                && piece.first <= first
                && end <= piece.last
        })
    };
    let mut strays = stretches.filter(|(span, read)| !inside(span, **read));
    strays.next().map(|(span, [first, end])| format!("{} {}, samples {first} to {end}", span.subject, span.recording))
}

/// A place in an evaluation with the arm and metric it is of: an index alone says little.
fn named(evaluated: &Evaluated, key: &str) -> String {
    let index = key.split_once('[').and_then(|(_, rest)| rest.split(']').next()).and_then(|index| index.parse().ok());
    let list = key.split('[').next().unwrap_or_default();
    let of = match (list, index) {
        ("scores" | "", Some(index)) => evaluated.scores.get::<usize>(index).map(|score| {
            let seed = score.seed.map_or_else(|| "all seeds".to_owned(), |seed| format!("seed {seed}"));
            format!("{}, {} {}, {seed}", score.arm, score.metric, score.class.as_deref().unwrap_or_default())
        }),
        ("people", Some(index)) => evaluated
            .people
            .get(index)
            .map(|person| format!("{}, {}, seed {}", person.arm, person.subject, person.seed)),
        ("matrices", Some(index)) => {
            evaluated.matrices.get(index).map(|matrix| format!("{}, seed {}", matrix.arm, matrix.seed))
        }
        ("comparisons", Some(index)) => {
            evaluated.comparisons.get(index).map(|one| format!("{} - {}", one.first, one.second))
        }
        ("identity", Some(index)) => {
            evaluated.identity.get(index).map(|one| format!("{}, {}, {}", one.encoder, one.probe, one.crowd.name()))
        }
        ("efforts", Some(index)) => {
            evaluated.efforts.get(index).map(|one| format!("{}, seed {}, fold {}", one.arm, one.seed, one.fold))
        }
        ("identity_counts", Some(index)) => evaluated
            .identity_counts
            .get(index)
            .map(|one| format!("{}, {}, {}", one.encoder, one.crowd.name(), one.subject)),
        _ => None,
    };
    of.map_or_else(|| key.to_owned(), |of| format!("{key} ({of})"))
}
