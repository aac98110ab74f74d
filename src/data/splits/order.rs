//! The order of people that a seed gives, and the people that a seed cuts off.

use std::collections::BTreeSet;

use crate::base::sha256_hex;
use crate::signal::WindowTable;

use super::{DrawContext, SplitError};

/// How often another seed is tried before the class rule is given up.
const ATTEMPTS: u64 = 1000;

/// `people` in ascending order of SHA-256(seed as 8 bytes little endian, subject id in UTF-8).
pub(super) fn by_hash(table: &WindowTable, people: &[u32], seed: u64) -> Vec<u32> {
    let mut keyed: Vec<(String, u32)> = people
        .iter()
        .map(|&subject| {
            let mut bytes = seed.to_le_bytes().to_vec();
            bytes.extend_from_slice(table.subjects[subject as usize].0.as_bytes());
            (sha256_hex(&bytes), subject)
        })
        .collect();
    keyed.sort();
    keyed.into_iter().map(|(_, subject)| subject).collect()
}

/// `people` in ascending order of their ids.
pub(super) fn by_id(table: &WindowTable, people: &[u32]) -> Vec<u32> {
    let mut people = people.to_vec();
    people.sort_by(|&a, &b| table.subjects[a as usize].cmp(&table.subjects[b as usize]));
    people
}

/// `max(2, floor(share n + 0.5))`, the number of people that a share takes.
pub(super) fn share_of(n: usize, share: f64) -> usize {
    ((share * n as f64 + 0.5).floor() as usize).max(2)
}

/// All people of the table who have a row at all.
pub(super) fn people(table: &WindowTable) -> Vec<u32> {
    let present: BTreeSet<u32> = table.rows.iter().map(|row| row.subject).collect();
    present.into_iter().collect()
}

/// Classes each person has among the rows that a training role may use, by subject index.
pub(super) struct ClassesOf {
    names: Vec<String>,
    by_subject: Vec<BTreeSet<u16>>,
}

impl ClassesOf {
    pub(super) fn new(table: &WindowTable, context: &DrawContext<'_>) -> Self {
        let mut by_subject = vec![BTreeSet::new(); table.subjects.len()];
        for row in &table.rows {
            if let (Some(label), None) = (row.label, row.reject)
                && !context.pool_excludes.contains(&label)
            {
                by_subject[row.subject as usize].insert(label);
            }
        }
        Self { names: table.classes.clone(), by_subject }
    }

    fn holders(&self, class: u16, people: &[u32]) -> usize {
        people.iter().filter(|&&subject| self.by_subject[subject as usize].contains(&class)).count()
    }

    /// The first class that enough people have for one a side, and that a side lacks.
    fn missing(&self, sides: &[&[u32]]) -> Option<u16> {
        (0..self.names.len() as u16).find(|&class| {
            let counts: Vec<usize> = sides.iter().map(|side| self.holders(class, side)).collect();
            counts.iter().sum::<usize>() >= sides.len() && counts.contains(&0)
        })
    }
}

/// Where a cut is made, for its messages.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) plan: &'static str,
    pub(super) fold: u16,
}

/// Cuts `people`, ordered by `first_seed`, into pieces of the given sizes and a rest (the last piece); another seed is
/// tried as long as a piece lacks a class that at least as many people have as there are pieces.
///
/// Gives the pieces and the seed that was used.
pub(super) fn cut(
    table: &WindowTable,
    classes: &ClassesOf,
    people: &[u32],
    sizes: &[usize],
    (first_seed, place): (u64, Place),
) -> Result<(Vec<Vec<u32>>, u64), SplitError> {
    let mut lacking = None;
    for seed in (0..ATTEMPTS).map(|step| first_seed.wrapping_add(step)) {
        let ordered = by_hash(table, people, seed);
        let mut rest: &[u32] = &ordered;
        let mut pieces = Vec::with_capacity(sizes.len() + 1);
        for &size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        match classes.missing(&pieces) {
            None => return Ok((pieces.into_iter().map(<[u32]>::to_vec).collect(), seed)),
            missing => lacking = missing,
        }
    }
    let class = lacking.map_or_else(String::new, |class| classes.names[class as usize].clone());
    Err(SplitError::ClassMissing { plan: place.plan, fold: place.fold, class, attempts: ATTEMPTS })
}

/// Validation people cut from `train` people: the first `max(2, floor(0.2 n + 0.5))` of the order by `seed + 1`.
///
/// Gives (train, validation, seed used).
pub(super) fn cut_validation(
    table: &WindowTable,
    classes: &ClassesOf,
    train: &[u32],
    (seed, place): (u64, Place),
) -> Result<(Vec<u32>, Vec<u32>, u64), SplitError> {
    let size = share_of(train.len(), 0.2);
    let (mut pieces, used) = cut(table, classes, train, &[size], (seed.wrapping_add(1), place))?;
    let rest = pieces.pop().unwrap_or_default();
    Ok((rest, pieces.pop().unwrap_or_default(), used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SubjectId;

    #[test]
    fn hash_order_equals_the_published_check() {
        // C.7's check: seed 0, the 66 people with imagery runs; S001's hash begins ca0cd3138d3ea6a8.
        let mut bytes = 0_u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"S001");
        assert!(sha256_hex(&bytes).starts_with("ca0cd3138d3ea6a8"));
        let subjects: Vec<SubjectId> = (1..=109).map(|n| SubjectId(format!("S{n:03}"))).collect();
        let table = WindowTable { subjects, ..WindowTable::default() };
        let people: Vec<u32> = (0..109).collect();
        let order: Vec<&str> =
            by_hash(&table, &people, 0).iter().map(|&s| table.subjects[s as usize].0.as_str()).collect();
        // The 66 are a subset: their order is the order here with the others left out.
        let places: Vec<usize> = ["S049", "S015", "S012", "S062", "S037"]
            .iter()
            .map(|id| order.iter().position(|other| other == id).unwrap())
            .collect();
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn share_is_at_least_two_and_rounds_half_up() {
        assert_eq!([3, 9, 12, 13, 66].map(|n| share_of(n, 0.2)), [2, 2, 2, 3, 13]);
    }
}
