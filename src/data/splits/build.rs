//! From people or pieces with roles to rows with roles, and the refusals on the way.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::sha256_hex;
use crate::signal::{Reject, WindowRow, WindowSpec, WindowTable};

use super::labels::LabelBudget;
use super::ledger::{OpenedTest, Selected, TestLedger};
use super::pieces::{Piece, RawPiece, RawPieces, Scope};
use super::proof::{Exclusion, LeftOut, Proof};
use super::role::{Pool, Role, Subset, Test, Train, Validation};
use super::{DrawContext, RejectScope, SplitError};

/// What a plan decided: people by role, or pieces of their recordings; recordings left out.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) plan: &'static str,
    pub(super) seed: u64,
    pub(super) fold: u16,
    pub(super) train: Vec<u32>,
    pub(super) validation: Vec<u32>,
    pub(super) test: Vec<u32>,
    pub(super) notes: Vec<String>,
    scope: Scope,
    pieces: Vec<RawPiece>,
    gap: i64,
    excluded: Vec<(u32, String)>,
    known_overlap: Vec<[String; 2]>,
}

impl Assignment {
    /// An assignment of people.
    pub(super) fn new(plan: &'static str, seed: u64, fold: u16) -> Self {
        let nobody = Vec::new();
        Self {
            plan,
            seed,
            fold,
            train: nobody.clone(),
            validation: nobody.clone(),
            test: nobody,
            notes: Vec::new(),
            scope: Scope::People,
            pieces: Vec::new(),
            gap: 0,
            excluded: Vec::new(),
            known_overlap: Vec::new(),
        }
    }

    /// An assignment of pieces of each person's recordings, at least `gap` samples apart where they share one.
    pub(super) fn within(plan: &'static str, seed: u64, (scope, gap): (Scope, i64), pieces: Vec<RawPiece>) -> Self {
        Self { scope, pieces, gap, ..Self::new(plan, seed, 0) }
    }

    /// Leaves a recording out, with the reason for the proof.
    pub(super) fn exclude(&mut self, recording: u32, reason: &str) {
        self.excluded.push((recording, reason.to_owned()));
    }

    /// Two ids of one person in two roles: no fault, but said with every score.
    pub(super) fn declare(&mut self, ids: [String; 2]) {
        self.known_overlap.push(ids);
    }

    /// Says in the proof when the class rule asked for another seed.
    pub(super) fn note_reseeding(&mut self, first: u64, used: u64) {
        if used != first {
            self.notes.push(format!("people drawn with seed {used}: with {first} a role lacked a class"));
        }
    }

    fn people(&self) -> [(&'static str, &[u32]); 3] {
        [(Train::NAME, &self.train), (Validation::NAME, &self.validation), (Test::NAME, &self.test)]
    }

    fn refuse_two_roles(&self, table: &WindowTable) -> Result<(), SplitError> {
        let people = self.people();
        for (index, (first, mine)) in people.iter().enumerate() {
            for (second, others) in &people[index + 1..] {
                if let Some(&subject) = mine.iter().find(|subject| others.contains(subject)) {
                    let subject = table.subjects[subject as usize].0.clone();
                    return Err(SplitError::TwoRoles { subject, first, second });
                }
            }
        }
        Ok(())
    }

    fn excludes(&self, row: &WindowRow) -> bool {
        self.excluded.iter().any(|(recording, _)| *recording == row.recording)
    }

    /// Role of a row and the samples that it may touch; all of them where people are parted.
    fn role_of(
        &self,
        row: &WindowRow,
        pieces: &RawPieces,
        (table, context): (&WindowTable, &DrawContext<'_>),
    ) -> Option<(&'static str, Option<(i64, i64)>)> {
        if self.excludes(row) {
            return None;
        }
        if self.scope.is_within() {
            let piece = pieces.of(row, table, context.spec)?;
            return Some((piece.role, Some((piece.first, piece.last))));
        }
        let role = self.people().into_iter().find(|(_, people)| people.contains(&row.subject));
        role.map(|(role, _)| (role, None))
    }
}

/// One role for every person, or for every piece of a person's recordings, with its proof.
#[derive(Debug, Clone)]
pub struct Split {
    fold: u16,
    hash: String,
    pool: Subset<Pool>,
    train: Subset<Train>,
    validation: Subset<Validation>,
    test: Subset<Test>,
    proof: Proof,
    spec: WindowSpec,
    beside: Beside,
    /// Which training labels were kept, where not all were.
    labels: Option<LabelBudget>,
}

/// Rows that are in no role, though nothing else is wrong with their people or pieces.
#[derive(Debug, Clone, Default)]
struct Beside {
    /// Usable rows that lie in a gap or across a border.
    between: Vec<u32>,
    /// Rows with values that are not finite, which are not judged though rejected ones are.
    unreadable: Vec<u32>,
}

impl Beside {
    fn only(&self, wanted: impl Fn(u32) -> bool) -> Self {
        let of = |rows: &[u32]| rows.iter().copied().filter(|row| wanted(*row)).collect();
        Self { between: of(&self.between), unreadable: of(&self.unreadable) }
    }

    /// What a proof says of them.
    fn notes(&self, scope: Scope) -> Vec<String> {
        let (between, unreadable) = (self.between.len(), self.unreadable.len());
        let mut notes = Vec::new();
        if scope.is_within() && between > 0 {
            notes.push(format!("{between} windows lie in a gap or across a border and are in no role"));
        }
        if unreadable > 0 {
            notes.push(format!("{unreadable} windows of validation and test are not finite and are not judged"));
        }
        notes
    }
}

/// Rows by role.
struct Dealt {
    pool: Subset<Pool>,
    train: Subset<Train>,
    validation: Subset<Validation>,
    test: Subset<Test>,
    beside: Beside,
}

impl Dealt {
    fn new(table: &WindowTable, context: &DrawContext<'_>, assignment: &Assignment) -> Self {
        let pieces = RawPieces::new(&assignment.pieces);
        let roles: Vec<_> = table.rows.iter().map(|row| assignment.role_of(row, &pieces, (table, context))).collect();
        let deal = |role: &'static str, wanted: &dyn Fn(&WindowRow) -> bool| -> Vec<u32> {
            let rows = (0_u32..).zip(&table.rows).zip(&roles);
            let rows = rows.filter(|((_, row), of)| of.is_some_and(|(of, _)| of == role) && wanted(row));
            rows.map(|((index, _), _)| index).collect()
        };
        let border = |row: u32| roles[row as usize].and_then(|(_, border)| border);
        let trainable = |row: &WindowRow| row.label.is_none_or(|label| !context.pool_excludes.contains(&label));
        let judged = |row: &WindowRow| match context.rejects {
            RejectScope::Training => row.reject != Some(Reject::NonFinite),
            RejectScope::Everywhere => row.reject.is_none(),
        };
        let labelled = |row: &WindowRow| row.label.is_some();
        let clean = |row: &WindowRow| row.reject.is_none() && trainable(row);
        let validating = |row: &WindowRow| labelled(row) && trainable(row) && judged(row);
        let tested = |row: &WindowRow| labelled(row) && judged(row);
        let between = (0_u32..).zip(&table.rows).zip(&roles);
        let between = between.filter(|((_, row), role)| role.is_none() && clean(row) && !assignment.excludes(row));
        let unreadable = match context.rejects {
            RejectScope::Training => {
                let broken = |row: &WindowRow| labelled(row) && !judged(row);
                let mut rows = deal(Validation::NAME, &|row| trainable(row) && broken(row));
                rows.extend(deal(Test::NAME, &broken));
                rows
            }
            RejectScope::Everywhere => Vec::new(),
        };
        Self {
            pool: Subset::new(table, deal(Train::NAME, &clean), border),
            train: Subset::new(table, deal(Train::NAME, &|row| labelled(row) && clean(row)), border),
            validation: Subset::new(table, deal(Validation::NAME, &validating), border),
            test: Subset::new(table, deal(Test::NAME, &tested), border),
            beside: Beside { between: between.map(|((index, _), _)| index).collect(), unreadable },
        }
    }

    fn only(&self, table: &WindowTable, wanted: impl Fn(u32) -> bool + Copy) -> Self {
        Self {
            pool: self.pool.only(table, wanted),
            train: self.train.only(table, wanted),
            validation: self.validation.only(table, wanted),
            test: self.test.only(table, wanted),
            beside: self.beside.only(wanted),
        }
    }

    /// Without the people who cannot be judged alone, and who they are: one class in train, nothing in a role.
    fn without_unfit(self, table: &WindowTable) -> (Self, Vec<LeftOut>) {
        let mut left_out = Vec::new();
        let mut out = BTreeSet::new();
        for subject in (0_u32..).take(table.subjects.len()) {
            let of = |row: &&u32| table.rows[**row as usize].subject == subject;
            let labels = |rows: &[u32]| -> BTreeSet<u16> {
                rows.iter().filter(of).filter_map(|row| table.rows[*row as usize].label).collect()
            };
            let learnt = labels(self.train.rows());
            let reason = if let [class] = learnt.iter().copied().collect::<Vec<_>>()[..] {
                format!("one class in train ({})", table.classes[class as usize])
            } else {
                let roles = [(Train::NAME, self.train.rows()), (Validation::NAME, self.validation.rows())];
                let roles = roles.into_iter().chain([(Test::NAME, self.test.rows())]);
                match roles.into_iter().find(|(_, rows)| labels(rows).is_empty()) {
                    Some((role, _)) => format!("no labelled window in {role}"),
                    None => continue,
                }
            };
            left_out.push(LeftOut { subject: table.subjects[subject as usize].0.clone(), reason });
            out.insert(subject);
        }
        let kept = self.only(table, |row| !out.contains(&table.rows[row as usize].subject));
        (kept, left_out)
    }

    fn refuse_empty(&self, assignment: &Assignment, people: String) -> Result<(), SplitError> {
        let roles =
            [(Train::NAME, self.train.len()), (Validation::NAME, self.validation.len()), (Test::NAME, self.test.len())];
        match roles.into_iter().find(|(_, rows)| *rows == 0) {
            Some((role, _)) => {
                Err(SplitError::EmptyRole { plan: assignment.plan.to_owned(), fold: assignment.fold, role, people })
            }
            None => Ok(()),
        }
    }
}

impl Split {
    /// Deals the rows and proves that roles share nothing.
    ///
    /// # Errors
    /// A person in two roles, an empty role, anything shared between roles.
    pub(super) fn build(
        table: &WindowTable,
        context: &DrawContext<'_>,
        assignment: Assignment,
    ) -> Result<Self, SplitError> {
        assignment.refuse_two_roles(table)?;
        let mut dealt = Dealt::new(table, context, &assignment);
        let mut left_out = Vec::new();
        if assignment.scope.is_within() {
            (dealt, left_out) = dealt.without_unfit(table);
        }
        let reason = |id: &str| left_out.iter().find(|out| out.subject == id).map(|out| format!(" ({})", out.reason));
        let people = table.subjects.iter().map(|id| format!("{id}{}", reason(&id.0).unwrap_or_default()));
        dealt.refuse_empty(&assignment, people.collect::<Vec<_>>().join(", "))?;
        let by_plan = assignment.excluded.iter().map(|(recording, reason)| Exclusion {
            recording: table.recordings[*recording as usize].id.clone(),
            reason: reason.clone(),
        });
        let by_corpus = table.excluded.iter();
        let by_corpus = by_corpus.map(|out| Exclusion { recording: out.id.clone(), reason: out.reason.clone() });
        let exclusions = by_plan.chain(by_corpus);
        let Dealt { pool, train, validation, test, beside } = dealt;
        let mut proof = Proof::new(table, context.spec, (&pool, &train, &validation, &test));
        assignment.plan.clone_into(&mut proof.plan);
        context.recipe_hash.clone_into(&mut proof.recipe_hash);
        proof.exclusions = exclusions.collect();
        (proof.seed, proof.fold) = (assignment.seed, assignment.fold);
        (proof.scope, proof.gap_samples) = (assignment.scope, assignment.gap);
        proof.known_overlap.clone_from(&assignment.known_overlap);
        proof.notes.clone_from(&assignment.notes);
        proof.pieces = pieces(table, &assignment, &left_out);
        proof.notes.extend(beside.notes(assignment.scope));
        let hash = if assignment.scope.is_within() { proof.pieces_hash() } else { split_hash(table, &assignment) };
        proof.split_hash.clone_from(&hash);
        let pieces = RawPieces::new(&assignment.pieces);
        let nobodys: BTreeSet<&str> = left_out.iter().map(|out| out.subject.as_str()).collect();
        let role_of = |row: &WindowRow| {
            let (role, _) = assignment.role_of(row, &pieces, (table, context))?;
            (!nobodys.contains(table.subjects[row.subject as usize].0.as_str())).then_some(role)
        };
        proof.count_rejects(table, &role_of);
        proof.left_out = left_out;
        proof.refuse_leaks()?;
        let (fold, spec) = (assignment.fold, context.spec.clone());
        Ok(Self { fold, hash, pool, train, validation, test, proof, spec, beside, labels: None })
    }

    /// The same split for one person alone, as an encoder a person needs it; only of plans that part a person's own
    /// recordings.
    ///
    /// # Errors
    /// A plan that parts people; a person who is in no role, with the reason.
    pub fn of_subject(&self, table: &WindowTable, subject: u32) -> Result<Self, SplitError> {
        let id = table.subjects.get(subject as usize).map_or("?", |id| id.0.as_str());
        if !self.proof.scope.is_within() {
            return Err(SplitError::NotWithin { plan: self.proof.plan.clone(), subject: id.to_owned() });
        }
        if !self.train.subjects().contains(&subject) {
            let reason = self.proof.left_out.iter().find(|out| out.subject == id).map(|out| out.reason.clone());
            let reason = reason.unwrap_or_else(|| "not in the store".to_owned());
            return Err(SplitError::LeftOut { plan: self.proof.plan.clone(), subject: id.to_owned(), reason });
        }
        let wanted = |row: u32| table.rows[row as usize].subject == subject;
        let (pool, train) = (self.pool.only(table, wanted), self.train.only(table, wanted));
        let (validation, test) = (self.validation.only(table, wanted), self.test.only(table, wanted));
        let theirs = Proof::new(table, &self.spec, (&pool, &train, &validation, &test));
        let (mut proof, beside) = (self.proof.of_subject(table, id, theirs), self.beside.only(wanted));
        proof.notes = beside.notes(proof.scope);
        if let Some(budget) = &self.labels {
            // Pretraining keeps them all.
            let all = pool.labels(table).iter().flatten().count();
            proof.notes.push(budget.note(train.len(), all, 1));
        }
        proof.refuse_leaks()?;
        let (fold, hash, spec, labels) = (self.fold, proof.split_hash.clone(), self.spec.clone(), self.labels);
        Ok(Self { fold, hash, pool, train, validation, test, proof, spec, beside, labels })
    }

    /// The same split under another number: where everybody has a split of their own, folds count people.
    #[must_use]
    pub fn numbered(mut self, fold: u16) -> Self {
        (self.fold, self.proof.fold) = (fold, fold);
        self
    }

    /// Its number, and within one person whose it is.
    pub fn label(&self) -> String {
        match self.proof.roles.train.subjects.as_slice() {
            [only] if self.proof.scope.is_within() => format!("fold {} ({only})", self.fold),
            _ => format!("fold {}", self.fold),
        }
    }

    /// What pretraining may see: the training people's usable rows, labelled or not.
    pub fn pool(&self) -> &Subset<Pool> {
        &self.pool
    }

    /// The training people's labelled rows.
    pub fn train(&self) -> &Subset<Train> {
        &self.train
    }

    /// The validation people's labelled rows.
    pub fn validation(&self) -> &Subset<Validation> {
        &self.validation
    }

    /// How the rows lie in time.
    pub(super) fn spec(&self) -> &WindowSpec {
        &self.spec
    }

    /// The test rows, for proofs: whoever judges by them opens them.
    pub(super) fn test(&self) -> &Subset<Test> {
        &self.test
    }

    /// How many test windows each person has, by index, of those whose place `counts`; no window is handed out.
    pub fn count_test(&self, table: &WindowTable, counts: impl Fn(u32) -> bool) -> BTreeMap<u32, usize> {
        let mut windows: BTreeMap<u32, usize> = BTreeMap::new();
        for &row in self.test.rows() {
            let person = table.recordings[table.rows[row as usize].recording as usize].subject;
            *windows.entry(person).or_default() += usize::from(counts(row));
        }
        windows
    }

    /// Who has which role, and that roles share nothing.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// SHA-256 of the lines `role TAB subject TAB recording`, in plans within a person with `TAB first TAB last` (samples,
    /// half-open), sorted bytewise.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Which fold of the plan.
    pub fn fold(&self) -> u16 {
        self.fold
    }

    /// The same split with some of the training rows, ascending.
    pub(super) fn with_train(&self, table: &WindowTable, rows: &[u32], (budget, note): (LabelBudget, String)) -> Self {
        let mut fewer = self.clone();
        fewer.labels = Some(budget);
        fewer.train = self.train.only(table, |row| rows.binary_search(&row).is_ok());
        fewer.proof.recount_train(table, &fewer.train, note);
        fewer
    }

    /// Hands out the test rows against a finished selection and writes the reading down first.
    ///
    /// # Errors
    /// A selection made on another split; a ledger that cannot be written.
    pub fn open_test(&self, by: &Selected, ledger: &mut TestLedger) -> Result<OpenedTest<'_>, SplitError> {
        if by.split_hash() != self.hash {
            let (split, selected) = (self.hash.clone(), by.split_hash().to_owned());
            return Err(SplitError::ForeignSelection { split, selected });
        }
        let ordinal = ledger.record(by)?;
        Ok(OpenedTest { subset: &self.test, ordinal })
    }
}

/// The pieces by name, without those of people who were left out.
fn pieces(table: &WindowTable, assignment: &Assignment, left_out: &[LeftOut]) -> Vec<Piece> {
    let piece = |piece: &RawPiece| {
        let entry = &table.recordings[piece.recording as usize];
        Piece {
            role: piece.role.to_owned(),
            subject: table.subjects[entry.subject as usize].0.clone(),
            recording: entry.id.clone(),
            first: piece.first,
            last: piece.last,
        }
    };
    let all = assignment.pieces.iter().map(piece);
    all.filter(|piece| left_out.iter().all(|out| out.subject != piece.subject)).collect()
}

fn split_hash(table: &WindowTable, assignment: &Assignment) -> String {
    let mut lines = Vec::new();
    for (recording, entry) in (0_u32..).zip(&table.recordings) {
        if assignment.excluded.iter().any(|(excluded, _)| *excluded == recording) {
            continue;
        }
        if let Some((role, _)) = assignment.people().iter().find(|(_, people)| people.contains(&entry.subject)) {
            lines.push(format!("{role}\t{}\t{}\n", table.subjects[entry.subject as usize], entry.id));
        }
    }
    lines.sort();
    sha256_hex(lines.concat().as_bytes())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "within_tests.rs"]
mod within_tests;
