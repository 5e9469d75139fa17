//! Poses first, then depth, then both in stages.

use candle_core::{Device, Tensor};
use dro_core::{CostFunction, Point};
use nalgebra::Isometry3;

use super::{
    PatchMatchConfig, PoseChart, egomotion, likely,
    pyramid::{common_size, enlarged, grey, limited, reduced},
    relative::{self, Relative},
    search::{Found, Search, mixed},
};
use crate::{
    Error, Estimate, Map, Result, Solver, Views, Watch,
    cost::{CensusCost, INVERSE_DEPTH, POSES},
    watch::WatchObserver,
};

/// Structure from motion by census costs and random search; no weights.
///
/// Views may have any size from 8 by 8. Scale is not observable: the answer's median depth is 1, and depths are kept
/// between a tenth and ten times that. The watch sees nothing known (no motion, constant depth), the poses found, and
/// every update from there; the evaluations of the poses' search, which have no depth map, are counted but not shown.
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
        let matches = relative::matched(&target, &neighbours, views.camera, mixed(config.seed, 20_000))?;
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        let size = limited((height, width), config.max_width);
        let target = reduced(&target, size)?;
        let neighbours = neighbours.iter().map(|n| reduced(n, size)).collect::<Result<Vec<_>>>()?;
        let camera = views.camera.resized((height, width), size)?;
        let tolerance = config.census.tolerance as f32;
        let ego = egomotion::estimate(&target, &neighbours, &matches, camera, tolerance, config.seed)?;
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        let (low, high) = ego.range;
        // Where translation explains hardly more than rotation, depth is a guess: draw it towards a constant.
        let explained = (1.0 - ego.moving / ego.still.max(1e-9)) / 0.1;
        let apart_px = matches.iter().flatten().map(Relative::parallax_px).fold(0.0, f64::max);
        let trust = explained.max(apart_px - 0.5).clamp(0.0, 1.0);
        let trust = if trust.is_finite() { trust as f32 } else { 0.0 };
        let known = likely::matched(&matches, &ego.poses, &camera);
        let agreeing = matches.into_iter().map(|relative| Some(relative?.matches)).collect();
        let cost = CensusCost::new(&target, &neighbours, camera, ego.range, &config.census)?.with_matches(
            agreeing,
            relative::EPIPOLAR_PX,
            relative::MATCHES_WEIGHT,
        );
        let flat = Tensor::full((0.5 * (low + high)) as f32, (1, 1, size.0, size.1), &Device::Cpu)?;
        let pose_tensor = |poses: &[Isometry3<f64>]| {
            let poses: Vec<f32> = poses.iter().flat_map(PoseChart::encode).collect();
            Tensor::from_vec(poses, (1, neighbours.len(), 6), &Device::Cpu)
        };
        let still =
            cost.space().point(vec![flat, pose_tensor(&vec![Isometry3::identity(); neighbours.len()])?])?;
        let moving = still.with(POSES, pose_tensor(&ego.poses)?)?;
        let cost = likely::expecting(cost, config, &moving, ego.range, known)?;
        let search = Search { config, cost: &cost };
        let planes = search.planes(ego.range);
        // What is shown starts with nothing known; then the poses found; then every update from there.
        let cost_start = Found::new(&cost, still.clone())?.total;
        let mut observer = WatchObserver::new(watch, |point: &Point| {
            Ok((Map::from_tensor(point.get(INVERSE_DEPTH))?, poses_of(point)?))
        });
        for point in [&still, &moving] {
            observer.show_point(&cost, point, POSES)?;
        }
        let swept = search.sweep(&moving, ego.range, &mut [&mut observer])?;
        observer.next_stage(planes)?;
        let mut best = Found::new(&cost, swept)?;
        // The first sweep is not shown.
        let mut updates = ego.evaluations + 2 + 2 * planes + 3;
        for stage in 0..config.stages {
            let seed = mixed(config.seed, 10_000 + stage as u64);
            best = search.stage(&best.point, 0.5f64.powi(stage as i32), seed, &mut [&mut observer])?;
            observer.next_stage(search.shown_updates())?;
            updates += search.stage_updates();
        }
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
    let mut sorted = Map::from_tensor(best.point.get(INVERSE_DEPTH))?.values().to_vec();
    sorted.sort_by(f32::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    let inv_depth = Map::from_tensor(&enlarged(best.point.get(INVERSE_DEPTH), size)?)?
        .mapped(|x| (x / median).powf(trust).clamp(0.1, 10.0));
    let mut poses = poses_of(&best.point)?;
    for pose in &mut poses {
        pose.translation.vector *= f64::from(median);
    }
    Ok(Estimate { inv_depth, poses, cost_start, cost_end: best.total, updates })
}

fn poses_of(point: &Point) -> Result<Vec<Isometry3<f64>>> {
    let poses = point.get(POSES).flatten_all()?.to_vec1::<f32>()?;
    Ok(poses.chunks(6).map(PoseChart::decode).collect())
}
