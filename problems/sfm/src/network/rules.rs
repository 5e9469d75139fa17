//! The two learned update rules: a separable ConvGRU each, for inverse depth and for camera poses.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};
use dro_core::{
    Cost, LearnedOptimizer, Memory,
    cells::{Conv, SepConvGru},
};

use super::{
    CONTEXT, FEATURES, STRIDE,
    fast::{FastDepthRule, FastPoseRule, Pool},
    heads::{DepthHead, MaskHead, PoseHead},
};

/// Joins cost and variable into what the GRU reads.
///
/// cost → 1x1, ReLU, 3x3, ReLU; variable → 7x7, ReLU, 3x3 → 64, ReLU; both → 3x3, ReLU; then the variable itself.
#[derive(Debug, Clone)]
pub(super) struct InputEncoder {
    pub(super) cost1: Conv,
    pub(super) cost2: Conv,
    pub(super) variable1: Conv,
    pub(super) variable2: Conv,
    pub(super) join: Conv,
}

impl InputEncoder {
    /// `letter` names the variable's layers: `convd1` for depth, `convp1` for pose.
    fn new(hidden: usize, variable: usize, letter: char, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            cost1: Conv::same(FEATURES, hidden, (1, 1), vb.pp("convc1"))?,
            cost2: Conv::same(hidden, hidden, (3, 3), vb.pp("convc2"))?,
            variable1: Conv::same(variable, hidden, (7, 7), vb.pp(format!("conv{letter}1")))?,
            variable2: Conv::same(hidden, 64, (3, 3), vb.pp(format!("conv{letter}2")))?,
            join: Conv::same(64 + hidden, hidden - variable, (3, 3), vb.pp(format!("conv{letter}")))?,
        })
    }

    /// `variable` `[n, v, h, w]`, `cost` `[n, 128, h, w]` → `[n, hidden, h, w]`.
    fn forward(&self, variable: &Tensor, cost: &Tensor) -> Result<Tensor> {
        let cost = self.cost2.forward(&self.cost1.forward(cost)?.relu()?)?.relu()?;
        let encoded = self.variable2.forward(&self.variable1.forward(variable)?.relu()?)?.relu()?;
        let joined = self.join.forward(&Tensor::cat(&[cost, encoded], 1)?)?.relu()?;
        Tensor::cat(&[&joined, variable], 1)
    }
}

/// What both rules share: memory `[hidden | context]`, the input encoder and the GRU.
#[derive(Debug, Clone)]
pub(super) struct Recurrence {
    pub(super) hidden: usize,
    pub(super) encoder: InputEncoder,
    pub(super) gru: SepConvGru,
}

impl Recurrence {
    fn new(hidden: usize, variable: usize, letter: char, gru: &str, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            hidden,
            encoder: InputEncoder::new(hidden, variable, letter, vb.pp("encoder"))?,
            gru: SepConvGru::new(hidden, hidden + CONTEXT, vb.pp(gru))?,
        })
    }

    /// The context encoder's output splits into the initial hidden state (tanh) and the context (ReLU).
    fn init(&self, context: &Tensor) -> dro_core::Result<Memory> {
        Ok(Memory {
            hidden: context.narrow(1, 0, self.hidden)?.tanh()?,
            context: Some(context.narrow(1, self.hidden, CONTEXT)?.relu()?),
        })
    }

    fn step(&self, memory: &Memory, variable: &Tensor, cost: &Tensor) -> dro_core::Result<Memory> {
        let input = self.encoder.forward(variable, cost)?;
        let input = match &memory.context {
            Some(context) => Tensor::cat(&[context, &input], 1)?,
            None => input,
        };
        Ok(memory.next(self.gru.step(&memory.hidden, &input)?))
    }
}

/// The context, which both rules need.
fn given(context: Option<&Tensor>) -> dro_core::Result<&Tensor> {
    context.ok_or_else(|| dro_core::Error::argument("context", "the context encoder's output", "none"))
}

/// The learned rule for the inverse-depth map (unscaled, `[batch, 1, h, w]`, 1/8 of the image).
///
/// Context: `[batch, hidden + 32, h, w]`. Increments are in (−1, 1) by tanh.
#[derive(Debug, Clone)]
pub struct DepthRule {
    pub(super) recurrence: Recurrence,
    pub(super) head: DepthHead,
    pub(super) mask: MaskHead,
    fast: Option<Arc<FastDepthRule>>,
}

impl DepthRule {
    /// `hidden` is 128 or 64 in published checkpoints.
    pub fn new(hidden: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            recurrence: Recurrence::new(hidden, 1, 'd', "depth_gru", &vb)?,
            head: DepthHead::new(hidden, vb.pp("depth_head"))?,
            mask: MaskHead::new(hidden, vb.pp("mask"))?,
            fast: None,
        })
    }

    /// The same rule prepared for inference, see [`DroNet::prepared`](super::DroNet::prepared).
    pub(super) fn prepared(&self, pool: &Arc<Pool>) -> Result<Self> {
        Ok(Self { fast: Some(Arc::new(FastDepthRule::new(self, pool)?)), ..self.clone() })
    }

    /// Upsamples `x` `[batch, 1, h, w]` to the image's size with the mask that the hidden state gives. Only needed where
    /// a prediction is read.
    pub fn upsample(&self, x: &Tensor, memory: &Memory) -> crate::Result<Tensor> {
        let mask = match &self.fast {
            Some(fast) => fast.mask(&memory.hidden)?,
            None => self.mask.forward(&memory.hidden)?,
        };
        Ok(dro_vision::convex_upsample(x, &mask, STRIDE)?)
    }
}

impl LearnedOptimizer for DepthRule {
    fn init(&self, _start: &Tensor, context: Option<&Tensor>) -> dro_core::Result<Memory> {
        let context = given(context)?;
        match &self.fast {
            Some(fast) => Ok(fast.init(context)?),
            None => self.recurrence.init(context),
        }
    }

    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> dro_core::Result<(Memory, Tensor)> {
        let cost = cost.map_for("inverse_depth")?;
        if let Some(fast) = &self.fast {
            return fast.update(memory, x, cost);
        }
        let memory = self.recurrence.step(memory, x, cost)?;
        let increment = self.head.forward(&memory.hidden)?.tanh()?;
        Ok((memory, increment))
    }
}

/// The learned rule for camera poses (`[batch, neighbours, 6]`: translation, then Euler angles).
///
/// One set of weights for all neighbours, which travel along the batch axis: context
/// `[batch · neighbours, hidden + 32, h, w]`, cost map `[batch · neighbours, 128, h, w]`.
#[derive(Debug, Clone)]
pub struct PoseRule {
    pub(super) recurrence: Recurrence,
    pub(super) head: PoseHead,
    fast: Option<Arc<FastPoseRule>>,
}

impl PoseRule {
    /// `hidden` is 128 or 64 in published checkpoints.
    pub fn new(hidden: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            recurrence: Recurrence::new(hidden, 6, 'p', "pose_gru", &vb)?,
            head: PoseHead::new(hidden, hidden, vb.pp("pose_head"))?,
            fast: None,
        })
    }

    /// The same rule prepared for inference, see [`DroNet::prepared`](super::DroNet::prepared).
    pub(super) fn prepared(&self, pool: &Arc<Pool>) -> Result<Self> {
        Ok(Self { fast: Some(Arc::new(FastPoseRule::new(self, pool)?)), ..self.clone() })
    }
}

impl LearnedOptimizer for PoseRule {
    fn init(&self, _start: &Tensor, context: Option<&Tensor>) -> dro_core::Result<Memory> {
        let context = given(context)?;
        match &self.fast {
            Some(fast) => Ok(fast.init(context)?),
            None => self.recurrence.init(context),
        }
    }

    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> dro_core::Result<(Memory, Tensor)> {
        let cost = cost.map_for("poses")?;
        if let Some(fast) = &self.fast {
            return fast.update(memory, x, cost);
        }
        let (n, _, height, width) = cost.dims4()?;
        let spread = x.reshape((n, 6, 1, 1))?.broadcast_as((n, 6, height, width))?.contiguous()?;
        let memory = self.recurrence.step(memory, &spread, cost)?;
        let increment = self.head.forward(&memory.hidden)?.reshape(x.dims())?;
        Ok((memory, increment))
    }
}
