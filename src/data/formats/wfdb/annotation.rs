//! Annotation files, annot(5), the MIT format: byte pairs of a code and a time step, with pseudo codes between them.

use std::collections::BTreeMap;

use crate::base::printable;
use crate::data::formats::tally::Tally;
use crate::data::formats::{FormatFault, MOST_MARKS, Strictness};
use crate::signal::{Annotation, Onset, Origin, Warning, round_half_up};

/// Symbols of the codes 0..=41; an empty one has no symbol.
const SYMBOLS: [&str; 42] = [
    "", "N", "L", "R", "a", "V", "F", "J", "A", "S", "E", "j", "/", "Q", "~", "", "|", "", "s", "T", "*", "D", "\"",
    "=", "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@", "x", "f", "(", ")", "r",
];
const NOTE: u8 = 22;
const LAST_CODE: u8 = 49;
const SKIP: u8 = 59;
const NUM: u8 = 60;
const SUB: u8 = 61;
const CHN: u8 = 62;
const AUX: u8 = 63;

/// What an annotation file is read against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// Frames per second of the record.
    pub(super) frame_rate_hz: f64,
    /// Frames of the record, where its length is known.
    pub(super) n_frames: Option<u64>,
}

/// Marks and what was odd.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Marks {
    pub(super) annotations: Vec<Annotation>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads a whole annotation file.
pub(super) fn parse(bytes: &[u8], timeline: Timeline, strictness: Strictness) -> Result<Marks, FormatFault> {
    if bytes.is_empty() {
        let fault = FormatFault::EmptyAnnotations;
        if strictness == Strictness::Strict {
            return Err(fault);
        }
        let warning = Warning { place: place(0), message: format!("{fault}; taken as without annotations") };
        return Ok(Marks { annotations: Vec::new(), warnings: vec![warning] });
    }
    let mut tape = Tape::default();
    let mut odd = Tally::default();
    if let Err(fault) = tape.run(bytes, &mut odd) {
        let FormatFault::AnnotationEnds { at } = fault else { return Err(fault) };
        if strictness == Strictness::Strict {
            return Err(fault);
        }
        let (kept, dropped) = (tape.entries.len(), (bytes.len() as u64).saturating_sub(at));
        odd.add("cut", place(at), || {
            format!("{fault}; the {kept} annotations before it are kept, {dropped} bytes dropped")
        });
    }
    Ok(declared(tape.entries, timeline, odd))
}

/// An annotation as the file counts it.
#[derive(Debug, Clone)]
struct Raw {
    at: u64,
    ticks: i64,
    code: u8,
    subtype: i8,
    chan: u8,
    num: i8,
    aux: Option<String>,
}

/// Where the next modifier belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Nothing,
    /// A code 0 that only moves time.
    Dropped,
    Entry,
}

/// The state that runs along the file.
#[derive(Default)]
struct Tape {
    ticks: i64,
    num: i8,
    chan: u8,
    last: Last,
    entries: Vec<Raw>,
}

impl Tape {
    /// Reads to the end, or to an entry that is cut.
    fn run(&mut self, bytes: &[u8], odd: &mut Tally) -> Result<(), FormatFault> {
        let mut cursor = Cursor { bytes, at: 0 };
        while cursor.left() > 0 {
            let at = cursor.at;
            let ends = || FormatFault::AnnotationEnds { at };
            let [low, high] = cursor.take::<2>().ok_or_else(ends)?;
            let (code, step) = (high >> 2, u16::from_le_bytes([low, high & 0b11]));
            match code {
                0 if step == 0 => return Ok(()),
                // Not the end while its step is not 0: it moves time and is no annotation.
                0 => {
                    self.ticks = self.ticks.saturating_add(i64::from(step));
                    self.last = Last::Dropped;
                }
                1..=LAST_CODE if self.entries.len() >= MOST_MARKS => {
                    return Err(FormatFault::TooManyMarks { limit: MOST_MARKS });
                }
                1..=LAST_CODE => self.entry(at, code, step),
                SKIP => {
                    let [b0, b1, b2, b3] = cursor.take::<4>().ok_or_else(ends)?;
                    let skip = i32::from_le_bytes([b2, b3, b0, b1]);
                    self.ticks = self.ticks.saturating_add(i64::from(skip));
                }
                NUM | SUB | CHN => self.modify(at, code, low, odd),
                AUX => {
                    let text = cursor.text(usize::from(low)).ok_or_else(ends)?;
                    self.auxiliary(at, text, odd);
                }
                _ => odd.add("reserved", place(at), || format!("annotation code {code} is reserved; passed over")),
            }
        }
        odd.add("end", place(cursor.at), || "the annotation file has no end mark".to_owned());
        Ok(())
    }

    fn entry(&mut self, at: u64, code: u8, step: u16) {
        self.ticks = self.ticks.saturating_add(i64::from(step));
        self.last = Last::Entry;
        let (ticks, chan, num) = (self.ticks, self.chan, self.num);
        self.entries.push(Raw { at, ticks, code, subtype: 0, chan, num, aux: None });
    }

    /// NUM, SUB and CHN change the annotation just read; NUM and CHN those after it too.
    fn modify(&mut self, at: u64, code: u8, value: u8, odd: &mut Tally) {
        match code {
            NUM => self.num = value.cast_signed(),
            CHN => self.chan = value,
            _ => {}
        }
        let (num, chan) = (self.num, self.chan);
        match (self.last, self.entries.last_mut()) {
            (Last::Entry, Some(entry)) => match code {
                NUM => entry.num = num,
                CHN => entry.chan = chan,
                _ => entry.subtype = value.cast_signed(),
            },
            (Last::Dropped, _) => {}
            _ => odd.add("early", place(at), || "a modifier stands before any annotation".to_owned()),
        }
    }

    fn auxiliary(&mut self, at: u64, text: String, odd: &mut Tally) {
        match (self.last, self.entries.last_mut()) {
            (Last::Entry, Some(entry)) => entry.aux = Some(text),
            (Last::Dropped, _) => {}
            _ => odd.add("early", place(at), || "a text stands before any annotation".to_owned()),
        }
    }
}

/// Takes the declaring notes out, and applies what they declare: the time resolution and symbols of codes.
fn declared(entries: Vec<Raw>, timeline: Timeline, mut odd: Tally) -> Marks {
    let mut resolution = None;
    let mut definitions = BTreeMap::new();
    let mut defining = false;
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let note = entry.aux.as_deref().filter(|_| entry.code == NOTE && entry.ticks == 0);
        match note.map(|note| (note, note.strip_prefix("## "))) {
            Some((_, Some(declaration))) => {
                if let Some(text) = declaration.strip_prefix("time resolution:").map(str::trim) {
                    resolution = text.parse().ok().filter(|r: &f64| r.is_finite() && *r > 0.0);
                    if resolution.is_none() {
                        odd.add("resolution", place(entry.at), || {
                            format!("time resolution `{}` is no rate", printable(text))
                        });
                    }
                }
                defining = declaration.starts_with("annotation type definitions")
                    || (defining && !declaration.starts_with("end of definitions"));
            }
            Some((definition, None)) if defining => match definition_of(definition) {
                Some((code, symbol)) => drop(definitions.insert(code, symbol.to_owned())),
                None => odd.add("definition", place(entry.at), || {
                    format!("`{}` defines no annotation type", printable(definition))
                }),
            },
            _ => kept.push(entry),
        }
    }
    // Ticks are frames unless a resolution says otherwise.
    let scale = resolution.filter(|&r| r != timeline.frame_rate_hz).map(|r| (timeline.frame_rate_hz, r));
    for raw in kept.iter().filter(|raw| !inside(to_frame(raw.ticks, scale), timeline)) {
        odd.add("outside", place(raw.at), || "an annotation stands outside the recording".to_owned());
    }
    let annotations = kept.into_iter().map(|raw| annotation(raw, scale, &definitions)).collect();
    Marks { annotations, warnings: odd.into_warnings().collect() }
}

fn inside(frame: i64, timeline: Timeline) -> bool {
    u64::try_from(frame).is_ok_and(|frame| timeline.n_frames.is_none_or(|n_frames| frame < n_frames))
}

fn to_frame(ticks: i64, scale: Option<(f64, f64)>) -> i64 {
    match scale {
        None => ticks,
        Some((rate_hz, resolution_hz)) => round_half_up(ticks as f64 * rate_hz / resolution_hz),
    }
}

/// `CODE MNEMONIC DESCRIPTION`
fn definition_of(text: &str) -> Option<(u8, &str)> {
    let mut words = text.split_whitespace();
    let code = words.next()?.parse().ok().filter(|code| (1..=LAST_CODE).contains(code))?;
    Some((code, words.next()?))
}

fn annotation(raw: Raw, scale: Option<(f64, f64)>, definitions: &BTreeMap<u8, String>) -> Annotation {
    let symbol = SYMBOLS.get(usize::from(raw.code)).filter(|symbol| !symbol.is_empty());
    let text = match (definitions.get(&raw.code), symbol) {
        (Some(defined), _) => defined.clone(),
        (None, Some(symbol)) => (*symbol).to_owned(),
        (None, None) => format!("[{}]", raw.code),
    };
    Annotation {
        onset: Onset::Sample(to_frame(raw.ticks, scale)),
        duration_s: None,
        text,
        origin: Origin::Wfdb { code: raw.code, subtype: raw.subtype, chan: raw.chan, num: raw.num, aux: raw.aux },
    }
}

fn place(at: u64) -> String {
    format!("annotation byte {at}")
}

/// Bytes with a place.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl Cursor<'_> {
    fn left(&self) -> usize {
        self.bytes.len()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        self.at = self.at.saturating_add(N as u64);
        Some(*taken)
    }

    /// `length` bytes of text and a padding byte if they are odd; trailing NULs are cut, bytes that are not UTF-8 are
    /// taken as Latin-1.
    fn text(&mut self, length: usize) -> Option<String> {
        let (text, rest) = self.bytes.split_at_checked(length)?;
        // The padding byte may be missing at the very end.
        let padding = (length % 2).min(rest.len());
        self.bytes = rest.get(padding..).unwrap_or_default();
        self.at = self.at.saturating_add(length as u64).saturating_add(padding as u64);
        let end = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last.saturating_add(1));
        let text = text.get(..end).unwrap_or_default();
        Some(match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => text.iter().copied().map(char::from).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMELINE: Timeline = Timeline { frame_rate_hz: 360.0, n_frames: Some(1_000_000) };

    fn word(code: u8, step: u16) -> [u8; 2] {
        ((u16::from(code) << 10) | step).to_le_bytes()
    }

    /// AUX with its text, padded.
    fn aux(text: &[u8]) -> Vec<u8> {
        let mut bytes = word(AUX, text.len() as u16).to_vec();
        bytes.extend(text);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    fn strict(parts: &[&[u8]]) -> Result<Marks, FormatFault> {
        parse(&parts.concat(), TIMELINE, Strictness::Strict)
    }

    fn places(marks: &Marks) -> Vec<(i64, &str)> {
        marks.annotations.iter().map(|mark| (mark.onset.sample(1.0), mark.text.as_str())).collect()
    }

    #[test]
    fn time_steps_add_up_and_skips_move_the_next() {
        // 100,000 = 1 * 65536 + 34464, high word first; then back by 2.
        let skip = [1, 0, 0xA0, 0x86];
        let back = [0xFF, 0xFF, 0xFE, 0xFF];
        let marks = strict(&[
            &word(1, 18),
            &word(SKIP, 0),
            &skip,
            &word(5, 1000),
            &word(SKIP, 0),
            &back,
            &word(28, 5),
            &[0, 0],
            &word(1, 1),
        ])
        .unwrap();
        assert_eq!(places(&marks), [(18, "N"), (101_018, "V"), (101_021, "+")]);
        assert!(marks.warnings.is_empty());
    }

    #[test]
    fn modifiers_hold_for_this_one_or_for_the_later_too() {
        let marks = strict(&[
            &word(1, 1),
            &word(SUB, 1023),
            &word(NUM, 0xFE),
            &word(CHN, 200),
            &aux(b"(AFIB\0"),
            &word(1, 1),
            &[0, 0],
        ])
        .unwrap();
        let origins: Vec<&Origin> = marks.annotations.iter().map(|mark| &mark.origin).collect();
        let aux = Some("(AFIB".to_owned());
        assert_eq!(origins[0], &Origin::Wfdb { code: 1, subtype: -1, chan: 200, num: -2, aux });
        assert_eq!(origins[1], &Origin::Wfdb { code: 1, subtype: 0, chan: 200, num: -2, aux: None });
    }

    #[test]
    fn code_0_with_a_step_is_not_the_end() {
        // As svdb 801 begins: a declaring note, back by one, code 0 with a step of one.
        let marks = strict(&[
            &word(22, 0),
            &aux(b"## time resolution: 360"),
            &word(SKIP, 0),
            &[0xFF; 4],
            &word(0, 1),
            &word(SUB, 1),
            &word(1, 7),
            &[0, 0],
        ])
        .unwrap();
        assert_eq!(places(&marks), [(7, "N")]);
    }

    #[test]
    fn declared_resolution_scales_times_and_declared_symbols_are_used() {
        let marks = strict(&[
            &word(22, 0),
            &aux(b"## time resolution: 1000"),
            &word(22, 0),
            &aux(b"## annotation type definitions"),
            &word(22, 0),
            &aux(b"42 pace a paced beat"),
            &word(22, 0),
            &aux(b"## end of definitions"),
            &word(22, 0),
            &aux(b"a note"),
            &word(42, 500),
            &word(43, 3),
            &[0, 0],
        ])
        .unwrap();
        assert_eq!(places(&marks), [(0, "\""), (180, "pace"), (181, "[43]")]);
    }

    #[test]
    fn odd_but_legal_is_warned_of() {
        for parts in [
            &[&word(SUB, 1)[..], &word(1, 1), &[0, 0]][..],
            &[&word(1, 1), &word(55, 1), &[0, 0]],
            &[&word(1, 1)],
            &[&word(SKIP, 0), &[0xFF; 4], &word(1, 0), &[0, 0]],
            &[&word(SKIP, 0), &[0xFF, 0x7F, 0, 0], &word(1, 0), &[0, 0]],
        ] {
            let marks = strict(parts).unwrap();
            assert_eq!((marks.annotations.len(), marks.warnings.len()), (1, 1), "{parts:?}");
        }
    }

    #[test]
    fn cut_entries_are_errors_or_warnings() {
        for (cut, at) in [(&[1_u8, 4, 0, 236, 1][..], 2), (&[1, 4, 5, 252, 65], 2), (&[1], 0)] {
            assert!(matches!(strict(&[cut]), Err(FormatFault::AnnotationEnds { at: found }) if found == at));
            let marks = parse(cut, TIMELINE, Strictness::Lenient).unwrap();
            assert_eq!((marks.annotations.len() as u64, marks.warnings.len()), (at / 2, 1));
        }
    }

    #[test]
    fn marks_beyond_number_are_refused() {
        let bytes = word(1, 1).repeat(MOST_MARKS + 1);
        let fault = parse(&bytes, TIMELINE, Strictness::Lenient).unwrap_err();
        assert!(matches!(fault, FormatFault::TooManyMarks { limit: MOST_MARKS }));
    }

    #[test]
    fn an_empty_file_is_no_annotation_file() {
        assert!(matches!(strict(&[]), Err(FormatFault::EmptyAnnotations)));
        assert_eq!(parse(&[], TIMELINE, Strictness::Lenient).unwrap().warnings.len(), 1);
        assert_eq!(strict(&[&[0, 0]]).unwrap(), Marks::default());
    }

    mod laws {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), n_frames in any::<u64>()) {
                let timeline = Timeline { frame_rate_hz: 360.0, n_frames: Some(n_frames) };
                let lenient = parse(&bytes, timeline, Strictness::Lenient).unwrap();
                if let Ok(strict) = parse(&bytes, timeline, Strictness::Strict) {
                    prop_assert_eq!(strict, lenient);
                }
            }

            #[test]
            fn a_cut_file_keeps_a_beginning(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
                let raw = |bytes: &[u8]| { let mut tape = Tape::default(); let _ = tape.run(bytes, &mut Tally::default()); tape.entries };
                let ticks = |entries: &[Raw]| entries.iter().map(|e| (e.ticks, e.code)).collect::<Vec<_>>();
                let whole = ticks(&raw(&bytes));
                let part = ticks(&raw(&bytes[..cut.min(bytes.len())]));
                prop_assert_eq!(&whole[..part.len()], &part[..]);
            }
        }
    }
}
