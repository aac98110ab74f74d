//! "Did you mean": the nearest of the known names.

/// The candidate with the smallest edit distance to `word`, if that distance is at most a third of its length (at
/// least 2). Hyphens and underscores count as equal.
///
/// ```
/// assert_eq!(biossl::base::nearest("tempral-cutout", ["gaussian-noise", "temporal-cutout"]), Some("temporal-cutout"));
/// assert_eq!(biossl::base::nearest("frequency", ["channels"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase().replace('_', "-")), candidate))
        .min()
        .filter(|(edits, candidate)| *edits <= (candidate.chars().count() / 3).max(2))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut current = vec![i + 1];
        for (j, to) in right.iter().enumerate() {
            let substitute = previous[j] + usize::from(from != *to);
            current.push(substitute.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[right.len()]
}
