//! Roles as types: rows that were dealt for one purpose cannot be passed where another is asked for.

use std::fmt;
use std::marker::PhantomData;

use crate::signal::{WindowRow, WindowSpec, WindowTable};

use super::pieces::read_of;

mod sealed {
    pub trait Sealed {}
}

/// What rows may be used for. Sealed: there are four roles and no more.
pub trait Role: sealed::Sealed + Send + Sync + 'static {
    /// The word in proofs and messages.
    const NAME: &'static str;
}

macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $role;
        impl sealed::Sealed for $role {}
        impl Role for $role {
            const NAME: &'static str = $name;
        }
    )*};
}

roles! {
    /// Rows that pretraining may see: all usable rows of the training people, labelled or not.
    Pool = "pool";
    /// Labelled rows that a classifier learns from.
    Train = "train";
    /// Labelled rows of other people, on which every choice is made.
    Validation = "validation";
    /// Labelled rows of people that nothing has seen.
    Test = "test";
}

/// How many samples beside a row a delay may take: real ones of the same recording, and of the same role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Samples before the row's `start`.
    pub left: u32,
    /// Samples after the row's stretch.
    pub right: u32,
}

/// The rows of one role.
///
/// Only a plan makes one, so a person in two roles cannot be put together by hand:
/// ```compile_fail,E0451
/// use biossl::data::splits::{Subset, Test};
/// let mine: Subset<Test> = Subset { rows: vec![0], reach: vec![], subjects: vec![0], role: std::marker::PhantomData };
/// ```
/// and a role cannot stand in for another:
/// ```compile_fail,E0308
/// use biossl::data::splits::{Pool, Split, Subset};
/// fn pretrain(_: &Subset<Pool>) {}
/// fn wrong(split: &Split) { pretrain(split.validation()) }
/// ```
/// nor can a new role be invented:
/// ```compile_fail,E0277
/// struct Everyone;
/// impl biossl::data::splits::Role for Everyone { const NAME: &'static str = "everyone"; }
/// ```
pub struct Subset<R: Role> {
    rows: Vec<u32>,
    reach: Vec<Reach>,
    subjects: Vec<u32>,
    role: PhantomData<R>,
}

impl<R: Role> Subset<R> {
    /// Rows in ascending order; the people are read off them. `border` gives the samples of a row's recording that its
    /// role may touch, half-open; `None`: all of them.
    pub(super) fn new(table: &WindowTable, mut rows: Vec<u32>, border: impl Fn(u32) -> Option<(i64, i64)>) -> Self {
        rows.sort_unstable();
        let reach = rows.iter().map(|&row| clipped(&table.rows[row as usize], border(row))).collect();
        let mut subjects: Vec<u32> = rows.iter().map(|&row| table.rows[row as usize].subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        Self { rows, reach, subjects, role: PhantomData }
    }

    /// How far a delay may go from the row at `index` of [`rows`](Self::rows): to the end of the real samples that the
    /// store keeps, and never across a border of the role.
    ///
    /// # Panics
    /// When there is no such index.
    pub fn reach(&self, index: usize) -> Reach {
        self.reach[index]
    }

    /// First sample and end of what is read of the row at `index`, margins included.
    pub(super) fn read(&self, index: usize, table: &WindowTable, spec: &WindowSpec) -> (i64, i64) {
        let (row, reach) = (&table.rows[self.rows[index] as usize], self.reach[index]);
        let (first, last) = read_of(row, spec);
        let after = row.start + i64::from(row.trial_samples) + i64::from(reach.right);
        (first - i64::from(reach.left), last.max(after))
    }

    /// Rows of the store, ascending.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The rows that `wanted` asks for, in the same role: fewer rows can leak nothing.
    #[must_use]
    pub fn only(&self, table: &WindowTable, wanted: impl Fn(u32) -> bool) -> Self {
        let kept = self.rows.iter().zip(&self.reach).filter(|(row, _)| wanted(**row));
        let (rows, reach): (Vec<u32>, Vec<Reach>) = kept.map(|(row, reach)| (*row, *reach)).unzip();
        let mut subjects: Vec<u32> = rows.iter().map(|&row| table.rows[row as usize].subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        Self { rows, reach, subjects, role: PhantomData }
    }

    /// The people of these rows, as indices into the table's subjects, ascending.
    pub fn subjects(&self) -> &[u32] {
        &self.subjects
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The labels of the rows, in their order; `None` only in the pool.
    pub fn labels(&self, table: &WindowTable) -> Vec<Option<u16>> {
        self.rows.iter().map(|&row| table.rows[row as usize].label).collect()
    }
}

/// The row's own margins, cut at the border.
fn clipped(row: &WindowRow, border: Option<(i64, i64)>) -> Reach {
    let Some((first, end)) = border else { return Reach { left: row.left, right: row.right } };
    let room = |samples: i64| u32::try_from(samples.max(0)).unwrap_or(u32::MAX);
    let (before, after) = (row.start - first, end - (row.start + i64::from(row.trial_samples)));
    Reach { left: row.left.min(room(before)), right: row.right.min(room(after)) }
}

impl<R: Role> Clone for Subset<R> {
    fn clone(&self) -> Self {
        let (rows, reach, subjects) = (self.rows.clone(), self.reach.clone(), self.subjects.clone());
        Self { rows, reach, subjects, role: PhantomData }
    }
}

impl<R: Role> fmt::Debug for Subset<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {} people for {}", self.rows.len(), self.subjects.len(), R::NAME)
    }
}
