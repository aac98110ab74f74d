//! Real excerpts through the door of `formats`, against wfdb-python and pyedflib; damaged copies of them.

#![expect(clippy::disallowed_methods, reason = "damaged files are made in temporary folders")]

use std::path::{Path, PathBuf};

use biossl::base::sha256_hex;
use biossl::data::formats::{FormatFault, Part, Place, Strictness, open, read, summary};
use biossl::signal::{Annotation, Onset, Origin, Span};
use serde_json::{Value, json};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn golden(name: &str) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(fixture("golden/formats").join(name)).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    golden["files"].as_object().unwrap().clone().into_iter().collect()
}

/// What the golden files say of a file's channels.
fn channels(path: &Path) -> Vec<Value> {
    let summed = serde_json::to_value(summary(path, Strictness::Strict, None).unwrap()).unwrap();
    let recording = read(path, Strictness::Strict).unwrap();
    let mut reader = open(path, Strictness::Strict).unwrap();
    let mut found = Vec::new();
    for (index, channel) in recording.channels.iter().enumerate() {
        let mut stored = [Vec::new()];
        reader.digital(&[index], Span { first: 0, end: channel.samples.len() as u64 }, &mut stored).unwrap();
        let stored: Vec<u8> = stored[0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let physical: Vec<u8> = channel.samples.iter().flat_map(|value| value.to_le_bytes()).collect();
        let summed = &summed["channels"][index];
        assert_eq!(summed["first"][0].as_f64(), channel.samples.first().map(|&value| f64::from(value)));
        found.push(json!({
            "label": summed["label"], "unit": summed["unit"], "sample_rate_hz": summed["sample_rate_hz"],
            "samples": summed["samples"], "digital_sum": summed["digital_sum"],
            "stored_sha256": sha256_hex(&stored), "physical_sha256": sha256_hex(&physical),
        }));
    }
    found
}

#[test]
fn wfdb_records_are_read_as_wfdb_python_reads_them() {
    let files = golden("wfdb.json");
    assert_eq!(files.len(), 24);
    for (name, expected) in files {
        let path = fixture(&name);
        let found = channels(&path);
        let expected_channels = expected["channels"].as_array().unwrap();
        assert_eq!(found.len(), expected_channels.len(), "{name}");
        for (found, expected) in found.iter().zip(expected_channels) {
            assert_eq!(found, expected, "{name}");
        }
        let mark = |mark: &Annotation| match (&mark.origin, mark.onset) {
            (Origin::Wfdb { subtype, chan, num, aux, .. }, Onset::Sample(sample)) => {
                json!([sample, mark.text, subtype, chan, num, aux.as_deref().unwrap_or("")])
            }
            _ => panic!("{name}: {mark:?}"),
        };
        let recording = read(&path, Strictness::Strict).unwrap();
        let marks: Vec<Value> = recording.annotations.iter().map(mark).collect();
        assert_eq!(Value::from(marks), expected["annotations"], "{name}");
    }
}

#[test]
fn edf_and_bdf_files_are_read_as_pyedflib_reads_them() {
    let files = golden("edf.json");
    assert_eq!(files.len(), 11);
    for (name, expected) in files {
        let path = fixture(&name);
        let found = channels(&path);
        let expected_channels = expected["channels"].as_array().unwrap();
        assert_eq!(found.len(), expected_channels.len(), "{name}");
        for (found, expected) in found.iter().zip(expected_channels) {
            assert_eq!(found, expected, "{name}");
        }
        let recording = read(&path, Strictness::Strict).unwrap();
        let expected = expected["annotations"].as_array().unwrap();
        assert_eq!(recording.annotations.len(), expected.len(), "{name}");
        for (mark, expected) in recording.annotations.iter().zip(expected) {
            // pyedflib counts in units of 100 ns.
            let onset_s = expected[0].as_f64().unwrap();
            assert!((mark.onset.seconds(f64::NAN) - onset_s).abs() < 1e-6, "{name}: {mark:?} {expected}");
            assert_eq!(
                (json!(mark.duration_s), json!(mark.text)),
                (expected[1].clone(), expected[2].clone()),
                "{name}"
            );
        }
    }
}

#[test]
fn formats_are_told_apart() {
    for (name, format, start) in [
        ("mitdb/100.hea", "wfdb", None),
        ("eegmmidb/S001/S001R01.edf", "edf+c", Some("2009-08-12T16:15:00")),
        ("formats/mne/test_uneven_samp.edf", "edf", Some("2000-07-13T12:05:48")),
        ("formats/mne/test_bdf_stim_channel.bdf", "bdf", Some("2015-03-19T08:04:01")),
        ("formats/pyedflib/test_generator_datarec_generator_2.bdf", "bdf+c", Some("2000-01-01T00:00:00")),
        // The first record begins at a fraction of a second.
        ("formats/pyedflib/test_utf8.edf", "edf+c", Some("2020-01-24T04:05:56.3945312")),
    ] {
        let summary = summary(&fixture(name), Strictness::Strict, None).unwrap();
        assert_eq!((summary.format, summary.start.as_deref(), summary.subject), (format, start, None), "{name}");
    }
}

#[test]
fn a_record_is_named_by_its_header_or_without_an_ending() {
    let by_header = read(&fixture("mitdb/232.hea"), Strictness::Strict).unwrap();
    assert_eq!(read(&fixture("mitdb/232"), Strictness::Strict).unwrap(), by_header);
}

#[test]
fn decimal_texts_of_annotations_are_kept() {
    let recording = read(&fixture("formats/pyedflib/test_utf8.edf"), Strictness::Strict).unwrap();
    let Origin::Edf { onset_text, .. } = &recording.annotations[0].origin else { panic!("EDF") };
    assert!(onset_text.starts_with('+') && onset_text.split('.').next_back().unwrap().len() == 7, "{onset_text}");
}

#[test]
fn slices_equal_the_whole() {
    for name in [
        "mitdb/232.hea",
        "formats/cpsc2018/A0001.hea",
        "formats/pyedflib/test_generator_datarec_generator_2.bdf",
        "formats/edfio/short_psg.edf",
    ] {
        let mut reader = open(&fixture(name), Strictness::Strict).unwrap();
        for (index, channel) in reader.header().channels.clone().into_iter().enumerate() {
            let (mut whole, mut part) = ([Vec::new()], [Vec::new()]);
            reader.physical(&[index], Span { first: 0, end: channel.samples }, &mut whole).unwrap();
            let n = channel.samples;
            for (first, end) in [(0, 1), (1, n.min(2)), (n / 3, n / 2 + 1), (n - 1, n), (n, n), (7.min(n), 4.min(n))] {
                let span = Span { first, end };
                reader.physical(&[index], span, &mut part).unwrap();
                let expected = &whole[0][first as usize..end.max(first) as usize];
                assert_eq!(part[0], expected, "{name} channel {index} {span:?}");
            }
            let outside = reader.physical(&[index], Span { first: 0, end: n + 1 }, &mut part).unwrap_err();
            assert!(matches!(outside.fault, FormatFault::SpanOutside { .. }));
        }
        let mut none = [Vec::new()];
        let error = reader.digital(&[99], Span { first: 0, end: 1 }, &mut none).unwrap_err();
        assert!(matches!(error.fault, FormatFault::NoSuchChannel { channel: 99, .. }));
        let error = reader.digital(&[0, 0], Span { first: 0, end: 1 }, &mut none).unwrap_err();
        assert!(matches!(error.fault, FormatFault::Outputs { n_channels: 2, n_outputs: 1 }));
    }
}

#[test]
fn several_samples_a_frame_and_a_late_signal_are_put_in_time() {
    let folder = TempDir::new().unwrap();
    // Frames of a0 a1 b0: a has two samples a frame, b was stored one frame late; -32768 is no sample.
    let frames: [i16; 12] = [10, 11, 99, 12, -32768, 50, 14, 15, 60, 16, 17, 70];
    let bytes: Vec<u8> = frames.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.path().join("made.dat"), bytes).unwrap();
    let header = "made 2 100 4\nmade.dat 16x2 10(10) 16 0 10 0 0 a\nmade.dat 16:1 1/uV 16 0 99 279 0 b\n";
    let checksum =
        frames.iter().enumerate().filter(|(i, _)| i % 3 != 2).fold(0_i16, |sum, (_, v)| sum.wrapping_add(*v));
    let header = header.replace("0 10 0 0 a", &format!("0 10 {checksum} 0 a"));
    std::fs::write(folder.path().join("made.hea"), header).unwrap();
    let recording = read(&folder.path().join("made.hea"), Strictness::Strict).unwrap();
    let [a, b] = &recording.channels[..] else { panic!("two channels") };
    assert_eq!((a.rate_hz, b.rate_hz), (200.0, 100.0));
    let text = |samples: &[f32]| format!("{samples:?}");
    assert_eq!(text(&a.samples), "[0.0, 0.1, 0.2, NaN, 0.4, 0.5, 0.6, 0.7]");
    assert_eq!(text(&b.samples), "[50.0, 60.0, 70.0, NaN]");
    let summary = summary(&folder.path().join("made"), Strictness::Strict, None).unwrap();
    assert_eq!(summary.channels[0].first, [Some(0.0), Some(0.1), Some(0.2), None, Some(0.4)]);
    assert_eq!((summary.channels[0].min, summary.channels[1].mean), (Some(0.0), Some(60.0)));
    assert_eq!((summary.channels[1].digital_sum, summary.annotations.count), (279, 0));
    assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
}

/// A fixture in a folder of its own, to be damaged.
struct Copy {
    folder: TempDir,
    name: &'static str,
}

impl Copy {
    fn of(from: &str, names: &[&'static str]) -> Self {
        let folder = TempDir::new().unwrap();
        for name in names {
            std::fs::copy(fixture(from).join(name), folder.path().join(name)).unwrap();
        }
        Self { folder, name: names[0] }
    }

    fn record() -> Self {
        Self::of("mitdb", &["232.hea", "232.dat", "232.atr"])
    }

    fn edf() -> Self {
        Self::of("eegmmidb/S001", &["S001R04.edf"])
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }

    fn fault(&self) -> FormatFault {
        read(&self.folder.path().join(self.name), Strictness::Strict).unwrap_err().fault
    }

    fn lenient(&self) -> biossl::signal::Recording {
        read(&self.folder.path().join(self.name), Strictness::Lenient).unwrap()
    }
}

fn put(bytes: &mut [u8], at: usize, text: &str) {
    bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

#[test]
fn a_cut_signal_file_is_refused_or_kept_to_its_last_whole_frame() {
    let whole = Copy::record().lenient();
    let copy = Copy::record();
    copy.change("232.dat", |bytes| bytes.truncate(30_002));
    let FormatFault::Truncated { at, needed, whole: frames, stated, .. } = copy.fault() else { panic!("truncated") };
    assert_eq!((at, needed, frames, stated), (30_002, 129_600, 10_000, 43_200));
    let kept = copy.lenient();
    assert_eq!(kept.channels[1].samples, whole.channels[1].samples[..10_000]);
    assert!(kept.warnings.iter().any(|warning| warning.place == "232.dat"), "{:?}", kept.warnings);
}

#[test]
fn a_wrong_sample_shows_in_the_checksum() {
    let copy = Copy::record();
    copy.change("232.dat", |bytes| bytes[3000] ^= 4);
    let FormatFault::Checksum { signal, stated, computed, .. } = copy.fault() else { panic!("checksum") };
    assert_eq!((signal, stated.wrapping_sub(computed).abs()), (0, 4));
    assert_eq!(copy.lenient().warnings.len(), 1);
}

#[test]
fn a_wrong_initial_value_is_warned_of() {
    let copy = Copy::record();
    let initial = {
        let header = std::fs::read_to_string(copy.folder.path().join("232.hea")).unwrap();
        header.lines().nth(1).unwrap().split(' ').nth(5).unwrap().to_owned()
    };
    copy.change("232.hea", |bytes| replace(bytes, &format!(" 1024 {initial} "), " 1024 7 "));
    let recording = read(&copy.folder.path().join("232.hea"), Strictness::Strict).unwrap();
    assert_eq!(recording.warnings.len(), 1);
}

#[test]
fn a_broken_header_is_named_with_line_and_field() {
    let copy = Copy::record();
    copy.change("232.hea", |bytes| replace(bytes, "232 2 360 43200", "232 2 36o 43200"));
    let FormatFault::Field { place, field, found, .. } = copy.fault() else { panic!("field") };
    assert_eq!((place, field, found.as_str()), (Place::Line(1), "sampling frequency", "36o"));
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    for (from, to, name) in
        [("232.dat 212", "232.dat 310", "signal format 310"), ("232 2 360", "232/2 2 360", "a multi-segment record")]
    {
        let copy = Copy::record();
        copy.change("232.hea", |bytes| replace(bytes, from, to));
        let FormatFault::Unsupported { what, .. } = copy.fault() else { panic!("{name}") };
        assert!(what.starts_with(name), "{what}");
    }
    let copy = Copy::edf();
    copy.change("S001R04.edf", |bytes| put(bytes, 192, "EDF+D"));
    let FormatFault::Unsupported { what, .. } = copy.fault() else { panic!("EDF+D") };
    assert!(what.starts_with("EDF+D"), "{what}");
}

#[test]
fn a_missing_signal_file_is_named() {
    let copy = Copy::of("mitdb", &["232.hea"]);
    let error = open(&copy.folder.path().join("232.hea"), Strictness::Lenient).err().unwrap();
    assert!(matches!(error.fault, FormatFault::Missing { part: Part::Signals }) && error.path.ends_with("232.dat"));
}

#[test]
fn damaged_annotation_files_are_refused_or_kept_to_their_last_whole_entry() {
    let whole = Copy::record().lenient().annotations;
    let empty = Copy::record();
    empty.change("232.atr", Vec::clear);
    assert!(matches!(empty.fault(), FormatFault::EmptyAnnotations));
    assert_eq!((empty.lenient().annotations.len(), empty.lenient().warnings.len()), (0, 1));
    let cut = Copy::record();
    cut.change("232.atr", |bytes| bytes.truncate(51));
    assert!(matches!(cut.fault(), FormatFault::AnnotationEnds { at: 50 }));
    let kept = cut.lenient().annotations;
    assert!(!kept.is_empty() && kept[..] == whole[..kept.len()]);
    let absent = Copy::of("mitdb", &["232.hea", "232.dat"]);
    assert!(absent.lenient().annotations.is_empty());
    let path = absent.folder.path().join("232.hea");
    let error = summary(&path, Strictness::Lenient, Some("atr")).unwrap_err();
    assert!(matches!(error.fault, FormatFault::Missing { part: Part::Annotations }) && error.path.ends_with("232.atr"));
}

#[test]
fn a_cut_edf_file_is_refused_or_kept_to_its_last_whole_record() {
    let whole = Copy::edf().lenient();
    let copy = Copy::edf();
    copy.change("S001R04.edf", |bytes| bytes.truncate(bytes.len() / 2));
    let FormatFault::Truncated { whole: records, stated: 25, .. } = copy.fault() else { panic!("truncated") };
    let kept = copy.lenient();
    assert_eq!(kept.channels[63].samples, whole.channels[63].samples[..160 * records as usize]);
    assert_eq!(kept.warnings.len(), 1);
    let header = Copy::edf();
    header.change("S001R04.edf", |bytes| bytes.truncate(1000));
    assert!(matches!(header.fault(), FormatFault::HeaderEnds { place: Place::Byte(1000), .. }));
}

#[test]
fn damaged_annotation_lists_are_refused_or_passed_over() {
    let whole = Copy::edf().lenient();
    let tal = |bytes: &[u8]| bytes.windows(5).position(|five| five == b"+4\x14\x14\x00").unwrap();
    let broken = Copy::edf();
    broken.change("S001R04.edf", |bytes| {
        let at = tal(bytes);
        bytes[at] = b'4';
    });
    assert!(matches!(broken.fault(), FormatFault::AnnotationList { record: 4, at: 0, .. }));
    let kept = broken.lenient();
    assert_eq!(kept.annotations, whole.annotations, "the broken list only kept time");
    assert!(kept.warnings.iter().any(|warning| warning.message.contains("the others are kept")));
    let late = Copy::edf();
    late.change("S001R04.edf", |bytes| {
        let at = tal(bytes);
        bytes[at + 1] = b'5';
    });
    let FormatFault::Gap { record, expected_s, found_s } = late.fault() else { panic!("gap") };
    assert_eq!((record, expected_s, found_s), (4, 4.0, 5.0));
    assert_eq!(late.lenient().annotations.len(), whole.annotations.len());
}

#[test]
fn odd_lengths_are_warned_of() {
    let unknown = Copy::edf();
    unknown.change("S001R04.edf", |bytes| put(bytes, 236, "-1"));
    let surplus = Copy::edf();
    surplus.change("S001R04.edf", |bytes| bytes.push(0));
    let longer = Copy::record();
    longer.change("232.dat", |bytes| bytes.extend([0; 6]));
    for copy in [unknown, surplus, longer] {
        let recording = read(&copy.folder.path().join(copy.name), Strictness::Strict).unwrap();
        assert_eq!(recording.warnings.len(), 1, "{}", copy.name);
    }
}

#[test]
fn other_files_are_refused() {
    let error = |name: &str| open(&fixture(name), Strictness::Strict).err().unwrap().fault;
    assert!(matches!(error("mitdb/232.dat"), FormatFault::UnknownFormat));
    assert!(matches!(error("README.md"), FormatFault::UnknownFormat));
    assert!(matches!(error("mitdb/999.hea"), FormatFault::Missing { part: Part::Named }));
    assert!(matches!(error("mitdb/999"), FormatFault::Missing { part: Part::Named }));
    assert!(matches!(error("mitdb"), FormatFault::NotAFile { what: "a folder" }));
    let edf = summary(&fixture("eegmmidb/S001/S001R04.edf"), Strictness::Strict, Some("atr")).unwrap_err();
    assert!(matches!(edf.fault, FormatFault::NoAnnotators { .. }));
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    /// A copy with some bytes changed and its end cut is read or refused, never a panic; what strict reads is right.
    fn read_damaged(names: &[&str], changes: &[(usize, u8)], cut: usize) {
        let folder = TempDir::new().unwrap();
        for name in names {
            let mut bytes = std::fs::read(fixture(name)).unwrap();
            for (at, byte) in changes {
                // Half of the changes meet the header.
                let at = if at % 2 == 0 { *at } else { *at % 1024 };
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
            bytes.truncate(bytes.len() - cut % bytes.len());
            std::fs::write(folder.path().join(Path::new(name).file_name().unwrap()), bytes).unwrap();
        }
        let path = folder.path().join(Path::new(names[0]).file_name().unwrap());
        let strict = read(&path, Strictness::Strict);
        let lenient = read(&path, Strictness::Lenient);
        if let Ok(strict) = strict {
            // Texts, because missing samples are not equal to themselves.
            assert_eq!(format!("{strict:?}"), format!("{:?}", lenient.unwrap()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn no_damage_makes_a_reader_panic(
            changes in prop::collection::vec((0_usize..20_000, prop_oneof![any::<u8>(), b' '..=b'9']), 0..12),
            cut in prop_oneof![Just(0), 0_usize..5_000],
        ) {
            read_damaged(&["formats/svdb/801.hea", "formats/svdb/801.dat", "formats/svdb/801.atr"], &changes, cut);
            read_damaged(&["formats/edfio/SC4001EC-Hypnogram.edf"], &changes, cut);
            read_damaged(&["formats/mne/duplicate_channel_labels.edf"], &changes, cut);
        }
    }
}
