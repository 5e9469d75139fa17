//! The two update rules.

use std::{iter::once, sync::Arc};

use candle_core::{Device, Result, Tensor};
use dro_core::{
    Memory,
    cells::{Activation, Conv, CpuValues, PreparedConv},
};

use super::{
    super::rules::{DepthScale, PlainDepthRule, PlainPoseRule},
    constant::Constant,
    heads::{FastDepthHead, FastMaskHead, FastPoseHead},
    recurrence::{FastRecurrence, copied, next},
    work::{Pool, Work, apply, run},
};

/// The prepared [`PlainDepthRule`].
#[derive(Debug)]
pub(crate) struct FastDepthRule {
    pool: Arc<Pool>,
    recurrence: FastRecurrence,
    variable1: PreparedConv,
    variable2: PreparedConv,
    join: PreparedConv,
    head: FastDepthHead,
    mask: Option<FastMaskHead>,
    direct: Option<PreparedConv>,
    scale: DepthScale,
}

impl FastDepthRule {
    pub(crate) fn new(rule: &PlainDepthRule, pool: &Arc<Pool>) -> Result<Self> {
        let encoder = &rule.recurrence.encoder;
        Ok(Self {
            pool: pool.clone(),
            recurrence: FastRecurrence::new(&rule.recurrence)?,
            variable1: encoder.variable1.prepare(Activation::Relu)?,
            variable2: encoder.variable2.prepare(Activation::Relu)?,
            join: encoder.join.prepare(Activation::Relu)?,
            // What goes straight from the cost is added before the tanh.
            head: FastDepthHead::new(
                &rule.head,
                if rule.direct.is_some() { Activation::None } else { Activation::Tanh },
            )?,
            direct: rule.direct.as_ref().map(|direct| direct.prepare(Activation::None)).transpose()?,
            mask: rule.mask.as_ref().map(FastMaskHead::new).transpose()?,
            scale: rule.scale,
        })
    }

    pub(crate) fn init(&self, context: &Tensor) -> Result<Memory> {
        self.recurrence.init(context)
    }

    pub(crate) fn mask(&self, hidden: &Tensor) -> Result<Option<Tensor>> {
        self.mask.as_ref().map(|mask| mask.forward(hidden)).transpose()
    }

    /// `x` `[n, 1, h, w]`, `cost` `[n, c, h, w]`.
    pub(crate) fn update(
        &self,
        memory: &Memory,
        x: &Tensor,
        cost: &Tensor,
    ) -> dro_core::Result<(Memory, Tensor)> {
        let plane = cost.elem_count() / (cost.dim(0)? * cost.dim(1)?).max(1);
        let (dims, constant) = self.recurrence.check(memory, cost, (x, "inverse depth", plane))?;
        let mut hidden = copied(memory)?;
        let mut increment = vec![0.0; x.elem_count()];
        let (x, cost) = (x.contiguous()?, cost.contiguous()?);
        let shape = x.shape().clone();
        let (x, cost) = (CpuValues::of(&x)?, CpuValues::of(&cost)?);
        let constant = constant.contiguous()?;
        let constant = CpuValues::of(&constant)?;
        self.pool.with(|work| -> Result<()> {
            let parts = hidden.chunks_exact_mut(dims.state).zip(increment.chunks_exact_mut(dims.plane));
            let read =
                x.as_slice().chunks_exact(dims.plane).zip(constant.as_slice().chunks_exact(6 * dims.state));
            let cost = cost.as_slice().chunks_exact(dims.cost);
            for (((hidden, increment), (x, constant)), cost) in parts.zip(read).zip(cost) {
                let Work { maps: [a, b, c, joined, seen], gru, scratch } = &mut *work;
                seen.room(dims.plane).iter_mut().zip(x).for_each(|(seen, &x)| *seen = self.scale.seen_one(x));
                self.recurrence.encode_cost(cost, dims.size, a, b, scratch)?;
                apply(&self.variable1, &[seen.values()], dims.size, None, a, scratch)?;
                apply(&self.variable2, &[a.values()], dims.size, None, c, scratch)?;
                let (encoded, own) = joined.room(dims.state).split_at_mut(dims.state - dims.plane);
                run(&self.join, &[b.values(), c.values()], dims.size, None, encoded, scratch)?;
                own.copy_from_slice(seen.values());
                self.recurrence.step(hidden, joined.values(), constant, dims.size, gru, scratch)?;
                self.head.run(hidden, dims.size, increment, a, scratch)?;
                if let Some(direct) = &self.direct {
                    apply(direct, &[cost, seen.values()], dims.size, None, a, scratch)?;
                    increment.iter_mut().zip(a.values()).for_each(|(step, add)| *step = (*step + add).tanh());
                }
                increment.iter_mut().zip(x).for_each(|(step, &x)| *step = self.scale.increment_one(x, *step));
            }
            Ok(())
        })?;
        Ok((next(memory, hidden)?, Tensor::from_vec(increment, shape, &Device::Cpu)?))
    }
}

/// The prepared [`PlainPoseRule`].
#[derive(Debug)]
pub(crate) struct FastPoseRule {
    pool: Arc<Pool>,
    recurrence: FastRecurrence,
    variable1: PreparedConv,
    variable2: PreparedConv,
    /// What the encoded pose adds to the layer that joins it with the cost.
    join_variable: PreparedConv,
    join_cost: PreparedConv,
    head: FastPoseHead,
    direct: Option<Direct>,
}

/// Weights `[6][channels]` and biases of what goes straight from the cost map's means to a pose, times the pose's scale.
#[derive(Debug)]
struct Direct(Vec<(Vec<f32>, f32)>);

impl Direct {
    fn new(conv: &Conv, scale: &[f32]) -> Result<Self> {
        let weights = conv.weight().flatten_from(1)?.to_vec2::<f32>()?;
        let biases = match conv.bias() {
            Some(bias) => bias.to_vec1::<f32>()?,
            None => vec![0.0; weights.len()],
        };
        let rows = weights.into_iter().zip(biases).zip(scale).map(|((mut row, bias), scale)| {
            row.iter_mut().for_each(|weight| *weight *= scale);
            (row, bias * scale)
        });
        Ok(Self(rows.collect()))
    }

    /// Adds to a pose what the cost map `[channels, h, w]` says.
    fn add(&self, cost: &[f32], plane: usize, pose: &mut [f32]) {
        let means: Vec<f32> =
            cost.chunks_exact(plane).map(|map| map.iter().sum::<f32>() / plane as f32).collect();
        for (number, (row, bias)) in pose.iter_mut().zip(&self.0) {
            *number += bias + row.iter().zip(&means).map(|(weight, mean)| weight * mean).sum::<f32>();
        }
    }
}

/// How far a pose's encoding sees: 7x7, 3x3 and 3x3.
const REACH: usize = 3 + 1 + 1;

impl FastPoseRule {
    pub(crate) fn new(rule: &PlainPoseRule, pool: &Arc<Pool>) -> Result<Self> {
        let encoder = &rule.recurrence.encoder;
        let (hidden, joined) = (rule.recurrence.hidden, encoder.join.weight().dim(1)?);
        let join_cost = encoder.join.part(once(0..hidden))?.with_bias(encoder.join.bias());
        Ok(Self {
            pool: pool.clone(),
            recurrence: FastRecurrence::new(&rule.recurrence)?,
            variable1: encoder.variable1.prepare(Activation::Relu)?,
            variable2: encoder.variable2.prepare(Activation::Relu)?,
            join_variable: encoder.join.part(once(hidden..joined))?.prepare(Activation::None)?,
            join_cost: join_cost.prepare(Activation::Relu)?,
            head: FastPoseHead::new(&rule.head)?,
            direct: rule
                .direct
                .as_ref()
                .map(|direct| Direct::new(direct, &rule.head.scale()?))
                .transpose()?,
        })
    }

    pub(crate) fn init(&self, context: &Tensor) -> Result<Memory> {
        self.recurrence.init(context)
    }

    /// `x` `[batch, neighbours, 6]`, `cost` `[batch · neighbours, c, h, w]`.
    pub(crate) fn update(
        &self,
        memory: &Memory,
        x: &Tensor,
        cost: &Tensor,
    ) -> dro_core::Result<(Memory, Tensor)> {
        let (dims, constant) = self.recurrence.check(memory, cost, (x, "poses", 6))?;
        let mut hidden = copied(memory)?;
        let mut increment = Vec::with_capacity(x.elem_count());
        let poses = x.flatten_all()?.to_vec1::<f32>()?;
        let cost = cost.contiguous()?;
        let cost = CpuValues::of(&cost)?;
        let constant = constant.contiguous()?;
        let constant = CpuValues::of(&constant)?;
        self.pool.with(|work| -> Result<()> {
            let parts = hidden.chunks_exact_mut(dims.state).zip(poses.chunks_exact(6));
            let read =
                cost.as_slice().chunks_exact(dims.cost).zip(constant.as_slice().chunks_exact(6 * dims.state));
            for ((hidden, pose), (cost, constant)) in parts.zip(read) {
                self.encode(pose, cost, dims.size, work)?;
                let Work { maps: [a, _, _, joined, _], gru, scratch } = &mut *work;
                self.recurrence.step(hidden, joined.values(), constant, dims.size, gru, scratch)?;
                let mut step = self.head.run(&[hidden], dims.size, a, scratch)?;
                if let Some(direct) = &self.direct {
                    direct.add(cost, dims.plane, &mut step);
                }
                increment.extend(step);
            }
            Ok(())
        })?;
        Ok((next(memory, hidden)?, Tensor::from_vec(increment, x.shape(), &Device::Cpu)?))
    }

    /// What the GRU reads of one pose and its cost, into the fourth buffer.
    fn encode(&self, pose: &[f32], cost: &[f32], size: (usize, usize), work: &mut Work) -> Result<()> {
        let Work { maps: [a, b, c, joined, add], scratch, .. } = work;
        self.recurrence.encode_cost(cost, size, a, b, scratch)?;

        let constant = Constant::new(REACH, size);
        let small = constant.small();
        spread(pose, joined.room(6 * small.0 * small.1));
        apply(&self.variable1, &[joined.values()], small, None, a, scratch)?;
        apply(&self.variable2, &[a.values()], small, None, c, scratch)?;
        apply(&self.join_variable, &[c.values()], small, None, a, scratch)?;
        let plane = size.0 * size.1;
        constant.expand(a.values(), add.room(self.join_variable.outputs() * plane));

        let encoded = self.join_cost.outputs() * plane;
        let (encoded, own) = joined.room(encoded + 6 * plane).split_at_mut(encoded);
        run(&self.join_cost, &[b.values()], size, Some(add.values()), encoded, scratch)?;
        spread(pose, own);
        Ok(())
    }
}

/// Every number over its own plane.
fn spread(numbers: &[f32], out: &mut [f32]) {
    let plane = (out.len() / numbers.len().max(1)).max(1);
    for (out, &number) in out.chunks_exact_mut(plane).zip(numbers) {
        out.fill(number);
    }
}
