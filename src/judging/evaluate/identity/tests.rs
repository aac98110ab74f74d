//! Parting, knowing again, and the scores of it.

use super::*;
use crate::signal::{RecordingEntry, SubjectId};

/// People with so many windows of 100 samples, one after the other in one recording each.
fn table(windows: &[i64]) -> WindowTable {
    let mut table = WindowTable::default();
    for (person, &n) in (0_u32..).zip(windows) {
        table.subjects.push(SubjectId(format!("P{person}")));
        table.recordings.push(RecordingEntry {
            id: format!("R{person}"),
            subject: person,
            session: 1,
            run_number: None,
            samples: 100 * n as u64,
            content_hash: String::new(),
            sources: [].into(),
            leads: vec![],
        });
        table.rows.extend((0..n).map(|index| WindowRow {
            subject: person,
            recording: person,
            start: 100 * index,
            event: None,
            label: None,
            trial_samples: 100,
            padding: 0,
            left: 0,
            right: 0,
            reject: None,
            warm_up: false,
            rr: None,
        }));
    }
    table
}

#[test]
fn halves_are_parted_by_a_gap_and_equal_for_everybody() {
    let table = table(&[60, 40, 20]);
    let rows: Vec<u32> = (0..120).collect();
    let parted = part_rows(&table, &rows, (250, &[]), |row| row.start + 100);
    // The third person has 10 windows in the first half, and 8 behind the gap in the second.
    assert_eq!((parted.left_out.as_slice(), parted.halves.len()), (&["P2".to_owned()][..], 2));
    for [first, second] in parted.halves.values() {
        assert_eq!((first.len(), second.len()), (20, 17));
        let end = |row: &u32| table.rows[*row as usize].start + 100;
        assert!(second.iter().all(|row| table.rows[*row as usize].start >= end(first.last().unwrap()) + 250));
    }
}

#[test]
fn people_with_places_of_their_own_are_known_and_people_without_are_not() {
    let table = table(&[60, 60, 60]);
    let rows: Vec<u32> = (0..180).collect();
    let parted = part_rows(&table, &rows, (0, &[]), |row| row.start + 100);
    let with = |place: &dyn Fn(u32) -> f32| {
        let row = |row: u32| {
            let noise = (0..4).map(|column| ((row * 31 + column * 17) as f32 * 0.7).sin());
            (row, noise.chain([place(row)]).collect())
        };
        let embedded = Embedded { by_row: rows.iter().map(|&index| row(index)).collect() };
        let counts = who_is_it(&embedded, &parted, 1).unwrap().counts;
        counts.into_iter().fold([0; 3], |sum, (_, count)| [0, 1, 2].map(|index| sum[index] + count[index]))
    };
    let [windows, linear, two_layer] = with(&|row| (row / 60) as f32 * 3.0);
    assert_eq!((windows, linear, two_layer), (90, 90, 90));
    let [_, linear, two_layer] = with(&|_| 0.0);
    // 30 of 90 by chance, give or take 4.5: 45 is more than three times that away.
    assert!(linear < 45 && two_layer < 45, "{linear} {two_layer}");
}

#[test]
fn scores_are_means_over_people_with_chance_of_each_fold() {
    let count = |seed, fold, subject: &str, linear| IdentityCount {
        encoder: "base".to_owned(),
        seed,
        fold,
        crowd: Crowd::Pool,
        subject: subject.to_owned(),
        windows: 10,
        linear,
        two_layer: 10,
        converged: true,
    };
    // Two folds of two and of four people; one person is in both.
    let mut counts = vec![count(1, 0, "A", 10), count(1, 0, "B", 0)];
    counts.extend(["A", "C", "D", "E"].map(|id| count(1, 1, id, 5)));
    let found = scores(&counts, Bootstrap::new(0), |_| None);
    assert_eq!((found.len(), found[0].n_subjects, found[0].fold_subjects), (2, 5, [2, 4]));
    // A: half of the windows among two and half among four; B among two; the others among four.
    assert!((found[0].chance - (0.375 + 0.5 + 3.0 * 0.25) / 5.0).abs() < 1e-12, "{}", found[0].chance);
    // A: 15 of 20, B: none, three others: half.
    assert!((found[0].accuracy.unwrap() - (0.75 + 0.0 + 1.5) / 5.0).abs() < 1e-12);
    assert_eq!((found[1].accuracy, found[1].above_chance, found[1].low), (Some(1.0), Some(1.0), None));
}

/// The two-layer classifier once more, by tensors that find their own gradients.
fn by_tensors(
    (train, labels): (ArrayView2<'_, f32>, &[u16]),
    test: ArrayView2<'_, f32>,
    people: usize,
) -> Vec<Vec<f32>> {
    use crate::learning::nn::cross_entropy;
    use crate::learning::train::{OptimiserName, OptimiserSettings, Optimisers, Trained};
    use candle_core::Tensor;

    let each = labels.len() / people;
    let (held, learnt): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| row % each >= each * 4 / 5);
    let tensor = |rows: ArrayView2<'_, f32>| {
        Tensor::from_vec(rows.iter().copied().collect::<Vec<f32>>(), rows.dim(), &Device::Cpu).unwrap()
    };
    let part = |rows: &[usize]| {
        let targets: Vec<u32> = rows.iter().map(|&row| u32::from(labels[row])).collect();
        (tensor(train.select(Axis(0), rows).view()), targets)
    };
    let ((learnt, targets), (held, held_targets)) = (part(&learnt), part(&held));
    let head = Mlp::new(&[train.ncols(), HIDDEN, people]);
    let group = Group::new(Arc::clone(head.layout()), 7, FIRST_TENSOR, &Device::Cpu, DType::F32).unwrap();
    let settings = OptimiserSettings { name: OptimiserName::Adamw, weight_decay: 1e-4 };
    let mut optimisers = Optimisers::new(settings, f64::INFINITY);
    let mut best: Option<(f32, Group)> = None;
    for _ in 0..200 {
        let loss = cross_entropy(&head.forward(&learnt, &group.weights()).unwrap(), &targets, None).unwrap();
        let trained = [Trained { name: "identity", group: &group, rate_factor: 1.0 }];
        optimisers.step(&trained, &loss.backward().unwrap(), 1e-3).unwrap();
        let now = cross_entropy(&head.forward(&held, &group.weights()).unwrap(), &held_targets, None).unwrap();
        let now = now.to_scalar::<f32>().unwrap();
        if best.as_ref().is_none_or(|(least, _)| now < *least) {
            best = Some((now, group.twin().unwrap()));
        }
    }
    head.forward(&tensor(test), &best.unwrap().1.weights()).unwrap().to_vec2().unwrap()
}

#[test]
fn the_second_classifier_is_the_one_that_tensors_train() {
    let rows = |shift: usize| {
        Array2::from_shape_fn((60, 6), |(row, column)| {
            let noise = (((row + shift) * 13 + column * 29) as f32 * 0.83).sin();
            noise + if column == row / 20 { 0.8 } else { 0.0 }
        })
    };
    let labels: Vec<u16> = (0..60).map(|row| row / 20).collect();
    let (train, test) = (rows(0), rows(60));
    let found = two_layer((train.view(), &labels), test.view(), 3, 7).unwrap();
    let expected = by_tensors((train.view(), &labels), test.view(), 3);
    for (found, expected) in found.iter().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
}

#[test]
fn a_half_ends_with_its_recording_or_a_gap() {
    // One person, two recordings of 24 windows: the border lies between them, so nothing is lost.
    let mut table = table(&[24, 24]);
    table.rows.iter_mut().for_each(|row| row.subject = 0);
    let rows: Vec<u32> = (0..48).rev().collect();
    let parted = part_rows(&table, &rows, (1000, &[]), |row| row.start + 100);
    let [first, second] = &parted.halves[&0];
    assert_eq!((first.clone(), second.clone()), ((0..24).collect(), (24..48).collect()));
    assert!(!parted.is_possible());
    // The runs' order counts, not that of the store.
    table.recordings[0].run_number = Some(8);
    table.recordings[1].run_number = Some(4);
    let parted = part_rows(&table, &rows, (1000, &[]), |row| row.start + 100);
    assert_eq!(parted.halves[&0][0], (24..48).collect::<Vec<u32>>());
    assert_eq!(parted.fewer(12).halves[&0][1], (0..24).step_by(2).collect::<Vec<u32>>());
}

#[test]
fn the_task_is_that_of_the_same_embeddings() {
    let arm = |name: &str, encoder: Option<&str>, way: &str| ArmName {
        name: name.to_owned(),
        encoder: encoder.map(str::to_owned),
        way: way.to_owned(),
        rr: crate::judging::downstream::RrChoice::NONE,
        seeds: vec![1],
    };
    let arms = [
        arm("majority", None, "majority"),
        arm("random-linear", None, "linear"),
        arm("base-fine-tune", Some("base"), "fine-tune"),
        arm("base-linear", Some("base"), "linear"),
    ];
    let name = |encoder| task_arm(&arms, encoder).map(|arm| arm.name.as_str());
    assert_eq!([name("base"), name(RANDOM), name("other")], [Some("base-linear"), Some("random-linear"), None]);
    assert_eq!(task_arm(&arms[..3], "base"), None);
    // What RR features add is no worth of the embeddings.
    let rr: crate::judging::downstream::RrChoice = serde_json::from_str("\"rr\"").unwrap();
    let beside = ["random", "base"].map(|encoder| {
        let of = Some(encoder).filter(|encoder| *encoder != RANDOM);
        ArmName { rr: rr.clone(), ..arm(&format!("{encoder}-linear-rr"), of, "linear") }
    });
    assert_eq!([task_arm(&beside, RANDOM), task_arm(&beside, "base")], [None, None]);
    let both = [&beside[..], &arms[..]].concat();
    assert_eq!(task_arm(&both, RANDOM).map(|arm| arm.name.as_str()), Some("random-linear"));
}

#[test]
fn rejected_windows_and_those_of_no_pool_are_in_no_half() {
    let mut table = table(&[60, 60, 60]);
    let bad: Vec<u32> = (0..60).step_by(3).chain(120..180).collect();
    for &row in &bad {
        table.rows[row as usize].reject = Some(crate::signal::Reject::Amplitude);
    }
    for row in (61..120).step_by(2) {
        table.rows[row].label = Some(4);
    }
    let rows: Vec<u32> = (0..180).collect();
    let parted = part_rows(&table, &rows, (0, &[4]), |row| row.start + 100);
    // The third person has no other windows, and is named.
    assert_eq!((parted.left_out.as_slice(), parted.halves.len()), (&["P2".to_owned()][..], 2));
    let asked = parted.rows();
    assert!(asked.iter().all(|row| !bad.contains(row) && table.rows[*row as usize].label != Some(4)));
    assert_eq!(asked.len(), 2 * (15 + 15));
}

#[test]
fn nobody_is_known_by_embeddings_that_are_not_finite() {
    let table = table(&[60, 60]);
    let rows: Vec<u32> = (0..120).collect();
    let parted = part_rows(&table, &rows, (0, &[]), |row| row.start + 100);
    let value = |row: u32| if row % 50 == 7 { f32::NAN } else { row as f32 };
    let embedded = Embedded { by_row: rows.iter().map(|&row| (row, vec![0.5, value(row)])).collect() };
    let error = who_is_it(&embedded, &parted, 1).unwrap_err();
    assert!(matches!(error, EvaluateError::NotFinite { rows: 3, of: 120, first: 7 }), "{error}");
}
