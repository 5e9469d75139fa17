//! The two learned update rules: a separable ConvGRU each, for inverse depth and for camera poses.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};
use dro_core::{Cost, LearnedOptimizer, Memory, cells::Conv};

use crate::{cost::ProbeConfig, weights::ModelConfig};

use super::{
    FEATURES, InverseDepthRange,
    fast::{FastDepthRule, FastPoseRule, Pool},
    heads::{DepthHead, MaskHead, PoseHead},
    recurrence::Recurrence,
};

/// The context, which both rules need.
fn given(context: Option<&Tensor>) -> dro_core::Result<&Tensor> {
    context.ok_or_else(|| dro_core::Error::argument("context", "the context encoder's output", "none"))
}

/// The way from a cost map with probes to increments that passes no memory.
fn direct(
    config: &ModelConfig,
    (inputs, outputs): (usize, usize),
    kernel: (usize, usize),
    vb: &VarBuilder,
) -> Result<Option<Conv>> {
    config.probes.map(|_| Conv::same(inputs, outputs, kernel, vb.pp("direct"))).transpose()
}

/// The learned rule for the inverse-depth map (unscaled, `[batch, 1, h, w]`, 1/8 of the image).
///
/// Context: `[batch, hidden + 32, h, w]`. Increments are in (−1, 1) by tanh; with
/// [probes](ModelConfig::probes) half of that, in parts of inverse depth.
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
    /// None where one mask serves all predictions.
    pub(super) mask: Option<MaskHead>,
    /// With probes: from the cost map and what is seen of the variable straight to the increment, beside what the GRU says.
    pub(super) direct: Option<Conv>,
    pub(super) scale: DepthScale,
}

/// In what the rule sees and moves inverse depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum DepthScale {
    /// The network's unscaled number, moved by the output of tanh.
    Unscaled,
    /// The logarithm of inverse depth over that of the middle, so that parts of it count alike near and far; moved by half the
    /// output of tanh, in parts of inverse depth.
    Logarithmic {
        /// Inverse depth is 0 where the network's number is minus this.
        offset: f64,
        /// The network's number plus the offset at the middle depth.
        middle: f64,
    },
}

impl DepthScale {
    fn of(config: &ModelConfig) -> Self {
        let (scale, shift) = InverseDepthRange::of(config).scale_and_shift();
        match config.probes {
            None => Self::Unscaled,
            Some(_) => {
                Self::Logarithmic { offset: shift / scale, middle: 1.0 / (config.middle_depth_m() * scale) }
            }
        }
    }

    /// What the rule sees.
    fn seen(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Unscaled => Ok(x.clone()),
            Self::Logarithmic { offset, middle } => {
                x.affine(1.0 / middle, offset / middle)?.maximum(1e-6)?.log()
            }
        }
    }

    /// The same for one number.
    pub(super) fn seen_one(self, x: f32) -> f32 {
        match self {
            Self::Unscaled => x,
            Self::Logarithmic { offset, middle } => {
                (x * (1.0 / middle) as f32 + (offset / middle) as f32).max(1e-6).ln()
            }
        }
    }

    fn increment(self, x: &Tensor, output: Tensor) -> Result<Tensor> {
        match self {
            Self::Unscaled => Ok(output),
            Self::Logarithmic { offset, .. } => output * x.affine(0.5, 0.5 * offset)?,
        }
    }

    /// The same for one number.
    pub(super) fn increment_one(self, x: f32, output: f32) -> f32 {
        match self {
            Self::Unscaled => output,
            Self::Logarithmic { offset, .. } => output * 0.5 * (x + offset as f32),
        }
    }
}

impl DepthRule {
    /// The widths are the configuration's; `vb` holds this rule's parameters.
    pub fn new(config: &ModelConfig, vb: VarBuilder) -> Result<Self> {
        let hidden = config.hidden;
        let cost = config.probes.map_or(FEATURES, |_| ProbeConfig::DEPTH_CHANNELS);
        Ok(Self(DepthForm::Plain(Arc::new(PlainDepthRule {
            direct: direct(config, (cost + 1, 1), (3, 3), &vb)?,
            scale: DepthScale::of(config),
            recurrence: Recurrence::new(hidden, cost, 1, 'd', "depth_gru", &vb)?,
            head: DepthHead::new(hidden, vb.pp("depth_head"))?,
            mask: (!config.shared_context).then(|| MaskHead::new(hidden, vb.pp("mask"))).transpose()?,
        }))))
    }

    /// The same rule for a run with gradients, see [`DroNet::shared`](super::DroNet::shared).
    pub(super) fn shared(&self) -> Self {
        let DepthForm::Plain(rule) = &self.0 else { return self.clone() };
        let (recurrence, head) = (rule.recurrence.shared(), rule.head.shared());
        Self(DepthForm::Plain(Arc::new(PlainDepthRule {
            recurrence,
            head,
            mask: rule.mask.clone(),
            direct: rule.direct.clone(),
            scale: rule.scale,
        })))
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

    /// Logits of the mask that upsamples inverse depth, from the hidden state; only needed where a prediction is read. `None`
    /// where [one mask](ModelConfig::shared_context) serves all predictions.
    pub fn mask(&self, memory: &Memory) -> crate::Result<Option<Tensor>> {
        let mask = match &self.0 {
            DepthForm::Plain(rule) => {
                rule.mask.as_ref().map(|mask| mask.forward(&memory.hidden)).transpose()?
            }
            DepthForm::Prepared(rule) => rule.mask(&memory.hidden)?,
        };
        Ok(mask)
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
                let seen = rule.scale.seen(x)?;
                let memory = rule.recurrence.step(memory, &seen, cost)?;
                let mut increment = rule.head.forward(&memory.hidden)?;
                if let Some(direct) = &rule.direct {
                    increment = (increment + direct.forward(&Tensor::cat(&[cost, &seen], 1)?)?)?;
                }
                Ok((memory, rule.scale.increment(x, increment.tanh()?)?))
            }
            DepthForm::Prepared(rule) => rule.update(memory, x, cost),
        }
    }
}

/// The learned rule for camera poses (`[batch, neighbours, 6]`: translation, then Euler angles).
///
/// One set of weights for all neighbours, which travel along the batch axis: context
/// `[batch · neighbours, hidden + 32, h, w]`, cost map `[batch · neighbours, 128, h, w]`, with
/// [probes](ModelConfig::probes) as many channels as [`ProbedCost`](crate::cost::ProbedCost) gives.
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
    /// With probes: from the cost map's means straight to the increment, beside what the GRU says.
    pub(super) direct: Option<Conv>,
}

impl PoseRule {
    /// The widths and the scale of rotations are the configuration's; `vb` holds this rule's parameters.
    pub fn new(config: &ModelConfig, vb: VarBuilder) -> Result<Self> {
        let hidden = config.hidden;
        let cost = config.probes.map_or(FEATURES, |_| ProbeConfig::POSE_CHANNELS);
        Ok(Self(PoseForm::Plain(Arc::new(PlainPoseRule {
            recurrence: Recurrence::new(hidden, cost, 6, 'p', "pose_gru", &vb)?,
            head: PoseHead::new(hidden, hidden, config.rotation_scale, vb.pp("pose_head"))?,
            direct: direct(config, (cost, 6), (1, 1), &vb)?,
        }))))
    }

    /// The same rule for a run with gradients, see [`DroNet::shared`](super::DroNet::shared).
    pub(super) fn shared(&self) -> Self {
        let PoseForm::Plain(rule) = &self.0 else { return self.clone() };
        let (recurrence, head) = (rule.recurrence.shared(), rule.head.shared());
        Self(PoseForm::Plain(Arc::new(PlainPoseRule { recurrence, head, direct: rule.direct.clone() })))
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
                let mut increment = rule.head.forward(&memory.hidden)?;
                if let Some(direct) = &rule.direct {
                    let means = cost.mean_keepdim((2, 3))?;
                    increment = (increment + rule.head.scaled(&direct.forward(&means)?.flatten_from(1)?)?)?;
                }
                Ok((memory, increment.reshape(x.dims())?))
            }
            PoseForm::Prepared(rule) => rule.update(memory, x, cost),
        }
    }
}
