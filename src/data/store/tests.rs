//! Written stores come back; damaged and foreign ones are refused.

use ndarray::{Array3, s};

use super::*;
use crate::base::sha256_hex;
use crate::data::store::{StoreWriter, write};
use crate::signal::{
    ExcludedRecording, FailedRecording, Normalisation, RecordingEntry, Reject, RrFeatures, SubjectId, Unit, WindowRow,
    WindowTable,
};

fn header() -> StoreHeader {
    let channel = |label: &str| WindowChannel { label: label.into(), unit: Unit::Millivolt };
    StoreHeader {
        kind: SignalKind::Ecg,
        corpus: "made-up".into(),
        channels: vec![channel("MLII"), channel("other")],
        spec: WindowSpec {
            rate_hz: 100.0,
            length: 6,
            span: 8,
            margin: 2,
            eval_offset: 1,
            normalisation: Normalisation::Window,
        },
        recipe_json: r#"{"low_hz":0.5}"#.into(),
        pool_excludes: vec![1],
        compression: Compression::None,
    }
}

fn table(n: u32) -> WindowTable {
    let recording = |i: u32| RecordingEntry {
        id: format!("r{i}"),
        subject: i,
        session: 1,
        run_number: (i == 1).then_some(7),
        samples: 1000,
        content_hash: "00".into(),
        sources: [("100.hea".to_owned(), format!("{i}"))].into(),
        leads: vec!["MLII".into(), format!("V{i}")],
    };
    let row = |i: u32| WindowRow {
        subject: i % 2,
        recording: i % 2,
        start: i64::from(i) * 10 - 4,
        event: (!i.is_multiple_of(3)).then_some(i64::from(i)),
        label: (!i.is_multiple_of(4)).then_some((i % 2) as u16),
        trial_samples: 6 + i % 3,
        padding: 1,
        left: 2,
        right: 3,
        reject: (i == 2).then_some(Reject::Flat),
        warm_up: i == 1,
        rr: (i != 3).then_some(RrFeatures([i as f32; RrFeatures::COUNT])),
    };
    WindowTable {
        subjects: vec![SubjectId("p0".into()), SubjectId("p1".into())],
        recordings: vec![recording(0), recording(1)],
        classes: vec!["N".into(), "Q".into()],
        rows: (0..n).map(|i| WindowRow { right: 2 + (8 - (6 + i % 3)), ..row(i) }).collect(),
        failed: vec![FailedRecording { id: "r2".into(), reason: "102.dat ends at byte 7".into() }],
        excluded: vec![ExcludedRecording { id: "r3".into(), reason: "paced".into() }],
    }
}

fn samples(n: usize) -> Array3<f32> {
    Array3::from_shape_fn((n, 2, 12), |(i, c, t)| (i * 100 + c * 20 + t) as f32)
}

fn written(folder: &Path) -> PathBuf {
    let path = folder.join("a.h5");
    write(&path, header(), samples(5).view(), &table(5)).unwrap();
    path
}

#[test]
fn store_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&written(folder.path())).unwrap();
    assert_eq!(store.table(), &table(5));
    assert_eq!(*store.header, header());
    assert_eq!(store.recipe_hash(), sha256_hex(header().recipe_json.as_bytes()));
    for row in 0..5 {
        assert_eq!(store.row(row).unwrap(), samples(5).slice(s![row as usize, .., ..]));
    }
}

#[test]
fn pieces_are_counted_from_the_start_of_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&written(folder.path())).unwrap();
    let mut into = Array3::zeros((2, 2, 6));
    let cuts = [Cut { row: 3, offset: -2 }, store.eval_cut(1)];
    store.gather(&cuts, into.view_mut()).unwrap();
    assert_eq!(into[[0, 1, 0]], 320.0);
    assert_eq!(into[[1, 0, 5]], 100.0 + 2.0 + 1.0 + 5.0);
    assert_eq!(store.eval_cut(0).offset, 0, "a sliding row is read from its start");
    for (row, offset) in [(3, -3), (3, 5), (5, 0), (0, i64::MAX), (0, i64::MIN)] {
        let error = store.gather(&[Cut { row, offset }], Array3::zeros((1, 2, 6)).view_mut()).unwrap_err();
        assert!(matches!(error.fault, StoreFault::Cut { .. }), "{error}");
    }
}

#[test]
fn same_content_gives_the_same_bytes_and_replaces_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = std::fs::read(written(folder.path())).unwrap();
    let second = std::fs::read(written(folder.path())).unwrap();
    assert_eq!(first, second);
    // Times would make them differ only now and then, so they are looked at.
    let file = hdf5::File::open(written(folder.path())).unwrap();
    for object in ["/", "samples", "rows", "recordings", "rows/start", "subjects", "recordings/id"] {
        let info = file.loc_info_by_name(object).unwrap();
        assert_eq!((info.btime, info.mtime, info.ctime), (0, 0, 0), "{object}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn unfinished_store_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let writer = StoreWriter::create(&path, header(), 5).unwrap();
    writer.put(0, samples(4).view()).unwrap();
    assert!(matches!(writer.finish(&table(5)).unwrap_err().fault, StoreFault::Writer { .. }));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn rows_beyond_the_announced_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let writer = StoreWriter::create(&folder.path().join("a.h5"), header(), 5).unwrap();
    assert!(matches!(writer.put(3, samples(3).view()).unwrap_err().fault, StoreFault::Writer { .. }));
}

#[test]
fn cut_file_is_refused_at_every_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut.h5");
    for share in 0..8 {
        crate::base::write_atomically(&cut, &whole[..whole.len() * share / 8]).unwrap();
        assert!(Store::open(&cut).is_err(), "{share}/8 of the file");
    }
}

/// A store changed by `change` after it was finished.
fn changed(folder: &Path, change: impl FnOnce(&hdf5::File) -> hdf5::Result<()>) -> StoreFault {
    let path = written(folder);
    let file = hdf5::File::open_rw(&path).unwrap();
    change(&file).unwrap();
    file.close().unwrap();
    assert!(matches!(refusal(&path), StoreFault::Seal), "the change shows before anything is parsed");
    seal::forge(&path);
    refusal(&path)
}

fn refusal(path: &Path) -> StoreFault {
    let Err(error) = Store::open(path) else { panic!("it was opened") };
    error.fault
}

#[test]
fn other_schema_version_and_other_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let fault = changed(folder.path(), |file| file.attr("schema_version")?.write_scalar(&99_u32));
    assert!(matches!(fault, StoreFault::Schema { found: 99, known: SCHEMA_VERSION }));
    let fault = changed(folder.path(), |file| file.delete_attr("format"));
    assert!(matches!(fault, StoreFault::NoStore));
}

#[test]
fn recipe_that_does_not_fit_its_hash_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fault = changed(folder.path(), |file| {
        file.attr("recipe")?.write_scalar(&r#"{"low_hz":1}"#.parse::<VarLenUnicode>().unwrap())
    });
    assert!(matches!(fault, StoreFault::Value { .. }));
}

#[test]
fn data_elsewhere_or_filtered_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fault = changed(folder.path(), |file| {
        file.unlink("samples")?;
        file.link_external("/etc/other.h5", "samples", "samples")
    });
    assert!(matches!(fault, StoreFault::Foreign { ref how, .. } if how == "a link to another file"), "{fault}");
    let fault = changed(folder.path(), |file| {
        file.unlink("samples")?;
        file.new_dataset::<f32>().shape((5, 2, 12)).chunk((1, 2, 12)).fletcher32().create("samples").map(drop)
    });
    assert!(matches!(fault, StoreFault::Foreign { ref how, .. } if how.contains("not deflate")), "{fault}");
    let fault = changed(folder.path(), |file| {
        file.group("rows")?.unlink("start")?;
        let column = file.group("rows")?.new_dataset::<i64>().shape(5).chunk(5).deflate(3).create("start")?;
        column.write_raw(&[0_i64; 5])
    });
    assert!(matches!(fault, StoreFault::Foreign { .. }), "{fault}");
    let fault = changed(folder.path(), |file| {
        file.unlink("samples")?;
        file.new_dataset::<f32>().shape((5, 2, 12)).external("raw.bin", 0, 480).create("samples").map(drop)
    });
    assert!(matches!(fault, StoreFault::Foreign { ref how, .. } if how == "stored in another file"), "{fault}");
}

#[test]
fn huge_and_wrong_shapes_are_refused_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let fault = changed(folder.path(), |file| {
        file.unlink("samples")?;
        file.new_dataset::<f32>().shape((5, 2, 1 << 40)).create("samples").map(drop)
    });
    assert!(matches!(fault, StoreFault::Shape { .. }), "{fault}");
    let fault = changed(folder.path(), |file| {
        file.unlink("subjects")?;
        file.new_dataset::<VarLenUnicode>().shape(1_usize << 40).create("subjects").map(drop)
    });
    assert!(matches!(fault, StoreFault::Shape { .. }), "{fault}");
}

#[test]
fn table_that_contradicts_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (column, value) in [
        ("label", 9),
        ("trial_samples", 2),
        ("left", 4),
        ("recording", 1),
        ("subject", 7),
        ("start", i64::MAX - 3),
        ("event", i64::MAX),
        ("reject", 4),
        ("warm_up", 2),
    ] {
        let fault = changed(folder.path(), |file| {
            let column = file.group("rows")?.dataset(column)?;
            let mut values = column.as_reader().conversion(hdf5::Conversion::Soft).read_1d::<i64>()?;
            values[0] = value;
            column.as_writer().conversion(hdf5::Conversion::Soft).write(&values)
        });
        assert!(matches!(fault, StoreFault::Value { .. }), "{column}: {fault}");
    }
}

fn compressed(folder: &Path) -> PathBuf {
    let path = folder.join("z.h5");
    let header = StoreHeader { compression: Compression::Deflate(4), ..header() };
    write(&path, header, samples(5).view(), &table(5)).unwrap();
    path
}

#[test]
fn compressed_store_holds_the_same_and_leaves_no_waiting_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&compressed(folder.path())).unwrap();
    assert_eq!((store.table(), store.header.compression), (&table(5), Compression::Deflate(4)));
    for row in 0..5 {
        assert_eq!(store.row(row).unwrap(), samples(5).slice(s![row as usize, .., ..]));
    }
    store.check_samples(0..5).unwrap();
    let mut into = Array3::zeros((1, 2, 6));
    store.gather(&[Cut { row: 3, offset: -2 }], into.view_mut()).unwrap();
    assert_eq!(into[[0, 1, 0]], 320.0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // HDF5 itself reads the same through its own filters.
    let file = hdf5::File::open(store.path()).unwrap();
    assert_eq!(file.dataset("samples").unwrap().read::<f32, ndarray::Ix3>().unwrap(), samples(5));
}

#[test]
fn rows_put_in_any_order_make_the_same_compressed_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let first = std::fs::read(compressed(folder.path())).unwrap();
    let path = folder.path().join("z.h5");
    let header = StoreHeader { compression: Compression::Deflate(4), ..header() };
    let writer = StoreWriter::create(&path, header, 5).unwrap();
    for rows in [3..5, 0..1, 1..3] {
        writer.put(rows.start, samples(5).slice(s![rows, .., ..])).unwrap();
    }
    writer.finish(&table(5)).unwrap();
    assert!(first == std::fs::read(&path).unwrap());
}

#[test]
fn a_changed_sample_is_found_when_it_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    for path in [written(folder.path()), compressed(folder.path())] {
        let store = Store::open(&path).unwrap();
        let hash = store.content_hash().to_owned();
        drop(store);
        let mut bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes[..200]).into_owned();
        let first: usize = text.split("samples ").nth(1).unwrap().split("..").next().unwrap().parse().unwrap();
        bytes[first + 20] ^= 0x40;
        crate::base::write_atomically(&path, &bytes).unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(store.content_hash(), hash);
        let fault = store.check_samples(0..5).unwrap_err().fault;
        assert!(matches!(fault, StoreFault::Samples { rows: 1, first: 0 }), "{fault}");
        store.check_samples(1..5).unwrap();
    }
}

#[test]
fn columns_of_another_type_shape_or_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fault = changed(folder.path(), |file| {
        file.group("rows")?.unlink("start")?;
        file.group("rows")?.new_dataset_builder().with_data(&[0.5_f64; 5]).create("start").map(drop)
    });
    assert!(matches!(fault, StoreFault::Shape { .. }), "{fault}");
    let fault = changed(folder.path(), |file| {
        file.delete_attr("rate_hz")?;
        file.new_attr::<f64>().shape(1 << 12).create("rate_hz").map(drop)
    });
    assert!(matches!(fault, StoreFault::Shape { .. }), "{fault}");
    let fault = changed(folder.path(), |file| {
        file.group("rows")?.unlink("rr")?;
        file.group("rows")?
            .new_dataset_builder()
            .with_data(&ndarray::Array2::<f32>::zeros((5, 3)))
            .create("rr")
            .map(drop)
    });
    assert!(matches!(fault, StoreFault::Shape { .. }), "{fault}");
    let fault = changed(folder.path(), |file| file.group("rows")?.unlink("checksum"));
    assert!(matches!(fault, StoreFault::Hdf5 { .. }), "{fault}");
}

#[test]
fn texts_that_are_no_utf8_or_claim_more_than_the_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|four| four == b"MLII").unwrap();
    bytes[at] = 0xFF;
    crate::base::write_atomically(&path, &bytes).unwrap();
    seal::forge(&path);
    assert!(matches!(refusal(&path), StoreFault::Value { ref message, .. } if message.contains("UTF-8")));
    let path = written(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at + 1] = 0;
    crate::base::write_atomically(&path, &bytes).unwrap();
    seal::forge(&path);
    assert!(matches!(refusal(&path), StoreFault::Value { ref message, .. } if message.contains("zero byte")));
    let path = written(folder.path());
    let offset = hdf5::File::open(&path).unwrap().dataset("subjects").unwrap().offset().unwrap() as usize;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset..offset + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    crate::base::write_atomically(&path, &bytes).unwrap();
    seal::forge(&path);
    assert!(matches!(refusal(&path), StoreFault::Value { ref message, .. } if message.contains("claim")));
}

#[test]
fn stores_of_schema_1_and_other_programs_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.h5");
    let file = hdf5::File::create(&path).unwrap();
    file.close().unwrap();
    assert!(matches!(refusal(&path), StoreFault::NoStore));
    let file = hdf5::File::open_rw(&path).unwrap();
    file.new_attr::<VarLenUnicode>()
        .create("format")
        .unwrap()
        .write_scalar(&FORMAT.parse::<VarLenUnicode>().unwrap())
        .unwrap();
    file.new_attr::<u32>().create("schema_version").unwrap().write_scalar(&1_u32).unwrap();
    file.close().unwrap();
    assert!(matches!(refusal(&path), StoreFault::Schema { found: 1, known: 2 }));
    for bytes in [&b""[..], b"\x89HDF\r\n\x1a\n", b"WFDB", &[0; 9000]] {
        crate::base::write_atomically(&path, bytes).unwrap();
        assert!(matches!(refusal(&path), StoreFault::NoStore | StoreFault::Hdf5 { .. }));
    }
}

#[test]
fn a_heap_that_never_ends_is_not_walked() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let bytes = std::fs::read(&path).unwrap();
    let heap = bytes.windows(4).position(|four| four == b"GCOL").unwrap();
    // Its first object, now free space of no bytes; and one that claims all there are.
    for claimed in [0, u64::MAX] {
        let mut forged = bytes.clone();
        forged[heap + 16..heap + 18].fill(0);
        forged[heap + 24..heap + 32].copy_from_slice(&claimed.to_le_bytes());
        crate::base::write_atomically(&path, &forged).unwrap();
        seal::forge(&path);
        assert!(matches!(refusal(&path), StoreFault::Seal));
    }
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        /// Bytes anywhere in the file are changed, or its end is cut off: it is refused, or it holds the same, and
        /// changed samples are found.
        #[test]
        fn damage_never_passes(packed: bool, places in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4), cut in proptest::option::of(any::<prop::sample::Index>())) {
            let folder = tempfile::tempdir().unwrap();
            let path = if packed { compressed(folder.path()) } else { written(folder.path()) };
            let mut bytes = std::fs::read(&path).unwrap();
            for (place, change) in places {
                let place = place.index(bytes.len());
                bytes[place] ^= change;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            crate::base::write_atomically(&path, &bytes).unwrap();
            if let Ok(store) = Store::open(&path) {
                prop_assert_eq!(store.table(), &table(5));
                prop_assert_eq!(store.spec(), &header().spec);
                if store.check_samples(0..5).is_ok() {
                    for row in 0..5 {
                        prop_assert!(store.row(row).unwrap() == samples(5).slice(s![row as usize, .., ..]));
                    }
                }
            }
        }

        /// The same under a forged seal, so that HDF5 sees the damage: no panic, no crash, no memory.
        #[test]
        fn forged_damage_crashes_nothing(packed: bool, places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
            let folder = tempfile::tempdir().unwrap();
            let path = if packed { compressed(folder.path()) } else { written(folder.path()) };
            let mut bytes = std::fs::read(&path).unwrap();
            for (place, value) in places {
                // Where the metadata are: a small file is mostly that.
                let place = seal::BLOCK as usize + place.index(bytes.len() - seal::BLOCK as usize);
                bytes[place] = value;
            }
            crate::base::write_atomically(&path, &bytes).unwrap();
            seal::forge(&path);
            if let Ok(store) = Store::open(&path) {
                let n = store.table().rows.len() as u32;
                let _ = store.check_samples(0..n);
                for row in 0..n {
                    let _ = store.row(row);
                }
            }
        }
    }
}

#[test]
fn a_lock_that_another_process_holds_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    // As HDF5 locks: a child process that was started at the wrong moment holds it on.
    let held = File::open(&path).unwrap();
    held.lock().unwrap();
    assert!(hdf5::File::open(&path).is_err(), "the lock is one that HDF5 minds");
    assert_eq!(Store::open(&path).unwrap().table(), &table(5));
}
