//! Poses first, then depth, then both in stages.

use dro_core::Point;
use nalgebra::Isometry3;

use super::{
    PatchMatchConfig, egomotion,
    flatten::flattened,
    likely,
    pose::poses_of,
    pyramid::{Pictures, enlarged, flat},
    relative::{self, Relative},
    search::{Found, Search, mixed},
    survey::{Survey, expected, survey},
};
use crate::{
    Error, Estimate, Map, Result, Solver, Views, Watch,
    cost::{INVERSE_DEPTH, POSES},
    sorted::Sorted,
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
        let pictures = Pictures::of(views)?;
        let full_size = pictures.size();
        let matches = relative::matched(&pictures, mixed(config.seed, 20_000))?;
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        let pictures = pictures.limited(config.max_width)?;
        let ego = egomotion::estimate(&pictures, &matches, config.census.tolerance as f32, config.seed)?;
        if watch.interrupted() {
            return Err(Error::Interrupted);
        }
        // Where translation explains hardly more than rotation, depth is a guess: draw it towards a constant.
        let explained = (1.0 - ego.moving / ego.still.max(1e-9)) / 0.1;
        let apart_px = matches.iter().flatten().map(Relative::parallax_px).fold(0.0, f64::max);
        let trust = explained.max(apart_px - 0.5).clamp(0.0, 1.0);
        let trust = if trust.is_finite() { trust as f32 } else { 0.0 };
        let known = likely::matched(&matches, &ego.poses, &pictures.camera);
        let Survey { range, likely, hidden, free, evaluations: surveyed } =
            survey(&pictures, config, &ego.poses, ego.range, &known)?;
        let agreeing = matches.into_iter().map(|relative| Some(relative?.matches)).collect();
        let cost = pictures
            .cost(range, &config.census)?
            .with_matches(agreeing, relative::EPIPOLAR_PX, relative::MATCHES_WEIGHT)
            .with_likely(likely)
            .with_hidden(hidden);
        let middle = 0.5 * (range.0 + range.1);
        let still = flat(&cost, middle, &vec![Isometry3::identity(); ego.poses.len()])?;
        let moving = flat(&cost, middle, &ego.poses)?;
        let search = Search { config, cost: &cost };
        let planes = search.planes(range);
        // What is shown starts with nothing known; then the poses found; then every update from there.
        let cost_start = Found::new(&cost, still.clone())?.total;
        let mut observer = WatchObserver::new(watch, |point: &Point| {
            Ok((Map::from_tensor(point.get(INVERSE_DEPTH))?, poses_of(point)?))
        });
        for point in [&still, &moving] {
            observer.show_point(&cost, point, POSES)?;
        }
        let swept = search.sweep(&moving, range, &mut [&mut observer])?;
        observer.next_stage(planes)?;
        // By the finer depth neighbours dispute other pixels.
        let inverse = swept.get(INVERSE_DEPTH).flatten_all()?.to_vec1::<f32>()?;
        let cost = cost.with_hidden(free.hidden(&inverse, pictures.size()));
        let likely = expected(&pictures, config, &cost, &swept, &known, &free)?;
        let cost = cost.with_likely(likely);
        let search = Search { config, cost: &cost };
        let mut best = Found::new(&cost, swept)?;
        let mut updates = ego.evaluations + surveyed + 5 + planes;
        for stage in 0..config.stages {
            let seed = mixed(config.seed, 10_000 + stage as u64);
            best = search.stage(&best.point, 0.5f64.powi(stage as i32), seed, &mut [&mut observer])?;
            observer.next_stage(search.shown_updates())?;
            updates += search.stage_updates();
        }
        // Four more evaluations: at a little other depths, and of what comes out.
        let best = Found::new(&cost, flattened(&cost, &pictures.target, &best.point)?)?;
        finish(&best, full_size, trust, cost_start, updates + 4)
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
    let found = Map::from_tensor(best.point.get(INVERSE_DEPTH))?;
    let median = Sorted::new(found.values().iter().copied()).median().unwrap_or(1.0);
    let inv_depth = Map::from_tensor(&enlarged(best.point.get(INVERSE_DEPTH), size)?)?
        .mapped(|x| (x / median as f32).powf(trust).clamp(0.1, 10.0));
    let mut poses = poses_of(&best.point)?;
    for pose in &mut poses {
        pose.translation.vector *= median;
    }
    Ok(Estimate { inv_depth, poses, cost_start, cost_end: best.total, updates })
}
