//! The kernels against the composed executor and finite differences, at odd lengths and small batches.

use candle_core::{D, DType, Device, Tensor, Var};
use rayon::ThreadPoolBuilder;

use crate::base::{Purpose, StreamKey};
use crate::learning::nn::encoder::scaled;
use crate::learning::nn::{
    BatchStatistics, BlockSpec, ConvolutionSpec, EcgSacl, EegSacl, EncoderConfig, EncoderTable, Group, Mode, Weights,
    layers,
};

fn noise(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    let mut stream = StreamKey::new(seed, Purpose::Synthetic).stream();
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| stream.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

/// A small table with everything in it: a pooled and an unpooled block, odd lengths, bins that do not divide.
fn small() -> EncoderTable {
    EncoderTable {
        name: "small",
        channels: 3,
        samples: 21,
        stem: ConvolutionSpec { input: 3, output: 4, kernel: 5 },
        blocks: vec![
            BlockSpec { input: 4, output: 4, kernel: 5, pooled: true },
            BlockSpec { input: 4, output: 8, kernel: 3, pooled: false },
        ],
        bins: 2,
    }
}

/// Weights away from their start: norms with scale and shift, running statistics of their own.
fn group(table: &EncoderTable, dtype: DType) -> Group {
    let mut group = Group::new(table.layout().into(), 3, 0, &Device::Cpu, dtype).unwrap();
    let len = group.layout().len();
    let nudged = (group.flat().as_tensor() + (noise(8, &[len], dtype) * 0.1).unwrap()).unwrap();
    group.flat().set(&nudged).unwrap();
    let channels = group.layout().norm_channels();
    let mean = noise(9, &[channels], dtype);
    let var = (noise(10, &[channels], dtype).abs().unwrap() + 0.5).unwrap();
    group.commit(&BatchStatistics::new(mean, var)).unwrap();
    group
}

type Embed =
    fn(&EncoderTable, &Tensor, &Weights, Mode) -> Result<(Tensor, BatchStatistics), crate::learning::nn::NnError>;

/// Embedding, its statistics, and the gradients of a random projection of it by weights and windows.
fn all(embed: Embed, table: &EncoderTable, windows: &Tensor, group: &Group, mode: Mode) -> [Tensor; 5] {
    let windows = Var::from_tensor(windows).unwrap();
    let (embedding, statistics) = embed(table, windows.as_tensor(), &group.weights(), mode).unwrap();
    let direction = noise(77, embedding.dims(), windows.dtype());
    let gradients = (&embedding * direction).unwrap().sum_all().unwrap().backward().unwrap();
    let empty = Tensor::zeros(1, windows.dtype(), &Device::Cpu).unwrap();
    [
        embedding.detach(),
        statistics.mean().unwrap_or(&empty).clone(),
        statistics.var().unwrap_or(&empty).clone(),
        gradients.get(group.flat()).unwrap().clone(),
        gradients.get(&windows).unwrap().clone(),
    ]
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Largest difference over the largest value.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-12, |largest: f64, b| largest.max(b.abs()));
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

const MODES: [Mode; 3] = [Mode::TRAIN, Mode::Train { norm_groups: 3 }, Mode::Eval];

#[test]
fn kernels_equal_the_composed_executor_in_f64() {
    let tables = [
        small(),
        EcgSacl { width: 0.25 }.build(2, 67).unwrap().table().clone(),
        EegSacl { width: 0.3 }.build(5, 85).unwrap().table().clone(),
        EegSacl { width: 0.125 }.build(1, 33).unwrap().table().clone(),
    ];
    for table in tables {
        let group = group(&table, DType::F64);
        let windows = noise(4, &[3, table.channels, table.samples], DType::F64);
        for mode in MODES {
            let ours = all(super::embed, &table, &windows, &group, mode);
            let composed = all(layers::embed, &table, &windows, &group, mode);
            for (part, (ours, composed)) in ours.iter().zip(&composed).enumerate() {
                let error = apart(ours, composed);
                assert!(error < 1e-11, "{} {mode:?} part {part}: {error:e}", table.name);
            }
        }
    }
}

#[test]
fn kernels_equal_the_composed_executor_in_f32() {
    let tables = [
        EcgSacl { width: 0.25 }.build(2, 271).unwrap().table().clone(),
        EcgSacl { width: 1.0 }.build(2, 271).unwrap().table().clone(),
        EegSacl { width: 1.0 }.build(6, 50).unwrap().table().clone(),
        EegSacl { width: 0.3 }.build(64, 85).unwrap().table().clone(),
    ];
    for table in tables {
        let group = group(&table, DType::F32);
        let exact = self::group(&table, DType::F64);
        exact.flat().set(&group.flat().to_dtype(DType::F64).unwrap()).unwrap();
        let windows = noise(4, &[9, table.channels, table.samples], DType::F32);
        for mode in MODES {
            let ours = all(super::embed, &table, &windows, &group, mode);
            let composed = all(layers::embed, &table, &windows.to_dtype(DType::F64).unwrap(), &exact, mode);
            for (part, (ours, composed)) in ours.iter().zip(&composed).enumerate() {
                let error = apart(ours, composed);
                assert!(error < 2e-5, "{} {mode:?} part {part}: {error:e}", table.name);
            }
        }
    }
}

/// Central differences of the projected embedding along single coordinates.
fn finite_differences(embed: Embed, mode: Mode) {
    let table = small();
    let group = group(&table, DType::F64);
    let windows = noise(5, &[3, table.channels, table.samples], DType::F64);
    let [embedding, .., of_weights, of_windows] = all(embed, &table, &windows, &group, mode);
    let direction = noise(77, embedding.dims(), DType::F64);
    let value = |windows: &Tensor, flat: &[f64]| -> f64 {
        let flat = Tensor::from_slice(flat, flat.len(), &Device::Cpu).unwrap();
        let weights = Weights::new(group.layout().clone(), flat, group.running().clone()).unwrap();
        let (embedding, _) = embed(&table, windows, &weights, mode).unwrap();
        (embedding * &direction).unwrap().sum_all().unwrap().to_scalar().unwrap()
    };
    let step = 1e-6;
    let flat = numbers(group.flat().as_tensor());
    let of_weights = numbers(&of_weights);
    let scale = of_weights.iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
    for i in 0..flat.len() {
        let mut moved = flat.clone();
        moved[i] = flat[i] + step;
        let up = value(&windows, &moved);
        moved[i] = flat[i] - step;
        let slope = (up - value(&windows, &moved)) / (2.0 * step);
        let name = &group.layout().entries().iter().find(|entry| entry.range().contains(&i)).unwrap().name;
        assert!((slope - of_weights[i]).abs() < 1e-7 * scale, "{mode:?} {name}: {slope} against {}", of_weights[i]);
    }
    let samples = numbers(&windows);
    let of_windows = numbers(&of_windows);
    let scale = of_windows.iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
    for i in (0..samples.len()).step_by(5) {
        let mut moved = samples.clone();
        let mut at = |x: f64| {
            moved[i] = x;
            value(&Tensor::from_slice(&moved, windows.dims(), &Device::Cpu).unwrap(), &flat)
        };
        let slope = (at(samples[i] + step) - at(samples[i] - step)) / (2.0 * step);
        assert!((slope - of_windows[i]).abs() < 1e-7 * scale, "{mode:?} window {i}: {slope} against {}", of_windows[i]);
    }
}

#[test]
fn kernel_gradients_equal_finite_differences() {
    for mode in MODES {
        finite_differences(super::embed, mode);
    }
}

#[test]
fn composed_gradients_equal_finite_differences() {
    for mode in MODES {
        finite_differences(layers::embed, mode);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let table = EcgSacl { width: 0.25 }.build(2, 131).unwrap().table().clone();
    let group = group(&table, DType::F32);
    let windows = noise(6, &[37, 2, 131], DType::F32);
    let with = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| all(super::embed, &table, &windows, &group, Mode::TRAIN).map(|part| numbers(&part)))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(3));
}

#[test]
fn embedding_of_a_row_does_not_depend_on_its_batch() {
    let tables = [0.0625, 0.25, 0.3, 0.5, 1.0].into_iter().flat_map(|width| {
        let eeg = EegSacl { width }.build(4, 65).unwrap().table().clone();
        [eeg, EcgSacl { width }.build(2, 71).unwrap().table().clone()]
    });
    for table in tables {
        let group = group(&table, DType::F32);
        let windows = noise(6, &[256, table.channels, table.samples], DType::F32);
        let embed = |windows: &Tensor, weights: &Weights| {
            numbers(&super::embed(&table, windows, weights, Mode::Eval).unwrap().0)
        };
        let detached = group.weights().detached();
        let together = embed(&windows, &detached);
        let (dim, name) = (together.len() / 256, table.name);
        for (first, n) in [(0, 1), (100, 1), (255, 1), (3, 2), (17, 37)] {
            let few = embed(&windows.narrow(0, first, n).unwrap(), &detached);
            assert_eq!(few, together[first * dim..(first + n) * dim], "{name} of {dim}: {n} from {first}");
        }
        // The path that keeps a tape computes the same bits.
        assert_eq!(embed(&windows, &group.weights()), together, "{name} of {dim}");
    }
}

#[test]
fn detached_weights_record_no_graph() {
    let table = small();
    let group = group(&table, DType::F32);
    let windows = noise(6, &[3, 3, 21], DType::F32);
    let (detached, _) = super::embed(&table, &windows, &group.weights().detached(), Mode::TRAIN).unwrap();
    let (tracked, statistics) = super::embed(&table, &windows, &group.weights(), Mode::TRAIN).unwrap();
    assert!(!detached.track_op() && tracked.track_op());
    assert!(!statistics.mean().unwrap().track_op());
    assert_eq!(numbers(&detached), numbers(&tracked));
}

#[test]
fn not_a_number_in_a_window_reaches_the_embedding() {
    let table = small();
    let group = group(&table, DType::F32);
    let mut values = numbers(&noise(6, &[3, 3, 21], DType::F32));
    values[7] = f64::NAN;
    let windows = Tensor::from_vec(values, (3, 3, 21), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    for mode in [Mode::TRAIN, Mode::Eval] {
        let (embedding, _) = super::embed(&table, &windows, &group.weights(), mode).unwrap();
        assert!(numbers(&embedding.sum(D::Minus1).unwrap())[0].is_nan(), "{mode:?}");
    }
}

#[test]
fn widths_are_multiples_of_four() {
    let at = |width: f64| [32, 64, 128, 256].map(|channels| scaled(channels, width));
    assert_eq!(at(1.0), [32, 64, 128, 256]);
    assert_eq!(at(0.25), [8, 16, 32, 64]);
    assert_eq!(at(0.3), [8, 20, 40, 76]);
    assert_eq!(at(0.01), [4, 4, 4, 4]);
}

#[test]
#[ignore = "slow: prints times, for a person who changes a kernel"]
#[expect(clippy::print_stderr, reason = "a measurement, run by hand")]
fn time_of_a_step() {
    let ecg = |width| EcgSacl { width }.build(2, 704).unwrap().table().clone();
    let eeg = |width| EegSacl { width }.build(64, 320).unwrap().table().clone();
    for (table, n, width) in
        [(ecg(0.25), 256, 0.25), (eeg(0.25), 128, 0.25), (ecg(1.0), 256, 1.0), (eeg(1.0), 128, 1.0)]
    {
        let group = group(&table, DType::F32);
        let windows = noise(6, &[n, table.channels, table.samples], DType::F32);
        let detached = group.weights().detached();
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..7 {
            let mut lap = |slot: usize, work: &mut dyn FnMut()| {
                let start = std::time::Instant::now();
                work();
                times[slot].push(start.elapsed().as_secs_f64() * 1e3);
            };
            lap(0, &mut || drop(super::embed(&table, &windows, &detached, Mode::TRAIN).unwrap()));
            lap(1, &mut || drop(super::embed(&table, &windows, &detached, Mode::Eval).unwrap()));
            let mut loss = None;
            lap(2, &mut || {
                let (embedding, _) = super::embed(&table, &windows, &group.weights(), Mode::TRAIN).unwrap();
                loss = Some(embedding.sqr().unwrap().sum_all().unwrap());
            });
            lap(3, &mut || drop(loss.as_ref().unwrap().backward().unwrap()));
        }
        let [key, eval, forward, backward] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[0]
        });
        eprintln!(
            "{} width {width} [{n},{},{}]: key {key:.1} eval {eval:.1} forward {forward:.1} backward {backward:.1} ms",
            table.name, table.channels, table.samples
        );
    }
}
