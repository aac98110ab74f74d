//! The pinned run on the synthetic corpus and its judge: what the claims about subject-awareness are tested by.

use biossl::base::{SignalKind, Watch, parse_table};
use biossl::data::splits::{DrawContext, PLANS, RejectScope, Split};
use biossl::data::store::Store;
use biossl::learning::augment::AugmentationConfig;
use biossl::learning::awareness::{AdversaryForm, Awareness, Preset};
use biossl::learning::nn::{ENCODERS, Encoder, Group, Mode, Weights};
use biossl::learning::objectives::OBJECTIVES;
use biossl::learning::train::{
    Monitored, PretrainData, PretrainOrder, PretrainSettings, Pretrained, Record, Synthetic, TrainError,
    evaluation_windows, pretrain,
};
use biossl::numerics::classify::{Examples, Logistic, Standardiser};
use candle_core::{DType, Device, Tensor};
use ndarray::{Array2, Axis};

pub(crate) const KIND: SignalKind = SignalKind::Eeg;
pub(crate) const WINDOWS: u32 = 64;

/// How well a fresh linear probe reads a person, and a class in unseen people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    /// Accuracy over 8 people; chance 0.125.
    pub(crate) subject: f64,
    /// Accuracy over two classes; chance 0.5.
    pub(crate) class: f64,
}

/// The corpus of a seed with the split that holds persons 8-11 out.
pub(crate) struct Corpus {
    pub(crate) store: Store,
    pub(crate) split: Split,
    pub(crate) seed: u64,
    _folder: tempfile::TempDir,
}

impl Corpus {
    /// Writes and opens the corpus.
    pub(crate) fn new(seed: u64) -> Self {
        Self::of(&Synthetic::new(seed), seed)
    }

    /// Writes and opens a corpus, for runs of `seed`.
    pub(crate) fn of(synthetic: &Synthetic, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synthetic.h5");
        synthetic.write(&path).unwrap();
        let store = Store::open(&path).unwrap();
        let split = drawn(&store, "shares");
        assert_eq!(split.pool().subjects(), [0, 1, 2, 3, 4, 5, 6, 7]);
        Self { store, split, seed, _folder: folder }
    }

    /// Everybody's own split: recordings cut in time.
    #[allow(dead_code, reason = "the slow studies share this file")]
    pub(crate) fn of_each_person(&self) -> Vec<Split> {
        let all = drawn(&self.store, "within-time");
        (0..12).map(|person| all.of_subject(self.store.table(), person).unwrap()).collect()
    }

    /// Pretrains a preset by the pinned run and judges it.
    pub(crate) fn pretrained(&self, preset: Preset) -> Judged {
        self.aware(preset.awareness(KIND))
    }

    /// Pretrains the preset `subject-invariant` with another form of the adversary and judges it.
    #[allow(dead_code, reason = "the slow studies share this file")]
    pub(crate) fn against(&self, form: AdversaryForm) -> Judged {
        let mut awareness = Preset::SubjectInvariant.awareness(KIND);
        awareness.adversary.form = form;
        self.aware(awareness)
    }

    /// Pretrains another objective under a preset by the pinned course and judges it.
    #[allow(dead_code, reason = "the slow studies share this file")]
    pub(crate) fn by(&self, objective: &str, preset: Preset) -> Judged {
        self.trained(objective, preset.awareness(KIND))
    }

    fn aware(&self, awareness: Awareness) -> Judged {
        self.trained(OBJECTIVE, awareness)
    }

    fn trained(&self, objective: &str, awareness: Awareness) -> Judged {
        let watch = Watch::default();
        let trained = self.pretrain_as((objective, awareness), Self::pinned(), Record::nowhere(&watch)).unwrap();
        self.judge(&*trained.encoder, &trained.weights())
    }

    /// The course of the pinned run.
    pub(crate) fn pinned() -> PretrainSettings {
        PretrainSettings {
            steps: Some(300),
            batch: 64,
            learning_rate: Some(1e-3),
            warm_up: Some(20),
            ..PretrainSettings::defaults(KIND)
        }
    }

    /// Pretrains a preset by the pinned run, or by a part of its course.
    #[allow(dead_code, reason = "the slow studies share this file")]
    pub(crate) fn pretrain(
        &self,
        preset: Preset,
        settings: PretrainSettings,
        record: Record<'_>,
    ) -> Result<Pretrained, TrainError> {
        self.pretrain_as((OBJECTIVE, preset.awareness(KIND)), settings, record)
    }

    /// Pretrains an objective under any awareness by the pinned run, or by a part of its course.
    pub(crate) fn pretrain_as(
        &self,
        method: (&str, Awareness),
        settings: PretrainSettings,
        record: Record<'_>,
    ) -> Result<Pretrained, TrainError> {
        self.pretrain_on(&self.split, method, settings, record)
    }

    /// The same on the pool of another split of the corpus.
    pub(crate) fn pretrain_on(
        &self,
        split: &Split,
        (objective, awareness): (&str, Awareness),
        settings: PretrainSettings,
        record: Record<'_>,
    ) -> Result<Pretrained, TrainError> {
        let encoder = ENCODERS.choose(KIND, &parse_table(ENCODER).unwrap(), 0..0).unwrap();
        let objective = OBJECTIVES.choose(KIND, &parse_table(objective).unwrap(), 0..0).unwrap();
        let table = parse_table(AUGMENT).unwrap();
        let augment = AugmentationConfig::read(KIND, table.get("augment").unwrap()).unwrap();
        let order = PretrainOrder {
            encoder: &encoder,
            objective: &objective,
            awareness,
            augment: &augment,
            settings,
            seed: self.seed,
        };
        let monitored = Some(Monitored { train: split.train(), validation: split.validation(), unscored: &[] });
        let (pool, split_hash) = (split.pool(), split.hash());
        let data = PretrainData { store: &self.store, pool, split_hash, monitored };
        pretrain(&order, data, &Device::Cpu, record)
    }

    /// Judges the same network as its seed leaves it.
    pub(crate) fn random(&self) -> Judged {
        let chosen = ENCODERS.choose(KIND, &parse_table(ENCODER).unwrap(), 0..0).unwrap();
        let encoder = chosen.choice.build(8, 128).unwrap();
        let group = Group::new(encoder.layout().clone(), self.seed, 0, &Device::Cpu, DType::F32).unwrap();
        self.judge(&*encoder, &group.weights().detached())
    }

    /// How well the embeddings of an encoder tell people, and classes in unseen people.
    pub(crate) fn judge(&self, encoder: &dyn Encoder, weights: &Weights) -> Judged {
        let rows: Vec<u32> = (0..12 * WINDOWS).collect();
        let windows = evaluation_windows(&self.store, &rows).unwrap();
        let shape = windows.dim();
        let windows = Tensor::from_vec(windows.into_raw_vec_and_offset().0, shape, &Device::Cpu).unwrap();
        let (embedding, _) = encoder.embed(&windows, weights, Mode::Eval).unwrap();
        let values = embedding.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let embedding = Array2::from_shape_vec((rows.len(), encoder.dim()), values).unwrap();

        let pool = |row: &u32| row / WINDOWS < 8;
        let of_windows = |low: u32, high: u32| move |row: &u32| (low..=high).contains(&(row % WINDOWS));
        let pick = |keep: &dyn Fn(&u32) -> bool| rows.iter().copied().filter(keep).collect::<Vec<u32>>();
        let person = |row: u32| (row / WINDOWS) as u16;
        let class = |row: u32| (row % 2) as u16;
        let subject = accuracy(
            &embedding,
            (&pick(&|row| pool(row) && of_windows(0, 29)(row)), &pick(&|row| pool(row) && of_windows(34, 63)(row))),
            8,
            person,
        );
        let few = pick(&|row| pool(row) && of_windows(0, 3)(row));
        assert_eq!(few.len(), 32);
        let class = accuracy(&embedding, (&few, &pick(&|row| !pool(row))), 2, class);
        Judged { subject, class }
    }
}

fn drawn(store: &Store, plan: &str) -> Split {
    let plan = PLANS.choose(KIND, &parse_table(&format!("name = \"{plan}\"")).unwrap(), 0..0).unwrap();
    let context = DrawContext {
        pool_excludes: &[],
        spec: store.spec(),
        recipe_hash: store.recipe_hash(),
        rejects: RejectScope::default(),
    };
    plan.choice.draw(store.table(), &context).unwrap().remove(0)
}

pub(crate) const ENCODER: &str = "name = \"eeg-sacl\"\nwidth = 0.25";
pub(crate) const OBJECTIVE: &str = "name = \"sacl\"\nqueue = 512\nin_batch = \"always\"\nmomentum = 0.99";
pub(crate) const AUGMENT: &str = "augment = [{ name = \"temporal-delay\", delay_s = 0.125, probability = 1.0 }, \
    { name = \"gaussian-noise\", most = 0.2, probability = 1.0 }, \
    { name = \"temporal-cutout\", low = 0.0, high = 0.4, probability = 1.0 }]";

/// Logistic regression, C = 1, standardised on the training rows.
fn accuracy(
    embedding: &Array2<f32>,
    (train, test): (&[u32], &[u32]),
    n_classes: usize,
    label: impl Fn(u32) -> u16,
) -> f64 {
    let rows = |rows: &[u32]| embedding.select(Axis(0), &rows.iter().map(|row| *row as usize).collect::<Vec<_>>());
    let labels = |rows: &[u32]| rows.iter().map(|row| label(*row)).collect::<Vec<u16>>();
    let (x, y) = (rows(train), labels(train));
    let scale = Standardiser::of(x.view());
    let x = scale.apply(x.view());
    let weights = vec![1.0; y.len()];
    let examples = Examples { x: x.view(), labels: &y, weights: &weights, n_classes };
    let fit = Logistic::fit(examples, 1.0, None);
    let probability = fit.model.probabilities(scale.apply(rows(test).view()).view());
    let right = probability.axis_iter(Axis(0)).zip(labels(test)).filter(|(row, truth)| {
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        best == *truth as usize
    });
    right.count() as f64 / test.len() as f64
}
