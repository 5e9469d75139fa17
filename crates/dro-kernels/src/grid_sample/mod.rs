//! Sampling of images at pixel coordinates that are not integers.

mod cpu;
mod reference;
#[cfg(test)]
mod tests;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType, bail};

use cpu::Dims;
pub use reference::grid_sample_reference;

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
/// depend on the number of threads; on other devices it is [`grid_sample_reference`].
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
    if image.device().is_cpu() {
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

/// The samples; arguments are the image and the coordinates.
struct GridSample(Dims);

impl CustomOp2 for GridSample {
    fn name(&self) -> &'static str {
        "grid-sample"
    }

    fn cpu_fwd(
        &self,
        image: &CpuStorage,
        image_layout: &Layout,
        coords: &CpuStorage,
        coords_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: WithDType>(
            d: Dims,
            image: (&CpuStorage, &Layout),
            coords: (&CpuStorage, &Layout),
        ) -> Result<CpuStorage> {
            Ok(T::to_cpu_storage_owned(cpu::forward(d, values::<T>(image)?, values::<T>(coords)?)))
        }
        let (d, image, coords) = (self.0, (image, image_layout), (coords, coords_layout));
        let out = match image.0 {
            CpuStorage::F64(_) => run::<f64>(d, image, coords)?,
            _ => run::<f32>(d, image, coords)?,
        };
        Ok((out, Shape::from((d.batch, d.channels, d.out_height, d.out_width))))
    }

    fn bwd(
        &self,
        image: &Tensor,
        coords: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let grad_image = match image.track_op() {
            true => Some(coords.apply_op2_no_bwd(&grad, &GradImage(self.0))?),
            false => None,
        };
        let grad_coords = match coords.track_op() {
            true => Some(image.apply_op3_no_bwd(coords, &grad, &GradCoords(self.0))?),
            false => None,
        };
        Ok((grad_image, grad_coords))
    }
}

/// The gradient for the image; arguments are the coordinates and the gradient of the samples.
struct GradImage(Dims);

impl CustomOp2 for GradImage {
    fn name(&self) -> &'static str {
        "grid-sample-grad-image"
    }

    fn cpu_fwd(
        &self,
        coords: &CpuStorage,
        coords_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: WithDType>(
            d: Dims,
            coords: (&CpuStorage, &Layout),
            grad: (&CpuStorage, &Layout),
        ) -> Result<CpuStorage> {
            Ok(T::to_cpu_storage_owned(cpu::grad_image(d, values::<T>(coords)?, values::<T>(grad)?)))
        }
        let (d, coords, grad) = (self.0, (coords, coords_layout), (grad, grad_layout));
        let out = match grad.0 {
            CpuStorage::F64(_) => run::<f64>(d, coords, grad)?,
            _ => run::<f32>(d, coords, grad)?,
        };
        Ok((out, Shape::from((d.batch, d.channels, d.height, d.width))))
    }
}

/// The gradient for the coordinates; arguments are the image, the coordinates and the gradient of the samples.
struct GradCoords(Dims);

impl CustomOp3 for GradCoords {
    fn name(&self) -> &'static str {
        "grid-sample-grad-coords"
    }

    fn cpu_fwd(
        &self,
        image: &CpuStorage,
        image_layout: &Layout,
        coords: &CpuStorage,
        coords_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        type Argument<'a> = (&'a CpuStorage, &'a Layout);
        fn run<T: WithDType>(
            d: Dims,
            image: Argument,
            coords: Argument,
            grad: Argument,
        ) -> Result<CpuStorage> {
            let (image, coords, grad) = (values::<T>(image)?, values::<T>(coords)?, values::<T>(grad)?);
            Ok(T::to_cpu_storage_owned(cpu::grad_coords(d, image, coords, grad)))
        }
        let (d, image, coords, grad) =
            (self.0, (image, image_layout), (coords, coords_layout), (grad, grad_layout));
        let out = match image.0 {
            CpuStorage::F64(_) => run::<f64>(d, image, coords, grad)?,
            _ => run::<f32>(d, image, coords, grad)?,
        };
        Ok((out, Shape::from((d.batch, d.out_height, d.out_width, 2))))
    }
}

/// The numbers of a contiguous argument.
fn values<'a, T: WithDType>((storage, layout): (&'a CpuStorage, &'a Layout)) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("grid_sample: expected a contiguous tensor, found {layout:?}"),
    }
}
