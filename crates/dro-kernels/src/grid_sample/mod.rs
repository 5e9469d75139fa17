//! Sampling of images at pixel coordinates that are not integers.

mod cpu;
#[cfg(any(test, feature = "cuda"))]
mod kernel;
mod op;
mod reference;
#[cfg(test)]
mod tests;

use candle_core::{DType, Result, Tensor, bail};

use cpu::Dims;
use op::GridSample;
pub use reference::grid_sample_reference;

use crate::launch::kernels_run;

/// Bilinear samples of `image` at pixel coordinates, zero outside, differentiable in both arguments.
///
/// With `(x, y) = coords[n, i, j]`, `x₀ = ⌊x⌋`, `a = x − x₀`, `y₀ = ⌊y⌋`, `b = y − y₀`:
///
/// `out[n,c,i,j] = (1−b)·((1−a)·I[y₀,x₀] + a·I[y₀,x₀+1]) + b·((1−a)·I[y₀+1,x₀] + a·I[y₀+1,x₀+1])`
///
/// where `I` is `image[n,c]` and 0 outside it, so that samples fade to zero over one pixel at the border.
/// A coordinate that is NaN or infinite gives 0 and no gradient. (Jaderberg et al., *Spatial Transformer
/// Networks*, NeurIPS 2015, eq. 5 to 7.) It is PyTorch's `grid_sample` with `padding_mode="zeros"` and
/// `align_corners=True`, in pixels instead of \[−1, 1\]: pixel centres are at integers, `(0, 0)` is the
/// centre of the top left pixel, and x runs to the right.
///
/// * `image`: `[n, c, h, w]`
/// * `coords`: `[n, ho, wo, 2]`, `(x, y)` in pixels, of the image's type and on its device
/// * result: `[n, c, ho, wo]`
///
/// Both may have any strides. On the CPU this is a parallel kernel for f32 and f64 whose result does not
/// depend on the number of threads. On CUDA it is a kernel for f32, whose gradient for the image is summed in any order
/// and so differs from run to run in the last digits. Elsewhere it is [`grid_sample_reference`].
///
/// # Errors
/// When the shapes do not fit each other, the types differ, or the type is neither f32 nor f64.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let image = Tensor::new(&[[[[0f32, 10.], [20., 30.]]]], &Device::Cpu)?;
/// let coords = Tensor::new(&[[[[0.5f32, 0.5], [1., 0.], [1.75, 1.], [9., 9.]]]], &Device::Cpu)?;
/// let out = dro_kernels::grid_sample(&image, &coords)?;
/// assert_eq!(out.flatten_all()?.to_vec1::<f32>()?, [15., 10., 7.5, 0.]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn grid_sample(image: &Tensor, coords: &Tensor) -> Result<Tensor> {
    let dims = check(image, coords)?;
    if image.device().is_cpu() || kernels_run(&[image, coords]) {
        image.contiguous()?.apply_op2(&coords.contiguous()?, GridSample(dims))
    } else {
        grid_sample_reference(image, coords)
    }
}

/// The sizes of a call, or what is wrong with its arguments.
fn check(image: &Tensor, coords: &Tensor) -> Result<Dims> {
    let &[batch, channels, height, width] = image.dims() else {
        bail!("grid_sample: image: expected shape [n, c, h, w], found {:?}", image.dims())
    };
    let &[coords_batch, out_height, out_width, 2] = coords.dims() else {
        bail!("grid_sample: coords: expected shape [n, ho, wo, 2], found {:?}", coords.dims())
    };
    if coords_batch != batch {
        bail!("grid_sample: coords: expected the image's batch size {batch}, found {coords_batch}")
    }
    if !matches!(image.dtype(), DType::F32 | DType::F64) {
        bail!("grid_sample: image: expected f32 or f64, found {:?}", image.dtype())
    }
    if coords.dtype() != image.dtype() {
        bail!(
            "grid_sample: coords: expected the image's type {:?}, found {:?}",
            image.dtype(),
            coords.dtype()
        )
    }
    if !coords.device().same_device(image.device()) {
        bail!(
            "grid_sample: coords: expected the image's device {:?}, found {:?}",
            image.device(),
            coords.device()
        )
    }
    Ok(Dims { batch, channels, height, width, out_height, out_width })
}
