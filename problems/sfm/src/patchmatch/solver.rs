//! Coarse to fine, from several starts.

use std::ops::ControlFlow;

use dro_core::{BlockId, CostFunction, Observer, Point, Step};

use super::{
    PatchMatchConfig, PoseChart,
    pyramid::{common_size, enlarged, grey, reduced, sizes},
    search::{Found, Search, mixed},
};
use crate::{Error, Estimate, Map, Result, Solver, Update, Views, Watch, cost::CensusCost};

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
            if i > 0 {
                // One stage each before they compete: costs at another size do not compare.
                let larger = found.iter().map(|f| at_level(&f.point, cost)).collect::<Result<Vec<_>>>()?;
                updates += larger.len() * search.stage_updates();
                found = search.generation(larger, 1, config.kept, 1.0, mixed(config.seed, 100 + i as u64))?;
            }
            // The finest level is for the best point alone, unless it is the only one.
            let generations = if i > 0 && i + 1 == levels.len() { 0 } else { config.generations };
            let kept = config.kept.checked_shr(i as u32).unwrap_or(0).max(1);
            for generation in 0..generations {
                if watch.interrupted() {
                    return Err(Error::Interrupted);
                }
                let seed = mixed(config.seed, (1000 * (i + 1) + generation) as u64);
                updates += found.len() * config.mutants * search.stage_updates();
                let pixels = 4.0 * 0.3f64.powf(generation as f64 / generations as f64);
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

/// A point of a coarser level at the size of `cost`.
fn at_level(point: &Point, cost: &CensusCost) -> Result<Found> {
    let depth = enlarged(point.get(BlockId(0)), cost.size())?;
    Found::new(cost, cost.space().point(vec![depth, point.get(BlockId(1)).clone()])?)
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
