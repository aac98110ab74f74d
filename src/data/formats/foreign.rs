//! What lies where a recording should: files that everybody meets, told by their first bytes and by their names.

use std::path::Path;

use super::FormatFault;

/// A kind of file that is no recording, or one of a format that is not read.
struct Kind {
    magic: &'static [u8],
    what: &'static str,
    remedy: &'static str,
}

const UNPACK: &str = "unpack it and name what was inside";
const CONVERT: &str = "export it as EDF+ or BDF+ with the program it came from, or convert it with EDFbrowser or MNE";

/// First bytes that are long enough to stand for one thing only.
const KINDS: [Kind; 22] = [
    Kind {
        magic: b"version https://git-lfs",
        what: "a git-lfs pointer, not the file itself",
        remedy: "fetch what it points to: `git lfs pull` in its repository",
    },
    Kind {
        magic: b"/annex/objects/",
        what: "a git-annex pointer, not the file itself",
        remedy: "fetch what it points to: `datalad get FILE` or `git annex get FILE` in its repository",
    },
    Kind { magic: b"\x1F\x8B\x08", what: "packed with gzip", remedy: "unpack it first: `gunzip FILE`" },
    Kind { magic: b"PK\x03\x04", what: "a zip archive", remedy: UNPACK },
    Kind { magic: b"BZh", what: "packed with bzip2", remedy: UNPACK },
    Kind { magic: b"\xFD7zXZ\0", what: "packed with xz", remedy: UNPACK },
    Kind { magic: b"\x28\xB5\x2F\xFD", what: "packed with zstd", remedy: UNPACK },
    Kind { magic: b"7z\xBC\xAF\x27\x1C", what: "a 7z archive", remedy: UNPACK },
    Kind { magic: b"Rar!\x1A\x07", what: "a RAR archive", remedy: UNPACK },
    Kind { magic: b"%PDF-", what: "a PDF document", remedy: "name the recording that it tells of" },
    Kind {
        magic: b"\x89HDF\r\n\x1A\n",
        what: "an HDF5 file (a store, NWB or MATLAB 7.3)",
        remedy: "inspect shows recordings: name the EDF, BDF or WFDB file that it was made from",
    },
    Kind { magic: b"MATLAB 5.0 MAT-file", what: "a MATLAB file (EEGLAB .set among them)", remedy: CONVERT },
    Kind { magic: b"\x93NUMPY", what: "a NumPy array", remedy: CONVERT },
    Kind { magic: b"GDF ", what: "in GDF, a format that is not read", remedy: CONVERT },
    Kind { magic: b"Brain Vision Data Exchange", what: "in BrainVision's format, which is not read", remedy: CONVERT },
    Kind { magic: b"BrainVision Data Exchange", what: "in BrainVision's format, which is not read", remedy: CONVERT },
    Kind { magic: b"XDF:", what: "in XDF, a format that is not read", remedy: CONVERT },
    Kind { magic: b"\0\0\0\x64\0\0\0\x1F", what: "in FIF, a format that is not read", remedy: CONVERT },
    Kind { magic: b"CFWB", what: "in LabChart's binary format, which is not read", remedy: CONVERT },
    Kind { magic: b"fLaC", what: "a FLAC file", remedy: "name the .hea file of its WFDB record" },
    Kind { magic: b"\xFF\xFE", what: "text in UTF-16", remedy: "save it as plain text (ASCII or UTF-8)" },
    Kind { magic: b"\xFE\xFF", what: "text in UTF-16", remedy: "save it as plain text (ASCII or UTF-8)" },
];

const MARKUP: [(&[u8], &str); 4] = [
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML document"),
    (b"<error", "an XML document"),
];

/// Refuses first bytes that belong to something else.
pub(super) fn check(head: &[u8]) -> Result<(), FormatFault> {
    if let Some(Kind { what, remedy, .. }) = KINDS.iter().find(|kind| head.starts_with(kind.magic)) {
        return Err(FormatFault::Foreign { what, remedy });
    }
    check_text(head)
}

/// As [`check`], for files whose own first bytes may be any two or three: what opens with a whole word only.
pub(super) fn check_text(head: &[u8]) -> Result<(), FormatFault> {
    let long = KINDS.iter().find(|kind| kind.magic.len() >= 15 && head.starts_with(kind.magic));
    if let Some(Kind { what, remedy, .. }) = long {
        return Err(FormatFault::Foreign { what, remedy });
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let opens = |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    match MARKUP.iter().find(|(word, _)| opens(word)) {
        Some((_, what)) => Err(FormatFault::Foreign {
            what,
            remedy: "the download gave an error or a login page instead of the file: look into it, then fetch it again",
        }),
        None => Ok(()),
    }
}

/// Whether a link leads into git-annex's store, where a file lies only once it was fetched.
pub(super) fn is_annexed(target: &Path) -> bool {
    target.to_string_lossy().replace('\\', "/").contains(".git/annex/objects/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_mishaps_are_told() {
        for (head, word) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid"[..], "git-lfs"),
            (b"/annex/objects/MD5E-s2596896--ab.edf\n", "git-annex"),
            (b"\x1F\x8B\x08\0", "gzip"),
            (b"\n  <!DOCTYPE HTML PUBLIC", "web page"),
            (b"\xEF\xBB\xBF<html lang", "web page"),
            (b"<?xml version=\"1.0\"?><Error>", "XML"),
            (b"\xFF\xFE1\x000\0", "UTF-16"),
            (b"GDF 2.20", "GDF"),
        ] {
            let Err(FormatFault::Foreign { what, .. }) = check(head) else { panic!("{word}") };
            assert!(what.contains(word), "{what}");
        }
    }

    #[test]
    fn recordings_pass() {
        for head in [&b"0       X X X X"[..], b"\xFFBIOSEMI", b"100 2 360 650000\n", b"# header\n", b"", b"<"] {
            assert!(check(head).is_ok());
        }
        // An annotation file may open with any pair.
        assert!(check_text(b"\x1F\x8B\x08\0").is_ok());
        assert!(check_text(b"version https://git-lfs.github.com").is_err());
    }
}
