//! The five beat classes of ANSI/AAMI EC57 over WFDB's beat symbols.

/// Class names; the index is the class.
pub(super) const CLASSES: [&str; 5] = ["N", "S", "V", "F", "Q"];

/// Class of beats that cannot be told: in no training role and in no pool.
pub(super) const Q: u16 = 4;

/// The class of a beat symbol; `None`: the mark is no beat (`!`, `+`, `~`, ..).
///
/// # Source
/// `aami1998ec57`; `B`, `n`, `r` and `?` stand in other databases than MIT-BIH Arrhythmia only, and go to the class of
/// their nearest relatives.
pub(super) fn class(symbol: &str) -> Option<u16> {
    match symbol {
        "N" | "L" | "R" | "e" | "j" | "B" => Some(0),
        "S" | "A" | "a" | "J" | "n" => Some(1),
        "V" | "E" | "r" => Some(2),
        "F" => Some(3),
        "/" | "f" | "Q" | "?" => Some(Q),
        _ => None,
    }
}

/// WFDB's own marks that are no beats of these classes: noise, rhythm, waves, and ventricular flutter (`!`).
const NO_BEATS: [&str; 20] =
    ["!", "+", "~", "|", "s", "T", "*", "D", "\"", "=", "p", "^", "t", "u", "[", "]", "@", "x", "(", ")"];

/// Whether a mark is a standard one that is no beat.
///
/// # Source
/// WFDB annot(5).
pub(super) fn is_no_beat(symbol: &str) -> bool {
    NO_BEATS.contains(&symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_of_mit_bih_fall_into_five_classes_and_other_marks_into_none() {
        let named = |symbols: &str| -> String {
            symbols.chars().map(|s| class(&s.to_string()).map_or("-", |class| CLASSES[usize::from(class)])).collect()
        };
        assert_eq!(named("NLRejSAaJVEF/fQ"), "NNNNNSSSSVVFQQQ");
        assert_eq!(named("!+~x|\"[]"), "--------");
        assert!(NO_BEATS.iter().all(|symbol| class(symbol).is_none()) && !is_no_beat("[42]"));
    }
}
