//! Bytes become windows that somebody may see: files in, a store and a split with its proof out. Read `formats`, then
//! `corpora`, `preprocess`, `store`, and `splits` last.

pub mod corpora;
pub mod formats;
#[cfg(feature = "store")]
pub mod preprocess;
pub mod splits;
#[cfg(feature = "store")]
pub mod store;
