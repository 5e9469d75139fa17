//! A convolution layer with a padding per axis, "same" size at stride 1.

use candle_core::{Result, Tensor};
use candle_nn::{Init, Module, VarBuilder};
use dro_kernels::{ConvGeometry, conv2d};

/// A convolution with bias; the parameters are named `weight` `[out, in, kh, kw]` and `bias` `[out]`.
#[derive(Debug, Clone)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    geometry: ConvGeometry,
}

impl Conv {
    /// An odd `kernel` (height, width) at stride 1, zero-padded to keep the size.
    pub fn same(inputs: usize, outputs: usize, kernel: (usize, usize), vb: VarBuilder) -> Result<Self> {
        Self::build(inputs, outputs, kernel, 1, true, vb)
    }

    /// A square kernel without bias, padded by `kernel / 2`, as before a batch norm.
    pub fn unbiased(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        Self::build(inputs, outputs, (kernel, kernel), stride, false, vb)
    }

    fn build(
        inputs: usize,
        outputs: usize,
        kernel: (usize, usize),
        stride: usize,
        bias: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let weight = vb.get_with_hints(
            (outputs, inputs, kernel.0, kernel.1),
            "weight",
            candle_nn::init::DEFAULT_KAIMING_NORMAL,
        )?;
        let bias = if bias { Some(vb.get_with_hints(outputs, "bias", Init::Const(0.0))?) } else { None };
        Ok(Self { weight, bias, geometry: ConvGeometry::strided(kernel, stride) })
    }
}

impl Module for Conv {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        conv2d(x, &self.weight, self.bias.as_ref(), self.geometry)
    }
}
