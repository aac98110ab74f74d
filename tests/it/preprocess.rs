//! Corpora of real excerpts to stores, through the public door.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use biossl::base::{Chosen, Progress, SignalKind, Watch, parse_table, sha256_hex};
use biossl::data::corpora::{CORPORA, Corpus};
use biossl::data::formats::{Strictness, read};
use biossl::data::preprocess::{
    Extent, Failure, Mixture, Place, PreprocessError, Recipe, Reference, Summary, plan, write_store,
};
use biossl::data::store::{Store, StoreFault};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn corpus(kind: SignalKind, name: &str, root: &Path, keys: &str) -> Chosen<dyn Corpus> {
    let text = format!("name = \"{name}\"\nroot = '{}'\n{keys}", root.display());
    CORPORA.choose(kind, &parse_table(&text).unwrap(), 0..0).unwrap()
}

fn make(corpus: &Chosen<dyn Corpus>, recipe: &Recipe, out: &Path, threads: usize) -> Result<Summary, PreprocessError> {
    write_store(&*corpus.choice, &corpus.resolved, recipe, out, threads, &Watch::default())
}

fn ecg(root: &Path) -> Chosen<dyn Corpus> {
    corpus(SignalKind::Ecg, "mit-bih", root, "")
}

fn rest() -> Chosen<dyn Corpus> {
    corpus(SignalKind::Eeg, "eegmmidb", &fixture("eegmmidb"), "runs = [1, 2]")
}

fn counts(summary: &Summary) -> BTreeMap<String, usize> {
    summary.classes.iter().filter_map(|count| Some((count.class.clone()?, count.windows))).collect()
}

#[test]
fn ecg_windows_per_class_equal_the_annotation_counts() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mitdb.h5");
    let summary = make(&ecg(&fixture("mitdb")), &Recipe::defaults(SignalKind::Ecg), &out, 2).unwrap();

    // Counted again from the annotation files, by the AAMI table as the protocol prints it.
    let table = [("N", "NLRejB"), ("S", "AaJSn"), ("V", "VEr"), ("F", "F"), ("Q", "/fQ?")];
    let mut expected: BTreeMap<String, usize> = table.iter().map(|(class, _)| ((*class).to_owned(), 0)).collect();
    let mut records = 0;
    for entry in fs::read_dir(fixture("mitdb")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "hea") || path.ends_with("102.hea") {
            continue;
        }
        records += 1;
        for mark in read(&path, Strictness::Strict).unwrap().annotations {
            if let Some((class, _)) = table.iter().find(|(_, symbols)| symbols.contains(&mark.text)) {
                *expected.get_mut(*class).unwrap() += 1;
            }
        }
    }
    assert_eq!(counts(&summary), expected);
    assert_eq!(summary.recordings, records);
    assert_eq!(summary.excluded.iter().map(|left_out| left_out.id.as_str()).collect::<Vec<_>>(), ["102"]);
    assert_eq!(summary.classes.iter().map(|count| count.rejected).sum::<usize>(), 0, "{:?}", summary.rejected);

    let store = Store::open(&out).unwrap();
    let (spec, table) = (store.spec(), store.table());
    assert_eq!((spec.length, spec.span, spec.margin, spec.eval_offset), (704, 704, 36, 0));
    assert_eq!(store.channels().iter().map(|channel| channel.label.as_str()).collect::<Vec<_>>(), ["MLII", "other"]);
    assert_eq!(store.pool_excludes(), [4]);
    assert_eq!(summary.windows, table.rows.len());
    assert_eq!(summary.recipe_hash, store.recipe_hash());
    assert!(table.rows.iter().all(|row| row.event == Some(row.start + 352)));
    let people = |id: &str| table.recordings.iter().find(|entry| entry.id == id).unwrap().subject;
    assert_eq!(people("201"), people("202"));
    let lead_of = |id: &str| table.recordings.iter().find(|entry| entry.id == id).unwrap().leads.clone();
    assert_eq!(lead_of("114"), ["MLII", "V5"]);
    let entry = table.recordings.iter().find(|entry| entry.id == "114").unwrap();
    assert_eq!(entry.sources.keys().collect::<Vec<_>>(), ["114.atr", "114.dat", "114.hea"]);
    for (name, hash) in &entry.sources {
        assert_eq!(*hash, sha256_hex(&fs::read(fixture("mitdb").join(name)).unwrap()), "{name}");
    }
    assert_eq!(entry.content_hash, entry.sources["114.dat"]);
}

/// Keeps the lines that a person would see.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn begin(&self, _: &str, _: u64, _: &str) {}
    fn advance(&self, _: u64, _: &str) {}
    fn end(&self) {}
    fn say(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

#[test]
fn counts_left_out_records_and_mixed_leads_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Told::default());
    let watch = Watch::new(Arc::clone(&told) as Arc<dyn Progress>);
    let (corpus, recipe) = (ecg(&fixture("mitdb")), Recipe::defaults(SignalKind::Ecg));
    let out = folder.path().join("a.h5");
    let summary = write_store(&*corpus.choice, &corpus.resolved, &recipe, &out, 2, &watch).unwrap();
    let [mixture] = &summary.mixtures[..] else { panic!("{:?}", summary.mixtures) };
    assert_eq!((mixture.channel.as_str(), mixture.recordings.values().sum::<usize>()), ("other", 20));
    assert_eq!(summary.mixtures, Mixture::in_store(&Store::open(&out).unwrap()));
    let lines = told.0.lock().unwrap().join("\n");
    for part in ["left out: 102 (paced)", "channel other is V", ", V5 in ", " windows: N "] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}

#[test]
fn beats_stand_in_the_middle_of_their_windows() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mitdb.h5");
    make(&ecg(&fixture("mitdb")), &Recipe::defaults(SignalKind::Ecg), &out, 2).unwrap();
    let store = Store::open(&out).unwrap();
    // The mean beat of record 100 has its R wave where the mark says, within 20 ms.
    let table = store.table();
    let rows = (0..table.rows.len() as u32).filter(|&row| table.recording_of(row).id == "100");
    let mut sum = vec![0.0_f64; store.spec().stored()];
    for row in rows {
        sum.iter_mut().zip(store.row(row).unwrap().row(0)).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let middle = 36 + 352;
    let peak = (middle - 100..middle + 100).max_by(|&i, &j| sum[i].total_cmp(&sum[j])).unwrap();
    assert!(peak.abs_diff(middle) <= 7, "{peak}");
}

#[test]
fn eeg_rest_becomes_sliding_windows_by_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("rest.h5");
    let summary = make(&rest(), &Recipe::defaults(SignalKind::Eeg), &out, 2).unwrap();
    assert_eq!(summary.subjects.len(), 9);
    let store = Store::open(&out).unwrap();
    let spec = store.spec();
    assert_eq!((spec.length, spec.span, spec.margin, spec.eval_offset), (320, 320, 40, 0));
    for (i, entry) in store.table().recordings.iter().enumerate() {
        let rows: Vec<_> = store.table().rows.iter().filter(|row| row.recording as usize == i).collect();
        assert_eq!(rows.len() as u64, entry.samples / 320, "{}", entry.id);
        assert!(rows.iter().enumerate().all(|(k, row)| row.start == 320 * k as i64 && row.event.is_none()));
        let label = u16::from(entry.run_number == Some(2));
        assert!(rows.iter().all(|row| row.label == Some(label)));
    }
    // Average reference: the channels of every sample add up to nothing.
    let row = store.row(3).unwrap();
    let largest = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    assert!(row.columns().into_iter().all(|column| column.sum().abs() < 1e-3 * largest));
}

#[test]
fn eeg_trials_begin_at_their_rounded_onsets() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("fists.h5");
    let fists = corpus(SignalKind::Eeg, "eegmmidb", &fixture("eegmmidb"), "runs = [4]");
    make(&fists, &Recipe::defaults(SignalKind::Eeg), &out, 1).unwrap();
    let store = Store::open(&out).unwrap();
    let recording = read(&fixture("eegmmidb/S001/S001R04.edf"), Strictness::Strict).unwrap();
    let onsets: Vec<i64> = recording
        .annotations
        .iter()
        .filter(|mark| mark.duration_s.is_some_and(|duration_s| duration_s >= 2.0))
        .map(|mark| (mark.onset.seconds(160.0) * 160.0).round() as i64)
        .collect();
    assert!(onsets.len() >= 5);
    assert_eq!(store.table().rows.iter().map(|row| row.start).collect::<Vec<_>>(), onsets);
    assert!((0..onsets.len() as u32).all(|row| store.eval_cut(row).offset == 40));
    // Rest has no class, the two fists have one each.
    let classes: Vec<_> = store.table().rows.iter().map(|row| row.label).collect();
    assert!(classes.contains(&None) && classes.contains(&Some(0)) && classes.contains(&Some(1)));
}

#[test]
fn one_and_two_threads_make_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe::defaults(SignalKind::Eeg);
    let bytes = |threads| {
        let out = folder.path().join(format!("{threads}.h5"));
        make(&rest(), &recipe, &out, threads).unwrap();
        fs::read(out).unwrap()
    };
    let one = bytes(1);
    assert!(one == bytes(2) && one == bytes(7), "the stores differ");
}

#[test]
fn another_recipe_or_corpus_setting_gives_another_hash() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("rest.h5");
    let plain = Recipe::defaults(SignalKind::Eeg);
    let hash = |corpus: &Chosen<dyn Corpus>, recipe: &Recipe| make(corpus, recipe, &out, 2).unwrap().recipe_hash;
    let eyes_open = corpus(SignalKind::Eeg, "eegmmidb", &fixture("eegmmidb"), "runs = [1]");
    let base = hash(&rest(), &plain);
    assert_ne!(base, hash(&rest(), &Recipe { high_hz: 30.0, ..plain.clone() }));
    assert_ne!(base, hash(&eyes_open, &plain));
    assert_eq!(base, hash(&rest(), &plain));
}

#[test]
fn store_cut_in_half_or_of_another_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("rest.h5");
    make(&rest(), &Recipe::defaults(SignalKind::Eeg), &out, 2).unwrap();
    let mut bytes = fs::read(&out).unwrap();
    assert!(bytes.starts_with(b"biossl-store 2\n"));
    bytes[13] = b'3';
    biossl::base::write_atomically(&out, &bytes).unwrap();
    let Err(error) = Store::open(&out) else { panic!("schema 3 was read") };
    assert!(matches!(error.fault, StoreFault::Schema { found: 3, known: 2 }), "{error}");
    let length = fs::metadata(&out).unwrap().len();
    fs::File::options().write(true).open(&out).unwrap().set_len(length / 2).unwrap();
    assert!(Store::open(&out).is_err());
}

#[test]
fn bad_file_is_named_and_leaves_the_old_store_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path().join("mitdb"), folder.path().join("store/mitdb.h5"));
    fs::create_dir(&root).unwrap();
    for name in ["100.hea", "100.dat", "100.atr", "106.hea", "106.dat", "106.atr", "118.hea", "118.dat", "118.atr"] {
        fs::copy(fixture("mitdb").join(name), root.join(name)).unwrap();
    }
    let recipe = Recipe::defaults(SignalKind::Ecg);
    make(&ecg(&root), &recipe, &out, 2).unwrap();
    let before = fs::read(&out).unwrap();
    let whole = fs::read(root.join("106.dat")).unwrap();
    // One bit, which only the checksum tells; then half of the file.
    let mut turned = whole.clone();
    turned[5000] ^= 1;
    for bytes in [&turned[..], &whole[..whole.len() / 2]] {
        fs::remove_file(root.join("106.dat")).unwrap();
        std::io::Write::write_all(&mut fs::File::create_new(root.join("106.dat")).unwrap(), bytes).unwrap();
        let error = make(&ecg(&root), &recipe, &out, 2).unwrap_err();
        let PreprocessError::Failed { failures, recordings: 3 } = &error else { panic!("{error}") };
        assert_eq!(failures.iter().map(|failure| failure.id.as_str()).collect::<Vec<_>>(), ["106"]);
        assert!(error.to_string().contains("106."), "{error}");
    }
    assert!(fs::read(&out).unwrap() == before, "the old store changed");
    assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn stop_request_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("rest.h5");
    let watch = Watch::default();
    watch.stop_flag().store(true, std::sync::atomic::Ordering::Relaxed);
    let corpus = rest();
    let recipe = Recipe::defaults(SignalKind::Eeg);
    let stopped = write_store(&*corpus.choice, &corpus.resolved, &recipe, &out, 2, &watch);
    assert!(matches!(stopped, Err(PreprocessError::Stopped(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_wrong_rate_is_named_with_both_remedies() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(fixture("eegmmidb/S001/S001R04.edf")).unwrap();
    // Records of 1.25 s instead of 1 s: 128 Hz.
    bytes[244..248].copy_from_slice(b"1.25");
    biossl::base::write_atomically(&folder.path().join("S001R04.edf"), &bytes).unwrap();
    let corpus = corpus(SignalKind::Eeg, "eegmmidb", folder.path(), "runs = [4]");
    let out = folder.path().join("store.h5");
    let error = make(&corpus, &Recipe::defaults(SignalKind::Eeg), &out, 1).unwrap_err();
    let PreprocessError::Failed { failures, .. } = &error else { panic!("{error}") };
    let [Failure { id, path, reason, remedy }] = &failures[..] else { panic!("{failures:?}") };
    assert!(path.ends_with("S001R04.edf") && id == "S001R04");
    assert!(reason.contains("128 Hz") && reason.contains("160 Hz"), "{reason}");
    let help = remedy.as_deref().unwrap();
    assert!(help.contains("`exclude`") && help.contains("rate_hz = 160"), "{help}");
    assert!(!out.exists());
}

#[test]
fn rr_features_equal_those_of_an_independent_script() {
    let text = fs::read_to_string(fixture("golden/preprocess/rr.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let corpus = corpus(SignalKind::Ecg, "mit-bih", &fixture("mitdb"), "exclude = []");
    let listed = corpus.choice.recordings().unwrap().recordings;
    let records = golden["records"].as_array().unwrap();
    assert_eq!(records.len(), listed.len());
    for (record, of) in records.iter().zip(listed) {
        assert_eq!(record["record"], of.id.as_str());
        let recording = read(&of.path, Strictness::Strict).unwrap();
        let events = corpus.choice.events(&of, &recording).unwrap();
        let extent = Extent::new(recording.channels[0].samples.len(), 360.0).unwrap();
        let places = plan(&events, &extent, &Recipe::defaults(SignalKind::Ecg)).places;
        assert_eq!(record["beats"], places.len(), "{}", of.id);
        for (column, expected) in record["digests"].as_array().unwrap().iter().enumerate() {
            let value =
                |(i, place): (usize, &Place)| f64::from(place.rr.unwrap().0[column]) * (0.7 * i as f64 + 0.3).cos();
            let given: f64 = places.iter().enumerate().map(value).sum();
            // Single precision, a few hundred beats.
            assert!((given - expected.as_f64().unwrap()).abs() < 2e-5, "{} {column}: {given}, {expected}", of.id);
        }
    }
}

#[test]
fn other_rates_are_resampled_counted_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Told::default());
    let watch = Watch::new(Arc::clone(&told) as Arc<dyn Progress>);
    let (corpus, plain) = (ecg(&fixture("mitdb")), Recipe::defaults(SignalKind::Ecg));
    let recipe = Recipe { rate_hz: Some(128.0), ..plain.clone() };
    let out = folder.path().join("a.h5");
    let summary = write_store(&*corpus.choice, &corpus.resolved, &recipe, &out, 2, &watch).unwrap();
    let [resampled] = &summary.resampled[..] else { panic!("{:?}", summary.resampled) };
    assert_eq!((resampled.recorded_hz, resampled.rate_hz, resampled.recordings), (360.0, 128.0, 20));
    assert!(told.0.lock().unwrap().iter().any(|line| line == "resampled: 20 recordings from 360 Hz to 128 Hz"));
    let store = Store::open(&out).unwrap();
    assert_eq!((store.spec().rate_hz, store.spec().length), (128.0, 250));
    let as_recorded = folder.path().join("b.h5");
    assert!(make(&corpus, &plain, &as_recorded, 2).unwrap().resampled.is_empty());
    let plain = Store::open(&as_recorded).unwrap();
    for (here, there) in store.table().rows.iter().zip(&plain.table().rows) {
        let there_at = there.event.unwrap() as f64 * 128.0 / 360.0;
        assert_eq!(here.event.unwrap(), (there_at + 0.5).floor() as i64);
        assert_eq!(here.rr, there.rr, "RR features hang on the marks as recorded");
    }
}

/// Excerpts of runs at rest as a folder of their own, with other channels zero over the last second, or left out.
fn own_eeg(folder: &Path, change: impl Fn(&str, &mut Vec<u8>)) {
    for person in ["S001", "S002", "S003"] {
        let mut bytes = fs::read(fixture(&format!("eegmmidb/{person}/{person}R01.edf"))).unwrap();
        change(person, &mut bytes);
        biossl::base::write_atomically(&folder.join(format!("{person}.edf")), &bytes).unwrap();
    }
}

fn own(folder: &Path, channels: &str) -> Chosen<dyn Corpus> {
    let keys = format!(
        "signal = \"eeg\"\nrate_hz = 160\npattern = \"{{subject}}.edf\"\nchannels = [{channels}]\nlabels = \"path\"\n\
         classes = [{{ name = \"rest\", marks = [\"rest\"] }}, {{ name = \"x\", marks = [\"x\"] }}]"
    );
    corpus(SignalKind::Eeg, "folder", folder, &keys.replace("{subject}", "{class}/{subject}"))
}

#[test]
fn a_dead_channel_alone_is_not_taken_for_padding() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rest");
    fs::create_dir(&root).unwrap();
    // 64 signals and the annotations: records of a second, 160 numbers of two bytes each.
    own_eeg(&root, |person, bytes| {
        let (signals, records) = (65, 18);
        let at = |signal: usize, field: usize| 256 + signals * field + signal * if field == 216 { 8 } else { 16 };
        let label = |signal: usize| String::from_utf8_lossy(&bytes[at(signal, 0)..][..16]).trim().to_owned();
        let dead: Vec<usize> = (0..64).filter(|&signal| person != "S001" || label(signal) == "C3..").collect();
        let header = 256 * (signals + 1);
        let record = (bytes.len() - header) / records;
        // S001: C3 dies before the last three seconds; the others: padding of three seconds.
        if person != "S003" {
            for (second, signal) in (15..18).flat_map(|second| dead.iter().map(move |&signal| (second, signal))) {
                bytes[header + second * record + signal * 320..][..320].fill(0);
            }
        }
    });
    let recipe = Recipe { reference: Reference::None, ..Recipe::defaults(SignalKind::Eeg) };
    let lengths = |channels: &str| -> Vec<u64> {
        let out = folder.path().join("own.h5");
        make(&own(folder.path(), channels), &recipe, &out, 2).unwrap();
        Store::open(&out).unwrap().table().recordings.iter().map(|entry| entry.samples).collect()
    };
    let all = lengths("\"all\"");
    assert_eq!((all[1], all[0], all[2]), (15 * 160, 18 * 160, 18 * 160));
    assert_eq!(lengths("\"C3\""), all);
    assert_eq!(lengths("\"C3\", \"Fz\""), all);
    // A channel less its own mean is nothing: refused before anything is read, and once channels are known.
    let average = Recipe::defaults(SignalKind::Eeg);
    let error = make(&own(folder.path(), "\"C3\""), &average, &folder.path().join("b.h5"), 2).unwrap_err();
    assert!(matches!(&error, PreprocessError::Setting { key: "reference", .. }), "{error}");
    assert!(error.to_string().contains("`reference = \"none\"`"), "{error}");
}

#[test]
fn channels_are_compared_with_those_of_most_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rest");
    fs::create_dir(&root).unwrap();
    own_eeg(&root, |person, bytes| {
        if person == "S001" {
            bytes[256..272].copy_from_slice(b"A1              ");
        }
    });
    let out = folder.path().join("own.h5");
    let error = make(&own(folder.path(), "\"all\""), &Recipe::defaults(SignalKind::Eeg), &out, 1).unwrap_err();
    let PreprocessError::Failed { failures, recordings: 3 } = &error else { panic!("{error}") };
    let [Failure { path, reason, remedy, .. }] = &failures[..] else { panic!("{failures:?}") };
    assert!(path.ends_with("S001.edf"), "the odd one is at fault, not those after it: {error}");
    assert!(reason.ends_with("unlike 2 recordings it lacks FC5 and has A1"), "{reason}");
    assert!(remedy.as_deref().is_some_and(|help| help.contains("`channels`") && help.contains("`exclude`")));
}
