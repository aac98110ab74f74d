//! Metrics and intervals against golden values, laws and small matrices.

use std::sync::Arc;

use ndarray::Array2;
use serde_json::Value;

use super::*;

fn golden() -> Vec<Value> {
    let text = include_str!("../../../fixtures/golden/metrics/scores.json");
    let golden: Value = serde_json::from_str(text).unwrap();
    golden["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn load(case: &Value) -> (Arc<Classes>, Predictions) {
    let names: Vec<String> = serde_json::from_value(case["classes"].clone()).unwrap();
    let probability: Vec<f64> = case["probability"].as_array().unwrap().iter().flat_map(numbers).collect();
    let probability = probability.into_iter().map(|p| p as f32).collect();
    let truth: Vec<u16> = serde_json::from_value(case["truth"].clone()).unwrap();
    let probability = Array2::from_shape_vec((truth.len(), names.len()), probability).unwrap();
    let subject = serde_json::from_value(case["subject"].clone()).unwrap();
    (Arc::new(Classes::new(&names, &[])), Predictions { truth, probability, subject })
}

fn value(metric: &Metric, confusion: &Confusion, class: Option<usize>) -> Option<f64> {
    match (metric.formula, class) {
        (Formula::Counts(of) | Formula::PeopleMean(of), _) => of(confusion),
        (Formula::ClassCounts(of, _), class) => of(confusion, class.unwrap()),
        (Formula::Scores(_) | Formula::ClassScores(_), _) => panic!("{} is of probabilities", metric.name),
    }
}

fn matrix(names: &[&str], unscored: &[u16], cells: &[&[u64]]) -> Confusion {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut confusion = Confusion::new(&Arc::new(Classes::new(&names, unscored)));
    for (truth, row) in cells.iter().enumerate() {
        for (answer, &count) in row.iter().enumerate() {
            (0..count).for_each(|_| confusion.count(truth, answer));
        }
    }
    confusion
}

#[test]
fn metrics_equal_scikit_learn() {
    for case in golden() {
        let (classes, predictions) = load(&case);
        let confusion = predictions.confusion(&classes);
        for (truth, row) in case["confusion"].as_array().unwrap().iter().enumerate() {
            for (answer, count) in numbers(row).into_iter().enumerate() {
                assert_eq!(confusion.cell(truth, answer) as f64, count);
            }
        }
        for (name, expected) in case["expected"].as_object().unwrap() {
            let metric = metric(name).unwrap();
            let given: Vec<f64> = metric
                .targets(&classes)
                .into_iter()
                .map(|class| match metric.formula {
                    Formula::Scores(of) => of(&predictions, &classes),
                    Formula::ClassScores(of) => of(&predictions, &classes, class.unwrap()),
                    _ => value(metric, &confusion, class),
                })
                .map(|value| value.unwrap_or(f64::NAN))
                .collect();
            let expected = if expected.is_array() { numbers(expected) } else { vec![expected.as_f64().unwrap()] };
            assert_eq!(given.len(), expected.len(), "{name}");
            for (given, expected) in given.iter().zip(&expected) {
                assert!(
                    (given - expected).abs() < 1e-12 || (given.is_nan() && expected.is_nan()),
                    "{name}: {given} {expected}"
                );
            }
        }
    }
}

#[test]
fn intervals_equal_a_bootstrap_written_in_numpy() {
    // The golden script has the random stream and the resampling of its own; BCa's quantiles are SciPy's.
    for case in golden() {
        let (classes, predictions) = load(&case);
        let people: Vec<Confusion> =
            predictions.confusion_by_subject(&classes).into_iter().map(|(_, person)| person).collect();
        for (key, form) in [("intervals", IntervalForm::Percentile), ("bca", IntervalForm::Bca)] {
            let resamples = Resamples::new(vec![people.clone()], Bootstrap { form, ..Bootstrap::new(5) });
            for (name, expected) in case[key].as_object().unwrap() {
                let found = resamples.estimate(metric(name).unwrap(), None).interval;
                let expected = numbers(expected);
                let Some((low, high)) = found else {
                    // Everybody alike: SciPy gives NaN.
                    assert!(expected[0].is_nan(), "{name}");
                    continue;
                };
                assert!(
                    (low - expected[0]).abs() < 1e-11 && (high - expected[1]).abs() < 1e-11,
                    "{name}: {low} {high}"
                );
            }
        }
    }
}

#[test]
fn undefined_is_none_and_macro_leaves_it_out() {
    // F never occurs and is never answered; V occurs and is never answered.
    let c = matrix(&["N", "S", "V", "F"], &[], &[&[5, 1, 0, 0], &[1, 3, 0, 0], &[2, 0, 0, 0], &[0; 4]]);
    assert_eq!(counts::sensitivity(&c, 3), None);
    assert_eq!(counts::positive_predictivity(&c, 2), None);
    assert_eq!(counts::f1(&c, 3), None);
    assert_eq!(counts::f1(&c, 2), Some(0.0));
    let f1 = [10.0 / 14.0, 6.0 / 8.0, 0.0];
    assert!((counts::macro_f1(&c).unwrap() - f1.iter().sum::<f64>() / 3.0).abs() < 1e-15);
    assert_eq!(counts::kappa(&matrix(&["a", "b"], &[], &[&[4, 0], &[0, 0]])), None);
}

#[test]
fn q_rows_are_in_no_strict_score_and_in_ec57() {
    // truth in rows: N S V F Q; answers N S V F
    let c = matrix(
        &["N", "S", "V", "F", "Q"],
        &[4],
        &[&[90, 4, 3, 2, 0], &[6, 20, 5, 1, 0], &[7, 2, 40, 3, 0], &[1, 1, 8, 9, 0], &[2, 1, 3, 0, 0]],
    );
    let close = |given: Option<f64>, expected: f64| assert!((given.unwrap() - expected).abs() < 1e-15);
    close(counts::accuracy(&c), 159.0 / 202.0);
    close(counts::sensitivity(&c, 2), 40.0 / 52.0);
    close(counts::positive_predictivity(&c, 2), 40.0 / 56.0);
    // EC57, V: FN = Vn + Vs + Vf, FP = Nv + Sv, TN = all of N S F Q that are not v
    close(aami::ec57_sensitivity(&c, 2), 40.0 / 52.0);
    close(aami::ec57_positive_predictivity(&c, 2), 40.0 / 48.0);
    close(aami::ec57_false_positive_rate(&c, 2), 8.0 / (8.0 + 96.0 + 27.0 + 11.0 + 3.0));
    // EC57, S: FP = Ns + Vs + Fs
    close(aami::ec57_positive_predictivity(&c, 1), 20.0 / 27.0);
    close(aami::ec57_false_positive_rate(&c, 1), 7.0 / (7.0 + 95.0 + 50.0 + 18.0 + 5.0));
    let j = 20.0 / 32.0 + 20.0 / 27.0 + 40.0 / 52.0 + 40.0 / 56.0;
    close(aami::j_index(&c), j);
    close(aami::jk_index(&c), counts::kappa(&c).unwrap() / 2.0 + j / 8.0);
}

#[test]
fn an_answer_is_the_lowest_of_equals_and_never_an_unscored_class() {
    let classes = Classes::new(&["a", "b", "c"].map(str::to_owned), &[0]);
    let predictions = Predictions {
        truth: vec![1, 2],
        probability: Array2::from_shape_vec((2, 3), vec![0.9, 0.05, 0.05, 0.0, 0.3, 0.7]).unwrap(),
        subject: vec![0, 0],
    };
    assert_eq!([predictions.answer(0, &classes), predictions.answer(1, &classes)], [1, 2]);
}

fn people(n: usize) -> Vec<Confusion> {
    (0..n as u64).map(|i| matrix(&["a", "b"], &[], &[&[10 + i, i % 5], &[(i * 3) % 7, 8 + i]])).collect()
}

#[test]
fn fewer_than_eight_people_give_points_only() {
    let accuracy = metric("accuracy").unwrap();
    let seven = Resamples::new(vec![people(7)], Bootstrap::new(0)).estimate(accuracy, None);
    assert!(seven.value.is_some() && seven.interval.is_none());
    let eight = Resamples::new(vec![people(8)], Bootstrap::new(0)).estimate(accuracy, None);
    assert_eq!(eight.n_subjects, 8);
    let (low, high) = eight.interval.unwrap();
    assert!(low < eight.value.unwrap() && eight.value.unwrap() < high);
}

#[test]
fn interval_of_a_mean_is_near_the_normal_one() {
    // The mean of 40 people's accuracies: the bootstrap's spread is sd / sqrt(n), and the percentiles 1.96 of it apart.
    let people: Vec<Confusion> = (0..40_u64).map(|i| matrix(&["a", "b"], &[], &[&[i + 20, 60 - i], &[0, 0]])).collect();
    let metric = metric("accuracy-subject-mean").unwrap();
    let estimate = Resamples::new(vec![people], Bootstrap::new(3)).estimate(metric, None);
    let values: Vec<f64> = (0..40).map(|i| f64::from(i + 20) / 80.0).collect();
    let mean = values.iter().sum::<f64>() / 40.0;
    let sd = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40.0).sqrt();
    let (low, high) = estimate.interval.unwrap();
    assert!((estimate.value.unwrap() - mean).abs() < 1e-12);
    let half = 1.96 * sd / 40.0_f64.sqrt();
    assert!(
        (low - (mean - half)).abs() < 0.03 * half && (high - (mean + half)).abs() < 0.03 * half,
        "{low} {high} {half}"
    );
}

#[test]
fn seeds_are_averaged_and_share_their_people() {
    let accuracy = metric("accuracy").unwrap();
    let one = Resamples::new(vec![people(9)], Bootstrap::new(1)).estimate(accuracy, None);
    let twice = Resamples::new(vec![people(9), people(9)], Bootstrap::new(1)).estimate(accuracy, None);
    assert_eq!((one.value, one.interval), (twice.value, twice.interval));
}

#[test]
fn replicates_without_the_class_are_counted_and_forbid_the_interval() {
    // One person of ten has class b: it is missing in (9/10)^10 = 35 % of the replicates.
    let mut people: Vec<Confusion> = (0..9).map(|_| matrix(&["a", "b"], &[], &[&[5, 1], &[0, 0]])).collect();
    people.push(matrix(&["a", "b"], &[], &[&[5, 1], &[1, 4]]));
    let estimate = Resamples::new(vec![people], Bootstrap::new(0)).estimate(metric("se").unwrap(), Some(1));
    assert_eq!((estimate.value, estimate.interval), (Some(0.8), None));
    assert!((3300..3700).contains(&estimate.undefined), "{}", estimate.undefined);
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn matrices_of_people_sum_to_the_matrix_of_all(rows in prop::collection::vec((0_u16..3, 0_u32..5, 0.0_f32..1.0, 0.0_f32..1.0), 1..60)) {
            let classes = Arc::new(Classes::new(&["a", "b", "c"].map(str::to_owned), &[]));
            let probability = rows.iter().flat_map(|row| [row.2, row.3, 0.5]).collect();
            let predictions = Predictions {
                truth: rows.iter().map(|row| row.0).collect(),
                probability: Array2::from_shape_vec((rows.len(), 3), probability).unwrap(),
                subject: rows.iter().map(|row| row.1).collect(),
            };
            let mut sum = Confusion::new(&classes);
            predictions.confusion_by_subject(&classes).iter().for_each(|(_, person)| sum += person);
            prop_assert_eq!(sum, predictions.confusion(&classes));
        }
    }
}
