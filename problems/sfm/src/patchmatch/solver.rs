//! Coarse to fine, from several starts.

use std::ops::ControlFlow;

use candle_core::{Device, Tensor};
use dro_core::{BlockId, Budget, CostFunction, Observer, Point, Step, minimize};
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};

use super::{
    PatchMatch, PatchMatchConfig, Plan, PoseChart, moves,
    pose::Scene,
    pyramid::{common_size, enlarged, grey, reduced, sizes},
};
use crate::{Error, Estimate, Map, Result, Solver, Update, Views, Watch, cost::CensusCost};

/// Structure from motion by census costs and random search; no weights.
///
/// Scale is not observable: the answer's median depth is 1.
#[derive(Debug, Clone, Default)]
pub struct PatchMatchSolver {
    config: PatchMatchConfig,
}

impl PatchMatchSolver {
    /// Checks the settings.
    pub fn new(config: PatchMatchConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// The settings.
    pub fn config(&self) -> &PatchMatchConfig {
        &self.config
    }
}

/// A point and what it costs.
struct Found {
    point: Point,
    total: f64,
}

struct Run<'a> {
    config: &'a PatchMatchConfig,
    watch: &'a mut dyn Watch,
    updates: usize,
    runs: u64,
}

impl Run<'_> {
    /// `stages` of `plan` from `start`.
    fn minimize(
        &mut self,
        cost: &CensusCost,
        start: &Point,
        plan: &Plan,
        stages: usize,
        shown: bool,
    ) -> Result<Found> {
        self.runs += 1;
        let mut optimizer =
            PatchMatch::new(cost, plan, self.config.seed.wrapping_add(self.runs.wrapping_mul(0x9E37)));
        let mut relay = Relay { watch: &mut *self.watch, first: self.updates, shown, failed: None };
        let schedule = plan.schedule(stages);
        let solution =
            minimize(cost, &mut optimizer, start, &schedule, &Budget::default(), &mut [&mut relay])?;
        if let Some(error) = relay.failed {
            return Err(error);
        }
        self.updates += solution.evaluations;
        let total = total(cost, &solution.last)?;
        Ok(Found { point: solution.last, total })
    }
}

fn total(cost: &CensusCost, at: &Point) -> Result<f64> {
    Ok(f64::from(cost.evaluate(at, BlockId(1))?.total.to_vec1::<f32>()?[0]))
}

/// Directions of a cube's faces, edges and corners.
fn directions() -> Vec<Vector3<f64>> {
    let steps = [-1.0, 0.0, 1.0];
    let all =
        steps.iter().flat_map(|&x| steps.iter().flat_map(move |&y| steps.map(|z| Vector3::new(x, y, z))));
    all.filter(|d| d.norm() > 0.5).map(|d| d.normalize()).collect()
}

impl Solver for PatchMatchSolver {
    fn solve(&self, views: &Views, watch: &mut dyn Watch) -> Result<Estimate> {
        let config = &self.config;
        config.validate()?;
        let (height, width) = common_size(views)?;
        let target = grey(&views.target)?;
        let neighbours = views.neighbours.iter().map(grey).collect::<Result<Vec<_>>>()?;
        let upper = config.max_parallax;
        let bounds = (upper / 300.0, upper);
        let mut levels = Vec::new();
        for size in sizes((height, width), config.max_width, config.coarsest_width) {
            let small = neighbours.iter().map(|n| reduced(n, size)).collect::<Result<Vec<_>>>()?;
            let camera = views.camera.resized((height, width), size)?;
            levels.push(CensusCost::new(&reduced(&target, size)?, &small, camera, bounds, &config.census)?);
        }
        let mut run = Run { config, watch, updates: 0, runs: 0 };
        let Some((coarsest, finer)) = levels.split_first() else {
            return Err(Error::argument("views", "an image", format!("{height}x{width}")));
        };

        let (still, mut found) = run.starts(coarsest, neighbours.len())?;
        found.truncate(config.kept);
        let mut finest = coarsest;
        for (i, cost) in finer.iter().enumerate() {
            finest = cost;
            let mut next = Vec::new();
            let kept = if i + 1 == finer.len() { 1 } else { config.kept >> (i + 1) };
            let alone = found.len() == 1;
            for start in &found {
                let depth = enlarged(start.point.get(BlockId(0)), cost.size())?;
                let point = cost.space().point(vec![depth, start.point.get(BlockId(1)).clone()])?;
                next.push(run.minimize(cost, &point, &run.refinement(cost, 1.0), config.stages, alone)?);
            }
            next.sort_by(|a, b| a.total.total_cmp(&b.total));
            next.truncate(kept.max(1));
            found = next;
        }
        let Some(best) = found.first() else { return Err(Error::argument("starts", "at least one", 0)) };
        let cost_end = best.total;
        let cost_start = still;
        finish(best, finest, (height, width), cost_start, cost_end, run.updates)
    }
}

impl Run<'_> {
    fn refinement(&self, cost: &CensusCost, pixels: f32) -> Plan {
        let step = pixels / cost.camera().fx as f32;
        Plan {
            moves: moves::refine(step),
            rotations: 0,
            max_rotation_rad: 0.0,
            pose_updates: self.config.pose_updates,
            rotation_only: false,
            step_px: 0.5,
            slack: self.config.slack as f32,
        }
    }

    /// The cost of standing still, and every start's result at the coarsest level, best first.
    fn starts(&mut self, cost: &CensusCost, neighbours: usize) -> Result<(f64, Vec<Found>)> {
        let config = self.config;
        let (h, w) = cost.size();
        let plane = config.max_parallax as f32 / 5.0;
        let depth = Tensor::full(plane, (1, 1, h, w), &Device::Cpu)?;
        let identity = Tensor::zeros((1, neighbours, 6), candle_core::DType::F32, &Device::Cpu)?;
        let start = cost.space().point(vec![depth.clone(), identity])?;
        let still = total(cost, &start)?;
        let turn = Plan {
            moves: vec![moves::Move::Keep],
            rotations: config.rotations,
            max_rotation_rad: config.max_rotation_rad,
            pose_updates: 2 * config.pose_updates,
            rotation_only: true,
            step_px: 2.0,
            slack: 0.0,
        };
        let turned = self.minimize(cost, &start, &turn, 1, false)?;
        let turned: Vec<f32> = turned.point.get(BlockId(1)).flatten_all()?.to_vec1()?;
        let scene = Scene::new(cost.camera().fx, &[plane]);

        let bounds = (config.max_parallax / 300.0, config.max_parallax);
        let mut swept = self.refinement(cost, 1.0);
        swept.moves = moves::sweep(bounds.0 as f32, bounds.1 as f32, config.planes);
        let mut found = Vec::new();
        for direction in directions() {
            let mut poses = turned.clone();
            if let Some(first) = poses.get_mut(..6) {
                let rotation = UnitQuaternion::from_scaled_axis(scene.compensation(&direction))
                    * PoseChart::decode(first).rotation;
                first.copy_from_slice(&PoseChart::encode(&Isometry3::from_parts(
                    Translation3::from(direction),
                    rotation,
                )));
            }
            let poses = Tensor::from_vec(poses, (1, neighbours, 6), &Device::Cpu)?;
            let start = cost.space().point(vec![depth.clone(), poses])?;
            let first = self.minimize(cost, &start, &swept, 1, false)?;
            let plan = self.refinement(cost, 2.0);
            found.push(self.minimize(cost, &first.point, &plan, config.start_stages, false)?);
        }
        found.sort_by(|a, b| a.total.total_cmp(&b.total));
        Ok((still, found))
    }
}

/// The estimate at the views' size, median depth 1.
fn finish(
    best: &Found,
    cost: &CensusCost,
    size: (usize, usize),
    cost_start: f64,
    cost_end: f64,
    updates: usize,
) -> Result<Estimate> {
    let _ = cost;
    let mut sorted = Map::from_tensor(best.point.get(BlockId(0)))?.values().to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    let inv_depth = Map::from_tensor(&enlarged(best.point.get(BlockId(0)), size)?)?.mapped(|x| x / median);
    let poses = best.point.get(BlockId(1)).flatten_all()?.to_vec1::<f32>()?;
    let poses = poses.chunks(6).map(|p| {
        let mut pose = PoseChart::decode(p);
        pose.translation.vector *= f64::from(median);
        pose
    });
    Ok(Estimate { inv_depth, poses: poses.collect(), cost_start, cost_end, updates })
}

/// Passes updates on to the caller's watch.
struct Relay<'a> {
    watch: &'a mut dyn Watch,
    first: usize,
    shown: bool,
    failed: Option<Error>,
}

impl Observer for Relay<'_> {
    fn on_step(&mut self, step: &Step<'_>) -> dro_core::Result<ControlFlow<String>> {
        let outcome = if self.watch.interrupted() {
            Err(Error::Interrupted)
        } else if self.shown && self.watch.wants_updates() {
            update(step, self.first).and_then(|u| self.watch.update(&u))
        } else {
            Ok(())
        };
        Ok(match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                let reason = error.to_string();
                self.failed = Some(error);
                ControlFlow::Break(reason)
            }
        })
    }
}

fn update(step: &Step<'_>, first: usize) -> Result<Update> {
    let map = step.cost.map_for("inverse_depth")?.mean_keepdim(0)?;
    let poses = step.point.get(BlockId(1)).flatten_all()?.to_vec1::<f32>()?;
    Ok(Update {
        step: first + step.turn.step,
        stage: step.turn.stage,
        block: if step.turn.block == BlockId(0) { "inverse_depth" } else { "poses" }.into(),
        cost: f64::from(step.cost.total.to_vec1::<f32>()?[0]),
        cost_map: Map::from_tensor(&map)?,
        inv_depth: Map::from_tensor(step.point.get(BlockId(0)))?,
        poses: poses.chunks(6).map(PoseChart::decode).collect(),
    })
}
