//! A launch on a device: asynchronous, on the device's stream, with nothing copied from or to the host.

use candle_core::{
    CudaStorage, Layout, Result, Shape, bail,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{CudaView, LaunchConfig, PushKernelArg},
    },
};

use super::ptx;
use crate::launch::{BLOCK, Launch};

/// Starts `launch`; all inputs are contiguous f32 on one device, at least one.
// The kernels' parameters are raw pointers: what makes them safe is that `Launch` gives every tensor's length, which the
// emulated kernels are checked against byte by byte.
#[allow(unsafe_code)]
pub(crate) fn run(launch: &Launch, inputs: &[(&CudaStorage, &Layout)]) -> Result<(CudaStorage, Shape)> {
    let Some((first, _)) = inputs.first() else {
        bail!("{}: expected an input, found none", launch.function)
    };
    let Some(ptx) = ptx::of(launch.module) else {
        bail!("{}: expected a kernel module, found {:?}", launch.function, launch.module)
    };
    let device = first.device.clone();
    let inputs = inputs.iter().map(|input| view(launch, input)).collect::<Result<Vec<_>>>()?;
    let lengths: Vec<usize> = inputs.iter().map(|input| input.len()).collect();
    let ints = launch.whole_numbers(&lengths)?;

    let mut out = if launch.zeroed {
        device.alloc_zeros::<f32>(launch.out_count())?
    } else {
        // SAFETY: the kernel writes every number, which the tests check on memory filled with NaN.
        unsafe { device.alloc::<f32>(launch.out_count())? }
    };
    let function = device.get_or_load_custom_func(launch.function, launch.module, ptx)?;
    let mut builder = function.builder();
    for input in &inputs {
        builder.arg(input);
    }
    builder.arg(&mut out);
    for int in &ints {
        builder.arg(int);
    }
    for float in &launch.floats {
        builder.arg(float);
    }
    let config = LaunchConfig {
        grid_dim: (launch.threads.div_ceil(BLOCK) as u32, 1, 1),
        block_dim: (BLOCK as u32, 1, 1),
        shared_mem_bytes: 0,
    };
    // SAFETY: the parameters are those of the kernel, in number, order and type (the tests of `emulator` check all three),
    // and every thread stays inside the tensors.
    unsafe { builder.launch(config) }.w()?;
    Ok((CudaStorage::wrap_cuda_slice(out, device), Shape::from(launch.shape.as_slice())))
}

/// The numbers of a contiguous input.
fn view<'a>(launch: &Launch, &(storage, layout): &(&'a CudaStorage, &Layout)) -> Result<CudaView<'a, f32>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(storage.as_cuda_slice::<f32>()?.slice(start..end)),
        None => bail!("{}: expected a contiguous tensor, found {layout:?}", launch.function),
    }
}
