//! The heads that read variables off a feature map.

use candle_core::{Device, Result, Tensor};
use dro_core::cells::{Activation, PreparedConv, Scratch};

use super::{
    super::heads::{DepthHead, MaskHead, PoseHead},
    mean_conv::MeanConv,
    work::{Buffer, Work, apply, run},
};

/// [`DepthHead`] with the function that follows it.
#[derive(Debug)]
pub(super) struct FastDepthHead {
    conv1: PreparedConv,
    conv2: PreparedConv,
}

impl FastDepthHead {
    pub(super) fn new(head: &DepthHead, then: Activation) -> Result<Self> {
        Ok(Self { conv1: head.conv1.prepare(Activation::Relu)?, conv2: head.conv2.prepare(then)? })
    }

    /// `x` `[channels, height, width]` → `out` `[1, height, width]`.
    pub(super) fn run(
        &self,
        x: &[f32],
        size: (usize, usize),
        out: &mut [f32],
        inner: &mut Buffer,
        scratch: &mut Scratch,
    ) -> Result<()> {
        apply(&self.conv1, &[x], size, None, inner, scratch)?;
        run(&self.conv2, &[inner.values()], size, None, out, scratch)
    }

    /// `x` `[batch, channels, height, width]` → `[batch, 1, height, width]`.
    pub(super) fn start(
        &self,
        x: &[f32],
        (height, width): (usize, usize),
        work: &mut Work,
    ) -> Result<Tensor> {
        let plane = (height * width).max(1);
        let each = (self.conv1.inputs() * plane).max(1);
        let mut out = vec![0.0; x.len() / each * plane];
        for (x, out) in x.chunks_exact(each).zip(out.chunks_exact_mut(plane)) {
            self.run(x, (height, width), out, &mut work.maps[0], &mut work.scratch)?;
        }
        Tensor::from_vec(out, ((), 1, height, width), &Device::Cpu)
    }
}

/// [`PoseHead`]: the mean over space comes from sums.
#[derive(Debug)]
pub(super) struct FastPoseHead {
    conv1: PreparedConv,
    conv2: MeanConv,
    scale: Vec<f32>,
}

impl FastPoseHead {
    pub(super) fn new(head: &PoseHead) -> Result<Self> {
        Ok(Self {
            conv1: head.conv1.prepare(Activation::Relu)?,
            conv2: MeanConv::new(&head.conv2)?,
            scale: head.scale()?,
        })
    }

    /// Maps `[…, height, width]`, joined along channels → 6 numbers.
    pub(super) fn run(
        &self,
        inputs: &[&[f32]],
        size: (usize, usize),
        inner: &mut Buffer,
        scratch: &mut Scratch,
    ) -> Result<Vec<f32>> {
        apply(&self.conv1, inputs, size, None, inner, scratch)?;
        let pose = self.conv2.run(inner.values(), size).into_iter();
        Ok(pose.zip(&self.scale).map(|(value, scale)| value * scale).collect())
    }

    /// Features of targets `[batch, c, height, width]` and of neighbours `[batch · count, c, height, width]` →
    /// `[batch, count, 6]`.
    pub(super) fn start(
        &self,
        targets: &[f32],
        neighbours: &[f32],
        (batch, count): (usize, usize),
        size: (usize, usize),
        work: &mut Work,
    ) -> Result<Tensor> {
        let each = (self.conv1.inputs() / 2 * size.0 * size.1).max(1);
        let mut poses = Vec::with_capacity(batch * count * 6);
        for (target, neighbours) in targets.chunks_exact(each).zip(neighbours.chunks_exact(count * each)) {
            for neighbour in neighbours.chunks_exact(each) {
                let Work { maps: [inner, ..], scratch, .. } = &mut *work;
                poses.extend(self.run(&[target, neighbour], size, inner, scratch)?);
            }
        }
        Tensor::from_vec(poses, (batch, count, 6), &Device::Cpu)
    }
}

/// [`MaskHead`]; its factor is in the weights.
#[derive(Debug)]
pub(super) struct FastMaskHead {
    hidden: PreparedConv,
    out: PreparedConv,
}

impl FastMaskHead {
    pub(super) fn new(head: &MaskHead) -> Result<Self> {
        Ok(Self {
            hidden: head.hidden.prepare(Activation::Relu)?,
            out: head.out.scaled(MaskHead::SCALE)?.prepare(Activation::None)?,
        })
    }

    /// As [`MaskHead`]'s forward.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.out.forward(&[&self.hidden.forward(&[x], None)?], None)
    }
}
