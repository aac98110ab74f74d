//! The order of things: fit, choose, read the test once, put folds together, count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::Device;
use serde::Serialize;

use crate::base::Choice;
use crate::data::splits::{LeftOut, Scope, Split, Subset, Test, TestLedger};
use crate::data::store::Store;
use crate::judging::downstream::{Bench, Configuration, Data, DownstreamError, FineTune, Fitted, RrChoice, Start, Way};
use crate::learning::nn::{Encoder, Group};
use crate::numerics::metrics::{Classes, Metric};
use crate::runs::{PredictionRow, PredictionTable};

use super::arms::arm_names;
use super::ballots::{Ballots, Judged};
use super::controls::{END_TO_END, END_TO_END_TUNED, MAJORITY, RANDOM, random_frozen, random_group, rr_alone};
use super::error::EvaluateError;
use super::identity::{Crowd, Embedded, IdentityCount, IdentityEntry, KnownPerson, Parted, who_is_it};
use super::scores::{ArmEffort, Counting, Evaluated, Record};
use super::settings::EvaluateSettings;
use super::skip::event_of;

/// An encoder that pretraining gave.
#[derive(Clone, Copy)]
pub struct PretrainedArm<'a> {
    /// Its name: the preset or the name that the pipeline gives it.
    pub name: &'a str,
    /// Its weights after the last step.
    pub group: &'a Group,
    /// Updates that pretraining took.
    pub steps: u64,
}

/// One fold with one training seed.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// Who may see what.
    pub split: &'a Split,
    /// The training seed.
    pub seed: u64,
    /// The network of all arms.
    pub encoder: &'a dyn Encoder,
    /// Pretrained encoders to be judged.
    pub arms: &'a [PretrainedArm<'a>],
    /// People whom pretraining saw; `None`: those of the split's pool.
    pub seen: Option<&'a BTreeSet<String>>,
    /// Where the controls compute.
    pub device: &'a Device,
}

/// A reading of test people, for the journal, with what had been chosen and tried by then.
#[derive(Debug, Serialize)]
struct TestReading {
    #[serde(flatten)]
    effort: ArmEffort,
    ordinal: u64,
    weights_hash: String,
}

/// Judges rounds and keeps their predictions.
pub struct Evaluation<'a> {
    store: &'a Store,
    classes: Arc<Classes>,
    criterion: &'static Metric,
    ways: &'a [Way],
    settings: &'a EvaluateSettings,
    ledger: TestLedger,
    split_seed: u64,
    /// Chosen with the first seed, by arm and fold; the other seeds keep them.
    kept: BTreeMap<(String, u16), Configuration>,
    judged: Vec<Judged>,
    efforts: Vec<ArmEffort>,
    known_overlap: Vec<[String; 2]>,
    scope: Scope,
    identity: Vec<IdentityCount>,
    identity_left_out: BTreeSet<String>,
    left_out: Vec<LeftOut>,
    /// Names of the pretrained arms, in order.
    encoders: Vec<String>,
    /// Training seeds, in the order of their rounds.
    seeds: Vec<u64>,
}

impl Round<'_> {
    /// Rows of people whom pretraining saw, and of others; nobody's crowd is left out. Plans within people test the very
    /// people of the pool, whose windows are asked about.
    fn crowds(&self, store: &Store, test: &Subset<Test>) -> Vec<(Crowd, Vec<u32>)> {
        let (split, table) = (self.split, store.table());
        let mut rows = split.pool().rows().to_vec();
        if !split.proof().scope.is_within() {
            rows.extend(split.validation().rows().iter().chain(test.rows()));
        }
        let seen: BTreeSet<&str> = match self.seen {
            Some(people) => people.iter().map(String::as_str).collect(),
            None => split.pool().subjects().iter().map(|&id| table.subjects[id as usize].0.as_str()).collect(),
        };
        let (pool, unseen): (Vec<u32>, Vec<u32>) =
            rows.into_iter().partition(|&row| seen.contains(table.subject_of(row).0.as_str()));
        let crowds = [(Crowd::Pool, pool), (Crowd::Unseen, unseen)];
        crowds.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

impl<'a> Evaluation<'a> {
    /// `split_seed` is the plan's: resamples of people hang on it, not on training seeds.
    ///
    /// # Errors
    /// Metrics that the corpus's classes do not allow; people to be left out whom no fold of `splits` tests.
    pub fn new(
        store: &'a Store,
        splits: &[Split],
        ways: &'a [Way],
        settings: &'a EvaluateSettings,
        (ledger, split_seed): (TestLedger, u64),
    ) -> Result<Self, EvaluateError> {
        let classes = Arc::new(Classes::new(&store.table().classes, store.pool_excludes()));
        let criterion = settings.criterion(&classes)?;
        settings.paired(&classes)?;
        settings
            .check_people(splits.iter().flat_map(|split| &split.proof().roles.test.subjects).map(String::as_str))?;
        Ok(Self {
            store,
            classes,
            criterion,
            ways,
            settings,
            ledger,
            split_seed,
            kept: BTreeMap::new(),
            judged: Vec::new(),
            efforts: Vec::new(),
            identity: Vec::new(),
            identity_left_out: BTreeSet::new(),
            encoders: Vec::new(),
            seeds: Vec::new(),
            known_overlap: Vec::new(),
            scope: Scope::People,
            left_out: Vec::new(),
        })
    }

    /// Fits every arm and control on this fold, then reads its test people once an arm.
    ///
    /// # Errors
    /// A stop request; whatever fitting, the split or its ledger report.
    pub fn judge(&mut self, round: &Round<'_>, bench: &mut Bench<'_>) -> Result<(), EvaluateError> {
        round.split.proof().known_overlap.clone_into(&mut self.known_overlap);
        self.scope = round.split.proof().scope;
        self.left_out.clone_from(&round.split.proof().left_out);
        let classes = Arc::clone(&self.classes);
        if !self.seeds.contains(&round.seed) {
            self.seeds.push(round.seed);
        }
        self.encoders = round.arms.iter().map(|arm| arm.name.to_owned()).collect();
        let with =
            |rr| Data { store: self.store, split: round.split, classes: &classes, criterion: self.criterion, rr };
        let random = random_group(round.encoder, round.seed, round.device)?;
        let alone = RrChoice::NONE;
        let data = with(&alone);
        let mut fitted = vec![(MAJORITY.to_owned(), Fitted::majority(&data, MAJORITY))];
        for rr in self.settings.rr() {
            self.fit(round, &random, &with(rr), &mut fitted, bench)?;
        }

        // Only now, with every choice of every arm made, are the test people read.
        let mut opened = None;
        for (arm, fitted) in fitted {
            if let Some(configuration) = fitted.configuration() {
                self.kept.entry((arm.clone(), round.split.fold())).or_insert(configuration);
            }
            if let Some(keep) = bench.keeper {
                keep(&arm, round.split.fold(), round.seed, &fitted)?;
            }
            let (reading, test) = self.read_test(round, &data, (&arm, &fitted))?;
            opened = Some(test);
            bench.record("test", &reading)?;
        }
        match opened.filter(|_| self.settings.identity()) {
            Some(test) => self.ask_identity(round, &random, test, bench),
            None => Ok(()),
        }
    }

    /// Asks every encoder, the random one too, how much of the person is left.
    fn ask_identity(
        &mut self,
        round: &Round<'_>,
        random: &Group,
        test: &Subset<Test>,
        bench: &mut Bench<'_>,
    ) -> Result<(), EvaluateError> {
        let (store, split) = (self.store, round.split);
        let crowds = round.crowds(self.store, test);
        let encoders = std::iter::once((RANDOM, random)).chain(round.arms.iter().map(|arm| (arm.name, arm.group)));
        for (crowd, rows) in crowds {
            let parted = Parted::of(store, &rows);
            self.identity_left_out.extend(parted.left_out.iter().cloned());
            for (name, group) in encoders.clone() {
                let mut entry = IdentityEntry {
                    encoder: name.to_owned(),
                    seed: round.seed,
                    fold: split.fold(),
                    crowd,
                    converged: true,
                    known: Vec::new(),
                    left_out: parted.left_out.clone(),
                };
                if parted.is_possible() {
                    self.ask((round, test), group, &parted, &mut entry, bench)?;
                }
                bench.record(IdentityEntry::EVENT, &entry)?;
                self.identity.extend(entry.counts());
            }
        }
        Ok(())
    }

    /// Asks one encoder about one crowd.
    fn ask(
        &self,
        (round, test): (&Round<'_>, &Subset<Test>),
        group: &Group,
        parted: &Parted,
        entry: &mut IdentityEntry,
        bench: &Bench<'_>,
    ) -> Result<(), EvaluateError> {
        let (store, split, watch) = (self.store, round.split, bench.watch);
        let (name, crowd) = (entry.encoder.as_str(), entry.crowd);
        watch.check().map_err(|_| DownstreamError::Stopped { arm: name.to_owned() })?;
        let of = format!("identity of {name}, {}, fold {}, seed {}", crowd.name(), entry.fold, entry.seed);
        watch.progress().say(&of);
        let (mut embedded, wanted) = (Embedded::default(), parted.rows());
        let encoder = (round.encoder, group);
        embedded.add(encoder, store, (split.pool(), &wanted))?;
        embedded.add(encoder, store, (split.validation(), &wanted))?;
        embedded.add(encoder, store, (test, &wanted))?;
        let known = who_is_it(&embedded, parted, round.seed)?;
        if !known.converged {
            watch.progress().caution(&format!("{of}: the linear probe had not converged"));
        }
        entry.converged = known.converged;
        let person = |(person, [windows, linear, two_layer]): (u32, [u64; 3])| {
            let subject = store.table().subjects[person as usize].0.clone();
            KnownPerson { subject, windows, linear, two_layer }
        };
        entry.known = known.counts.into_iter().map(person).collect();
        Ok(())
    }

    /// Fits every arm and control but the majority.
    fn fit(
        &self,
        round: &Round<'_>,
        random: &Group,
        data: &Data<'_>,
        fitted: &mut Vec<(String, Fitted)>,
        bench: &mut Bench<'_>,
    ) -> Result<(), EvaluateError> {
        let from_random = self.start(round, random, RANDOM);
        fitted.extend(rr_alone(&from_random, data, self.ways, bench)?);
        fitted.extend(random_frozen(&from_random, data, self.ways, bench)?);
        for arm in round.arms {
            for way in self.ways.iter().filter(|way| way.has(round.seed)) {
                let name = data.rr.name(&format!("{}-{}", arm.name, way.name()));
                let start = self.start(round, arm.group, &name);
                fitted.push((name.clone(), way.chosen.choice.fit(&start, data, bench)?));
            }
        }
        let default = FineTune::defaults(self.store.kind());
        let fine_tuning = self.ways.iter().find(|way| !way.is_frozen());
        if fine_tuning.is_some_and(|way| !way.has(round.seed)) {
            return Ok(());
        }
        let supervision = fine_tuning.and_then(Way::supervision).unwrap_or(&default);
        let steps = round.arms.iter().map(|arm| arm.steps).max().unwrap_or(0);
        let name = data.rr.name(END_TO_END);
        let start = self.start(round, random, &name);
        fitted.push((name.clone(), supervision.end_to_end(&start, data, steps, bench)?));
        if self.settings.tune() {
            let n = round.arms.len().max(1) * supervision.n_configurations();
            let name = data.rr.name(END_TO_END_TUNED);
            let start = self.start(round, random, &name);
            fitted.push((name.clone(), supervision.end_to_end_tuned(&start, data, (steps, n), bench)?));
        }
        Ok(())
    }

    fn start<'s>(&self, round: &Round<'s>, group: &'s Group, arm: &'s str) -> Start<'s> {
        let kept = self.kept.get(&(arm.to_owned(), round.split.fold())).copied();
        Start { encoder: round.encoder, group, arm, seed: round.seed, kept }
    }

    fn read_test<'s>(
        &mut self,
        round: &Round<'s>,
        data: &Data<'_>,
        (arm, fitted): (&str, &Fitted),
    ) -> Result<(TestReading, &'s Subset<Test>), EvaluateError> {
        let opened = round.split.open_test(fitted.selected(), &mut self.ledger)?;
        let probability = fitted.probabilities(round.encoder, data, opened.subset)?;
        let (seed, fold, validation) = (round.seed, round.split.fold(), fitted.validation());
        let effort = ArmEffort {
            arm: arm.to_owned(),
            seed,
            fold,
            choice: fitted.selected().choice().to_owned(),
            validation: validation.is_finite().then_some(validation),
            effort: fitted.effort(),
        };
        self.efforts.push(effort.clone());
        self.judged.push(Judged {
            arm: arm.to_owned(),
            seed,
            fold,
            ordinal: opened.ordinal,
            rows: opened.subset.rows().to_vec(),
            probability,
        });
        let weights_hash = fitted.selected().weights_hash().to_owned();
        let reading = TestReading { effort, ordinal: opened.ordinal, weights_hash };
        Ok((reading, opened.subset))
    }

    /// The predictions so far, as the run folder keeps them.
    pub fn predictions(&self) -> PredictionTable {
        let table = self.store.table();
        let scored: Vec<usize> = self.classes.scored().collect();
        let mut rows = Vec::new();
        for judged in &self.judged {
            for (index, &row) in judged.rows.iter().enumerate() {
                let entry = &table.rows[row as usize];
                rows.push(PredictionRow {
                    arm: judged.arm.clone(),
                    seed: judged.seed,
                    fold: judged.fold,
                    row,
                    subject: table.subject_of(row).0.clone(),
                    recording: table.recording_of(row).id.clone(),
                    event: self.event(row),
                    truth: table.classes[usize::from(entry.label.expect("test rows have labels"))].clone(),
                    probability: scored.iter().map(|&class| judged.probability[(index, class)]).collect(),
                });
            }
        }
        PredictionTable { classes: scored.iter().map(|&class| self.classes.name(class).to_owned()).collect(), rows }
    }

    /// Puts the folds together and counts.
    ///
    /// # Errors
    /// Nothing was judged; a test row that an arm and seed predicted more than once.
    pub fn finish(&self) -> Result<Evaluated, EvaluateError> {
        let encoders: Vec<&str> = self.encoders.iter().map(String::as_str).collect();
        let arms = arm_names(&encoders, self.ways, (self.settings, &self.seeds));
        let (settings, split_seed, rate_hz) = (self.settings, self.split_seed, self.store.spec().rate_hz);
        let ballots = Ballots::of(&self.judged, self.store.table(), &self.classes, |row| self.event(row));
        let left_out: Vec<String> = self.identity_left_out.iter().cloned().collect();
        let record = Record { efforts: &self.efforts, identity: &self.identity, identity_left_out: &left_out };
        let known_overlap = &self.known_overlap;
        let failed = &self.store.table().failed;
        let counting = Counting { settings, arms: &arms, split_seed, rate_hz, known_overlap, failed };
        let (scope, left_out) = (self.scope, self.left_out.clone());
        Ok(Evaluated { scope, left_out, ..Evaluated::count(&ballots, &record, &counting)? })
    }

    /// Sample of a row's mark; where the window is read from, for windows without a mark.
    fn event(&self, row: u32) -> i64 {
        event_of(self.store, row)
    }
}
