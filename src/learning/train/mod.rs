//! The loop, and everything it stands on: batches, optimisers, schedule, checkpoints.
//!
//! Invariant: one loop ([`train`]) trains whatever is a [`Task`], and a run can be killed at any step and go on to the
//! same bits. Start reading at `engine.rs`, then `pretraining.rs`.

mod checkpoint;
mod collapse;
mod contract;
mod desk;
mod embed;
mod engine;
mod error;
mod loader;
mod monitor;
mod optim;
mod outside;
mod pretraining;
mod rehearsal;
mod schedule;
mod settings;
mod synthetic;

pub use crate::learning::objectives::{Loss, State};
pub use checkpoint::{Checkpoint, Checkpoints, Header, Resume};
pub use collapse::{Diagnosis, Geometry, NegativeShares, Symptom};
pub use contract::{Contract, PoolRecord};
pub use desk::{Desk, Taken};
pub use embed::{Embeddings, embed, embed_all};
pub use engine::{Course, Task, Trained, train};
pub use error::TrainError;
pub use loader::{
    HostBatch, LabelledLoader, LabelledRow, LoaderError, PartnerScope, PoolLoader, PoolLoading, Prefetch,
    evaluation_windows,
};
pub use monitor::{Look, MonitorClassifier, MonitorSettings, Monitored};
pub use optim::{AdamW, Clipped, Optimiser, OptimiserName, OptimiserSettings, Optimisers, Sgd, clip};
pub use outside::{Assumed, DeclaredPool};
pub use pretraining::{PretrainData, PretrainOrder, Pretrained, Record, pretrain};
pub use rehearsal::{PoolSize, passes, rehearse};
pub use schedule::{Schedule, Scope, pretraining_batch, pretraining_warm_up, scaled_rate, supervised_batch};
pub use settings::{PretrainPlan, PretrainSettings};
pub use synthetic::Synthetic;
