//! A first-in-first-out store of keys and of the windows they are from.

use candle_core::{DType, Device, Tensor};

use crate::learning::objectives::{ObjectiveError, State};

/// A ring of keys: new ones overwrite the oldest. It starts empty and holds nothing random.
///
/// # Source
/// `he2020moco` section 3.1; that it starts empty is ours.
pub struct KeyQueue {
    keys: Tensor,
    rows: Vec<u32>,
    count: usize,
    position: usize,
}

impl KeyQueue {
    /// An empty ring of `capacity` keys of length `dim`.
    ///
    /// # Errors
    /// When the device is full.
    pub fn new(capacity: usize, dim: usize, dtype: DType, device: &Device) -> Result<Self, ObjectiveError> {
        let keys = Tensor::zeros((capacity, dim), dtype, device)?;
        Ok(Self { keys, rows: vec![0; capacity], count: 0, position: 0 })
    }

    /// How many keys it can hold.
    pub fn capacity(&self) -> usize {
        self.rows.len()
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the oldest will be overwritten next.
    pub fn is_full(&self) -> bool {
        self.count == self.capacity()
    }

    /// The keys it holds, in ring order (not by age).
    ///
    /// # Shapes
    /// `[len, dim]`
    ///
    /// # Errors
    /// When the tensor cannot be cut.
    pub fn keys(&self) -> Result<Tensor, ObjectiveError> {
        Ok(self.keys.narrow(0, 0, self.count)?)
    }

    /// Window rows of [`KeyQueue::keys`].
    pub fn rows(&self) -> &[u32] {
        &self.rows[..self.count]
    }

    /// Puts keys in, in order, over the oldest ones.
    ///
    /// # Shapes
    /// - `keys`: `[n, dim]` with n at most the capacity; `rows`: n
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn push(&mut self, keys: &Tensor, rows: &[u32]) -> Result<(), ObjectiveError> {
        let keys = keys.detach().contiguous()?;
        let until_end = rows.len().min(self.capacity() - self.position);
        self.keys.slice_set(&keys.narrow(0, 0, until_end)?, 0, self.position)?;
        self.rows[self.position..self.position + until_end].copy_from_slice(&rows[..until_end]);
        let wrapped = rows.len() - until_end;
        if wrapped > 0 {
            self.keys.slice_set(&keys.narrow(0, until_end, wrapped)?, 0, 0)?;
            self.rows[..wrapped].copy_from_slice(&rows[until_end..]);
        }
        self.position = (self.position + rows.len()) % self.capacity();
        self.count = (self.count + rows.len()).min(self.capacity());
        Ok(())
    }

    /// Keys, rows, count and position.
    ///
    /// # Errors
    /// When the device gives nothing back.
    pub fn state(&self) -> Result<State, ObjectiveError> {
        let mut state = State::new();
        state.put("keys", &self.keys)?;
        state.put("rows", &Tensor::from_slice(&self.rows, self.rows.len(), &Device::Cpu)?)?;
        state.put_number("count", self.count as u64);
        state.put_number("position", self.position as u64);
        Ok(state)
    }

    /// Puts back what [`KeyQueue::state`] gave.
    ///
    /// # Errors
    /// A missing entry or a queue of another size.
    pub fn restore(&mut self, state: &State) -> Result<(), ObjectiveError> {
        let keys = state.tensor("keys", self.keys.dims())?;
        self.rows = state.tensor("rows", &[self.capacity()])?.to_vec1()?;
        self.keys = keys.to_dtype(self.keys.dtype())?.to_device(self.keys.device())?.copy()?;
        self.count = state.number("count")? as usize;
        self.position = state.number("position")? as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut KeyQueue, rows: &[u32]) {
        let keys: Vec<f32> = rows.iter().flat_map(|row| [*row as f32, -(*row as f32)]).collect();
        queue.push(&Tensor::from_vec(keys, (rows.len(), 2), &Device::Cpu).unwrap(), rows).unwrap();
    }

    fn first_column(queue: &KeyQueue) -> Vec<f32> {
        queue.keys().unwrap().to_vec2::<f32>().unwrap().iter().map(|key| key[0]).collect()
    }

    #[test]
    fn it_fills_in_batch_order_and_holds_nothing_before() {
        let mut queue = KeyQueue::new(5, 2, DType::F32, &Device::Cpu).unwrap();
        assert!(queue.is_empty());
        push(&mut queue, &[10, 11]);
        assert_eq!((first_column(&queue), queue.rows()), (vec![10.0, 11.0], &[10, 11][..]));
        assert!(!queue.is_full());
    }

    #[test]
    fn it_wraps_over_the_oldest_also_in_the_middle_of_a_batch() {
        let mut queue = KeyQueue::new(5, 2, DType::F32, &Device::Cpu).unwrap();
        push(&mut queue, &[1, 2]);
        push(&mut queue, &[3, 4]);
        push(&mut queue, &[5, 6]);
        assert!(queue.is_full());
        assert_eq!(queue.rows(), [6, 2, 3, 4, 5]);
        assert_eq!(first_column(&queue), [6.0, 2.0, 3.0, 4.0, 5.0]);
        push(&mut queue, &[7]);
        assert_eq!(queue.rows(), [6, 7, 3, 4, 5]);
    }

    #[test]
    fn state_brings_everything_back() {
        let mut queue = KeyQueue::new(5, 2, DType::F32, &Device::Cpu).unwrap();
        push(&mut queue, &[1, 2, 3]);
        push(&mut queue, &[4, 5, 6]);
        let state = queue.state().unwrap();
        push(&mut queue, &[9]);
        let mut other = KeyQueue::new(5, 2, DType::F32, &Device::Cpu).unwrap();
        other.restore(&state).unwrap();
        assert_eq!(other.rows(), [6, 2, 3, 4, 5]);
        assert_eq!(first_column(&other), [6.0, 2.0, 3.0, 4.0, 5.0]);
        push(&mut other, &[7]);
        assert_eq!(other.rows(), [6, 7, 3, 4, 5]);
        assert!(KeyQueue::new(4, 2, DType::F32, &Device::Cpu).unwrap().restore(&state).is_err());
    }
}
