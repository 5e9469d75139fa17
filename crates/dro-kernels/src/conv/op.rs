//! Convolution as an operation of candle, with gradients.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, WithDType, bail,
};

use super::backward;
use super::engine::Convolution;
use super::epilogue::Epilogue;
use super::shapes::ConvShape;
use super::shared::{SharedWeights, Slot};
use super::weights::{Packed, Weights};
use super::{Activation, MapView, Scratch};
use crate::simd::Arch;

/// The convolution of f32 on the CPU; all arguments contiguous.
pub(super) fn apply(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    shape: ConvShape,
    arch: Arch,
    shared: Option<&SharedWeights>,
) -> Result<Tensor> {
    let op = Conv { shape, arch, shared: shared.cloned() };
    match bias {
        Some(bias) => x.apply_op3(weight, bias, op),
        None => x.apply_op2(weight, op),
    }
}

/// A storage and what part of it is meant.
type Argument<'a> = (&'a CpuStorage, &'a Layout);

/// The numbers of a contiguous argument.
fn values<'a>((storage, layout): Argument<'a>) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&f32::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("conv2d: expected a contiguous tensor, found {layout:?}"),
    }
}

#[derive(Debug, Clone)]
struct Conv {
    shape: ConvShape,
    arch: Arch,
    shared: Option<SharedWeights>,
}

impl Conv {
    fn forward(&self, x: Argument, weight: Argument, bias: Option<Argument>) -> Result<(CpuStorage, Shape)> {
        let shape = self.shape;
        let (x, weight) = (values(x)?, values(weight)?);
        let epilogue =
            Epilogue { bias: bias.map(values).transpose()?, add: None, activation: Activation::None };
        let weights = Weights {
            values: weight,
            outputs: shape.outputs,
            inputs: shape.inputs,
            taps: shape.kernel.0 * shape.kernel.1,
            adjoint: false,
        };
        let slot = self.shared.as_ref().map(SharedWeights::forward);
        let out = convolve(self.arch, shape, &weights, x, epilogue, slot)?;
        let dims = (shape.batch, shape.outputs, shape.out_height, shape.out_width);
        Ok((CpuStorage::F32(out), Shape::from(dims)))
    }

    /// Gradients for `x` and `weight`, where they are wanted.
    fn backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad_x = x.track_op().then(|| weight.apply_op2_no_bwd(grad, &GradX(self.clone()))).transpose()?;
        let grad_weight =
            weight.track_op().then(|| x.apply_op2_no_bwd(grad, &GradWeight(self.clone()))).transpose()?;
        Ok((grad_x, grad_weight))
    }
}

/// A convolution in memory of its own, with weights from `slot` if there is one.
pub(super) fn convolve(
    arch: Arch,
    shape: ConvShape,
    weights: &Weights,
    x: &[f32],
    epilogue: Epilogue,
    slot: Option<&Slot>,
) -> Result<Vec<f32>> {
    let maps = [MapView::new(x, [shape.batch, shape.inputs, shape.height, shape.width])?];
    let mut out = vec![0f32; shape.out_count()];
    let algorithm = shape.algorithm();
    if let Some(slot) = slot {
        let packed = slot.get(arch, weights, algorithm);
        Scratch::with_thread_local(|scratch| {
            Convolution { arch, shape, weights: &packed, maps: &maps, epilogue }.run(&mut out, scratch);
        });
        return Ok(out);
    }
    Scratch::with_thread_local(|scratch| {
        let mut packed = std::mem::replace(&mut scratch.weights, Packed::empty());
        packed.pack(arch, weights, algorithm);
        Convolution { arch, shape, weights: &packed, maps: &maps, epilogue }.run(&mut out, scratch);
        scratch.weights = packed;
    });
    Ok(out)
}

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward((x, x_layout), (weight, weight_layout), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.backward(x, weight, &grad.contiguous()?)
    }
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv2d-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward((x, x_layout), (weight, weight_layout), Some((bias, bias_layout)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (grad_x, grad_weight) = self.backward(x, weight, &grad)?;
        let grad_bias = bias.track_op().then(|| grad.apply_op1_no_bwd(&GradBias(self.shape))).transpose()?;
        Ok((grad_x, grad_weight, grad_bias))
    }
}

/// The gradient for the input; arguments are the weight and the gradient of the result.
struct GradX(Conv);

impl CustomOp2 for GradX {
    fn name(&self) -> &'static str {
        "conv2d-grad-x"
    }

    fn cpu_fwd(
        &self,
        weight: &CpuStorage,
        weight_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Conv { shape, arch, shared } = &self.0;
        let (weight, grad) = (values((weight, weight_layout))?, values((grad, grad_layout))?);
        let slot = shared.as_ref().map(SharedWeights::adjoint);
        let out = backward::grad_x(*arch, shape, weight, grad, slot)?;
        let dims = (shape.batch, shape.inputs, shape.height, shape.width);
        Ok((CpuStorage::F32(out), Shape::from(dims)))
    }
}

/// The gradient for the weight; arguments are the input and the gradient of the result.
struct GradWeight(Conv);

impl CustomOp2 for GradWeight {
    fn name(&self) -> &'static str {
        "conv2d-grad-weight"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Conv { shape, arch, .. } = &self.0;
        let (x, grad) = (values((x, x_layout))?, values((grad, grad_layout))?);
        let out = backward::grad_weight(*arch, shape, x, grad);
        let dims = (shape.outputs, shape.inputs, shape.kernel.0, shape.kernel.1);
        Ok((CpuStorage::F32(out), Shape::from(dims)))
    }
}

/// The gradient for the bias; the argument is the gradient of the result.
struct GradBias(ConvShape);

impl CustomOp1 for GradBias {
    fn name(&self) -> &'static str {
        "conv2d-grad-bias"
    }

    fn cpu_fwd(&self, grad: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = backward::grad_bias(&self.0, values((grad, layout))?);
        Ok((CpuStorage::F32(out), Shape::from(self.0.outputs)))
    }
}
