//! Networks through the public door: sizes of A.2.1, refusals, learning, weights on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use biossl::base::{Purpose, SignalKind, StreamKey, parse_table};
use biossl::learning::nn::{
    BatchStatistics, ENCODERS, EcgSacl, EegSacl, Encoder, EncoderConfig, Group, Mlp, Mode, NnError, cross_entropy,
    load_encoder, save_encoder,
};
use candle_core::{DType, Device, Tensor};

fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let mut stream = StreamKey::new(seed, Purpose::Synthetic).stream();
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn group(encoder: &dyn Encoder) -> Group {
    Group::new(Arc::clone(encoder.layout()), 1, 0, &Device::Cpu, DType::F32).unwrap()
}

#[test]
fn encoders_have_the_published_sizes() {
    let eeg = |channels, samples, width| EegSacl { width }.build(channels, samples).unwrap();
    let ecg = |channels, samples, width| EcgSacl { width }.build(channels, samples).unwrap();
    for (encoder, parameters, dim) in [
        (eeg(64, 320, 1.0), 289_408, 256),
        (eeg(64, 320, 0.5), 79_424, 128),
        (eeg(64, 320, 0.25), 23_392, 64),
        (ecg(2, 704, 1.0), 985_664, 256),
        (ecg(2, 704, 0.5), 247_328, 128),
        (ecg(2, 704, 0.25), 62_288, 64),
    ] {
        assert_eq!((encoder.layout().len(), encoder.dim()), (parameters, dim), "{}", encoder.name());
    }
    assert_eq!((eeg(64, 320, 0.3).dim(), ecg(2, 704, 0.3).dim()), (80, 76));
    let layout = Arc::clone(ecg(2, 704, 1.0).layout());
    let of = |name: &str| -> usize {
        let entries = layout.entries().iter().filter(|entry| entry.name.starts_with(name));
        entries.map(biossl::learning::nn::LayoutEntry::len).sum()
    };
    let names = ["stem.", "blocks.0.", "blocks.1.", "blocks.2.", "blocks.3.", "blocks.3.skip.", "bn."];
    assert_eq!(names.map(of), [224, 23_776, 57_728, 180_992, 722_432, 33_024, 512]);
    assert_eq!(eeg(3, 320, 1.0).layout().len() - eeg(1, 320, 1.0).layout().len(), 2 * 416);
}

#[test]
fn any_length_from_the_shortest_on_is_embedded() {
    for samples in [32, 33, 47, 100, 321] {
        let encoder = EegSacl { width: 0.3 }.build(3, samples).unwrap();
        let (h, _) = encoder.embed(&noise(1, &[2, 3, samples]), &group(&*encoder).weights(), Mode::TRAIN).unwrap();
        assert_eq!(h.dims(), [2, 80]);
    }
    for samples in [64, 65, 127, 705] {
        let encoder = EcgSacl { width: 0.25 }.build(1, samples).unwrap();
        let (h, _) = encoder.embed(&noise(1, &[2, 1, samples]), &group(&*encoder).weights(), Mode::Eval).unwrap();
        assert_eq!(h.dims(), [2, 64]);
    }
}

#[test]
fn what_an_encoder_cannot_read_is_refused_with_both_numbers() {
    let error = EegSacl { width: 1.0 }.build(3, 31).err().unwrap();
    assert!(matches!(error, NnError::WindowTooShort { least: 32, samples: 31, .. }), "{error}");
    let error = EcgSacl { width: 1.0 }.build(3, 63).err().unwrap();
    assert!(matches!(error, NnError::WindowTooShort { least: 64, samples: 63, .. }), "{error}");
    assert!(matches!(EcgSacl { width: 1.0 }.build(0, 64), Err(NnError::NoChannels { .. })));
    assert!(matches!(EcgSacl { width: -1.0 }.build(2, 64), Err(NnError::Width { .. })));
    let encoder = EegSacl { width: 0.25 }.build(3, 32).unwrap();
    let weights = group(&*encoder).weights();
    let error = encoder.embed(&noise(1, &[2, 4, 32]), &weights, Mode::Eval).unwrap_err();
    assert!(matches!(error, NnError::WindowShape { channels: 3, samples: 32, .. }), "{error}");
    let error = encoder.embed(&noise(1, &[4, 3, 32]), &weights, Mode::Train { norm_groups: 3 }).unwrap_err();
    assert!(matches!(error, NnError::NormGroups { n: 4, groups: 3 }), "{error}");
    let encoder = EcgSacl { width: 0.25 }.build(2, 64).unwrap();
    let error = encoder.embed(&noise(1, &[1, 2, 64]), &group(&*encoder).weights(), Mode::TRAIN).unwrap_err();
    assert!(matches!(error, NnError::NormTooSmall { n: 1, samples: 1 }), "{error}");
}

#[test]
fn registry_builds_an_encoder_from_its_keys() {
    let table = parse_table("name = 'ecg-sacl'\nwidth = 0.25").unwrap();
    let chosen = ENCODERS.choose(SignalKind::Ecg, &table, 0..0).unwrap();
    assert_eq!(chosen.choice.build(2, 704).unwrap().layout().len(), 62_288);
    let table = parse_table("name = 'ecg-sacl'\nwidht = 0.25").unwrap();
    assert!(ENCODERS.choose(SignalKind::Ecg, &table, 0..0).is_err());
}

/// Plain gradient descent with momentum on everything.
fn descend(group: &Group, gradient: &Tensor, velocity: &mut Tensor) {
    *velocity = ((&*velocity * 0.9).unwrap() + gradient).unwrap();
    group.flat().set(&(group.flat().as_tensor() - (&*velocity * 0.02).unwrap()).unwrap()).unwrap();
}

#[test]
fn one_batch_is_overfitted() {
    let encoder = EegSacl { width: 0.25 }.build(3, 64).unwrap();
    let head = Mlp::new(&[encoder.dim(), 4]);
    let mut body = group(&*encoder);
    let top = Group::new(Arc::clone(head.layout()), 1, 1000, &Device::Cpu, DType::F32).unwrap();
    let windows = noise(5, &[16, 3, 64]);
    let targets: Vec<u32> = (0..16).map(|i| i % 4).collect();
    let mut velocity = [body.flat().zeros_like().unwrap(), top.flat().zeros_like().unwrap()];
    let mut losses = Vec::new();
    for _ in 0..60 {
        let (h, statistics) = encoder.embed(&windows, &body.weights(), Mode::TRAIN).unwrap();
        let logits = head.forward(&h, &top.weights()).unwrap();
        let loss = cross_entropy(&logits, &targets, None).unwrap();
        losses.push(loss.to_scalar::<f32>().unwrap());
        let gradients = loss.backward().unwrap();
        descend(&body, gradients.get(body.flat()).unwrap(), &mut velocity[0]);
        descend(&top, gradients.get(top.flat()).unwrap(), &mut velocity[1]);
        body.commit(&statistics).unwrap();
    }
    assert!(losses[0] > 1.2 && losses[59] < 0.05, "{losses:?}");
    let (h, none) = encoder.embed(&windows, &body.weights().detached(), Mode::Eval).unwrap();
    assert!(none.is_empty() && !h.track_op());
    let logits = head.forward(&h, &top.weights().detached()).unwrap();
    let classes = logits.argmax(1).unwrap().to_vec1::<u32>().unwrap();
    let right = classes.iter().zip(&targets).filter(|(class, target)| class == target).count();
    assert!(right >= 14, "running statistics give {right} of 16");
}

#[test]
fn running_statistics_follow_the_rule_of_torch() {
    let encoder = EegSacl { width: 0.25 }.build(2, 40).unwrap();
    let mut group = group(&*encoder);
    let windows = noise(2, &[5, 2, 40]);
    let (_, statistics) = encoder.embed(&windows, &group.weights(), Mode::TRAIN).unwrap();
    group.commit(&statistics).unwrap();
    // The first norm reads the stem's output, which a plain loop gives here.
    let (weight, bias) = (group.weights().view("stem.weight").unwrap(), group.weights().view("stem.bias").unwrap());
    let (weight, bias) = (weight.to_vec3::<f32>().unwrap(), bias.to_vec1::<f32>().unwrap());
    let windows = windows.to_vec3::<f32>().unwrap();
    let stem = |n: usize, time: usize, out: usize| -> f64 {
        let inside = (0..13).filter_map(|tap| (time + tap).checked_sub(6).filter(|at| *at < 40).map(|at| (tap, at)));
        let product = |(tap, at): (usize, usize)| -> f64 {
            (0..2).map(|c| f64::from(weight[out][c][tap]) * f64::from(windows[n][c][at])).sum()
        };
        f64::from(bias[out]) + inside.map(product).sum::<f64>()
    };
    let (mean, var, batches) = group.running_to_vec().unwrap();
    assert!(batches.iter().all(|count| *count == 1));
    for out in 0..8 {
        let values: Vec<f64> =
            (0..5).flat_map(|n| (0..40).map(move |t| (n, t))).map(|(n, t)| stem(n, t, out)).collect();
        let average = values.iter().sum::<f64>() / 200.0;
        let unbiased = values.iter().map(|x| (x - average).powi(2)).sum::<f64>() / 199.0;
        assert!((f64::from(mean[out]) - 0.1 * average).abs() < 1e-6);
        assert!((f64::from(var[out]) - (0.9 + 0.1 * unbiased)).abs() < 1e-6);
    }
}

#[test]
fn weights_on_disk_embed_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoder.safetensors");
    let encoder = EcgSacl { width: 0.25 }.build(2, 80).unwrap();
    let mut saved = group(&*encoder);
    let windows = noise(3, &[3, 2, 80]);
    let (_, statistics): (_, BatchStatistics) = encoder.embed(&windows, &saved.weights(), Mode::TRAIN).unwrap();
    saved.commit(&statistics).unwrap();
    save_encoder(&path, &saved, &BTreeMap::from([("encoder".to_owned(), "ecg-sacl".to_owned())])).unwrap();
    let mut loaded = Group::new(Arc::clone(encoder.layout()), 9, 0, &Device::Cpu, DType::F32).unwrap();
    let state = load_encoder(&path, encoder.layout()).unwrap();
    state.apply(&mut loaded).unwrap();
    let embed = |group: &Group| {
        encoder.embed(&windows, &group.weights().detached(), Mode::Eval).unwrap().0.to_vec2::<f32>().unwrap()
    };
    assert_eq!(embed(&loaded), embed(&saved));
    assert_eq!(state.metadata["encoder"], "ecg-sacl");
    let other = EcgSacl { width: 0.25 }.build(3, 80).unwrap();
    assert!(matches!(load_encoder(&path, other.layout()), Err(NnError::SavedTensor { .. })));
    assert!(matches!(load_encoder(&folder.path().join("none"), other.layout()), Err(NnError::Io { .. })));
}
