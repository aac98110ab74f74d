//! A path pattern that fits all recordings of a folder, from the plainest ways in which people name files.

use std::collections::BTreeSet;

use super::look::{Found, Seen};

/// A pattern that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) text: String,
    /// Whether a standard says so; else a person has to look.
    pub(super) sure: bool,
    /// Names of sessions that are no numbers.
    pub(super) sessions: Vec<String>,
}

/// A pattern that fits every path; `None`: no plain one does.
pub(super) fn pattern(found: &Found) -> Option<Guess> {
    let mut guesses = Vec::new();
    if found.bids {
        guesses.extend(bids(&found.seen));
    }
    guesses.extend(plain(&found.seen).into_iter().map(|text| Guess { text, sure: false, sessions: Vec::new() }));
    guesses.into_iter().find(|guess| found.people(&guess.text).is_some())
}

/// The entities of BIDS (`sub-01`): those that people, sessions and runs are told by become placeholders, others stay
/// where they are the same in all names.
fn bids(seen: &[Seen]) -> Option<Guess> {
    let entity = |part: &str| part.split_once('-').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let placeholder = |key: &str| match key {
        "sub" => Some("{subject}"),
        "ses" => Some("{session}"),
        "run" => Some("{run}"),
        _ => None,
    };
    let first = seen.first()?;
    let written = |name: &str| {
        let parts: Vec<String> = name
            .split('_')
            .map(|part| match entity(part) {
                Some((key, _)) if placeholder(&key).is_some() => {
                    format!("{key}-{}", placeholder(&key).unwrap_or_default())
                }
                Some((key, _)) if !seen.iter().all(|one| one.relative.split(['_', '/']).any(|other| other == part)) => {
                    format!("{key}-*")
                }
                _ => part.to_owned(),
            })
            .collect();
        parts.join("_")
    };
    let text = first.relative.split('/').map(written).collect::<Vec<_>>().join("/");
    let sessions =
        seen.iter().flat_map(|one| one.relative.split(['_', '/'])).filter_map(|part| part.strip_prefix("ses-"));
    let sessions: BTreeSet<String> = sessions.map(str::to_owned).collect();
    let numbers = sessions.iter().all(|session| session.parse::<u16>().is_ok());
    let sessions = if numbers { Vec::new() } else { sessions.into_iter().collect() };
    Some(Guess { text, sure: true, sessions })
}

/// A file a person, a folder a person, or a name and a number.
fn plain(seen: &[Seen]) -> Vec<String> {
    let endings: BTreeSet<&str> =
        seen.iter().filter_map(|one| one.relative.rsplit_once('.').map(|(_, it)| it)).collect();
    let ending = match endings.into_iter().collect::<Vec<_>>()[..] {
        [one] => one.to_owned(),
        _ => "*".to_owned(),
    };
    let deepest = seen.iter().map(|one| one.relative.matches('/').count()).max().unwrap_or(0);
    let mut patterns = Vec::new();
    if deepest == 0 {
        for sign in ["_", "-", " "] {
            patterns.push(format!("{{subject}}{sign}{{run}}.{ending}"));
        }
        for sign in ["_", "-", " "] {
            // `a_one`, `a_two`: the name before the sign is whose; only where the sign stands once.
            if seen.iter().all(|one| one.stem().matches(sign).count() == 1) {
                patterns.push(format!("{{subject}}{sign}*.{ending}"));
            }
        }
        patterns.push(format!("{{subject}}.{ending}"));
    } else {
        let below = "/*".repeat(deepest - 1);
        for name in ["{subject}_{run}", "{subject}-{run}", "{subject}", "*_{run}", "*"] {
            patterns.push(format!("{{subject}}{below}/{name}.{ending}"));
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init::look::tests::{found, seen};

    fn guess(paths: &[&str], bids: bool) -> Option<(String, bool, Vec<String>)> {
        let seen = paths.iter().map(|path| seen(path, &[])).collect();
        let found = Found { bids, ..found(seen) };
        pattern(&found).map(|guess| (guess.text, guess.sure, guess.sessions))
    }

    fn text(paths: &[&str]) -> Option<String> {
        guess(paths, false).map(|(text, sure, _)| {
            assert!(!sure);
            text
        })
    }

    #[test]
    fn entities_of_bids_become_placeholders() {
        let paths = [
            "sub-01/ses-pre/eeg/sub-01_ses-pre_task-a_run-1_eeg.edf",
            "sub-02/ses-post/eeg/sub-02_ses-post_task-b_run-2_eeg.edf",
        ];
        let expected = "sub-{subject}/ses-{session}/eeg/sub-{subject}_ses-{session}_task-*_run-{run}_eeg.edf";
        let sessions = vec!["post".to_owned(), "pre".to_owned()];
        assert_eq!(guess(&paths, true), Some((expected.to_owned(), true, sessions)));
        let numbered = guess(&["sub-a/ses-1/eeg/sub-a_ses-1_eeg.bdf"], true).unwrap();
        assert_eq!(
            numbered,
            ("sub-{subject}/ses-{session}/eeg/sub-{subject}_ses-{session}_eeg.bdf".to_owned(), true, vec![])
        );
    }

    #[test]
    fn plain_names_are_proposed_never_sure() {
        assert_eq!(text(&["anna_1.edf", "b_c_12.edf"]).as_deref(), Some("{subject}_{run}.edf"));
        assert_eq!(text(&["anna_a.edf", "ben_b.edf"]).as_deref(), Some("{subject}_*.edf"));
        assert_eq!(text(&["anna.edf", "ben b.bdf"]).as_deref(), Some("{subject}.*"));
        assert_eq!(text(&["p1/p1_1.hea", "p2/p2_3.hea"]).as_deref(), Some("{subject}/{subject}_{run}.hea"));
        assert_eq!(text(&["p1/night.edf", "p2/day.edf"]).as_deref(), Some("{subject}/*.edf"));
        assert_eq!(text(&["p1/x/1.edf", "p2/y/2.edf"]).as_deref(), Some("{subject}/*/*.edf"));
        assert_eq!(text(&["a.edf", "x/b.edf"]), None);
    }
}
