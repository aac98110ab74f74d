//! Time-stamped annotation lists (TALs) of EDF+: `ONSET[\x15DURATION]\x14TEXT\x14[TEXT\x14...]\x00`, filled with zeros.

const END_OF_TEXT: u8 = 0x14;
const DURATION_FOLLOWS: u8 = 0x15;
const END_OF_LIST: u8 = 0;
/// Times beyond this, in seconds, are damage.
const MOST_S: f64 = 1e9;

/// One list: texts that share an onset.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct List {
    /// Its first byte in the annotation signal of the record.
    pub(super) at: usize,
    /// Decimal text, with its sign, in seconds from the header's start time.
    pub(super) onset: String,
    /// Decimal text, in seconds.
    pub(super) duration: Option<String>,
    /// What is marked; an empty one may keep time.
    pub(super) texts: Vec<String>,
    /// Whether a text was no UTF-8 and was taken as Latin-1.
    pub(super) latin_1: bool,
}

/// What is wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    /// Byte in the annotation signal of the record.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) reason: &'static str,
}

/// The lists of one annotation signal in one data record, and those that are broken, each in order.
pub(super) fn parse(bytes: &[u8]) -> (Vec<List>, Vec<Broken>) {
    let (mut lists, mut broken) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    loop {
        let filled = rest.iter().take_while(|&&byte| byte == END_OF_LIST).count();
        rest = rest.get(filled..).unwrap_or_default();
        if rest.is_empty() {
            return (lists, broken);
        }
        let at = bytes.len().saturating_sub(rest.len());
        let Some(end) = rest.iter().position(|&byte| byte == END_OF_LIST) else {
            broken.push(Broken { at, reason: "a list does not end with the data record" });
            return (lists, broken);
        };
        let (list, after) = rest.split_at_checked(end).unwrap_or_default();
        match parse_list(list, at) {
            Ok(list) => lists.push(list),
            Err(reason) => broken.push(Broken { at, reason }),
        }
        rest = after;
    }
}

/// A list without its end mark.
fn parse_list(bytes: &[u8], at: usize) -> Result<List, &'static str> {
    let body = bytes.strip_suffix(&[END_OF_TEXT]).ok_or("a text does not end")?;
    let mut parts = body.split(|&byte| byte == END_OF_TEXT);
    let time = parts.next().unwrap_or_default();
    let (onset, duration) = match time.iter().position(|&byte| byte == DURATION_FOLLOWS) {
        None => (time, None),
        Some(end) => (time.get(..end).unwrap_or_default(), time.get(end..).and_then(|rest| rest.get(1..))),
    };
    let signed = onset.strip_prefix(b"+").or_else(|| onset.strip_prefix(b"-")).ok_or("an onset has no sign")?;
    if !is_decimal(signed) {
        return Err("an onset is no decimal number");
    }
    if !is_time(onset) {
        return Err("an onset is beyond 1e9 s");
    }
    if duration.is_some_and(|duration| !is_decimal(duration)) {
        return Err("a duration is no decimal number");
    }
    if !duration.is_none_or(is_time) {
        return Err("a duration is beyond 1e9 s");
    }
    let mut list = List {
        at,
        onset: text(onset).0,
        duration: duration.map(|duration| text(duration).0),
        texts: Vec::new(),
        latin_1: false,
    };
    for part in parts {
        let (text, latin_1) = text(part);
        list.texts.push(text);
        list.latin_1 |= latin_1;
    }
    // `+0\x14` alone has no text at all; it marks nothing, but times are kept by it in the wild.
    Ok(list)
}

/// Digits with an optional point and more digits.
fn is_decimal(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(2, |&byte| byte == b'.');
    let digits = |part: Option<&[u8]>| part.is_none_or(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    digits(parts.next()) && digits(parts.next())
}

/// Whether a decimal text is a time that is met.
fn is_time(decimal: &[u8]) -> bool {
    text(decimal).0.parse::<f64>().is_ok_and(|seconds| seconds.abs() <= MOST_S)
}

/// UTF-8, or Latin-1 where it is none.
fn text(bytes: &[u8]) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (bytes.iter().copied().map(char::from).collect(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn onsets_durations_and_texts_are_kept_as_written() {
        let (lists, broken) = parse(
            b"+0.3945312\x14\x14\x00+180\x14Lights off\x14Close door\x14\x00-1.50\x152.25\x14T\xC3\xA9\x14\x00\x00\x00",
        );
        assert_eq!(broken, []);
        let short: Vec<_> =
            lists.iter().map(|l| (l.at, l.onset.as_str(), l.duration.as_deref(), l.texts.join("|"))).collect();
        assert_eq!(
            short,
            [
                (0, "+0.3945312", None, String::new()),
                (13, "+180", None, "Lights off|Close door".into()),
                (41, "-1.50", Some("2.25"), "T\u{e9}".into()),
            ]
        );
    }

    #[test]
    fn broken_lists_are_named_with_their_byte() {
        for (bytes, reason) in [
            (&b"+1\x14\x14\x00+2\x14a"[..], "a list does not end with the data record"),
            (b"+1\x14\x14\x00+2\x14a\x00", "a text does not end"),
            (b"+1\x14\x14\x002\x14a\x14\x00", "an onset has no sign"),
            (b"+1\x14\x14\x00+\x14a\x14\x00", "an onset is no decimal number"),
            (b"+1\x14\x14\x00+1.\x14a\x14\x00", "an onset is no decimal number"),
            (b"+1\x14\x14\x00+1\x15-1\x14a\x14\x00", "a duration is no decimal number"),
            (b"+1\x14\x14\x00+99999999999\x14a\x14\x00", "an onset is beyond 1e9 s"),
            (b"+1\x14\x14\x00+1\x1599999999999\x14a\x14\x00", "a duration is beyond 1e9 s"),
        ] {
            let (lists, broken) = parse(bytes);
            assert_eq!((lists.len(), broken), (1, vec![Broken { at: 5, reason }]));
        }
    }

    #[test]
    fn lists_behind_a_broken_one_are_kept() {
        let (lists, broken) = parse(b"+1\x14\x14\x00oops\x14\x00+2\x14a\x14\x00+3\x14b");
        assert_eq!(lists.iter().map(|list| list.onset.as_str()).collect::<Vec<_>>(), ["+1", "+2"]);
        assert_eq!(broken.iter().map(|broken| broken.at).collect::<Vec<_>>(), [5, 17]);
    }

    #[test]
    fn text_that_is_no_utf_8_is_latin_1() {
        let (lists, _) = parse(b"+1\x14\xE9t\xE9\x14\x00");
        assert_eq!((lists[0].texts[0].as_str(), lists[0].latin_1), ("\u{e9}t\u{e9}", true));
    }

    mod laws {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(0x14), Just(0x15), Just(b'+'), Just(b'1')], 0..120)) {
                let (lists, broken) = parse(&bytes);
                prop_assert!(lists.windows(2).all(|pair| pair[0].at < pair[1].at));
                prop_assert!(broken.iter().all(|broken| broken.at < bytes.len()));
            }

            #[test]
            fn what_is_written_is_read(onset in "[+-][0-9]{1,5}(\\.[0-9]{1,7})?", duration in prop::option::of("[0-9]{1,3}(\\.[0-9]{1,4})?"), texts in prop::collection::vec("[a-z\u{e9} ]{0,9}", 1..4)) {
                let mut bytes = onset.clone().into_bytes();
                if let Some(duration) = &duration {
                    bytes.push(DURATION_FOLLOWS);
                    bytes.extend(duration.bytes());
                }
                bytes.push(END_OF_TEXT);
                for text in &texts {
                    bytes.extend(text.bytes());
                    bytes.push(END_OF_TEXT);
                }
                bytes.extend([0, 0, 0]);
                prop_assert_eq!(parse(&bytes), (vec![List { at: 0, onset, duration, texts, latin_1: false }], vec![]));
            }
        }
    }
}
