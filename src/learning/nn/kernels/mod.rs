//! The encoder on plain slices, without candle: one call forward, one backward, for f32 (fast) and f64 (checked).
//!
//! Data is channels-last, `[n, time, channels]`. Samples are shared out to threads; every sum over samples is cut by
//! size, never by number of threads, so that the bits do not depend on it. Read `encoder` (what is kept and what is
//! computed again), then `product` (the one register tile under all convolutions) and `norm`.
#![expect(clippy::inline_always, reason = "what a vector unit's function calls must be compiled into it")]
#![expect(clippy::needless_range_loop, reason = "loops over several slices of one length become vector code this way")]

mod convolution;
mod encoder;
mod norm;
mod pool;
mod product;
mod real;
mod vector;

pub(super) use encoder::{NormSource, Plan, Taken, Tape, backward, forward};
pub(super) use real::Real;
