//! Arms of several runs in one table, compared on the same people.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::numerics::metrics::{Bootstrap, Metric};

use super::arms::ArmName;
use super::ballots::{Ballots, Sheet};
use super::comparison::{Comparison, Side, compare};
use super::controls::MAJORITY;
use super::error::EvaluateError;
use super::scores::{Counted, Counting, Evaluated, Record, Score};

/// A run that takes part.
pub struct Entrant<'a> {
    /// Its word in the table; arms are called `RUN:ARM`.
    pub name: String,
    /// What it predicted.
    pub ballots: Ballots,
    /// How it is counted.
    pub counting: Counting<'a>,
}

/// Which people are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// All of every run: they must be the same.
    Same,
    /// Those whom all runs test; the others are left out and named.
    Common,
}

/// What a comparison of runs came to; prints as a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The runs, in order.
    pub runs: Vec<ComparedRun>,
    /// Test people compared, ascending.
    pub people: Vec<String>,
    /// Test people of some runs only.
    pub left_out: Vec<String>,
    /// Scores of all arms on these people.
    pub scores: Vec<Score>,
    /// Differences between arms of different runs.
    pub comparisons: Vec<Comparison>,
    #[serde(skip)]
    table: Evaluated,
}

/// One run of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComparedRun {
    /// Its word.
    pub name: String,
    /// Test windows of the people compared.
    pub n_windows: usize,
    /// Training seeds.
    pub seeds: Vec<u64>,
}

impl Compared {
    /// Counts every run on the same people, and compares arms that are judged in the same way.
    ///
    /// # Errors
    /// Fewer than two runs; other classes; people who differ (with [`People::Same`]) or nobody in common; other people
    /// than the runs' own settings allow; what counting one run reports.
    pub fn of(entrants: &[Entrant<'_>], people: People) -> Result<Self, EvaluateError> {
        let [first, .., _] = entrants else { return Err(EvaluateError::Nothing) };
        for other in &entrants[1..] {
            refuse_other_classes(first, other)?;
        }
        let common = common_people(entrants, people)?;
        let everybody: BTreeSet<String> = entrants.iter().flat_map(|run| run.ballots.subjects.clone()).collect();
        let metric = first.counting.settings.paired(&first.ballots.classes)?;
        let bootstrap = Bootstrap::new(first.counting.split_seed);

        let mut table: Option<Evaluated> = None;
        let (mut runs, mut arms, mut counted) = (Vec::new(), Vec::new(), Vec::new());
        for (index, run) in entrants.iter().enumerate() {
            run.ballots.check_coverage()?;
            let ballots = run.ballots.of_people(&common);
            let mut found = Evaluated::count(&ballots, &Record::default(), &run.counting)?;
            let (seeds, n_windows) = (found.seeds.clone(), found.n_windows);
            runs.push(ComparedRun { name: run.name.clone(), n_windows, seeds });
            let ballots = ballots.after(run.counting.settings.skip_s(), run.counting.rate_hz);
            for arm in run.counting.arms {
                let sheets: Vec<&Sheet> = ballots.of_arm(&arm.name).collect();
                let name = format!("{}:{}", run.name, arm.name);
                arms.push((index, ArmName { name, ..arm.clone() }));
                counted.push(Counted::of(&ballots, &sheets, bootstrap));
            }
            rename(&mut found, &run.name);
            match &mut table {
                None => table = Some(found),
                Some(table) => merge(table, found),
            }
        }
        let comparisons = across(&arms, &counted, metric, bootstrap);
        let mut table = table.expect("there are two runs");
        table.comparisons.clone_from(&comparisons);
        let left_out = everybody.difference(&common).cloned().collect();
        let (people, scores) = (common.into_iter().collect(), table.scores.clone());
        Ok(Self { runs, people, left_out, scores, comparisons, table })
    }
}

fn refuse_other_classes(first: &Entrant<'_>, other: &Entrant<'_>) -> Result<(), EvaluateError> {
    if first.ballots.classes == other.ballots.classes {
        return Ok(());
    }
    let names = |run: &Entrant<'_>| {
        let classes = &run.ballots.classes;
        (0..classes.len()).map(|class| classes.name(class)).collect::<Vec<_>>().join(", ")
    };
    Err(EvaluateError::OtherClasses {
        first: first.name.clone(),
        second: other.name.clone(),
        classes: [names(first), names(other)],
    })
}

fn common_people(entrants: &[Entrant<'_>], people: People) -> Result<BTreeSet<String>, EvaluateError> {
    let of = |run: &Entrant<'_>| -> BTreeSet<String> { run.ballots.subjects.iter().cloned().collect() };
    let first = of(&entrants[0]);
    let mut common = first.clone();
    for other in &entrants[1..] {
        let theirs = of(other);
        if people == People::Same && theirs != first {
            let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
                let ids: Vec<&str> = a.difference(b).map(String::as_str).collect();
                if ids.is_empty() { "nobody".to_owned() } else { ids.join(", ") }
            };
            return Err(EvaluateError::OtherPeople {
                first: entrants[0].name.clone(),
                second: other.name.clone(),
                only_first: only(&first, &theirs),
                only_second: only(&theirs, &first),
            });
        }
        common = common.intersection(&theirs).cloned().collect();
    }
    if common.is_empty() { Err(EvaluateError::NobodyInCommon) } else { Ok(common) }
}

/// Arms of different runs that are judged in the same way: the later run's less the earlier's.
fn across(arms: &[(usize, ArmName)], counted: &[Counted], metric: &Metric, bootstrap: Bootstrap) -> Vec<Comparison> {
    let side = |index: usize| Side {
        name: &arms[index].1.name,
        seeds: &counted[index].seeds,
        by_seed: &counted[index].by_seed,
        resamples: &counted[index].resamples,
    };
    let alike = |a: &ArmName, b: &ArmName| {
        a.way != MAJORITY && (&a.way, &a.rr, a.encoder.is_some()) == (&b.way, &b.rr, b.encoder.is_some())
    };
    let mut pairs = Vec::new();
    for (later, (run, arm)) in arms.iter().enumerate() {
        let earlier = arms[..later].iter().enumerate();
        for (index, _) in earlier.filter(|(_, (other, earlier))| other != run && alike(arm, earlier)) {
            let (first, second) = (side(later), side(index));
            // Seeds say little across runs; arms without a common one have no pairs to test.
            if first.seeds.iter().any(|seed| second.seeds.contains(seed)) {
                pairs.push((first, second));
            }
        }
    }
    compare(&pairs, metric, bootstrap)
}

fn rename(found: &mut Evaluated, run: &str) {
    let named = |arm: &mut String| *arm = format!("{run}:{arm}");
    found.scores.iter_mut().for_each(|score| named(&mut score.arm));
    found.people.iter_mut().for_each(|person| named(&mut person.arm));
    found.matrices.iter_mut().for_each(|matrix| named(&mut matrix.arm));
}

fn merge(table: &mut Evaluated, more: Evaluated) {
    table.scores.extend(more.scores);
    table.people.extend(more.people);
    table.matrices.extend(more.matrices);
    let new = more.seeds.into_iter().filter(|seed| !table.seeds.contains(seed)).collect::<Vec<_>>();
    table.seeds.extend(new);
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs on the same {} test people; [95 % interval over people]",
            self.runs.len(),
            self.people.len()
        )?;
        for run in &self.runs {
            let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
            writeln!(f, "  {}: {} test windows, seeds {}", run.name, run.n_windows, seeds.join(" "))?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "  left out, not tested by all runs: {}", self.left_out.join(", "))?;
        }
        self.table.write_scores(f)?;
        self.table.write_comparisons(f)?;
        self.table.write_seeds(f)
    }
}
