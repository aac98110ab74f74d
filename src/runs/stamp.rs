//! The date and time that provenance records carry.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, in UTC, to the second: `2026-01-31T23:59:59Z`.
pub fn stamp() -> String {
    iso(now().as_secs())
}

/// Now, in seconds since 1970.
pub(super) fn seconds_since_1970() -> f64 {
    now().as_secs_f64()
}

fn now() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "runs owns the clock of provenance records")]
    let now = SystemTime::now();
    // A clock before 1970 is no clock; it says 1970.
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn iso(seconds: u64) -> String {
    let (days, rest) = ((seconds / 86_400) as i64, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a day counted from 1970-01-01 (the proleptic Gregorian calendar in eras of 400 years that
/// begin on 1 March).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_seconds_have_their_dates() {
        // date -u -d @N +%FT%TZ
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso(seconds), text);
        }
    }
}
