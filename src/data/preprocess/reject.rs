//! Which windows are not used, and why.

use ndarray::ArrayView2;

use super::recipe::Recipe;
use crate::signal::Reject;

/// Judges a stretch; the first reason that holds counts.
///
/// # Shapes
/// `[channels, samples]`, in the recipe's unit, at least one sample
pub(super) fn reject(stretch: ArrayView2<'_, f64>, recipe: &Recipe) -> Option<Reject> {
    // `Recipe::check` has refused units that are no voltage.
    let in_unit = |microvolts: f64| microvolts / recipe.unit.microvolts().unwrap_or(1.0);
    let (mut finite, mut flat, mut largest) = (true, false, 0.0_f64);
    for channel in stretch.rows() {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for &x in channel {
            // What will be stored is judged: single precision has no place for all that double precision has.
            let x = x as f32;
            finite &= x.is_finite();
            low = if x < low { x } else { low };
            high = if x > high { x } else { high };
        }
        let (low, high) = (f64::from(low), f64::from(high));
        flat |= high - low < in_unit(recipe.flat_uv);
        largest = largest.max(high.abs()).max(low.abs());
    }
    if !finite {
        return Some(Reject::NonFinite);
    }
    if flat {
        Some(Reject::Flat)
    } else {
        recipe.amplitude_uv.filter(|&limit| largest > in_unit(limit)).map(|_| Reject::Amplitude)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::base::SignalKind;

    #[test]
    fn reasons_are_tested_in_their_order() {
        let recipe = Recipe { amplitude_uv: Some(2000.0), ..Recipe::defaults(SignalKind::Ecg) };
        let judge = |stretch: ndarray::Array2<f64>| reject(stretch.view(), &recipe);
        assert_eq!(judge(array![[0.0, 1.0], [0.0, 0.5]]), None);
        assert_eq!(judge(array![[0.0, 1.0], [0.7, 0.705]]), Some(Reject::Flat));
        assert_eq!(judge(array![[f64::NAN, 1.0], [0.7, 0.7]]), Some(Reject::NonFinite));
        assert_eq!(judge(array![[0.0, 1e39], [0.7, 0.7]]), Some(Reject::NonFinite));
        assert_eq!(judge(array![[0.0, -2.5], [0.0, 0.5]]), Some(Reject::Amplitude));
        assert_eq!(judge(array![[0.0, -2.5], [0.7, 0.7]]), Some(Reject::Flat));
    }
}
