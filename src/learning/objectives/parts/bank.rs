//! One row of unit length for each window of the pool: what the window looked like when it was last seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::base::{Purpose, StreamKey};
use crate::learning::nn::normalise_rows;
use crate::learning::objectives::{ObjectiveError, RunSize, State, fault};

/// Largest bank in bytes: a slip of the pen is refused before the machine swaps.
const MOST_BYTES: u64 = 16 << 30;

/// A bank: row i belongs to slot i of the pool.
///
/// # Source
/// `wu2018npid` section 3.1 (the bank); random unit rows at the start and the moving average are its code's.
pub(crate) struct Bank {
    rows: Tensor,
    pool: Arc<[u32]>,
    share: f64,
}

impl Bank {
    /// Random directions, one for each window of the pool; at a write a row keeps `share` of itself.
    pub(crate) fn new(dim: usize, share: f64, run: &RunSize) -> Result<Self, ObjectiveError> {
        let mut values = Vec::with_capacity(run.n_windows() * dim);
        for &row in &*run.pool {
            let mut stream = StreamKey::new(run.seed, Purpose::Negatives).row(row).view(Self::VIEW).stream();
            values.extend((0..dim).map(|_| stream.normal()));
        }
        let values = Tensor::from_vec(values, (run.n_windows(), dim), &run.device)?.to_dtype(run.dtype)?;
        Ok(Self { rows: normalise_rows(&values)?, pool: Arc::clone(&run.pool), share })
    }

    /// The view of the stream that first rows are drawn from; negatives are drawn from view 0.
    const VIEW: u16 = 1;

    /// All rows, `[n, d]`, without a graph.
    pub(crate) fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// Length of a row.
    pub(crate) fn dim(&self) -> usize {
        self.rows.dims()[1]
    }

    /// Rows of the store that the bank's rows belong to.
    pub(crate) fn pool(&self) -> &[u32] {
        &self.pool
    }

    /// The rows of `slots`, `[n, d]`.
    pub(crate) fn of(&self, slots: &[u32]) -> Result<Tensor, ObjectiveError> {
        Ok(self.rows.index_select(&Tensor::from_slice(slots, slots.len(), self.rows.device())?, 0)?)
    }

    /// Replaces all rows, for instance by a forward pass over the pool; they are brought to unit length.
    pub(crate) fn fill(&mut self, rows: &Tensor) -> Result<(), ObjectiveError> {
        self.rows = normalise_rows(&rows.detach().to_dtype(self.rows.dtype())?)?;
        Ok(())
    }

    /// V_i <- U(share V_i + (1 - share) v_i). A window that a batch holds twice is written once, by its first row.
    ///
    /// # Shapes
    /// - `new`: `[n, d]`, unit rows; `slots`: n
    pub(crate) fn write(&mut self, slots: &[u32], new: &Tensor) -> Result<(), ObjectiveError> {
        let mut seen = BTreeSet::new();
        let first: Vec<u32> = (0..slots.len() as u32).filter(|i| seen.insert(slots[*i as usize])).collect();
        let slots: Vec<u32> = first.iter().map(|i| slots[*i as usize]).collect();
        let device = self.rows.device();
        let new = new.detach().contiguous()?.index_select(&Tensor::from_slice(&first, first.len(), device)?, 0)?;
        let mixed = ((self.of(&slots)? * self.share)? + (new * (1.0 - self.share))?)?;
        let (n, dim) = mixed.dims2()?;
        let index = Tensor::from_vec(slots, (n, 1), device)?.broadcast_as((n, dim))?.contiguous()?;
        self.rows.scatter_set(&index, &normalise_rows(&mixed)?, 0)?;
        Ok(())
    }

    /// The rows and whose they are.
    pub(crate) fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.put("rows", &self.rows)?;
        state.put("pool", &Tensor::from_slice(&self.pool, self.pool.len(), &Device::Cpu)?)?;
        Ok(state)
    }

    /// Puts back what [`Bank::state`] gave; a bank of another pool is refused.
    pub(crate) fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        let pool: Vec<u32> = state.tensor("pool", &[self.pool.len()])?.to_dtype(DType::U32)?.to_vec1()?;
        if pool != *self.pool {
            return Err(ObjectiveError::Form {
                name: "pool".to_owned(),
                needed: "the windows of this run's pool".to_owned(),
                found: "others".to_owned(),
            });
        }
        let rows = state.tensor("rows", self.rows.dims())?;
        self.rows = rows.to_dtype(self.rows.dtype())?.to_device(self.rows.device())?.copy()?;
        Ok(())
    }

    /// Bytes of a bank of `n_windows` rows of length `dim` and their store rows.
    pub(crate) fn bytes(n_windows: usize, dim: usize) -> u64 {
        (n_windows as u64) * (dim as u64 + 1) * 4
    }

    /// Refuses a bank beyond 16 GiB.
    pub(crate) fn check(n_windows: usize, dim: usize) -> Result<(), ObjectiveError> {
        let bytes = Self::bytes(n_windows, dim);
        if bytes <= MOST_BYTES {
            return Ok(());
        }
        let reason = format!(
            "the bank of {n_windows} windows would take {:.1} GiB, at most 16",
            bytes as f64 / f64::from(1 << 30)
        );
        fault("dim", dim.to_string(), &reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u32, dtype: DType) -> RunSize {
        let pool = (0..n).map(|row| 10 * row).collect();
        RunSize { seed: 4, pool, batch: 2, steps: 10, device: Device::Cpu, dtype }
    }

    fn lengths(bank: &Bank) -> Vec<f64> {
        bank.rows().sqr().unwrap().sum(1).unwrap().sqrt().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn rows_start_as_random_directions_of_their_own() {
        let bank = Bank::new(8, 0.5, &run(6, DType::F64)).unwrap();
        assert!(lengths(&bank).iter().all(|length| (length - 1.0).abs() < 1e-12));
        let cosines = bank.rows().matmul(&bank.rows().t().unwrap()).unwrap().to_vec2::<f64>().unwrap();
        for (i, row) in cosines.iter().enumerate() {
            assert!(row.iter().enumerate().all(|(j, cosine)| i == j || cosine.abs() < 0.95));
        }
    }

    #[test]
    fn a_write_mixes_old_and_new_and_leaves_the_others() {
        let mut bank = Bank::new(2, 0.25, &run(3, DType::F64)).unwrap();
        let before = bank.rows().to_vec2::<f64>().unwrap();
        let new = Tensor::new(&[[0.6, 0.8], [1.0, 0.0]], &Device::Cpu).unwrap();
        bank.write(&[2, 0], &new).unwrap();
        let after = bank.rows().to_vec2::<f64>().unwrap();
        assert_eq!(after[1], before[1]);
        let mixed = [0.25 * before[2][0] + 0.75 * 0.6, 0.25 * before[2][1] + 0.75 * 0.8];
        let length = mixed[0].hypot(mixed[1]);
        for j in 0..2 {
            assert!((after[2][j] - mixed[j] / length).abs() < 1e-12);
        }
        assert!(lengths(&bank).iter().all(|length| (length - 1.0).abs() < 1e-12));
    }

    #[test]
    fn a_window_twice_in_a_batch_is_written_once() {
        let (mut once, mut twice) =
            (Bank::new(2, 0.5, &run(3, DType::F64)).unwrap(), Bank::new(2, 0.5, &run(3, DType::F64)).unwrap());
        once.write(&[1], &Tensor::new(&[[0.6, 0.8]], &Device::Cpu).unwrap()).unwrap();
        twice.write(&[1, 1], &Tensor::new(&[[0.6, 0.8], [-1.0, 0.0]], &Device::Cpu).unwrap()).unwrap();
        assert_eq!(once.rows().to_vec2::<f64>().unwrap(), twice.rows().to_vec2::<f64>().unwrap());
    }

    #[test]
    fn state_brings_every_bit_back_and_another_pool_is_refused() {
        let mut bank = Bank::new(4, 0.5, &run(5, DType::F32)).unwrap();
        bank.write(&[3], &bank.of(&[1]).unwrap()).unwrap();
        let state = bank.state().unwrap();
        let rows = |bank: &Bank| bank.rows().to_vec2::<f32>().unwrap();
        let before = rows(&bank);
        bank.write(&[0], &bank.of(&[1]).unwrap()).unwrap();
        assert_ne!(rows(&bank), before);
        let mut other = Bank::new(4, 0.5, &run(5, DType::F32)).unwrap();
        other.restore(&state).unwrap();
        assert_eq!(rows(&other), before);
        let mut moved = RunSize { pool: (1..6).collect(), ..run(5, DType::F32) };
        assert!(Bank::new(4, 0.5, &moved).unwrap().restore(&state).is_err());
        moved.pool = (0..4).collect();
        assert!(Bank::new(4, 0.5, &moved).unwrap().restore(&state).is_err());
    }
}
