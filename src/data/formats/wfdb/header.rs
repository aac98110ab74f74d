//! The header of a record, header(5): one record line, one line a signal, `#` lines.

use crate::base::printable;
use crate::data::formats::tally::Tally;
use crate::data::formats::{FormatFault, Place, Strictness};
use crate::signal::{DateTime, Warning};

/// Gain of a signal whose header gives none, or 0.
const DEFAULT_GAIN: f64 = 200.0;
/// Rate of a record whose header gives none.
const DEFAULT_RATE_HZ: f64 = 250.0;

/// Beyond these a rate is damage, and times counted by it are no numbers.
const RATES_HZ: std::ops::RangeInclusive<f64> = 1e-9..=1e9;

/// What a header states.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RecordHeader {
    /// Record name.
    pub(super) name: String,
    /// Frames per second.
    pub(super) frame_rate_hz: f64,
    /// Frames, if stated.
    pub(super) n_frames: Option<u64>,
    /// Time of the first frame; `None` unless time and date are both there.
    pub(super) start: Option<DateTime>,
    /// Signals.
    pub(super) signals: Vec<SignalHeader>,
    /// Info strings: the `#` lines after the last signal line, without the sign.
    pub(super) info: Vec<String>,
    /// What was odd but legal.
    pub(super) warnings: Vec<Warning>,
}

/// What a header states of one signal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SignalHeader {
    /// Line of the header, from 1.
    pub(super) line: usize,
    /// Signal file.
    pub(super) file: String,
    /// Signal format.
    pub(super) format: u32,
    /// Samples per frame.
    pub(super) samples_per_frame: u32,
    /// Samples by which the stored signal is late.
    pub(super) skew: u32,
    /// First byte of the samples in the file.
    pub(super) byte_offset: u64,
    /// Digital values per physical unit.
    pub(super) gain: f64,
    /// Whether the header states that gain; else it is a guess by the format's rule.
    pub(super) calibrated: bool,
    /// Digital value of physical zero.
    pub(super) baseline: i32,
    /// Physical unit as the file spells it.
    pub(super) units: String,
    /// First sample, if stated.
    pub(super) initial: Option<i32>,
    /// Sum of all samples modulo 65536, if stated.
    pub(super) checksum: Option<i16>,
    /// Description.
    pub(super) description: String,
}

/// Reads a header; `file_stem` is the name of its file without the ending.
pub(super) fn parse(text: &str, file_stem: &str, strictness: Strictness) -> Result<RecordHeader, FormatFault> {
    let unmarked = text.strip_prefix('\u{FEFF}');
    let mut lines = unmarked
        .unwrap_or(text)
        .lines()
        .zip(1_usize..)
        .map(|(line, number)| (line.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0'), number))
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let end = Place::Line(text.lines().count());
    let (line, number) = lines.next().ok_or(FormatFault::HeaderEnds { place: end, missing: "the record line" })?;
    let (mut header, n_signals) = record_line(line, number)?;
    if unmarked.is_some() {
        let message = "a byte order mark stands before the text; it is passed over".to_owned();
        header.warnings.push(Warning { place: Place::Line(1).to_string(), message });
    }
    if header.name != file_stem {
        let fault = FormatFault::RecordName { stated: header.name.clone(), file: file_stem.to_owned() };
        if strictness == Strictness::Strict {
            return Err(fault);
        }
        header.warnings.push(Warning { place: Place::Line(number).to_string(), message: fault.to_string() });
    }
    let mut odd = Tally::default();
    for index in 0..n_signals {
        let (line, number) = lines.next().ok_or(FormatFault::HeaderEnds { place: end, missing: "a signal line" })?;
        let signal = signal_line(line, number, &header.name, index)?;
        if !signal.calibrated {
            odd.add("gain", Place::Line(number), || {
                let units = printable(&signal.units);
                format!("signal {index} is not calibrated: 200 stored units are taken as 1 {units}")
            });
        }
        header.signals.push(signal);
    }
    header.warnings.extend(odd.into_warnings());
    let last = header.signals.last().map_or(number, |signal| signal.line);
    header.info = info(text, last);
    if let Some((_, number)) = lines.next() {
        let message = "more lines than the record line states signals; they are passed over".to_owned();
        header.warnings.push(Warning { place: Place::Line(number).to_string(), message });
    }
    Ok(header)
}

/// Info strings behind a line; what is blank says nothing.
fn info(text: &str, last: usize) -> Vec<String> {
    let behind = text.lines().skip(last).map(|line| line.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0'));
    let words = behind.filter_map(|line| line.strip_prefix('#')).map(str::trim);
    words.filter(|words| !words.is_empty()).map(str::to_owned).collect()
}

/// `NAME[/NSEG] NSIG [FS[/CFREQ[(CBASE)]] [NSAMP [TIME [DATE]]]]`
fn record_line(line: &str, number: usize) -> Result<(RecordHeader, usize), FormatFault> {
    let at = Place::Line(number);
    let mut fields = Fields { rest: line };
    let name = fields.next().unwrap_or_default();
    if let Some((_, segments)) = name.split_once('/') {
        return Err(FormatFault::Unsupported {
            what: format!("a multi-segment record (line {number}: {segments} segments)"),
            remedy: "name one of its segments, each is a record of its own",
        });
    }
    let n_signals = number_field(fields.next(), at, "number of signals", "a whole number")?;
    let mut warnings = Vec::new();
    let frame_rate_hz = match fields.next() {
        None => DEFAULT_RATE_HZ,
        Some(text) => rate(text, at)?,
    };
    let n_frames = match fields.next() {
        None => None,
        Some(text) => {
            Some(number_field(Some(text), at, "number of samples", "a whole number")?).filter(|&n: &u64| n > 0)
        }
    };
    let (time, date) = (fields.next(), fields.next());
    let start = match (time, date) {
        (Some(time), Some(date)) => date_time(time, date),
        _ => None,
    };
    if start.is_none() && (date.is_some() || time.is_some_and(|time| clock(time).is_none())) {
        let found = [time, date].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let message = format!("start time `{}` is not HH:MM:SS DD/MM/YYYY; taken as not given", printable(&found));
        warnings.push(Warning { place: at.to_string(), message });
    }
    let header = RecordHeader {
        name: name.to_owned(),
        frame_rate_hz,
        n_frames,
        start,
        signals: Vec::new(),
        info: Vec::new(),
        warnings,
    };
    Ok((header, n_signals))
}

/// `FILE FORMAT[xSPF][:SKEW][+OFFSET] [GAIN[(BASELINE)][/UNITS] [RES [ZERO [INIT [CHECKSUM [BLOCK [DESCRIPTION]]]]]]]`
fn signal_line(line: &str, number: usize, record: &str, index: usize) -> Result<SignalHeader, FormatFault> {
    let at = Place::Line(number);
    let mut fields = Fields { rest: line };
    let file = fields.next().unwrap_or_default();
    if !is_plain_file_name(file) {
        return Err(FormatFault::UnsafeFileName { line: number, name: file.to_owned() });
    }
    let layout = fields.next().ok_or(FormatFault::HeaderEnds { place: at, missing: "a signal's format" })?;
    let (format, samples_per_frame, skew, byte_offset) = signal_layout(layout, at)?;
    let (gain, stated_baseline, units) = match fields.next() {
        None => (0.0, None, None),
        Some(text) => gain_field(text, at)?,
    };
    // Only checked: the resolution has no part in what is read.
    optional_number::<u32>(fields.next(), at, "ADC resolution")?;
    let zero = optional_number(fields.next(), at, "ADC zero")?.unwrap_or(0);
    let initial = optional_number(fields.next(), at, "initial value")?;
    let checksum = optional_number::<i64>(fields.next(), at, "checksum")?.map(wrap_to_i16);
    optional_number::<i64>(fields.next(), at, "block size")?;
    let description = fields.rest.trim();
    Ok(SignalHeader {
        line: number,
        file: file.to_owned(),
        format,
        samples_per_frame,
        skew,
        byte_offset,
        gain: if gain == 0.0 { DEFAULT_GAIN } else { gain },
        calibrated: gain != 0.0,
        baseline: stated_baseline.unwrap_or(zero),
        units: units.unwrap_or("mV").to_owned(),
        initial,
        checksum,
        description: if description.is_empty() {
            format!("record {record}, signal {index}")
        } else {
            description.to_owned()
        },
    })
}

/// Checksums are stated as signed or as unsigned 16-bit numbers; both mean the same modulo 65536.
#[expect(clippy::cast_possible_truncation, reason = "modulo 65536 is meant")]
pub(super) fn wrap_to_i16(stated: i64) -> i16 {
    stated as i16
}

/// `FORMAT[xSPF][:SKEW][+OFFSET]`, the last three in any order.
fn signal_layout(text: &str, at: Place) -> Result<(u32, u32, u32, u64), FormatFault> {
    let fault = || FormatFault::Field {
        place: at,
        field: "signal format",
        found: text.to_owned(),
        expected: "FORMAT[xSPF][:SKEW][+OFFSET] in whole numbers that are not negative",
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (format, mut rest) = text.split_at_checked(digits).ok_or_else(fault)?;
    let format = format.parse().map_err(|_| fault())?;
    let (mut samples_per_frame, mut skew, mut byte_offset) = (1_u32, 0_u32, 0_u64);
    while let Some(mark) = rest.chars().next() {
        let number = rest.get(mark.len_utf8()..).ok_or_else(fault)?;
        let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (number, after) = number.split_at_checked(digits).ok_or_else(fault)?;
        match mark {
            'x' => samples_per_frame = number.parse().ok().filter(|&n| n > 0).ok_or_else(fault)?,
            ':' => skew = number.parse().map_err(|_| fault())?,
            '+' => byte_offset = number.parse().map_err(|_| fault())?,
            _ => return Err(fault()),
        }
        rest = after;
    }
    Ok((format, samples_per_frame, skew, byte_offset))
}

/// `GAIN[(BASELINE)][/UNITS]`; a gain of 0 means that the signal is not calibrated.
fn gain_field(text: &str, at: Place) -> Result<(f64, Option<i32>, Option<&str>), FormatFault> {
    let fault = || FormatFault::Field {
        place: at,
        field: "gain",
        found: text.to_owned(),
        expected: "GAIN[(BASELINE)][/UNITS] with a finite gain",
    };
    let (number, units) = match text.split_once('/') {
        Some((number, units)) => (number, Some(units).filter(|units| !units.is_empty())),
        None => (text, None),
    };
    let (gain, baseline) = match number.split_once('(') {
        Some((gain, baseline)) => {
            let baseline = baseline.strip_suffix(')').ok_or_else(fault)?;
            (gain, Some(baseline.parse().map_err(|_| fault())?))
        }
        None => (number, None),
    };
    let gain: f64 = gain.parse().map_err(|_| fault())?;
    if !gain.is_finite() {
        return Err(fault());
    }
    Ok((gain, baseline, units))
}

/// `FS[/CFREQ[(CBASE)]]`; the counter frequency has no part in what is read.
fn rate(text: &str, at: Place) -> Result<f64, FormatFault> {
    let number = text.split('/').next().unwrap_or(text);
    number.parse().ok().filter(|rate: &f64| RATES_HZ.contains(rate)).ok_or_else(|| FormatFault::Field {
        place: at,
        field: "sampling frequency",
        found: text.to_owned(),
        expected: "a number above 0 (from 1e-9 to 1e9)",
    })
}

/// Whether a signal file lies beside its header, by its name alone.
fn is_plain_file_name(name: &str) -> bool {
    let drive = name.chars().nth(1) == Some(':');
    !name.is_empty() && name != "-" && name != "." && !drive && !name.contains(['/', '\\']) && !name.contains("..")
}

fn clock(text: &str) -> Option<(u8, u8, f64)> {
    let mut parts = text.split(':');
    let hour = parts.next()?.parse().ok().filter(|&hour: &u8| hour < 24)?;
    let minute = parts.next()?.parse().ok().filter(|&minute: &u8| minute < 60)?;
    let second = parts.next()?.parse().ok().filter(|second: &f64| (0.0..60.0).contains(second))?;
    parts.next().is_none().then_some((hour, minute, second))
}

fn date_time(time: &str, date: &str) -> Option<DateTime> {
    let (hour, minute, second) = clock(time)?;
    let mut parts = date.split('/');
    let day = parts.next()?.parse().ok().filter(|day: &u8| (1..=31).contains(day))?;
    let month = parts.next()?.parse().ok().filter(|month: &u8| (1..=12).contains(month))?;
    let year = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(DateTime { year, month, day, hour, minute, second })
}

fn number_field<T: std::str::FromStr>(
    text: Option<&str>,
    place: Place,
    field: &'static str,
    expected: &'static str,
) -> Result<T, FormatFault> {
    let found = text.unwrap_or("missing");
    found.parse().map_err(|_| FormatFault::Field { place, field, found: found.to_owned(), expected })
}

fn optional_number<T: std::str::FromStr>(
    text: Option<&str>,
    place: Place,
    field: &'static str,
) -> Result<Option<T>, FormatFault> {
    text.map(|text| number_field(Some(text), place, field, "a whole number")).transpose()
}

/// Fields of a line, parted by blanks and tabs; what is left over stays whole.
struct Fields<'a> {
    rest: &'a str,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches([' ', '\t']);
        let (field, rest) = text.split_at_checked(text.find([' ', '\t']).unwrap_or(text.len()))?;
        self.rest = rest;
        (!field.is_empty()).then_some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(text: &str) -> Result<RecordHeader, FormatFault> {
        parse(text, "r", Strictness::Strict)
    }

    #[test]
    fn every_field_is_read() {
        let header = strict(
            "# made\r\nr 2 360.5/1(2) 1000 10:20:30.5 01/02/1999\r\n\r\nr.dat 16x2:3+24 -100.5(7)/uV 11 1024 995 -22131 0 a lead of 2\r\nr.dat 212 \r\n# info\r\n",
        )
        .unwrap();
        assert_eq!((header.frame_rate_hz, header.n_frames), (360.5, Some(1000)));
        assert_eq!(header.info, ["info"]);
        assert_eq!(header.start.unwrap().to_string(), "1999-02-01T10:20:30.5");
        let [first, second] = &header.signals[..] else { panic!("two signals") };
        assert_eq!((first.format, first.samples_per_frame, first.skew, first.byte_offset), (16, 2, 3, 24));
        assert_eq!((first.gain, first.baseline, first.units.as_str()), (-100.5, 7, "uV"));
        assert_eq!((first.initial, first.checksum), (Some(995), Some(-22131)));
        assert_eq!(first.description, "a lead of 2");
        assert_eq!((second.gain, second.baseline, second.units.as_str()), (200.0, 0, "mV"));
        assert_eq!((second.initial, second.checksum), (None, None));
        assert_eq!(second.description, "record r, signal 1");
        let [warning] = &header.warnings[..] else { panic!("{:?}", header.warnings) };
        assert!(warning.message.contains("signal 1 is not calibrated"), "{warning}");
    }

    #[test]
    fn info_strings_are_the_comments_after_the_last_signal() {
        let header = strict("# no\nr 1\n#no\nr.dat 212 200\n\n#Age: 74\r\n#\n  # Dx: 59118001, x\n").unwrap();
        assert_eq!(header.info, ["Age: 74", "Dx: 59118001, x"]);
        assert_eq!(strict("r 0\n# alone\n").unwrap().info, ["alone"]);
    }

    #[test]
    fn baseline_is_the_adc_zero_where_absent() {
        let header = strict("r 1\nr.dat 212 200 11 1024").unwrap();
        assert_eq!((header.signals[0].baseline, header.frame_rate_hz, header.n_frames), (1024, 250.0, None));
    }

    #[test]
    fn checksum_may_be_stated_unsigned() {
        let header = strict("r 1\nr.dat 16 0 16 0 0 65535").unwrap();
        assert_eq!((header.signals[0].checksum, header.signals[0].gain), (Some(-1), 200.0));
    }

    #[test]
    fn byte_order_mark_is_passed_over() {
        let header = strict("\u{feff}r 0 500 7500").unwrap();
        assert_eq!((header.name.as_str(), header.warnings.len()), ("r", 1));
    }

    #[test]
    fn counter_frequencies_are_passed_over() {
        for text in ["360", "360/1", "360/0.5(3)", "360/72(-5)", "3.6e2", "+360.", "36E+1/1"] {
            assert_eq!(strict(&format!("r 0 {text} 10")).unwrap().frame_rate_hz, 360.0, "{text}");
        }
    }

    #[test]
    fn unreadable_start_warns() {
        let header = strict("r 0 500 7500 05-Feb-2020 11:39:16").unwrap();
        assert_eq!((header.start, header.warnings.len()), (None, 1));
    }

    #[test]
    fn time_without_date_is_no_start_and_no_warning() {
        let header = strict("r 0 500 7500 11:39:16").unwrap();
        assert_eq!((header.start, header.warnings.len()), (None, 0));
    }

    #[test]
    fn broken_fields_are_named_with_their_line() {
        for (text, line, name) in [
            ("r x", 1, "number of signals"),
            ("r", 1, "number of signals"),
            ("r 0 0", 1, "sampling frequency"),
            ("r 0 inf", 1, "sampling frequency"),
            ("r 0 1e-300", 1, "sampling frequency"),
            ("r 0 360(5)", 1, "sampling frequency"),
            ("r 0 1 -3", 1, "number of samples"),
            ("# c\nr 1\nr.dat 16x0", 3, "signal format"),
            ("r 1\nr.dat 16x-1", 2, "signal format"),
            ("r 1\nr.dat 16:1.5", 2, "signal format"),
            ("r 1\nr.dat 16+-24", 2, "signal format"),
            ("r 1\nr.dat dat", 2, "signal format"),
            ("r 1\nr.dat 16 nan", 2, "gain"),
            ("r 1\nr.dat 16 1(2", 2, "gain"),
            ("r 1\nr.dat 16 1 16 0 0 many", 2, "checksum"),
        ] {
            match strict(text) {
                Err(FormatFault::Field { place, field, .. }) => assert_eq!((place, field), (Place::Line(line), name)),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn cut_headers_end_too_early() {
        for text in ["", "# only\n", "r 2\nr.dat 16\n", "r 1\nr.dat\n"] {
            assert!(matches!(strict(text), Err(FormatFault::HeaderEnds { .. })), "{text}");
        }
    }

    #[test]
    fn files_elsewhere_are_refused() {
        for name in ["../r.dat", "/r.dat", "a\\r.dat", "C:r.dat", "-", ".."] {
            let text = format!("r 1\n{name} 16");
            assert!(matches!(strict(&text), Err(FormatFault::UnsafeFileName { line: 2, .. })), "{name}");
        }
    }

    #[test]
    fn multi_segment_records_are_refused_by_name() {
        assert!(matches!(strict("r/3 2 360 1000"), Err(FormatFault::Unsupported { .. })));
    }

    #[test]
    fn another_name_is_an_error_or_a_warning() {
        let text = "other 0";
        assert!(matches!(strict(text), Err(FormatFault::RecordName { .. })));
        assert_eq!(parse(text, "r", Strictness::Lenient).unwrap().warnings.len(), 1);
    }

    mod laws {
        use proptest::prelude::*;

        use crate::data::formats::wfdb::header::*;

        proptest! {
            #[test]
            fn no_text_panics(text in any::<String>()) {
                let _ = parse(&text, "r", Strictness::Lenient);
            }

            #[test]
            fn no_line_like_text_panics(text in "r 2( [0-9a-z./:()+-]{0,8}){0,5}\n(r.dat [0-9x:+]{0,9}( [0-9a-z/()+-]{0,8}){0,9}\n){0,3}") {
                let _ = parse(&text, "r", Strictness::Lenient);
            }
        }
    }
}
