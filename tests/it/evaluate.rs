//! Scores, controls, ledger and run folder, on a made corpus whose classes are known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use biossl::base::{Chosen, Registry, SignalKind, Watch, overlay, parse_table};
use biossl::data::splits::{DrawContext, PLANS, RejectScope, TestLedger};
use biossl::data::store::Store;
use biossl::judging::downstream::{Bench, DOWNSTREAM, Way};
use biossl::judging::evaluate::{EvaluateSettings, Evaluated, Evaluation, PretrainedArm, Round};
use biossl::learning::nn::{ENCODERS, Encoder, Group};
use biossl::learning::train::Synthetic;
use biossl::runs::{Existing, PredictionTable, RunFolder};
use candle_core::{DType, Device};

fn choose<T: ?Sized>(registry: &Registry<T>, settings: &str) -> Chosen<T> {
    registry.choose(SignalKind::Eeg, &parse_table(settings).unwrap(), 0..0).unwrap()
}

fn store(folder: &Path) -> Store {
    let path = folder.join("synthetic.h5");
    Synthetic::new(1).write(&path).unwrap();
    Store::open(&path).unwrap()
}

struct Outcome {
    evaluated: Evaluated,
    predictions: PredictionTable,
    /// Of the pretrained encoder, before and after.
    weights: [Vec<f32>; 2],
    ledger: TestLedger,
}

/// One fold, one seed, one arm whose weights are another seed's random ones.
fn judge(store: &Store, ways: &str) -> Outcome {
    judge_with(store, ways, "", &[1])
}

/// The same with keys of `evaluate`, and a round a seed.
fn judge_with(store: &Store, ways: &str, settings: &str, seeds: &[u64]) -> Outcome {
    let plan = choose(&PLANS, "name = \"shares\"");
    let context = DrawContext {
        pool_excludes: store.pool_excludes(),
        spec: store.spec(),
        recipe_hash: "r",
        rejects: RejectScope::Training,
    };
    let split = plan.choice.draw(store.table(), &context).unwrap().remove(0);
    let encoder = choose(&ENCODERS, "name = \"eeg-sacl\"\nwidth = 0.25").choice.build(8, 128).unwrap();
    let encoder: &dyn Encoder = &*encoder;
    let layout = std::sync::Arc::clone(encoder.layout());
    let group = Group::new(layout, 5, 0, &Device::Cpu, DType::F32).unwrap();
    let numbers = |group: &Group| [group.to_vec().unwrap(), group.running_to_vec().unwrap().1].concat();
    let before = numbers(&group);
    let ways: Vec<Way> = ways.split(';').map(|way| choose(&DOWNSTREAM, way).into()).collect();
    let settings = overlay(&EvaluateSettings::defaults(SignalKind::Eeg), &parse_table(settings).unwrap(), &[]).unwrap();
    let split = split.with_labels(store.table(), settings.labels()).unwrap();
    let ledger = TestLedger::beside(store.path(), "test");
    let watch = Watch::default();
    let mut evaluation =
        Evaluation::new(store, std::slice::from_ref(&split), &ways, &settings, (ledger, plan.choice.seed())).unwrap();
    let arms = [PretrainedArm { name: "base", group: &group, steps: 7 }];
    for &seed in seeds {
        let round = Round { split: &split, seed, encoder, arms: &arms, seen: None, device: &Device::Cpu };
        evaluation.judge(&round, &mut Bench::silent(&watch)).unwrap();
    }
    Outcome {
        evaluated: evaluation.finish().unwrap(),
        predictions: evaluation.predictions(),
        weights: [before, numbers(&group)],
        ledger: TestLedger::beside(store.path(), "test"),
    }
}

const WAYS: &str =
    "name = \"linear\"\nc = [0.01, 1.0]\ntau = [0.0]\n;name = \"fine-tune\"\nepochs = 2\nlearning_rates = [1e-3]";

#[test]
fn controls_stand_beside_the_arms_and_every_test_row_is_predicted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let found = judge(&store, WAYS);
    let expected = ["majority", "random-linear", "base-linear", "base-fine-tune", "end-to-end"];
    let mut rows: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for row in &found.predictions.rows {
        rows.entry(&row.arm).or_default().push(row.row);
        assert!((row.probability.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), expected.into_iter().collect());
    for rows in rows.values() {
        assert_eq!((rows.len(), rows.iter().collect::<BTreeSet<_>>().len()), (128, 128));
    }
    // Half of the windows of each person are of each class.
    assert_eq!(found.evaluated.score("majority", "accuracy", None).unwrap().value, Some(0.5));
    assert_eq!(found.evaluated.score("majority", "kappa", None).unwrap().value, Some(0.0));
    let page = found.evaluated.to_string();
    assert!(page.contains("n = 2 people, no interval"), "{page}");
    assert!(page.contains("who is it?") && page.contains("above: (accuracy - chance)"), "{page}");
    assert!(found.evaluated.scores.iter().all(|score| score.low.is_none() && score.n_subjects == 2));
}

#[test]
fn a_pipeline_without_a_probe_still_has_the_random_encoder_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let found = judge(&store, "name = \"fine-tune\"\nepochs = 1\nlearning_rates = [1e-3]");
    let arms: BTreeSet<&str> = found.evaluated.scores.iter().map(|score| score.arm.as_str()).collect();
    assert_eq!(arms.into_iter().collect::<Vec<_>>(), ["base-fine-tune", "end-to-end", "majority", "random-linear"]);
}

#[test]
fn the_test_is_read_once_an_arm_and_the_budget_is_equal() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let found = judge(&store, WAYS);
    let readings = found.ledger.readings().unwrap();
    assert_eq!(readings.iter().map(|reading| reading.ordinal).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let reads = |arm: &str| found.evaluated.score(arm, "accuracy", None).unwrap().test_reads;
    assert_eq!([reads("majority"), reads("end-to-end")], [1, 5]);
    let again = judge(&store, WAYS);
    assert_eq!(again.evaluated.score("majority", "accuracy", None).unwrap().test_reads, 6);
    let updates = |arm: &str| found.evaluated.efforts.iter().find(|effort| effort.arm == arm).unwrap().effort.updates;
    // 512 training windows in batches of 128: 4 updates an epoch, and the arm was pretrained for 7.
    assert_eq!([updates("base-linear"), updates("base-fine-tune"), updates("end-to-end")], [0, 8, 15]);
    assert_eq!(found.weights[0], found.weights[1], "probe and fine-tuning leave the encoder's bytes as they are");
}

#[test]
fn neighbours_tuning_fewer_labels_and_more_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let ways = "name = \"knn\"\nk = [1, 5]\n;name = \"fine-tune\"\nepochs = 1\nlearning_rates = [1e-3, 1e-5]";
    let found = judge_with(&store, ways, "tune = true\nlabels = { share = 0.25 }", &[1, 2]).evaluated;
    let effort = |arm: &str, seed: u64| {
        let found = found.efforts.iter().find(|effort| effort.arm == arm && effort.seed == seed);
        found.unwrap_or_else(|| panic!("{arm}")).clone()
    };
    // Both numbers of neighbours, both rates; the second seed keeps the first one's rate.
    let tried = |arm: &str| [effort(arm, 1).effort.tried, effort(arm, 2).effort.tried];
    assert_eq!(tried("base-knn"), [2, 2]);
    assert_eq!([tried("base-fine-tune"), tried("end-to-end"), tried("end-to-end-tuned")], [[2, 1]; 3]);
    assert_eq!(tried("random-knn"), [2, 2]);
    let rate = |arm: &str, seed| effort(arm, seed).choice.split("learning rate ").nth(1).unwrap()[..5].to_owned();
    assert_eq!(rate("end-to-end", 1), rate("end-to-end", 2));
    // A quarter of 512 training windows: one epoch of four batches of 32.
    assert_eq!(effort("base-fine-tune", 1).effort.windows, 128);
    assert_eq!(found.seeds, [1, 2]);
}

#[test]
fn rr_features_are_refused_where_no_row_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let refused = std::panic::catch_unwind(|| judge_with(&store, "name = \"knn\"", "rr = [\"rr\"]", &[1]));
    let message = *refused.err().unwrap().downcast::<String>().unwrap();
    assert!(message.contains("NoRr") && message.contains("player-"), "{message}");
}

#[test]
fn rr_features_stand_beside_the_embeddings_of_all_arms() {
    let store = Store::open(&super::cli::tiny_run().join("tiny.h5")).unwrap();
    let plan = choose(&PLANS, "name = \"shares\"");
    let context = DrawContext {
        pool_excludes: store.pool_excludes(),
        spec: store.spec(),
        recipe_hash: "r",
        rejects: RejectScope::Training,
    };
    let split = plan.choice.draw(store.table(), &context).unwrap().remove(0);
    let encoder = choose(&ENCODERS, "name = \"ecg-sacl\"\nwidth = 0.0625").choice.build(2, 704).unwrap();
    let way = |text| Way::from(choose(&DOWNSTREAM, text));
    let ways = [
        way("name = \"linear\"\nc = [1.0]\ntau = [0.5]"),
        way("name = \"knn\"\nk = [5]"),
        way("name = \"fine-tune\"\nepochs = 1\nlearning_rates = [1e-3]\nbalance = \"logit-adjusted\""),
    ];
    let defaults = EvaluateSettings::defaults(SignalKind::Ecg);
    let keys = parse_table("rr = [\"none\", \"rr\"]\nlabels = { share = 0.3 }").unwrap();
    let settings: EvaluateSettings = overlay(&defaults, &keys, &[]).unwrap();
    let split = split.with_labels(store.table(), settings.labels()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = TestLedger::beside(&folder.path().join("s.h5"), "test");
    let watch = Watch::default();
    let splits = std::slice::from_ref(&split);
    let mut evaluation = Evaluation::new(&store, splits, &ways, &settings, (ledger, 0)).unwrap();
    let round = Round { split: &split, seed: 1, encoder: &*encoder, arms: &[], seen: None, device: &Device::Cpu };
    evaluation.judge(&round, &mut Bench::silent(&watch)).unwrap();
    let table = evaluation.predictions();
    let of = |arm: &str| -> Vec<Vec<f32>> {
        table.rows.iter().filter(|row| row.arm == arm).map(|row| row.probability.clone()).collect()
    };
    for arm in ["random-linear", "random-knn", "end-to-end"] {
        let (without, with) = (of(arm), of(&format!("{arm}-rr")));
        assert!(!without.is_empty() && without.len() == with.len() && without != with, "{arm}");
        assert!(with.iter().flatten().all(|p| p.is_finite()));
    }
    let found = evaluation.finish().unwrap();
    let pairs: Vec<(&str, &str)> =
        found.comparisons.iter().map(|one| (one.first.as_str(), one.second.as_str())).collect();
    assert!(pairs.contains(&("random-knn-rr", "random-knn")), "{pairs:?}");
}

#[test]
fn stored_predictions_give_the_stored_scores() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let found = judge(&store, WAYS);
    let run = RunFolder::create(&folder.path().join("run"), Existing::Refuse, "a test").unwrap();
    run.write_predictions(&found.predictions).unwrap();
    run.write_scores(&found.evaluated.scores).unwrap();
    // Counted by hand from the file, as somebody without this library would.
    let mut csv = csv::Reader::from_path(run.path().join("predictions.csv")).unwrap();
    let mut right: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let header: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[..8].join(","), "arm,seed,fold,row,subject,recording,event,truth");
    for record in csv.records() {
        let record = record.unwrap();
        let probability: Vec<f32> = record.iter().skip(8).map(|text| text.parse().unwrap()).collect();
        let answer = usize::from(probability[1] > probability[0]);
        let count = right.entry(record[0].to_owned()).or_default();
        count.0 += u32::from(header[8 + answer] == format!("p_{}", &record[7]));
        count.1 += 1;
    }
    let scores: Vec<serde_json::Value> = run.read_scores().unwrap();
    for (arm, (right, all)) in right {
        let found = scores
            .iter()
            .find(|score| score["arm"] == arm.as_str() && score["metric"] == "accuracy" && score["seed"].is_null());
        assert_eq!(found.unwrap()["value"].as_f64().unwrap(), f64::from(right) / f64::from(all), "{arm}");
    }
}

#[test]
fn one_and_two_threads_give_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| judge(&store, WAYS)).predictions
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn training_from_a_random_start_learns_the_classes_of_unseen_people() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let ways =
        "name = \"linear\"\nc = [0.01, 1.0]\ntau = [0.0]\n;name = \"fine-tune\"\nepochs = 8\nlearning_rates = [3e-3]";
    let found = judge(&store, ways).evaluated;
    let accuracy = |arm: &str| found.score(arm, "accuracy", None).unwrap().value.unwrap();
    assert!(accuracy("end-to-end") > 0.8 && accuracy("base-fine-tune") > 0.8, "{found}");
    let choices: Vec<&str> = found.efforts.iter().map(|effort| effort.choice.as_str()).collect();
    assert!(choices.iter().any(|choice| choice.contains("learning rate 0.003, epoch")), "{choices:?}");
}
