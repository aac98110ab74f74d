//! Which rows of a bank a batch is compared with.

use crate::base::{Purpose, StreamKey};
use crate::learning::objectives::{ObjectiveError, fault};

/// Negatives that the rule gives by itself, at most.
const MOST_BY_RULE: usize = 1024;

/// Refuses a number of negatives that works with no pool.
pub(crate) fn check_negatives(key: &'static str, asked: Option<usize>) -> Result<(), ObjectiveError> {
    if asked == Some(0) {
        return fault(key, "0".to_owned(), "nothing would be compared");
    }
    Ok(())
}

/// Negatives a window of a pool of `n_windows`: as asked for, else min(1024, n/4).
pub(crate) fn negatives_for(
    key: &'static str,
    asked: Option<usize>,
    n_windows: usize,
) -> Result<usize, ObjectiveError> {
    check_negatives(key, asked)?;
    match asked {
        None => Ok(MOST_BY_RULE.min(n_windows / 4).max(1)),
        Some(m) if m > n_windows => fault(key, m.to_string(), &format!("the pool has {n_windows} windows")),
        Some(m) => Ok(m),
    }
}

/// `m` slots with replacement, uniform over those allowed for the window `row` at `step`. At least one is allowed.
pub(crate) fn draw_noise(allowed: &[u8], m: usize, seed: u64, step: u64, row: u32) -> Vec<u32> {
    let open: Vec<u32> = (0..allowed.len() as u32).filter(|slot| allowed[*slot as usize] == 1).collect();
    let mut stream = StreamKey::new(seed, Purpose::Negatives).epoch(step as u32).row(row).stream();
    (0..m).map(|_| open[stream.below(open.len() as u32) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_uniform_over_the_allowed_rows_and_named_by_step_and_window() {
        let mut allowed = vec![1_u8; 20];
        allowed[3] = 0;
        allowed[11] = 0;
        let drawn = draw_noise(&allowed, 36_000, 1, 5, 3);
        for (slot, allowed) in allowed.iter().enumerate() {
            let count = drawn.iter().filter(|drawn| **drawn as usize == slot).count();
            // 2000 expected, deviation 44
            assert!(if *allowed == 1 { count.abs_diff(2000) < 200 } else { count == 0 }, "{slot}: {count}");
        }
        assert_eq!(drawn[..100], draw_noise(&allowed, 100, 1, 5, 3));
        assert_ne!(drawn[..100], draw_noise(&allowed, 100, 1, 6, 3));
        assert_ne!(drawn[..100], draw_noise(&allowed, 100, 1, 5, 4));
    }

    #[test]
    fn a_quarter_of_the_pool_at_most_a_thousand() {
        assert_eq!([4, 400, 100_000].map(|n| negatives_for("noise", None, n).unwrap()), [1, 100, 1024]);
        assert_eq!(negatives_for("noise", Some(7), 10).unwrap(), 7);
    }
}
