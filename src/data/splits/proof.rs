//! The proof of a split: who has which role, computed from the rows that the roles hold, and what they share (nothing).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::sha256_hex;
use crate::signal::{WindowRow, WindowSpec, WindowTable};

use super::SplitError;
use super::pieces::{Piece, Scope};
use super::role::{Pool, Role, Subset, Test, Train, Validation};

/// Written into every proof; raised when its form changes.
const SCHEMA: u32 = 2;
/// How many of the shared things an error names.
const NAMED: usize = 5;

/// What one role holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleProof {
    /// Ids, ascending.
    pub subjects: Vec<String>,
    /// Ids, in the order of the store.
    pub recordings: Vec<String>,
    /// Number of rows.
    pub windows: usize,
    /// Rows of each class; rows without one (pool) under `-`.
    pub windows_per_class: BTreeMap<String, usize>,
    /// Rows of these people marked as rejects when the store was written, by reason, whether this role uses them or not.
    pub rejects: BTreeMap<String, usize>,
    /// The same rows by person, class (those without one under `-`) and reason; people without any are left out.
    pub rejects_of_subjects: BTreeMap<String, BTreeMap<String, BTreeMap<String, usize>>>,
}

impl RoleProof {
    /// One person's rejected rows of the same role in `all`.
    fn take_rejects(&mut self, all: &Self, id: &str) {
        let Some(theirs) = all.rejects_of_subjects.get(id) else { return };
        for (reason, n) in theirs.values().flatten() {
            *self.rejects.entry(reason.clone()).or_default() += n;
        }
        self.rejects_of_subjects.insert(id.to_owned(), theirs.clone());
    }
}

/// The three roles of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roles {
    /// To learn from.
    pub train: RoleProof,
    /// To choose on.
    pub validation: RoleProof,
    /// To be judged on.
    pub test: RoleProof,
}

/// What two roles have in common. All lists are empty and the count is 0 in every proof that exists, but for the people
/// of plans within a person and the recordings that these cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intersection {
    /// The two roles.
    pub roles: [String; 2],
    /// Shared people.
    pub subjects: Vec<String>,
    /// Shared recordings.
    pub recordings: Vec<String>,
    /// SHA-256 of signal files (headers of EDF and BDF left out) that occur on both sides, under two names.
    pub content_hashes: Vec<String>,
    /// Pairs of windows of one recording, one on each side, that have a sample in common, margins included.
    pub overlapping_windows: usize,
    /// The fewest samples between what one side and the other read of one recording, margins included; `None` where they
    /// share none.
    pub least_gap_samples: Option<i64>,
}

/// A recording left out by the plan, or by the corpus's settings when the store was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Its id.
    pub recording: String,
    /// Why.
    pub reason: String,
}

/// A person who is in no role, because the plan cannot judge them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Whose id.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// The record of one split, for `split.json` and the terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Version of this form.
    pub schema: u32,
    /// Name of the plan.
    pub plan: String,
    /// The plan's seed.
    pub seed: u64,
    /// Which fold.
    pub fold: u16,
    /// What the plan parts.
    pub scope: Scope,
    /// Samples that part two roles in one recording, at least; 0 where people are parted.
    pub gap_samples: i64,
    /// Who or what is in which role.
    pub roles: Roles,
    /// What pretraining may see.
    pub pool: RoleProof,
    /// Every pair of roles that may share nothing.
    pub intersections: Vec<Intersection>,
    /// The pieces of recordings that each role has; empty where people are parted.
    pub pieces: Vec<Piece>,
    /// People in no role.
    pub left_out: Vec<LeftOut>,
    /// Two ids of one person, in two roles by declaration of the plan: said with every score.
    pub known_overlap: Vec<[String; 2]>,
    /// Recordings left out.
    pub exclusions: Vec<Exclusion>,
    /// Remarks, such as another seed drawn for the class rule.
    pub notes: Vec<String>,
    /// Hash of the store's recipe.
    pub recipe_hash: String,
    /// Hash of the roles.
    pub split_hash: String,
}

impl Proof {
    /// Computes contents and intersections from the rows themselves.
    pub(super) fn new(
        table: &WindowTable,
        spec: &WindowSpec,
        (pool, train, validation, test): (&Subset<Pool>, &Subset<Train>, &Subset<Validation>, &Subset<Test>),
    ) -> Self {
        let pairs = [
            (Side::new(train, table, spec), Side::new(validation, table, spec)),
            (Side::new(train, table, spec), Side::new(test, table, spec)),
            (Side::new(validation, table, spec), Side::new(test, table, spec)),
            (Side::new(pool, table, spec), Side::new(validation, table, spec)),
            (Side::new(pool, table, spec), Side::new(test, table, spec)),
        ];
        Self {
            schema: SCHEMA,
            plan: String::new(),
            seed: 0,
            fold: 0,
            scope: Scope::People,
            gap_samples: 0,
            roles: Roles {
                train: contents(table, train.rows()),
                validation: contents(table, validation.rows()),
                test: contents(table, test.rows()),
            },
            pool: contents(table, pool.rows()),
            intersections: pairs.iter().map(|(a, b)| intersect(table, a, b)).collect(),
            pieces: Vec::new(),
            left_out: Vec::new(),
            known_overlap: Vec::new(),
            exclusions: Vec::new(),
            notes: Vec::new(),
            recipe_hash: String::new(),
            split_hash: String::new(),
        }
    }

    /// The proof of one person's part of this split: `theirs`, computed from their own rows, with what the plan says of
    /// this person and of the recordings in the table that are theirs. People in no role stay named, having no proof of
    /// their own; so do recordings that the corpus left out, since the table does not know whose they are.
    pub(super) fn of_subject(&self, table: &WindowTable, id: &str, theirs: Self) -> Self {
        let others = |recording: &str| {
            let entry = table.recordings.iter().find(|entry| entry.id == recording);
            entry.is_some_and(|entry| table.subjects[entry.subject as usize].0 != id)
        };
        let mut proof = Self {
            plan: self.plan.clone(),
            seed: self.seed,
            fold: self.fold,
            scope: self.scope,
            gap_samples: self.gap_samples,
            pieces: self.pieces.iter().filter(|piece| piece.subject == id).cloned().collect(),
            left_out: self.left_out.clone(),
            known_overlap: self.known_overlap.clone(),
            exclusions: self.exclusions.iter().filter(|out| !others(&out.recording)).cloned().collect(),
            recipe_hash: self.recipe_hash.clone(),
            ..theirs
        };
        let roles = &self.roles;
        proof.roles.train.take_rejects(&roles.train, id);
        proof.roles.validation.take_rejects(&roles.validation, id);
        proof.roles.test.take_rejects(&roles.test, id);
        proof.pool.take_rejects(&self.pool, id);
        proof.split_hash = proof.pieces_hash();
        proof
    }

    /// SHA-256 of the lines `role TAB subject TAB recording TAB first TAB last`, sorted bytewise.
    pub(super) fn pieces_hash(&self) -> String {
        let line = |piece: &Piece| {
            let Piece { role, subject, recording, first, last } = piece;
            format!("{role}\t{subject}\t{recording}\t{first}\t{last}\n")
        };
        let mut lines: Vec<String> = self.pieces.iter().map(line).collect();
        lines.sort();
        sha256_hex(lines.concat().as_bytes())
    }

    /// Counts rejected rows by role; the pool is of the training people or pieces.
    pub(super) fn count_rejects(&mut self, table: &WindowTable, role_of: &dyn Fn(&WindowRow) -> Option<&'static str>) {
        let Roles { train, validation, test } = &mut self.roles;
        for row in &table.rows {
            let Some(reject) = row.reject else { continue };
            let counts = match role_of(row) {
                Some(role) if role == Train::NAME => &mut *train,
                Some(role) if role == Validation::NAME => &mut *validation,
                Some(_) => &mut *test,
                None => continue,
            };
            let reason = reject.name().to_owned();
            let subject = counts.rejects_of_subjects.entry(table.subjects[row.subject as usize].0.clone()).or_default();
            let class = subject.entry(class_of(table, row).to_owned()).or_default();
            *class.entry(reason.clone()).or_default() += 1;
            *counts.rejects.entry(reason).or_default() += 1;
        }
        self.pool.rejects.clone_from(&self.roles.train.rejects);
        self.pool.rejects_of_subjects.clone_from(&self.roles.train.rejects_of_subjects);
    }

    /// Counts the rows that training keeps, and says why they are fewer.
    pub(super) fn recount_train(&mut self, table: &WindowTable, train: &Subset<Train>, note: String) {
        let RoleProof { rejects, rejects_of_subjects, .. } = self.roles.train.clone();
        self.roles.train = RoleProof { rejects, rejects_of_subjects, ..contents(table, train.rows()) };
        self.notes.push(note);
    }

    /// The first thing that two roles share and should not, as an error.
    pub(super) fn refuse_leaks(&self) -> Result<(), SplitError> {
        let cut = |recording: &str| {
            let roles = self.pieces.iter().filter(|piece| piece.recording == recording).map(|piece| &piece.role);
            roles.collect::<BTreeSet<_>>().len() > 1
        };
        for shared in &self.intersections {
            let people = if self.scope.is_within() { Vec::new() } else { shared.subjects.clone() };
            let recordings = shared.recordings.iter().filter(|recording| !cut(recording)).cloned().collect();
            let counted = |count: usize| vec![count.to_string(); usize::from(count > 0)];
            let near = shared.least_gap_samples.filter(|least| self.scope.is_within() && *least < self.gap_samples);
            let faults = [
                ("subjects", people),
                ("recordings", recordings),
                ("the content of files", shared.content_hashes.clone()),
                ("overlapping windows", counted(shared.overlapping_windows)),
                ("samples within the gap", near.iter().map(|n| format!("{n} of {}", self.gap_samples)).collect()),
            ];
            if let Some((what, items)) = faults.into_iter().find(|(_, items)| !items.is_empty()) {
                let [first, second] = [role_name(&shared.roles[0]), role_name(&shared.roles[1])];
                let items = items[..items.len().min(NAMED)].join(", ");
                return Err(SplitError::Leak { first, second, what, items });
            }
        }
        Ok(())
    }

    /// The windows that the recipe rejected, a line a role that has some; whether a role uses them is the pipeline's `rejects`.
    pub fn rejected(&self) -> String {
        let roles = [
            (Train::NAME, &self.roles.train),
            (Validation::NAME, &self.roles.validation),
            (Test::NAME, &self.roles.test),
        ];
        let mut lines = String::new();
        for (name, role) in roles.iter().filter(|(_, role)| !role.rejects.is_empty()) {
            let counts: Vec<String> = role.rejects.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
            lines.extend(["  rejected in ", name, ": ", &counts.join(", "), "\n"]);
        }
        lines
    }

    /// The class names that occur in any role, in order.
    fn classes(&self) -> BTreeSet<&str> {
        let roles = [&self.roles.train, &self.roles.validation, &self.roles.test, &self.pool];
        roles.into_iter().flat_map(|role| role.windows_per_class.keys().map(String::as_str)).collect()
    }
}

fn role_name(name: &str) -> &'static str {
    [Pool::NAME, Train::NAME, Validation::NAME, Test::NAME].into_iter().find(|known| *known == name).unwrap_or("?")
}

/// One side of a comparison.
struct Side<'a> {
    name: &'static str,
    rows: &'a [u32],
    /// What is read of each recording, margins included: first samples and ends, each ascending.
    read: BTreeMap<u32, (Vec<i64>, Vec<i64>)>,
}

impl<'a> Side<'a> {
    fn new<R: Role>(subset: &'a Subset<R>, table: &WindowTable, spec: &WindowSpec) -> Self {
        let mut read: BTreeMap<u32, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
        for (index, row) in subset.rows().iter().map(|&row| &table.rows[row as usize]).enumerate() {
            let (first, last) = subset.read(index, table, spec);
            let (firsts, lasts) = read.entry(row.recording).or_default();
            firsts.push(first);
            lasts.push(last);
        }
        for (firsts, lasts) in read.values_mut() {
            firsts.sort_unstable();
            lasts.sort_unstable();
        }
        Self { name: R::NAME, rows: subset.rows(), read }
    }

    fn collect<T: Ord>(&self, table: &WindowTable, of: impl Fn(&WindowRow) -> T) -> BTreeSet<T> {
        self.rows.iter().map(|&row| of(&table.rows[row as usize])).collect()
    }
}

fn contents(table: &WindowTable, rows: &[u32]) -> RoleProof {
    let mut subjects = BTreeSet::new();
    let mut recordings = BTreeSet::new();
    let mut windows_per_class = BTreeMap::new();
    for row in rows.iter().map(|&row| &table.rows[row as usize]) {
        subjects.insert(&table.subjects[row.subject as usize].0);
        recordings.insert(row.recording);
        *windows_per_class.entry(class_of(table, row).to_owned()).or_default() += 1;
    }
    RoleProof {
        subjects: subjects.into_iter().cloned().collect(),
        recordings: recordings.into_iter().map(|index| table.recordings[index as usize].id.clone()).collect(),
        windows: rows.len(),
        windows_per_class,
        rejects: BTreeMap::new(),
        rejects_of_subjects: BTreeMap::new(),
    }
}

/// The name of a row's class, `-` for none.
fn class_of<'a>(table: &'a WindowTable, row: &WindowRow) -> &'a str {
    row.label.map_or("-", |label| table.classes[label as usize].as_str())
}

fn intersect(table: &WindowTable, a: &Side<'_>, b: &Side<'_>) -> Intersection {
    let shared = |of: &dyn Fn(&WindowRow) -> String| -> Vec<String> {
        a.collect(table, of).intersection(&b.collect(table, of)).cloned().collect()
    };
    let (overlapping_windows, least_gap_samples) = apart(a, b);
    Intersection {
        roles: [a.name.to_owned(), b.name.to_owned()],
        subjects: shared(&|row| table.subjects[row.subject as usize].0.clone()),
        recordings: shared(&|row| table.recordings[row.recording as usize].id.clone()),
        content_hashes: same_content(table, a, b),
        overlapping_windows,
        least_gap_samples,
    }
}

/// Contents that stand on both sides under two names. A recording that both sides have is found by its name.
fn same_content(table: &WindowTable, a: &Side<'_>, b: &Side<'_>) -> Vec<String> {
    let of = |side: &Side<'_>| -> BTreeMap<String, BTreeSet<u32>> {
        let mut by_hash: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for recording in side.collect(table, |row| row.recording) {
            let hash = &table.recordings[recording as usize].content_hash;
            // A store without hashes (made in memory) cannot prove this point; an empty hash is no shared content.
            if !hash.is_empty() {
                by_hash.entry(hash.clone()).or_default().insert(recording);
            }
        }
        by_hash
    };
    let (left, right) = (of(a), of(b));
    let twice = |(hash, mine): (&String, &BTreeSet<u32>)| {
        right.get(hash).is_some_and(|others| mine.union(others).count() > 1).then(|| hash.clone())
    };
    left.iter().filter_map(twice).collect()
}

/// Pairs of rows, one of each side, of one recording and with a sample in common; and the fewest samples between two
/// that have none.
fn apart(a: &Side<'_>, b: &Side<'_>) -> (usize, Option<i64>) {
    let pairs = a.read.iter().filter_map(|(recording, mine)| b.read.get(recording).map(|others| (mine, others)));
    let (mut overlaps, mut least) = (0, None);
    for ((firsts, lasts), (other_firsts, other_lasts)) in pairs {
        // Of all pairs, less those where one ends before the other starts, on either side.
        let before = |ends: &[i64], starts: &[i64]| -> usize {
            ends.iter().map(|end| starts.len() - starts.partition_point(|start| start < end)).sum()
        };
        overlaps += firsts.len() * other_firsts.len() - before(lasts, other_firsts) - before(other_lasts, firsts);
        let near = |ends: &[i64], starts: &[i64]| -> Option<i64> {
            let after = |end: &i64| starts.get(starts.partition_point(|start| start < end)).map(|start| start - end);
            ends.iter().filter_map(after).min()
        };
        let nearest = [near(lasts, other_firsts), near(other_lasts, firsts)];
        least = nearest.into_iter().flatten().chain(least).min();
    }
    (overlaps, least)
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.classes();
        writeln!(f, "split {} (fold {}, seed {}), hash {}", self.plan, self.fold, self.seed, short(&self.split_hash))?;
        write!(f, "  {:<12}{:>9}{:>12}{:>10}", "role", "subjects", "recordings", "windows")?;
        // Class names are the user's: a column is as wide as its head.
        let width = |class: &str| (class.chars().count() + 2).max(9);
        classes.iter().try_for_each(|class| write!(f, "{class:>0$}", width(class)))?;
        writeln!(f)?;
        let rows = [
            (Train::NAME, &self.roles.train),
            (Validation::NAME, &self.roles.validation),
            (Test::NAME, &self.roles.test),
            (Pool::NAME, &self.pool),
        ];
        for (name, role) in rows {
            let (subjects, recordings) = (role.subjects.len(), role.recordings.len());
            write!(f, "  {name:<12}{subjects:>9}{recordings:>12}{:>10}", role.windows)?;
            for class in &classes {
                let windows = role.windows_per_class.get(*class).copied().unwrap_or(0);
                write!(f, "{windows:>0$}", width(class))?;
            }
            writeln!(f)?;
        }
        let shared = |of: fn(&Intersection) -> usize| self.intersections.iter().map(of).sum::<usize>();
        let (contents, windows) = (shared(|pair| pair.content_hashes.len()), shared(|pair| pair.overlapping_windows));
        if self.scope.is_within() {
            let parted = if self.scope == Scope::Runs { "runs" } else { "recordings" };
            let least = self.intersections.iter().filter_map(|pair| pair.least_gap_samples).min();
            let least = least.map_or_else(String::new, |least| format!(", the least that is kept is {least}"));
            let (pieces, gap) = (self.pieces.len(), self.gap_samples);
            writeln!(
                f,
                "  everybody is in every role: their {parted} are parted into {pieces} pieces; the gap is {gap} \
                 samples{least}\n  shared between roles: {contents} file contents under two names, {windows} \
                 overlapping windows"
            )?;
        } else {
            let (subjects, recordings) = (shared(|pair| pair.subjects.len()), shared(|pair| pair.recordings.len()));
            writeln!(
                f,
                "  shared between roles: {subjects} subjects, {recordings} recordings, {contents} file contents, \
                 {windows} overlapping windows"
            )?;
        }
        for [one, other] in &self.known_overlap {
            writeln!(f, "  one person in two roles: {one} and {other}")?;
        }
        for out in &self.left_out {
            writeln!(f, "  in no role: {} ({})", out.subject, out.reason)?;
        }
        for out in &self.exclusions {
            writeln!(f, "  left out: {} ({})", out.recording, out.reason)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
