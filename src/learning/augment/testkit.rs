//! The standard set: what every registered transform must do, by one loop over the registry.

use std::collections::BTreeSet;

use ndarray::{Array2, s};
use proptest::prelude::*;
use rayon::prelude::*;

use super::tests::{Case, Given, key};
use super::{Augmentation, TRANSFORMS};

/// How to bring out each transform: its name, its strongest forms, and its form of no strength.
const FORMS: [(&str, &[&str], &str); 9] = [
    ("temporal-delay", &["delay_s = 0.0625", "delay_s = 0.2, edge = \"reflect\""], "delay_s = 0"),
    ("signal-mixing", &["most = 1"], "most = 0"),
    ("bandstop", &["width_hz = 20"], "width_hz = 0"),
    ("spatial-rotation", &["most_deg = 30"], "most_deg = 0"),
    ("spatial-shift", &["most = 0.3"], "most = 0"),
    ("gaussian-noise", &["most = 1"], "most = 0"),
    (
        "temporal-cutout",
        &["low = 0, high = 1", "low = 0, high = 1, fill = \"noise\"", "low = 0, high = 1, fill = \"other\""],
        "low = 0, high = 0, fill = \"noise\"",
    ),
    ("sensor-dropout", &["most = 1"], "most = 0"),
    ("sensor-cutout", &["most_deg = 180"], "most_deg = 0"),
];

fn written(name: &str, setting: &str) -> String {
    format!("[{{ name = \"{name}\", probability = 1, {setting} }}]")
}

/// Every transform at full strength, with the text that asks for it.
fn strong() -> impl Iterator<Item = (&'static str, String)> {
    FORMS.iter().flat_map(|(name, settings, _)| settings.iter().map(|setting| (*name, written(name, setting))))
}

/// All of them at once, two by choice.
const CHAIN: &str = "[{ name = \"temporal-delay\", delay_s = 0.0625 }, { name = \"signal-mixing\" }, \
    { name = \"spatial-rotation\", probability = 0.5 }, { name = \"spatial-shift\", probability = 0.5 }, \
    { one_of = [{ name = \"bandstop\" }, { name = \"sensor-dropout\" }] }, { name = \"gaussian-noise\" }, \
    { name = \"temporal-cutout\", fill = \"other\" }, { name = \"sensor-cutout\", probability = 0.5 }]";

fn case(samples: Vec<f32>, earlier: usize, later: usize) -> Case {
    let stored = Array2::from_shape_vec((3, 60), samples).unwrap();
    let partner = stored.slice(s![.., 3..43]).mapv(|x| -x);
    Case::new(stored, [10, 40, earlier, later], Given(vec![partner]))
}

/// Windows with zeros of both signs and dead channels among them.
fn windows() -> impl Strategy<Value = Case> {
    let sample = prop_oneof![8 => -5.0_f32..5.0, 1 => Just(0.0), 1 => Just(-0.0)];
    let live = proptest::collection::vec(sample, 180);
    (live, any::<bool>(), 0_usize..=10, 0_usize..=10).prop_map(|(mut samples, dead, earlier, later)| {
        if dead {
            samples[60..120].fill(1.5);
        }
        case(samples, earlier, later)
    })
}

fn bits(view: &Array2<f32>) -> Vec<u32> {
    view.iter().map(|x| x.to_bits()).collect()
}

fn most(samples: &Array2<f32>) -> f32 {
    samples.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// How far a view of full strength can reach, by what each transform does; `row` holds every sample that a delay can
/// bring in, and a normalised sample is at most sqrt(L).
fn bound(name: &str, case: &Case) -> f32 {
    let nominal = most(&case.nominal());
    let partner = case.partners.0.iter().map(most).fold(0.0, f32::max);
    let length = case.length as f32;
    match name {
        "temporal-delay" => [0, 10, -10].map(|delay| most(&case.delayed(delay))).into_iter().fold(0.0, f32::max),
        // At most as much again as the partner at the window's own power: a peak of sqrt(samples) times that.
        "signal-mixing" => nominal + (3.0 * length).sqrt(),
        // |gain| <= 1 at every frequency, but a step can ring: the impulse response sums to less than 4.
        "bandstop" => 4.0 * nominal,
        // A row's 2-norm is at most 1.21, so its 1-norm at most 1.21 sqrt(C).
        "spatial-rotation" | "spatial-shift" => 1.21 * 3.0_f32.sqrt() * nominal,
        // No entry of the table of normals is beyond 6.
        "gaussian-noise" => nominal + 6.0,
        "temporal-cutout" => nominal.max(6.0).max(partner),
        "sensor-dropout" | "sensor-cutout" => nominal,
        other => panic!("no bound is known for {other}"),
    }
}

#[test]
fn every_registered_transform_is_in_the_kit() {
    let known: BTreeSet<&str> = FORMS.iter().map(|(name, ..)| *name).collect();
    let registered: BTreeSet<&str> = TRANSFORMS.entries.iter().map(|entry| entry.name).collect();
    assert_eq!(known, registered);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn views_are_finite_and_bounded(case in windows(), row in 0_u32..1000) {
        for (name, toml) in strong() {
            let view = case.view(&case.augmentation(&toml).unwrap(), key().row(row));
            prop_assert_eq!(view.dim(), (3, 40));
            let limit = bound(name, &case) + 1e-4;
            prop_assert!(view.iter().all(|x| x.is_finite() && x.abs() <= limit), "{}: {} > {}", toml, most(&view), limit);
        }
    }

    #[test]
    fn zero_strength_gives_the_same_bits(case in windows(), row in 0_u32..1000) {
        let nominal = bits(&case.nominal());
        for (name, settings, absent) in FORMS {
            let never = written(name, settings[0]).replace("probability = 1", "probability = 0");
            for toml in [written(name, absent), never] {
                let view = case.view(&case.augmentation(&toml).unwrap(), key().row(row));
                prop_assert_eq!(bits(&view), nominal.clone(), "{}", toml);
            }
        }
    }

    #[test]
    fn same_key_same_bits_other_key_other_view(case in windows(), row in 0_u32..1000) {
        let chain = case.augmentation(CHAIN).unwrap();
        let first = case.view(&chain, key().row(row));
        prop_assert_eq!(bits(&first), bits(&case.view(&chain, key().row(row))));
        for other in [key().row(row + 1), key().row(row).view(0), key().row(row).epoch(3)] {
            prop_assert_ne!(bits(&first), bits(&case.view(&chain, other)));
        }
    }

    #[test]
    fn cutout_changes_one_stretch_of_the_wanted_length(case in windows(), row in 0_u32..1000) {
        let chain = case.augmentation("[{ name = \"temporal-cutout\", low = 0.2, high = 0.4 }]").unwrap();
        let view = case.view(&chain, key().row(row));
        let nominal = case.nominal();
        let changed: Vec<usize> = (0..40).filter(|t| view.column(*t) != nominal.column(*t)).collect();
        let (first, last) = (changed[0], changed[changed.len() - 1]);
        prop_assert!((first..=last).all(|t| view.column(t).iter().all(|x| *x == 0.0)));
        prop_assert!(last - first < 16);
    }

    #[test]
    fn what_silences_channels_leaves_at_least_one_as_it_was(case in windows(), row in 0_u32..1000) {
        for (name, setting) in [("sensor-dropout", "most = 1"), ("sensor-cutout", "most_deg = 180")] {
            let view = case.view(&case.augmentation(&written(name, setting)).unwrap(), key().row(row));
            let nominal = case.nominal();
            let kept = (0..3).filter(|c| view.row(*c) == nominal.row(*c)).count();
            let silent = (0..3).filter(|c| view.row(*c).iter().all(|x| *x == 0.0)).count();
            prop_assert!(kept >= 1 && kept + silent >= 3, "{}", name);
        }
    }
}

#[test]
fn channels_stay_distinct() {
    let case = Case::made();
    for (_, toml) in strong() {
        let chain = case.augmentation(&toml).unwrap();
        for row in 0..200 {
            let view = case.view(&chain, key().row(row));
            let live: Vec<usize> = (0..4).filter(|c| view.row(*c).iter().any(|x| *x != 0.0)).collect();
            let same = |a: &usize, b: &usize| (&view.row(*a) - &view.row(*b)).iter().all(|x| x.abs() < 1e-3);
            let merged = live.iter().any(|a| live.iter().any(|b| a != b && same(a, b)));
            // A cutout of the whole window by the partner's samples brings the partner's channels, which differ too.
            assert!(!merged, "{toml}, row {row}");
        }
    }
}

#[test]
fn a_view_does_not_depend_on_what_is_made_beside_it() {
    let cases = [Case::made(), Case { earlier: 3, later: 0, ..Case::made() }];
    let of = |chain: &Augmentation, row: u32| bits(&cases[row as usize % 2].view(chain, key().row(row)));
    for toml in strong().map(|(_, toml)| toml).chain([CHAIN.to_owned()]) {
        let chain = cases[0].augmentation(&toml).unwrap();
        let alone: Vec<_> = (0..40).map(|row| of(&cases[0].augmentation(&toml).unwrap(), row)).collect();
        let together: Vec<_> = (0..40).into_par_iter().map(|row| of(&chain, row)).collect();
        let backwards: Vec<_> = (0..40).rev().map(|row| of(&chain, row)).collect();
        assert!(alone == together && backwards.iter().rev().eq(&alone), "{toml}");
    }
}

#[test]
fn the_probability_is_how_often_a_transform_acts() {
    let case = Case::made();
    let nominal = case.nominal();
    for (name, settings, _) in FORMS {
        // Some draws of a transform change nothing by themselves (a delay of 0): those of full probability tell how many.
        let acted = |probability: &str| {
            let toml = written(name, settings[0]).replace("probability = 1", &format!("probability = {probability}"));
            let chain = case.augmentation(&toml).unwrap();
            (0..2000).filter(|row| case.view(&chain, key().row(*row)) != nominal).count() as f64
        };
        let (always, sometimes) = (acted("1"), acted("0.3"));
        assert!(always > 1500.0 && (0.27..0.33).contains(&(sometimes / always)), "{name}: {sometimes} of {always}");
    }
}
