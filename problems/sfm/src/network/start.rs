//! What the network computes before the first update.

use candle_core::{Result, Tensor};
use candle_nn::{Module, ModuleT, VarBuilder};
use dro_core::cells::Conv;

use crate::weights::ModelConfig;

use super::{
    CONTEXT, FEATURES,
    encoder::ImageEncoder,
    heads::{DepthHead, MaskHead, PoseHead},
    repeat_each,
};

/// Encoders and heads, with gradients.
#[derive(Debug)]
pub(super) struct PlainStart {
    pub(super) features: ImageEncoder,
    pub(super) contexts: Contexts,
    pub(super) depth_head: DepthHead,
    pub(super) pose_head: PoseHead,
    pub(super) mask: MaskHead,
}

/// What the rules know of the pictures beside costs.
#[derive(Debug)]
pub(super) enum Contexts {
    /// From images, as published.
    Encoders { depth: Box<ImageEncoder>, pose: Box<ImageEncoder> },
    /// A convolution each of the features of a target, and of a pair.
    Shared { depth: Conv, pose: Conv },
}

impl Contexts {
    fn new(config: &ModelConfig, vb: &VarBuilder) -> Result<Self> {
        let (outputs, channels) = (config.hidden + CONTEXT, config.encoder);
        Ok(if config.shared_context {
            Self::Shared {
                depth: Conv::same(FEATURES, outputs, (3, 3), vb.pp("context_depth"))?,
                pose: Conv::same(2 * FEATURES, outputs, (3, 3), vb.pp("context_pose"))?,
            }
        } else {
            Self::Encoders {
                depth: Box::new(ImageEncoder::new(3, outputs, channels, vb.pp("cnet_depth"))?),
                pose: Box::new(ImageEncoder::new(6, outputs, channels, vb.pp("cnet_pose"))?),
            }
        })
    }
}

/// Its results; shapes as in [`Encoded`](super::Encoded).
pub(super) struct Started {
    pub(super) target_features: Tensor,
    pub(super) neighbour_features: Tensor,
    pub(super) depth_context: Tensor,
    pub(super) pose_context: Tensor,
    pub(super) inverse_depth: Tensor,
    pub(super) poses: Tensor,
}

impl PlainStart {
    pub(super) fn new(config: &ModelConfig, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            features: ImageEncoder::new(3, FEATURES, config.encoder, vb.pp("fnet"))?,
            contexts: Contexts::new(config, vb)?,
            depth_head: DepthHead::new(FEATURES, vb.pp("depth_head"))?,
            pose_head: PoseHead::new(2 * FEATURES, FEATURES, config.rotation_scale, vb.pp("pose_head"))?,
            mask: MaskHead::new(FEATURES, vb.pp("upmask_net").pp("mask"))?,
        })
    }

    /// `target`, each of `neighbours`: `[batch, 3, h, w]`. With `train`, batch norms use and update batch statistics.
    pub(super) fn run(&self, target: &Tensor, neighbours: &[Tensor], train: bool) -> Result<Started> {
        let (batch, count) = (target.dim(0)?, neighbours.len());
        let images: Vec<&Tensor> = std::iter::once(target).chain(neighbours).collect();
        let features = self.features.forward_t(&Tensor::cat(&images, 0)?, train)?;
        let target_features = features.narrow(0, 0, batch)?;
        let neighbour_features = batch_major(&features.narrow(0, batch, batch * count)?, batch, count)?;

        let inverse_depth = candle_nn::ops::sigmoid(&self.depth_head.forward(&target_features)?)?;
        let pairs = Tensor::cat(&[&repeat_each(&target_features, count)?, &neighbour_features], 1)?;
        let poses = self.pose_head.forward(&pairs)?.reshape((batch, count, 6))?;

        let (depth_context, pose_context) = match &self.contexts {
            Contexts::Encoders { depth, pose } => {
                let neighbour_images = batch_major(&Tensor::cat(neighbours, 0)?, batch, count)?;
                let image_pairs = Tensor::cat(&[&repeat_each(target, count)?, &neighbour_images], 1)?;
                (depth.forward_t(target, train)?, pose.forward_t(&image_pairs, train)?)
            }
            Contexts::Shared { depth, pose } => (depth.forward(&target_features)?, pose.forward(&pairs)?),
        };
        Ok(Started { depth_context, pose_context, target_features, neighbour_features, inverse_depth, poses })
    }
}

/// `[neighbours · batch, …]` (neighbour-major, as images are stacked) → `[batch · neighbours, …]`.
pub(super) fn batch_major(x: &Tensor, batch: usize, count: usize) -> Result<Tensor> {
    if batch == 1 || count == 1 {
        return Ok(x.clone());
    }
    let mut shape = vec![count, batch];
    shape.extend_from_slice(&x.dims()[1..]);
    x.reshape(shape)?.transpose(0, 1)?.contiguous()?.flatten(0, 1)
}
