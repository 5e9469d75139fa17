//! What a CUDA kernel is started with, apart from the device: also what the tests run on a CPU.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};

use crate::select::fast;

/// One run of a kernel of `src/cuda/kernels`: threads that each do one piece of work, and write one f32 tensor.
///
/// The kernel's parameters are the inputs, the result, `threads`, `ints` and `floats`, in this order.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The source file, without its extension.
    pub module: &'static str,
    /// The kernel's name.
    pub function: &'static str,
    /// Pieces of work.
    pub threads: usize,
    /// The result's shape.
    pub shape: Vec<usize>,
    /// Whether the result is zeroed before: where threads add to it.
    pub zeroed: bool,
    /// Whole numbers after `threads`.
    pub ints: Vec<usize>,
    /// Fractional numbers.
    pub floats: Vec<f32>,
}

/// Threads of a block: a multiple of 32 that leaves every card room to choose.
pub(crate) const BLOCK: usize = 256;

impl Launch {
    /// Numbers in the result.
    pub fn out_count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The kernel's whole numbers, as it takes them.
    ///
    /// # Errors
    /// Where a number or the length of a tensor does not fit the kernel's 31 bits.
    pub fn whole_numbers(&self, inputs: &[usize]) -> Result<Vec<i32>> {
        // Also the number of the last thread of the last block must fit.
        let largest = i32::MAX as usize - BLOCK;
        for &count in inputs.iter().chain([&self.out_count(), &self.threads]).chain(&self.ints) {
            if count > largest {
                bail!(
                    "{}: {}: expected tensors of at most {largest} numbers, found {count}: use smaller images or batches",
                    self.module,
                    self.function
                )
            }
        }
        Ok([self.threads].iter().chain(&self.ints).map(|&value| value as i32).collect())
    }

    /// The result as a tensor without a gradient; `inputs` are contiguous, at least one.
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        match inputs {
            [first, rest @ ..] => first.apply_op1_no_bwd(&WithoutGradient { launch: self, rest }),
            [] => bail!("{}: expected an input, found none", self.function),
        }
    }

    /// What a custom operation's `cpu_fwd` gives: the emulated kernel in tests.
    #[cfg(test)]
    pub fn on_cpu(&self, inputs: &[(&CpuStorage, &Layout)]) -> Result<(CpuStorage, Shape)> {
        let inputs = inputs.iter().map(|input| values(self, input)).collect::<Result<Vec<_>>>()?;
        Ok((CpuStorage::F32(crate::emulator::run(self, &inputs)?), Shape::from(self.shape.as_slice())))
    }

    /// What a custom operation's `cpu_fwd` gives. Never reached: [`kernels_run`] sends tensors on the CPU elsewhere.
    #[cfg(not(test))]
    pub fn on_cpu(&self, _inputs: &[(&CpuStorage, &Layout)]) -> Result<(CpuStorage, Shape)> {
        bail!("{}: expected a tensor on a CUDA device, found one on the CPU", self.function)
    }

    /// What a custom operation's `cuda_fwd` gives; the inputs are contiguous.
    #[cfg(feature = "cuda")]
    pub fn on_cuda(&self, inputs: &[(&CudaStorage, &Layout)]) -> Result<(CudaStorage, Shape)> {
        crate::cuda::run(self, inputs)
    }
}

/// The numbers of a contiguous input.
#[cfg(test)]
fn values<'a>(launch: &Launch, &(storage, layout): &(&'a CpuStorage, &Layout)) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("{}: expected a contiguous tensor, found {layout:?}", launch.function),
    }
}

/// Whether CUDA kernels take these tensors: f32, on a CUDA device, none empty, and kernels are not deselected.
pub(crate) fn kernels_run(tensors: &[&Tensor]) -> bool {
    let taken =
        |tensor: &&Tensor| tensor.dtype() == DType::F32 && tensor.elem_count() > 0 && on_device(tensor);
    fast() && tensors.iter().all(taken)
}

#[cfg(not(test))]
fn on_device(tensor: &Tensor) -> bool {
    cfg!(feature = "cuda") && tensor.device().is_cuda()
}

#[cfg(test)]
fn on_device(tensor: &Tensor) -> bool {
    cfg!(feature = "cuda") && tensor.device().is_cuda()
        || crate::emulator::is_on() && tensor.device().is_cpu()
}

/// A launch as an operation of the first input; candle's operations take three at most, gradients read up to four.
struct WithoutGradient<'a> {
    launch: &'a Launch,
    rest: &'a [&'a Tensor],
}

impl CustomOp1 for WithoutGradient<'_> {
    fn name(&self) -> &'static str {
        self.launch.function
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let rest: Vec<_> = self.rest.iter().map(|tensor| tensor.storage_and_layout()).collect();
        let mut inputs = vec![(storage, layout)];
        for (storage, layout) in &rest {
            match &**storage {
                candle_core::Storage::Cpu(storage) => inputs.push((storage, layout)),
                _ => bail!("{}: expected all tensors on the CPU", self.launch.function),
            }
        }
        self.launch.on_cpu(&inputs)
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let rest: Vec<_> = self.rest.iter().map(|tensor| tensor.storage_and_layout()).collect();
        let mut inputs = vec![(storage, layout)];
        for (storage, layout) in &rest {
            match &**storage {
                candle_core::Storage::Cuda(storage) => inputs.push((storage, layout)),
                _ => bail!("{}: expected all tensors on one CUDA device", self.launch.function),
            }
        }
        self.launch.on_cuda(&inputs)
    }
}
