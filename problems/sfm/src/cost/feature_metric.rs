//! The published cost: squared difference of warped features.

use std::sync::Arc;

use candle_core::Tensor;
use dro_core::{BlockId, Cost, CostFunction, Kernels, Point, Space, kernels};
use dro_vision::{depth_from_inverse, euler_to_matrix, warp};

use super::{
    fused::{FusedCost, Maps},
    one_pass::OnePassCost,
};
use crate::{
    Result,
    network::{InverseDepthRange, repeat_each},
};

/// `C_i = (F_target − warp(F_i; depth, pose_i))²`, per channel (DRO, arXiv 2103.13201, equation 1, squared as in the
/// published code).
///
/// Block `inverse_depth` gets the mean over neighbours, `[batch, channels, h, w]`; block `poses` gets each neighbour's
/// own, `[batch · neighbours, channels, h, w]`. The total is the mean over everything but the batch.
#[derive(Debug, Clone)]
pub struct FeatureMetricCost {
    space: Space,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// Operations on tensors, with gradients, everything repeated for each neighbour.
    Tensors {
        target: Tensor,
        neighbours: Tensor,
        intrinsics: Tensor,
        range: InverseDepthRange,
    },
    Fused(Arc<FusedCost>),
    OnePass(OnePassCost),
}

impl FeatureMetricCost {
    /// * `target`: features `[batch, c, h, w]`
    /// * `neighbours`: features `[batch · neighbours, c, h, w]`, batch-major
    /// * `intrinsics`: `[batch, 3, 3]` at the features' resolution
    pub fn new(
        target: &Tensor,
        neighbours: &Tensor,
        intrinsics: &Tensor,
        range: InverseDepthRange,
    ) -> Result<Self> {
        if target.device().is_cuda() && kernels() == Kernels::Fast {
            return Self::one_pass(target, neighbours, intrinsics, range);
        }
        let count = neighbours.dim(0)? / target.dim(0)?.max(1);
        let form = Form::Tensors {
            target: repeat_each(target, count)?,
            neighbours: neighbours.clone(),
            intrinsics: repeat_each(intrinsics, count)?,
            range,
        };
        Self::of(form, target, neighbours)
    }

    fn of(form: Form, target: &Tensor, neighbours: &Tensor) -> Result<Self> {
        let (batch, _, height, width) = target.dims4()?;
        Ok(Self { space: super::sfm_space(height, width, neighbours.dim(0)? / batch.max(1))?, form })
    }

    /// The same cost, with gradients, as few kernels: what [`new`](Self::new) takes on CUDA.
    pub(super) fn one_pass(
        target: &Tensor,
        neighbours: &Tensor,
        intrinsics: &Tensor,
        range: InverseDepthRange,
    ) -> Result<Self> {
        let cost = OnePassCost::new(target, neighbours, intrinsics, range)?;
        Self::of(Form::OnePass(cost), target, neighbours)
    }

    /// The same cost without gradients, from one pass over pixels that needs no memory but the map's; arguments as of
    /// [`new`](Self::new).
    ///
    /// # Errors
    /// When the features are not float32 on the CPU.
    pub fn for_inference(
        target: &Tensor,
        neighbours: &Tensor,
        intrinsics: &Tensor,
        range: InverseDepthRange,
    ) -> Result<Self> {
        let cost = FusedCost::new(target, neighbours, intrinsics, range)?;
        Self::of(Form::Fused(Arc::new(cost)), target, neighbours)
    }
}

impl CostFunction for FeatureMetricCost {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> dro_core::Result<Cost> {
        let (inverse_depth, poses) = (at.get(super::INVERSE_DEPTH), at.get(super::POSES));
        match &self.form {
            Form::Fused(fused) => {
                let maps = if block == super::INVERSE_DEPTH { Maps::Mean } else { Maps::Each };
                Ok(fused.evaluate(inverse_depth, poses, maps)?)
            }
            Form::OnePass(cost) => Ok(cost.evaluate(inverse_depth, poses, block == super::INVERSE_DEPTH)?),
            Form::Tensors { target, neighbours, intrinsics, range } => {
                let evaluate = || -> Result<Cost> {
                    let (batch, pairs) = (at.batch(), neighbours.dim(0)?);
                    let count = pairs / batch;
                    let depth = repeat_each(&depth_from_inverse(&range.scale(inverse_depth)?)?, count)?;
                    let poses = euler_to_matrix(&poses.reshape((pairs, 6))?)?;
                    let warped = warp(neighbours, &depth, intrinsics, intrinsics, &poses)?;
                    let per_pair = (target - warped)?.sqr()?;
                    let total = per_pair.reshape((batch, ()))?.mean(1)?;
                    let (_, channels, height, width) = per_pair.dims4()?;
                    let map = match block {
                        super::INVERSE_DEPTH if count > 1 => {
                            per_pair.reshape((batch, count, channels, height, width))?.mean(1)?
                        }
                        _ => per_pair,
                    };
                    Ok(Cost { total, map: Some(map) })
                };
                evaluate().map_err(dro_core::Error::outside)
            }
        }
    }

    fn is_differentiable(&self) -> bool {
        !matches!(self.form, Form::Fused(_))
    }
}
