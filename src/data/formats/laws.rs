//! Laws of whole readers on made files: slices equal the whole, stored values equal a plain decoding, no bytes panic,
//! and what a header claims beyond the file is never believed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::base::write_atomically;

/// A record of two signal files, or an EDF or BDF file, with random samples.
struct Made {
    folder: TempDir,
    path: PathBuf,
    /// Stored samples of every channel, decoded here.
    stored: Vec<Vec<i32>>,
    /// What they are worth, by the formula of the format.
    physical: Vec<Vec<f32>>,
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    write_atomically(&path, bytes).unwrap();
    path
}

/// 12-bit samples, two in three bytes, an odd last one in two.
fn pack_212(samples: &[i32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for pair in samples.chunks(2) {
        let (first, second) = (pair[0] & 0xFFF, pair.get(1).copied().unwrap_or(0) & 0xFFF);
        bytes.extend([(first & 0xFF) as u8, ((first >> 8) | ((second >> 8) << 4)) as u8]);
        if pair.len() == 2 {
            bytes.push((second & 0xFF) as u8);
        }
    }
    bytes
}

/// Signals of one file: samples per frame and skew of each.
type Signals = Vec<(usize, u32)>;

fn wfdb(n_frames: usize, files: &[(bool, Signals)], samples: &[i32]) -> Made {
    let folder = TempDir::new().unwrap();
    let n_signals: usize = files.iter().map(|(_, signals)| signals.len()).sum();
    let mut header = format!("made {n_signals} 100 {n_frames}\n");
    let (mut stored, mut physical, mut next) = (Vec::new(), Vec::new(), samples.iter().cycle());
    for (index, (is_212, signals)) in files.iter().enumerate() {
        let limit = if *is_212 { 2048 } else { 32768 };
        let mut own = vec![Vec::new(); signals.len()];
        let mut stream = Vec::new();
        for _ in 0..n_frames {
            for (own, (per_frame, _)) in own.iter_mut().zip(signals) {
                for _ in 0..*per_frame {
                    let sample = next.next().unwrap().rem_euclid(2 * limit) - limit;
                    own.push(sample);
                    stream.push(sample);
                }
            }
        }
        let mut bytes = vec![7; index];
        if *is_212 {
            bytes.extend(pack_212(&stream));
        } else {
            bytes.extend(stream.iter().flat_map(|&sample| (sample as i16).to_le_bytes()));
        }
        put(&folder, &format!("{index}.dat"), &bytes);
        for ((per_frame, skew), own) in signals.iter().zip(&own) {
            let checksum = own.iter().fold(0_i16, |sum, &sample| sum.wrapping_add(sample as i16));
            let initial = own.first().copied().unwrap_or(0);
            let format = if *is_212 { 212 } else { 16 };
            let layout = format!("{index}.dat {format}x{per_frame}:{skew}+{index}");
            let _ = writeln!(header, "{layout} 4(3)/mV 12 0 {initial} {checksum} 0");
        }
        for ((per_frame, skew), own) in signals.iter().zip(own) {
            // Late by whole frames, halves up; the least code is no sample, and neither is what lies past the end.
            let late = (f64::from(*skew) / *per_frame as f64 + 0.5).floor() as usize * per_frame;
            let at = |i: usize| own.get(i + late).filter(|&&sample| sample != -limit);
            physical.push((0..own.len()).map(|i| at(i).map_or(f32::NAN, |&s| (s - 3) as f32 / 4.0)).collect());
            stored.push(own);
        }
    }
    let path = put(&folder, "made.hea", header.as_bytes());
    Made { folder, path, stored, physical }
}

fn edf(is_bdf: bool, n_records: usize, per_record: &[usize], samples: &[i32]) -> Made {
    let folder = TempDir::new().unwrap();
    let n = per_record.len();
    let (mut stored, mut next) = (vec![Vec::new(); n], samples.iter().cycle());
    let columns = |width: usize, text: &dyn Fn(usize) -> String| -> String {
        (0..n).fold(String::new(), |mut line, signal| {
            let _ = write!(line, "{:<width$}", text(signal));
            line
        })
    };
    let (dmin, dmax) = if is_bdf { (-8_388_608, 8_388_607) } else { (-32768, 32767) };
    let text = [
        format!("{:<80}{:<80}01.01.0100.00.00{:<8}{:<44}", "", "", 256 * (n + 1), ""),
        format!("{n_records:<8}{:<8}{n:<4}", "0.5"),
        columns(16, &|signal| format!("C{signal}")),
        columns(80, &|_| String::new()),
        columns(8, &|_| "uV".to_owned()),
        columns(8, &|_| "300".to_owned()),
        columns(8, &|_| "-200".to_owned()),
        columns(8, &|_| dmin.to_string()),
        columns(8, &|_| dmax.to_string()),
        columns(80, &|_| String::new()),
        columns(8, &|signal| per_record[signal].to_string()),
        columns(32, &|_| String::new()),
    ]
    .concat();
    let mut bytes = if is_bdf { b"\xFFBIOSEMI".to_vec() } else { b"0       ".to_vec() };
    bytes.extend(text.bytes());
    for _ in 0..n_records {
        for (stored, per_record) in stored.iter_mut().zip(per_record) {
            for _ in 0..*per_record {
                let sample = next.next().unwrap().rem_euclid(dmax - dmin + 1) + dmin;
                stored.push(sample);
                bytes.extend(&sample.to_le_bytes()[..if is_bdf { 3 } else { 2 }]);
            }
        }
    }
    let scaled = |&sample: &i32| (300.0 + f64::from(sample - dmin) * -500.0 / f64::from(dmax - dmin)) as f32;
    let physical = stored.iter().map(|own| own.iter().map(scaled).collect()).collect();
    let path = put(&folder, "made.edf", &bytes);
    Made { folder, path, stored, physical }
}

/// Everything at once, then slices of it, in an order that jumps.
fn slices_equal_the_whole(made: &Made, cuts: &[(prop::sample::Index, prop::sample::Index)]) {
    let mut reader = open(&made.path, Strictness::Strict).unwrap();
    reader.verify().unwrap();
    assert_eq!(reader.header().channels.len(), made.stored.len());
    let whole = read(&made.path, Strictness::Strict).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (channel, expected) in made.stored.iter().enumerate() {
        let n = expected.len();
        assert_eq!(reader.header().channels[channel].samples, n as u64);
        assert_eq!(bits(&whole.channels[channel].samples), bits(&made.physical[channel]));
        for (a, b) in cuts {
            let (a, b) = (a.index(n + 1), b.index(n + 1));
            let (first, end) = (a.min(b), a.max(b));
            let span = Span { first: first as u64, end: end as u64 };
            let (mut stored, mut values) = ([Vec::new()], [Vec::new()]);
            reader.digital(&[channel], span, &mut stored).unwrap();
            assert_eq!(stored[0], expected[first..end]);
            reader.physical(&[channel], span, &mut values).unwrap();
            assert_eq!(bits(&values[0]), bits(&whole.channels[channel].samples[first..end]));
        }
    }
}

fn cuts() -> impl Strategy<Value = Vec<(prop::sample::Index, prop::sample::Index)>> {
    prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..5)
}

/// Any text of a header, or bytes that look like it.
fn header_like() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        "x [0-9]{1,2}( [0-9./()]{0,9}){0,3}\n(x.(dat|atr|hea) (16|212)[0-9x:+]{0,9}( [0-9a-z/().-]{0,8}){0,9}\n){0,4}"
            .prop_map(String::into_bytes),
    ]
}

fn both(path: &Path) {
    let strict = read(path, Strictness::Strict).map(|recording| format!("{recording:?}"));
    let lenient = read(path, Strictness::Lenient).map(|recording| format!("{recording:?}"));
    if let Ok(strict) = strict {
        // Texts, because missing samples are not equal to themselves.
        assert_eq!(strict, lenient.unwrap());
    }
    let _ = summary(path, Strictness::Lenient, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn wfdb_slices_equal_the_whole(
        n_frames in prop_oneof![0_usize..60, 5_000_usize..9_000],
        files in prop::collection::vec((any::<bool>(), prop::collection::vec((1_usize..4, 0_u32..9), 1..4)), 1..3),
        samples in prop::collection::vec(any::<i32>(), 97),
        cuts in cuts(),
    ) {
        slices_equal_the_whole(&wfdb(n_frames, &files, &samples), &cuts);
    }

    #[test]
    fn edf_slices_equal_the_whole(
        is_bdf in any::<bool>(),
        n_records in 0_usize..9,
        per_record in prop::collection::vec(prop_oneof![1_usize..40, 17_000_usize..18_000], 1..5),
        samples in prop::collection::vec(any::<i32>(), 97),
        cuts in cuts(),
    ) {
        slices_equal_the_whole(&edf(is_bdf, n_records, &per_record, &samples), &cuts);
    }

    #[test]
    fn no_bytes_make_a_record_panic(header in header_like(), samples in prop::collection::vec(any::<u8>(), 0..300), marks in prop::collection::vec(any::<u8>(), 0..100)) {
        let folder = TempDir::new().unwrap();
        let path = put(&folder, "x.hea", &header);
        put(&folder, "x.dat", &samples);
        put(&folder, "x.atr", &marks);
        both(&path);
    }

    #[test]
    fn no_bytes_make_an_edf_file_panic(
        is_bdf in any::<bool>(),
        per_record in prop::collection::vec(1_usize..40, 1..5),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), b' '..=b'9']), 0..20),
        plus in prop_oneof![Just("     "), Just("EDF+C"), Just("BDF+C")],
    ) {
        let made = edf(is_bdf, 3, &per_record, &[1, -1, 0x2B, 0x14]);
        let mut bytes = std::fs::read(&made.path).unwrap();
        bytes[192..197].copy_from_slice(plus.as_bytes());
        if plus != "     " {
            bytes[256..271].copy_from_slice(if is_bdf { b"BDF Annotations" } else { b"EDF Annotations" });
        }
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        both(&put(&made.folder, "made.edf", &bytes));
    }

    #[test]
    fn claims_beyond_the_file_are_not_believed(n_frames in 100_u64..=u64::MAX, per_frame in 1_u32.., n_records in 100_u32..99_999_999, per_record in 1_u32..99_999_999) {
        let made = wfdb(20, &[(false, vec![(1, 0)])], &[1, 2, 3]);
        let header = format!("made 1 100 {n_frames}\n0.dat 16x{per_frame}\n");
        let path = put(&made.folder, "made.hea", header.as_bytes());
        prop_assert!(open(&path, Strictness::Strict).is_err());
        let most = |path: &Path| open(path, Strictness::Lenient).map_or(0, |reader| reader.header().channels[0].samples);
        prop_assert!(most(&path) <= 20);
        let made = edf(false, 2, &[10], &[1, 2, 3]);
        let mut bytes = std::fs::read(&made.path).unwrap();
        bytes[236..244].copy_from_slice(format!("{n_records:<8}").as_bytes());
        bytes[472..480].copy_from_slice(format!("{per_record:<8}").as_bytes());
        let path = put(&made.folder, "made.edf", &bytes);
        prop_assert!(open(&path, Strictness::Strict).is_err());
        prop_assert!(most(&path) <= 20);
    }
}
