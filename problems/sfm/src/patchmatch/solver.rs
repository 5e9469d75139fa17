//! Coarse to fine, from several starts.

use std::ops::ControlFlow;

use candle_core::{Device, Tensor};
use dro_core::{BlockId, Budget, CostFunction, Observer, Point, Step, minimize};
use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use rayon::prelude::*;

use super::{
    PatchMatch, PatchMatchConfig, Plan, PoseChart, gauge, moves,
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

impl Found {
    fn new(cost: &CensusCost, point: Point) -> Result<Self> {
        Ok(Self { total: total(cost, &point)?, point })
    }
}

/// The searches that make up a solve; each is a call of [`minimize`] with its own seed.
struct Search<'a> {
    config: &'a PatchMatchConfig,
    cost: &'a CensusCost,
}

impl Search<'_> {
    fn run(
        &self,
        start: &Point,
        plan: &Plan,
        seed: u64,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Found> {
        let mut optimizer = PatchMatch::new(self.cost, plan, seed);
        let schedule = plan.schedule(1);
        let solution = minimize(self.cost, &mut optimizer, start, &schedule, &Budget::default(), observers)?;
        Found::new(self.cost, solution.last)
    }

    /// Depth turn, pose turn, joint steps; all of them about `pixels` wide.
    fn stage(
        &self,
        start: &Point,
        pixels: f64,
        seed: u64,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Found> {
        let found = self.run(start, &self.refinement(pixels), seed, observers)?;
        let point = gauge::search(self.cost, &found.point, self.config.joint_updates, 0.25 * pixels, seed)?;
        Found::new(self.cost, point)
    }

    fn stage_updates(&self) -> usize {
        self.refinement(1.0).schedule(1).steps() + self.config.joint_updates
    }

    /// Mutants of every point, each refined by one stage, compete with their parents for `kept` places.
    fn generation(
        &self,
        parents: Vec<Found>,
        mutants: usize,
        kept: usize,
        pixels: f64,
        seed: u64,
    ) -> Result<Vec<Found>> {
        let jobs: Vec<(usize, usize)> =
            (0..parents.len()).flat_map(|p| (0..mutants).map(move |m| (p, m))).collect();
        let children = jobs.into_par_iter().map(|(p, m)| {
            let seed = mixed(seed, (p * mutants + m) as u64);
            let parent = &parents[p].point;
            // The first child of each parent is the parent itself, refined further.
            let start = if m == 0 { parent.clone() } else { gauge::mutant(self.cost, parent, pixels, seed)? };
            self.stage(&start, pixels.min(1.0), seed, &mut [])
        });
        let mut all = children.collect::<Result<Vec<_>>>()?;
        all.extend(parents);
        all.sort_by(|a, b| a.total.total_cmp(&b.total));
        all.truncate(kept);
        Ok(all)
    }
}

/// A seed of its own for each part of the search (the mixer of SplitMix64; Steele, Lea & Flood 2014).
fn mixed(seed: u64, part: u64) -> u64 {
    let mut z = seed.wrapping_add(part.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
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
        let Some(coarsest) = levels.first() else {
            return Err(Error::argument("views", "an image", format!("{height}x{width}")));
        };
        let mut updates = 0;
        let search = Search { config, cost: coarsest };
        let (cost_start, mut found) = search.starts(neighbours.len(), watch, &mut updates)?;
        for (i, cost) in levels.iter().enumerate() {
            let search = Search { config, cost };
            let last = i + 1 == levels.len();
            if i > 0 {
                found = found
                    .iter()
                    .map(|f| {
                        let depth = enlarged(f.point.get(BlockId(0)), cost.size())?;
                        Found::new(cost, cost.space().point(vec![depth, f.point.get(BlockId(1)).clone()])?)
                    })
                    .collect::<Result<_>>()?;
                // Costs of another size do not compare.
                found = search.generation(found, 1, config.kept, 1.0, mixed(config.seed, 100 + i as u64))?;
            }
            let kept = (config.kept >> i).max(1);
            let generations = config.generations;
            for g in 0..if last && i > 0 { 0 } else { generations } {
                if watch.interrupted() {
                    return Err(Error::Interrupted);
                }
                let seed = mixed(config.seed, (1000 * (i + 1) + g) as u64);
                updates += found.len() * config.mutants * search.stage_updates();
                let pixels = 4.0 * 0.3f64.powf(g as f64 / generations as f64);
                found = search.generation(found, config.mutants, kept, pixels, seed)?;
            }
        }
        let (Some(mut best), Some(cost)) = (found.into_iter().next(), levels.last()) else {
            return Err(Error::argument("starts", "at least one", 0));
        };
        let search = Search { config, cost };
        for stage in 0..config.stages {
            let mut relay = Relay { watch: &mut *watch, first: updates, stage, failed: None };
            let seed = mixed(config.seed, 10_000 + stage as u64);
            let pixels = 0.5f64.powi(stage as i32);
            let next = search.stage(&best.point, pixels, seed, &mut [&mut relay])?;
            if let Some(error) = relay.failed {
                return Err(error);
            }
            updates += search.stage_updates();
            best = next;
        }
        finish(&best, (height, width), cost_start, updates)
    }
}

impl Search<'_> {
    fn refinement(&self, pixels: f64) -> Plan {
        let step = (pixels / self.cost.camera().fx) as f32;
        Plan {
            moves: moves::refine(step),
            rotations: 0,
            max_rotation_rad: 0.0,
            pose_updates: self.config.pose_updates,
            rotation_only: false,
            step_px: 0.5 * pixels,
            slack: self.config.slack as f32,
        }
    }

    /// The cost of standing still, and every start's result at the coarsest level, best first.
    fn starts(
        &self,
        neighbours: usize,
        watch: &mut dyn Watch,
        updates: &mut usize,
    ) -> Result<(f64, Vec<Found>)> {
        let (config, cost) = (self.config, self.cost);
        let (h, w) = cost.size();
        let plane = |x: f32| Tensor::full(x, (1, 1, h, w), &Device::Cpu);
        let identity = Tensor::zeros((1, neighbours, 6), candle_core::DType::F32, &Device::Cpu)?;
        let start = cost.space().point(vec![plane(cost.bounds().0)?, identity])?;
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
        let turned = self.run(&start, &turn, mixed(config.seed, 0), &mut [])?;
        *updates += turn.schedule(1).steps();
        let turned: Vec<f32> = turned.point.get(BlockId(1)).flatten_all()?.to_vec1()?;
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        let mut swept = self.refinement(1.0);
        swept.moves = moves::sweep(cost.bounds().0, cost.bounds().1, config.planes);
        let mut jobs = Vec::new();
        for share in [0.01, 0.04, 0.16] {
            jobs.extend(directions().into_iter().map(|d| (share * config.max_parallax, d)));
        }
        *updates += jobs.len() * (swept.schedule(1).steps() + self.stage_updates());
        let found = jobs.into_par_iter().enumerate().map(|(i, (x, direction))| {
            let scene = Scene::new(cost.camera().fx, &[x as f32]);
            let mut poses = turned.clone();
            if let Some(first) = poses.get_mut(..6) {
                let turn = UnitQuaternion::from_scaled_axis(scene.compensation(&direction));
                let rotation = turn * PoseChart::decode(first).rotation;
                first.copy_from_slice(&PoseChart::encode(&Isometry3::from_parts(direction.into(), rotation)));
            }
            let poses = Tensor::from_vec(poses, (1, neighbours, 6), &Device::Cpu)?;
            let start = cost.space().point(vec![plane(x as f32)?, poses])?;
            let seed = mixed(config.seed, 1 + i as u64);
            let mut swept = swept.clone();
            swept.moves = moves::sweep(cost.bounds().0, (4.0 * x as f32).min(cost.bounds().1), config.planes);
            let first = self.run(&start, &swept, seed, &mut [])?;
            self.stage(&first.point, 1.0, mixed(seed, 0), &mut [])
        });
        let mut found = found.collect::<Result<Vec<_>>>()?;
        found.sort_by(|a, b| a.total.total_cmp(&b.total));
        found.truncate(config.kept);
        Ok((still, found))
    }
}

/// The estimate at the views' size, median depth 1.
fn finish(best: &Found, size: (usize, usize), cost_start: f64, updates: usize) -> Result<Estimate> {
    let mut sorted = Map::from_tensor(best.point.get(BlockId(0)))?.values().to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    let inv_depth = Map::from_tensor(&enlarged(best.point.get(BlockId(0)), size)?)?
        .mapped(|x| (x / median).clamp(0.1, 10.0));
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
