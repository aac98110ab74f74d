//! Loaders against direct reading of the store.

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::{Array2, Array3, s};

use super::partners::{PartnerIndex, overlap};
use super::*;
use crate::base::{Purpose, SignalKind, StreamKey, canonical_json, parse_table};
use crate::data::splits::{DrawContext, PLANS, RejectScope, Split};
use crate::data::store::{self, Compression, Store, StoreHeader};
use crate::learning::augment::{AugmentationConfig, Jigsaw, WaferMap, WaferViews};
use crate::learning::awareness::{PositiveRule, Positives};
use crate::signal::{
    Normalisation, RecordingEntry, Reject, SubjectId, Unit, WindowChannel, WindowRow, WindowSpec, WindowTable,
};

const SPEC: WindowSpec = WindowSpec {
    rate_hz: 160.0,
    length: 20,
    span: 30,
    margin: 6,
    eval_offset: 4,
    normalisation: Normalisation::Window,
};
const CHANNELS: usize = 3;

/// Ten people, a recording each; stretches of 20 to 30 samples, every third of which overlaps its neighbour.
fn table() -> WindowTable {
    let mut table = WindowTable { classes: vec!["a".into(), "b".into()], ..WindowTable::default() };
    for person in 0..10_u32 {
        table.subjects.push(SubjectId(format!("P{person}")));
        table.recordings.push(RecordingEntry {
            id: format!("R{person}"),
            subject: person,
            session: 1,
            run_number: None,
            samples: 1000,
            content_hash: format!("{person}"),
            sources: [].into(),
            leads: vec![],
        });
        for i in 0..9_u32 {
            let trial_samples = 20 + (i + person) % 11;
            table.rows.push(WindowRow {
                subject: person,
                recording: person,
                start: i64::from(40 * i) - if i % 3 == 2 { 25 } else { 0 },
                event: (i % 2 == 0).then_some(i64::from(40 * i)),
                label: Some((i % 2) as u16),
                trial_samples,
                padding: 0,
                left: (i % 7).min(SPEC.margin),
                right: i % 3,
                reject: (i == 8).then_some(Reject::Flat),
                warm_up: false,
                rr: None,
            });
        }
    }
    table
}

fn made_store(folder: &Path, table: &WindowTable) -> Store {
    let channel = |c: usize| WindowChannel { label: format!("C{c}"), unit: Unit::Microvolt };
    let header = StoreHeader {
        kind: SignalKind::Eeg,
        corpus: "made".into(),
        channels: (0..CHANNELS).map(channel).collect(),
        spec: SPEC,
        recipe_json: canonical_json(&serde_json::json!({})),
        pool_excludes: vec![],
        compression: Compression::None,
    };
    let samples = Array3::from_shape_fn((table.rows.len(), CHANNELS, SPEC.stored()), |(row, c, i)| {
        // Squares: rows of a linear sequence would differ by a constant, which normalising takes away.
        let x = (row * 7919 + c * 104_729 + i * 1_299_709).pow(2) % 10_007;
        x as f32 * 0.01 + (i as f32 * 0.4).sin() * 30.0
    });
    let path = folder.join("made.h5");
    store::write(&path, header, samples.view(), table).unwrap();
    Store::open(&path).unwrap()
}

fn split(store: &Store) -> Split {
    let plan = (PLANS.find("shares").unwrap().read)(SignalKind::Eeg, &parse_table("").unwrap()).unwrap();
    let context = DrawContext {
        pool_excludes: &[],
        spec: store.spec(),
        recipe_hash: store.recipe_hash(),
        rejects: RejectScope::Training,
    };
    plan.draw(store.table(), &context).unwrap().remove(0)
}

const LOADING: PoolLoading =
    PoolLoading { seed: 3, batch: 7, views: 2, partners: PartnerScope::Pool, positives: PositiveRule::WINDOW };

fn chain(list: &str) -> AugmentationConfig {
    let text = format!("augment = {list}");
    let table = parse_table(&text).unwrap();
    AugmentationConfig::read(SignalKind::Eeg, table.get("augment").unwrap()).unwrap()
}

fn full_chain() -> AugmentationConfig {
    chain(
        "[{ name = \"temporal-delay\", delay_s = 0.03 }, { name = \"signal-mixing\", probability = 0.7 }, \
         { name = \"bandstop\" }, { name = \"gaussian-noise\" }, { name = \"temporal-cutout\", fill = \"other\" }, \
         { name = \"sensor-dropout\" }]",
    )
}

/// A cut of a row that begins `offset` samples after its start, scaled by the nominal window at `nominal`.
fn direct(store: &Store, row: u32, nominal: i64, offset: i64) -> Array2<f32> {
    let at = |offset: i64| {
        let first = (i64::from(SPEC.margin) + offset) as usize;
        store.row(row).unwrap().slice(s![.., first..first + 20]).mapv(f64::from)
    };
    let (window, mut cut) = (at(nominal), at(offset));
    for (from, mut to) in window.rows().into_iter().zip(cut.rows_mut()) {
        let (mean, deviation) = (from.mean().unwrap(), from.std(0.0));
        to.mapv_inplace(|x| (x - mean) / deviation);
    }
    cut.mapv(|x| x as f32)
}

fn window(batch: &HostBatch, view: usize, i: usize) -> Array2<f32> {
    let size = batch.channels * batch.length;
    let samples = batch.views[view][i * size..][..size].to_vec();
    Array2::from_shape_vec((batch.channels, batch.length), samples).unwrap()
}

fn close(a: &Array2<f32>, b: &Array2<f32>) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

#[test]
fn an_epoch_holds_every_pool_window_once_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let loading = PoolLoading { batch: 6, ..LOADING };
    let loader = PoolLoader::new(&store, split.pool(), &full_chain(), loading).unwrap();
    assert_eq!((loader.n_windows(), loader.n_subjects(), loader.n_batches()), (6 * 8, 6, 8));
    let mut orders = BTreeSet::new();
    for epoch in 0..3 {
        let batches: Vec<HostBatch> = (0..8).map(|index| loader.batch(epoch, index).unwrap()).collect();
        let mut rows: Vec<u32> = batches.iter().flat_map(|batch| batch.rows[0].clone()).collect();
        orders.insert(rows.clone());
        rows.sort_unstable();
        assert_eq!(rows, split.pool().rows());
        for batch in &batches {
            for ((row, slot), subject) in batch.rows[0].iter().zip(&batch.slots).zip(&batch.subject) {
                assert_eq!(split.pool().rows()[*slot as usize], *row);
                assert_eq!(split.pool().subjects()[*subject as usize], store.table().rows[*row as usize].subject);
            }
        }
    }
    assert_eq!(orders.len(), 3, "each epoch has its own order");
}

#[test]
fn windows_that_fill_no_batch_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let loader = PoolLoader::new(&store, split.pool(), &full_chain(), LOADING).unwrap();
    let rows: BTreeSet<u32> =
        (0..loader.n_batches()).flat_map(|index| loader.batch(0, index).unwrap().rows.remove(0)).collect();
    assert_eq!((loader.n_batches(), rows.len()), (6, 42));
    let refused = PoolLoader::new(&store, split.pool(), &full_chain(), PoolLoading { batch: 49, ..LOADING });
    assert!(matches!(refused.err(), Some(LoaderError::Batch { n_windows: 48, batch: 49 })));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let loader = PoolLoader::new(&store, split.pool(), &full_chain(), LOADING).unwrap();
    let batches = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (0..20).map(|step| loader.step(step).unwrap()).collect::<Vec<_>>())
    };
    let one = batches(1);
    assert!(one == batches(2) && one == batches(5));
    assert_ne!(one[0].views[0], one[0].views[1], "views are drawn apart");
}

#[test]
fn a_resumed_or_prefetching_loader_gives_the_same_batches() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let loader = PoolLoader::new(&store, split.pool(), &full_chain(), LOADING).unwrap();
    let unbroken: Vec<HostBatch> = (0..15).map(|step| loader.step(step).unwrap()).collect();
    assert_eq!(unbroken[8], loader.batch(1, 2).unwrap());
    let resumed = PoolLoader::new(&store, split.pool(), &full_chain(), LOADING).unwrap();
    assert!(unbroken[8..].iter().eq((8..15).map(|step| resumed.step(step).unwrap()).collect::<Vec<_>>().iter()));
    std::thread::scope(|scope| {
        assert!(Prefetch::start(scope, &resumed, 0..15).map(Result::unwrap).eq(unbroken.iter().cloned()));
        // Given up early: the thread must end, or this scope never would.
        assert_eq!(Prefetch::start(scope, &resumed, 3..u64::MAX).next().unwrap().ok().as_ref(), Some(&unbroken[3]));
    });
}

#[test]
fn without_transforms_a_view_is_the_normalised_window_at_its_position() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let loader = PoolLoader::new(&store, split.pool(), &AugmentationConfig::none(), LOADING).unwrap();
    let mut positions = BTreeSet::new();
    for step in 0..60 {
        let batch = loader.step(step).unwrap();
        for (i, row) in batch.rows[0].iter().enumerate() {
            let places = store.table().rows[*row as usize].trial_samples - 20 + 1;
            let key = StreamKey::new(3, Purpose::Position).epoch((step / 6) as u32).row(*row);
            let position = i64::from(key.stream().below(places));
            positions.insert(position);
            assert!(close(&window(&batch, 0, i), &direct(&store, *row, position, position)));
            assert_eq!(window(&batch, 0, i), window(&batch, 1, i));
        }
    }
    assert_eq!(positions, (0..=10).collect(), "every position comes");
}

#[test]
fn views_of_a_pretext_task_come_after_the_augmented_ones_and_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let make = || PoolLoader::new(&store, split.pool(), &AugmentationConfig::none(), LOADING).unwrap();
    let wafer = make().with_pretext(Some(std::sync::Arc::new(WaferViews { change: WaferMap::Roll })));
    let batch = wafer.step(7).unwrap();
    assert_eq!(batch.views.len(), 4);
    for i in 0..batch.slots.len() {
        assert_eq!(window(&batch, 2, i), window(&batch, 0, i), "the plain window");
        let sorted = |view| {
            let mut samples = window(&batch, view, i).row(0).to_vec();
            samples.sort_by(f32::total_cmp);
            samples
        };
        assert_eq!(sorted(3), sorted(2));
    }
    assert_eq!(wafer.step(7).unwrap(), batch);
    let turned = (0..20).filter(|step| {
        let batch = wafer.step(*step).unwrap();
        batch.views[2] != batch.views[3]
    });
    assert_eq!(turned.count(), 20);
    let jigsaw = make().with_pretext(Some(std::sync::Arc::new(Jigsaw::new(20, 3, 4, 0.0, 6).unwrap())));
    let batch = jigsaw.step(0).unwrap().into_batch(&candle_core::Device::Cpu).unwrap();
    let (n, piece) = (batch.len(), 4);
    let lengths: Vec<usize> = batch.views.iter().map(|view| view.dims()[2]).collect();
    assert_eq!((lengths, batch.views[2].dims()), (vec![20, 20, piece, piece, piece], &[n, CHANNELS, piece][..]));
    assert_eq!(batch.rows.len(), 5);
}

#[test]
fn delay_stays_within_the_real_samples_of_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let list = chain("[{ name = \"temporal-delay\", delay_s = 0.0375 }]");
    let loader = PoolLoader::new(&store, split.pool(), &list, LOADING).unwrap();
    let mut delays = BTreeSet::new();
    for step in 0..60 {
        let batch = loader.step(step).unwrap();
        for (i, row) in batch.rows[0].iter().enumerate() {
            let of = &store.table().rows[*row as usize];
            let key = StreamKey::new(3, Purpose::Position).epoch((step / 6) as u32).row(*row);
            let position = i64::from(key.stream().below(of.trial_samples - 20 + 1));
            // Real samples end `left` before the stretch and `right` after it.
            let (first, last) = (-i64::from(of.left), i64::from(of.trial_samples + of.right) - 20);
            let view = window(&batch, 1, i);
            let begins = (first..=last).find(|offset| close(&view, &direct(&store, *row, position, *offset)));
            let begins = begins.expect("a view is a cut of the real samples");
            delays.insert(position - begins);
        }
    }
    assert_eq!(delays, (-6..=6).collect());
}

#[test]
fn partners_are_other_windows_of_the_pool_where_the_epoch_puts_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    // The whole window is replaced, so a view is its partner.
    let list = chain("[{ name = \"temporal-cutout\", low = 1, high = 1, fill = \"other\" }]");
    let loader = PoolLoader::new(&store, split.pool(), &list, LOADING).unwrap();
    let candidates = |epoch: u32| -> Vec<(u32, Array2<f32>)> {
        let at = |row: u32| {
            let places = store.table().rows[row as usize].trial_samples - 20 + 1;
            let key = StreamKey::new(3, Purpose::Position).epoch(epoch).row(row);
            let position = i64::from(key.stream().below(places));
            (row, direct(&store, row, position, position))
        };
        split.pool().rows().iter().map(|row| at(*row)).collect()
    };
    let mut seen = BTreeSet::new();
    for epoch in 0..4 {
        let candidates = candidates(epoch);
        for batch in (0..loader.n_batches()).map(|index| loader.batch(epoch, index).unwrap()) {
            for (i, row) in batch.rows[0].iter().enumerate() {
                let view = window(&batch, 0, i);
                let partner = candidates.iter().find(|(_, candidate)| close(&view, candidate));
                let (partner, _) = partner.expect("a partner is a window of the pool");
                let rows = &store.table().rows;
                assert!(!overlap(&rows[*row as usize], &rows[*partner as usize]));
                seen.insert(*partner);
            }
        }
    }
    assert!(seen.len() > 40, "of 48 windows, {} were partners", seen.len());
}

/// Rules that ask for other windows; starts of the made table lie about 0.25 s apart.
fn further_positives() -> [PositiveRule; 2] {
    [Positives::Neighbour, Positives::Subject].map(|positives| PositiveRule::new(positives, 0.3, SPEC.rate_hz))
}

#[test]
fn a_second_view_shows_a_positive_of_the_pool_at_its_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let rows = &store.table().rows;
    for positives in further_positives() {
        let loading = PoolLoading { positives, ..LOADING };
        let loader = PoolLoader::new(&store, split.pool(), &AugmentationConfig::none(), loading).unwrap();
        let mut seen = BTreeSet::new();
        for step in 0..60 {
            let batch = loader.step(step).unwrap();
            for (i, (&anchor, &positive)) in batch.rows[0].iter().zip(&batch.rows[1]).enumerate() {
                let (one, other) = (&rows[anchor as usize], &rows[positive as usize]);
                assert_eq!(split.pool().rows()[batch.positives[i] as usize], positive);
                assert!(anchor != positive && positives.covers(one.into(), other.into()), "{anchor} {positive}");
                for (view, row) in [(0, anchor), (1, positive)] {
                    let places = rows[row as usize].trial_samples - 20 + 1;
                    let key = StreamKey::new(3, Purpose::Position).epoch((step / 6) as u32).row(row);
                    let position = i64::from(key.stream().below(places));
                    assert!(close(&window(&batch, view, i), &direct(&store, row, position, position)));
                }
                seen.insert((anchor, positive));
            }
        }
        assert!(seen.len() >= 60, "{positives:?}: {} pairs", seen.len());
        assert_eq!(loader.n_alone(), 0);
    }
}

#[test]
fn a_positive_is_delayed_within_its_own_real_samples() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let list = chain("[{ name = \"temporal-delay\", delay_s = 0.0375 }]");
    let loading = PoolLoading { positives: further_positives()[1], ..LOADING };
    let loader = PoolLoader::new(&store, split.pool(), &list, loading).unwrap();
    let mut delays = BTreeSet::new();
    for step in 0..60 {
        let batch = loader.step(step).unwrap();
        for (i, row) in batch.rows[1].iter().enumerate() {
            let of = &store.table().rows[*row as usize];
            let key = StreamKey::new(3, Purpose::Position).epoch((step / 6) as u32).row(*row);
            let position = i64::from(key.stream().below(of.trial_samples - 20 + 1));
            let (first, last) = (-i64::from(of.left), i64::from(of.trial_samples + of.right) - 20);
            let view = window(&batch, 1, i);
            let begins = (first..=last).find(|offset| close(&view, &direct(&store, *row, position, *offset)));
            delays.insert(position - begins.expect("a view is a cut of the positive's real samples"));
        }
    }
    assert_eq!(delays, (-6..=6).collect());
}

#[test]
fn a_window_without_another_matches_itself_by_the_bits_of_the_plain_rule() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let split = split(&store);
    let loader = |positives, seed| {
        let loading = PoolLoading { seed, positives, ..LOADING };
        PoolLoader::new(&store, split.pool(), &full_chain(), loading).unwrap()
    };
    let plain = loader(PositiveRule::WINDOW, 3);
    // Nobody's next window begins so near.
    let alone = loader(PositiveRule::new(Positives::Neighbour, 0.05, SPEC.rate_hz), 3);
    assert_eq!((plain.n_alone(), alone.n_alone()), (48, 48));
    let batches = |loader: &PoolLoader<'_>| (0..15).map(|step| loader.step(step).unwrap()).collect::<Vec<_>>();
    assert!(batches(&plain) == batches(&alone));
    for positives in further_positives() {
        let drawn = batches(&loader(positives, 3));
        assert!(drawn == batches(&loader(positives, 3)), "the same seed draws the same");
        let of = |batches: &[HostBatch]| batches.iter().map(|batch| batch.rows[1].clone()).collect::<Vec<_>>();
        assert_ne!(of(&drawn), of(&batches(&loader(positives, 4))));
        for (drawn, plain) in drawn.iter().zip(batches(&plain)) {
            assert_eq!((&drawn.views[0], &drawn.rows[0]), (&plain.views[0], &plain.rows[0]), "anchors are the same");
            assert_ne!(drawn.views[1], plain.views[1]);
        }
        let pairs = |epoch: u32| {
            let batches = (0..6).map(|index| loader(positives, 3).batch(epoch, index).unwrap());
            batches.flat_map(|batch| batch.slots.into_iter().zip(batch.positives)).collect::<BTreeSet<_>>()
        };
        assert_ne!(pairs(0), pairs(1), "each epoch has its own draw");
    }
}

#[test]
fn evaluation_reads_trials_at_their_offset_and_other_rows_at_their_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let rows = [4, 0, 1, 80];
    let windows = evaluation_windows(&store, &rows).unwrap();
    for (row, window) in rows.iter().zip(windows.outer_iter()) {
        let offset = if store.table().rows[*row as usize].event.is_some() { 4 } else { 0 };
        assert!(close(&window.to_owned(), &direct(&store, *row, offset, offset)), "row {row}");
    }
}

#[test]
fn labelled_batches_hold_every_row_once_with_its_target() {
    let folder = tempfile::tempdir().unwrap();
    let store = made_store(folder.path(), &table());
    let rows: Vec<LabelledRow> =
        (0..10).map(|row| LabelledRow { row: 3 * row, subject: row, target: row % 2 }).collect();
    let loader = LabelledLoader::new(&store, rows.clone(), 1, 4);
    let batches: Vec<HostBatch> = (0..loader.n_batches()).map(|index| loader.batch(2, index).unwrap()).collect();
    assert_eq!(batches.iter().map(|batch| batch.slots.len()).collect::<Vec<_>>(), [4, 4, 2]);
    let mut seen = BTreeSet::new();
    for batch in &batches {
        let expected = evaluation_windows(&store, &batch.rows[0]).unwrap();
        assert_eq!(batch.views[0], expected.as_slice().unwrap());
        for (i, slot) in batch.slots.iter().enumerate() {
            let labelled = rows[*slot as usize];
            assert_eq!((batch.rows[0][i], batch.target.as_ref().unwrap()[i]), (labelled.row, labelled.target));
            seen.insert(*slot);
        }
    }
    assert_eq!(seen.len(), 10);
    assert_ne!(loader.batch(3, 0).unwrap().slots, batches[0].slots);
}

#[test]
fn a_partner_is_never_the_window_itself_nor_one_that_overlaps_it() {
    let table = table();
    let rows: Vec<u32> = (0..40).collect();
    let subject: Vec<u32> = rows.iter().map(|row| table.rows[*row as usize].subject).collect();
    for scope in [PartnerScope::Pool, PartnerScope::SamePerson] {
        let index = PartnerIndex::new(scope, &subject);
        index.check(scope, &table, &rows).unwrap();
        for slot in 0..40_u32 {
            let mut stream = StreamKey::new(1, Purpose::Transforms).row(slot).stream();
            let drawn: BTreeSet<u32> = (0..500).map(|_| index.draw(slot, &table, &rows, &mut stream)).collect();
            let allowed: BTreeSet<u32> = (0..40)
                .filter(|other| {
                    let (a, b) = (&table.rows[slot as usize], &table.rows[*other as usize]);
                    let shared = (a.start..a.start + i64::from(a.trial_samples))
                        .any(|t| (b.start..b.start + i64::from(b.trial_samples)).contains(&t));
                    !(a.recording == b.recording && shared) && (scope == PartnerScope::Pool || a.subject == b.subject)
                })
                .collect();
            assert_eq!(drawn, allowed, "{scope:?} {slot}");
        }
    }
    assert!(overlap(&table.rows[1], &table.rows[2]), "the table has windows that overlap");
}

#[test]
fn a_window_without_a_partner_is_refused_before_the_first_batch() {
    let mut table = table();
    let rows = [0, 1, 2];
    let index = PartnerIndex::new(PartnerScope::SamePerson, &[0; 3]);
    index.check(PartnerScope::SamePerson, &table, &rows).unwrap();
    for row in &mut table.rows[..3] {
        row.start = 5;
    }
    let refused = index.check(PartnerScope::SamePerson, &table, &rows);
    assert!(matches!(refused, Err(LoaderError::NoPartner { row: 0, scope: "the same person" })));
}

#[test]
fn the_synthetic_corpus_becomes_a_store_whose_pool_is_persons_0_to_7() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("synthetic.h5");
    let synthetic = crate::learning::train::Synthetic::new(1);
    synthetic.write(&path).unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(store.table(), &synthetic.table);
    let split = split(&store);
    assert_eq!(split.pool().subjects(), [0, 1, 2, 3, 4, 5, 6, 7]);
    // Nothing is normalised: evaluation reads the middle 128 samples as they are.
    let windows = evaluation_windows(&store, &[5, 700]).unwrap();
    assert_eq!(windows.slice(s![1, .., ..]), synthetic.samples.slice(s![700, .., 16..144]));
}
