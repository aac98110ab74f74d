//! Golden values and laws of all transforms.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use serde_json::Value;

use super::bandstop::forward;
use super::*;
use crate::base::{NormalTable, Purpose, SignalKind, StreamKey, parse_table};
use crate::numerics::dsp::notch;

static NORMALS: LazyLock<NormalTable> = LazyLock::new(|| NormalTable::new(7));

/// Draws one of a few given windows.
#[derive(Debug)]
struct Given(Vec<Array2<f32>>);

impl Partners for Given {
    fn draw(&self, stream: &mut Stream, mut into: ArrayViewMut2<'_, f32>) {
        into.assign(&self.0[stream.below(self.0.len() as u32) as usize]);
    }
}

/// A stored row with real samples around a nominal window.
#[derive(Debug)]
struct Case {
    stored: Array2<f32>,
    margin: usize,
    length: usize,
    earlier: usize,
    later: usize,
    rate_hz: f64,
    scale: Scale,
    partners: Given,
}

impl Case {
    fn new(stored: Array2<f32>, [margin, length, earlier, later]: [usize; 4], partners: Given) -> Self {
        let scale = Scale::of_window(stored.slice(s![.., margin..margin + length]));
        Self { stored, margin, length, earlier, later, rate_hz: 160.0, scale, partners }
    }

    fn made() -> Self {
        let wave = |k: usize| {
            Array2::from_shape_fn((4, 60), |(c, t)| ((t * (c + k)) as f32 * 0.37).sin() + (t as f32 * 0.11).cos())
        };
        let partners = Given((2..5).map(|k| wave(k).slice_move(s![.., ..40])).collect());
        Self::new(wave(1), [10, 40, 10, 10], partners)
    }

    fn source(&self) -> Source<'_> {
        Source {
            stored: self.stored.view(),
            start: self.margin,
            length: self.length,
            earlier: self.earlier,
            later: self.later,
            scale: &self.scale,
            partners: &self.partners,
            normals: &NORMALS,
        }
    }

    fn augmentation(&self, toml: &str) -> Result<Augmentation, AugmentError> {
        let labels: Vec<String> = (0..self.stored.nrows()).map(|c| format!("C{c}")).collect();
        let frame = Frame { channels: &labels, rate_hz: self.rate_hz, margin: self.margin, length: self.length };
        config(toml).build(&frame)
    }

    fn view(&self, augmentation: &Augmentation, key: StreamKey) -> Array2<f32> {
        let mut view = Array2::zeros((self.stored.nrows(), self.length));
        augmentation.view(&self.source(), key, view.view_mut());
        view
    }

    fn nominal(&self) -> Array2<f32> {
        self.delayed(0)
    }

    fn delayed(&self, delay: isize) -> Array2<f32> {
        let first = (self.margin as isize - delay) as usize;
        Array2::from_shape_fn((self.stored.nrows(), self.length), |(c, t)| {
            self.scale.apply(c, self.stored[[c, first + t]])
        })
    }
}

fn config(list: &str) -> AugmentationConfig {
    let text = format!("augment = {list}");
    let table = parse_table(&text).unwrap();
    let value = table.get("augment").unwrap();
    AugmentationConfig::read(SignalKind::Eeg, value).unwrap()
}

fn key() -> StreamKey {
    StreamKey::new(7, Purpose::Transforms).row(5).epoch(2).view(1)
}

fn golden(name: &str) -> Value {
    let path = format!("{}/fixtures/golden/augment/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn matrix(value: &Value) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn largest_difference(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_transform_equals_its_second_implementation() {
    let golden = golden("views");
    let given = &golden["given"];
    let count = |key: &str| given[key].as_u64().unwrap() as usize;
    let partners = Given(given["partners"].as_array().unwrap().iter().map(matrix).collect());
    let places = [count("margin"), count("length"), count("earlier"), count("later")];
    let case = Case::new(matrix(&given["stored"]), places, partners);
    let mut seen = BTreeSet::new();
    for expected in golden["cases"].as_array().unwrap() {
        let toml = expected["toml"].as_str().unwrap();
        let augmentation = case.augmentation(&format!("[{toml}]")).unwrap_or_else(|error| panic!("{toml}: {error}"));
        let key = key().epoch(expected["epoch"].as_u64().unwrap() as u32);
        let difference = largest_difference(case.view(&augmentation, key).view(), matrix(&expected["view"]).view());
        assert!(difference < 2e-6, "{toml} epoch {}: {difference}", key.epoch);
        seen.insert(augmentation_rows(toml));
    }
    let registered: BTreeSet<u8> =
        TRANSFORMS.entries.iter().map(|entry| augmentation_rows(&format!("{{ name = \"{}\" }}", entry.name))).collect();
    assert_eq!(seen, registered, "each registered transform has golden views");
}

fn augmentation_rows(toml: &str) -> u8 {
    let text = format!("t = {toml}");
    let table = parse_table(&text).unwrap();
    let table = table.get("t").unwrap().get_ref().as_table().unwrap();
    TRANSFORMS.choose(SignalKind::Eeg, table, 0..0).unwrap().choice.row()
}

#[test]
fn notch_equals_scipy_to_the_last_bit_of_f32() {
    for case in golden("notch")["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let mut samples = numbers(&case["x"]);
        let section = notch(number("centre_hz"), number("width_hz"), number("rate_hz")).unwrap();
        forward(&section, samples.iter_mut());
        for (ours, scipy) in samples.iter().zip(numbers(&case["y"])) {
            assert!((ours - scipy).abs() <= scipy.abs() * f32::EPSILON, "{ours} {scipy}");
        }
    }
}

#[test]
fn notch_takes_its_centre_out_halves_the_power_at_its_edges_and_keeps_constants() {
    let section = notch(10.0, 2.0, 160.0).unwrap();
    let gain = |hz: f64| {
        let wave = |t: usize| (2.0 * std::f64::consts::PI * hz * t as f64 / 160.0).sin() as f32;
        let mut samples: Vec<f32> = (0..4000).map(wave).collect();
        forward(&section, samples.iter_mut());
        samples[3000..].iter().fold(0.0_f32, |most, x| most.max(x.abs()))
    };
    assert!(gain(10.0) < 1e-3);
    assert!((0.67..0.71).contains(&gain(11.0)), "{}", gain(11.0));
    let mut constant = [2.5_f32; 50];
    forward(&section, constant.iter_mut());
    assert!(constant.iter().all(|x| (x - 2.5).abs() < 1e-6));
}

#[test]
fn delay_takes_the_real_neighbours() {
    let case = Case::made();
    let augmentation = case.augmentation("[{ name = \"temporal-delay\", delay_s = 0.0625 }]").unwrap();
    let mut seen = BTreeSet::new();
    for epoch in 0..300 {
        let view = case.view(&augmentation, key().epoch(epoch));
        let delay = (-10..=10).find(|delay| view == case.delayed(*delay)).expect("a view is a shifted cut of the row");
        seen.insert(delay);
    }
    assert_eq!(seen.len(), 21, "every delay comes: {seen:?}");
}

#[test]
fn delay_stops_where_the_real_samples_end() {
    let case = Case { earlier: 2, later: 0, ..Case::made() };
    let augmentation = case.augmentation("[{ name = \"temporal-delay\", delay_s = 0.0625 }]").unwrap();
    let mut seen = [0; 3];
    for epoch in 0..300 {
        let view = case.view(&augmentation, key().epoch(epoch));
        seen[(0..3).find(|delay| view == case.delayed(*delay)).expect("clipped to 0..=2") as usize] += 1;
    }
    assert!(seen[0] > 100 && seen[1] > 3 && seen[2] > 80, "{seen:?}");
}

#[test]
fn what_the_windows_cannot_bear_is_refused_when_built() {
    let case = Case::made();
    let refused = |toml: &str| case.augmentation(toml).err().expect(toml);
    assert_eq!(
        refused("[{ name = \"temporal-delay\", delay_s = 0.1 }]"),
        AugmentError::Margin { delay: 16, margin: 10 }
    );
    assert!(case.augmentation("[{ name = \"temporal-delay\", delay_s = 0.1, edge = \"reflect\" }]").is_ok());
    assert_eq!(
        refused("[{ name = \"bandstop\", high_hz = 77 }]"),
        AugmentError::BeyondNyquist { edge_hz: 80.0, rate_hz: 160.0 }
    );
    assert_eq!(
        refused("[{ name = \"temporal-cutout\" }, { name = \"temporal-cutout\" }]"),
        AugmentError::Repeated { transform: "temporal-cutout" }
    );
    for setting in ["low = -0.1", "high = 1.5", "low = 0.6", "probability = 2", "high = nan"] {
        let error = refused(&format!("[{{ name = \"temporal-cutout\", {setting} }}]"));
        assert!(matches!(error, AugmentError::Setting { .. }), "{setting}: {error}");
    }
    let single = Case { stored: case.stored.slice(s![..1, ..]).to_owned(), ..Case::made() };
    let error = single.augmentation("[{ name = \"sensor-dropout\" }]").err().unwrap();
    assert!(error.to_string().contains("C0"), "{error}");
}

#[test]
fn default_recipes_stand_in_the_order_of_the_table() {
    let names = |config: &AugmentationConfig| -> Vec<String> {
        let list = config.resolved();
        list.as_array().unwrap().iter().map(|link| link["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["temporal-delay", "signal-mixing", "bandstop", "gaussian-noise", "temporal-cutout", "sensor-dropout"];
    assert_eq!(names(&AugmentationConfig::defaults(SignalKind::Ecg)), all);
    let chosen =
        config("[{ name = \"sensor-dropout\" }, { name = \"gaussian_noise\" }, { name = \"temporal-delay\" }]");
    assert_eq!(names(&chosen), ["temporal-delay", "gaussian-noise", "sensor-dropout"]);
    assert!(AugmentationConfig::none().resolved().as_array().unwrap().is_empty());
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    /// Strongest and absent forms of each transform.
    const STRONG: [&str; 8] = [
        "{ name = \"temporal-delay\", delay_s = 0.0625 }",
        "{ name = \"signal-mixing\", most = 1, probability = 1 }",
        "{ name = \"bandstop\", width_hz = 20, probability = 1 }",
        "{ name = \"gaussian-noise\", most = 1, probability = 1 }",
        "{ name = \"temporal-cutout\", low = 0, high = 1 }",
        "{ name = \"temporal-cutout\", low = 0, high = 1, fill = \"noise\" }",
        "{ name = \"temporal-cutout\", low = 0, high = 1, fill = \"other\" }",
        "{ name = \"sensor-dropout\", most = 1, probability = 1 }",
    ];
    const ABSENT: [&str; 6] = [
        "{ name = \"temporal-delay\", delay_s = 0 }",
        "{ name = \"signal-mixing\", most = 0, probability = 1 }",
        "{ name = \"bandstop\", width_hz = 0, probability = 1 }",
        "{ name = \"gaussian-noise\", most = 0, probability = 1 }",
        "{ name = \"temporal-cutout\", low = 0, high = 0, fill = \"noise\" }",
        "{ name = \"sensor-dropout\", most = 0, probability = 1 }",
    ];
    const CHAIN: &str = "[{ name = \"temporal-delay\", delay_s = 0.0625 }, { name = \"signal-mixing\" }, \
        { name = \"bandstop\" }, { name = \"gaussian-noise\" }, { name = \"temporal-cutout\", fill = \"other\" }, \
        { name = \"sensor-dropout\" }]";

    fn case(samples: Vec<f32>, earlier: usize, later: usize) -> Case {
        let stored = Array2::from_shape_vec((3, 60), samples).unwrap();
        let partner = stored.slice(s![.., 3..43]).mapv(|x| -x);
        Case { rate_hz: 160.0, ..Case::new(stored, [10, 40, earlier, later], Given(vec![partner])) }
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn views_are_finite_and_bounded(case in windows(), row in 0_u32..1000) {
            // No sample of a delayed view exceeds the largest of the row, a normalised one sqrt(L); the other
            // transforms add a few times that at most.
            let row_most = [0, 10, -10].iter().flat_map(|d| case.delayed(*d)).fold(0.0_f32, |most, x| most.max(x.abs()));
            let limit = 8.0 * 40.0_f32.sqrt().max(row_most);
            for toml in STRONG {
                let view = case.view(&case.augmentation(&format!("[{toml}]")).unwrap(), key().row(row));
                prop_assert_eq!(view.dim(), (3, 40));
                prop_assert!(view.iter().all(|x| x.is_finite() && x.abs() <= limit), "{}", toml);
            }
        }

        #[test]
        fn zero_strength_gives_the_same_bits(case in windows(), row in 0_u32..1000) {
            let nominal = case.nominal();
            for toml in ABSENT {
                let view = case.view(&case.augmentation(&format!("[{toml}]")).unwrap(), key().row(row));
                prop_assert_eq!(bits(&view), bits(&nominal), "{}", toml);
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
        fn dropout_leaves_at_least_one_channel_as_it_was(case in windows(), row in 0_u32..1000) {
            let chain = case.augmentation("[{ name = \"sensor-dropout\", most = 1, probability = 1 }]").unwrap();
            let view = case.view(&chain, key().row(row));
            let nominal = case.nominal();
            let kept = (0..3).filter(|c| view.row(*c) == nominal.row(*c)).count();
            let silent = (0..3).filter(|c| view.row(*c).iter().all(|x| *x == 0.0)).count();
            prop_assert!(kept >= 1 && kept + silent >= 3);
        }
    }

    #[test]
    fn the_probability_is_how_often_a_transform_acts() {
        let case = Case::made();
        let chain = case.augmentation("[{ name = \"temporal-cutout\", probability = 0.3 }]").unwrap();
        let nominal = case.nominal();
        let acted = (0..2000).filter(|row| case.view(&chain, key().row(*row)) != nominal).count();
        assert!((540..660).contains(&acted), "{acted}");
    }
}
