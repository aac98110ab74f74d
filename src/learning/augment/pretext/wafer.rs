//! The five changes of wafer maps, carried over to time.

use ndarray::{ArrayViewMut2, Axis, s};
use serde::{Deserialize, Serialize};

use crate::base::{Stream, StreamKey};
use crate::learning::augment::Source;
use crate::signal::round_half_up;

use super::{Pretext, resample};

/// A change of a wafer map in its form for signals.
///
/// # Source
/// `kahng2021wapirl`; the forms for signals are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::unsafe_derive_deserialize,
    reason = "the only unsafe is inside ndarray's macro `s!`; this is a plain word"
)]
pub enum WaferMap {
    /// Half to all of the window, brought back to its length.
    Crop,
    /// With probability 0.5, four stretches of a twentieth of the window become 0 in all channels.
    Cutout,
    /// Each sample is, with probability 0.05, replaced by another of its channel.
    Noise,
    /// The window is turned round in a circle by any number of samples (rotation).
    Roll,
    /// The window moves by up to a quarter of its length, zeros come in (shift).
    Shift,
}

/// The plain window and one changed copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaferViews {
    /// How the copy is changed.
    pub change: WaferMap,
}

impl Pretext for WaferViews {
    fn lengths(&self, samples: usize) -> Vec<usize> {
        vec![samples; 2]
    }

    fn make(&self, source: &Source<'_>, key: StreamKey, views: &mut [ArrayViewMut2<'_, f32>]) {
        let [plain, changed] = views else { unreachable!("two views, as `lengths` says") };
        source.read(0, plain.view_mut());
        changed.assign(plain);
        self.change.apply(&mut key.stream(), changed.view_mut());
    }
}

impl WaferMap {
    /// Changes a window in place.
    fn apply(self, stream: &mut Stream, mut view: ArrayViewMut2<'_, f32>) {
        let length = view.ncols();
        let before = view.to_owned();
        match self {
            Self::Crop => {
                let kept = round_half_up(stream.between(0.5, 1.0) * length as f64) as usize;
                let start = stream.below((length - kept + 1) as u32) as usize;
                resample(before.slice(s![.., start..start + kept]), view);
            }
            Self::Cutout => {
                if stream.uniform_f64() >= 0.5 {
                    return;
                }
                let hole = (length / 20).max(1);
                for _ in 0..4 {
                    let start = stream.below((length - hole + 1) as u32) as usize;
                    view.slice_mut(s![.., start..start + hole]).fill(0.0);
                }
            }
            Self::Noise => {
                for (mut channel, before) in view.axis_iter_mut(Axis(0)).zip(before.rows()) {
                    for x in &mut channel {
                        if stream.uniform_f64() < 0.05 {
                            *x = before[stream.below(length as u32) as usize];
                        }
                    }
                }
            }
            Self::Roll => {
                let by = stream.below(length as u32) as usize;
                view.slice_mut(s![.., by..]).assign(&before.slice(s![.., ..length - by]));
                view.slice_mut(s![.., ..by]).assign(&before.slice(s![.., length - by..]));
            }
            Self::Shift => {
                let most = length / 4;
                let by = stream.below(2 * most as u32 + 1) as usize;
                view.fill(0.0);
                if by >= most {
                    let right = by - most;
                    view.slice_mut(s![.., right..]).assign(&before.slice(s![.., ..length - right]));
                } else {
                    let left = most - by;
                    view.slice_mut(s![.., ..length - left]).assign(&before.slice(s![.., left..]));
                }
            }
        }
    }
}
