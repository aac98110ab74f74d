//! Which window a window is to match: itself in another view, a neighbour in time, or any other of the same person.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::base::Stream;
use crate::signal::seconds_to_samples;

use super::negatives::Place;

/// From which windows the second view of an anchor is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positives {
    /// The window itself: two views of one window match.
    Window,
    /// Another window of the same recording that begins within `neighbour_s`.
    Neighbour,
    /// Another window of the same person.
    Subject,
}

impl Positives {
    /// All words, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Window, Self::Neighbour, Self::Subject];

    /// The word in pipelines and journals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Neighbour => "neighbour",
            Self::Subject => "subject",
        }
    }
}

/// The rule over two places: which other windows could be a window's positive, and therefore are no negatives of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositiveRule {
    positives: Positives,
    /// How far a neighbour's start may lie; below 0 nothing is a neighbour.
    reach: i64,
}

impl PositiveRule {
    /// A window matches itself only.
    pub const WINDOW: Self = Self { positives: Positives::Window, reach: -1 };

    /// The rule for starts counted in samples of `rate_hz`.
    pub fn new(positives: Positives, neighbour_s: f64, rate_hz: f64) -> Self {
        let reach = match positives {
            Positives::Neighbour => seconds_to_samples(neighbour_s, rate_hz),
            Positives::Window | Positives::Subject => -1,
        };
        Self { positives, reach }
    }

    /// The closed word behind the rule.
    pub fn positives(&self) -> Positives {
        self.positives
    }

    /// How far the start of a neighbour may lie, in samples; -1 where the rule is another.
    pub(super) fn reach(&self) -> i64 {
        self.reach
    }

    /// Whether a window at `other` could be the positive of another window at `anchor`. Symmetric.
    pub fn covers(&self, anchor: Place, other: Place) -> bool {
        match self.positives {
            Positives::Window => false,
            Positives::Neighbour => {
                anchor.recording == other.recording && (anchor.start - other.start).abs() <= self.reach
            }
            Positives::Subject => anchor.subject == other.subject,
        }
    }
}

/// The positive sets of the windows of a pool. Nothing outside the pool is ever in one.
#[derive(Debug, Clone)]
pub struct PositiveSets {
    /// Slots in an order in which every set lies together.
    order: Vec<u32>,
    /// Where a slot stands in `order`, and the stretch of it that is its set and itself.
    sets: Vec<(usize, Range<usize>)>,
}

impl PositiveSets {
    /// The sets of windows named by their places; the index is the slot.
    pub fn new(rule: PositiveRule, places: &[Place]) -> Self {
        // A set is a stretch in this order: a group, and within it how far a start may lie.
        let key = |slot: u32| {
            let place = places[slot as usize];
            match rule.positives {
                Positives::Window => (slot, 0),
                Positives::Neighbour => (place.recording, place.start),
                Positives::Subject => (place.subject, 0),
            }
        };
        let reach = rule.reach.max(0);
        let mut order: Vec<u32> = (0..places.len() as u32).collect();
        order.sort_by_key(|slot| (key(*slot), *slot));
        let mut sets = vec![(0, 0..0); places.len()];
        for (rank, &slot) in order.iter().enumerate() {
            let (group, at) = key(slot);
            let first = order.partition_point(|other| key(*other) < (group, at - reach));
            let end = order.partition_point(|other| key(*other) <= (group, at + reach));
            sets[slot as usize] = (rank, first..end);
        }
        Self { order, sets }
    }

    /// The set of a slot, without the slot itself.
    ///
    /// # Panics
    /// When the pool has no such slot.
    pub fn of(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        let (_, set) = &self.sets[slot as usize];
        self.order[set.clone()].iter().copied().filter(move |other| *other != slot)
    }

    /// Windows whose set is empty: they are their own positive.
    pub fn n_alone(&self) -> usize {
        self.sets.iter().filter(|(_, set)| set.len() == 1).count()
    }

    /// A positive of `slot`, uniform over its set; the slot itself where the set is empty, and nothing is drawn then.
    ///
    /// # Panics
    /// When the pool has no such slot.
    pub fn draw(&self, slot: u32, stream: &mut Stream) -> u32 {
        let (rank, set) = &self.sets[slot as usize];
        if set.len() == 1 {
            return slot;
        }
        let at = set.start + stream.below(set.len() as u32 - 1) as usize;
        // The stretch without the slot itself: from its place on, one further.
        self.order[if at < *rank { at } else { at + 1 }]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::{Purpose, StreamKey};

    /// Two people; the first has two recordings, whose windows begin 3 s apart at 10 Hz; the last window lies alone.
    fn places() -> Vec<Place> {
        let place = |subject, recording, start| Place { subject, recording, start };
        vec![place(0, 0, 0), place(0, 1, 30), place(0, 0, 30), place(0, 0, 60), place(1, 2, 0)]
    }

    fn sets(positives: Positives, neighbour_s: f64) -> Vec<BTreeSet<u32>> {
        let sets = PositiveSets::new(PositiveRule::new(positives, neighbour_s, 10.0), &places());
        (0..5).map(|slot| sets.of(slot).collect()).collect()
    }

    #[test]
    fn sets_hold_what_the_word_says() {
        assert!(sets(Positives::Window, 3.0).iter().all(BTreeSet::is_empty));
        assert_eq!(sets(Positives::Neighbour, 3.0), [[2].into(), [].into(), [0, 3].into(), [2].into(), [].into()]);
        assert_eq!(sets(Positives::Neighbour, 2.9), vec![BTreeSet::new(); 5]);
        let of_the_first = |slot: u32| (0..4).filter(|other| *other != slot).collect::<BTreeSet<u32>>();
        let expected: Vec<BTreeSet<u32>> = (0..4).map(of_the_first).chain([BTreeSet::new()]).collect();
        assert_eq!(sets(Positives::Subject, 3.0), expected);
    }

    #[test]
    fn a_draw_is_uniform_over_the_set_and_the_window_itself_where_there_is_none() {
        let sets = PositiveSets::new(PositiveRule::new(Positives::Subject, 1.0, 10.0), &places());
        let mut stream = StreamKey::new(1, Purpose::Positives).stream();
        let mut counts = [0_u32; 5];
        for _ in 0..9_000 {
            counts[sets.draw(2, &mut stream) as usize] += 1;
        }
        // 3000 each, deviation 45
        assert!(counts[2] == 0 && counts[4] == 0, "{counts:?}");
        assert!([0, 1, 3].into_iter().all(|slot| counts[slot].abs_diff(3_000) < 200), "{counts:?}");
        assert_eq!((sets.draw(4, &mut stream), sets.n_alone()), (4, 1));
    }
}

#[cfg(test)]
mod laws {
    use proptest::prelude::*;

    use super::*;
    use crate::base::{Purpose, StreamKey};
    use crate::learning::awareness::{NegativeRule, Negatives};

    const LENGTH: u32 = 20;

    /// Windows of four recordings of three people, some at one place.
    fn places() -> impl Strategy<Value = Vec<Place>> {
        let place = (0_u32..4, 0_i64..200).prop_map(|(recording, start)| Place {
            subject: recording.saturating_sub(1),
            recording,
            start,
        });
        proptest::collection::vec(place, 1..40)
    }

    fn words() -> impl Strategy<Value = (Negatives, Positives, f64)> {
        let negatives = prop_oneof![Just(Negatives::All), Just(Negatives::SameSubject), Just(Negatives::OtherSubjects)];
        (negatives, prop::sample::select(&Positives::ALL[..]), 0.0..12.0_f64)
    }

    proptest! {
        #[test]
        fn a_mask_holds_no_positive_no_same_window_and_no_overlap(
            (places, (negatives, positives, neighbour_s)) in (places(), words()),
        ) {
            let n = places.len() as u32;
            let positive = PositiveRule::new(positives, neighbour_s, 10.0);
            let rule = NegativeRule::from_places(negatives, places.clone(), LENGTH).with_positives(positive);
            // Candidates as a queue has them: every row twice.
            let candidates: Vec<u32> = (0..n).chain(0..n).collect();
            let queries: Vec<u32> = (0..n).collect();
            let mask = rule.mask(&queries, &candidates);
            let (mut same, mut other) = (0, 0);
            for (pair, allowed) in mask.allowed.iter().enumerate() {
                let (query, candidate) = (queries[pair / candidates.len()], candidates[pair % candidates.len()]);
                let (i, j) = (places[query as usize], places[candidate as usize]);
                let gap = (i.start - j.start).abs();
                let overlap = i.recording == j.recording && gap < i64::from(LENGTH);
                let covered = match positives {
                    Positives::Window => false,
                    Positives::Neighbour => i.recording == j.recording && gap <= (neighbour_s * 10.0).round() as i64,
                    Positives::Subject => i.subject == j.subject,
                };
                let by_subject = match negatives {
                    Negatives::All => true,
                    Negatives::SameSubject => i.subject == j.subject,
                    Negatives::OtherSubjects => i.subject != j.subject,
                };
                let expected = query != candidate && !overlap && !covered && by_subject;
                prop_assert_eq!(*allowed == 1, expected);
                prop_assert_eq!(rule.allowed(query, candidate), expected);
                same += u64::from(expected && i.subject == j.subject);
                other += u64::from(expected && i.subject != j.subject);
            }
            let made_of = mask.made_of;
            prop_assert_eq!((made_of.same_subject, made_of.other_subject), (same, other));
            let masked = made_of.masked_overlap + made_of.masked_positive + made_of.masked_subject;
            prop_assert_eq!(masked + same + other, (queries.len() * candidates.len()) as u64);
        }

        #[test]
        fn sets_are_the_rule_and_every_draw_is_of_the_set(
            (places, (_, positives, neighbour_s)) in (places(), words()),
            seed in any::<u64>(),
        ) {
            let rule = PositiveRule::new(positives, neighbour_s, 10.0);
            let sets = PositiveSets::new(rule, &places);
            let mut alone = 0;
            for slot in 0..places.len() as u32 {
                let at = |slot: u32| places[slot as usize];
                let expected: Vec<u32> = (0..places.len() as u32)
                    .filter(|other| *other != slot && rule.covers(at(slot), at(*other)))
                    .collect();
                let mut found: Vec<u32> = sets.of(slot).collect();
                found.sort_unstable();
                prop_assert_eq!(&found, &expected);
                let mut stream = StreamKey::new(seed, Purpose::Positives).row(slot).stream();
                for _ in 0..8 {
                    let drawn = sets.draw(slot, &mut stream);
                    let of_the_set = if expected.is_empty() { drawn == slot } else { expected.contains(&drawn) };
                    prop_assert!(of_the_set);
                }
                alone += usize::from(expected.is_empty());
            }
            prop_assert_eq!(sets.n_alone(), alone);
        }
    }
}
