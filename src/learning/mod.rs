//! Windows become an encoder: a store and a pool in, weights out. Read `augment`, `nn`, `awareness`, `objectives`, and
//! `train` last, which holds the loop.

pub mod augment;
#[cfg(feature = "train")]
pub mod awareness;
#[cfg(feature = "train")]
pub mod nn;
#[cfg(feature = "train")]
pub mod objectives;
#[cfg(feature = "train")]
pub mod train;
