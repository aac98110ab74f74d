//! Pretraining's batches: shuffled epochs over the pool, augmented views of each window.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, ArrayViewMut2, CowArray, Ix2, s};
use rayon::prelude::*;

use super::evaluation::scale_of;
use super::partners::{PartnerIndex, PartnerScope};
use super::{HostBatch, LoaderError};
use crate::base::{NormalTable, Purpose, Stream, StreamKey};
use crate::data::splits::{Pool, Reach, Subset};
use crate::data::store::{Store, StoreError};
use crate::learning::augment::{Augmentation, AugmentationConfig, Frame, Partners, Pretext, Scale, Source};
use crate::learning::awareness::{Place, PositiveRule, PositiveSets};

/// How the pool is dealt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLoading {
    /// The run's seed.
    pub seed: u64,
    /// Windows of a batch.
    pub batch: usize,
    /// Views of each window.
    pub views: u16,
    /// Where partners come from.
    pub partners: PartnerScope,
    /// Which window the second view shows.
    pub positives: PositiveRule,
}

/// Batches of augmented views: each epoch holds every window of the pool once, in a new order, at a new position;
/// windows that fill no batch are left out of that epoch.
pub struct PoolLoader<'a> {
    store: &'a Store,
    /// Rows of the pool in the store's order; the place in this list is the slot.
    rows: Vec<u32>,
    /// How far a delay may go from each of them.
    reach: Vec<Reach>,
    subject: Vec<u32>,
    n_subjects: usize,
    loading: PoolLoading,
    augmentation: Augmentation,
    normals: NormalTable,
    partners: PartnerIndex,
    positives: PositiveSets,
    pretext: Option<Arc<dyn Pretext>>,
    order: Mutex<Option<(u32, Arc<[u32]>)>>,
    /// What the store refused while a batch was made: partners are read where no error can be handed on.
    refused: Mutex<Option<StoreError>>,
}

impl<'a> PoolLoader<'a> {
    /// A loader of the pool of a split.
    ///
    /// # Errors
    /// A chain that the store cannot feed, a pool smaller than a batch, a window without a partner.
    pub fn new(
        store: &'a Store,
        pool: &Subset<Pool>,
        augmentation: &AugmentationConfig,
        loading: PoolLoading,
    ) -> Result<Self, LoaderError> {
        let table = store.table();
        let rows = pool.rows().to_vec();
        let reach = (0..rows.len()).map(|slot| pool.reach(slot)).collect();
        let people = pool.subjects();
        let rank = |row: &u32| people.binary_search(&table.rows[*row as usize].subject);
        let subject: Result<Vec<u32>, usize> = rows.iter().map(|row| rank(row).map(|rank| rank as u32)).collect();
        let subject = subject.expect("a subset lists the people of its rows, ascending");
        if loading.batch == 0 || loading.batch > rows.len() {
            return Err(LoaderError::Batch { n_windows: rows.len(), batch: loading.batch });
        }
        let spec = store.spec();
        let channels: Vec<String> = store.channels().iter().map(|channel| channel.label.clone()).collect();
        let (margin, length) = (spec.margin as usize, spec.length as usize);
        let augmentation = augmentation.build(&Frame { rate_hz: spec.rate_hz, margin, length }, &channels)?;
        let partners = PartnerIndex::new(loading.partners, &subject);
        if augmentation.needs_partners() {
            partners.check(loading.partners, table, &rows)?;
        }
        let places: Vec<Place> = rows.iter().map(|row| Place::from(&table.rows[*row as usize])).collect();
        let positives = PositiveSets::new(loading.positives, &places);
        let normals = NormalTable::new(loading.seed);
        let (n_subjects, order, refused) = (people.len(), Mutex::new(None), Mutex::new(None));
        let pretext = None;
        Ok(Self {
            store,
            rows,
            reach,
            subject,
            n_subjects,
            loading,
            augmentation,
            normals,
            partners,
            positives,
            pretext,
            order,
            refused,
        })
    }

    /// The same with the views of a pretext task after the augmented ones.
    #[must_use]
    pub fn with_pretext(self, pretext: Option<Arc<dyn Pretext>>) -> Self {
        Self { pretext, ..self }
    }

    /// Windows of the pool.
    pub fn n_windows(&self) -> usize {
        self.rows.len()
    }

    /// People of the pool.
    pub fn n_subjects(&self) -> usize {
        self.n_subjects
    }

    /// Windows of the pool that no other window of it can be the positive of.
    pub fn n_alone(&self) -> usize {
        self.positives.n_alone()
    }

    /// Batches of an epoch.
    pub fn n_batches(&self) -> usize {
        self.rows.len() / self.loading.batch
    }

    /// The batch of a step, steps counted from 0 over all epochs.
    ///
    /// # Errors
    /// Samples that cannot be read.
    pub fn step(&self, step: u64) -> Result<HostBatch, LoaderError> {
        let n_batches = self.n_batches() as u64;
        self.batch((step / n_batches) as u32, (step % n_batches) as usize)
    }

    /// Batch `index` of `epoch`, both from 0.
    ///
    /// # Errors
    /// Samples that cannot be read.
    ///
    /// # Panics
    /// When the epoch has no such batch.
    pub fn batch(&self, epoch: u32, index: usize) -> Result<HostBatch, LoaderError> {
        assert!(index < self.n_batches(), "epoch {epoch} has {} batches", self.n_batches());
        let order = self.order(epoch);
        let slots = order[index * self.loading.batch..][..self.loading.batch].to_vec();
        let (channels, length) = (self.store.channels().len(), self.store.spec().length as usize);
        let positives: Vec<u32> = slots.iter().map(|slot| self.positive(epoch, *slot)).collect();
        let nominals = self.nominals(epoch, &slots);
        // Where every window matches itself, nothing is read twice.
        let others = (self.loading.views > 1 && positives != slots).then(|| self.nominals(epoch, &positives));
        let views = (0..self.loading.views).map(|view| {
            let shown = if view == 0 { &nominals } else { others.as_ref().unwrap_or(&nominals) };
            let mut samples = vec![0.0; slots.len() * channels * length];
            let anchors = shown.par_iter().zip(&slots);
            samples.par_chunks_exact_mut(channels * length).zip(anchors).for_each(|(into, (nominal, anchor))| {
                let into = ArrayViewMut2::from_shape((channels, length), into).expect("a chunk is a window");
                self.view((epoch, view), *anchor, nominal, into);
            });
            samples
        });
        let mut views: Vec<Vec<f32>> = views.collect();
        views.extend(self.pretext_views(epoch, &nominals));
        let rows_of = |slots: &[u32]| slots.iter().map(|slot| self.rows[*slot as usize]).collect::<Vec<u32>>();
        let shown =
            |view: usize| if (1..usize::from(self.loading.views)).contains(&view) { &positives } else { &slots };
        let rows = (0..views.len()).map(|view| rows_of(shown(view))).collect();
        if let Some(error) = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error.into());
        }
        Ok(HostBatch {
            channels,
            length,
            views,
            rows,
            subject: slots.iter().map(|slot| self.subject[*slot as usize]).collect(),
            slots,
            positives,
            target: None,
        })
    }

    /// The slots in the order of an epoch; the last order asked for is kept.
    fn order(&self, epoch: u32) -> Arc<[u32]> {
        let mut kept = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, order)) if *of == epoch => Arc::clone(order),
            _ => {
                let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
                StreamKey::new(self.loading.seed, Purpose::EpochOrder).epoch(epoch).stream().shuffle(&mut order);
                let order: Arc<[u32]> = order.into();
                *kept = Some((epoch, Arc::clone(&order)));
                order
            }
        }
    }

    /// The slot of the window that a window is to match in this epoch.
    fn positive(&self, epoch: u32, slot: u32) -> u32 {
        let row = self.rows[slot as usize];
        let key = StreamKey::new(self.loading.seed, Purpose::Positives).epoch(epoch).row(row);
        self.positives.draw(slot, &mut key.stream())
    }

    fn nominals(&self, epoch: u32, slots: &[u32]) -> Vec<Nominal<'_>> {
        slots.par_iter().map(|slot| self.nominal(epoch, *slot)).collect()
    }

    /// Where a window lies in this epoch and how it is scaled there.
    fn nominal(&self, epoch: u32, slot: u32) -> Nominal<'_> {
        let spec = self.store.spec();
        let row = self.rows[slot as usize];
        let of = &self.store.table().rows[row as usize];
        let reach = self.reach[slot as usize];
        let places = of.trial_samples - spec.length + 1;
        let position =
            StreamKey::new(self.loading.seed, Purpose::Position).epoch(epoch).row(row).stream().below(places);
        let start = (spec.margin + position) as usize;
        let stored = self.stored(row);
        let window = stored.slice(s![.., start..start + spec.length as usize]);
        Nominal {
            slot,
            start,
            earlier: (reach.left + position) as usize,
            later: (reach.right + of.trial_samples - position - spec.length) as usize,
            scale: scale_of(spec.normalisation, window),
            stored,
        }
    }

    /// The samples of a row; silence, and an error at the end of the batch, when they cannot be read.
    fn stored(&self, row: u32) -> CowArray<'_, f32, Ix2> {
        self.store.row(row).unwrap_or_else(|error| {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            Array2::zeros((self.store.channels().len(), self.store.spec().stored())).into()
        })
    }

    fn source<'s>(&'s self, nominal: &'s Nominal<'_>, partners: &'s dyn Partners) -> Source<'s> {
        Source {
            stored: nominal.stored.view(),
            start: nominal.start,
            length: self.store.spec().length as usize,
            earlier: nominal.earlier,
            later: nominal.later,
            scale: &nominal.scale,
            partners,
            normals: &self.normals,
        }
    }

    /// The views of the pretext task, one buffer each.
    fn pretext_views(&self, epoch: u32, nominals: &[Nominal<'_>]) -> Vec<Vec<f32>> {
        let Some(pretext) = &self.pretext else { return Vec::new() };
        let channels = self.store.channels().len();
        let lengths = pretext.lengths(self.store.spec().length as usize);
        let made: Vec<Vec<Array2<f32>>> = nominals
            .par_iter()
            .map(|nominal| {
                let mut views: Vec<Array2<f32>> =
                    lengths.iter().map(|length| Array2::zeros((channels, *length))).collect();
                let mut into: Vec<_> = views.iter_mut().map(|view| view.view_mut()).collect();
                let partners = PoolPartners { loader: self, epoch, slot: nominal.slot };
                let key = self.key((epoch, self.loading.views), nominal.slot);
                pretext.make(&self.source(nominal, &partners), key, &mut into);
                views
            })
            .collect();
        let view = |view: usize| made.iter().flat_map(|views| views[view].iter().copied()).collect();
        (0..lengths.len()).map(view).collect()
    }

    /// The stream that an anchor's view is made with, whichever window it shows: two anchors that match one window see it
    /// in views of their own. Those of a pretext task share the view after the augmented ones.
    fn key(&self, (epoch, view): (u32, u16), anchor: u32) -> StreamKey {
        let row = self.rows[anchor as usize];
        StreamKey::new(self.loading.seed, Purpose::Transforms).epoch(epoch).row(row).view(view)
    }

    /// A view of the window at `nominal` for an anchor.
    fn view(&self, (epoch, view): (u32, u16), anchor: u32, nominal: &Nominal<'_>, into: ArrayViewMut2<'_, f32>) {
        let key = self.key((epoch, view), anchor);
        let partners = PoolPartners { loader: self, epoch, slot: nominal.slot };
        self.augmentation.view(&self.source(nominal, &partners), key, into);
    }
}

/// A window of one epoch: its place in the stored row and its constants.
struct Nominal<'a> {
    slot: u32,
    stored: CowArray<'a, f32, Ix2>,
    start: usize,
    earlier: usize,
    later: usize,
    scale: Scale,
}

/// The partners of one window: other windows of the pool, where this epoch puts them.
struct PoolPartners<'a> {
    loader: &'a PoolLoader<'a>,
    epoch: u32,
    slot: u32,
}

impl Partners for PoolPartners<'_> {
    fn draw(&self, stream: &mut Stream, into: ArrayViewMut2<'_, f32>) {
        let loader = self.loader;
        let partner = loader.partners.draw(self.slot, loader.store.table(), &loader.rows, stream);
        let nominal = loader.nominal(self.epoch, partner);
        loader.source(&nominal, self).read(0, into);
    }
}
