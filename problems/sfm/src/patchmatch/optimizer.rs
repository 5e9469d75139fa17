//! The optimizer: candidate maps on depth turns, an evolution strategy on pose turns.

use candle_core::{DType, Device, Tensor};
use dro_core::{Cost, Optimizer, Schedule, Space, Sweep, Turn};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    moves::{Ground, Move},
    pose::Scene,
};
use crate::cost::{CensusCost, EdgeFilter, INVERSE_DEPTH, POSES};

/// What one run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Candidates of a depth turn, in order.
    pub moves: Vec<Move>,
    /// Steps of the evolution strategy in a pose turn.
    pub pose_updates: usize,
    /// First step of the evolution strategy: how far pixels move, pixels.
    pub step_px: f64,
    /// How much worse a smoothed map may be and still be accepted.
    pub slack: f32,
}

impl Plan {
    /// The schedule of `stages` stages that asks for exactly what is planned.
    pub fn schedule(&self, stages: usize) -> Schedule {
        let sweeps = vec![
            Sweep { block: INVERSE_DEPTH, inner: self.moves.len() },
            Sweep { block: POSES, inner: 1 + self.pose_updates },
        ];
        Schedule { sweeps, ..Schedule::alternating(stages, 0, []) }
    }
}

/// The search state of one neighbour's pose.
#[derive(Debug, Clone, Copy)]
struct Strategy {
    step_px: f64,
    incumbent: f32,
}

/// Weights-free search over an inverse-depth map and poses, from costs alone.
///
/// *Depth turns* ask for whole candidate maps ([`Move`]) and take each pixel of the candidate whose cost is lower
/// there. *Pose turns* run one (1+1) evolution strategy with the one-fifth success rule (Rechenberg 1973) per
/// neighbour, all of them in the same evaluation, each judged by the mean of its own cost map. The first neighbour's
/// translation keeps its length, which fixes the unobservable scale.
#[derive(Debug)]
pub struct PatchMatch {
    space: Space,
    plan: Plan,
    ground: Ground,
    focal_px: f64,
    rng: ChaCha8Rng,
    pixel_costs: Vec<f32>,
    strategies: Vec<Strategy>,
    scene: Option<Scene>,
}

impl PatchMatch {
    /// Binds a plan to the space and image of a cost.
    pub fn new(cost: &CensusCost, plan: &Plan, seed: u64) -> Self {
        let (height, width) = cost.size();
        let smoothing = EdgeFilter::new(cost.target(), width, 8.0, 0.08);
        let camera = cost.camera();
        Self {
            space: dro_core::CostFunction::space(cost).clone(),
            plan: plan.clone(),
            ground: Ground::new((height, width), cost.bounds(), &cost.texture(), smoothing),
            focal_px: (camera.fx * camera.fy).sqrt(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            pixel_costs: Vec::new(),
            strategies: Vec::new(),
            scene: None,
        }
    }

    fn depth_move(&self, turn: &Turn<'_>) -> Move {
        self.plan.moves.get(turn.inner).copied().unwrap_or(Move::Keep)
    }

    fn ask_poses(&mut self, turn: &Turn<'_>) -> dro_core::Result<Tensor> {
        let now = turn.value();
        let poses = now.flatten_all()?.to_vec1::<f32>()?;
        let neighbours = poses.len() / 6;
        if self.strategies.len() != neighbours {
            let fresh = Strategy { step_px: self.plan.step_px, incumbent: f32::INFINITY };
            self.strategies = vec![fresh; neighbours];
        }
        if turn.inner == 0 {
            self.scene = Some(Scene::new(self.focal_px, &values(turn.at.get(INVERSE_DEPTH))?));
            return Ok(now.clone());
        }
        let Some(scene) = self.scene else { return Ok(now.clone()) };
        let mut increments = Vec::with_capacity(poses.len());
        for strategy in &self.strategies {
            increments.extend(scene.sample(strategy.step_px, &mut self.rng));
        }
        let increments = Tensor::from_vec(increments, now.dims(), &Device::Cpu)?;
        let moved = self.space.block(POSES)?.domain.step(now, &increments)?;
        keep_length(&moved, &poses)
    }

    fn tell_poses(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> dro_core::Result<Tensor> {
        let map = values(cost.map_for("poses")?)?;
        let pixels = (map.len() / self.strategies.len().max(1)).max(1);
        let mut next = values(turn.value())?;
        let moved = values(candidate)?;
        let parts = self.strategies.iter_mut().zip(map.chunks(pixels));
        for ((strategy, map), (next, moved)) in parts.zip(next.chunks_mut(6).zip(moved.chunks(6))) {
            let mean = (map.iter().map(|&c| f64::from(c)).sum::<f64>() / map.len() as f64) as f32;
            if turn.inner == 0 {
                strategy.incumbent = mean;
                continue;
            }
            let accepted = mean <= strategy.incumbent;
            if accepted {
                strategy.incumbent = mean;
                next.copy_from_slice(moved);
            }
            let factor = if accepted { 1.0 / 3.0 } else { -1.0 / 12.0 };
            strategy.step_px = (strategy.step_px * f64::exp(factor)).clamp(0.002, 20.0);
        }
        Ok(Tensor::from_vec(next, candidate.dims(), candidate.device())?)
    }

    fn tell_depth(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> dro_core::Result<Tensor> {
        let costs = values(cost.map_for("inverse_depth")?)?;
        if turn.inner == 0 || self.pixel_costs.len() != costs.len() {
            self.pixel_costs = costs;
            return Ok(candidate.clone());
        }
        let slack = if self.depth_move(turn) == Move::Smooth { self.plan.slack } else { 0.0 };
        let (mut next, moved) = (values(turn.value())?, values(candidate)?);
        for (((next, incumbent), &moved), &cost) in
            next.iter_mut().zip(&mut self.pixel_costs).zip(&moved).zip(&costs)
        {
            if cost < *incumbent + slack {
                *next = moved;
                *incumbent = cost;
            }
        }
        Ok(Tensor::from_vec(next, candidate.dims(), candidate.device())?)
    }
}

impl Optimizer for PatchMatch {
    fn ask(&mut self, turn: &Turn<'_>) -> dro_core::Result<Tensor> {
        if turn.block == POSES {
            return self.ask_poses(turn);
        }
        let step = self.depth_move(turn);
        let map = self.ground.apply(step, &values(turn.value())?, &self.pixel_costs, &mut self.rng);
        Ok(Tensor::from_vec(map, turn.value().dims(), turn.value().device())?)
    }

    fn tell(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> dro_core::Result<Tensor> {
        if turn.block == POSES {
            self.tell_poses(turn, candidate, cost)
        } else {
            self.tell_depth(turn, candidate, cost)
        }
    }
}

fn values(tensor: &Tensor) -> dro_core::Result<Vec<f32>> {
    Ok(tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// The first translation scaled back to the length it had.
fn keep_length(moved: &Tensor, before: &[f32]) -> dro_core::Result<Tensor> {
    let mut poses = values(moved)?;
    let norm = |p: &[f32]| p.iter().take(3).map(|v| v * v).sum::<f32>().sqrt();
    let (was, is) = (norm(before), norm(&poses));
    if was > 0.0 && is > 0.0 {
        poses.iter_mut().take(3).for_each(|v| *v *= was / is);
    }
    Ok(Tensor::from_vec(poses, moved.dims(), moved.device())?)
}
