//! Copies from the host inside a loop.

use candle_core::Device;

/// While the result lives, small copies to a CUDA `device` by this thread are kept by their content, so that a second one
/// takes nothing from the host.
///
/// candle copies shapes and strides to the device for each reduction and each broadcast. From ordinary memory the driver may
/// wait for all work before it does. A loop that repeats the same operations needs each copy once. What is kept stays until
/// the thread ends, so this is not for code that uploads ever new numbers. On other devices it does nothing.
#[must_use = "copies are kept only while this lives"]
#[cfg(feature = "cuda")]
pub fn kept_uploads(device: &Device) -> impl Sized + use<> {
    match device {
        // Made for the recording of CUDA graphs, which forbid such copies; right without a recording too.
        Device::Cuda(device) => Some(device.enable_cuda_graph_htod_cache()),
        _ => None,
    }
}

/// On a build without CUDA there is nothing to keep.
#[must_use = "copies are kept only while this lives"]
#[cfg(not(feature = "cuda"))]
pub fn kept_uploads(_device: &Device) -> impl Sized + use<> {
    None::<()>
}
