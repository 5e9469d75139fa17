//! The two learned update rules: a separable ConvGRU each, for inverse depth and for camera poses.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};
use dro_core::{Cost, LearnedOptimizer, Memory};

use super::{
    STRIDE,
    fast::{FastDepthRule, FastPoseRule, Pool},
    heads::{DepthHead, MaskHead, PoseHead},
    recurrence::Recurrence,
};

/// The context, which both rules need.
fn given(context: Option<&Tensor>) -> dro_core::Result<&Tensor> {
    context.ok_or_else(|| dro_core::Error::argument("context", "the context encoder's output", "none"))
}

/// The learned rule for the inverse-depth map (unscaled, `[batch, 1, h, w]`, 1/8 of the image).
///
/// Context: `[batch, hidden + 32, h, w]`. Increments are in (−1, 1) by tanh.
#[derive(Debug, Clone)]
pub struct DepthRule(DepthForm);

#[derive(Debug, Clone)]
enum DepthForm {
    Plain(Arc<PlainDepthRule>),
    Prepared(Arc<FastDepthRule>),
}

/// The layers, with gradients.
#[derive(Debug)]
pub(super) struct PlainDepthRule {
    pub(super) recurrence: Recurrence,
    pub(super) head: DepthHead,
    pub(super) mask: MaskHead,
}

impl DepthRule {
    /// `hidden` is 128 or 64 in published checkpoints.
    pub fn new(hidden: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self(DepthForm::Plain(Arc::new(PlainDepthRule {
            recurrence: Recurrence::new(hidden, 1, 'd', "depth_gru", &vb)?,
            head: DepthHead::new(hidden, vb.pp("depth_head"))?,
            mask: MaskHead::new(hidden, vb.pp("mask"))?,
        }))))
    }

    /// The same rule for a run with gradients, see [`DroNet::shared`](super::DroNet::shared).
    pub(super) fn shared(&self) -> Self {
        let DepthForm::Plain(rule) = &self.0 else { return self.clone() };
        let (recurrence, head) = (rule.recurrence.shared(), rule.head.shared());
        Self(DepthForm::Plain(Arc::new(PlainDepthRule { recurrence, head, mask: rule.mask.clone() })))
    }

    /// The same rule prepared for inference, see [`DroNet::prepared`](super::DroNet::prepared).
    pub(super) fn prepared(&self, pool: &Arc<Pool>) -> Result<Self> {
        match &self.0 {
            DepthForm::Plain(rule) => {
                Ok(Self(DepthForm::Prepared(Arc::new(FastDepthRule::new(rule, pool)?))))
            }
            DepthForm::Prepared(_) => Ok(self.clone()),
        }
    }

    /// Upsamples `x` `[batch, 1, h, w]` to the image's size with the mask that the hidden state gives. Only needed where
    /// a prediction is read.
    pub fn upsample(&self, x: &Tensor, memory: &Memory) -> crate::Result<Tensor> {
        let mask = match &self.0 {
            DepthForm::Plain(rule) => rule.mask.forward(&memory.hidden)?,
            DepthForm::Prepared(rule) => rule.mask(&memory.hidden)?,
        };
        Ok(dro_vision::convex_upsample(x, &mask, STRIDE)?)
    }
}

impl LearnedOptimizer for DepthRule {
    fn init(&self, _start: &Tensor, context: Option<&Tensor>) -> dro_core::Result<Memory> {
        match &self.0 {
            DepthForm::Plain(rule) => Ok(rule.recurrence.init(given(context)?)?),
            DepthForm::Prepared(rule) => Ok(rule.init(given(context)?)?),
        }
    }

    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> dro_core::Result<(Memory, Tensor)> {
        let cost = cost.map_for("inverse_depth")?;
        match &self.0 {
            DepthForm::Plain(rule) => {
                let memory = rule.recurrence.step(memory, x, cost)?;
                let increment = rule.head.forward(&memory.hidden)?.tanh()?;
                Ok((memory, increment))
            }
            DepthForm::Prepared(rule) => rule.update(memory, x, cost),
        }
    }
}

/// The learned rule for camera poses (`[batch, neighbours, 6]`: translation, then Euler angles).
///
/// One set of weights for all neighbours, which travel along the batch axis: context
/// `[batch · neighbours, hidden + 32, h, w]`, cost map `[batch · neighbours, 128, h, w]`.
#[derive(Debug, Clone)]
pub struct PoseRule(PoseForm);

#[derive(Debug, Clone)]
enum PoseForm {
    Plain(Arc<PlainPoseRule>),
    Prepared(Arc<FastPoseRule>),
}

/// The layers, with gradients.
#[derive(Debug)]
pub(super) struct PlainPoseRule {
    pub(super) recurrence: Recurrence,
    pub(super) head: PoseHead,
}

impl PoseRule {
    /// `hidden` is 128 or 64 in published checkpoints, `rotation_scale` 0.01.
    pub fn new(hidden: usize, rotation_scale: f64, vb: VarBuilder) -> Result<Self> {
        Ok(Self(PoseForm::Plain(Arc::new(PlainPoseRule {
            recurrence: Recurrence::new(hidden, 6, 'p', "pose_gru", &vb)?,
            head: PoseHead::new(hidden, hidden, rotation_scale, vb.pp("pose_head"))?,
        }))))
    }

    /// The same rule for a run with gradients, see [`DroNet::shared`](super::DroNet::shared).
    pub(super) fn shared(&self) -> Self {
        let PoseForm::Plain(rule) = &self.0 else { return self.clone() };
        let (recurrence, head) = (rule.recurrence.shared(), rule.head.shared());
        Self(PoseForm::Plain(Arc::new(PlainPoseRule { recurrence, head })))
    }

    /// The same rule prepared for inference, see [`DroNet::prepared`](super::DroNet::prepared).
    pub(super) fn prepared(&self, pool: &Arc<Pool>) -> Result<Self> {
        match &self.0 {
            PoseForm::Plain(rule) => Ok(Self(PoseForm::Prepared(Arc::new(FastPoseRule::new(rule, pool)?)))),
            PoseForm::Prepared(_) => Ok(self.clone()),
        }
    }
}

impl LearnedOptimizer for PoseRule {
    fn init(&self, _start: &Tensor, context: Option<&Tensor>) -> dro_core::Result<Memory> {
        match &self.0 {
            PoseForm::Plain(rule) => Ok(rule.recurrence.init(given(context)?)?),
            PoseForm::Prepared(rule) => Ok(rule.init(given(context)?)?),
        }
    }

    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> dro_core::Result<(Memory, Tensor)> {
        let cost = cost.map_for("poses")?;
        match &self.0 {
            PoseForm::Plain(rule) => {
                let (n, _, height, width) = cost.dims4()?;
                let spread = x.reshape((n, 6, 1, 1))?.broadcast_as((n, 6, height, width))?.contiguous()?;
                let memory = rule.recurrence.step(memory, &spread, cost)?;
                let increment = rule.head.forward(&memory.hidden)?.reshape(x.dims())?;
                Ok((memory, increment))
            }
            PoseForm::Prepared(rule) => rule.update(memory, x, cost),
        }
    }
}
