//! Running median, and the baseline of an ECG that two of them make.
//!
//! A median of a window needs no order kept from step to step: each block of samples as long as the window is sorted
//! once, and windows move from one block to the next by taking samples out of the first one's sorted list and putting
//! them back into the second's, in the order in which they were taken out. A step is a few links, whatever the window.

/// The median of each sample's surroundings; past the ends the end sample is repeated.
///
/// # Panics
/// When `window` is even. No value may be NaN.
///
/// # Source
/// Suomela, "Median Filtering is Equivalent to Sorting" (2014); equal to SciPy `ndimage.median_filter(signal, window,
/// mode="nearest")`.
pub fn running_median(signal: &[f64], window: usize) -> Vec<f64> {
    assert!(!window.is_multiple_of(2), "a window of {window} samples has no middle");
    let (Some(&first), Some(&last)) = (signal.first(), signal.last()) else { return Vec::new() };
    let half = window / 2;
    let n_blocks = (signal.len() + window - 1).div_ceil(window);
    let mut padded = Vec::with_capacity(n_blocks * window);
    padded.resize(half, first);
    padded.extend_from_slice(signal);
    padded.resize(n_blocks * window, last);

    let (mut leaving, mut coming) = (Block::new(window), Block::new(window));
    let mut blocks = padded.chunks_exact(window);
    coming.sort(blocks.next().expect("there is a block for every started window"));
    coming.wind();
    let mut medians = Vec::with_capacity(padded.len());
    medians.push(coming.value());
    for block in blocks {
        std::mem::swap(&mut leaving, &mut coming);
        coming.sort(block);
        coming.unwind();
        for i in 0..window {
            leaving.remove(i);
            coming.restore(i);
            if leaving.n_smaller + coming.n_smaller < half {
                let smaller = if leaving.value() <= coming.value() { &mut leaving } else { &mut coming };
                smaller.advance();
            }
            medians.push(leaving.value().min(coming.value()));
        }
    }
    medians.truncate(signal.len());
    medians
}

/// A block of samples in a list in order of size, out of which samples can be taken and, in reverse, put back.
struct Block {
    values: Vec<f64>,
    /// Samples in order of size, and the place of each in it; the tail is larger than all.
    order: Vec<u32>,
    rank: Vec<u32>,
    before: Vec<u32>,
    after: Vec<u32>,
    /// The sample that the list is read at, and how many smaller ones are in the list.
    at: usize,
    n_smaller: usize,
}

impl Block {
    fn new(window: usize) -> Self {
        let links = || vec![0; window + 1];
        let (values, order) = (vec![0.0; window], (0..window as u32).collect());
        Self { values, order, rank: links(), before: links(), after: links(), at: window, n_smaller: 0 }
    }

    fn tail(&self) -> usize {
        self.values.len()
    }

    /// Takes other samples and links them all.
    fn sort(&mut self, values: &[f64]) {
        self.values.copy_from_slice(values);
        self.order.sort_unstable_by(|&one, &other| {
            values[one as usize].total_cmp(&values[other as usize]).then(one.cmp(&other))
        });
        let tail = self.tail();
        let mut before = tail;
        for (rank, &sample) in self.order.iter().enumerate() {
            self.rank[sample as usize] = rank as u32;
            self.after[before] = sample;
            self.before[sample as usize] = before as u32;
            before = sample as usize;
        }
        self.rank[tail] = tail as u32;
        self.after[before] = tail as u32;
        self.before[tail] = before as u32;
    }

    /// All samples are in the list, which is read at their median.
    fn wind(&mut self) {
        let half = self.tail() / 2;
        (self.at, self.n_smaller) = (self.order[half] as usize, half);
    }

    /// No sample is in the list: taken out from the last to the first, to be put back from the first to the last.
    fn unwind(&mut self) {
        for i in (0..self.tail()).rev() {
            self.unlink(i);
        }
        (self.at, self.n_smaller) = (self.tail(), 0);
    }

    fn unlink(&mut self, i: usize) {
        let (before, after) = (self.before[i], self.after[i]);
        self.after[before as usize] = after;
        self.before[after as usize] = before;
    }

    fn remove(&mut self, i: usize) {
        self.unlink(i);
        if self.rank[i] < self.rank[self.at] {
            self.n_smaller -= 1;
            return;
        }
        if self.at == i {
            self.at = self.after[i] as usize;
        }
        if self.n_smaller > 0 {
            self.at = self.before[self.at] as usize;
            self.n_smaller -= 1;
        }
    }

    fn restore(&mut self, i: usize) {
        self.after[self.before[i] as usize] = i as u32;
        self.before[self.after[i] as usize] = i as u32;
        if self.rank[i] < self.rank[self.at] {
            self.at = self.before[self.at] as usize;
        }
    }

    fn advance(&mut self) {
        self.at = self.after[self.at] as usize;
        self.n_smaller += 1;
    }

    /// The sample that the list is read at; past its end larger than any.
    fn value(&self) -> f64 {
        self.values.get(self.at).copied().unwrap_or(f64::INFINITY)
    }
}

/// The two windows of the baseline: the largest odd number of samples up to 0.2 s, the smallest from 0.6 s.
pub fn baseline_windows(rate_hz: f64) -> (usize, usize) {
    // Fifths of a whole rate are exact, its decimal fractions are not.
    let (short, long) = ((rate_hz / 5.0).floor() as usize, (3.0 * rate_hz / 5.0).ceil() as usize);
    let short = if short.is_multiple_of(2) { short.saturating_sub(1) } else { short };
    (short.max(1), long | 1)
}

/// Subtracts from an ECG what two running medians leave of it: without QRS complexes, then without T waves.
///
/// # Source
/// `dechazal2004automatic`, with the ends of the signal repeated.
pub fn subtract_baseline(signal: &mut [f64], rate_hz: f64) {
    let (short, long) = baseline_windows(rate_hz);
    let baseline = running_median(&running_median(signal, short), long);
    signal.iter_mut().zip(baseline).for_each(|(x, baseline)| *x -= baseline);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_odd() {
        for (rate_hz, windows) in [(360.0, (71, 217)), (125.0, (25, 75)), (128.0, (25, 77)), (4.0, (1, 3))] {
            assert_eq!(baseline_windows(rate_hz), windows, "{rate_hz}");
        }
    }

    #[test]
    fn slow_drift_goes_and_a_narrow_peak_stays() {
        let mut signal: Vec<f64> = (0..2000).map(|i| f64::from(i) * 0.001).collect();
        signal[1000] += 2.0;
        subtract_baseline(&mut signal, 360.0);
        // The peak moves the medians of the ramp by one of its steps at most.
        assert!((signal[1000] - 2.0).abs() < 2e-3 && signal[900].abs() < 2e-3);
    }
}

#[cfg(test)]
mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_sorting_every_window(
            signal in prop::collection::vec(prop_oneof![-3.0..3.0, Just(0.0), Just(1.0)], 0..160),
            half in 0_usize..40,
        ) {
            let window = 2 * half + 1;
            let sorted = |t: usize| {
                let place = |j: usize| (t + j).saturating_sub(half).min(signal.len() - 1);
                let mut around: Vec<f64> = (0..window).map(|j| signal[place(j)]).collect();
                around.sort_by(f64::total_cmp);
                around[half]
            };
            let expected: Vec<f64> = (0..signal.len()).map(sorted).collect();
            prop_assert_eq!(running_median(&signal, window), expected);
        }
    }
}
