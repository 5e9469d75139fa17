//! The three passes: forwards, to the input, to the weight. Each is asynchronous, on the device's stream.
//!
//! SAFETY of the launches: tensors are contiguous, of the lengths that their descriptors give (`slice` checks), and the
//! memory to work in has the size that cuDNN asks for.
#![allow(unsafe_code)]

use candle_core::{
    CudaDevice, CudaStorage, Layout, Result, WithDType, bail,
    cuda_backend::{
        CudaDType,
        cudarc::{
            cudnn::{ConvBackwardData, ConvBackwardFilter, ConvForward, CudnnDataType},
            driver::{CudaSlice, CudaView, DeviceRepr},
        },
    },
};

use super::handle::{Descriptors, Handle, key};
use crate::conv::ConvShape;

/// Numbers that both candle and cuDNN have.
pub(super) trait Number: CudaDType + WithDType + CudnnDataType + DeviceRepr {}

impl Number for f32 {}
impl Number for half::bf16 {}

/// A storage and what part of it is meant.
pub(super) type Argument<'a> = (&'a CudaStorage, &'a Layout);

/// The result replaces what was in memory.
fn replace<T: Number>() -> (T, T) {
    (T::from_f64(1.0), T::from_f64(0.0))
}

/// y from x and the weight.
pub(super) fn forward<T: Number>(shape: ConvShape, x: Argument, weight: Argument) -> Result<CudaStorage> {
    let device = x.0.device.clone();
    let (x, weight) = (slice::<T>(x, x_count(&shape))?, slice::<T>(weight, weight_count(&shape))?);
    let (handle, key) = (Handle::of(&device)?, key::<T>(shape));
    let d = Descriptors::<T>::new(&handle.cudnn, &key)?;
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
    let mut y = unsafe { device.alloc::<T>(shape.out_count())? };
    // SAFETY: see above.
    unsafe { pass.launch(algorithm, work.as_mut(), replace::<T>(), &x, &weight, &mut y)? };
    Ok(CudaStorage::wrap_cuda_slice(y, device))
}

/// The gradient of x from the weight and that of y.
pub(super) fn backward_data<T: Number>(
    shape: ConvShape,
    weight: Argument,
    grad: Argument,
) -> Result<CudaStorage> {
    let device = grad.0.device.clone();
    let (weight, grad) = (slice::<T>(weight, weight_count(&shape))?, slice::<T>(grad, shape.out_count())?);
    let (handle, key) = (Handle::of(&device)?, key::<T>(shape));
    let d = Descriptors::<T>::new(&handle.cudnn, &key)?;
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
    let mut grad_x = unsafe { device.alloc::<T>(x_count(&shape))? };
    // SAFETY: see above.
    unsafe { pass.launch(algorithm, work.as_mut(), replace::<T>(), &mut grad_x, &weight, &grad)? };
    Ok(CudaStorage::wrap_cuda_slice(grad_x, device))
}

/// The gradient of the weight from x and that of y.
pub(super) fn backward_filter<T: Number>(
    shape: ConvShape,
    x: Argument,
    grad: Argument,
) -> Result<CudaStorage> {
    let device = x.0.device.clone();
    let (x, grad) = (slice::<T>(x, x_count(&shape))?, slice::<T>(grad, shape.out_count())?);
    let (handle, key) = (Handle::of(&device)?, key::<T>(shape));
    let d = Descriptors::<T>::new(&handle.cudnn, &key)?;
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
    let mut grad_weight = unsafe { device.alloc::<T>(weight_count(&shape))? };
    // SAFETY: see above.
    unsafe { pass.launch(algorithm, work.as_mut(), replace::<T>(), &x, &mut grad_weight, &grad)? };
    Ok(CudaStorage::wrap_cuda_slice(grad_weight, device))
}

fn x_count(shape: &ConvShape) -> usize {
    shape.batch * shape.inputs * shape.height * shape.width
}

fn weight_count(shape: &ConvShape) -> usize {
    shape.outputs * shape.inputs * shape.kernel.0 * shape.kernel.1
}

/// The numbers of a contiguous argument, which must be `count`.
fn slice<'a, T: Number>((storage, layout): Argument<'a>, count: usize) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) if end - start == count => Ok(storage.as_cuda_slice::<T>()?.slice(start..end)),
        _ => bail!("conv2d: expected a contiguous tensor of {count} numbers, found {layout:?}"),
    }
}

fn workspace(device: &CudaDevice, bytes: usize) -> Result<Option<CudaSlice<u8>>> {
    // SAFETY: cuDNN reads nothing there that it has not written.
    (bytes > 0).then(|| unsafe { device.alloc::<u8>(bytes) }).transpose()
}
