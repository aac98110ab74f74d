//! Scores of made-up predictions, counted by hand.

use ndarray::array;

use super::*;
use crate::base::SignalKind;
use crate::signal::{SubjectId, WindowRow};

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
        ..WindowTable::default()
    }
}

fn judged(arm: &str, (seed, fold, ordinal): (u64, u16, u64), rows: &[u32]) -> Judged {
    // Always answers left.
    let probability = Array2::from_shape_fn((rows.len(), 2), |(_, class)| if class == 0 { 0.75 } else { 0.25 });
    Judged { arm: arm.to_owned(), seed, fold, ordinal, rows: rows.to_vec(), probability }
}

fn count(judged: &[Judged], people: u32) -> Result<Evaluated, EvaluateError> {
    let table = table(people);
    let classes = Arc::new(Classes::new(&table.classes, &[]));
    Evaluated::count(judged, &[], (&table, &classes), &EvaluateSettings::defaults(SignalKind::Eeg), 0)
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
    assert!(page.contains("median over seeds") && page.contains("0.500 [0.500, 0.500]"), "{page}");
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
fn a_row_twice_or_never_is_refused() {
    let twice = [judged("a", (1, 0, 1), &[0, 1]), judged("a", (1, 1, 1), &[1, 2])];
    assert!(matches!(count(&twice, 3), Err(EvaluateError::Coverage { row: 1, times: 2, .. })));
    let never = [judged("a", (1, 0, 1), &[0, 1]), judged("b", (1, 0, 2), &[0])];
    assert!(matches!(count(&never, 3), Err(EvaluateError::Coverage { row: 1, times: 0, .. })));
    assert!(matches!(count(&[], 3), Err(EvaluateError::Nothing)));
}
