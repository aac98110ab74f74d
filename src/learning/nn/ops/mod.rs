//! The encoder as one candle operation on the CPU: candle sees the windows, the flat weights and the embedding.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, DType, Device, Shape, Storage, Tensor};

use super::Mode;
use super::encoder::EncoderTable;
use super::error::NnError;
use super::kernels::{NormSource, Plan, Real, Taken, Tape, backward, forward};
use super::weights::{BatchStatistics, Weights};

/// Embeds on a CPU; see [`super::Encoder::embed`].
pub(super) fn embed(
    table: &EncoderTable,
    windows: &Tensor,
    weights: &Weights,
    mode: Mode,
) -> Result<(Tensor, BatchStatistics), NnError> {
    match windows.dtype() {
        DType::F64 => run::<f64>(table, windows, weights, mode),
        _ => run::<f32>(table, windows, weights, mode),
    }
}

/// The numbers candle stores that kernels compute with.
trait Number: Real + candle_core::WithDType {
    fn slice(storage: &CpuStorage) -> Option<&[Self]>;
    fn store(values: Vec<Self>) -> CpuStorage;
}

impl Number for f32 {
    fn slice(storage: &CpuStorage) -> Option<&[Self]> {
        if let CpuStorage::F32(values) = storage { Some(values) } else { None }
    }

    fn store(values: Vec<Self>) -> CpuStorage {
        CpuStorage::F32(values)
    }
}

impl Number for f64 {
    fn slice(storage: &CpuStorage) -> Option<&[Self]> {
        if let CpuStorage::F64(values) = storage { Some(values) } else { None }
    }

    fn store(values: Vec<Self>) -> CpuStorage {
        CpuStorage::F64(values)
    }
}

/// Lends the numbers of a tensor, copied only when they do not lie one behind the other.
fn with_slice<T: Number, R>(tensor: &Tensor, read: impl FnOnce(&[T]) -> R) -> candle_core::Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("the tensor is not on the CPU") };
    let Some(values) = T::slice(storage) else {
        candle_core::bail!("windows and weights have different types: {:?} and {:?}", T::DTYPE, tensor.dtype())
    };
    Ok(read(&values[layout.start_offset()..layout.start_offset() + layout.shape().elem_count()]))
}

fn run<T: Number>(
    table: &EncoderTable,
    windows: &Tensor,
    weights: &Weights,
    mode: Mode,
) -> Result<(Tensor, BatchStatistics), NnError> {
    let plan = Plan::new(table);
    let n = windows.dim(0)?;
    let keep = windows.track_op() || weights.flat().track_op();
    let running = weights.running();
    let taken = with_slice::<T, _>(windows, |windows| {
        with_slice::<T, _>(weights.flat(), |flat| match mode {
            Mode::Train { norm_groups } => {
                Ok(forward(&plan, flat, windows, NormSource::Batch { groups: norm_groups }, keep))
            }
            Mode::Eval => with_slice::<T, _>(&running.mean, |mean| {
                with_slice::<T, _>(&running.var, |var| {
                    forward(&plan, flat, windows, NormSource::Running { mean, var }, keep)
                })
            })?,
        })?
    })??;
    let Taken { embedding, statistics, tape } = taken;
    let statistics = match statistics {
        Some((mean, var)) => {
            let len = mean.len();
            BatchStatistics::new(Tensor::from_vec(mean, len, &Device::Cpu)?, Tensor::from_vec(var, len, &Device::Cpu)?)
        }
        None => BatchStatistics::default(),
    };
    let shape = (n, plan.dim());
    let embedding = match tape {
        None => Tensor::from_vec(embedding, shape, &Device::Cpu)?,
        Some(tape) => {
            let result = Mutex::new(Some(embedding));
            let op: Arc<Box<dyn CustomOp2 + Send + Sync>> =
                Arc::new(Box::new(EncoderOp { plan, tape, result, shape: shape.into() }));
            windows.apply_op2_arc(weights.flat(), op)?
        }
    };
    Ok((embedding, statistics))
}

/// A forward pass that has run, in candle's graph.
struct EncoderOp<T> {
    plan: Plan,
    tape: Tape<T>,
    /// The embedding, handed over when candle asks for it.
    result: Mutex<Option<Vec<T>>>,
    shape: Shape,
}

impl<T: Number> CustomOp2 for EncoderOp<T> {
    fn name(&self) -> &'static str {
        "encoder"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &candle_core::Layout,
        _: &CpuStorage,
        _: &candle_core::Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let result = self.result.lock().expect("no thread panics while it holds the lock").take();
        let Some(result) = result else { candle_core::bail!("the encoder's forward pass is handed over once") };
        Ok((T::store(result), self.shape.clone()))
    }

    fn bwd(
        &self,
        windows: &Tensor,
        flat: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let of_windows = windows.track_op();
        let gradients = with_slice::<T, _>(windows, |windows| {
            with_slice::<T, _>(flat, |flat| {
                with_slice::<T, _>(gradient, |gradient| {
                    backward(&self.plan, flat, windows, &self.tape, gradient, of_windows)
                })
            })
        })???;
        let of_windows = match gradients.windows {
            Some(values) => Some(Tensor::from_vec(values, windows.shape(), &Device::Cpu)?),
            None => None,
        };
        let len = gradients.flat.len();
        Ok((of_windows, Some(Tensor::from_vec(gradients.flat, len, &Device::Cpu)?)))
    }
}

#[cfg(test)]
mod tests;
