//! RR features of a recording's beats, from the times of its marks alone.

use crate::signal::RrFeatures;

/// Intervals are held between these, in seconds: a pause or a stretch without marks is no rhythm.
const CLIP_S: (f64, f64) = (0.2, 3.0);
/// Stands for what is missing where the mean of the recording would look ahead, and in a recording of one beat.
const USUAL_S: f64 = 0.8;
/// Earlier intervals whose mean an interval is compared with.
const BEFORE: usize = 10;
/// Beats on each side of the one whose surroundings are looked at.
const AROUND: usize = 8;

/// The features of beats at these times (ascending, windowed or not), one a beat.
///
/// # Units
/// Times in seconds; features are natural logarithms of ratios, and seconds.
///
/// # Source
/// Our own choice, after the RR features of `dechazal2004automatic`.
pub(super) fn rr_features(beats_s: &[f64]) -> Vec<RrFeatures> {
    // Interval j ends at beat j + 1.
    let intervals: Vec<f64> = beats_s.windows(2).map(|pair| (pair[1] - pair[0]).clamp(CLIP_S.0, CLIP_S.1)).collect();
    let g = mean(&intervals).unwrap_or(USUAL_S);
    (0..beats_s.len()).map(|beat| of_beat(beat, &intervals, g)).collect()
}

fn of_beat(beat: usize, intervals: &[f64], g: f64) -> RrFeatures {
    let ending_at = |beat: Option<usize>| beat.and_then(|beat| intervals.get(beat.checked_sub(1)?)).copied();
    let (pre, post, prepre) = (ending_at(Some(beat)), ending_at(Some(beat + 1)), ending_at(beat.checked_sub(1)));
    let before = beat.saturating_sub(1);
    let prev10 = mean(&intervals[before.saturating_sub(BEFORE)..before]);
    let around = beat.saturating_sub(AROUND)..(beat + AROUND).min(intervals.len());
    let cen = mean(&intervals[around]).unwrap_or(g);

    let (causal_pre, causal_prepre) = (pre.unwrap_or(USUAL_S), prepre.unwrap_or(USUAL_S));
    let causal_prev10 = prev10.unwrap_or(USUAL_S);
    let (pre, post, prepre) = (pre.unwrap_or(g), post.unwrap_or(g), prepre.unwrap_or(g));
    let prev10 = prev10.unwrap_or(g);
    let features = [
        (pre / prev10).ln(),
        (post / prev10).ln(),
        (pre / cen).ln(),
        (post / cen).ln(),
        (pre / g).ln(),
        (post / g).ln(),
        (post / pre).ln(),
        (prepre / cen).ln(),
        (pre / prepre).ln(),
        (causal_pre / causal_prev10).ln(),
        (causal_prepre / causal_prev10).ln(),
        (causal_pre / causal_prepre).ln(),
        pre,
        post,
        cen,
        g,
    ];
    RrFeatures(features.map(|feature| feature as f32))
}

fn mean(intervals: &[f64]) -> Option<f64> {
    (!intervals.is_empty()).then(|| intervals.iter().sum::<f64>() / intervals.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::RrSet;

    #[test]
    fn even_beats_have_ratios_of_one() {
        let beats: Vec<f64> = (0..30).map(|i| 0.5 + 0.75 * f64::from(i)).collect();
        for features in rr_features(&beats) {
            assert!(features.of(RrSet::Rr).iter().all(|ratio| ratio.abs() < 1e-6), "{features:?}");
            assert!(features.of(RrSet::RrSeconds).iter().all(|s| (s - 0.75).abs() < 1e-6));
        }
    }

    #[test]
    fn early_beat_is_seen_before_and_after() {
        // Beat 15 comes 0.3 s early.
        let beats: Vec<f64> = (0..30).map(|i| f64::from(i) - if i == 15 { 0.3 } else { 0.0 }).collect();
        let features = rr_features(&beats)[15].0;
        assert!((features[0] - 0.7_f32.ln()).abs() < 1e-6 && (features[1] - 1.3_f32.ln()).abs() < 1e-6);
        assert!((features[6] - (1.3_f32 / 0.7).ln()).abs() < 1e-6);
        assert!((features[12] - 0.7).abs() < 1e-6 && (features[13] - 1.3).abs() < 1e-6);
    }

    #[test]
    fn causal_features_do_not_hang_on_what_comes_later() {
        let beats: Vec<f64> = (0..40).map(|i| 0.8 * f64::from(i) + 0.1 * f64::from(i * i % 7)).collect();
        let whole = rr_features(&beats);
        for n in 1..beats.len() {
            let part = rr_features(&beats[..n]);
            assert_eq!(part[n - 1].of(RrSet::RrCausal), whole[n - 1].of(RrSet::RrCausal), "{n}");
        }
    }

    #[test]
    fn pauses_are_clipped_and_a_lone_beat_says_nothing() {
        let features = rr_features(&[1.0, 1.05, 101.0]);
        assert_eq!((features[1].0[12], features[1].0[13]), (0.2, 3.0));
        assert_eq!(rr_features(&[5.0])[0].of(RrSet::Rr), [0.0; 9]);
        assert!(rr_features(&[]).is_empty());
    }
}
