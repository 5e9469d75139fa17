//! Small heads that read variables off a feature map.

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};
use dro_core::cells::Conv;

/// One number per pixel: 3x3, ReLU, 3x3 → 1. The caller applies sigmoid (start value) or tanh (increment).
#[derive(Debug, Clone)]
pub struct DepthHead {
    pub(super) conv1: Conv,
    pub(super) conv2: Conv,
}

impl DepthHead {
    /// Reads `channels`, with as many hidden ones.
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            conv1: Conv::same(channels, channels, (3, 3), vb.pp("conv1"))?,
            conv2: Conv::same(channels, 1, (3, 3), vb.pp("conv2"))?,
        })
    }

    /// The same with gradients, see [`Conv::shared`].
    pub(super) fn shared(&self) -> Self {
        Self { conv1: self.conv1.shared(), conv2: self.conv2.shared() }
    }
}

impl Module for DepthHead {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.conv2.forward(&self.conv1.forward(x)?.relu()?)
    }
}

/// One 6-vector per map: 3x3, ReLU, 3x3 → 6, mean over space; the rotation part times a small number.
#[derive(Debug, Clone)]
pub struct PoseHead {
    pub(super) conv1: Conv,
    pub(super) conv2: Conv,
    /// What the six numbers are multiplied by, on the device, of the weights' type.
    scale: Tensor,
}

impl PoseHead {
    /// Reads `inputs` channels through `hidden` ones; Euler angles are times `rotation_scale`, as rotations move the
    /// picture much more than translations.
    pub fn new(inputs: usize, hidden: usize, rotation_scale: f64, vb: VarBuilder) -> Result<Self> {
        let rotation = rotation_scale as f32;
        let scale = [1.0, 1.0, 1.0, rotation, rotation, rotation];
        Ok(Self {
            conv1: Conv::same(inputs, hidden, (3, 3), vb.pp("conv1_pose"))?,
            conv2: Conv::same(hidden, 6, (3, 3), vb.pp("conv2_pose"))?,
            scale: Tensor::new(&scale, vb.device())?.to_dtype(vb.dtype())?,
        })
    }

    /// The same with gradients, see [`Conv::shared`].
    pub(super) fn shared(&self) -> Self {
        Self { conv1: self.conv1.shared(), conv2: self.conv2.shared(), scale: self.scale.clone() }
    }

    /// Six numbers each, `[n, 6]`, as poses.
    pub(super) fn scaled(&self, numbers: &Tensor) -> Result<Tensor> {
        numbers.broadcast_mul(&self.scale)
    }

    /// What the six numbers are multiplied by.
    pub(super) fn scale(&self) -> Result<Vec<f32>> {
        self.scale.to_dtype(candle_core::DType::F32)?.to_vec1()
    }
}

impl Module for PoseHead {
    /// `[n, inputs, h, w]` → `[n, 6]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.scaled(&self.conv2.forward(&self.conv1.forward(x)?.relu()?)?.mean((2, 3))?)
    }
}

/// Logits of the convex upsampling: 3x3 → 2·channels, ReLU, 1x1 → 9·8·8, times 0.25 to balance gradients.
#[derive(Debug, Clone)]
pub struct MaskHead {
    pub(super) hidden: Conv,
    pub(super) out: Conv,
}

impl MaskHead {
    /// What the logits are multiplied by.
    pub(super) const SCALE: f64 = 0.25;

    /// Reads `channels`.
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            hidden: Conv::same(channels, 2 * channels, (3, 3), vb.pp(0))?,
            out: Conv::same(2 * channels, 9 * super::STRIDE * super::STRIDE, (1, 1), vb.pp(2))?,
        })
    }
}

impl Module for MaskHead {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.out.forward(&self.hidden.forward(x)?.relu()?)? * Self::SCALE
    }
}
