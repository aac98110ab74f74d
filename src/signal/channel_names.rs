//! Channel names: how the same electrode or lead is spelt in different files.
//!
//! Only spelling is undone here: case, dots and blanks, a leading `EEG `, a trailing `-REF`, the old names of four
//! electrodes. What is another place on the body, such as `II` for `MLII`, is never taken for the same; whoever means
//! that says so (the corpora's key `aliases`).

use std::fmt;

/// A label without the accidents of its spelling; equal ones name the same place on the body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalLabel(String);

impl CanonicalLabel {
    /// The label, in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What spellings have in common, one row a rule, in the order in which they are applied.
pub const RULES: [Rule; 5] = [
    Rule { name: "case", undoes: Undoes::Case, examples: &["Fc5 = FC5", "mlii = MLII"] },
    Rule {
        name: "signal word before the label",
        undoes: Undoes::Prefixes(&["EEG", "ECG", "EKG"]),
        examples: &["EEG Fpz-Cz = FPZ-CZ", "ECG V5 = V5"],
    },
    Rule {
        name: "common reference after the label",
        undoes: Undoes::Suffixes(&["REF", "LE"]),
        examples: &["C3-REF = C3", "EEG O1-LE = O1"],
    },
    Rule { name: "dots and blanks", undoes: Undoes::Signs(&['.', ' ', '\t']), examples: &["Fc5. = FC5", "C3.. = C3"] },
    Rule { name: "old names of electrodes", undoes: Undoes::Renamed(&RENAMED), examples: &["EEG T3-LE = T7"] },
];

/// Electrodes that the 10-10 system renamed: old name, name today.
///
/// # Source
/// American Clinical Neurophysiology Society, guideline 2 (2006): T3, T4, T5, T6 became T7, T8, P7, P8.
const RENAMED: [(&str, &str); 4] = [("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8")];

/// One way in which spellings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What it is about, in words.
    pub name: &'static str,
    /// What it takes away or puts in place.
    pub undoes: Undoes,
    /// Labels that it makes equal.
    pub examples: &'static [&'static str],
}

/// What a [`Rule`] does to a label in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undoes {
    /// Small letters become large ones.
    Case,
    /// Words before the label, parted from it by a blank (or, as dots fill, a dot).
    Prefixes(&'static [&'static str]),
    /// Words after the label, parted from it by a hyphen.
    Suffixes(&'static [&'static str]),
    /// Signs that mean nothing anywhere in a label.
    Signs(&'static [char]),
    /// Whole labels that have another name today.
    Renamed(&'static [(&'static str, &'static str)]),
}

impl Undoes {
    fn apply(self, label: String) -> String {
        match self {
            Self::Case => label.trim().to_uppercase(),
            Self::Prefixes(words) => words
                .iter()
                .find_map(|word| bare(label.strip_prefix(word)?.strip_prefix([' ', '.', '\t'])?))
                .unwrap_or(label),
            Self::Suffixes(words) => words
                .iter()
                .find_map(|word| bare(label.trim_end_matches([' ', '.']).strip_suffix(word)?.strip_suffix('-')?))
                .unwrap_or(label),
            Self::Signs(signs) => bare(&label.replace(signs, "")).unwrap_or(label),
            Self::Renamed(names) => {
                names.iter().find(|(old, _)| *old == label).map_or(label, |(_, new)| (*new).to_owned())
            }
        }
    }
}

/// What is left of a label, if anything is: a channel called `EEG` keeps its name.
fn bare(label: &str) -> Option<String> {
    let label = label.trim_matches([' ', '.', '\t']);
    (!label.is_empty()).then(|| label.to_owned())
}

/// The label without the accidents of its spelling, by all [`RULES`].
///
/// ```
/// use biossl::signal::canonical;
/// assert_eq!(canonical("EEG T3-LE"), canonical("t7"));
/// assert_ne!(canonical("II"), canonical("MLII"));
/// ```
pub fn canonical(label: &str) -> CanonicalLabel {
    let mut name = label.to_owned();
    loop {
        // Again until nothing changes (`EEG C3-REF-LE`): every rule but the first shortens or renames for good.
        let bare = RULES.iter().fold(name.clone(), |label, rule| rule.undoes.apply(label));
        if bare == name {
            return CanonicalLabel(name);
        }
        name = bare;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place_are_equal() {
        for (label, expected) in [
            ("Fc5.", "FC5"),
            ("C3..", "C3"),
            ("EEG Fp1-REF", "FP1"),
            ("EEG T3-LE", "T7"),
            ("EEG T4-Ref ", "T8"),
            ("T5", "P7"),
            ("t6", "P8"),
            ("ECG V5", "V5"),
            ("mlii", "MLII"),
            ("EEG Fpz-Cz", "FPZ-CZ"),
        ] {
            assert_eq!(canonical(label).as_str(), expected, "{label}");
        }
    }

    #[test]
    fn other_places_and_bare_words_keep_their_names() {
        for (label, expected) in [
            ("II", "II"),
            ("EEG", "EEG"),
            ("ECG1", "ECG1"),
            ("EEG1", "EEG1"),
            ("T3-T5", "T3-T5"),
            ("REF", "REF"),
            ("-LE", "-LE"),
            ("...", "..."),
            ("", ""),
            ("A1", "A1"),
            ("TITLE", "TITLE"),
        ] {
            assert_eq!(canonical(label).as_str(), expected, "{label}");
        }
    }

    #[test]
    fn examples_of_the_table_hold() {
        for example in RULES.iter().flat_map(|rule| rule.examples) {
            let (left, right) = example.split_once(" = ").unwrap();
            assert_eq!(canonical(left).as_str(), right, "{example}");
        }
    }
}

#[cfg(test)]
mod laws {
    use proptest::prelude::*;

    use super::canonical;

    proptest! {
        #[test]
        fn a_canonical_label_is_its_own(label in "(EEG |eeg\\.|ECG ){0,3}\\PC{0,8}[.A-T3-6]{0,3}(-REF|-le| ){0,3}") {
            let once = canonical(&label);
            prop_assert_eq!(canonical(once.as_str()), once);
        }

        #[test]
        fn a_label_never_vanishes(label in "[ .]{0,3}[A-Za-z0-9-]{1,8}[ .]{0,3}") {
            prop_assert!(!canonical(&label).as_str().is_empty());
        }
    }
}
