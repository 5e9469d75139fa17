//! The parts of a solve: starts, stages and generations at one size.

use candle_core::{DType, Device, Tensor};
use dro_core::{BlockId, Budget, CostFunction, Observer, Point, minimize};
use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use rayon::prelude::*;

use super::{PatchMatch, PatchMatchConfig, Plan, PoseChart, gauge, moves, pose::Scene};
use crate::{Error, Result, Watch, cost::CensusCost};

/// Searches for the rotations of a camera that stands still, from which starts are made.
const ROTATION_RUNS: u64 = 4;

/// A point and what it costs.
pub(super) struct Found {
    pub(super) point: Point,
    pub(super) total: f64,
}

impl Found {
    pub(super) fn new(cost: &CensusCost, point: Point) -> Result<Self> {
        Ok(Self { total: total(cost, &point)?, point })
    }
}

/// The searches that make up a solve; each is a call of [`minimize`] with its own seed.
pub(super) struct Search<'a> {
    pub(super) config: &'a PatchMatchConfig,
    pub(super) cost: &'a CensusCost,
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
    pub(super) fn stage(
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

    pub(super) fn stage_updates(&self) -> usize {
        self.refinement(1.0).schedule(1).steps() + self.config.joint_updates
    }

    /// Mutants of every point, each refined by one stage, compete with their parents for `kept` places.
    pub(super) fn generation(
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
pub(super) fn mixed(seed: u64, part: u64) -> u64 {
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
    pub(super) fn starts(
        &self,
        neighbours: usize,
        watch: &mut dyn Watch,
        updates: &mut usize,
    ) -> Result<(f64, Vec<Found>)> {
        let (config, cost) = (self.config, self.cost);
        let (h, w) = cost.size();
        let plane = |x: f32| Tensor::full(x, (1, 1, h, w), &Device::Cpu);
        let identity = Tensor::zeros((1, neighbours, 6), DType::F32, &Device::Cpu)?;
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
        // More than one, because a scene of several depths has several rotations that suit a part of it.
        let turned = (0..ROTATION_RUNS).into_par_iter().map(|i| {
            let found = self.run(&start, &turn, mixed(config.seed, i), &mut [])?;
            Ok(found.point.get(BlockId(1)).flatten_all()?.to_vec1::<f32>()?)
        });
        let turned = turned.collect::<Result<Vec<_>>>()?;
        *updates += turned.len() * turn.schedule(1).steps();
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
            let seed = mixed(config.seed, ROTATION_RUNS + i as u64);
            // The other neighbours may stand still, opposite the first (a video's next frame) or beside it.
            let others = [-1.0, 0.0, 1.0][i % 3];
            let poses =
                turned[(seed % ROTATION_RUNS) as usize].chunks(6).enumerate().flat_map(|(n, pose)| {
                    let t = direction * if n == 0 { 1.0 } else { others };
                    let turn = UnitQuaternion::from_scaled_axis(scene.compensation(&t));
                    PoseChart::encode(&Isometry3::from_parts(
                        t.into(),
                        turn * PoseChart::decode(pose).rotation,
                    ))
                });
            let poses: Vec<f32> = poses.collect();
            let poses = Tensor::from_vec(poses, (1, neighbours, 6), &Device::Cpu)?;
            let start = cost.space().point(vec![plane(x as f32)?, poses])?;

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
