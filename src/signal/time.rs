//! Seconds become samples here and nowhere else.

/// `floor(x + 0.5)`: halves go up, for negative numbers too.
pub fn round_half_up(x: f64) -> i64 {
    (x + 0.5).floor() as i64
}

/// The sample nearest to `seconds` after the first one; halves go up.
///
/// ```
/// assert_eq!(biossl::signal::seconds_to_samples(0.25, 160.0), 40);
/// assert_eq!(biossl::signal::seconds_to_samples(-0.003_125, 160.0), 0);
/// ```
pub fn seconds_to_samples(seconds: f64, rate_hz: f64) -> i64 {
    round_half_up(seconds * rate_hz)
}
