//! The network for inference on the CPU: the same numbers with less work and less memory.
//!
//! [`DroNet::prepared`](super::DroNet::prepared) makes these parts once, from the weights as they are then. Each stands
//! beside its plain form, which training uses and which the tests compare with:
//!
//! | part | what is saved | plain form |
//! | --- | --- | --- |
//! | [`encoder`] | batch norm is folded into the convolution before it, ReLU and shortcut are fused | `encoder.rs` |
//! | [`constant`] | a pose spread over a map is constant but for its border: one small map is convolved, then expanded | `rules.rs` |
//! | [`mean_conv`] | the mean of a convolution needs sums of its input, not the convolution | `heads.rs` |
//! | [`recurrence`] | context convolved once, gates stacked, nothing concatenated, buffers reused | `rules.rs` |
//!
//! No gradient passes through them.

mod constant;
mod encoder;
mod heads;
mod mean_conv;
mod recurrence;
mod resample;
mod rules;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod work;

use std::sync::Arc;

use candle_core::{Result, Tensor};
use dro_core::cells::{Activation, CpuValues, PreparedConv};

use super::{
    repeat_each,
    start::{Contexts, PlainStart, Started},
};
use encoder::FastEncoder;
use heads::{FastDepthHead, FastMaskHead, FastPoseHead};
pub(super) use rules::{FastDepthRule, FastPoseRule};
pub(super) use work::Pool;

/// What the network computes before the first update.
#[derive(Debug)]
pub(super) struct FastStart {
    pool: Arc<Pool>,
    features: FastEncoder,
    contexts: FastContexts,
    depth_head: FastDepthHead,
    pose_head: FastPoseHead,
    mask: FastMaskHead,
}

#[derive(Debug)]
enum FastContexts {
    Encoders { depth: Box<FastEncoder>, pose: Box<FastEncoder> },
    Shared { depth: Box<PreparedConv>, pose: Box<PreparedConv> },
}

impl FastContexts {
    fn new(plain: &Contexts) -> Result<Self> {
        Ok(match plain {
            Contexts::Encoders { depth, pose } => {
                let (depth, pose) = (FastEncoder::new(depth)?, FastEncoder::new(pose)?);
                Self::Encoders { depth: Box::new(depth), pose: Box::new(pose) }
            }
            Contexts::Shared { depth, pose } => Self::Shared {
                depth: Box::new(depth.prepare(Activation::None)?),
                pose: Box::new(pose.prepare(Activation::None)?),
            },
        })
    }
}

impl FastStart {
    pub(super) fn new(plain: &PlainStart, pool: &Arc<Pool>) -> Result<Self> {
        Ok(Self {
            pool: pool.clone(),
            features: FastEncoder::new(&plain.features)?,
            contexts: FastContexts::new(&plain.contexts)?,
            depth_head: FastDepthHead::new(&plain.depth_head, Activation::Sigmoid)?,
            pose_head: FastPoseHead::new(&plain.pose_head)?,
            mask: FastMaskHead::new(&plain.mask)?,
        })
    }

    /// Upsampling logits of the start value, from the target's features.
    pub(super) fn mask(&self, target_features: &Tensor) -> Result<Tensor> {
        self.mask.forward(target_features)
    }

    /// `target`, each of `neighbours`: `[batch, 3, h, w]`.
    pub(super) fn run(&self, target: &Tensor, neighbours: &[Tensor]) -> Result<Started> {
        let target = target.contiguous()?;
        let neighbours = neighbours.iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>()?;
        let (batch, channels, height, width) = target.dims4()?;
        let (size, count) = ((height, width), neighbours.len());
        let target_values = CpuValues::of(&target)?;
        let neighbour_values = neighbours.iter().map(CpuValues::of).collect::<Result<Vec<_>>>()?;
        let image = channels * height * width;
        let of =
            |values: &'_ CpuValues<'_>, b: usize| b * image..values.as_slice().len().min((b + 1) * image);

        let targets: Vec<Vec<&[f32]>> =
            (0..batch).map(|b| vec![&target_values.as_slice()[of(&target_values, b)]]).collect();
        // Batch-major, as poses and cost maps are.
        let others: Vec<Vec<&[f32]>> = (0..batch)
            .flat_map(|b| neighbour_values.iter().map(move |v| vec![&v.as_slice()[of(v, b)]]))
            .collect();
        let pairs: Vec<Vec<&[f32]>> =
            (0..batch * count).map(|i| vec![targets[i / count][0], others[i][0]]).collect();

        self.pool.with(|work| {
            let target_features = self.features.run(&targets, size, work)?;
            let neighbour_features = self.features.run(&others, size, work)?;
            let (target_maps, neighbour_maps) =
                (CpuValues::of(&target_features)?, CpuValues::of(&neighbour_features)?);
            let (_, _, height, width) = target_features.dims4()?;
            let inverse_depth = self.depth_head.start(target_maps.as_slice(), (height, width), work)?;
            let poses = self.pose_head.start(
                target_maps.as_slice(),
                neighbour_maps.as_slice(),
                (batch, count),
                (height, width),
                work,
            )?;
            drop((target_maps, neighbour_maps));
            let (depth_context, pose_context) = match &self.contexts {
                FastContexts::Encoders { depth, pose } => {
                    (depth.run(&targets, size, work)?, pose.run(&pairs, size, work)?)
                }
                FastContexts::Shared { depth, pose } => {
                    let target = repeat_each(&target_features, count)?;
                    (
                        depth.forward(&[&target_features], None)?,
                        pose.forward(&[&target, &neighbour_features], None)?,
                    )
                }
            };
            Ok(Started {
                depth_context,
                pose_context,
                target_features,
                neighbour_features,
                inverse_depth,
                poses,
            })
        })
    }
}
