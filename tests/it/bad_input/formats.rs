//! Damaged and hostile recording files through `inspect`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::super::cli::{fixture, json};
use super::refused_leaving;

/// A copy of record 100, to be damaged.
fn record() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["hea", "dat", "atr"] {
        fs::copy(fixture("mitdb/100").with_extension(ending), folder.path().join("100").with_extension(ending))
            .unwrap();
    }
    let path = folder.path().join("100.hea");
    (folder, path)
}

fn eeg() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("S001R04.edf");
    fs::copy(fixture("eegmmidb/S001/S001R04.edf"), &path).unwrap();
    (folder, path)
}

fn inspect_refuses(path: &Path, words: &[&str]) {
    let folder = path.parent().unwrap();
    refused_leaving(folder, &["inspect", path.to_str().unwrap(), "--json"], 1, words);
}

/// Record 100 with its header changed is refused with `words`.
fn header_refuses(from: &str, to: &str, words: &[&str]) {
    let (_folder, path) = record();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    inspect_refuses(&path, words);
}

/// The EDF file with fields written over is refused with `words`.
fn edf_refuses(fields: &[(usize, &str)], words: &[&str]) {
    let (_folder, path) = eeg();
    let mut bytes = fs::read(&path).unwrap();
    for (at, text) in fields {
        bytes[*at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    fs::write(&path, bytes).unwrap();
    inspect_refuses(&path, words);
}

/// The EDF file with the list of data record 4 written over is refused with `words`.
fn list_refuses(list: &[u8], words: &[&str]) {
    let (_folder, path) = eeg();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|five| five == b"+4\x14\x14\x00").unwrap();
    bytes[at..at + list.len()].copy_from_slice(list);
    fs::write(&path, bytes).unwrap();
    inspect_refuses(&path, words);
}

/// A file of any name and content is refused with `words`.
fn file_refuses(name: &str, bytes: &[u8], words: &[&str]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    inspect_refuses(&path, words);
}

/// Where a signal's field begins in the EDF file of 65 signals: `before` bytes of fields a signal stand before it.
fn field(before: usize, length: usize, signal: usize) -> usize {
    256 + 65 * before + length * signal
}

#[test]
fn cut_dat() {
    let (_folder, path) = record();
    let signals = path.with_extension("dat");
    let bytes = fs::read(&signals).unwrap();
    fs::write(&signals, &bytes[..bytes.len() / 2]).unwrap();
    inspect_refuses(&path, &["100.dat", "ends at byte 64800", "129600"]);
}

#[test]
fn wrong_checksum() {
    let (_folder, path) = record();
    let signals = path.with_extension("dat");
    let mut bytes = fs::read(&signals).unwrap();
    // Away from the first sample, whose value the header states as well.
    bytes[30_000] ^= 0x01;
    fs::write(&signals, bytes).unwrap();
    inspect_refuses(&path, &["checksum", "MLII"]);
}

#[test]
fn broken_header() {
    let (_folder, path) = record();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(" 212 ", " 2l2 ", 1)).unwrap();
    inspect_refuses(&path, &["100.hea", "line 2", "2l2"]);
}

#[test]
fn header_with_too_many_signals() {
    header_refuses("100 2 360", "100 4294967295 360", &["100.hea", "the header ends at line 4", "a signal line"]);
}

#[test]
fn header_with_a_frame_as_long_as_the_world() {
    let words = ["100.hea", "line 2", "samples per frame", "4000000000"];
    header_refuses("100.dat 212", "100.dat 212x4000000000", &words);
}

#[test]
fn header_that_claims_a_million_million_samples() {
    header_refuses(
        "360 43200",
        "360 1000000000000",
        &["100.dat", "ends at byte 129600", "43200 of 1000000000000 frames"],
    );
}

#[test]
fn header_that_leads_out_of_its_folder() {
    for name in ["../100.dat", "/etc/passwd", "..\\100.dat", "C:100.dat"] {
        header_refuses("100.dat", name, &["100.hea", "line 2", "is no plain file name", "beside their header"]);
    }
}

#[test]
fn header_whose_gain_gives_no_numbers() {
    for gain in [" 1e-300 ", " 1e300(0)/mV "] {
        header_refuses(" 200 ", gain, &["100.hea", "line 2", "gain", "32-bit float"]);
    }
    header_refuses(" 200 ", " nan(0)/mV ", &["line 2", "gain", "nan(0)/mV"]);
}

#[test]
fn header_of_another_record() {
    header_refuses("100 2", "101 2", &["100.hea", "names record `101`", "called `100`"]);
}

#[test]
fn header_whose_signals_share_a_file_in_two_formats() {
    let (_folder, path) = record();
    let text = fs::read_to_string(&path).unwrap();
    let at = text.rfind("100.dat 212").unwrap();
    fs::write(&path, format!("{}100.dat 16{}", &text[..at], &text[at + 11..])).unwrap();
    inspect_refuses(&path, &["100.hea", "line 3", "share format and byte offset"]);
}

#[test]
fn header_of_what_is_not_read() {
    header_refuses("100.dat 212", "100.dat 310", &["100.hea", "signal format 310", "xform"]);
    header_refuses("100 2", "100/3 2", &["multi-segment record", "name one of its segments"]);
    header_refuses("100.dat 212", "~ 212", &["layout record"]);
}

#[test]
fn header_with_control_characters() {
    // What is quoted of it is escaped: it can neither clear a screen nor forge a line.
    header_refuses("100 2 360", "100 2 3\u{0}6\u{1b}[2J", &["100.hea", "line 1", r"3\06\u{1b}[2J"]);
}

#[test]
fn header_in_utf_16() {
    let (_folder, path) = record();
    let text = fs::read_to_string(&path).unwrap();
    let wide = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    fs::write(&path, wide).unwrap();
    inspect_refuses(&path, &["100.hea", "text in UTF-16", "save it as plain text"]);
}

#[test]
fn header_longer_than_any() {
    file_refuses("100.hea", &vec![b'#'; (1 << 20) + 1], &["100.hea", "1048577 bytes", "fetch it again"]);
}

#[test]
fn empty_files() {
    for name in ["100.hea", "a.edf", "a.bdf"] {
        file_refuses(name, b"", &[name, "is empty (0 bytes)", "fetch it again"]);
    }
    let (_folder, path) = record();
    fs::write(path.with_extension("dat"), b"").unwrap();
    inspect_refuses(&path, &["100.dat", "ends at byte 0"]);
}

#[test]
fn signal_file_that_is_not_there() {
    let (_folder, path) = record();
    fs::remove_file(path.with_extension("dat")).unwrap();
    inspect_refuses(&path, &["100.dat", "the header names this signal file", "into the folder of the header"]);
}

#[test]
fn folders_in_place_of_files() {
    for ending in ["dat", "atr"] {
        let (_folder, path) = record();
        fs::remove_file(path.with_extension(ending)).unwrap();
        fs::create_dir(path.with_extension(ending)).unwrap();
        inspect_refuses(&path, &[&format!("100.{ending}"), "is a folder, not a file"]);
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_in_place_of_files() {
    for ending in ["hea", "dat", "atr"] {
        let (_folder, path) = record();
        fs::remove_file(path.with_extension(ending)).unwrap();
        let made = Command::new("mkfifo").arg(path.with_extension(ending)).status().unwrap();
        assert!(made.success());
        inspect_refuses(&path, &[&format!("100.{ending}"), "is a pipe, socket or device, not a file"]);
    }
    let (_folder, path) = record();
    fs::remove_file(path.with_extension("dat")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path.with_extension("dat")).unwrap();
    inspect_refuses(&path, &["100.dat", "is a pipe, socket or device, not a file"]);
}

#[cfg(unix)]
#[test]
fn links_to_what_was_not_fetched() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sub-01_eeg.edf");
    std::os::unix::fs::symlink("../.git/annex/objects/Qx/3z/MD5E-s2596896--ab.edf", &path).unwrap();
    inspect_refuses(&path, &["sub-01_eeg.edf", "is a link to ../.git/annex", "datalad get"]);
    let (_folder, path) = record();
    fs::remove_file(path.with_extension("atr")).unwrap();
    std::os::unix::fs::symlink("elsewhere.atr", path.with_extension("atr")).unwrap();
    inspect_refuses(&path, &["100.atr", "is a link to elsewhere.atr, where there is nothing"]);
}

#[test]
fn pointers_of_git_lfs_and_git_annex() {
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2596896\n";
    file_refuses("S001R01.edf", lfs, &["S001R01.edf", "a git-lfs pointer", "git lfs pull"]);
    file_refuses("a.bdf", b"/annex/objects/MD5E-s2596896--ab.bdf\n", &["a.bdf", "a git-annex pointer", "datalad get"]);
    for ending in ["dat", "atr"] {
        let (_folder, path) = record();
        fs::write(path.with_extension(ending), lfs).unwrap();
        inspect_refuses(&path, &[&format!("100.{ending}"), "a git-lfs pointer", "git lfs pull"]);
    }
}

#[test]
fn web_pages_in_place_of_files() {
    let page = b"\r\n<!DOCTYPE html>\n<html lang=\"en\"><head><title>404 Not Found</title></head></html>\n";
    for name in ["S001R01.edf", "a.bdf", "100.hea"] {
        file_refuses(name, page, &[name, "a web page", "fetch it again"]);
    }
    for ending in ["dat", "atr"] {
        let (_folder, path) = record();
        fs::write(path.with_extension(ending), page).unwrap();
        inspect_refuses(&path, &[&format!("100.{ending}"), "a web page"]);
    }
    file_refuses("a.edf", b"<?xml version=\"1.0\"?><Error><Code>AccessDenied", &["a.edf", "an XML document"]);
}

#[test]
fn packed_files() {
    file_refuses("S001R01.edf", b"\x1F\x8B\x08\0\0\0\0\0\0\x03", &["S001R01.edf", "packed with gzip", "gunzip"]);
    file_refuses("100.hea", b"PK\x03\x04\x14\0", &["100.hea", "a zip archive", "unpack it"]);
}

#[test]
fn files_of_other_formats() {
    for (head, word) in [
        (&b"GDF 2.20\0\0"[..], "GDF"),
        (b"Brain Vision Data Exchange Header File Version 1.0\r\n", "BrainVision"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "MATLAB"),
        (b"\x89HDF\r\n\x1A\n\0\0", "HDF5"),
    ] {
        file_refuses("recording.edf", head, &["recording.edf", word]);
    }
    file_refuses("recording.txt", b"some words", &["recording.txt", "no format that is read here", ".hea"]);
}

#[test]
fn empty_annotation_file() {
    let (_folder, path) = record();
    fs::write(path.with_extension("atr"), b"").unwrap();
    inspect_refuses(&path, &["100.atr", "annotation file is empty"]);
}

#[test]
fn annotation_file_cut_inside_a_text() {
    let (_folder, path) = record();
    // A note of nine bytes, of which three are there.
    fs::write(path.with_extension("atr"), [18, 4, 9, 252, b'a', b'b', b'c']).unwrap();
    inspect_refuses(&path, &["100.atr", "inside the entry at byte 2"]);
}

#[test]
fn annotation_file_longer_than_any() {
    let (_folder, path) = record();
    fs::File::create(path.with_extension("atr")).unwrap().set_len(1 << 30).unwrap();
    let arguments = ["inspect", path.to_str().unwrap()];
    // Too long to be compared byte for byte.
    super::refused(&arguments, 1, &["100.atr", "1073741824 bytes", "fetch it again"]);
}

#[test]
fn annotation_file_with_marks_beyond_number() {
    let (_folder, path) = record();
    fs::write(path.with_extension("atr"), [1, 4].repeat(1 << 22)).unwrap();
    inspect_refuses(&path, &["100.atr", "more than 2000000 annotations"]);
}

#[test]
fn annotator_that_is_not_there() {
    let (folder, path) = record();
    let arguments = ["inspect", path.to_str().unwrap(), "--annotator", "qrs"];
    refused_leaving(folder.path(), &arguments, 1, &["100.qrs", "no such annotation file", "ending of a file"]);
}

#[test]
fn cut_edf() {
    let (_folder, path) = eeg();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
    inspect_refuses(&path, &["S001R04.edf", "data records", "ends at byte"]);
}

#[test]
fn discontinuous_edf() {
    let (_folder, path) = eeg();
    let mut bytes = fs::read(&path).unwrap();
    bytes[192..197].copy_from_slice(b"EDF+D");
    fs::write(&path, bytes).unwrap();
    inspect_refuses(&path, &["EDF+D"]);
}

#[test]
fn edf_header_of_another_version() {
    edf_refuses(&[(0, "1\u{1b}[31m")], &["S001R04.edf", "byte 0", "version", r"1\u{1b}[31m"]);
}

#[test]
fn edf_header_cut() {
    let whole = fs::read(fixture("eegmmidb/S001/S001R04.edf")).unwrap();
    file_refuses("a.edf", &whole[..200], &["a.edf", "the header ends at byte 200", "its fixed part"]);
    file_refuses("a.edf", &whole[..5000], &["a.edf", "the header ends at byte 5000", "the signals' fields"]);
}

#[test]
fn edf_that_claims_a_hundred_million_records() {
    edf_refuses(&[(236, "99999999")], &["S001R04.edf", "25 of 99999999 data records"]);
}

#[test]
fn edf_whose_records_are_larger_than_memory() {
    let sizes: Vec<(usize, &str)> = (0..64).map(|signal| (field(216, 8, signal), "99999999")).collect();
    edf_refuses(&sizes, &["S001R04.edf", "0 of 25 data records"]);
    let sizes = [(field(216, 8, 64), "99999999")];
    edf_refuses(&sizes, &["S001R04.edf", "samples per data record", "99999999", "annotation signal"]);
}

#[test]
fn edf_with_a_number_of_signals_that_is_none() {
    edf_refuses(&[(252, "-1  ")], &["S001R04.edf", "byte 252", "number of signals"]);
    edf_refuses(&[(252, "9999")], &["S001R04.edf", "number of header bytes"]);
}

#[test]
fn edf_with_a_wrong_header_length() {
    edf_refuses(&[(184, "16897   ")], &["S001R04.edf", "byte 184", "number of header bytes", "16897"]);
}

#[test]
fn edf_with_record_durations_that_are_none() {
    for duration in ["0       ", "-1      ", "nan     ", "1e-300  ", "9e99    "] {
        edf_refuses(&[(244, duration)], &["S001R04.edf", "data record"]);
    }
}

#[test]
fn edf_with_ranges_that_say_nothing() {
    let (minimum, maximum) = (field(120, 8, 0), field(128, 8, 0));
    edf_refuses(&[(maximum, "-8092   "), (minimum, "-8092   ")], &["digital maximum", "`-8092`", "--lenient"]);
    edf_refuses(&[(maximum, "-9000   ")], &["digital maximum", "above the digital minimum"]);
    let (minimum, maximum) = (field(104, 8, 0), field(112, 8, 0));
    edf_refuses(&[(minimum, "5       "), (maximum, "5       ")], &["physical maximum", "another value"]);
    edf_refuses(&[(maximum, "1e39    ")], &["physical maximum", "32-bit float"]);
    edf_refuses(&[(maximum, "1,5     ")], &["physical maximum", "`1,5`", "a decimal number"]);
}

#[test]
fn edf_with_a_signal_without_samples() {
    edf_refuses(&[(field(216, 8, 0), "0       ")], &["samples per data record", "a whole number above 0"]);
}

#[test]
fn bdf_cut() {
    let whole = fs::read(fixture("formats/mne/test_bdf_stim_channel.bdf")).unwrap();
    // The bytes decide, not the name.
    file_refuses("named.edf", &whole[..whole.len() - 1], &["named.edf", "9 of 10 data records"]);
}

#[test]
fn annotation_list_without_an_end() {
    let (_folder, path) = eeg();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|five| five == b"+4\x14\x14\x00").unwrap();
    // To the end of the 160 bytes that are the annotation signal's.
    bytes[at + 4..at + 160].fill(b'x');
    fs::write(&path, bytes).unwrap();
    inspect_refuses(&path, &["S001R04.edf", "data record 4", "does not end"]);
}

#[test]
fn annotation_lists_with_times_that_are_none() {
    list_refuses(b"4x", &["data record 4, byte 0", "an onset has no sign", "--lenient"]);
    list_refuses(b"+x", &["data record 4, byte 0", "an onset is no decimal number"]);
    list_refuses(b"+99999999999\x14\x14\x00", &["data record 4, byte 0", "an onset is beyond 1e9 s"]);
    list_refuses(b"+5\x14\x14\x00", &["data record 4 begins at 5 s", "at 4 s", "discontinuous"]);
}

#[test]
fn lenient_says_what_was_kept() {
    let told =
        |path: &Path| json(&["inspect", path.to_str().unwrap(), "--json", "--lenient"], 0)["warnings"].to_string();
    let (_folder, path) = record();
    let signals = path.with_extension("dat");
    let bytes = fs::read(&signals).unwrap();
    fs::write(&signals, &bytes[..30_001]).unwrap();
    fs::write(path.with_extension("atr"), [18, 4, 5, 4, 9, 252, b'a']).unwrap();
    let warnings = told(&path);
    for words in ["10000 frames are kept, 1 bytes after them", "the 2 annotations before it are kept, 3 bytes dropped"]
    {
        assert!(warnings.contains(words), "{warnings}");
    }
    let (_folder, path) = eeg();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
    let warnings = told(&path);
    assert!(warnings.contains("24 data records are kept"), "{warnings}");
}
