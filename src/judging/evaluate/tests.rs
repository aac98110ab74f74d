//! Scores of made-up predictions, counted by hand.

use ndarray::{Array2, array};

use super::*;
use crate::base::{SignalKind, overlay, parse_table};
use crate::judging::downstream::RrChoice;
use crate::judging::evaluate::ballots::Judged;
use crate::numerics::metrics::Classes;
use crate::signal::{FailedRecording, SubjectId, WindowRow, WindowTable};

/// `people` persons with two rows each, labels 0 and 1.
fn table(people: u32) -> WindowTable {
    let row = |index: u32| WindowRow {
        subject: index / 2,
        recording: 0,
        start: 0,
        event: None,
        label: Some((index % 2) as u16),
        trial_samples: 1,
        padding: 0,
        left: 0,
        right: 0,
        reject: None,
        warm_up: false,
        rr: None,
    };
    WindowTable {
        subjects: (0..people).map(|person| SubjectId(format!("P{person:02}"))).collect(),
        classes: vec!["left".to_owned(), "right".to_owned()],
        rows: (0..2 * people).map(row).collect(),
        failed: vec![FailedRecording { id: "r7".to_owned(), reason: "cut short".to_owned() }],
        ..WindowTable::default()
    }
}

fn judged(arm: &str, (seed, fold, ordinal): (u64, u16, u64), rows: &[u32]) -> Judged {
    // Always answers left.
    let probability = Array2::from_shape_fn((rows.len(), 2), |(_, class)| if class == 0 { 0.75 } else { 0.25 });
    Judged { arm: arm.to_owned(), seed, fold, ordinal, rows: rows.to_vec(), probability }
}

fn count(judged: &[Judged], people: u32) -> Result<Evaluated, EvaluateError> {
    count_with(judged, people, "")
}

fn arm_of(name: &str, judged: &[Judged]) -> ArmName {
    let mine = judged.iter().filter(|judged| judged.arm == name);
    ArmName {
        name: name.to_owned(),
        encoder: (judged[0].arm == name).then(|| "base".to_owned()),
        way: if name == "end-to-end" { name } else { "linear" }.to_owned(),
        rr: RrChoice::NONE,
        seeds: in_order(mine.map(|judged| judged.seed)),
    }
}

fn count_with(judged: &[Judged], people: u32, settings: &str) -> Result<Evaluated, EvaluateError> {
    let arms = in_order(judged.iter().map(|judged| judged.arm.as_str()));
    let arms: Vec<ArmName> = arms.into_iter().map(|name| arm_of(name, judged)).collect();
    count_arms(judged, people, settings, &arms)
}

/// Rows of a person lie at 0 and 10 s.
fn count_arms(judged: &[Judged], people: u32, settings: &str, arms: &[ArmName]) -> Result<Evaluated, EvaluateError> {
    let table = table(people);
    let classes = Arc::new(Classes::new(&table.classes, &[]));
    let defaults = EvaluateSettings::defaults(SignalKind::Eeg);
    let settings = overlay(&defaults, &parse_table(settings).unwrap(), &[]).unwrap();
    let ballots = Ballots::of(judged, &table, &classes, |row| i64::from(row % 2) * 1000);
    let (settings, failed) = (&settings, &table.failed[..]);
    let counting = Counting { settings, arms, split_seed: 0, rate_hz: 100.0, known_overlap: &[], failed };
    Evaluated::count(&ballots, &Record::default(), &counting)
}

#[test]
fn folds_are_put_together_and_seeds_averaged() {
    let rounds = [
        judged("a", (1, 0, 4), &[0, 1, 2, 3]),
        judged("a", (1, 1, 2), &[4, 5]),
        judged("a", (2, 0, 7), &[0, 1, 2, 3]),
        judged("a", (2, 1, 3), &[4, 5]),
    ];
    let found = count(&rounds, 3).unwrap();
    assert_eq!((found.n_windows, found.n_subjects, found.n_folds), (6, 3, 2));
    let accuracy = found.score("a", "accuracy", None).unwrap();
    assert_eq!((accuracy.value, accuracy.low, accuracy.n_subjects, accuracy.test_reads), (Some(0.5), None, 3, 7));
    let of_seed = found.scores.iter().find(|score| score.seed == Some(1) && score.metric == "se").unwrap();
    assert_eq!((of_seed.class.as_deref(), of_seed.value, of_seed.test_reads), (Some("left"), Some(1.0), 4));
    assert_eq!(found.people.len(), 6);
    assert_eq!(found.matrices[0].cells, [[3, 0], [3, 0]]);
    let page = found.to_string();
    assert!(page.contains("n = 3 people, no interval"), "{page}");
    assert!(page.contains("1 recordings failed and are missing: r7"), "{page}");
    assert!(page.contains("median over seeds") && page.contains("0.500 [0.500, 0.500]"), "{page}");
}

#[test]
fn arms_of_other_seeds_say_so_and_are_compared_on_the_common_ones() {
    let rows: Vec<u32> = (0..24).collect();
    let right = |mut one: Judged, rows: &mut dyn Iterator<Item = usize>| {
        rows.for_each(|row| one.probability.row_mut(row).assign(&array![0.25, 0.75]));
        one
    };
    let rounds = [
        right(judged("base-linear", (1, 0, 1), &rows), &mut (1..24).step_by(2)),
        judged("base-linear", (2, 0, 2), &rows),
        judged("base-linear", (3, 0, 3), &rows),
        judged("end-to-end", (1, 0, 4), &rows),
    ];
    let found = count(&rounds, 12).unwrap();
    assert_eq!(found.seeds, [1, 2, 3]);
    // The mean over its three seeds; the difference is that of seed 1 alone.
    let accuracy = found.score("base-linear", "accuracy", None).unwrap().value.unwrap();
    assert!((accuracy - 2.0 / 3.0).abs() < 1e-15);
    let [one] = &found.comparisons[..] else { panic!("{:?}", found.comparisons) };
    assert_eq!((one.seeds, one.value), (1, Some(0.5)));
    let page = found.to_string();
    let line = |start: &str| page.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("base-linear ").contains(" 1 2 3 ") && line("end-to-end ").contains(" 1  0.500"), "{page}");
    let none = [judged("base-linear", (1, 0, 1), &rows), judged("end-to-end", (2, 0, 1), &rows)];
    let found = count(&none, 12).unwrap();
    assert_eq!((found.comparisons[0].seeds, found.comparisons[0].value, found.comparisons[0].p), (0, None, None));
}

#[test]
fn an_arm_with_other_seeds_than_its_pipeline_gives_it_is_refused() {
    let rounds = [judged("a", (1, 0, 1), &[0, 1]), judged("a", (2, 0, 2), &[0, 1])];
    let mut arms = vec![arm_of("a", &rounds)];
    count_arms(&rounds, 1, "", &arms).unwrap();
    for seeds in [vec![1], vec![1, 2, 3]] {
        arms[0].seeds = seeds;
        assert!(matches!(count_arms(&rounds, 1, "", &arms), Err(EvaluateError::OtherSeeds { .. })));
    }
}

#[test]
fn eight_people_have_an_interval() {
    let rows: Vec<u32> = (0..16).collect();
    let mut round = judged("a", (1, 0, 1), &rows);
    round.probability.row_mut(1).assign(&array![0.1, 0.9]);
    let found = count(&[round], 8).unwrap();
    let accuracy = found.score("a", "accuracy", None).unwrap();
    assert!(accuracy.low.unwrap() < accuracy.value.unwrap());
    assert!(!found.to_string().contains("no interval"));
}

#[test]
fn arms_are_compared_on_the_same_people_and_a_winner_needs_both_marks() {
    let rows: Vec<u32> = (0..24).collect();
    let (mut first, second) = (judged("base-linear", (1, 0, 1), &rows), judged("random-linear", (1, 0, 2), &rows));
    // The first arm also knows the right hand of eleven of twelve people.
    for row in (1..22).step_by(2) {
        first.probability.row_mut(row).assign(&array![0.25, 0.75]);
    }
    let found = count(&[first, second], 12).unwrap();
    let [one] = &found.comparisons[..] else { panic!("{:?}", found.comparisons) };
    assert_eq!((one.first.as_str(), one.second.as_str(), one.n_subjects), ("base-linear", "random-linear", 12));
    assert!((one.value.unwrap() - 0.5 * 11.0 / 12.0).abs() < 1e-15);
    // Eleven equal differences: all signs alike, of 2^11 patterns times the sign that changes nothing.
    assert_eq!(one.p, Some(2.0 / 2048.0));
    assert_eq!((one.p_holm, one.winner.as_deref()), (one.p, Some("base-linear")));
    let page = found.to_string();
    assert!(page.contains("base-linear - random-linear") && page.contains("1 comparison;"), "{page}");
    let equal =
        count(&[judged("base-linear", (1, 0, 1), &rows), judged("random-linear", (1, 0, 2), &rows)], 12).unwrap();
    assert_eq!((equal.comparisons[0].p, &equal.comparisons[0].winner), (Some(1.0), &None));
}

#[test]
fn the_first_seconds_are_in_no_score() {
    let rounds = [judged("a", (1, 0, 1), &[0, 1, 2, 3])];
    let found = count_with(&rounds, 2, "skip_s = 5").unwrap();
    // Only the rows at 10 s are left: all of class `right`, all answered `left`.
    assert_eq!((found.n_windows, found.score("a", "accuracy", None).unwrap().value), (2, Some(0.0)));
    assert!(found.to_string().contains("the first 5 s of each recording"));
    assert_eq!(count_with(&rounds, 2, "skip_s = 10").unwrap().n_windows, 2);
}

#[test]
fn probabilities_are_judged_by_seed() {
    let found = count(&[judged("a", (1, 0, 1), &[0, 1]), judged("a", (2, 0, 1), &[0, 1])], 1).unwrap();
    // 0.75 for left always: right half of the time.
    let value = |metric: &str, class| found.score("a", metric, class).unwrap().value.unwrap();
    assert_eq!((value("ece", None), value("brier", None)), (0.25, f64::midpoint(0.125, 1.125)));
    assert_eq!(value("auroc", Some("left")), 0.5);
    assert!(found.to_string().contains("AUROC right"));
}

#[test]
fn a_row_twice_or_never_is_refused() {
    let twice = [judged("a", (1, 0, 1), &[0, 1]), judged("a", (1, 1, 1), &[1, 2])];
    assert!(matches!(count(&twice, 3), Err(EvaluateError::Coverage { row: 1, times: 2, .. })));
    let never = [judged("a", (1, 0, 1), &[0, 1]), judged("b", (1, 0, 2), &[0])];
    assert!(matches!(count(&never, 3), Err(EvaluateError::Coverage { row: 1, times: 0, .. })));
    assert!(matches!(count(&[], 3), Err(EvaluateError::Nothing)));
}
