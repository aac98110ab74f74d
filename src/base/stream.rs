//! Keyed random streams: every draw is named by what it is for, so that nothing depends on threads, order or history.

/// What a stream is drawn for. The numbers are part of the format of a run: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Purpose {
    /// Initial weights; row = index of the tensor.
    Weights = 1,
    /// Order of windows within an epoch.
    EpochOrder = 2,
    /// Augmentation.
    Transforms = 3,
    /// Position of the pretraining window within its stretch.
    Position = 4,
    /// Dropout.
    Dropout = 5,
    /// Negatives and banks.
    Negatives = 6,
    /// First contents of a queue.
    Queue = 7,
    /// Order of windows in probes and fine-tuning.
    Downstream = 8,
    /// Bootstrap; epoch = replicate.
    Bootstrap = 9,
    /// Sign-flip tests.
    SignFlip = 10,
    /// Draws of labelled windows.
    Labels = 11,
    /// The synthetic corpus.
    Synthetic = 12,
    /// Clustering.
    Clustering = 13,
    /// Trees.
    Trees = 14,
    /// The window that an anchor is to match; row = the anchor's. Ours: the source names 14 purposes.
    Positives = 15,
}

/// The name of one stream of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    /// The run's seed.
    pub seed: u64,
    /// What is drawn.
    pub purpose: Purpose,
    /// Row 1-9 of the transform table for transforms, else 0.
    pub part: u8,
    /// Pass over the pool (or replicate).
    pub epoch: u32,
    /// Window row (or index of the thing drawn for).
    pub row: u32,
    /// Which view of the window.
    pub view: u16,
}

impl StreamKey {
    /// A key with everything but seed and purpose at zero.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self { seed, purpose, part: 0, epoch: 0, row: 0, view: 0 }
    }

    /// The same key for another part.
    #[must_use]
    pub fn part(self, part: u8) -> Self {
        Self { part, ..self }
    }

    /// The same key for another epoch.
    #[must_use]
    pub fn epoch(self, epoch: u32) -> Self {
        Self { epoch, ..self }
    }

    /// The same key for another row.
    #[must_use]
    pub fn row(self, row: u32) -> Self {
        Self { row, ..self }
    }

    /// The same key for another view.
    #[must_use]
    pub fn view(self, view: u16) -> Self {
        Self { view, ..self }
    }

    /// The stream, at its beginning.
    pub fn stream(self) -> Stream {
        Stream { key: self, block: 0, ready: [0; 4], used: 4 }
    }
}

/// Philox4x32-10 under one [`StreamKey`]: the same key gives the same numbers on every machine.
///
/// # Source
/// `salmon2011random` (Random123), Philox4x32-10.
#[derive(Debug, Clone)]
pub struct Stream {
    key: StreamKey,
    block: u32,
    ready: [u32; 4],
    used: usize,
}

impl Stream {
    /// The next 32 random bits.
    ///
    /// # Panics
    /// After 2^26 numbers, when the block counter of a key is used up.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            assert!(self.block < 1 << 24, "a stream holds 2^24 blocks");
            let key = self.key;
            let counter = [
                (u32::from(key.part) << 24) | self.block,
                key.row,
                key.epoch,
                (u32::from(key.purpose as u16) << 16) | u32::from(key.view),
            ];
            self.ready = philox4x32_10(counter, [key.seed as u32, (key.seed >> 32) as u32]);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.ready[self.used - 1]
    }

    /// Uniform in [0, 1), 24 bits.
    pub fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32()) << 32;
        ((high | u64::from(self.next_u32())) >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in [low, high), from 53 bits.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform_f64()
    }

    /// Uniform over `0..n` without bias (Lemire).
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "below(0) has no value to give");
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u64::from(self.next_u32()) * u64::from(n);
            if wide as u32 >= threshold {
                return (wide >> 32) as u32;
            }
        }
    }

    /// A whole number in `low..=high`.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.below((high - low + 1) as u32))
    }

    /// Standard normal (Box-Muller, cosine branch), in f64 through `libm` so that the bits are the same everywhere.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform_f64()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform_f64())
    }

    /// Fisher-Yates, from the end.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

/// 2^20 standard normals of one seed, for noise over whole windows: a draw a sample would cost more than the training
/// step, so each channel takes consecutive entries from a random start.
#[derive(Debug, Clone)]
pub struct NormalTable(Vec<f32>);

impl NormalTable {
    const LENGTH: usize = 1 << 20;

    /// The table of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut stream = StreamKey::new(seed, Purpose::Transforms).row(u32::MAX).stream();
        Self((0..Self::LENGTH).map(|_| stream.normal() as f32).collect())
    }

    /// `n` consecutive normals from a start drawn with `stream`: up to the end of the table, then on from its beginning.
    ///
    /// # Panics
    /// When `n` exceeds the table's 2^20 entries.
    pub fn from_random_start(&self, stream: &mut Stream, n: usize) -> [&[f32]; 2] {
        let start = stream.below(Self::LENGTH as u32) as usize;
        let first = n.min(Self::LENGTH - start);
        [&self.0[start..start + first], &self.0[..n - first]]
    }
}

fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let first = 0xD251_1F53_u64 * u64::from(counter[0]);
        let second = 0xCD9E_8D57_u64 * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_equals_the_published_vectors() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        // Random123, kat_vectors: all bits set
        assert_eq!(philox4x32_10([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn key_and_counter_are_laid_out_as_documented() {
        let key = StreamKey::new(42, Purpose::Transforms).epoch(1).row(7).view(1);
        let mut stream = key.stream();
        let words: Vec<u32> = (0..5).map(|_| stream.next_u32()).collect();
        assert_eq!(words, [0xec78_d2a6, 0x3773_c8b6, 0x5cae_fb5b, 0x1187_0d8d, 0x6682_9d89]);
        assert_eq!(key.stream().uniform_f32(), 0.923_718_6);
        assert_eq!(key.stream().uniform_f64(), 0.923_718_610_363_223_2);
    }

    #[test]
    fn below_covers_its_range_evenly() {
        let mut stream = StreamKey::new(1, Purpose::EpochOrder).stream();
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let table = NormalTable::new(3);
        let mean = table.0.iter().map(|x| f64::from(*x)).sum::<f64>() / table.0.len() as f64;
        let variance = table.0.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / table.0.len() as f64;
        assert!(mean.abs() < 0.005 && (variance - 1.0).abs() < 0.01, "{mean} {variance}");
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        StreamKey::new(5, Purpose::EpochOrder).stream().shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
