//! One convolution over time: its weights packed for the tile, and the three products of a sample.

use super::product::{Product, SLACK, Store};
use super::real::Real;

/// Steps summed in registers before a weight gradient goes to memory: a piece of both sides stays in the nearest
/// cache, and no sum of many thousand f32 runs in one chain.
const PIECE: usize = 128;

/// Shape of a convolution, and where its numbers lie in the flat vector.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) weight: std::ops::Range<usize>,
    pub(super) bias: std::ops::Range<usize>,
}

/// Weights in the order a pass reads them.
pub(super) struct Packed<T> {
    numbers: Vec<T>,
    lanes: usize,
    cols: usize,
    steps: usize,
}

/// Columns of a gradient buffer: the output channels, up to whole vectors.
pub(super) fn stride<T: Real>(output: usize) -> usize {
    output.next_multiple_of(T::lanes(output))
}

/// Rows of zeros before and after a signal.
pub(super) fn pad(kernel: usize) -> usize {
    kernel / 2
}

/// Makes `buffer` a padded signal of `rows` rows: zeros around, rows to spare at the end; the body is for the caller
/// to write, all of it.
pub(super) fn padded<T: Real>(buffer: &mut Vec<T>, pad: usize, rows: usize, width: usize) {
    let (front, body) = (pad * width, rows * width);
    buffer.resize(2 * front + body + SLACK * width, T::ZERO);
    buffer[..front].fill(T::ZERO);
    buffer[front + body..].fill(T::ZERO);
}

impl Convolution {
    /// Packs `[output, input, kernel]` weights for the forward pass: steps are (tap, input).
    pub(super) fn pack<T: Real>(&self, flat: &[T]) -> Packed<T> {
        let weights = &flat[self.weight.clone()];
        packed(self.kernel * self.input, self.output, |step, col| {
            let (tap, input) = (step / self.input, step % self.input);
            weights[(col * self.input + input) * self.kernel + tap]
        })
    }

    /// Packs them for the gradient of the input: taps reversed, steps are (tap, output up to its [`stride`]).
    pub(super) fn pack_reversed<T: Real>(&self, flat: &[T]) -> Packed<T> {
        let weights = &flat[self.weight.clone()];
        let stride = stride::<T>(self.output);
        packed(self.kernel * stride, self.input, |step, col| {
            let (tap, output) = (self.kernel - 1 - step / stride, step % stride);
            if output < self.output { weights[(output * self.input + col) * self.kernel + tap] } else { T::ZERO }
        })
    }

    /// `out[t] = or += sum_tap signal[t + tap] * w[tap]`; `signal` is padded for this kernel.
    pub(super) fn forward<T: Real>(
        &self,
        signal: &[T],
        weights: &Packed<T>,
        time: usize,
        store: Store<'_, T>,
        out: &mut [T],
    ) {
        weights.product(signal, self.input, time, store, out);
    }

    /// The gradient of the input from a padded gradient of the output, whose rows have [`stride`] numbers.
    pub(super) fn input_gradient<T: Real>(
        &self,
        gradient: &[T],
        reversed: &Packed<T>,
        time: usize,
        store: Store<'_, T>,
        out: &mut [T],
    ) {
        reversed.product(gradient, stride::<T>(self.output), time, store, out);
    }

    /// Adds a sample's gradient of the weights to `sums`, `[kernel * input, output]`. `signal` is padded, `gradient`
    /// is not (its first row is time 0).
    pub(super) fn weight_gradient<T: Real>(&self, signal: &[T], gradient: &[T], time: usize, sums: &mut [T]) {
        let (lanes, width) = (T::lanes(self.output), stride::<T>(self.output));
        for start in (0..time).step_by(PIECE) {
            let product = Product {
                a: &signal[start * self.input..],
                row: 1,
                step: self.input,
                b: &gradient[start * width..],
                b_panel: lanes,
                b_step: width,
                lanes,
                rows: self.kernel * self.input,
                cols: self.output,
                steps: PIECE.min(time - start),
                out_row: self.output,
                store: Store::Add,
            };
            T::run_product(&product, sums);
        }
    }

    /// Brings summed gradients, `[kernel * input, output]`, into PyTorch's order.
    pub(super) fn unpack<T: Real>(&self, sums: &[T], flat_gradient: &mut [T]) {
        let target = &mut flat_gradient[self.weight.clone()];
        for (output, target) in target.chunks_exact_mut(self.input * self.kernel).enumerate() {
            for (input, target) in target.chunks_exact_mut(self.kernel).enumerate() {
                for (tap, target) in target.iter_mut().enumerate() {
                    *target = sums[(tap * self.input + input) * self.output + output];
                }
            }
        }
    }
}

impl<T: Real> Packed<T> {
    fn product(&self, signal: &[T], width: usize, time: usize, store: Store<'_, T>, out: &mut [T]) {
        let product = Product {
            a: signal,
            row: width,
            step: 1,
            b: &self.numbers,
            b_panel: self.steps * self.lanes,
            b_step: self.lanes,
            lanes: self.lanes,
            rows: time,
            cols: self.cols,
            steps: self.steps,
            out_row: self.cols,
            store,
        };
        T::run_product(&product, out);
    }
}

fn packed<T: Real>(steps: usize, cols: usize, weight: impl Fn(usize, usize) -> T) -> Packed<T> {
    let lanes = T::lanes(cols);
    let mut numbers = vec![T::ZERO; cols.next_multiple_of(lanes) * steps];
    for (panel, numbers) in numbers.chunks_exact_mut(steps * lanes).enumerate() {
        for (step, numbers) in numbers.chunks_exact_mut(lanes).enumerate() {
            for (lane, number) in numbers.iter_mut().enumerate() {
                let col = panel * lanes + lane;
                if col < cols {
                    *number = weight(step, col);
                }
            }
        }
    }
    Packed { numbers, lanes, cols, steps }
}
