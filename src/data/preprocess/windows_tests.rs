//! Positions, margins, padding and rejects of windows.

use super::*;
use crate::base::SignalKind;
use crate::data::preprocess::Pass;
use crate::signal::{Channel, Onset, Reject, Unit};

/// A ramp: the value of a sample is its index.
fn ramp(samples: usize, rate_hz: f64, unit: Unit) -> (Recording, Vec<Lead>) {
    let values = (0..samples).map(|t| t as f32).collect();
    let channel = Channel { label: "c".into(), unit, rate_hz, samples: values };
    let recording = Recording { channels: vec![channel], ..Recording::default() };
    (recording, vec![Lead { channel: 0, label: "c".into(), lead: "c".into(), unit: None }])
}

fn beat(sample: i64) -> Event {
    Event { onset: Onset::Sample(sample), duration_s: None, class: Some(2) }
}

fn trial(onset_s: f64, duration_s: f64) -> Event {
    Event { onset: Onset::Seconds(onset_s), duration_s: Some(duration_s), class: Some(1) }
}

fn unfiltered(kind: SignalKind) -> Recipe {
    Recipe { pass: Pass::None, reference: crate::data::preprocess::Reference::None, ..Recipe::defaults(kind) }
}

fn ecg(events: &[Event]) -> Windows {
    let (recording, leads) = ramp(5000, 360.0, Unit::Millivolt);
    windows(&recording, &leads, events, &unfiltered(SignalKind::Ecg)).unwrap()
}

fn eeg(events: &[Event]) -> Windows {
    let (recording, leads) = ramp(5000, 160.0, Unit::Microvolt);
    windows(&recording, &leads, events, &unfiltered(SignalKind::Eeg)).unwrap()
}

#[test]
fn beat_stands_at_index_352_of_its_window() {
    let given = ecg(&[beat(1000)]);
    assert_eq!((given.spec.length, given.spec.margin, given.spec.stored()), (704, 36, 776));
    let row = &given.rows[0];
    assert_eq!((row.start, row.event, row.label), (648, Some(1000), Some(2)));
    assert_eq!((row.padding, row.left, row.right), (0, 36, 36));
    assert_eq!(given.samples[[0, 0, 36 + 352]], 1000.0);
    assert_eq!(given.samples[[0, 0, 0]], 1000.0 - 352.0 - 36.0);
    assert_eq!(given.samples[[0, 0, 775]], 1000.0 + 351.0 + 36.0);
}

#[test]
fn ends_are_repeated_and_counted() {
    let given = ecg(&[beat(10), beat(4990), beat(360)]);
    let [first, last, near] = &given.rows[..] else { panic!("{:?}", given.rows) };
    assert_eq!((first.start, first.padding, first.left, first.right), (-342, 342, 0, 36));
    assert!(!first.warm_up);
    assert!((0..=36 + 342).all(|j| given.samples[[0, 0, j]] == 0.0));
    assert_eq!((last.start, last.padding, last.left, last.right), (4638, 342, 36, 0));
    assert_eq!(given.samples[[1, 0, 775]], 4999.0);
    // A window that begins just inside has fewer real neighbours than the margin.
    assert_eq!((near.start, near.padding, near.left), (8, 0, 8));
}

#[test]
fn edge_windows_are_dropped_and_counted_on_request() {
    let (recording, leads) = ramp(5000, 360.0, Unit::Millivolt);
    let recipe = Recipe { edge: Edge::Drop, ..unfiltered(SignalKind::Ecg) };
    let events = [beat(351), beat(352), beat(4648), beat(4649), beat(5000), beat(-1)];
    let given = windows(&recording, &leads, &events, &recipe).unwrap();
    assert_eq!(given.rows.iter().map(|row| row.start).collect::<Vec<_>>(), [0, 4296]);
    assert_eq!(given.dropped, Dropped { edge: 2, outside: 2, ..Dropped::default() });
}

#[test]
fn trial_begins_at_its_rounded_onset_and_is_stored_whole() {
    let given = eeg(&[trial(4.2, 4.1), trial(8.3, 4.0), trial(12.3, 1.9)]);
    assert_eq!(given.dropped, Dropped { short: 1, ..Dropped::default() });
    assert_eq!((given.spec.length, given.spec.span, given.spec.margin, given.spec.eval_offset), (320, 656, 40, 40));
    let [one, other] = &given.rows[..] else { panic!("{:?}", given.rows) };
    assert_eq!((one.start, one.event, one.trial_samples), (672, Some(672), 656));
    assert_eq!((one.left, one.right), (40, 40));
    assert_eq!(given.samples[[0, 0, 40]], 672.0);
    // A shorter trial is followed by real samples.
    assert_eq!((other.start, other.trial_samples, other.right), (1328, 640, 56));
    assert_eq!(given.samples[[1, 0, 40 + 656]], 1328.0 + 656.0);
}

#[test]
fn trial_ends_with_its_recording() {
    // 31.25 s. The window of evaluation is real in every row, and pretraining draws its start among real samples.
    let given = eeg(&[trial(28.0, 4.1), trial(28.99, 4.1), trial(29.01, 4.1), trial(31.2, 3.0), trial(12.3, 2.2)]);
    assert_eq!(given.dropped, Dropped { short: 3, ..Dropped::default() });
    let [cut, last] = &given.rows[..] else { panic!("{:?}", given.rows) };
    assert_eq!((cut.start, cut.trial_samples, cut.padding, cut.right), (4480, 520, 0, 0));
    assert_eq!((last.start, last.trial_samples, last.padding), (4638, 362, 0));
    // What the clock of the marks rounds away is no reason to cut; where the edge is dropped, it is.
    let (recording, leads) = ramp(5000, 160.0, Unit::Microvolt);
    for (edge, expected) in [(Edge::Replicate, (656, 8)), (Edge::Drop, (648, 0))] {
        let recipe = Recipe { edge, ..unfiltered(SignalKind::Eeg) };
        let given = windows(&recording, &leads, &[trial(27.2, 4.1)], &recipe).unwrap();
        assert_eq!((given.rows[0].trial_samples, given.rows[0].padding), expected);
    }
}

#[test]
fn long_stretch_is_slid_over_and_its_rest_counted() {
    let given = eeg(&[trial(0.5, 60.0)]);
    let starts: Vec<i64> = given.rows.iter().map(|row| row.start).collect();
    assert_eq!(starts.len(), 15);
    assert_eq!((starts[0], starts[1], starts[14]), (80, 400, 4560));
    assert!(given.rows.iter().all(|row| row.event.is_none() && row.trial_samples == 320 && row.label == Some(1)));
    assert_eq!(given.dropped.partial, 1);
    assert_eq!((given.spec.span, given.spec.eval_offset), (320, 0));
    let overlapping = Recipe { hop_s: Some(1.0), ..unfiltered(SignalKind::Eeg) };
    let events = [trial(0.0, 60.0)];
    assert_eq!(plan(&events, &Extent::new(960, 160.0).unwrap(), &overlapping).places.len(), 5);
}

#[test]
fn missing_sample_rejects_the_window_and_shortens_its_neighbours_margin() {
    let (mut recording, leads) = ramp(5000, 360.0, Unit::Millivolt);
    recording.channels[0].samples[1370] = f32::NAN;
    let events = [beat(1000), beat(1030), beat(1800)];
    let given = windows(&recording, &leads, &events, &unfiltered(SignalKind::Ecg)).unwrap();
    let rejects: Vec<_> = given.rows.iter().map(|row| row.reject).collect();
    assert_eq!(rejects, [None, Some(Reject::NonFinite), None]);
    assert_eq!((given.rows[0].right, given.rows[2].left), (18, 36));
    assert!(given.samples.iter().all(|x| x.is_finite()));
}

#[test]
fn any_setting_of_the_plan_fits_what_the_store_demands() {
    // The rows of every mark satisfy the checks of a store: stretches within the span, neighbours within the margin.
    let events: Vec<Event> = (0..40).map(|i| trial(0.13 * f64::from(i) * 6.0, 2.3 + 0.1 * f64::from(i % 9))).collect();
    let given = eeg(&events);
    let spec = &given.spec;
    for row in &given.rows {
        assert!((spec.length..=spec.span).contains(&row.trial_samples));
        assert!(row.left <= spec.margin && row.right <= spec.margin + spec.span - row.trial_samples);
    }
    assert_eq!(given.rows.len() + given.dropped.outside + given.dropped.short, 40);
}

#[test]
fn rows_are_judged_before_they_are_scaled_and_the_first_second_warms_up() {
    let (recording, leads) = ramp(5000, 160.0, Unit::Microvolt);
    let events = [trial(0.0, 3.0), trial(0.99, 3.0), trial(1.0, 3.0), trial(20.0, 3.0)];
    let with = |normalisation| {
        let recipe = Recipe { normalisation, amplitude_uv: Some(2000.0), ..unfiltered(SignalKind::Eeg) };
        windows(&recording, &leads, &events, &recipe).unwrap()
    };
    let plain = with(Normalisation::None);
    for (normalisation, warm) in
        [(Normalisation::None, 0), (Normalisation::Window, 0), (Normalisation::Record, 0), (Normalisation::Causal, 2)]
    {
        let given = with(normalisation);
        let rejects: Vec<_> = given.rows.iter().map(|row| row.reject).collect();
        assert_eq!(rejects, [None, None, None, Some(Reject::Amplitude)], "{normalisation:?}");
        assert_eq!(given.rows.iter().take_while(|row| row.warm_up).count(), warm, "{normalisation:?}");
        assert_eq!(given.rows.iter().filter(|row| row.warm_up).count(), warm, "{normalisation:?}");
        let scaled = matches!(normalisation, Normalisation::Record | Normalisation::Causal);
        assert_eq!(given.samples == plain.samples, !scaled, "{normalisation:?}");
        assert_eq!(given.spec.normalisation, normalisation);
    }
}

#[test]
fn rows_of_beats_carry_rr_features_where_the_recipe_says_so() {
    let (recording, leads) = ramp(5000, 360.0, Unit::Millivolt);
    // Out of order, one at the very end, one without a class.
    let events = [beat(1000), beat(700), beat(1360), Event { class: None, ..beat(1100) }, beat(4999)];
    let recipe = unfiltered(SignalKind::Ecg);
    let given = windows(&recording, &leads, &events, &recipe).unwrap();
    let pre_s: Vec<_> =
        given.rows.iter().map(|row| row.rr.map(|rr| rr.of(crate::signal::RrSet::RrSeconds)[0])).collect();
    assert_eq!(pre_s[0], Some((300.0_f64 / 360.0) as f32));
    assert_eq!(pre_s[2], Some(1.0));
    assert_eq!((pre_s[3], pre_s[4]), (None, Some(3.0)));
    // A window that is dropped at the edge still counts as a beat.
    let dropped = windows(&recording, &leads, &events, &Recipe { edge: Edge::Drop, ..recipe.clone() }).unwrap();
    assert_eq!(
        dropped.rows[..4].iter().map(|row| row.rr).collect::<Vec<_>>(),
        given.rows[..4].iter().map(|row| row.rr).collect::<Vec<_>>()
    );
    let without = windows(&recording, &leads, &events, &Recipe { rr: false, ..recipe }).unwrap();
    assert!(without.rows.iter().all(|row| row.rr.is_none()));
}

#[test]
fn marks_move_with_the_rate() {
    let (recording, leads) = ramp(5000, 360.0, Unit::Millivolt);
    let recipe = Recipe { rate_hz: Some(128.0), ..unfiltered(SignalKind::Ecg) };
    let given = windows(&recording, &leads, &[beat(1000)], &recipe).unwrap();
    let row = &given.rows[0];
    assert_eq!((given.spec.rate_hz, given.spec.length, row.event), (128.0, 250, Some(356)));
    // The ramp has the value of its place, counted at 360 Hz.
    let value = given.samples[[0, 0, (356 - row.start) as usize + given.spec.margin as usize]];
    assert!((f64::from(value) - 356.0 * 360.0 / 128.0).abs() < 0.5, "{value}");
}

#[test]
fn tail_without_samples_and_infinite_values_reject_only_what_they_touch() {
    let (mut recording, leads) = ramp(5000, 360.0, Unit::Millivolt);
    // A skewed channel ends early; a gain of nearly nothing makes values infinite.
    recording.channels[0].samples[4990..].fill(f32::NAN);
    recording.channels[0].samples[2000] = f32::INFINITY;
    let recipe = Recipe { reference: crate::data::preprocess::Reference::None, ..Recipe::defaults(SignalKind::Ecg) };
    let given = windows(&recording, &leads, &[beat(1000), beat(2100), beat(3000), beat(4900)], &recipe).unwrap();
    let rejects: Vec<_> = given.rows.iter().map(|row| row.reject).collect();
    assert_eq!(rejects, [None, Some(Reject::NonFinite), None, Some(Reject::NonFinite)]);
    assert!(given.samples.iter().all(|x| x.is_finite()));
}
