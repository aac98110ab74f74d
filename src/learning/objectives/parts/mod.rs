//! What several objectives share: the loss over candidates, the queue of keys, the slow copy.

mod anchors;
mod contrast;
mod info_nce;
mod momentum;
mod queue;

pub use contrast::InBatch;
pub(super) use contrast::{Contrast, Pairs, QueueSettings};
pub use info_nce::{InfoNce, info_nce};
pub use momentum::Twin;
pub use queue::KeyQueue;
