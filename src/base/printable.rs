//! Foreign text made fit for a terminal and for one line of a message.

use std::borrow::Cow;

/// The text with control characters, line breaks and signs that turn the direction of writing as escapes, so that a
/// label or a file name can neither forge lines nor drive a terminal.
///
/// ```
/// assert_eq!(biossl::base::printable("Fp1\x1b[2J\n"), r"Fp1\u{1b}[2J\n");
/// assert_eq!(biossl::base::printable("µV"), "µV");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut fit = String::with_capacity(text.len());
    for sign in text.chars() {
        if is_unfit(sign) { fit.extend(sign.escape_debug()) } else { fit.push(sign) }
    }
    Cow::Owned(fit)
}

fn is_unfit(sign: char) -> bool {
    let turns_direction = matches!(sign, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    sign.is_control() || turns_direction || matches!(sign, '\u{2028}' | '\u{2029}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_escaped() {
        for (text, fit) in [
            ("a\0b", r"a\0b"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("a\r\nerror", r"a\r\nerror"),
            ("\u{202e}gpj", r"\u{202e}gpj"),
            ("\u{feff}100", r"\u{feff}100"),
        ] {
            assert_eq!(printable(text), fit);
        }
        assert!(matches!(printable("EEG F\u{e9} \\ '"), Cow::Borrowed(_)));
    }
}
