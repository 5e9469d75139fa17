//! The stages that refine a point.

use dro_core::{Budget, Observer, Point, Schedule, minimize};

use super::{PatchMatch, PatchMatchConfig, Plan, SweepSgm, gauge, moves};
use crate::{
    Result,
    cost::{CensusCost, INVERSE_DEPTH},
    watch::{total_cost, unwrapped},
};

/// First joint steps, pixels. Not smaller in later stages: the valley they follow stays as long.
const JOINT_STEP_PX: f64 = 0.08;

/// Parallax between two planes of a sweep, pixels.
const PLANE_PX: f64 = 1.0;
/// More planes there are only if asked for.
const MOST_PLANES: usize = 512;

/// A point and what it costs.
pub(super) struct Found {
    pub(super) point: Point,
    pub(super) total: f64,
}

impl Found {
    pub(super) fn new(cost: &CensusCost, point: Point) -> Result<Self> {
        Ok(Self { total: total_cost(cost, &point)?, point })
    }
}

/// Refinement of a point on one cost; each search is a call of [`minimize`] with its own seed.
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
        let solution = minimize(self.cost, &mut optimizer, start, &schedule, &Budget::default(), observers)
            .map_err(unwrapped)?;
        Found::new(self.cost, solution.last)
    }

    /// How many inverse depths a sweep over a range takes: as many as asked for, and more where they would be far apart.
    pub(super) fn planes(&self, (low, high): (f64, f64)) -> usize {
        let parallax_px = (high - low) * self.cost.camera().fx;
        ((parallax_px / PLANE_PX).ceil() as usize).min(MOST_PLANES).max(self.config.planes)
    }

    /// A plane sweep over a range of inverse depths, with semi-global aggregation.
    pub(super) fn sweep(
        &self,
        start: &Point,
        (low, high): (f64, f64),
        observers: &mut [&mut dyn Observer],
    ) -> Result<Point> {
        let count = self.planes((low, high));
        let step = (high - low) / (count - 1) as f64;
        let planes = (0..count).map(|i| (low + step * i as f64) as f32).collect();
        let mut sweep = SweepSgm::new(planes, (0.02, 0.12), self.cost.size().1);
        let schedule = Schedule::single(INVERSE_DEPTH, count);
        let found = minimize(self.cost, &mut sweep, start, &schedule, &Budget::default(), observers);
        Ok(found.map_err(unwrapped)?.last)
    }

    /// The depth turn of a [stage](Self::stage) alone.
    pub(super) fn depth_turn(&self, start: &Point, pixels: f64, seed: u64) -> Result<Point> {
        let plan = self.refinement(pixels);
        let mut optimizer = PatchMatch::new(self.cost, &plan, seed);
        let schedule = Schedule::single(INVERSE_DEPTH, plan.moves.len());
        let found = minimize(self.cost, &mut optimizer, start, &schedule, &Budget::default(), &mut []);
        Ok(found.map_err(unwrapped)?.last)
    }

    /// Depth turn and pose turn, about `pixels` wide, then joint steps.
    pub(super) fn stage(
        &self,
        start: &Point,
        pixels: f64,
        seed: u64,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Found> {
        let found = self.run(start, &self.refinement(pixels), seed, observers)?;
        let point = gauge::search(self.cost, &found.point, self.config.joint_updates, JOINT_STEP_PX, seed)?;
        Found::new(self.cost, point)
    }

    /// Updates of a stage that observers see.
    pub(super) fn shown_updates(&self) -> usize {
        self.refinement(1.0).schedule(1).steps()
    }

    pub(super) fn stage_updates(&self) -> usize {
        self.refinement(1.0).schedule(1).steps() + self.config.joint_updates
    }
}

/// A seed of its own for each part of the search (the mixer of SplitMix64; Steele, Lea & Flood 2014).
pub(super) fn mixed(seed: u64, part: u64) -> u64 {
    let mut z = seed.wrapping_add(part.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Search<'_> {
    fn refinement(&self, pixels: f64) -> Plan {
        let step = (pixels / self.cost.camera().fx) as f32;
        Plan {
            moves: moves::refine(step),
            pose_updates: self.config.pose_updates,
            step_px: 0.5 * pixels,
            slack: self.config.slack as f32,
        }
    }
}
