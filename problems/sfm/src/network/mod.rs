//! The published DRO network: encoders, start values, and one learned update rule per block of variables.

mod encoder;
mod heads;
mod predictions;
mod range;
mod rules;
mod solver;

use candle_core::{Result as TensorResult, Tensor};
use candle_nn::{Module, ModuleT, VarBuilder};
use dro_core::{
    Bound, Budget, CostFunction, Coupling, Memory, Observer, Optimizer, Point, Schedule, Solution, minimize,
};
use dro_vision::scale_intrinsics;

use crate::{
    Result,
    cost::{FeatureMetricCost, INVERSE_DEPTH, POSES, sfm_space},
    weights::ModelConfig,
};
pub use encoder::ImageEncoder;
pub use heads::{DepthHead, MaskHead, PoseHead};
pub use predictions::{Keep, Predictions};
pub use range::InverseDepthRange;
pub use rules::{DepthRule, PoseRule};
pub use solver::{DroSolver, Iterations};

/// Variables, costs and hidden states live at 1/8 of the image.
pub const STRIDE: usize = 8;
/// Image sides must be multiples of this: features at 1/16 are joined with 1/8.
pub const MULTIPLE: usize = 16;
/// Channels of the features and of the cost map.
pub const FEATURES: usize = 128;
/// Channels of the context.
pub const CONTEXT: usize = 32;

/// The DRO network (arXiv 2103.13201; layer names as in the published checkpoints).
#[derive(Debug, Clone)]
pub struct DroNet {
    config: ModelConfig,
    features: ImageEncoder,
    depth_context: ImageEncoder,
    pose_context: ImageEncoder,
    depth_head: DepthHead,
    pose_head: PoseHead,
    start_mask: MaskHead,
    depth_rule: DepthRule,
    pose_rule: PoseRule,
}

/// What the network knows of a set of views before the first update: made once, whatever the number of updates.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// Start values: inverse depth `[batch, 1, h/8, w/8]` (unscaled), poses `[batch, neighbours, 6]`.
    pub start: Point,
    /// Features of the target, `[batch, 128, h/8, w/8]`.
    pub target_features: Tensor,
    /// Features of the neighbours, `[batch · neighbours, 128, h/8, w/8]`, batch-major.
    pub neighbour_features: Tensor,
    /// Context of the depth rule before its split, `[batch, hidden + 32, h/8, w/8]`.
    pub depth_context: Tensor,
    /// Context of the pose rule before its split, `[batch · neighbours, hidden + 32, h/8, w/8]`.
    pub pose_context: Tensor,
    /// Intrinsics at 1/8, `[batch, 3, 3]`.
    pub intrinsics: Tensor,
    /// Upsampling logits of the start values, `[batch, 576, h/8, w/8]`.
    pub start_mask: Tensor,
    /// How the unscaled inverse depth is read.
    pub range: InverseDepthRange,
}

impl Encoded {
    /// The published cost of these views.
    pub fn feature_metric_cost(&self) -> Result<FeatureMetricCost> {
        FeatureMetricCost::new(&self.target_features, &self.neighbour_features, &self.intrinsics, self.range)
    }
}

impl DroNet {
    /// Takes the parameters from `vb`; batch-norm statistics are part of them.
    pub fn new(config: &ModelConfig, vb: VarBuilder) -> Result<Self> {
        config.validate()?;
        let (hidden, channels) = (config.hidden, config.encoder);
        Ok(Self {
            config: config.clone(),
            features: ImageEncoder::new(3, FEATURES, channels, vb.pp("fnet"))?,
            depth_context: ImageEncoder::new(3, hidden + CONTEXT, channels, vb.pp("cnet_depth"))?,
            pose_context: ImageEncoder::new(6, hidden + CONTEXT, channels, vb.pp("cnet_pose"))?,
            depth_head: DepthHead::new(FEATURES, vb.pp("depth_head"))?,
            pose_head: PoseHead::new(2 * FEATURES, FEATURES, vb.pp("pose_head"))?,
            start_mask: MaskHead::new(FEATURES, vb.pp("upmask_net").pp("mask"))?,
            depth_rule: DepthRule::new(hidden, vb.pp("update_block_depth"))?,
            pose_rule: PoseRule::new(hidden, vb.pp("update_block_pose"))?,
        })
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The learned rule for inverse depth.
    pub fn depth_rule(&self) -> &DepthRule {
        &self.depth_rule
    }

    /// The learned rule for poses.
    pub fn pose_rule(&self) -> &PoseRule {
        &self.pose_rule
    }

    /// Features, contexts and start values.
    ///
    /// * `target`, each of `neighbours`: `[batch, 3, h, w]`, RGB in [0, 1], h and w multiples of 16
    /// * `intrinsics`: `[batch, 3, 3]` at that size
    /// * `train`: batch norms use and update batch statistics
    pub fn encode(
        &self,
        target: &Tensor,
        neighbours: &[Tensor],
        intrinsics: &Tensor,
        train: bool,
    ) -> Result<Encoded> {
        let (batch, _, height, width) = target.dims4()?;
        let count = neighbours.len();
        self.check_views(target, neighbours)?;

        let images: Vec<&Tensor> = std::iter::once(target).chain(neighbours).collect();
        let features = self.features.forward_t(&Tensor::cat(&images, 0)?, train)?;
        let target_features = features.narrow(0, 0, batch)?;
        let neighbour_features = batch_major(&features.narrow(0, batch, batch * count)?, batch, count)?;

        let inverse_depth = candle_nn::ops::sigmoid(&self.depth_head.forward(&target_features)?)?;
        let target_repeated = repeat_each(&target_features, count)?;
        let pairs = Tensor::cat(&[&target_repeated, &neighbour_features], 1)?;
        let poses = self.pose_head.forward(&pairs)?.reshape((batch, count, 6))?;

        let neighbour_images = batch_major(&Tensor::cat(neighbours, 0)?, batch, count)?;
        let image_pairs = Tensor::cat(&[&repeat_each(target, count)?, &neighbour_images], 1)?;
        let space = sfm_space(height / STRIDE, width / STRIDE, count)?;
        Ok(Encoded {
            start: space.point(vec![inverse_depth, poses])?,
            start_mask: self.start_mask.forward(&target_features)?,
            depth_context: self.depth_context.forward_t(target, train)?,
            pose_context: self.pose_context.forward_t(&image_pairs, train)?,
            intrinsics: scale_intrinsics(intrinsics, 1.0 / STRIDE as f64)?,
            range: InverseDepthRange::of(&self.config),
            target_features,
            neighbour_features,
        })
    }

    /// Optimises depth and poses on `cost`, which is [`Encoded::feature_metric_cost`] or any other over the same space.
    ///
    /// The optimizer is given back for its memories (upsampling reads the depth rule's).
    pub fn optimize(
        &self,
        encoded: &Encoded,
        cost: &dyn CostFunction,
        schedule: &Schedule,
        budget: &Budget,
        observers: &mut [&mut dyn Observer],
    ) -> Result<(Solution, Bound<'_>)> {
        let start = &encoded.start;
        let mut optimizer = Bound::new(cost.space())
            .with("inverse_depth", &self.depth_rule, start, Some(&encoded.depth_context))?
            .with("poses", &self.pose_rule, start, Some(&encoded.pose_context))?;
        let solution = minimize(cost, &mut optimizer, start, schedule, budget, observers)?;
        Ok((solution, optimizer))
    }

    /// m stages of n updates of depth, then of poses.
    pub fn schedule(&self, iterations: Iterations, coupling: Coupling) -> Schedule {
        Schedule::alternating(iterations.stages, iterations.inner, [INVERSE_DEPTH, POSES])
            .with_coupling(coupling)
    }

    /// Inverse depth in 1/m at the image's size, `[batch, 1, h, w]`, from the unscaled map and the rule's memory.
    pub fn full_size(&self, inverse_depth: &Tensor, memory: &Memory) -> Result<Tensor> {
        Ok(InverseDepthRange::of(&self.config).scale(&self.depth_rule.upsample(inverse_depth, memory)?)?)
    }

    /// The start values at the image's size, `[batch, 1, h, w]`.
    pub fn full_size_start(&self, encoded: &Encoded) -> Result<Tensor> {
        let upsampled =
            dro_vision::convex_upsample(encoded.start.get(INVERSE_DEPTH), &encoded.start_mask, STRIDE)?;
        Ok(encoded.range.scale(&upsampled)?)
    }

    /// The newest inverse depth at the image's size, whatever number of updates were done.
    pub fn full_size_of(
        &self,
        encoded: &Encoded,
        solution: &Solution,
        optimizer: &Bound<'_>,
    ) -> Result<Tensor> {
        match optimizer.memory(INVERSE_DEPTH) {
            Some(memory) if solution.evaluations > 0 => {
                self.full_size(solution.last.get(INVERSE_DEPTH), memory)
            }
            _ => self.full_size_start(encoded),
        }
    }

    fn check_views(&self, target: &Tensor, neighbours: &[Tensor]) -> Result<()> {
        let (_, _, height, width) = target.dims4()?;
        if height == 0 || width == 0 || height % MULTIPLE != 0 || width % MULTIPLE != 0 {
            let found = format!("{height}x{width}");
            return Err(crate::Error::argument("image size", format!("multiples of {MULTIPLE}"), found));
        }
        if neighbours.is_empty() {
            return Err(crate::Error::argument("neighbours", "at least one image", "none"));
        }
        for neighbour in neighbours {
            if neighbour.dims() != target.dims() {
                return Err(crate::Error::argument(
                    "neighbour image",
                    format!("the target's shape {:?}", target.dims()),
                    format!("{:?}", neighbour.dims()),
                ));
            }
        }
        Ok(())
    }
}

/// `[neighbours · batch, …]` (neighbour-major, as images are stacked) → `[batch · neighbours, …]`.
fn batch_major(x: &Tensor, batch: usize, count: usize) -> TensorResult<Tensor> {
    if batch == 1 || count == 1 {
        return Ok(x.clone());
    }
    let mut shape = vec![count, batch];
    shape.extend_from_slice(&x.dims()[1..]);
    x.reshape(shape)?.transpose(0, 1)?.contiguous()?.flatten(0, 1)
}

/// Every batch element `count` times in a row: `[b, …]` → `[b · count, …]`.
pub(crate) fn repeat_each(x: &Tensor, count: usize) -> TensorResult<Tensor> {
    if count == 1 {
        return Ok(x.clone());
    }
    let mut shape = x.dims().to_vec();
    shape.insert(1, count);
    x.unsqueeze(1)?.broadcast_as(shape.as_slice())?.contiguous()?.flatten(0, 1)
}
