//! Coarse to fine, from several starts.

use std::ops::ControlFlow;

use candle_core::{Device, Tensor};
use dro_core::{
    BlockId, Budget, Cost, CostFunction, Observer, Optimizer, Point, Schedule, Step, Turn, minimize,
};
use nalgebra::Isometry3;

use super::{
    PatchMatchConfig, PoseChart, SweepSgm, egomotion,
    pyramid::{common_size, enlarged, grey, reduced},
    search::{Found, Search, mixed},
};
use crate::{Error, Estimate, Map, Result, Solver, Update, Views, Watch, cost::CensusCost};

const DEPTH: BlockId = BlockId(0);
const POSES: BlockId = BlockId(1);

/// Structure from motion by census costs and random search; no weights.
///
/// Views may have any size from 8 by 8. Scale is not observable: the answer's median depth is 1, and depths are kept
/// between a tenth and ten times that. Updates before the last stages, which belong to many starts, are counted but not
/// shown to the watch.
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

impl Solver for PatchMatchSolver {
    fn solve(&self, views: &Views, watch: &mut dyn Watch) -> Result<Estimate> {
        let config = &self.config;
        config.validate()?;
        let (height, width) = common_size(views)?;
        let target = grey(&views.target)?;
        let neighbours = views.neighbours.iter().map(grey).collect::<Result<Vec<_>>>()?;
        let scale = (config.max_width as f64 / width as f64).min(1.0);
        let side = |n: usize| ((n as f64 * scale).round() as usize).max(8);
        let size = (side(height), side(width));
        let target = reduced(&target, size)?;
        let neighbours = neighbours.iter().map(|n| reduced(n, size)).collect::<Result<Vec<_>>>()?;
        let camera = views.camera.resized((height, width), size)?;
        let tolerance = config.census.tolerance as f32;
        let ego = egomotion::estimate(&target, &neighbours, camera, tolerance, config.seed)?;
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        let (low, high) = ego.range;
        let cost = CensusCost::new(&target, &neighbours, camera, ego.range, &config.census)?;
        let flat = Tensor::full((0.5 * (low + high)) as f32, (1, 1, size.0, size.1), &Device::Cpu)?;
        let pose_tensor = |poses: &[Isometry3<f64>]| {
            let poses: Vec<f32> = poses.iter().flat_map(PoseChart::encode).collect();
            Tensor::from_vec(poses, (1, neighbours.len(), 6), &Device::Cpu)
        };
        let still =
            cost.space().point(vec![flat, pose_tensor(&vec![Isometry3::identity(); neighbours.len()])?])?;
        let moving = still.with(POSES, pose_tensor(&ego.poses)?)?;
        let search = Search { config, cost: &cost };
        // What is shown starts with nothing known; then the poses found; then every update from there.
        let cost_start = Found::new(&cost, still.clone())?.total;
        let mut relay = Relay { watch, first: 0, stage: 0, failed: None };
        for point in [&still, &moving] {
            relay.show(&cost, point)?;
        }
        let step = (high - low) / (config.planes - 1) as f64;
        let planes = (0..config.planes).map(|i| (low + step * i as f64) as f32).collect();
        let mut sweep = SweepSgm::new(planes, (0.02, 0.12), size.1);
        let schedule = Schedule::single(DEPTH, config.planes);
        let found = minimize(&cost, &mut sweep, &moving, &schedule, &Budget::default(), &mut [&mut relay])?;
        relay.next(config.planes)?;
        let mut best = Found::new(&cost, found.last)?;
        let mut updates = ego.evaluations + 2 + config.planes;
        for stage in 0..config.stages {
            let seed = mixed(config.seed, 10_000 + stage as u64);
            best = search.stage(&best.point, 0.5f64.powi(stage as i32), seed, &mut [&mut relay])?;
            relay.next(search.shown_updates())?;
            updates += search.stage_updates();
        }
        // Where translation explains hardly more than rotation, depth is a guess: draw it towards a constant.
        let trust = ((1.0 - ego.moving / ego.still.max(1e-9)) / 0.1).clamp(0.0, 1.0);
        let trust = if trust.is_finite() { trust as f32 } else { 0.0 };
        finish(&best, (height, width), trust, cost_start, updates)
    }
}

/// The estimate at the views' size, median depth 1.
fn finish(
    best: &Found,
    size: (usize, usize),
    trust: f32,
    cost_start: f64,
    updates: usize,
) -> Result<Estimate> {
    let mut sorted = Map::from_tensor(best.point.get(BlockId(0)))?.values().to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    let inv_depth = Map::from_tensor(&enlarged(best.point.get(BlockId(0)), size)?)?
        .mapped(|x| (x / median).powf(trust).clamp(0.1, 10.0));
    let poses = best.point.get(BlockId(1)).flatten_all()?.to_vec1::<f32>()?;
    let poses = poses.chunks(6).map(|p| {
        let mut pose = PoseChart::decode(p);
        pose.translation.vector *= f64::from(median);
        pose
    });
    Ok(Estimate { inv_depth, poses: poses.collect(), cost_start, cost_end: best.total, updates })
}

/// Passes updates on to the caller's watch.
struct Relay<'a> {
    watch: &'a mut dyn Watch,
    first: usize,
    stage: usize,
    failed: Option<Error>,
}

impl Relay<'_> {
    /// Shows a point that no run of [`minimize`] came by.
    fn show(&mut self, cost: &CensusCost, point: &Point) -> Result<()> {
        let mut keep = Keep(point.get(POSES).clone());
        let schedule = Schedule::single(POSES, 1);
        minimize(cost, &mut keep, point, &schedule, &Budget::default(), &mut [&mut *self])?;
        self.first += 1;
        self.failed.take().map_or(Ok(()), Err)
    }

    /// To the next stage, after `shown` updates; an error if the watch refused one.
    fn next(&mut self, shown: usize) -> Result<()> {
        self.first += shown;
        self.stage += 1;
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl Observer for Relay<'_> {
    fn on_step(&mut self, step: &Step<'_>) -> dro_core::Result<ControlFlow<String>> {
        let outcome = if self.watch.interrupted() {
            Err(Error::Interrupted)
        } else if self.watch.wants_updates() {
            update(step, self.first, self.stage).and_then(|u| self.watch.update(&u))
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

fn update(step: &Step<'_>, first: usize, stage: usize) -> Result<Update> {
    let map = step.cost.map_for("inverse_depth")?.mean_keepdim(0)?;
    let poses = step.point.get(BlockId(1)).flatten_all()?.to_vec1::<f32>()?;
    Ok(Update {
        step: first + step.turn.step,
        stage,
        block: if step.turn.block == BlockId(0) { "inverse_depth" } else { "poses" }.into(),
        cost: f64::from(step.cost.total.to_vec1::<f32>()?[0]),
        cost_map: Map::from_tensor(&map)?,
        inv_depth: Map::from_tensor(step.point.get(BlockId(0)))?,
        poses: poses.chunks(6).map(PoseChart::decode).collect(),
    })
}

/// Stays where it is.
struct Keep(Tensor);

impl Optimizer for Keep {
    fn ask(&mut self, _turn: &Turn<'_>) -> dro_core::Result<Tensor> {
        Ok(self.0.clone())
    }

    fn tell(&mut self, _turn: &Turn<'_>, candidate: &Tensor, _cost: &Cost) -> dro_core::Result<Tensor> {
        Ok(candidate.clone())
    }
}
