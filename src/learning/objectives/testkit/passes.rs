//! What an objective says of its passes, against what the encoder counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};

use super::*;
use crate::learning::nn::{BatchStatistics, EncoderTable, Layout, NnError};

/// Samples that passed.
#[derive(Default)]
struct Counts {
    with_gradient: AtomicUsize,
    without_gradient: AtomicUsize,
}

impl Counts {
    fn take(&self) -> (usize, usize) {
        (self.with_gradient.swap(0, Ordering::Relaxed), self.without_gradient.swap(0, Ordering::Relaxed))
    }
}

/// An encoder that counts the samples of its windows, by whether the pass left a graph.
struct Counting {
    encoder: Box<dyn Encoder>,
    counts: Arc<Counts>,
}

impl Encoder for Counting {
    fn name(&self) -> &str {
        self.encoder.name()
    }

    fn layout(&self) -> &Arc<Layout> {
        self.encoder.layout()
    }

    fn table(&self) -> &EncoderTable {
        self.encoder.table()
    }

    fn at_length(&self, samples: usize) -> Result<Box<dyn Encoder>, NnError> {
        Ok(Box::new(Self { encoder: self.encoder.at_length(samples)?, counts: Arc::clone(&self.counts) }))
    }

    fn embed(&self, windows: &Tensor, weights: &Weights, mode: Mode) -> Result<(Tensor, BatchStatistics), NnError> {
        let (n, _, samples) = windows.dims3()?;
        let (embedding, statistics) = self.encoder.embed(windows, weights, mode)?;
        let counts = &self.counts;
        let counter = if embedding.track_op() { &counts.with_gradient } else { &counts.without_gradient };
        counter.fetch_add(n * samples, Ordering::Relaxed);
        Ok((embedding, statistics))
    }
}

/// A batch with the views that an objective asks for.
fn batch_for(objective: &dyn Objective) -> Batch {
    let lengths = objective.views().lengths(SAMPLES);
    let view = |samples: usize| {
        let values: Vec<f32> = (0..BATCH * CHANNELS * samples).map(|i| (0.7 * i as f32).sin()).collect();
        Tensor::from_vec(values, (BATCH, CHANNELS, samples), &Device::Cpu).unwrap()
    };
    let rows = first_rows();
    Batch {
        rows: rows_of(&rows, lengths.len()),
        views: lengths.into_iter().map(view).collect(),
        positives: rows.clone(),
        slots: rows,
        subject: vec![0; BATCH],
        target: None,
    }
}

#[test]
fn passes_are_those_that_the_encoder_counts() {
    let views = [Member { name: "pirl", settings: "transform = \"augment\"" }];
    for member in members().chain(views) {
        let text = parse_table("name = \"eeg-sacl\"\nwidth = 0.25").unwrap();
        let encoder = ENCODERS.choose(SignalKind::Eeg, &text, 0..0).unwrap().choice.build(CHANNELS, SAMPLES).unwrap();
        let counts = Arc::new(Counts::default());
        let encoder = Arc::new(Counting { encoder, counts: Arc::clone(&counts) });
        let mut built = Built::over(encoder, &*member.config(), BATCH, POOL, DType::F32).unwrap();
        let told = built.objective.passes(SAMPLES);

        let mut pool = PoolOf::new(&built, POOL as usize);
        for epoch in 0..2 {
            built.objective.before_epoch(epoch, &mut pool, &built.parameters).unwrap();
        }
        assert_eq!(counts.take(), (0, told.of_pool * POOL as usize * SAMPLES), "{}: pool", member.name);

        let rule = rule();
        let step = Step { number: 1, parameters: &built.parameters, negatives: &rule };
        built.objective.loss(&batch_for(&*built.objective), &step).unwrap();
        let expected = (told.with_gradient * BATCH, told.without_gradient * BATCH);
        assert_eq!(counts.take(), expected, "{} {}", member.name, member.settings);
    }
}
