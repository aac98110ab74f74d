//! The whole encoder: what is kept between forward and backward, and where everything lies.
//!
//! A block runs in two phases over the samples, parted by the statistics of its second norm. Only the inputs of norms
//! are kept (`x` of each block, the output of its first convolution, the last `x`): what lies between, ELU included,
//! is computed again in a buffer that stays in cache, which costs less than reading it back from memory.

mod backward;
mod forward;
mod plan;
mod tape;

pub(in crate::learning::nn) use backward::backward;
pub(in crate::learning::nn) use forward::{Taken, forward};
pub(in crate::learning::nn) use plan::Plan;
pub(in crate::learning::nn) use tape::{NormSource, Tape};
