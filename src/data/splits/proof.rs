//! The proof of a split: who has which role, computed from the rows that the roles hold, and what they share (nothing).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::signal::{WindowRow, WindowTable};

use super::SplitError;
use super::role::{Pool, Role, Subset, Test, Train, Validation};

/// Written into every proof; raised when its form changes.
const SCHEMA: u32 = 1;
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

/// What two roles have in common. All lists are empty and the count is 0 in every proof that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intersection {
    /// The two roles.
    pub roles: [String; 2],
    /// Shared people.
    pub subjects: Vec<String>,
    /// Shared recordings.
    pub recordings: Vec<String>,
    /// SHA-256 of signal files that occur on both sides, under whatever names.
    pub content_hashes: Vec<String>,
    /// Pairs of windows of one recording, one on each side, that have a sample in common.
    pub overlapping_windows: usize,
}

/// A recording left out by the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Its id.
    pub recording: String,
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
    /// The roles of people.
    pub roles: Roles,
    /// What pretraining may see.
    pub pool: RoleProof,
    /// Every pair of roles that may share nothing.
    pub intersections: Vec<Intersection>,
    /// Two ids of one person, in two roles by declaration; no plan here declares any.
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
        (pool, train, validation, test): (&Subset<Pool>, &Subset<Train>, &Subset<Validation>, &Subset<Test>),
    ) -> Self {
        let pairs = [
            (Side::new(train), Side::new(validation)),
            (Side::new(train), Side::new(test)),
            (Side::new(validation), Side::new(test)),
            (Side::new(pool), Side::new(validation)),
            (Side::new(pool), Side::new(test)),
        ];
        Self {
            schema: SCHEMA,
            plan: String::new(),
            seed: 0,
            fold: 0,
            roles: Roles {
                train: contents(table, train.rows()),
                validation: contents(table, validation.rows()),
                test: contents(table, test.rows()),
            },
            pool: contents(table, pool.rows()),
            intersections: pairs.iter().map(|(a, b)| intersect(table, a, b)).collect(),
            known_overlap: Vec::new(),
            exclusions: Vec::new(),
            notes: Vec::new(),
            recipe_hash: String::new(),
            split_hash: String::new(),
        }
    }

    /// Counts rejected rows by role (and for the pool, whose people are the training people).
    pub(super) fn count_rejects(
        &mut self,
        table: &WindowTable,
        people: [(&'static str, &[u32]); 3],
        excluded: &dyn Fn(&WindowRow) -> bool,
    ) {
        let roles = [&mut self.roles.train, &mut self.roles.validation, &mut self.roles.test];
        for (role, (_, people)) in roles.into_iter().zip(people) {
            for row in table.rows.iter().filter(|row| people.contains(&row.subject) && !excluded(row)) {
                if let Some(reject) = row.reject {
                    *role.rejects.entry(reject.name().to_owned()).or_default() += 1;
                }
            }
        }
        self.pool.rejects.clone_from(&self.roles.train.rejects);
    }

    /// Counts the rows that training keeps, and says why they are fewer.
    pub(super) fn recount_train(&mut self, table: &WindowTable, train: &Subset<Train>, note: String) {
        let rejects = std::mem::take(&mut self.roles.train.rejects);
        self.roles.train = RoleProof { rejects, ..contents(table, train.rows()) };
        self.notes.push(note);
    }

    /// The first thing that two roles share, as an error.
    pub(super) fn refuse_leaks(&self) -> Result<(), SplitError> {
        for shared in &self.intersections {
            let faults = [
                ("subjects", shared.subjects.clone()),
                ("recordings", shared.recordings.clone()),
                ("the content of files", shared.content_hashes.clone()),
                (
                    "overlapping windows",
                    vec![shared.overlapping_windows.to_string(); usize::from(shared.overlapping_windows > 0)],
                ),
            ];
            if let Some((what, items)) = faults.into_iter().find(|(_, items)| !items.is_empty()) {
                let [first, second] = [role_name(&shared.roles[0]), role_name(&shared.roles[1])];
                let items = items[..items.len().min(NAMED)].join(", ");
                return Err(SplitError::Leak { first, second, what, items });
            }
        }
        Ok(())
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
}

impl<'a> Side<'a> {
    fn new<R: Role>(subset: &'a Subset<R>) -> Self {
        Self { name: R::NAME, rows: subset.rows() }
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
        let class = row.label.map_or("-", |label| table.classes[label as usize].as_str());
        *windows_per_class.entry(class.to_owned()).or_default() += 1;
    }
    RoleProof {
        subjects: subjects.into_iter().cloned().collect(),
        recordings: recordings.into_iter().map(|index| table.recordings[index as usize].id.clone()).collect(),
        windows: rows.len(),
        windows_per_class,
        rejects: BTreeMap::new(),
    }
}

fn intersect(table: &WindowTable, a: &Side<'_>, b: &Side<'_>) -> Intersection {
    let shared = |of: &dyn Fn(&WindowRow) -> String| -> Vec<String> {
        a.collect(table, of).intersection(&b.collect(table, of)).cloned().collect()
    };
    let entry = |row: &WindowRow| &table.recordings[row.recording as usize];
    Intersection {
        roles: [a.name.to_owned(), b.name.to_owned()],
        subjects: shared(&|row| table.subjects[row.subject as usize].0.clone()),
        recordings: shared(&|row| entry(row).id.clone()),
        // A store without hashes (made in memory) cannot prove this point; an empty hash is no shared content.
        content_hashes: shared(&|row| entry(row).content_hash.clone())
            .into_iter()
            .filter(|hash| !hash.is_empty())
            .collect(),
        overlapping_windows: overlapping(table, a.rows, b.rows),
    }
}

/// Pairs of rows, one of each side, of one recording and with a sample in common.
fn overlapping(table: &WindowTable, a: &[u32], b: &[u32]) -> usize {
    let stretches = |rows: &[u32]| -> BTreeMap<u32, Vec<(i64, i64)>> {
        let mut by_recording: BTreeMap<u32, Vec<(i64, i64)>> = BTreeMap::new();
        for row in rows.iter().map(|&row| &table.rows[row as usize]) {
            let end = row.start + i64::from(row.trial_samples);
            by_recording.entry(row.recording).or_default().push((row.start, end));
        }
        by_recording
    };
    let (left, right) = (stretches(a), stretches(b));
    let pairs = left.iter().filter_map(|(recording, mine)| right.get(recording).map(|others| (mine, others)));
    pairs
        .map(|(mine, others)| {
            // Of all others, less those that end before this one starts, less those that start after it ends.
            let mut starts: Vec<i64> = others.iter().map(|(start, _)| *start).collect();
            let mut ends: Vec<i64> = others.iter().map(|(_, end)| *end).collect();
            starts.sort_unstable();
            ends.sort_unstable();
            let count = |(start, end): &(i64, i64)| {
                let begun = starts.partition_point(|other| other < end);
                let over = ends.partition_point(|other| other <= start);
                begun - over
            };
            mine.iter().map(count).sum::<usize>()
        })
        .sum()
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.classes();
        writeln!(f, "split {} (fold {}, seed {}), hash {}", self.plan, self.fold, self.seed, short(&self.split_hash))?;
        write!(f, "  {:<12}{:>9}{:>12}{:>10}", "role", "subjects", "recordings", "windows")?;
        classes.iter().try_for_each(|class| write!(f, "{class:>9}"))?;
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
                write!(f, "{:>9}", role.windows_per_class.get(*class).copied().unwrap_or(0))?;
            }
            writeln!(f)?;
        }
        let shared = |of: fn(&Intersection) -> usize| self.intersections.iter().map(of).sum::<usize>();
        writeln!(
            f,
            "  shared between roles: {} subjects, {} recordings, {} file contents, {} overlapping windows",
            shared(|pair| pair.subjects.len()),
            shared(|pair| pair.recordings.len()),
            shared(|pair| pair.content_hashes.len()),
            shared(|pair| pair.overlapping_windows),
        )?;
        for out in &self.exclusions {
            writeln!(f, "  left out: {} ({})", out.recording, out.reason)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
