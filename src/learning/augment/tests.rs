//! Golden values and laws of all transforms.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use serde_json::Value;

use super::bandstop::forward;
use super::spatial_rotation::turned;
use super::spatial_shift::shifted;
use super::spline::{self, Spline};
use super::*;
use crate::base::{NormalTable, Purpose, SignalKind, StreamKey, parse_table};
use crate::numerics::dsp::notch;

/// Labels of the made windows' channels, the first of them.
const LABELS: [&str; 4] = ["FC3", "CZ", "P4", "FZ"];

static NORMALS: LazyLock<NormalTable> = LazyLock::new(|| NormalTable::new(7));

/// Draws one of a few given windows.
#[derive(Debug)]
pub(super) struct Given(pub(super) Vec<Array2<f32>>);

impl Partners for Given {
    fn draw(&self, stream: &mut Stream, mut into: ArrayViewMut2<'_, f32>) {
        into.assign(&self.0[stream.below(self.0.len() as u32) as usize]);
    }
}

/// A stored row with real samples around a nominal window.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) stored: Array2<f32>,
    pub(super) margin: usize,
    pub(super) length: usize,
    pub(super) earlier: usize,
    pub(super) later: usize,
    pub(super) rate_hz: f64,
    pub(super) scale: Scale,
    pub(super) partners: Given,
}

impl Case {
    pub(super) fn new(stored: Array2<f32>, [margin, length, earlier, later]: [usize; 4], partners: Given) -> Self {
        let scale = Scale::of_window(stored.slice(s![.., margin..margin + length]));
        Self { stored, margin, length, earlier, later, rate_hz: 160.0, scale, partners }
    }

    pub(super) fn made() -> Self {
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

    pub(super) fn augmentation(&self, toml: &str) -> Result<Augmentation, AugmentError> {
        let frame = Frame { rate_hz: self.rate_hz, margin: self.margin, length: self.length };
        config(toml).build(&frame, &LABELS.map(str::to_owned)[..self.stored.nrows()])
    }

    pub(super) fn view(&self, augmentation: &Augmentation, key: StreamKey) -> Array2<f32> {
        let mut view = Array2::zeros((self.stored.nrows(), self.length));
        augmentation.view(&self.source(), key, view.view_mut());
        view
    }

    pub(super) fn nominal(&self) -> Array2<f32> {
        self.delayed(0)
    }

    pub(super) fn delayed(&self, delay: isize) -> Array2<f32> {
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

pub(super) fn key() -> StreamKey {
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
    assert_eq!(given["labels"].as_array().unwrap(), &LABELS[..3]);
    let mut seen = BTreeSet::new();
    for expected in golden["cases"].as_array().unwrap() {
        let toml = expected["toml"].as_str().unwrap();
        let augmentation = case.augmentation(&format!("[{toml}]")).unwrap_or_else(|error| panic!("{toml}: {error}"));
        let key = key().epoch(expected["epoch"].as_u64().unwrap() as u32);
        let difference = largest_difference(case.view(&augmentation, key).view(), matrix(&expected["view"]).view());
        assert!(difference < 2e-6, "{toml} epoch {}: {difference}", key.epoch);
        seen.extend(TRANSFORMS.entries.iter().map(|entry| entry.name).find(|name| toml.starts_with(&named(name))));
    }
    let registered: BTreeSet<&str> = TRANSFORMS.entries.iter().map(|entry| entry.name).collect();
    assert_eq!(seen, registered, "each registered transform has golden views");
}

fn named(transform: &str) -> String {
    format!("{{ name = \"{transform}\"")
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
    let error = refused("[{ one_of = [{ name = \"bandstop\" }, { name = \"sensor-dropout\" }], probability = 1.5 }]");
    assert!(matches!(error, AugmentError::Setting { transform: "one_of", .. }), "{error}");
    for setting in [
        "name = \"spatial-rotation\", most_deg = 31",
        "name = \"spatial-shift\", most = 0.32",
        "name = \"spatial-shift\", most = 0.35",
        "name = \"spatial-shift\", most = -0.05",
        "name = \"sensor-cutout\", most_deg = 181",
    ] {
        let error = refused(&format!("[{{ {setting}, probability = 1 }}]"));
        assert!(matches!(error, AugmentError::Setting { .. }), "{setting}: {error}");
    }
    let single = Case { stored: case.stored.slice(s![..1, ..]).to_owned(), ..Case::made() };
    let error = single.augmentation("[{ name = \"sensor-dropout\" }]").err().unwrap();
    assert!(error.to_string().contains("FC3"), "{error}");
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
    let grouped =
        config("[{ one_of = [{ name = \"sensor-cutout\" }, { name = \"bandstop\" }] }, { name = \"signal-mixing\" }]");
    let list = grouped.resolved();
    assert_eq!(list[0]["name"], "signal-mixing");
    assert_eq!(
        (&list[1]["one_of"][0]["name"], &list[1]["one_of"][1]["name"]),
        (&"bandstop".into(), &"sensor-cutout".into())
    );
    assert_eq!(list[1]["probability"], 1.0);
    assert!(AugmentationConfig::none().resolved().as_array().unwrap().is_empty());
}

#[test]
fn what_electrodes_cannot_bear_is_refused_with_their_names() {
    let frame = Frame { rate_hz: 160.0, margin: 10, length: 40 };
    for name in ["spatial-rotation", "spatial-shift", "sensor-cutout"] {
        let config = config(&format!("[{{ name = \"{name}\", probability = 1 }}]"));
        let refused = |labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
            config.check(&frame, Some(&labels)).err()
        };
        assert_eq!(refused(&["Fc5.", "EEG Cz-REF", "T3"]), None);
        assert_eq!(config.check(&frame, None), Ok(()), "unknown labels are let pass");
        let error = refused(&["C3", "MLII", "C4", "other"]).unwrap();
        assert_eq!(error, AugmentError::NoPosition { transform: name, channels: "MLII, other".to_owned() });
        let error = refused(&["T3", "C4", "T7"]).unwrap();
        assert_eq!(error, AugmentError::SamePlace { transform: name, one: "T3".to_owned(), other: "T7".to_owned() });
        assert!(refused(&["C3"]).unwrap().to_string().contains("only C3"));
    }
}

#[test]
fn one_of_lets_each_member_act_as_often_as_another_and_never_two() {
    let case = Case::made();
    let members = ["temporal-cutout", "spatial-rotation", "gaussian-noise"];
    let list = members.map(|name| format!("{{ name = \"{name}\" }}")).join(", ");
    let chain = case.augmentation(&format!("[{{ one_of = [{list}], probability = 0.6 }}]")).unwrap();
    // What a member makes alone, it makes in the group: its own stream goes on after the draw that decides nothing here.
    let alone = members.map(|name| case.augmentation(&format!("[{{ name = \"{name}\", probability = 1 }}]")).unwrap());
    let nominal = case.nominal();
    let mut counts = [0; 3];
    let mut untouched = 0;
    for row in 0..3000 {
        let key = key().row(row);
        let view = case.view(&chain, key);
        let made: Vec<usize> = (0..3).filter(|member| case.view(&alone[*member], key) == view).collect();
        match made.as_slice() {
            _ if view == nominal => untouched += 1,
            [one] => counts[*one] += 1,
            other => panic!("a view of members {other:?}"),
        }
    }
    assert!(counts.iter().all(|count| (460..680).contains(count)), "{counts:?}, {untouched} untouched");
}

#[test]
fn matrices_equal_those_of_numpy_and_keep_constants() {
    let golden = golden("head");
    let labels: Vec<String> =
        golden["labels"].as_array().unwrap().iter().map(|x| x.as_str().unwrap().to_owned()).collect();
    let places = spline::positions("spatial-rotation", &labels).unwrap();
    for (label, place) in labels.iter().zip(&places) {
        for (ours, numpy) in place.iter().zip(golden["positions"][label].as_array().unwrap()) {
            assert!((ours - numpy.as_f64().unwrap()).abs() < 1e-11, "{label}: {place:?}");
        }
    }
    for pair in golden["kernel"].as_array().unwrap() {
        let [cosine, expected] = [0, 1].map(|i| pair[i].as_f64().unwrap());
        assert!((spline::kernel(cosine) - expected).abs() < 1e-15, "g({cosine})");
    }
    let spline = Spline::new(places);
    for case in golden["matrices"].as_array().unwrap() {
        let (which, by) = (case["which"].as_u64().unwrap() as u32, case["by"].as_f64().unwrap());
        let matrix = match case["move"].as_str().unwrap() {
            "turn" => turned(&spline, which as usize, by),
            _ => shifted(&spline, which, by),
        };
        for (label, row) in case["rows"].as_object().unwrap() {
            let i = labels.iter().position(|other| other == label).unwrap();
            for (ours, numpy) in matrix.row(i).iter().zip(row.as_array().unwrap()) {
                assert!((ours - numpy.as_f64().unwrap()).abs() < 2e-10, "{label} of {}", case["move"]);
            }
        }
    }
}

#[test]
fn turns_and_moves_of_64_electrodes_follow_the_head() {
    let golden = golden("head");
    let labels: Vec<String> =
        golden["labels"].as_array().unwrap().iter().map(|x| x.as_str().unwrap().to_owned()).collect();
    let spline = Spline::new(spline::positions("spatial-rotation", &labels).unwrap());
    let at = |matrix: &Array2<f64>, to: &str, from: &str| {
        let index = |label: &str| labels.iter().position(|other| other == label).unwrap();
        matrix[[index(to), index(from)]]
    };
    // Values of the method's description.
    let (about_z, about_x, about_y) = (turned(&spline, 2, 10.0), turned(&spline, 0, 20.0), turned(&spline, 1, 20.0));
    for (found, expected) in [
        (at(&about_z, "C3", "C3"), 0.746_350),
        (at(&about_z, "C3", "FC3"), 0.335_955),
        (at(&about_x, "FZ", "AFZ"), 0.948_548),
        (at(&about_x, "FZ", "FZ"), 0.087_744),
    ] {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    // Activity moves with the turn: what Cz had, C2 has (about y), CPz has (about x); what C4 had, FC4 has (about z).
    let largest = |matrix: &Array2<f64>, to: &str| {
        labels.iter().max_by(|a, b| at(matrix, to, a).total_cmp(&at(matrix, to, b))).unwrap().clone()
    };
    assert_eq!((largest(&about_y, "C2").as_str(), largest(&about_x, "CPZ").as_str()), ("CZ", "CZ"));
    assert_eq!(largest(&turned(&spline, 2, 20.0), "FC4"), "C4");
    assert_eq!(largest(&shifted(&spline, 2, 0.3), "C2"), "CZ");
    let turns = (0..3).flat_map(|axis| (-30..=30).map(move |degrees| (axis, degrees)));
    let shifts = (0..8).flat_map(|side| (0..=6).map(move |step| (side, step)));
    let all = turns.map(|(axis, degrees)| (degrees, turned(&spline, axis, f64::from(degrees))));
    for (size, matrix) in all.chain(shifts.map(|(side, step)| (step, shifted(&spline, side, 0.05 * f64::from(step))))) {
        for (i, row) in matrix.rows().into_iter().enumerate() {
            assert!((row.sum() - 1.0).abs() < 1e-13 * 4.0, "{size}: {}", row.sum());
            assert!(row.dot(&row).sqrt() <= 1.21, "{size}: {}", row.dot(&row).sqrt());
            let identity = row.iter().enumerate().all(|(j, x)| (x - if i == j { 1.0 } else { 0.0 }).abs() < 1e-13);
            assert!(size != 0 || identity, "no move is the identity");
        }
    }
}
