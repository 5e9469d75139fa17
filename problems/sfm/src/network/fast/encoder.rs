//! The image encoder.

use candle_core::{Device, Result, Tensor};
use dro_core::cells::{Activation, PreparedConv, Scratch};

use super::{
    super::encoder::{BasicBlock, ImageEncoder},
    resample,
    work::{Buffer, Work, apply, run},
};

/// [`ImageEncoder`] in evaluation mode: batch norms are folded, activations and shortcuts fused.
///
/// One image at a time, so that memory does not grow with the number of views.
#[derive(Debug)]
pub(super) struct FastEncoder {
    stem: PreparedConv,
    /// Up to 1/8 of the image.
    fine: Vec<FastBlock>,
    /// From there to 1/16.
    coarse: Vec<FastBlock>,
    up: PreparedConv,
    fusion: PreparedConv,
    out: PreparedConv,
}

#[derive(Debug)]
struct FastBlock {
    conv1: PreparedConv,
    conv2: PreparedConv,
    downsample: Option<PreparedConv>,
}

impl FastBlock {
    fn new(block: &BasicBlock) -> Result<Self> {
        let downsample = block.downsample.as_ref();
        Ok(Self {
            conv1: block.conv1.folded(&block.bn1)?.prepare(Activation::Relu)?,
            // The shortcut is added before the ReLU.
            conv2: block.conv2.folded(&block.bn2)?.prepare(Activation::Relu)?,
            downsample: downsample
                .map(|(conv, norm)| conv.folded(norm)?.prepare(Activation::None))
                .transpose()?,
        })
    }

    /// Replaces `x` by the block's result; gives its size.
    fn run(
        &self,
        x: &mut Buffer,
        size: (usize, usize),
        [inner, result, shortcut]: [&mut Buffer; 3],
        scratch: &mut Scratch,
    ) -> Result<(usize, usize)> {
        let new_size = apply(&self.conv1, &[x.values()], size, None, inner, scratch)?;
        let add = match &self.downsample {
            Some(conv) => {
                apply(conv, &[x.values()], size, None, shortcut, scratch)?;
                shortcut.values()
            }
            None => x.values(),
        };
        apply(&self.conv2, &[inner.values()], new_size, Some(add), result, scratch)?;
        std::mem::swap(x, result);
        Ok(new_size)
    }
}

impl FastEncoder {
    pub(super) fn new(encoder: &ImageEncoder) -> Result<Self> {
        let blocks = |layers: &[&[BasicBlock; 2]]| {
            layers.iter().copied().flatten().map(FastBlock::new).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            stem: encoder.conv1.folded(&encoder.bn1)?.prepare(Activation::Relu)?,
            fine: blocks(&[&encoder.layer1, &encoder.layer2])?,
            coarse: blocks(&[&encoder.layer3])?,
            up: encoder.upconv1.prepare(Activation::Relu)?,
            fusion: encoder.upconv1_fusion.prepare(Activation::Relu)?,
            out: encoder.out_conv.prepare(Activation::None)?,
        })
    }

    /// Every element of `images` is the list of maps that are joined along channels, at `size`, multiples of 16.
    ///
    /// → `[images, outputs, h/8, w/8]`
    pub(super) fn run(
        &self,
        images: &[Vec<&[f32]>],
        size: (usize, usize),
        work: &mut Work,
    ) -> Result<Tensor> {
        let (height, width) = (size.0 / super::super::STRIDE, size.1 / super::super::STRIDE);
        let each = self.out.outputs() * height * width;
        let mut values = vec![0.0; images.len() * each];
        for (image, out) in images.iter().zip(values.chunks_exact_mut(each.max(1))) {
            self.one(image, size, out, work)?;
        }
        Tensor::from_vec(values, (images.len(), self.out.outputs(), height, width), &Device::Cpu)
    }

    fn one(&self, image: &[&[f32]], size: (usize, usize), out: &mut [f32], work: &mut Work) -> Result<()> {
        let Work { maps: [x, a, b, c, skip], scratch, .. } = work;
        let size = apply(&self.stem, image, size, None, a, scratch)?;
        let pooled = (size.0.div_ceil(2), size.1.div_ceil(2));
        resample::max_pool(a.values(), size, x.room(self.stem.outputs() * pooled.0 * pooled.1));
        let mut size = pooled;
        for block in &self.fine {
            size = block.run(x, size, [a, b, c], scratch)?;
        }
        skip.room(x.values().len()).copy_from_slice(x.values());
        let mut coarse = size;
        for block in &self.coarse {
            coarse = block.run(x, coarse, [a, b, c], scratch)?;
        }
        resample::double(x.values(), coarse, a.room(4 * x.values().len()));
        let size = (2 * coarse.0, 2 * coarse.1);
        apply(&self.up, &[a.values()], size, None, b, scratch)?;
        apply(&self.fusion, &[b.values(), skip.values()], size, None, a, scratch)?;
        run(&self.out, &[a.values()], size, None, out, scratch)
    }
}
