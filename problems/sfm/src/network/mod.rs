//! The published DRO network: encoders, start values, and one learned update rule per block of variables.

mod encoder;
mod fast;
mod heads;
mod memory;
mod predictions;
mod range;
mod recurrence;
mod rules;
mod searched;
mod solver;
mod start;

use std::sync::Arc;

use candle_core::{Result as TensorResult, Tensor};
use candle_nn::{Module, VarBuilder};
use dro_core::{
    BlockId, Bound, Budget, Cost, CostFunction, Coupling, Memory, Observer, Optimizer, Point, Schedule,
    Solution, minimize,
};
use dro_vision::{kept_uploads, scale_intrinsics};

use crate::{
    Result,
    cost::{Comparison, FeatureMetricCost, INVERSE_DEPTH, POSES, ProbeConfig, ProbedCost, sfm_space},
    weights::ModelConfig,
};
pub use encoder::ImageEncoder;
use fast::{FastStart, Pool};
pub use heads::{DepthHead, MaskHead, PoseHead};
pub(crate) use memory::Work;
pub use predictions::{Keep, Predictions};
pub use range::InverseDepthRange;
pub use rules::{DepthRule, PoseRule};
pub(crate) use searched::cell_middles;
pub(crate) use solver::isometries;
pub use solver::{DroSolver, Iterations};
use start::{PlainStart, batch_major};

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
    start: Start,
    depth_rule: DepthRule,
    pose_rule: PoseRule,
}

#[derive(Debug, Clone)]
enum Start {
    Plain(Arc<PlainStart>),
    Prepared(Arc<FastStart>),
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
    /// Logits of the one mask that upsamples every prediction, `[batch, 576, h/8, w/8]`, where the network has
    /// [one](ModelConfig::shared_context); otherwise each has its own.
    pub mask: Option<Tensor>,
    /// How the unscaled inverse depth is read.
    pub range: InverseDepthRange,
    /// Where a search found the start: its whole inverse depth, 1/m, `[batch, 1, h, w]`, whose detail [answers](Self::answer) keep.
    pub searched: Option<Tensor>,
    /// [`ModelConfig::believed`].
    believed: f64,
    /// What the rules see, and the images that it is made of where it is not made of features.
    seen: Seen,
    /// Whether a prepared network made it: nothing in it has a gradient.
    prepared: bool,
}

/// The cost that the rules were trained on.
#[derive(Debug, Clone)]
enum Seen {
    FeatureMetric,
    /// With the target and the neighbours, batch-major, where images are compared, not features.
    Probed(ProbeConfig, Option<(Tensor, Tensor)>),
}

impl Encoded {
    /// Inverse depth at the image's size as it is given to users: `full_size`, `[batch, 1, h, w]`, of the network; where a search
    /// found the start, the search's as the network mends it, with its finer detail, and nearer by half of
    /// [`ModelConfig::believed`] at most.
    ///
    /// # Errors
    /// If it is not of the start's size.
    pub fn answer(&self, full_size: &Tensor) -> Result<Tensor> {
        match &self.searched {
            Some(found) => searched::mended(full_size, found, self.believed),
            None => Ok(full_size.clone()),
        }
    }

    /// The cost of these views that the network's rules were trained on: the published one, or with probes.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn cost(&self) -> Result<Box<dyn CostFunction>> {
        let (k, range) = (&self.intrinsics, self.range);
        Ok(match &self.seen {
            Seen::FeatureMetric => Box::new(self.feature_metric_cost()?),
            Seen::Probed(probes, images) => {
                let features = || (self.target_features.clone(), self.neighbour_features.clone());
                let (target, neighbours) = images.clone().unwrap_or_else(features);
                Box::new(ProbedCost::new(&target, &neighbours, k, range, *probes)?)
            }
        })
    }

    /// The published cost of these views; where the network was [prepared](DroNet::prepared) it has no gradients.
    pub fn feature_metric_cost(&self) -> Result<FeatureMetricCost> {
        let new = if self.prepared { FeatureMetricCost::for_inference } else { FeatureMetricCost::new };
        new(&self.target_features, &self.neighbour_features, &self.intrinsics, self.range)
    }
}

impl DroNet {
    /// Takes the parameters from `vb`; batch-norm statistics are part of them.
    pub fn new(config: &ModelConfig, vb: VarBuilder) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            config: config.clone(),
            start: Start::Plain(Arc::new(PlainStart::new(config, &vb)?)),
            depth_rule: DepthRule::new(config, vb.pp("update_block_depth"))?,
            pose_rule: PoseRule::new(config, vb.pp("update_block_pose"))?,
        })
    }

    /// The same network for inference on the CPU: the same numbers (to 1e-4) in much less time and memory.
    ///
    /// Its weights are those of this moment, transformed and packed once; later changes of the parameters do not reach
    /// it. No gradient passes through what it computes. Memories of its rules have another form than the plain
    /// network's, so a run is not to be resumed with the other kind.
    ///
    /// # Errors
    /// When the weights are not float32 on the CPU.
    pub fn prepared(&self) -> Result<Self> {
        let Start::Plain(start) = &self.start else { return Ok(self.clone()) };
        let pool = Arc::new(Pool::default());
        Ok(Self {
            config: self.config.clone(),
            start: Start::Prepared(Arc::new(FastStart::new(start, &pool)?)),
            depth_rule: self.depth_rule.prepared(&pool)?,
            pose_rule: self.pose_rule.prepared(&pool)?,
        })
    }

    /// The same network with gradients, whose update rules share what the kernels make of their weights, over all updates:
    /// the same numbers in less time. The weights must not change while it lives, so make one for each training step.
    pub fn shared(&self) -> Self {
        Self { depth_rule: self.depth_rule.shared(), pose_rule: self.pose_rule.shared(), ..self.clone() }
    }

    /// The same network with the update rules of another, which have the same weights.
    pub(crate) fn with_rules_of(&self, other: &Self) -> Self {
        Self { depth_rule: other.depth_rule.clone(), pose_rule: other.pose_rule.clone(), ..self.clone() }
    }

    /// Whether it was [prepared](Self::prepared) for inference.
    pub fn is_prepared(&self) -> bool {
        matches!(self.start, Start::Prepared(_))
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
    ///
    /// # Errors
    /// When sizes do not fit, and if `train` is asked of a [prepared](Self::prepared) network.
    pub fn encode(
        &self,
        target: &Tensor,
        neighbours: &[Tensor],
        intrinsics: &Tensor,
        train: bool,
    ) -> Result<Encoded> {
        self.check_views(target, neighbours)?;
        let (_, _, height, width) = target.dims4()?;
        let started = match &self.start {
            Start::Plain(start) => start.run(target, neighbours, train)?,
            Start::Prepared(_) if train => {
                let expected = "one that is not prepared for inference";
                return Err(crate::Error::argument("network", expected, "one that is"));
            }
            Start::Prepared(start) => start.run(target, neighbours)?,
        };
        let space = sfm_space(height / STRIDE, width / STRIDE, neighbours.len())?;
        let mask =
            if self.config.shared_context { Some(self.start_mask(&started.target_features)?) } else { None };
        Ok(Encoded {
            mask,
            start: space.point(vec![started.inverse_depth, started.poses])?,
            target_features: started.target_features,
            neighbour_features: started.neighbour_features,
            depth_context: started.depth_context,
            pose_context: started.pose_context,
            intrinsics: scale_intrinsics(intrinsics, 1.0 / STRIDE as f64)?,
            range: InverseDepthRange::of(&self.config),
            seen: self.seen(target, neighbours)?,
            searched: None,
            believed: self.config.believed,
            prepared: self.is_prepared(),
        })
    }

    /// Optimises depth and poses on `cost`, which is [`Encoded::cost`] or any other over the same space.
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
        let _kept = kept_uploads(start.get(INVERSE_DEPTH).device());
        let mut optimizer = Bound::new(cost.space())
            .with("inverse_depth", &self.depth_rule, start, Some(&encoded.depth_context))?
            .with("poses", &self.pose_rule, start, Some(&encoded.pose_context))?;
        let solution = minimize(cost, &mut optimizer, start, schedule, budget, observers)?;
        Ok((solution, optimizer))
    }

    /// The blocks that move, in their order: inverse depth, then poses unless those are [fixed](ModelConfig::fixed_poses).
    pub fn blocks(&self) -> &'static [BlockId] {
        if self.config.fixed_poses { &[INVERSE_DEPTH] } else { &[INVERSE_DEPTH, POSES] }
    }

    /// What each cell of the depth map costs, where that depends on its own depth alone: poses stay, and the cost is one
    /// [with probes](ProbedCost).
    fn cells(&self) -> Option<fn(&Cost) -> dro_core::Result<Tensor>> {
        (self.config.fixed_poses && self.config.probes.is_some()).then_some(ProbedCost::cells)
    }

    /// m stages of n updates of each block that moves.
    pub fn schedule(&self, iterations: Iterations, coupling: Coupling) -> Schedule {
        let blocks = self.blocks().iter().copied();
        Schedule::alternating(iterations.stages, iterations.inner, blocks)
            .with_coupling(coupling)
            .with_trained(self.trained())
    }

    /// The updates of each block after which a run [settles](ModelConfig::settles).
    pub(crate) fn trained(&self) -> Option<usize> {
        self.config.settles.then_some(self.config.updates)
    }

    /// Inverse depth in 1/m at the image's size, `[batch, 1, h, w]`, from the unscaled map and the rule's memory; `mask` is
    /// [`Encoded::mask`].
    ///
    /// # Errors
    /// If the network has no mask of its own for this and `mask` is `None`.
    pub fn full_size(
        &self,
        inverse_depth: &Tensor,
        memory: &Memory,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let own = if mask.is_none() { self.depth_rule.mask(memory)? } else { None };
        let Some(mask) = mask.or(own.as_ref()) else {
            return Err(crate::Error::argument("mask", "that of the encoded views", "none"));
        };
        let upsampled = dro_vision::convex_upsample(inverse_depth, mask, STRIDE)?;
        Ok(InverseDepthRange::of(&self.config).scale(&upsampled)?)
    }

    /// The start values at the image's size, `[batch, 1, h, w]`.
    pub fn full_size_start(&self, encoded: &Encoded) -> Result<Tensor> {
        let mask = match &encoded.mask {
            Some(mask) => mask.clone(),
            None => self.start_mask(&encoded.target_features)?,
        };
        let upsampled = dro_vision::convex_upsample(encoded.start.get(INVERSE_DEPTH), &mask, STRIDE)?;
        Ok(encoded.range.scale(&upsampled)?)
    }

    fn start_mask(&self, target_features: &Tensor) -> Result<Tensor> {
        Ok(match &self.start {
            Start::Plain(start) => start.mask.forward(target_features)?,
            Start::Prepared(start) => start.mask(target_features)?,
        })
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
                self.full_size(solution.last.get(INVERSE_DEPTH), memory, encoded.mask.as_ref())
            }
            _ => self.full_size_start(encoded),
        }
    }

    fn seen(&self, target: &Tensor, neighbours: &[Tensor]) -> Result<Seen> {
        Ok(match self.config.probes {
            None => Seen::FeatureMetric,
            Some(probes) => {
                let images = match probes.comparison {
                    Comparison::Features => None,
                    Comparison::Census => {
                        let all = Tensor::cat(neighbours, 0)?;
                        Some((target.clone(), batch_major(&all, target.dim(0)?, neighbours.len())?))
                    }
                };
                Seen::Probed(probes, images)
            }
        })
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

/// Every batch element `count` times in a row: `[b, …]` → `[b · count, …]`.
pub(crate) fn repeat_each(x: &Tensor, count: usize) -> TensorResult<Tensor> {
    if count == 1 {
        return Ok(x.clone());
    }
    let mut shape = x.dims().to_vec();
    shape.insert(1, count);
    x.unsqueeze(1)?.broadcast_as(shape.as_slice())?.contiguous()?.flatten(0, 1)
}
