//! What several objectives share: losses over candidates, the queue of keys, the bank of rows, the slow copy, heads.

mod anchors;
mod bank;
mod contrast;
mod draws;
mod heads;
mod info_nce;
mod invariance;
mod limits;
mod momentum;
mod nce;
mod queue;

pub(super) use anchors::{Pick, column_std, rows_with_enough};
pub(super) use bank::Bank;
pub use contrast::InBatch;
pub(super) use contrast::{Contrast, Pairs, QueueSettings};
pub(super) use draws::{check_negatives, draw_noise, negatives_for};
pub use heads::Head;
pub use info_nce::{InfoNce, info_nce};
pub use invariance::InvarianceForm;
pub(super) use invariance::{Invariance, InvarianceSettings};
pub(super) use limits::{check_dim, check_share, check_temperature, scale_of};
pub use momentum::Twin;
pub(super) use nce::NceLogits;
pub use queue::KeyQueue;
