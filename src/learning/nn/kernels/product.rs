//! The one register tile under every convolution and its gradients: a matrix product whose left side is a view with
//! two strides, so that a padded signal needs no copy a tap.
#![expect(unsafe_code, reason = "the inner loop reads by pointer, its bounds are checked once for the whole product")]

use super::real::Real;
use super::vector::Vector;

/// Tallest tile: buffers on the left side have this many rows to spare.
pub(super) const SLACK: usize = 12;
/// Tile for few last rows.
const SHORT: usize = 4;

/// What happens to the old output.
#[derive(Clone, Copy)]
pub(crate) enum Store<'a, T> {
    /// `out = product`.
    Set,
    /// `out = product + bias`, one number a column.
    Bias(&'a [T]),
    /// `out += product`.
    Add,
}

/// `out[r, o] = sum_i a[r * row + i * step] * b[i, o]`.
///
/// `b` is cut in panels of `lanes` columns: number `o` of step `i` lies at
/// `o / lanes * b_panel + i * b_step + o % lanes`. Left rows up to the next multiple of the tile are read too
/// ([`SLACK`]), right columns up to the next multiple of `lanes`; neither is written out.
pub(crate) struct Product<'a, T> {
    pub(super) a: &'a [T],
    pub(super) row: usize,
    pub(super) step: usize,
    pub(super) b: &'a [T],
    pub(super) b_panel: usize,
    pub(super) b_step: usize,
    pub(super) lanes: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) steps: usize,
    /// Distance of two rows of `out`.
    pub(super) out_row: usize,
    pub(super) store: Store<'a, T>,
}

impl<T: Real> Product<'_, T> {
    /// Computes the product in tiles of `TALL` rows by one vector, or `SQUARE` rows by two.
    #[inline(always)]
    pub(super) fn run<V: Vector<Scalar = T>, const TALL: usize, const SQUARE: usize>(&self, out: &mut [T]) {
        if self.rows == 0 || self.cols == 0 || self.steps == 0 {
            return;
        }
        self.check::<V>(out);
        let panels = self.cols.div_ceil(V::LANES);
        let mut panel = 0;
        while panel < panels {
            if panel + 1 < panels {
                self.columns::<V, SQUARE, 2>(panel, out);
                panel += 2;
            } else {
                self.columns::<V, TALL, 1>(panel, out);
                panel += 1;
            }
        }
    }

    fn check<V: Vector<Scalar = T>>(&self, out: &[T]) {
        assert_eq!(self.lanes, V::LANES, "panels are packed for the vectors that read them");
        let last_left = (self.rows - 1 + SLACK) * self.row + (self.steps - 1) * self.step;
        assert!(last_left < self.a.len(), "left side is short: {last_left} of {}", self.a.len());
        let last_right = (self.cols.div_ceil(V::LANES) - 1) * self.b_panel + (self.steps - 1) * self.b_step + V::LANES;
        assert!(last_right <= self.b.len(), "right side is short: {last_right} of {}", self.b.len());
        assert!((self.rows - 1) * self.out_row + self.cols <= out.len(), "output is short");
        if let Store::Bias(bias) = self.store {
            assert!(bias.len() >= self.cols, "bias is short");
        }
    }

    #[inline(always)]
    fn columns<V: Vector<Scalar = T>, const R: usize, const C: usize>(&self, panel: usize, out: &mut [T]) {
        let mut row = 0;
        while row < self.rows {
            let left = self.rows - row;
            if left > SHORT {
                let sums = self.tile::<V, R, C>(row, panel);
                self.write::<V, R, C>(&sums, row, panel, out);
                row += R;
            } else {
                let sums = self.tile::<V, SHORT, C>(row, panel);
                self.write::<V, SHORT, C>(&sums, row, panel, out);
                row += SHORT;
            }
        }
    }

    #[inline(always)]
    fn tile<V: Vector<Scalar = T>, const R: usize, const C: usize>(&self, first: usize, panel: usize) -> [[V; C]; R] {
        let mut sums = [[V::zero(); C]; R];
        let mut a = self.a.as_ptr().wrapping_add(first * self.row);
        let mut b = self.b.as_ptr().wrapping_add(panel * self.b_panel);
        let (row, b_panel, step, b_step) = (self.row, self.b_panel, self.step, self.b_step);
        for _ in 0..self.steps {
            let mut right = [V::zero(); C];
            for c in 0..C {
                // SAFETY: `check` has found the last step of the last panel inside `b`.
                right[c] = unsafe { V::load(b.wrapping_add(c.wrapping_mul(b_panel))) };
            }
            // Written out, since the compiler leaves a loop of this length rolled and the sums in memory: a tenth of
            // the speed.
            macro_rules! rows {
                ($($r:literal)*) => {
                    $(if $r < R {
                        let left = a.wrapping_add(row.wrapping_mul($r));
                        // SAFETY: first + r is below rows + SLACK, whose last step `check` has found inside `a`. The
                        // unaligned read is the same instruction, without debug builds' checks.
                        let left = V::splat(unsafe { left.read_unaligned() });
                        for c in 0..C {
                            sums[$r][c] = sums[$r][c].add_product(left, right[c]);
                        }
                    })*
                };
            }
            rows!(0 1 2 3 4 5 6 7 8 9 10 11);
            a = a.wrapping_add(step);
            b = b.wrapping_add(b_step);
        }
        sums
    }

    #[inline(always)]
    fn write<V: Vector<Scalar = T>, const R: usize, const C: usize>(
        &self,
        sums: &[[V; C]; R],
        row: usize,
        panel: usize,
        out: &mut [T],
    ) {
        for (r, sums) in sums.iter().enumerate().take(self.rows - row) {
            for (c, sum) in sums.iter().enumerate() {
                let col = (panel + c) * V::LANES;
                let target = &mut out[(row + r) * self.out_row + col..][..V::LANES.min(self.cols - col)];
                if target.len() == V::LANES {
                    // SAFETY: `target` has LANES numbers, and so has the bias from `col` on, as `check` has found.
                    unsafe {
                        let sum = match self.store {
                            Store::Set => *sum,
                            Store::Bias(bias) => sum.add(V::load(bias.as_ptr().wrapping_add(col))),
                            Store::Add => sum.add(V::load(target.as_ptr())),
                        };
                        sum.store(target.as_mut_ptr());
                    }
                } else {
                    let mut whole = [T::ZERO; 16];
                    // SAFETY: no vector has more than 16 lanes.
                    unsafe { sum.store(whole.as_mut_ptr()) };
                    for (i, (target, sum)) in target.iter_mut().zip(whole).enumerate() {
                        *target = match self.store {
                            Store::Set => sum,
                            Store::Bias(bias) => sum + bias[col + i],
                            Store::Add => sum + *target,
                        };
                    }
                }
            }
        }
    }
}
