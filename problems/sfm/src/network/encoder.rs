//! The image encoder: ResNet-18 to 1/16, joined with 1/8.

use candle_core::{Result, Tensor};
use candle_nn::{BatchNorm, BatchNormConfig, Module, ModuleT, VarBuilder, batch_norm};
use dro_core::cells::{Conv, batch_normed, max_pool_3x3_s2};

/// ResNet-18 (He et al. 2016, arXiv 1512.03385) cut after its third stage, with a small decoder back to 1/8.
///
/// `[n, inputs, h, w]` → `[n, outputs, h/8, w/8]`; h and w are multiples of 16. No mean or deviation is taken from the
/// images: RGB in [0, 1].
#[derive(Debug, Clone)]
pub struct ImageEncoder {
    pub(super) conv1: Conv,
    pub(super) bn1: BatchNorm,
    pub(super) layer1: [BasicBlock; 2],
    pub(super) layer2: [BasicBlock; 2],
    pub(super) layer3: [BasicBlock; 2],
    pub(super) upconv1: Conv,
    pub(super) upconv1_fusion: Conv,
    pub(super) out_conv: Conv,
}

impl ImageEncoder {
    /// Parameters as in the published checkpoints, with `channels` at 1/4, 1/8 and 1/16 of the image (published: 64, 128,
    /// 256).
    pub fn new(inputs: usize, outputs: usize, channels: [usize; 3], vb: VarBuilder) -> Result<Self> {
        let [quarter, eighth, sixteenth] = channels;
        let layer = |inputs, outputs, stride, name: &str| -> Result<[BasicBlock; 2]> {
            Ok([
                BasicBlock::new(inputs, outputs, stride, vb.pp(name).pp(0))?,
                BasicBlock::new(outputs, outputs, 1, vb.pp(name).pp(1))?,
            ])
        };
        Ok(Self {
            conv1: Conv::unbiased(inputs, quarter, 7, 2, vb.pp("conv1"))?,
            bn1: batch_norm(quarter, BatchNormConfig::default(), vb.pp("bn1"))?,
            layer1: layer(quarter, quarter, 1, "layer1")?,
            layer2: layer(quarter, eighth, 2, "layer2")?,
            layer3: layer(eighth, sixteenth, 2, "layer3")?,
            upconv1: Conv::same(sixteenth, eighth, (3, 3), vb.pp("upconv1").pp(0))?,
            upconv1_fusion: Conv::same(2 * eighth, eighth, (3, 3), vb.pp("upconv1_fusion").pp(0))?,
            out_conv: Conv::same(eighth, outputs, (3, 3), vb.pp("out_conv"))?,
        })
    }
}

impl ModuleT for ImageEncoder {
    /// With `train`, batch norms use and update batch statistics.
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = batch_normed(&self.bn1, &self.conv1.forward(x)?, train, true)?;
        let mut x = max_pool_3x3_s2(&x)?;
        for block in self.layer1.iter().chain(&self.layer2) {
            x = block.forward_t(&x, train)?;
        }
        let skip = x.clone();
        for block in &self.layer3 {
            x = block.forward_t(&x, train)?;
        }
        let (_, _, height, width) = skip.dims4()?;
        let x = dro_vision::resize_bilinear(&x, (height, width)).map_err(candle_core::Error::wrap)?;
        let x = self.upconv1.forward(&x)?.relu()?;
        let x = self.upconv1_fusion.forward(&Tensor::cat(&[&x, &skip], 1)?)?.relu()?;
        self.out_conv.forward(&x)
    }
}

/// Two 3x3 convolutions and a shortcut.
#[derive(Debug, Clone)]
pub(super) struct BasicBlock {
    pub(super) conv1: Conv,
    pub(super) bn1: BatchNorm,
    pub(super) conv2: Conv,
    pub(super) bn2: BatchNorm,
    /// A strided 1x1 convolution where the shape changes.
    pub(super) downsample: Option<(Conv, BatchNorm)>,
}

impl BasicBlock {
    fn new(inputs: usize, outputs: usize, stride: usize, vb: VarBuilder) -> Result<Self> {
        let norm = |vb| batch_norm(outputs, BatchNormConfig::default(), vb);
        let downsample = if stride != 1 || inputs != outputs {
            let vb = vb.pp("downsample");
            Some((Conv::unbiased(inputs, outputs, 1, stride, vb.pp(0))?, norm(vb.pp(1))?))
        } else {
            None
        };
        Ok(Self {
            conv1: Conv::unbiased(inputs, outputs, 3, stride, vb.pp("conv1"))?,
            bn1: norm(vb.pp("bn1"))?,
            conv2: Conv::unbiased(outputs, outputs, 3, 1, vb.pp("conv2"))?,
            bn2: norm(vb.pp("bn2"))?,
            downsample,
        })
    }
}

impl ModuleT for BasicBlock {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = batch_normed(&self.bn1, &self.conv1.forward(x)?, train, true)?;
        let y = batch_normed(&self.bn2, &self.conv2.forward(&y)?, train, false)?;
        let shortcut = match &self.downsample {
            Some((conv, norm)) => batch_normed(norm, &conv.forward(x)?, train, false)?,
            None => x.clone(),
        };
        (y + shortcut)?.relu()
    }
}
