//! Own-task share: how often the second view of an unseen window finds its own first view among all unseen windows.

use std::sync::Arc;

use biossl::base::{NormalTable, Purpose, Stream, StreamKey, Watch, parse_table};
use biossl::data::splits::Split;
use biossl::learning::augment::{AugmentationConfig, Frame, Partners, Scale, Source};
use biossl::learning::awareness::Awareness;
use biossl::learning::nn::{ENCODERS, Encoder, Mlp, Mode, Weights, normalise_rows};
use biossl::learning::objectives::{OBJECTIVES, Objective, Parameters, RunSize, Workshop};
use biossl::learning::train::{Checkpoint, Checkpoints, PretrainSettings, Record, Resume};
use candle_core::{DType, Device, Tensor};
use ndarray::{Array2, ArrayViewMut2};

use crate::arms::{AUGMENT, Corpus, ENCODER, Judged, KIND, WINDOWS};

/// The windows of the four unseen people.
pub(crate) fn unseen() -> Vec<u32> {
    (8 * WINDOWS..12 * WINDOWS).collect()
}

/// An objective with its network.
pub(crate) struct Learner {
    objective: Box<dyn Objective>,
    encoder: Arc<dyn Encoder>,
    parameters: Parameters,
}

impl Learner {
    /// The network as its seed leaves it, for the pool of a split.
    pub(crate) fn untrained(corpus: &Corpus, split: &Split, objective: &str) -> Self {
        let encoder = ENCODERS.choose(KIND, &parse_table(ENCODER).unwrap(), 0..0).unwrap();
        let encoder: Arc<dyn Encoder> = Arc::from(encoder.choice.build(8, 128).unwrap());
        let pool: Arc<[u32]> = split.pool().rows().into();
        let batch = pool.len().min(64);
        let (seed, device, dtype) = (corpus.seed, Device::Cpu, DType::F32);
        let mut shop =
            Workshop::new(Arc::clone(&encoder), RunSize { seed, pool, batch, steps: 300, device, dtype }).unwrap();
        let chosen = OBJECTIVES.choose(KIND, &parse_table(objective).unwrap(), 0..0).unwrap();
        let objective = chosen.choice.build(&mut shop).unwrap();
        Self { objective, encoder, parameters: shop.finish().0 }
    }

    /// The network after the pinned run.
    pub(crate) fn trained(corpus: &Corpus, objective: &str, awareness: Awareness) -> Self {
        Self::trained_on(corpus, &corpus.split, (objective, awareness), Corpus::pinned())
    }

    /// The network after a run on the pool of a split.
    pub(crate) fn trained_on(
        corpus: &Corpus,
        split: &Split,
        (objective, awareness): (&str, Awareness),
        settings: PretrainSettings,
    ) -> Self {
        let (folder, watch) = (tempfile::tempdir().unwrap(), Watch::default());
        let record = Record { checkpoints: Some((folder.path().to_owned(), Resume::Anew)), ..Record::nowhere(&watch) };
        let pretrained = corpus.pretrain_on(split, (objective, awareness), settings, record).unwrap();
        let table = corpus.store.table();
        let people: Vec<String> =
            split.pool().subjects().iter().map(|s| table.subjects[*s as usize].to_string()).collect();
        assert_eq!(pretrained.contract.pool.subjects, people);
        let mut learner = Self::untrained(corpus, split, objective);
        let last = Checkpoints::newest(folder.path()).unwrap().unwrap();
        let state = Checkpoint::read(&last).unwrap().state;
        learner.parameters.restore(&state.part("task").part("parameters")).unwrap();
        learner
    }

    /// What linear probes read in its embeddings.
    pub(crate) fn judged(&self, corpus: &Corpus) -> Judged {
        corpus.judge(&*self.encoder, &self.parameters.encoder.weights().detached())
    }

    /// Of each window of `rows`, whether its second view finds its own first view nearest of them all.
    pub(crate) fn finds(&self, corpus: &Corpus, rows: &[u32]) -> Vec<bool> {
        let [first, second] = self.projections(corpus, rows);
        let similar = second.matmul(&first.t().unwrap()).unwrap();
        let nearest = similar.argmax(1).unwrap().to_vec1::<u32>().unwrap();
        (0..).zip(nearest).map(|(own, nearest)| own == nearest).collect()
    }

    /// Unit projections of both views of windows, in evaluation.
    fn projections(&self, corpus: &Corpus, rows: &[u32]) -> [Tensor; 2] {
        let plan = self.objective.views();
        let mut views = views(corpus, &*self.objective, rows);
        let (encoder, heads) =
            (self.parameters.encoder.weights().detached(), self.parameters.heads.weights().detached());
        let first = views.remove(0);
        let plain = self.embed(&first, &encoder);
        let both = match plan.augmented {
            // f of a view, g of the pieces of the window.
            1 if plan.pretext.is_some() => {
                let pieces: Vec<Tensor> = views.iter().map(|piece| self.embed(piece, &encoder)).collect();
                let piece = heads.part("piece.");
                let pieces: Vec<Tensor> = pieces.iter().map(|rows| head(rows, &piece)).collect();
                [head(&plain, &heads.part("f.")), head(&Tensor::cat(&pieces, 1).unwrap(), &heads.part("g."))]
            }
            _ => [head(&plain, &heads), head(&self.embed(&views[0], &encoder), &heads)],
        };
        both.map(|rows| normalise_rows(&rows).unwrap())
    }

    fn embed(&self, windows: &Tensor, weights: &Weights) -> Tensor {
        let encoder = self.encoder.at_length(windows.dim(2).unwrap()).unwrap();
        encoder.embed(windows, weights, Mode::Eval).unwrap().0
    }
}

/// Linear layers with ReLU between them, as many as the weights have.
fn head(rows: &Tensor, weights: &Weights) -> Tensor {
    let layer = |i: usize| weights.view(&format!("{}.weight", 2 * i)).ok();
    let mut sizes = vec![rows.dim(1).unwrap()];
    sizes.extend((0..).map_while(layer).map(|weight| weight.dim(0).unwrap()));
    Mlp::new(&sizes).forward(rows, weights).unwrap()
}

/// The views of windows, drawn as a first epoch would draw them: one view by the augmentation and what the
/// pretext task makes, the two views of a pretext task, or two views by the augmentation.
fn views(corpus: &Corpus, objective: &dyn Objective, rows: &[u32]) -> Vec<Tensor> {
    let plan = objective.views();
    let (store, spec) = (&corpus.store, corpus.store.spec());
    let (margin, length) = (spec.margin as usize, spec.length as usize);
    let table = parse_table(AUGMENT).unwrap();
    let augment = AugmentationConfig::read(KIND, table.get("augment").unwrap()).unwrap();
    let channels: Vec<String> = store.channels().iter().map(|channel| channel.label.clone()).collect();
    let augment = augment.build(&Frame { rate_hz: spec.rate_hz, margin, length }, &channels).unwrap();
    let (scale, normals) = (Scale::identity(channels.len()), NormalTable::new(corpus.seed));
    let augmented = if plan.pretext.is_some() { plan.augmented } else { 2 };
    let further = plan.pretext.as_ref().map_or_else(Vec::new, |pretext| pretext.lengths(length));
    let lengths = [vec![length; augmented], further].concat();
    let mut made: Vec<Vec<f32>> = vec![Vec::new(); lengths.len()];
    for &row in rows {
        let stored = store.row(row).unwrap();
        let source = Source {
            stored: stored.view(),
            start: margin,
            length,
            earlier: margin,
            later: margin,
            scale: &scale,
            partners: &Nobody,
            normals: &normals,
        };
        let mut views: Vec<Array2<f32>> = lengths.iter().map(|length| Array2::zeros((8, *length))).collect();
        let key = |view| StreamKey::new(corpus.seed, Purpose::Transforms).row(row).view(view as u16);
        for (view, into) in views.iter_mut().enumerate().take(augmented) {
            augment.view(&source, key(view), into.view_mut());
        }
        if let Some(pretext) = &plan.pretext {
            let mut into: Vec<_> = views[augmented..].iter_mut().map(|view| view.view_mut()).collect();
            pretext.make(&source, key(augmented), &mut into);
        }
        for (made, view) in made.iter_mut().zip(views) {
            made.extend(view);
        }
    }
    let tensor = |(values, length)| Tensor::from_vec(values, (rows.len(), 8, length), &Device::Cpu).unwrap();
    made.into_iter().zip(lengths).map(tensor).collect()
}

/// No transform of the pinned run asks for a second window.
struct Nobody;

impl Partners for Nobody {
    fn draw(&self, _stream: &mut Stream, _into: ArrayViewMut2<'_, f32>) {
        unreachable!("no partner is asked for");
    }
}

/// ln of the bound on the chance that a network whose projections do not tell one window from another finds `found`.
///
/// Let the second views be dealt out to the windows at random, however the projections lie: if window i's second view
/// is nearest to first view a(i), then any k given windows are all found with probability at most (n-k)!/n! (their
/// second views must be k given ones). The expected number of k-sets that are found is at most C(n,k) (n-k)!/n! = 1/k!,
/// and so is the chance that k or more are: no window needs to be independent of another.
pub(crate) fn ln_chance(found: usize) -> f64 {
    -(1..=found).map(|i| (i as f64).ln()).sum::<f64>()
}

/// ln of the same bound for a network that tells the `cells` apart (persons and classes) and nothing within them.
///
/// Dealt within cells, each cell's k-sets are bounded by 1/k!; over all cells together the expected number of k-sets is
/// at most the sum over compositions of k of the product of 1/k_c!, which is cells^k/k!.
pub(crate) fn ln_chance_within(cells: usize, found: usize) -> f64 {
    ln_chance(found) + found as f64 * (cells as f64).ln()
}

/// The chance that training, if it did not matter, would add at least as many found windows and lose so few.
///
/// A window that only one of the two networks finds is then as likely to be found by the one as by the other (the exact
/// test of McNemar): the gained ones are Binomial(gained + lost, 1/2).
pub(crate) fn sign_test(gained: usize, lost: usize) -> f64 {
    let n = gained + lost;
    let mut term = 0.5_f64.powi(n as i32);
    let mut tail = 0.0;
    for k in 0..=n {
        if k >= gained {
            tail += term;
        }
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    tail
}
