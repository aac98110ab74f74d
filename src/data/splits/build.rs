//! From people with roles to rows with roles, and the refusals on the way.

use crate::base::sha256_hex;
use crate::signal::{Reject, WindowRow, WindowTable};

use super::ledger::{OpenedTest, Selected, TestLedger};
use super::proof::{Exclusion, Proof};
use super::role::{Pool, Role, Subset, Test, Train, Validation};
use super::{DrawContext, RejectScope, SplitError};

/// What a plan decided: people by role, recordings left out.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) plan: &'static str,
    pub(super) seed: u64,
    pub(super) fold: u16,
    pub(super) train: Vec<u32>,
    pub(super) validation: Vec<u32>,
    pub(super) test: Vec<u32>,
    pub(super) notes: Vec<String>,
    excluded: Vec<(u32, String)>,
}

impl Assignment {
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
            excluded: Vec::new(),
        }
    }

    /// Leaves a recording out, with the reason for the proof.
    pub(super) fn exclude(&mut self, recording: u32, reason: &str) {
        self.excluded.push((recording, reason.to_owned()));
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
}

/// One role for every person, with its proof.
#[derive(Debug, Clone)]
pub struct Split {
    fold: u16,
    hash: String,
    pool: Subset<Pool>,
    train: Subset<Train>,
    validation: Subset<Validation>,
    test: Subset<Test>,
    proof: Proof,
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
        let excluded = |row: &WindowRow| assignment.excluded.iter().any(|(recording, _)| *recording == row.recording);
        let deal = |people: &[u32], wanted: &dyn Fn(&WindowRow) -> bool| -> Vec<u32> {
            let rows = (0_u32..).zip(&table.rows);
            let rows = rows.filter(|(_, row)| people.contains(&row.subject) && !excluded(row) && wanted(row));
            rows.map(|(index, _)| index).collect()
        };
        let trainable = |row: &WindowRow| row.label.is_none_or(|label| !context.pool_excludes.contains(&label));
        let judged = |row: &WindowRow| match context.rejects {
            RejectScope::Training => row.reject != Some(Reject::NonFinite),
            RejectScope::Everywhere => row.reject.is_none(),
        };
        let labelled = |row: &WindowRow| row.label.is_some();
        let clean = |row: &WindowRow| row.reject.is_none() && trainable(row);

        let whole = |_: &WindowRow| None;
        let pool = Subset::new(table, deal(&assignment.train, &clean), whole);
        let train = Subset::new(table, deal(&assignment.train, &|row| labelled(row) && clean(row)), whole);
        let validation = Subset::new(
            table,
            deal(&assignment.validation, &|row| labelled(row) && trainable(row) && judged(row)),
            whole,
        );
        let test = Subset::new(table, deal(&assignment.test, &|row| labelled(row) && judged(row)), whole);
        for (role, rows) in [(Train::NAME, train.len()), (Validation::NAME, validation.len()), (Test::NAME, test.len())]
        {
            if rows == 0 {
                let people = table.subjects.iter().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
                let plan = assignment.plan.to_owned();
                return Err(SplitError::EmptyRole { plan, fold: assignment.fold, role, people });
            }
        }
        let hash = split_hash(table, &assignment);
        let exclusions = assignment.excluded.iter().map(|(recording, reason)| Exclusion {
            recording: table.recordings[*recording as usize].id.clone(),
            reason: reason.clone(),
        });
        let mut proof = Proof::new(table, (&pool, &train, &validation, &test));
        assignment.plan.clone_into(&mut proof.plan);
        context.recipe_hash.clone_into(&mut proof.recipe_hash);
        proof.exclusions = exclusions.collect();
        (proof.seed, proof.fold) = (assignment.seed, assignment.fold);
        proof.split_hash.clone_from(&hash);
        proof.notes.clone_from(&assignment.notes);
        proof.count_rejects(table, assignment.people(), &excluded);
        proof.refuse_leaks()?;
        Ok(Self { fold: assignment.fold, hash, pool, train, validation, test, proof })
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

    /// Who has which role, and that roles share nothing.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// SHA-256 of the lines `role TAB subject TAB recording`, sorted bytewise.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Which fold of the plan.
    pub fn fold(&self) -> u16 {
        self.fold
    }

    /// The same split with some of the training rows, ascending.
    pub(super) fn with_train(&self, table: &WindowTable, rows: &[u32], note: String) -> Self {
        let mut fewer = self.clone();
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
