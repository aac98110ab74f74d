//! Headers that are right, odd and wrong.

use super::*;

/// A field written over a header.
fn put(bytes: &mut [u8], at: usize, length: usize, text: &str) {
    bytes[at..at + length].fill(b' ');
    bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
}

/// A right header with an ordinary signal and an annotation signal.
fn header(reserved: &str) -> Vec<u8> {
    let mut bytes = vec![b' '; 3 * BLOCK];
    for (at, length, text) in [
        (0, 8, "0"),
        (168, 8, "02.08.51"),
        (176, 8, "23.05.06"),
        (184, 8, "768"),
        (192, 44, reserved),
        (236, 8, "7"),
        (244, 8, "0.5"),
        (252, 4, "2"),
        (256, 16, "Fc5."),
        (272, 16, "EDF Annotations"),
        (448, 8, "uV"),
        (464, 8, "100"),
        (472, 8, "-1"),
        (480, 8, "-100"),
        (488, 8, "1"),
        (496, 8, "-5"),
        (504, 8, "-32768"),
        (512, 8, "5"),
        (520, 8, "32767"),
        (688, 8, "80"),
        (696, 8, "20"),
    ] {
        put(&mut bytes, at, length, text);
    }
    bytes
}

fn strict(bytes: &[u8]) -> Result<FileHeader, FormatFault> {
    parse(bytes, Width::Two, Strictness::Strict)
}

#[test]
fn every_field_is_read() {
    let header = strict(&header("EDF+C")).unwrap();
    assert_eq!((header.n_records, header.record_s, header.annotated), (Some(7), 0.5, true));
    assert_eq!(header.start.unwrap().to_string(), "2051-08-02T23:05:06");
    assert_eq!((header.bytes(), header.record_bytes(Width::Two)), (768, 200));
    let [signal, annotations] = &header.signals[..] else { panic!("two signals") };
    assert_eq!((signal.label.as_str(), signal.unit.as_str(), signal.samples_per_record), ("Fc5.", "uV", 80));
    assert_eq!((signal.digital, signal.is_annotations), ((-5, 5), false));
    assert!(annotations.is_annotations && header.warnings.is_empty());
}

#[test]
fn a_physical_minimum_above_the_maximum_turns_the_sign() {
    let header = strict(&header("EDF+C")).unwrap();
    let physical = |stored| header.signals[0].scale.physical(stored);
    assert_eq!((physical(-5), physical(0), physical(5), physical(6)), (100.0, 0.0, -100.0, -120.0));
}

#[test]
fn without_the_plus_annotations_are_a_signal() {
    let header = strict(&header("")).unwrap();
    assert!(!header.annotated && header.signals.iter().all(|signal| !signal.is_annotations));
}

#[test]
fn recordings_with_gaps_are_refused_by_name() {
    let Err(FormatFault::Unsupported { what, .. }) = strict(&header("EDF+D")) else { panic!("read") };
    assert!(what.starts_with("EDF+D"));
}

#[test]
fn broken_fields_are_named_with_their_byte() {
    for (at, length, text, name) in [
        (0, 8, "1", "version"),
        (184, 8, "769", "number of header bytes"),
        (192, 44, "EDF+X", "reserved"),
        (236, 8, "-2", "number of data records"),
        (236, 8, "few", "number of data records"),
        (244, 8, "-1", "duration of a data record"),
        (244, 8, "0", "duration of a data record"),
        (244, 8, "nan", "duration of a data record"),
        (252, 4, "-1", "number of signals"),
        (464, 8, "inf", "physical minimum"),
        (480, 8, "100", "physical maximum"),
        (496, 8, "1.5", "digital minimum"),
        (512, 8, "-5", "digital maximum"),
        (688, 8, "", "samples per data record"),
    ] {
        let mut bytes = header("EDF+C");
        put(&mut bytes, at, length, text);
        match strict(&bytes) {
            Err(FormatFault::Field { place, field, .. }) => assert_eq!((place, field), (Place::Byte(at as u64), name)),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn useless_ranges_leave_stored_values_to_a_lenient_reader() {
    let mut bytes = header("EDF+C");
    put(&mut bytes, 480, 8, "100");
    let header = parse(&bytes, Width::Two, Strictness::Lenient).unwrap();
    assert_eq!((header.signals[0].scale, header.signals[0].unit.as_str(), header.warnings.len()), (Scale::None, "", 1));
}

#[test]
fn odd_but_legal_is_warned_of() {
    for (at, text) in [(236, "-1"), (168, "00.00.00"), (176, "25.00.00")] {
        let mut bytes = header("EDF+C");
        put(&mut bytes, at, 8, text);
        assert_eq!(strict(&bytes).unwrap().warnings.len(), 1, "{text}");
    }
}

#[test]
fn a_cut_header_ends_too_early() {
    assert!(matches!(strict(&header("EDF+C")[..700]), Err(FormatFault::HeaderEnds { place: Place::Byte(700), .. })));
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(changes in prop::collection::vec((0_usize..768, any::<u8>()), 0..60), cut in 0_usize..=768) {
            let mut bytes = header("EDF+C");
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            for width in [Width::Two, Width::Three] {
                if let Ok(header) = parse(&bytes[..cut], width, Strictness::Lenient) {
                    let _ = (header.bytes(), header.record_bytes(width));
                }
            }
        }
    }
}
