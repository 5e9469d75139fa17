//! Grid sampling as operations of candle.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, WithDType, bail};

use super::cpu::{self, Dims};
#[cfg(any(test, feature = "cuda"))]
use super::kernel;

/// The samples; arguments are the image and the coordinates.
pub(super) struct GridSample(pub(super) Dims);

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
        #[cfg(test)]
        if crate::emulator::is_on() {
            return kernel::forward(&self.0).on_cpu(&[(image, image_layout), (coords, coords_layout)]);
        }
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

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        image: &CudaStorage,
        image_layout: &Layout,
        coords: &CudaStorage,
        coords_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        kernel::forward(&self.0).on_cuda(&[(image, image_layout), (coords, coords_layout)])
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
        #[cfg(test)]
        if crate::emulator::is_on() {
            return kernel::grad_image(&self.0).on_cpu(&[(coords, coords_layout), (grad, grad_layout)]);
        }
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

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        coords: &CudaStorage,
        coords_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        kernel::grad_image(&self.0).on_cuda(&[(coords, coords_layout), (grad, grad_layout)])
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
        #[cfg(test)]
        if crate::emulator::is_on() {
            return kernel::grad_coords(&self.0).on_cpu(&[
                (image, image_layout),
                (coords, coords_layout),
                (grad, grad_layout),
            ]);
        }
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

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        image: &CudaStorage,
        image_layout: &Layout,
        coords: &CudaStorage,
        coords_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        kernel::grad_coords(&self.0).on_cuda(&[
            (image, image_layout),
            (coords, coords_layout),
            (grad, grad_layout),
        ])
    }
}

/// The numbers of a contiguous argument.
fn values<'a, T: WithDType>((storage, layout): (&'a CpuStorage, &'a Layout)) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("grid_sample: expected a contiguous tensor, found {layout:?}"),
    }
}
