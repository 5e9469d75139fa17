//! The three passes: forwards, to the input, to the weight. Each is asynchronous, on the device's stream.
//!
//! SAFETY of the launches: tensors are contiguous, of the lengths that their descriptors give (`slice` checks), and the
//! memory to work in has the size that cuDNN asks for.
#![allow(unsafe_code)]

use candle_core::{
    CudaDevice, CudaStorage, Layout, Result, bail,
    cuda_backend::cudarc::{
        cudnn::{ConvBackwardData, ConvBackwardFilter, ConvForward},
        driver::{CudaSlice, CudaView},
    },
};

use super::handle::{Descriptors, Handle, key};
use crate::conv::ConvShape;

/// A storage and what part of it is meant.
pub(super) type Argument<'a> = (&'a CudaStorage, &'a Layout);

/// The result replaces what was in memory.
const REPLACE: (f32, f32) = (1.0, 0.0);

/// y from x and the weight.
pub(super) fn forward(shape: ConvShape, x: Argument, weight: Argument) -> Result<CudaStorage> {
    let device = x.0.device.clone();
    let (x, weight) = (slice(x, x_count(&shape))?, slice(weight, weight_count(&shape))?);
    let (handle, key) = (Handle::of(&device)?, key(shape));
    let d = Descriptors::new(&handle.cudnn, &key)?;
    let pass = ConvForward { conv: &d.conv, x: &d.x, w: &d.weight, y: &d.y };
    let known = handle.forward.borrow().get(&key).copied();
    let (algorithm, bytes) = match known {
        Some(plan) => plan,
        None => {
            let algorithm = pass.pick_algorithm()?;
            let plan = (algorithm, pass.get_workspace_size(algorithm)?);
            handle.forward.borrow_mut().insert(key, plan);
            plan
        }
    };
    let mut work = workspace(&device, bytes)?;
    // SAFETY: cuDNN writes every number.
    let mut y = unsafe { device.alloc::<f32>(shape.out_count())? };
    // SAFETY: see above.
    unsafe { pass.launch(algorithm, work.as_mut(), REPLACE, &x, &weight, &mut y)? };
    Ok(CudaStorage::wrap_cuda_slice(y, device))
}

/// The gradient of x from the weight and that of y.
pub(super) fn backward_data(shape: ConvShape, weight: Argument, grad: Argument) -> Result<CudaStorage> {
    let device = grad.0.device.clone();
    let (weight, grad) = (slice(weight, weight_count(&shape))?, slice(grad, shape.out_count())?);
    let (handle, key) = (Handle::of(&device)?, key(shape));
    let d = Descriptors::new(&handle.cudnn, &key)?;
    let pass = ConvBackwardData { conv: &d.conv, dx: &d.x, w: &d.weight, dy: &d.y };
    let known = handle.backward_data.borrow().get(&key).copied();
    let (algorithm, bytes) = match known {
        Some(plan) => plan,
        None => {
            let algorithm = pass.pick_algorithm()?;
            let plan = (algorithm, pass.get_workspace_size(algorithm)?);
            handle.backward_data.borrow_mut().insert(key, plan);
            plan
        }
    };
    let mut work = workspace(&device, bytes)?;
    // SAFETY: cuDNN writes every number, also those that no output reads.
    let mut grad_x = unsafe { device.alloc::<f32>(x_count(&shape))? };
    // SAFETY: see above.
    unsafe { pass.launch(algorithm, work.as_mut(), REPLACE, &mut grad_x, &weight, &grad)? };
    Ok(CudaStorage::wrap_cuda_slice(grad_x, device))
}

/// The gradient of the weight from x and that of y.
pub(super) fn backward_filter(shape: ConvShape, x: Argument, grad: Argument) -> Result<CudaStorage> {
    let device = x.0.device.clone();
    let (x, grad) = (slice(x, x_count(&shape))?, slice(grad, shape.out_count())?);
    let (handle, key) = (Handle::of(&device)?, key(shape));
    let d = Descriptors::new(&handle.cudnn, &key)?;
    let pass = ConvBackwardFilter { conv: &d.conv, x: &d.x, dw: &d.weight, dy: &d.y };
    let known = handle.backward_filter.borrow().get(&key).copied();
    let (algorithm, bytes) = match known {
        Some(plan) => plan,
        None => {
            let algorithm = pass.pick_algorithm()?;
            let plan = (algorithm, pass.get_workspace_size(algorithm)?);
            handle.backward_filter.borrow_mut().insert(key, plan);
            plan
        }
    };
    let mut work = workspace(&device, bytes)?;
    // SAFETY: cuDNN writes every number.
    let mut grad_weight = unsafe { device.alloc::<f32>(weight_count(&shape))? };
    // SAFETY: see above.
    unsafe { pass.launch(algorithm, work.as_mut(), REPLACE, &x, &mut grad_weight, &grad)? };
    Ok(CudaStorage::wrap_cuda_slice(grad_weight, device))
}

fn x_count(shape: &ConvShape) -> usize {
    shape.batch * shape.inputs * shape.height * shape.width
}

fn weight_count(shape: &ConvShape) -> usize {
    shape.outputs * shape.inputs * shape.kernel.0 * shape.kernel.1
}

/// The numbers of a contiguous argument, which must be `count`.
fn slice<'a>((storage, layout): Argument<'a>, count: usize) -> Result<CudaView<'a, f32>> {
    match layout.contiguous_offsets() {
        Some((start, end)) if end - start == count => Ok(storage.as_cuda_slice::<f32>()?.slice(start..end)),
        _ => bail!("conv2d: expected a contiguous tensor of {count} numbers, found {layout:?}"),
    }
}

fn workspace(device: &CudaDevice, bytes: usize) -> Result<Option<CudaSlice<u8>>> {
    // SAFETY: cuDNN reads nothing there that it has not written.
    (bytes > 0).then(|| unsafe { device.alloc::<u8>(bytes) }).transpose()
}
