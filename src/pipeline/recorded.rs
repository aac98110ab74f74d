//! What judging wrote into a run's journal beside the predictions, held against what pipeline and proofs make it write.
//!
//! Nothing is taken from the evaluation that is checked: who must be asked about, and which arm, seed and fold must be
//! judged, follows from the proofs and the pipeline; the numbers are the journal's.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::data::splits::Proof;
use crate::judging::evaluate::{ArmEffort, ArmName, Crowd, IdentityCount, IdentityEntry, RANDOM};

use super::verify::Disagreement;

type Entry = Map<String, Value>;
/// Event, arm, seed, fold and crowd of an entry.
type Key<'a> = (&'a str, &'a str, u64, u16, &'a str);
type Lines<'a> = BTreeMap<Key<'a>, Vec<&'a Entry>>;

/// The event of a reading of the test.
const TEST: &str = "test";

/// What a run must have written.
pub(super) struct Expected<'a> {
    pub(super) journal: &'a [Entry],
    pub(super) proofs: &'a [Proof],
    pub(super) seeds: &'a [u64],
    /// Lines of the table.
    pub(super) arms: &'a [ArmName],
    /// Encoders beside the random one.
    pub(super) encoders: &'a [&'a str],
    /// People whom an encoder from outside has seen; of the pipeline's own it is the split's pool.
    pub(super) seen: Option<&'a BTreeSet<String>>,
    /// Whether it is asked who it is.
    pub(super) identity: bool,
}

/// What it wrote, in the order in which it was judged.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) efforts: Vec<ArmEffort>,
    pub(super) identity: Vec<IdentityCount>,
    pub(super) left_out: Vec<String>,
    /// Where it is not what it must be.
    pub(super) disagreements: Vec<Disagreement>,
}

impl Recorded {
    pub(super) fn of(expected: &Expected<'_>) -> Self {
        let mut recorded = Self::default();
        let mut journal = Lines::new();
        for entry in expected.journal {
            if let Some(key) = key_of(entry) {
                journal.entry(key).or_default().push(entry);
            }
        }
        recorded.efforts(expected, &journal);
        if expected.identity {
            recorded.identity(expected, &journal);
        }
        recorded
    }

    fn note(&mut self, place: &str, found: impl Into<String>, expected: impl Into<String>) {
        let (found, expected) = (found.into(), expected.into());
        self.disagreements.push(Disagreement { place: place.to_owned(), found, expected });
    }

    /// The one entry of a key.
    fn one<T: DeserializeOwned>(&mut self, journal: &Lines<'_>, place: &str, key: Key<'_>) -> Option<T> {
        let found = journal.get(&key).map_or(&[][..], Vec::as_slice);
        let [entry] = found else {
            self.note(place, format!("{} entries", found.len()), "one entry");
            return None;
        };
        match serde_json::from_value(Value::Object(Entry::clone(entry))) {
            Ok(read) => Some(read),
            Err(error) => {
                self.note(place, error.to_string(), "an entry with all its keys");
                None
            }
        }
    }

    fn efforts(&mut self, expected: &Expected<'_>, journal: &Lines<'_>) {
        for (proof, seed) in rounds(expected) {
            for arm in expected.arms.iter().filter(|arm| arm.seeds.contains(&seed)) {
                let (name, fold) = (arm.name.as_str(), proof.fold);
                let place = format!("journal.jsonl: `test` of {name}, seed {seed}, fold {fold}");
                let effort = self.one(journal, &place, (TEST, name, seed, fold, ""));
                self.efforts.extend(effort);
            }
        }
    }

    fn identity(&mut self, expected: &Expected<'_>, journal: &Lines<'_>) {
        let mut left_out = BTreeSet::new();
        // Of a fold and crowd: how many windows of each person are judged, and who is left out.
        let mut first: BTreeMap<(u16, Crowd), (Option<u64>, Vec<String>)> = BTreeMap::new();
        for (proof, seed) in rounds(expected) {
            for (crowd, people) in crowds(proof, expected.seen) {
                for encoder in std::iter::once(&RANDOM).chain(expected.encoders) {
                    let (fold, word) = (proof.fold, crowd.name());
                    let place = format!("journal.jsonl: identity of {encoder}, {word}, seed {seed}, fold {fold}");
                    let key = (IdentityEntry::EVENT, *encoder, seed, fold, word);
                    let Some(entry) = self.one::<IdentityEntry>(journal, &place, key) else { continue };
                    self.everybody(&place, &entry, &people);
                    let windows = entry.known.first().map(|person| person.windows);
                    let (all, out) = first.entry((fold, crowd)).or_insert_with(|| (windows, entry.left_out.clone()));
                    let equal = entry.known.iter().all(|person| Some(person.windows) == *all);
                    let same = windows == *all && entry.left_out == *out;
                    if !(equal && same) {
                        let found = format!("{windows:?} windows, {} left out", entry.left_out.len());
                        let needed = format!("{all:?} windows of everybody, {} left out", out.len());
                        self.note(&place, found, needed);
                    }
                    left_out.extend(entry.left_out.iter().cloned());
                    self.identity.extend(entry.counts());
                }
            }
        }
        self.left_out = left_out.into_iter().collect();
    }

    /// Each person of a crowd is asked about or left out, once; nobody is asked about only where no two could be.
    fn everybody(&mut self, place: &str, entry: &IdentityEntry, people: &BTreeSet<&str>) {
        let asked = entry.known.iter().map(|person| person.subject.as_str());
        let mut told: Vec<&str> = asked.chain(entry.left_out.iter().map(String::as_str)).collect();
        told.sort_unstable();
        let whole = told.iter().copied().eq(people.iter().copied());
        let mut rest = people.iter().filter(|person| !told.contains(person));
        let nobody = entry.known.is_empty()
            && rest.clone().count() <= 1
            && told.len() + rest.clone().count() == people.len()
            && told.iter().all(|person| people.contains(person));
        if !nobody && (!whole || entry.known.len() < 2) {
            let stranger = told.iter().find(|person| !people.contains(**person));
            let found = match (rest.next(), stranger) {
                (_, Some(person)) => format!("{person}, who is not of this crowd"),
                (Some(person), None) => format!("nothing of {person}"),
                (None, None) => format!("{} asked about, {} told of", entry.known.len(), told.len()),
            };
            self.note(place, found, format!("{} people, each asked about or left out", people.len()));
        }
        for person in &entry.known {
            if person.windows == 0 || person.linear.max(person.two_layer) > person.windows {
                let known = format!("{} and {} of {} windows", person.linear, person.two_layer, person.windows);
                self.note(place, format!("{}: {known}", person.subject), "no more than all");
            }
        }
    }
}

/// The key of an entry that judging wrote; of others none.
fn key_of(entry: &Entry) -> Option<Key<'_>> {
    let word = |key: &str| entry.get(key).and_then(Value::as_str);
    let event = word("event").filter(|event| [TEST, IdentityEntry::EVENT].contains(event))?;
    let fold = u16::try_from(entry.get("fold")?.as_u64()?).ok()?;
    Some((event, word("arm")?, entry.get("seed")?.as_u64()?, fold, word("crowd").unwrap_or_default()))
}

/// In the order of judging: folds outside.
fn rounds<'a>(expected: &Expected<'a>) -> impl Iterator<Item = (&'a Proof, u64)> + use<'a> {
    let (proofs, seeds) = (expected.proofs, expected.seeds);
    proofs.iter().flat_map(move |proof| seeds.iter().map(move |&seed| (proof, seed)))
}

/// Who is asked about in a fold: those whom pretraining saw, and the others; in plans within people those of the pool.
fn crowds<'a>(proof: &'a Proof, seen: Option<&BTreeSet<String>>) -> Vec<(Crowd, BTreeSet<&'a str>)> {
    let mut people: BTreeSet<&str> = proof.pool.subjects.iter().map(String::as_str).collect();
    let roles = &proof.roles;
    if !proof.scope.is_within() {
        people.extend(roles.validation.subjects.iter().chain(&roles.test.subjects).map(String::as_str));
    }
    let of_pool = |person: &&str| proof.pool.subjects.iter().any(|id| id == person);
    let (pool, unseen) =
        people.into_iter().partition(|person| seen.map_or(of_pool(person), |seen| seen.contains(*person)));
    let crowds = [(Crowd::Pool, pool), (Crowd::Unseen, unseen)];
    crowds.into_iter().filter(|(_, people): &(Crowd, BTreeSet<&str>)| !people.is_empty()).collect()
}
